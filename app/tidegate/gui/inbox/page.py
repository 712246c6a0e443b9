"""The Inbox page: everything that was told, by day, and what is open of conflicts and hints; do not disturb."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QMenu, QStackedLayout, QVBoxLayout, QWidget

from tidegate.engine.ports import Notice
from tidegate.gui import words
from tidegate.gui.advice import Advice
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.inbox import words as said
from tidegate.gui.inbox.advice_view import AdviceView
from tidegate.gui.inbox.head import InboxHead
from tidegate.gui.inbox.list import InboxList
from tidegate.gui.inbox.model import InboxModel
from tidegate.gui.inbox.notice_panel import NoticePanel, copy
from tidegate.gui.inbox.unread import Unread
from tidegate.gui.inbox.words import NoticeFilter
from tidegate.gui.remembered import Remembered
from tidegate.gui.theme import Theme
from tidegate.gui.toasts.quiet import Quiet
from tidegate.gui.toasts.wording import Ask, Choice, OpenLog, ShowConflict, ShowJob, choices
from tidegate.gui.widgets.empty import EmptyState
from tidegate.gui.widgets.tab_button import TabButton

READ_AFTER_MS = 1500
"""Who looks at the page so long has seen what is new."""


class InboxPage(QWidget):
    """``job_wanted(str)`` and ``log_wanted(str)`` carry a job's id."""

    job_wanted = Signal(str)
    log_wanted = Signal(str)

    def __init__(
        self,
        commands: Commands,
        feed: Feed,
        advice: Advice,
        theme: Theme,
        remembered: Remembered,
        quiet: Quiet,
        unread: Unread,
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self._commands, self._unread, self._advice = commands, unread, advice
        self.advice = AdviceView(commands, advice, theme, remembered)
        self._wanted_id: int | None = None
        self.model = InboxModel(commands, self)
        self.list = InboxList(self.model, theme)
        self.panel = NoticePanel()
        self.panel.hide()
        self.head = InboxHead(quiet, unread)
        self._empty = EmptyState()
        self._read_timer = QTimer(self)
        self._read_timer.setSingleShot(True)
        self._read_timer.setInterval(READ_AFTER_MS)
        self._read_timer.timeout.connect(self._count_as_read)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(16)
        column.addWidget(self.head)
        column.addWidget(self._card(), 1)
        column.addWidget(self.panel)
        self._connect(feed)
        self._show_content()

    def set_filter(self, wanted: NoticeFilter) -> None:
        self._tabs[wanted].setChecked(True)
        self.model.set_filter(wanted)
        if wanted is NoticeFilter.ADVICE:
            self.list.clearSelection()

    def open_notice(self, id: int | None) -> None:
        """Choose this one, as soon as it was read from the history."""
        if id is None:
            return
        if self.model.filter is not NoticeFilter.ALL:
            self.set_filter(NoticeFilter.ALL)
        self._wanted_id = None if self.list.choose(id) else id

    def open_conflict(self, id: int) -> None:
        self.set_filter(NoticeFilter.ADVICE)
        self.advice.open_conflict(id)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.list.delegate.read_up_to = self._unread.read_up_to
        self.model.reload()
        self.head.show_state()
        self._read_timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._read_timer.stop()

    # --- Building ---

    def _card(self) -> QFrame:
        card = QFrame()
        card.setProperty("role", "card")
        column = QVBoxLayout(card)
        column.setContentsMargins(1, 8, 1, 8)
        column.setSpacing(4)
        tabs = QHBoxLayout()
        tabs.setContentsMargins(12, 0, 16, 0)
        tabs.setSpacing(4)
        group = QButtonGroup(self)
        self._tabs: dict[NoticeFilter, TabButton] = {}
        for wanted in NoticeFilter:
            button = TabButton(said.filter_label(wanted), group)
            button.setChecked(wanted is NoticeFilter.ALL)
            button.clicked.connect(lambda _checked=False, wanted=wanted: self.set_filter(wanted))
            tabs.addWidget(button)
            self._tabs[wanted] = button
        tabs.addStretch(1)
        column.addLayout(tabs)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.list)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.advice)
        column.addWidget(holder, 1)
        return card

    def _connect(self, feed: Feed) -> None:
        feed.noticed.connect(self._on_notice)
        self.model.loaded.connect(self._on_loaded)
        self.list.chosen_changed.connect(self._on_chosen)
        self.list.acted.connect(self._act)
        self.list.menu_wanted.connect(self._open_menu)
        self.panel.chosen.connect(self._do)
        self.panel.closed.connect(self._close_panel)
        self.head.read_wanted.connect(self._count_as_read)
        self.advice.job_wanted.connect(self.job_wanted)
        self._advice.changed.connect(self._show_count)
        self._show_count()
        for keys, slot in (
            (QKeySequence.StandardKey.Copy, self._copy),
            (QKeySequence.StandardKey.Cancel, self._close_panel),
        ):
            shortcut = QShortcut(QKeySequence(keys), self.list)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(slot)

    # --- What comes ---

    def _on_notice(self, notice: Notice) -> None:
        if self.isVisible():
            self.model.add(notice)
            if self.isActiveWindow():
                self._read_timer.start()

    def _on_loaded(self) -> None:
        if self._wanted_id is not None and self.list.choose(self._wanted_id):
            self._wanted_id = None
        self._show_content()

    def _show_count(self) -> None:
        label, count = said.filter_label(NoticeFilter.ADVICE), self._advice.count
        self._tabs[NoticeFilter.ADVICE].setText(f"{label} · {count}" if count else label)

    def _show_content(self) -> None:
        if self.model.filter is NoticeFilter.ADVICE:
            self._stack.setCurrentWidget(self.advice)
        elif self.model.empty:
            title, sentence = said.empty_words(self.model.filter)
            self._empty.show_words(title, sentence, None)
            self._stack.setCurrentWidget(self._empty)
        else:
            self._stack.setCurrentWidget(self.list)

    def _count_as_read(self) -> None:
        """What is new stays heavier in the list until the page is opened again: the badge has done its work."""
        if self.model.reading:
            # Nobody has seen what is still on its way.
            self._read_timer.start()
        else:
            self._unread.mark_read(self.model.newest_id)

    # --- What a person does ---

    def _on_chosen(self) -> None:
        notice = self.list.chosen()
        self.panel.setVisible(notice is not None)
        if notice is not None:
            self.panel.show_notice(notice)

    def _close_panel(self) -> None:
        self.list.clearSelection()
        self.list.setFocus()

    def _copy(self) -> None:
        notice = self.list.chosen()
        if notice is not None:
            copy(notice)

    def _act(self, notice: Notice) -> None:
        """Enter: the first thing that one may do about it."""
        offered = choices(notice)
        if offered:
            self._do(offered[0])

    def _do(self, choice: Choice) -> None:
        match choice.deed:
            case Ask(errand):
                self._commands.ask(errand)
            case OpenLog(job):
                self.log_wanted.emit(job)
            case ShowJob(job):
                self.job_wanted.emit(job)
            case ShowConflict(conflict):
                self.open_conflict(conflict)

    def _open_menu(self, notice: Notice, at: QPoint) -> None:
        menu = self.menu(notice)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    def menu(self, notice: Notice) -> QMenu:
        """Everything one may do about it."""
        menu = QMenu(self)
        for choice in choices(notice):
            menu.addAction(words.on_button(choice.label)).triggered.connect(
                lambda _on=False, choice=choice: self._do(choice)
            )
        menu.addSeparator()
        menu.addAction(self.tr("Copy")).triggered.connect(lambda _on=False: copy(notice))
        return menu

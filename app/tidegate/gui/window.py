"""The one window: rail, strip, messages, pages. It holds no truth: a snapshot, and the changes while it is seen."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from tidegate.engine.ports import Command, Notice, Verb
from tidegate.engine.views import JobView, MachineSample, StatusView
from tidegate.gui import words
from tidegate.gui.advice import Advice
from tidegate.gui.commands import Commands
from tidegate.gui.drop import local_path
from tidegate.gui.feed import Feed
from tidegate.gui.garbage import leave_out_all
from tidegate.gui.inbox.unread import Unread, shown
from tidegate.gui.jobs.book import JobBook
from tidegate.gui.jobs.page import QueuePage
from tidegate.gui.preferences import Preferences
from tidegate.gui.rail import Rail
from tidegate.gui.remembered import Remembered
from tidegate.gui.strip import Strip
from tidegate.gui.submit.submitter import Submitter
from tidegate.gui.submit.window_drop import WindowDrop
from tidegate.gui.theme import Theme
from tidegate.gui.toasts.quiet import Quiet
from tidegate.gui.widgets.message_bar import MessageBar, Offer

if TYPE_CHECKING:
    from tidegate.gui.inbox.page import InboxPage
    from tidegate.gui.settings.page import SettingsPage
    from tidegate.gui.tide.page import TidePage

SIZE_PX, LEAST_PX = QSize(1280, 820), QSize(900, 600)
FRAME_PX = QSize(16, 48)
"""What window managers put around a window, and a little air; how much it is they only say later."""
FINISHED_SHOWN = 2000
TICK_MS = 1000
CLICK_S = 0.3
PAGE, GEOMETRY = "page", "window_geometry"
"""What is remembered over a restart."""


class MainWindow(QMainWindow):
    """``close_wanted()`` when a person closes it; whoever listens decides whether the app goes on in the tray.

    ``basket_wanted()``: show the drop basket, or hide it.
    """

    close_wanted = Signal()
    basket_wanted = Signal()

    def __init__(
        self,
        commands: Commands,
        feed: Feed,
        submitter: Submitter,
        theme: Theme,
        preferences: Preferences,
        remembered: Remembered,
        quiet: Quiet,
        unread: Unread,
    ) -> None:
        super().__init__()
        self._commands, self._feed, self._submitter = commands, feed, submitter
        self._quiet, self._unread = quiet, unread
        self._theme, self._preferences, self._remembered = theme, preferences, remembered
        self.book = JobBook()
        self.advice = Advice(commands.desk, feed, self)
        self.tide: TidePage | None = None
        self.inbox: InboxPage | None = None
        self.settings: SettingsPage | None = None
        self._held_back: list[tuple[Sequence[JobView], Sequence[str]]] | None = None
        self._status: StatusView | None = None
        self._to_open: tuple[str, ...] = ()
        self._left_at = -CLICK_S
        self.setWindowTitle("Tidegate")
        self.setMinimumSize(LEAST_PX)
        self._place()
        self._build()
        self._connect()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.show_page(self._remembered.get(PAGE, "queue"))

    # --- What others ask ---

    def show_page(self, name: str) -> None:
        """One of the rail's (the first for a name it has not); a page is made when it is first shown."""
        name = name if name in self.rail.buttons else "queue"
        self._remembered.put(PAGE, name)
        self.rail.choose(name)
        page = self._page(name)
        if page is not self._pages.currentWidget() and self._pages.isAncestorOf(self.focusWidget() or self):
            # Else the focus would pass to some control of the new page, which nobody chose.
            self._middle.setFocus()
        self._pages.setCurrentWidget(page)

    def _page(self, name: str) -> QWidget:
        if name not in self._made:
            self._made[name] = self._makers[name]()
            self._pages.addWidget(self._made[name])
        return self._made[name]

    def open_job(self, id: str) -> None:
        self.open_jobs([id])

    def open_jobs(self, ids: Sequence[str]) -> None:
        """The job's panel, or several chosen in the table; a window that just came forward first reads them in."""
        self.show_page("queue")
        if self._held_back is not None and self._held_back is not _LOADED:
            self._to_open = tuple(ids)
        elif len(ids) == 1:
            self.queue.open_job(ids[0])
        else:
            self.queue.choose_jobs(ids)

    def open_notice(self, id: int | None) -> None:
        """The inbox, at this notice."""
        self.show_page("inbox")
        if self.inbox is not None:
            self.inbox.open_notice(id)

    def open_conflict(self, id: int) -> None:
        """The inbox, at this conflict."""
        self.show_page("inbox")
        if self.inbox is not None:
            self.inbox.open_conflict(id)

    def shows(self, notice: Notice) -> bool:
        """Whether the person at this window has it before their eyes."""
        if not self.isActiveWindow() or self.isMinimized():
            return False
        page = self._pages.currentWidget()
        if page is self.queue:
            details = self.queue.details
            return notice.job is not None and details.isVisible() and details.job_id == str(notice.job)
        return self.inbox is not None and page is self.inbox

    @property
    def in_front(self) -> bool:
        """Whether it was, too, until the click that asks: some panels take the focus before they tell of a click."""
        just_left = time.monotonic() - self._left_at < CLICK_S
        return self.isVisible() and not self.isMinimized() and (self.isActiveWindow() or just_left)

    def come_forward(self) -> None:
        self.setVisible(True)
        self.setWindowState(self.windowState() & ~self.windowState().WindowMinimized)
        self.raise_()
        self.activateWindow()

    def choose_files(self) -> None:
        self.come_forward()
        self._submitter.ask((), self)

    def _place(self) -> None:
        """Where it was left, on a screen that is there now; else in the middle."""
        left = QByteArray.fromBase64(self._remembered.get(GEOMETRY, "").encode())
        if left.isEmpty() or not self.restoreGeometry(left):
            self.setGeometry(first_place(self.screen().availableGeometry()))

    # --- Building ---

    def _build(self) -> None:
        pages = {
            "queue": self.tr("Queue"),
            "tide": self.tr("Tide"),
            "inbox": self.tr("Inbox"),
            "settings": self.tr("Settings"),
        }
        self.rail = Rail(pages, self._theme)
        self.strip = Strip(self._theme)
        self.messages = MessageBar()
        self.queue = QueuePage(self.book, self._commands, self._theme, self._remembered)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.queue)
        self._made: dict[str, QWidget] = {"queue": self.queue}
        self._makers: dict[str, Callable[[], QWidget]] = {
            "tide": self._make_tide,
            "inbox": self._make_inbox,
            "settings": self._make_settings,
        }
        content = QVBoxLayout()
        content.setContentsMargins(24, 20, 24, 20)
        content.setSpacing(16)
        content.addWidget(self.strip)
        content.addWidget(self.messages)
        content.addWidget(self._pages, 1)
        middle = self._middle = QWidget()
        middle.setObjectName("page")
        middle.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(content, 1)
        self.setCentralWidget(middle)

    def _connect(self) -> None:
        self.rail.page_wanted.connect(self.show_page)
        self.strip.submit_wanted.connect(self.choose_files)
        self.queue.submit_wanted.connect(self.choose_files)
        self.strip.pause_wanted.connect(self._pause_all)
        self._commands.failed.connect(self.messages.show_error)
        self._commands.refused.connect(self.offer_instead)
        self._submitter.failed.connect(self.messages.show_error)
        self._submitter.taken.connect(self._say_taken)
        WindowDrop(self, self._commands, self._submitter, self._theme).refused.connect(self.messages.show_error)
        self._feed.jobs_changed.connect(self._on_jobs)
        self._feed.status_changed.connect(self._on_status)
        self._feed.sampled.connect(self._on_sample)
        self._preferences.changed.connect(self._on_preference)
        self.queue.conflict_wanted.connect(self.open_conflict)
        self.advice.changed.connect(self._show_conflicts)
        self.advice.read()
        self._unread.changed.connect(self._show_unread)
        self._show_unread(self._unread.count)
        for keys, slot in (
            (QKeySequence.StandardKey.Open, self.choose_files),
            (QKeySequence.StandardKey.Paste, self._paste),
            (QKeySequence("Ctrl+P"), lambda: self._pause_all(self._status is None or self._status.intake.open)),
            (QKeySequence.StandardKey.Close, self.close),
            (QKeySequence("Ctrl+,"), lambda: self.show_page("settings")),
            (QKeySequence("F10"), self.rail.menu.open_menu),
            (QKeySequence("Ctrl+B"), self.basket_wanted.emit),
        ):
            QShortcut(QKeySequence(keys), self).activated.connect(slot)

    def _make_inbox(self) -> InboxPage:
        from tidegate.gui.inbox.page import InboxPage

        page = InboxPage(
            self._commands, self._feed, self.advice, self._theme, self._remembered, self._quiet, self._unread
        )
        page.job_wanted.connect(self.open_job)
        page.log_wanted.connect(self.open_job)
        self.inbox = page
        return page

    def _show_conflicts(self) -> None:
        self.queue.show_conflicts(self.advice.by_job)
        if self.tide is not None:
            self.tide.model.show_conflicts(self.advice.by_job)

    def _show_unread(self, count: int) -> None:
        spoken = self.tr("Inbox, {count} not read yet").format(count=count)
        self.rail.show_badge("inbox", shown(count) if count else "", spoken)

    def _make_tide(self) -> TidePage:
        from tidegate.gui.tide.page import TidePage  # the chart's code loads with its page

        page = TidePage(
            self.book,
            self._commands,
            self._theme,
            *self._limits(),
        )
        page.job_opened.connect(self.open_job)
        page.submit_wanted.connect(self.choose_files)
        if self._status is not None:
            page.show_status(self._status)
        self.tide = page
        self._show_conflicts()
        return page

    def _make_settings(self) -> SettingsPage:
        from tidegate.desktop.autostart import find_autostart
        from tidegate.gui.settings.page import SettingsPage

        page = SettingsPage(
            self._commands, self._preferences, self._theme, lambda: find_autostart(os.environ), self._pages
        )
        page.failed.connect(self.messages.show_error)
        if self._status is not None:
            page.show_status(self._status)
        self.settings = page
        return page

    def _on_preference(self, _name: str) -> None:
        if self.tide is not None:
            self.tide.show_limits(*self._limits())

    def _limits(self) -> tuple[float, float, float, float]:
        """The lines that no status carries: cards high, cards emergency, other programs' CPU, swap emergency."""
        number = self._preferences.number
        cards = number("gpu_memory_high_pct"), number("gpu_memory_emergency_pct")
        return *cards, number("cpu_high_pct"), number("swap_emergency_pct")

    # --- Seen and unseen ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._held_back is None:
            self._held_back = []
            self._feed.watch_jobs(True)
            self._on_status(self._commands.desk.status())
            self._commands.run(self._load())
        if self.focusWidget() is None or self.focusWidget() in self.rail.buttons.values():
            # Nothing was reached by key yet: no control should look chosen.
            self._middle.setFocus()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self._remembered.put(GEOMETRY, bytes(self.saveGeometry().toBase64().data()).decode())
            self._feed.watch_jobs(False)
            self._timer.stop()
            self._held_back = None

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self._left_at = time.monotonic()

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        self.close_wanted.emit()

    async def _load(self) -> None:
        """A snapshot, then what changed meanwhile: the changes were asked for first, so that none is missed."""
        held_back = self._held_back
        book = await asyncio.to_thread(_read_book, self._commands.desk.jobs)
        if held_back is None or held_back is not self._held_back:
            return
        self.book.take(book)
        leave_out_all()
        for changed, gone in held_back:
            self.book.apply(changed, gone)
        self._held_back = _LOADED
        self.queue.reload()
        if self.tide is not None:
            self.tide.reload()
        if self._to_open:
            self.open_jobs(self._to_open)
            self._to_open = ()

    # --- Changes ---

    def _on_jobs(self, changed: Sequence[JobView], gone: Sequence[str]) -> None:
        if self._held_back is None:
            return
        if self._held_back is not _LOADED:
            self._held_back.append((changed, gone))
            return
        moves = self.book.apply(changed, gone)
        if self.tide is not None:
            self.tide.note_jobs(changed)
        page = self._pages.currentWidget()
        if page is self.queue:
            self.queue.apply(moves)
        elif self.tide is not None and page is self.tide:
            self.tide.apply(moves)

    def _on_status(self, status: StatusView) -> None:
        self._status = status
        if not self.isVisible():
            return
        self.queue.show_status(status)
        self.strip.show_status(status)
        self.rail.show_footer(words.counts(status))
        if self.tide is not None:
            self.tide.show_status(status)
        if self.settings is not None:
            self.settings.show_status(status)
        paused = words.intake_sentence(status.intake, time.time())
        resume = Offer(self.tr("Resume"), lambda: self._commands.send(Verb.RESUME, None))
        self.messages.set_state("intake", paused, resume)
        self.messages.set_state("journal", status.journal_error)
        critical = [f"{alert.title}. {alert.advice}" for alert in status.alerts if alert.severity == "critical"]
        self.messages.set_state("alerts", " ".join(critical) or None)
        self.messages.set_state("warnings", " ".join(status.warnings) or None)

    def _on_sample(self, sample: MachineSample) -> None:
        if self.tide is not None and self.tide.isVisible():
            self.tide.add_sample(sample)

    def _tick(self) -> None:
        page = self._pages.currentWidget()
        if page is self.queue:
            self.queue.tick()
        elif self.tide is not None and page is self.tide:
            self.tide.tick()

    # --- What a person asks ---

    def _pause_all(self, wanted: bool) -> None:
        self._commands.send(Verb.PAUSE if wanted else Verb.RESUME, None)

    def _paste(self) -> None:
        """Copied files or a copied command line come into the submit dialog, to be looked at first."""
        copied = QGuiApplication.clipboard().mimeData()
        files = [path for url in copied.urls() if (path := local_path(url)) is not None]
        if files or copied.text().strip():
            self._submitter.ask(files, self, copied.text())

    def offer_instead(self, sentence: str, instead: Command) -> None:
        """What was refused may be had another way."""
        labels = {Verb.RELEASE: self.tr("Join the queue")}
        label = labels.get(instead.verb, instead.verb.value.capitalize())
        self.messages.show_error(sentence, Offer(label, lambda: self._commands.ask(instead)))

    def _say_taken(self, count: int, last: str) -> None:
        sentence = (
            self.tr("Submitted as job {id}.").format(id=last)
            if count == 1
            else self.tr("{count} jobs submitted.").format(count=count)
        )
        self.messages.show_info(sentence, Offer(self.tr("Show"), lambda: self.open_job(last)))


_LOADED: list[tuple[Sequence[JobView], Sequence[str]]] = []
"""Stands for: the snapshot is in, changes apply at once."""


def first_place(available: QRect) -> QRect:
    """Where the window opens: its own size where the screen has room beside panels and frame, in the middle."""
    size = SIZE_PX.boundedTo(available.size() - FRAME_PX).expandedTo(LEAST_PX)
    place = QRect(available.topLeft(), size)
    place.moveCenter(available.center())
    # The frame's title is above: what the middle leaves is shared as the frame needs it.
    place.translate(0, FRAME_PX.height() // 6)
    return place


def _read_book(jobs: Callable[..., list[JobView]]) -> JobBook:
    """Runs in a thread: ten thousand keys take longer than a frame."""
    book = JobBook()
    book.replace(jobs(finished=FINISHED_SHOWN))
    return book

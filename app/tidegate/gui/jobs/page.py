"""The Queue page: filter tabs, the full job table, and the panel of the chosen job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QSplitter,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from tidegate.engine.views import ConflictView, JobView, StatusView
from tidegate.gui.commands import Commands
from tidegate.gui.jobs.book import Filter, Group, JobBook, Move
from tidegate.gui.jobs.list import JobList
from tidegate.gui.jobs.match import JobMatch
from tidegate.gui.jobs.selection_bar import SelectionBar
from tidegate.gui.jobs.table import JobTable
from tidegate.gui.panel.details import Details
from tidegate.gui.remembered import Remembered
from tidegate.gui.theme import Theme
from tidegate.gui.widgets.empty import EmptyState
from tidegate.gui.widgets.tab_button import TabButton

FILTER_PX = 232
TYPED_MS = 120
MANY_CHOSEN = 300
SLICE_S = 0.006


class QueuePage(QWidget):
    """``submit_wanted()`` from the empty state. The window hands changes to ``apply`` while the page is seen.

    ``conflict_wanted(int)`` from a job's panel.
    """

    submit_wanted = Signal()
    conflict_wanted = Signal(int)

    def __init__(self, book: JobBook, commands: Commands, theme: Theme, remembered: Remembered) -> None:
        super().__init__()
        self.setObjectName("page")
        self._book = book
        self.model = JobTable(book)
        self.list = JobList(self.model, commands, theme)
        self.details = Details(commands, theme, remembered)
        self.details.hide()
        self._empty = EmptyState()
        self._empty.wanted.connect(self._on_empty_wanted)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setHandleWidth(16)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self._card())
        self.splitter.addWidget(self.details)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 2)
        self.splitter.setSizes([420, 300])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.splitter)
        self.list.chosen_changed.connect(self._on_chosen)
        self.list.opened.connect(self.open_job)
        self.list.put_away.connect(self._put_away)
        self.details.closed.connect(self._close_details)
        self.details.conflict_wanted.connect(self.conflict_wanted)
        self._show_counts()

    def set_filter(self, wanted: Filter) -> None:
        self._tabs[wanted].setChecked(True)
        self.model.set_filter(wanted)
        self._show_counts()

    def reload(self) -> None:
        self.model.reload()
        self._show_counts()
        self._refresh_details()

    def apply(self, moves: Sequence[Move]) -> None:
        self.model.apply(moves)
        self._show_counts()
        if any(move.id == self.details.job_id for move in moves):
            self._refresh_details()
        if self._right.currentIndex():
            self._refresh_selection()

    def show_conflicts(self, by_job: Mapping[str, ConflictView]) -> None:
        """The open conflict that each of these jobs is part of."""
        self.model.show_conflicts(by_job)
        self.details.show_conflicts(by_job)

    def show_status(self, status: StatusView) -> None:
        self.list.show_cards(bool(status.machine.cards))

    def tick(self) -> None:
        self.model.touch_active()

    def open_job(self, id: str) -> None:
        """Show this job and its log, whatever tab it is under."""
        if id not in self._book.jobs:
            return
        self._make_room_for([id])
        self.list.choose(id)
        self.details.show_job(self._book.jobs[id])
        self.details.show()

    def choose_jobs(self, ids: Sequence[str]) -> None:
        """Select these jobs, whatever tab they are under."""
        known = [id for id in ids if id in self._book.jobs]
        self._make_room_for(known)
        self.list.choose_all(known)

    def _make_room_for(self, ids: Sequence[str]) -> None:
        """Show what the words or the tab leave out."""
        if self.model.matching and any(self.model.row_of(id) is None for id in ids):
            self._clear_words()
        if any(self.model.row_of(id) is None for id in ids):
            self.set_filter(Filter.ALL)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.reload()

    def _card(self) -> QFrame:
        card = QFrame()
        card.setProperty("role", "card")
        card.setMinimumHeight(160)
        column = QVBoxLayout(card)
        column.setContentsMargins(1, 8, 1, 8)
        column.setSpacing(4)
        tabs = QHBoxLayout()
        tabs.setContentsMargins(12, 0, 16, 0)
        tabs.setSpacing(4)
        self._tabs: dict[Filter, TabButton] = {}
        group = QButtonGroup(self)
        for wanted in Filter:
            button = TabButton("", group)
            button.setChecked(wanted is Filter.ALL)
            button.clicked.connect(lambda _checked=False, wanted=wanted: self.set_filter(wanted))
            tabs.addWidget(button)
            self._tabs[wanted] = button
        tabs.addStretch(1)
        tabs.addWidget(self._right_of_tabs(), 1)
        column.addLayout(tabs)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.list)
        self._stack.addWidget(self._empty)
        column.addWidget(holder, 1)
        return card

    def _right_of_tabs(self) -> QWidget:
        """The words that narrow the table, or, while several jobs are chosen, what to do with them."""
        self.filter_field = QLineEdit()
        self.filter_field.setProperty("role", "filter")
        self.filter_field.setPlaceholderText(self.tr("Name, command, label or #id"))
        self.filter_field.setAccessibleName(self.tr("Show only jobs with these words"))
        self.filter_field.setToolTip(self.tr("Show only jobs with these words ( / )"))
        self.filter_field.setClearButtonEnabled(True)
        self.filter_field.setFixedWidth(FILTER_PX)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(TYPED_MS)
        self._typed.timeout.connect(self._look_for_words)
        self._looking: Iterator[None] = iter(())
        self._slices = QTimer(self)
        self._slices.setInterval(0)
        self._slices.timeout.connect(self._look_on)
        self.filter_field.textChanged.connect(lambda _text: self._typed.start())
        self.filter_field.returnPressed.connect(self.list.setFocus)
        self.selection_bar = SelectionBar(self.list.actions_of_jobs)
        self.selection_bar.cleared.connect(self.list.clearSelection)
        field = QWidget()
        row = QHBoxLayout(field)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(self.filter_field)
        holder = QWidget()
        self._right = QStackedLayout(holder)
        self._right.setContentsMargins(0, 0, 0, 0)
        self._right.addWidget(field)
        self._right.addWidget(self.selection_bar)
        for keys, where, context in (
            (QKeySequence("/"), self, Qt.ShortcutContext.WindowShortcut),
            (QKeySequence(QKeySequence.StandardKey.Find), self.list, Qt.ShortcutContext.WidgetWithChildrenShortcut),
        ):
            QShortcut(keys, where, context=context).activated.connect(self._go_to_filter)
        return holder

    def _go_to_filter(self) -> None:
        self._right.setCurrentIndex(0)
        self.filter_field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter_field.selectAll()

    def _look_for_words(self) -> None:
        """In slices between other events, as ten thousand jobs take longer than a frame; the table changes once."""
        self._match = JobMatch(self.filter_field.text())
        self._looking = self._match.look_at(list(self._book.jobs.values()))
        self._slices.start()

    def _look_on(self) -> None:
        until = time.perf_counter() + SLICE_S
        while time.perf_counter() < until:
            if next(self._looking, self) is self:
                self._show_words(self._match)
                return

    def _show_words(self, match: JobMatch) -> None:
        self._typed.stop()
        self._slices.stop()
        self.model.set_match(match)
        self._show_counts()

    def _clear_words(self) -> None:
        self.filter_field.clear()
        self._show_words(JobMatch(""))

    def _show_counts(self) -> None:
        counts = self._book.counts
        labels = {
            Filter.ALL: (self.tr("All"), len(self._book)),
            Filter.ACTIVE: (self.tr("Active"), counts[Group.ACTIVE]),
            Filter.WAITING: (self.tr("Waiting"), counts[Group.WAITING]),
            Filter.FINISHED: (self.tr("Finished"), counts[Group.FINISHED]),
        }
        for wanted, (label, count) in labels.items():
            text = f"{label}  {count}" if count else label
            if self._tabs[wanted].text() != text:
                self._tabs[wanted].setText(text)
                self._tabs[wanted].updateGeometry()
        if labels[self.model.filter][1] and (self.model.rowCount() or not self.model.matching):
            self._stack.setCurrentWidget(self.list)
        else:
            self._empty.show_words(*self._empty_words())
            self._stack.setCurrentWidget(self._empty)

    def _empty_words(self) -> tuple[str, str, str | None]:
        submit = self.tr("Submit…")
        if self.model.matching:
            sentence = self.tr("Words are looked for in name, command, labels and id.")
            return self.tr("No job has these words"), sentence, self.tr("Show all")
        return {
            Filter.ALL: (
                self.tr("No jobs yet"),
                self.tr("Drop scripts anywhere in this window. They start as soon as this computer has room for them."),
                submit,
            ),
            Filter.ACTIVE: (self.tr("Nothing is running"), self.tr("Jobs appear here as soon as they start."), submit),
            Filter.WAITING: (
                self.tr("Nothing is waiting"),
                self.tr("Jobs that do not fit yet wait here, each with its reason."),
                submit,
            ),
            Filter.FINISHED: (
                self.tr("Nothing has finished yet"),
                self.tr("Ended jobs stay here with their exit codes and logs."),
                None,
            ),
        }[self.model.filter]

    def _on_empty_wanted(self) -> None:
        if self.model.matching:
            self._clear_words()
            self.list.setFocus()
        else:
            self.submit_wanted.emit()

    def _on_chosen(self) -> None:
        jobs = self.list.chosen()
        self._show_selection(jobs)
        if len(jobs) == 1:
            self.details.show_job(jobs[0])
            self.details.show()

    def _show_selection(self, jobs: Sequence[JobView]) -> None:
        several = len(jobs) > 1
        if several:
            self.selection_bar.show_count(len(jobs))
        if several or not self.filter_field.hasFocus():
            self._right.setCurrentIndex(1 if several else 0)

    def _refresh_selection(self) -> None:
        """What fits the chosen jobs changes with them; of very many it would cost more than it tells."""
        if self.list.chosen_count <= MANY_CHOSEN:
            self._show_selection(self.list.chosen())

    def _put_away(self) -> None:
        """Escape in the table: the last thing that was opened goes."""
        if not self.details.isHidden():
            self._close_details()
        elif self.list.chosen_count > 1:
            self.list.clearSelection()
        elif self.model.matching:
            self._clear_words()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.filter_field.hasFocus():
            self._clear_words()
            self.list.setFocus()
        elif event.key() == Qt.Key.Key_Down and self.filter_field.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(event)

    def _close_details(self) -> None:
        self.details.hide()
        self.list.clearSelection()
        self.list.setFocus()

    def _refresh_details(self) -> None:
        id = self.details.job_id
        if id is None or self.details.isHidden():
            return
        if id in self._book.jobs:
            self.details.show_job(self._book.jobs[id])
        else:
            self.details.hide()

    def minimumSizeHint(self) -> QSize:
        return QSize(480, 320)

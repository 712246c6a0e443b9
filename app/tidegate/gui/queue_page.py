"""The Queue page: filter tabs, the full job table, and the panel of the chosen job."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from tidegate.engine.views import StatusView
from tidegate.gui.commands import Commands
from tidegate.gui.details import Details
from tidegate.gui.empty import EmptyState
from tidegate.gui.job_book import Filter, Group, JobBook, Move
from tidegate.gui.job_list import JobList
from tidegate.gui.job_table import JobTable
from tidegate.gui.tab_button import TabButton
from tidegate.gui.theme import Theme


class QueuePage(QWidget):
    """``submit_wanted()`` from the empty state. The window hands changes to ``apply`` while the page is seen."""

    submit_wanted = Signal()

    def __init__(self, book: JobBook, commands: Commands, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("page")
        self._book = book
        self.model = JobTable(book)
        self.list = JobList(self.model, commands, theme)
        self.details = Details(commands, theme)
        self.details.hide()
        self._empty = EmptyState()
        self._empty.wanted.connect(self.submit_wanted)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setHandleWidth(16)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._card())
        splitter.addWidget(self.details)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.setSizes([420, 300])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(splitter)
        self.list.chosen_changed.connect(self._on_chosen)
        self.list.opened.connect(self.open_job)
        self.details.closed.connect(self._close_details)
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

    def show_status(self, status: StatusView) -> None:
        self.list.show_cards(bool(status.machine.cards))

    def tick(self) -> None:
        self.model.touch_active()

    def open_job(self, id: str) -> None:
        """Show this job and its log, whatever tab it is under."""
        if id not in self._book.jobs:
            return
        if self.model.row_of(id) is None:
            self.set_filter(Filter.ALL)
        self.list.choose(id)
        self.details.show_job(self._book.jobs[id])
        self.details.show()

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
        hint = QLabel(self.tr("Drop scripts anywhere to submit them"))
        hint.setProperty("role", "faint")
        tabs.addWidget(hint)
        column.addLayout(tabs)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.list)
        self._stack.addWidget(self._empty)
        column.addWidget(holder, 1)
        return card

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
        if labels[self.model.filter][1]:
            self._stack.setCurrentWidget(self.list)
        else:
            self._empty.show_words(*self._empty_words())
            self._stack.setCurrentWidget(self._empty)

    def _empty_words(self) -> tuple[str, str, str | None]:
        submit = self.tr("Submit…")
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

    def _on_chosen(self) -> None:
        jobs = self.list.chosen()
        if len(jobs) == 1:
            self.details.show_job(jobs[0])
            self.details.show()

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

"""Conflicts and hints below one another: what is open, the worst or the newest first, or what ended and how."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from tidegate.engine.ports import Errand
from tidegate.engine.views import ConflictView, HintView
from tidegate.gui.advice import Advice
from tidegate.gui.commands import Commands
from tidegate.gui.inbox import advice_words as said
from tidegate.gui.inbox.advice_row import About, AdviceRow
from tidegate.gui.remembered import Remembered
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.choice import Choice
from tidegate.gui.widgets.empty import EmptyState

ENDED_SHOWN = 100
NEWEST_FIRST = "conflicts_newest_first"
"""What is remembered over a restart."""
Key = tuple[type, int]


class AdviceView(QWidget):
    """``job_wanted(str)`` with a job's id. What ended is read from the history when it is looked at."""

    job_wanted = Signal(str)

    def __init__(self, commands: Commands, advice: Advice, theme: Theme, remembered: Remembered) -> None:
        super().__init__()
        self._commands, self._advice, self._theme, self._remembered = commands, advice, theme, remembered
        self._ended: tuple[list[ConflictView], list[HintView]] = ([], [])
        self._shows_ended = False
        self.rows: dict[Key, AdviceRow] = {}
        self._heads = {ConflictView: self._heading(self.tr("Conflicts")), HintView: self._heading(self.tr("Hints"))}
        self._empty = EmptyState()
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 8)
        self._column.setSpacing(0)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(inside)
        self._area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self._area)
        self._stack.addWidget(self._empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._switches())
        column.addWidget(holder, 1)
        advice.changed.connect(self._on_changed)
        theme.changed.connect(self._fill)
        self._fill()

    def show_ended(self, ended: bool) -> None:
        self.which.setCurrentIndex(int(ended))
        self._shows_ended = ended
        self.order.setVisible(not ended)
        self._on_changed()

    def set_newest_first(self, newest_first: bool) -> None:
        """Conflicts as they came, the last one first; else the worst first."""
        self.order.setCurrentIndex(int(newest_first))
        self._remembered.put(NEWEST_FIRST, newest_first)
        self._fill()

    def open_conflict(self, id: int) -> None:
        """Bring this one before the eyes, its first button under the hand."""
        self.show_ended(False)
        row = self.rows.get((ConflictView, id))
        if row is not None:
            self._area.ensureWidgetVisible(row)
            for button in row.buttons[:1]:
                button.setFocus()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._on_changed()

    # --- Building ---

    def _switches(self) -> QHBoxLayout:
        self._summary = QLabel("")
        self._summary.setProperty("role", "muted")
        self.which = self._choice(self.tr("Which are shown"), (self.tr("Open"), self.tr("Ended")), self.show_ended)
        orders = self.tr("Worst first"), self.tr("Newest first")
        self.order = self._choice(self.tr("Order of the conflicts"), orders, self.set_newest_first)
        self.order.setCurrentIndex(int(self._remembered.get(NEWEST_FIRST, False)))
        row = QHBoxLayout()
        row.setContentsMargins(16, 4, 16, 4)
        row.setSpacing(8)
        row.addWidget(self._summary, 1)
        row.addWidget(self.order)
        row.addWidget(self.which)
        return row

    def _choice(self, name: str, labels: Sequence[str], choose: Callable[[bool], None]) -> Choice:
        made = Choice()
        made.setAccessibleName(name)
        made.addItems(labels)
        made.activated.connect(lambda place: choose(place == 1))
        return made

    def _heading(self, label: str) -> QLabel:
        made = QLabel(label)
        made.setFont(font(12, QFont.Weight.DemiBold))
        made.setProperty("role", "muted")
        made.setContentsMargins(16, 14, 16, 6)
        return made

    # --- What is shown ---

    def _on_changed(self) -> None:
        if not self.isVisible():
            return
        if self._shows_ended:
            self._commands.run(self._read_ended())
        else:
            self._fill()

    async def _read_ended(self) -> None:
        desk = self._commands.desk
        self._ended = await asyncio.to_thread(
            lambda: (desk.conflicts(closed=True, limit=ENDED_SHOWN), desk.hints(closed=True, limit=ENDED_SHOWN))
        )
        self._fill()

    def _shown(self) -> tuple[Sequence[ConflictView], Sequence[HintView]]:
        if self._shows_ended:
            return self._ended
        conflicts = self._advice.conflicts
        if self._remembered.get(NEWEST_FIRST, False):
            conflicts = sorted(conflicts, key=lambda each: (each.detected_at, each.id), reverse=True)
        return conflicts, self._advice.hints

    def _fill(self) -> None:
        now = time.time()
        conflicts, hints = self._shown()
        every: list[About] = [*conflicts, *hints]
        self._summary.setText(said.summary(len(conflicts), len(hints), self._shows_ended))
        if [_key(about) for about in every] != list(self.rows):
            self._put_in_order(conflicts, hints, now)
        for about, row in zip(every, self.rows.values(), strict=True):
            row.show_about(about, now)
            row.set_primary(row is next(iter(self.rows.values())))
        self._empty.show_words(*said.empty_words(self._shows_ended), None)
        self._stack.setCurrentWidget(self._area if self.rows else self._empty)

    def _put_in_order(self, conflicts: Sequence[ConflictView], hints: Sequence[HintView], now: float) -> None:
        """Rows that are there already stay what they are, with their focus."""
        before, self.rows = self.rows, {}
        while self._column.takeAt(0) is not None:
            pass
        for kind, every in ((ConflictView, conflicts), (HintView, hints)):
            self._column.addWidget(self._heads[kind])
            self._heads[kind].setVisible(bool(every))
            for about in every:
                row = before.pop(_key(about), None) or self._made_row(about, now)
                self.rows[_key(about)] = row
                self._column.addWidget(row)
        self._column.addStretch(1)
        for row in before.values():
            row.hide()
            row.deleteLater()

    def _made_row(self, about: About, now: float) -> AdviceRow:
        row = AdviceRow(about, self._theme, now)
        row.job_wanted.connect(self.job_wanted)
        row.asked.connect(lambda errand: self._ask(row, errand))
        row.dismissed.connect(lambda: self._commands.dismiss(row.about.id))
        return row

    def _ask(self, row: AdviceRow, errand: Errand) -> None:
        row.set_busy(True)
        self._commands.ask(errand).add_done_callback(lambda _task: self._after(row))

    def _after(self, row: AdviceRow) -> None:
        if row in self.rows.values():
            row.set_busy(False)


def _key(about: About) -> Key:
    return type(about), about.id

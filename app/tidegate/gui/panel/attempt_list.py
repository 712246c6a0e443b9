"""A job's runs, one row each, newest first; the chosen one's log is shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QTableWidget, QTableWidgetItem

from tidegate.core.texts import format_duration, format_moment, format_size
from tidegate.engine.views import AttemptView, JobView
from tidegate.gui import words
from tidegate.gui.panel.job_facts import exactly
from tidegate.gui.theme import Theme, font

ROW_PX = 28
ROWS_SEEN = 4
ATTEMPTS_SHOWN = 100
_WIDTHS = (24, 0, 72, 88, 96)
"""Number, how it went (the rest), when, how long, peak."""
_HOW, _TOOK, _PEAK = 1, 3, 4
_CELL_PX = 12
"""What a cell needs beside its text."""


class AttemptList(QTableWidget):
    """``picked(int)`` is the number of the run whose log is wanted, -1 for the newest, whichever that is."""

    picked = Signal(int)

    def __init__(self, theme: Theme) -> None:
        super().__init__(0, len(_WIDTHS))
        self._theme = theme
        self._shown: list[tuple[str, ...]] = []
        self._numbers: list[int] = []
        self._job: str | None = None
        self._filling = False
        self.setAccessibleName(self.tr("Runs"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setFont(font(12))
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalHeader().hide()
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setMinimumSectionSize(ROW_PX)
        self.verticalHeader().setDefaultSectionSize(ROW_PX)
        columns = self.horizontalHeader()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        for column, width in enumerate(_WIDTHS):
            if width:
                columns.resizeSection(column, width)
        columns.setSectionResizeMode(_WIDTHS.index(0), QHeaderView.ResizeMode.Stretch)
        self.itemSelectionChanged.connect(self._on_selected)

    def show_attempts(self, job: JobView, now: float) -> None:
        """Keeps the chosen run, or the newest while that is the chosen one."""
        runs = list(job.attempt_list)[-ATTEMPTS_SHOWN:][::-1]
        other = job.id != self._job
        newest_chosen = other or self.currentRow() <= 0
        kept = None if newest_chosen else self._numbers[self.currentRow()]
        rows = [_row(run, job, now) for run in runs]
        if not other and rows == self._shown:
            return
        self._job, self._shown, self._numbers = job.id, rows, [run.number for run in runs]
        self._filling = True
        self.setRowCount(len(rows))
        for index, (row, run) in enumerate(zip(rows, runs, strict=True)):
            self._fill(index, row, words.attempt(run, now), _hint(run))
        chosen = self._numbers.index(kept) if kept in self._numbers else 0
        if rows:
            self.selectRow(chosen)
        self._filling = False
        self._make_room()
        self.setFixedHeight(ROW_PX * min(ROWS_SEEN, len(rows)) if rows else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """How a run went is never cut: where it is narrow, what one misses least is left out; hovering says it all."""
        metrics = self.fontMetrics()
        room = self.viewport().width() - sum(_WIDTHS)
        room -= max((metrics.horizontalAdvance(row[_HOW]) for row in self._shown), default=0) + _CELL_PX
        for column in (_PEAK, _TOOK):
            self.setColumnHidden(column, room < 0)
            room += _WIDTHS[column] if room < 0 else 0

    def forget(self) -> None:
        """The next time everything is written anew (other colours)."""
        self._shown = []

    @property
    def wanted(self) -> int | None:
        """The run whose log is to be shown; None: the newest."""
        row = self.currentRow()
        return self._numbers[row] if 0 < row < len(self._numbers) else None

    def _fill(self, index: int, row: Sequence[str], said: str, hint: str) -> None:
        for column, text in enumerate(row[:-1]):
            item = self.item(index, column)
            if item is None:
                item = QTableWidgetItem()
                self.setItem(index, column, item)
            item.setText(text)
            item.setToolTip(f"{said}\n{hint}" if hint else said)
            item.setForeground(self._theme.colour(row[-1] if column == 1 else "muted"))
            if column == len(_WIDTHS) - 1:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def _on_selected(self) -> None:
        if not self._filling and self.currentRow() >= 0:
            self.picked.emit(self._numbers[self.currentRow()] if self.currentRow() else -1)


def _row(run: AttemptView, job: JobView, now: float) -> tuple[str, ...]:
    """The cells, and last the token that colours how it went."""
    live = run.ended_at is None and job.status != "finished" and run.number == job.attempts
    if live:
        status = words.status_word(job)
        how, tone = status.word, status.tone
    else:
        status = words.outcome_word(run.outcome)
        how, tone = status.word, status.tone
        if run.exit_code:
            how = words.tr("{what}, exit {code}").format(what=how, code=run.exit_code)
        elif run.signal:
            how = words.tr("{what}, signal {number}").format(what=how, number=run.signal)
    peak = run.peak_memory_bytes if run.peak_memory_bytes is not None or not live else job.usage.peak_memory_bytes
    begun = run.started_at
    took = "" if begun is None else format_duration(max(0.0, _whole((run.ended_at or now) - begun, live)))
    return (
        str(run.number),
        how,
        "" if begun is None else format_moment(begun, now),
        took,
        "" if peak is None else words.tr("peak {size}").format(size=format_size(peak)),
        "text" if tone == "muted" else tone,
    )


def _whole(seconds: float, live: bool) -> float:
    """Of a run that goes on, tenths of a second would only flicker."""
    return float(int(seconds)) if live else seconds


def _hint(run: AttemptView) -> str:
    pairs = ((words.tr("started"), run.started_at), (words.tr("ended"), run.ended_at))
    return "\n".join(f"{label} {exactly(at)}" for label, at in pairs if at is not None)

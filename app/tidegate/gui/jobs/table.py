"""The table model: the jobs of one filter in line order, changed row by row, or anew when many move at once."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from tidegate.engine.views import ConflictView, JobView
from tidegate.gui import words
from tidegate.gui.jobs.book import Filter, JobBook, Key, Move
from tidegate.gui.jobs.match import JobMatch

MANY_MOVES = 24
"""From here on one reset is cheaper than telling the view about each row."""

FEW_IDS = 200
"""So many are looked up one by one; for more, going through all rows once costs less."""

Index = QModelIndex | QPersistentModelIndex
_NO_PARENT = QModelIndex()


class Column(IntEnum):
    STATUS = 0
    JOB = 1
    WHY = 2
    MEMORY = 3
    GPU = 4
    TIMES = 5


JOB_ROLE = Qt.ItemDataRole.UserRole + 1

_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_ALIGNMENT = {Column.MEMORY: _RIGHT, Column.GPU: _RIGHT}


class JobTable(QAbstractTableModel):
    """Rows are keys of the JobBook. Whoever changes the book hands the moves to ``apply``."""

    def __init__(self, book: JobBook, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._book = book
        self._clock = clock
        self._rows: list[Key] = []
        self.filter = Filter.ALL
        self.matching = JobMatch("")
        self.conflicts: Mapping[str, ConflictView] = {}

    # --- What it shows ---

    def set_filter(self, wanted: Filter) -> None:
        self.filter = wanted
        self.reload()

    def set_match(self, match: JobMatch) -> None:
        """Only jobs that its words mean; without words all of the filter."""
        self.matching = match
        self.reload()

    def reload(self) -> None:
        keys = self._book.in_order(self.filter)
        if self.matching:
            keys = [key for key in keys if self._means(key)]
        self._replace(keys)

    def _replace(self, rows: list[Key]) -> None:
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def _means(self, key: Key) -> bool:
        id = self._book.ids.get(key)
        return id is not None and self.matching(self._book.jobs[id])

    def apply(self, moves: Sequence[Move]) -> None:
        groups = self.filter.value
        structural: list[Move] = []
        for move in moves:
            if move.old == move.new and not self.matching:
                if move.new is not None and move.new[0] in groups:
                    self._touch(move.new)
                continue
            old = move.old if move.old is not None and move.old[0] in groups else None
            new = move.new if move.new is not None and move.new[0] in groups else None
            if self.matching:
                old = old if old is not None and self._row_at(old) is not None else None
                new = new if new is not None and self._means(new) else None
            if old is not None and old == new:
                self._touch(old)
            elif old is not None or new is not None:
                structural.append(Move(move.id, old, new))
        if len(structural) > MANY_MOVES:
            self._move_many(structural)
            return
        for move in structural:
            self._move(move)

    def show_conflicts(self, by_job: Mapping[str, ConflictView]) -> None:
        """These jobs are part of an open conflict, and wear a mark."""
        before, self.conflicts = self.conflicts, dict(by_job)
        for id in before.keys() | by_job.keys():
            key = self._book.keys.get(id)
            if key is not None and before.get(id) != by_job.get(id):
                self._touch(key)

    def touch_active(self) -> None:
        """Times of running jobs pass even when nothing is reported."""
        last = bisect_left(self._rows, (1.0,)) - 1 if Filter.ACTIVE.value <= self.filter.value else -1
        if last >= 0:
            self.dataChanged.emit(self.index(0, Column.WHY), self.index(last, Column.TIMES))

    def job_at(self, row: int) -> JobView | None:
        # While a batch is being told to the view, rows still to come carry keys that the book no longer has.
        id = self._book.ids.get(self._rows[row]) if 0 <= row < len(self._rows) else None
        return None if id is None else self._book.jobs[id]

    def row_of(self, id: str) -> int | None:
        key = self._book.keys.get(id)
        if key is None or key[0] not in self.filter.value:
            return None
        return self._row_at(key)

    def rows_of(self, ids: Collection[str]) -> list[int]:
        """The rows of those of these jobs that are shown, in order."""
        if len(ids) <= FEW_IDS:
            return sorted(row for id in ids if (row := self.row_of(id)) is not None)
        wanted = frozenset(ids)
        return [row for row, key in enumerate(self._rows) if self._book.ids.get(key) in wanted]

    def _row_at(self, key: Key) -> int | None:
        row = bisect_left(self._rows, key)
        return row if row < len(self._rows) and self._rows[row] == key else None

    # --- QAbstractTableModel ---

    def rowCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _NO_PARENT) -> int:
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _ALIGNMENT.get(Column(section), _LEFT)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return {
            Column.STATUS: self.tr("Status"),
            Column.JOB: self.tr("Job"),
            Column.WHY: self.tr("Why waiting / progress"),
            Column.MEMORY: self.tr("Memory now / reserved"),
            Column.GPU: self.tr("GPU"),
            Column.TIMES: self.tr("Starts · ends"),
        }[Column(section)]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        job = self.job_at(index.row())
        if job is None:
            return None
        column = index.column()
        if role == JOB_ROLE:
            return job
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(job, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _ALIGNMENT.get(Column(column), _LEFT)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(job, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            conflict = self.conflicts.get(job.id) if column == Column.JOB else None
            spoken = f"{self.headerData(column, Qt.Orientation.Horizontal)}: {self.text(job, column)}"
            return spoken if conflict is None else f"{spoken}. {words.conflict(conflict)}"
        return None

    def text(self, job: JobView, column: int) -> str:
        """The words of one cell; the delegate paints these."""
        if column == Column.STATUS:
            return words.status_word(job).word
        if column == Column.JOB:
            return words.printable(words.title(job))
        if column == Column.WHY:
            share = words.progress(job, self._clock())
            return words.why(job, self._clock()) if share is None else f"{share * 100:.0f} %"
        if column == Column.MEMORY:
            return words.memory(job)
        if column == Column.GPU:
            return words.gpu(job)
        return words.times(job, self._clock())

    def progress(self, job: JobView) -> float | None:
        return words.progress(job, self._clock())

    def colour_of(self, job: JobView) -> int | None:
        return self._book.colours.of(job.id)

    def _tooltip(self, job: JobView, column: int) -> str:
        if column == Column.STATUS:
            return self.tr("job {id}, priority {priority}").format(id=job.id, priority=job.priority)
        if column == Column.JOB:
            conflict = self.conflicts.get(job.id)
            line = words.command_line(job)
            return line if conflict is None else f"{line}\n{words.conflict(conflict)}"
        if column == Column.WHY:
            return "\n".join(wait.sentence for wait in job.waits) or words.why(job, self._clock())
        if column == Column.TIMES:
            return words.exact_times(job)
        return ""

    # --- Changes ---

    def _touch(self, key: Key) -> None:
        row = self._row_at(key)
        if row is None:
            return
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))

    def _move_many(self, moves: Sequence[Move]) -> None:
        """One reset; what stays is in order already, so that sorting it again costs next to nothing."""
        left = {move.old for move in moves}
        rows = [key for key in self._rows if key not in left]
        # One job may move several times: where it goes last counts.
        come = {move.id: move.new for move in moves}
        rows += [key for key in come.values() if key is not None]
        rows.sort()
        self._replace(rows)

    def _move(self, move: Move) -> None:
        old = None if move.old is None else bisect_left(self._rows, move.old)
        if old is None:
            assert move.new is not None
            row = bisect_left(self._rows, move.new)
            self.beginInsertRows(_NO_PARENT, row, row)
            self._rows.insert(row, move.new)
            self.endInsertRows()
        elif move.new is None:
            self.beginRemoveRows(_NO_PARENT, old, old)
            del self._rows[old]
            self.endRemoveRows()
        else:
            # Qt counts the destination before the row is taken out.
            destination = bisect_left(self._rows, move.new)
            if destination in (old, old + 1):
                self._rows[old] = move.new
                self._touch(move.new)
                return
            self.beginMoveRows(_NO_PARENT, old, old, _NO_PARENT, destination)
            del self._rows[old]
            self._rows.insert(destination - (destination > old), move.new)
            self.endMoveRows()
            self._touch(move.new)

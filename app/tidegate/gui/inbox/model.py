"""The notices as rows: newest first below the name of their day, read from the history page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from tidegate.engine.ports import Desk, Notice
from tidegate.gui.commands import Commands
from tidegate.gui.inbox import words as said
from tidegate.gui.inbox.words import NoticeFilter

PAGE = 100
SHOWN_AT_LEAST = 40
"""With fewer rows than this the next page is read at once: a filter may let little through."""

Row = Notice | date
_NOTHING = QModelIndex()


class InboxModel(QAbstractListModel):
    """A row is a notice or a day. ``loaded()`` after each page and each arrival."""

    loaded = Signal()

    def __init__(self, commands: Commands, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commands = commands
        self.filter = NoticeFilter.ALL
        self._notices: list[Notice] = []
        self._rows: list[Row] = []
        self._more = True
        self.reading = False
        self._reads = 0

    # --- What is in it ---

    def reload(self) -> None:
        """Begin anew with the newest page; what is shown stays until that is here."""
        self._reads += 1
        self.reading = False
        self._read(None)

    def set_filter(self, wanted: NoticeFilter) -> None:
        self.filter = wanted
        self.beginResetModel()
        self._rows = _with_days(self._passing(self._notices))
        self.endResetModel()
        self._read_on()
        self.loaded.emit()

    def add(self, notice: Notice) -> None:
        """One that just came."""
        if notice.id is not None and any(notice.id == each.id for each in self._notices[:PAGE]):
            return
        self._notices.insert(0, notice)
        if self.filter.lets(notice):
            day = said.day_of(notice.at)
            if self._rows and self._rows[0] == day:
                self._insert(1, [notice])
            else:
                self._insert(0, [day, notice])
        self.loaded.emit()

    def row(self, index: QModelIndex | QPersistentModelIndex) -> Row | None:
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def index_of(self, id: int) -> QModelIndex:
        for place, row in enumerate(self._rows):
            if isinstance(row, Notice) and row.id == id:
                return self.index(place, 0)
        return QModelIndex()

    def first_notice(self) -> QModelIndex:
        return self.index(1, 0) if len(self._rows) > 1 else QModelIndex()

    @property
    def newest_id(self) -> int:
        return max((notice.id or 0 for notice in self._notices[:PAGE]), default=0)

    @property
    def empty(self) -> bool:
        """Nothing to show, and nothing more to read."""
        return not self._rows and not self._more

    # --- Qt ---

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NOTHING) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self.row(index)
        if row is None:
            return None
        if isinstance(row, date):
            day = said.day_label(row, date.today())
            return day if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole) else None
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{said.exact(row.at)}\n{row.title}\n{row.text}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{said.level_word(row.level)}, {said.clock(row.at)}: {row.title}. {row.text}"
        return None

    def flags(self, index: QModelIndex | QPersistentModelIndex) -> Qt.ItemFlag:
        if isinstance(self.row(index), Notice):
            return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        return Qt.ItemFlag.ItemNeverHasChildren

    def canFetchMore(self, parent: QModelIndex | QPersistentModelIndex) -> bool:
        return not parent.isValid() and self._more and not self.reading

    def fetchMore(self, parent: QModelIndex | QPersistentModelIndex) -> None:
        if self.canFetchMore(parent):
            self._read(self._oldest_id())

    # --- Reading ---

    def _oldest_id(self) -> int | None:
        return min((notice.id for notice in self._notices if notice.id is not None), default=None)

    def _read_on(self) -> None:
        if self._more and not self.reading and len(self._rows) < SHOWN_AT_LEAST:
            self._read(self._oldest_id())

    def _read(self, before: int | None) -> None:
        self.reading = True
        self._commands.run(self._read_page(self._commands.desk, before, self._reads))

    async def _read_page(self, desk: Desk, before: int | None, read: int) -> None:
        try:
            page = await asyncio.to_thread(desk.notices, before, PAGE)
        finally:
            if read == self._reads:
                self.reading = False
        if read != self._reads:
            return
        self._more = len(page) == PAGE
        if before is None:
            self._take_newest(page)
        else:
            self._append(page)
        self._read_on()
        self.loaded.emit()

    def _take_newest(self, page: Sequence[Notice]) -> None:
        self.beginResetModel()
        self._notices = list(page)
        self._rows = _with_days(self._passing(page))
        self.endResetModel()

    def _append(self, page: Sequence[Notice]) -> None:
        self._notices += page
        rows = _with_days(self._passing(page))
        last = self._rows[-1] if self._rows else None
        if rows and isinstance(last, Notice) and rows[0] == said.day_of(last.at):
            rows = rows[1:]
        self._insert(len(self._rows), rows)

    def _insert(self, place: int, rows: Sequence[Row]) -> None:
        if rows:
            self.beginInsertRows(QModelIndex(), place, place + len(rows) - 1)
            self._rows[place:place] = rows
            self.endInsertRows()

    def _passing(self, notices: Sequence[Notice]) -> list[Notice]:
        lets: Callable[[Notice], bool] = self.filter.lets
        return [notice for notice in notices if lets(notice)]


def _with_days(notices: Sequence[Notice]) -> list[Row]:
    rows: list[Row] = []
    day: date | None = None
    for notice in notices:
        own = said.day_of(notice.at)
        if own != day:
            rows.append(own)
            day = own
        rows.append(notice)
    return rows

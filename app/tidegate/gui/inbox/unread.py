"""How many notices a person has not seen: for the rail and the tray; what was read is remembered over restarts."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QObject, Signal

from tidegate.engine.ports import Notice
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.remembered import Remembered

MOST = 100
"""Beyond this the number says no more than "many"."""
_READ, _SEEN = "inbox_read", "inbox_seen"


class Unread(QObject):
    """``changed(int)``. Everything up to the notice ``read_up_to`` counts as read.

    ``found(list[Notice], int)`` after ``start``: what the history has that is not read, oldest first, and the number of
    the newest one it has.
    """

    changed = Signal(int)
    found = Signal(object, int)

    def __init__(self, commands: Commands, feed: Feed, remembered: Remembered, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commands, self._remembered = commands, remembered
        self.count = 0
        self._ids: set[int] = set()
        self._seen: set[int] = {each for each in remembered.get(_SEEN, []) if isinstance(each, int)}
        feed.noticed.connect(self._on_notice)

    @property
    def read_up_to(self) -> int:
        return self._remembered.get(_READ, 0)

    def start(self) -> None:
        """Count what came while the app was away, or its engine was."""
        self._commands.run(self._count())

    def mark_read(self, id: int) -> None:
        """The person has seen this one and all before it."""
        if id > self.read_up_to:
            self._remembered.put(_READ, id)
        self._keep_seen(set())
        self._ids = {each for each in self._ids if each > self.read_up_to}
        self._tell()

    def mark_seen(self, id: int) -> None:
        """The person has seen this one, outside the inbox; those before it may be unread still."""
        if id <= self.read_up_to or id in self._seen:
            return
        seen = self._seen | {id}
        while self.read_up_to + 1 in seen:
            seen.discard(self.read_up_to + 1)
            self._remembered.put(_READ, self.read_up_to + 1)
        self._keep_seen(seen)
        self._ids.discard(id)
        self._tell()

    async def _count(self) -> None:
        newest = await asyncio.to_thread(self._commands.desk.notices, None, MOST)
        last = (newest[0].id or 0) if newest else 0
        if newest and last < self.read_up_to:
            # Another journal than the one that was read (it was set aside, or the home is new): numbers begin anew.
            self._remembered.put(_READ, 0)
            self._keep_seen(set())
            self._ids.clear()
        unread = [notice for notice in reversed(newest) if self._is_new(notice.id or 0)]
        # One that came by the feed while this was read may be in both.
        self._ids.update(notice.id or 0 for notice in unread)
        self._tell()
        self.found.emit(unread, last)

    def _on_notice(self, notice: Notice) -> None:
        if notice.id is not None and self._is_new(notice.id):
            self._ids.add(notice.id)
            self._tell()

    def _keep_seen(self, ids: set[int]) -> None:
        """Those above ``read_up_to`` that were seen all the same: what was done with must not be told again."""
        if ids != self._seen:
            self._seen = ids
            self._remembered.put(_SEEN, sorted(ids))

    def _is_new(self, id: int) -> bool:
        return id > self.read_up_to and id not in self._seen

    def _tell(self) -> None:
        count = min(len(self._ids), MOST)
        if count != self.count:
            self.count = count
            self.changed.emit(count)


def shown(count: int) -> str:
    """``3``, ``99+``."""
    return str(count) if count < MOST else f"{MOST - 1}+"

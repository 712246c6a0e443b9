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
_READ = "inbox_read"


class Unread(QObject):
    """``changed(int)``. Everything up to the notice ``read_up_to`` counts as read."""

    changed = Signal(int)

    def __init__(self, commands: Commands, feed: Feed, remembered: Remembered, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commands, self._remembered = commands, remembered
        self.count = 0
        self._seen: set[int] = set()
        feed.noticed.connect(self._on_notice)

    @property
    def read_up_to(self) -> int:
        return self._remembered.get(_READ, 0)

    def start(self) -> None:
        """Count what came while the app was away."""
        self._commands.run(self._count())

    def mark_read(self, id: int) -> None:
        """The person has seen this one and all before it."""
        if id > self.read_up_to:
            self._remembered.put(_READ, id)
        self._seen.clear()
        self._set(0)

    def mark_seen(self, id: int) -> None:
        """The person has seen this one, outside the inbox; those before it may be unread still."""
        if id <= self.read_up_to or id in self._seen:
            return
        self._seen.add(id)
        while self.read_up_to + 1 in self._seen:
            self._seen.discard(self.read_up_to + 1)
            self._remembered.put(_READ, self.read_up_to + 1)
        self._set(max(0, self.count - 1))

    async def _count(self) -> None:
        newest = await asyncio.to_thread(self._commands.desk.notices, None, MOST)
        if newest and (newest[0].id or 0) < self.read_up_to:
            # Another journal than the one that was read (it was set aside, or the home is new): numbers begin anew.
            self._remembered.put(_READ, 0)
        unread = {notice.id or 0 for notice in newest if (notice.id or 0) > self.read_up_to}
        self._set(len(unread - self._seen))

    def _on_notice(self, notice: Notice) -> None:
        if notice.id is None or notice.id > self.read_up_to:
            self._set(self.count + 1)

    def _set(self, count: int) -> None:
        count = min(count, MOST)
        if count != self.count:
            self.count = count
            self.changed.emit(count)


def shown(count: int) -> str:
    """``3``, ``99+``."""
    return str(count) if count < MOST else f"{MOST - 1}+"

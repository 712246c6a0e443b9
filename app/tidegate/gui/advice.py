"""The open conflicts and hints as the window has them: read anew from the desk whenever it says that they moved."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from tidegate.engine.ports import Desk
from tidegate.engine.views import ConflictView, HintView
from tidegate.gui.feed import Feed


class Advice(QObject):
    """``changed()``. ``by_job`` has the worst open conflict of each job that is part of one."""

    changed = Signal()

    def __init__(self, desk: Desk, feed: Feed, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.conflicts: list[ConflictView] = []
        self.hints: list[HintView] = []
        self.by_job: dict[str, ConflictView] = {}
        feed.advised.connect(self.read)

    @property
    def count(self) -> int:
        return len(self.conflicts) + len(self.hints)

    def read(self) -> None:
        """The desk keeps what is open in memory: this waits for nothing."""
        self.conflicts, self.hints = self._desk.conflicts(), self._desk.hints()
        self.by_job = {id: each for each in reversed(self.conflicts) for id in each.jobs}
        self.changed.emit()

"""Collects reference cycles on the window's thread only: a widget found by another thread's collection crashes Qt."""

from __future__ import annotations

import gc
import linecache
import time
from typing import Any

from PySide6.QtCore import QObject, QTimer

LOOK_EVERY_MS = 500
OLDEST_EVERY_S = 600.0
"""A full collection walks every job in memory; it is rare, and what lived at start is left out of it."""


def leave_out_all() -> None:
    """No collection looks at what is there now: to go through ten thousand jobs, which hold no cycles, is a stall."""
    gc.freeze()


class _Unkept(dict[str, Any]):
    """A cache that nothing stays in: a traceback reads the lines it shows when it shows them."""

    def __setitem__(self, _name: str, _lines: object) -> None:
        return


def keep_no_sources() -> None:
    """PySide reads the source of each module that is imported, for its own name, and Python would keep it: 5 MB."""
    linecache.clearcache()
    linecache.cache = _Unkept()


class GarbageCollection(QObject):
    """Takes the place of Python's automatic collection, with its own thresholds, until ``stop``."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thresholds = gc.get_threshold()
        self._oldest_at = time.monotonic()
        gc.disable()
        leave_out_all()  # modules live as long as the app
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect the youngest generations that are due."""
        young, middle, old = gc.get_count()
        if young <= self._thresholds[0]:
            return
        now = time.monotonic()
        if old > self._thresholds[2] and middle > self._thresholds[1] and now - self._oldest_at > OLDEST_EVERY_S:
            self._oldest_at = now
            gc.collect(2)
        else:
            gc.collect(1 if middle > self._thresholds[1] else 0)

    def stop(self) -> None:
        self._timer.stop()
        gc.enable()

"""A steady beat for a thread: no drift, no burst of missed beats after a stall or a sleep of the machine."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Pace:
    """One thread waits; any other may change the interval, which takes effect at once, or stop."""

    def __init__(self, interval_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._last = -math.inf
        self._changed = threading.Event()
        self._stopped = False

    @property
    def interval_s(self) -> float:
        return self._interval_s

    def set_interval(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._changed.set()

    def stop(self) -> None:
        self._stopped = True
        self._changed.set()

    def wait(self) -> bool:
        """Until the next beat (the first is at once); False when stopped."""
        while not self._stopped:
            now, due = self._monotonic(), self._last + self._interval_s
            if now >= due:
                self._last = due if now - due < self._interval_s else now
                return True
            self._changed.wait(due - now)
            self._changed.clear()
        return False

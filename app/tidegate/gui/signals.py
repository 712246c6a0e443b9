"""SIGTERM and SIGINT under Qt's loop: a request to end in order, never an exception somewhere."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

POLL_S = 0.2


class EndSignals:
    """Calls ``on_end`` on the loop's thread; ``close`` gives the signals back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
        self._loop = loop
        self._on_end = on_end
        self._wanted = False
        self._handle: asyncio.TimerHandle | None = None
        self._signals = (signal.SIGTERM, signal.SIGINT)
        if sys.platform == "win32":
            # No wake-up there: Python sees a signal only when its own code runs, so some has to run.
            for number in self._signals:
                signal.signal(number, lambda _number, _frame: setattr(self, "_wanted", True))
            self._poll()
        else:
            for number in self._signals:
                loop.add_signal_handler(number, on_end)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        for number in self._signals:
            if sys.platform == "win32":
                signal.signal(number, signal.SIG_DFL)
            else:
                self._loop.remove_signal_handler(number)

    def _poll(self) -> None:
        if self._wanted:
            self._on_end()
            return
        self._handle = self._loop.call_later(POLL_S, self._poll)

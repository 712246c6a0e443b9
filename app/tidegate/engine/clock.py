"""The live clock: wall time at start + monotonic elapsed, and timers on the engine's event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

NOTICED_JUMP_S = 2.0


class LiveClock:
    """Implements ``ports.Clock``. Monotonic time stands still while the machine sleeps; ``rebase`` notices."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    def rebase(self) -> float:
        """Follow the wall clock again when it has moved against ours (sleep, or it was set); the jump, else 0."""
        jump = time.time() - self.now()
        if abs(jump) < NOTICED_JUMP_S:
            return 0.0
        self._offset += jump
        return jump

    def call_at(self, when: float, callback: Callable[[], None]) -> Callable[[], None]:
        handle: asyncio.TimerHandle

        def due() -> None:
            # Qt's timers may fire a little early (D15): look at the clock, not at the timer.
            nonlocal handle
            left = when - self.now()
            if left > 0.0005:
                handle = self._loop.call_later(left, due)
            else:
                callback()

        handle = self._loop.call_later(max(0.0, when - self.now()), due)
        return lambda: handle.cancel()

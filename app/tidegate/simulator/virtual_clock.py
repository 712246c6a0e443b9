"""Time as data: a clock that moves only when told, with timers that fire in order on the caller's thread."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class VirtualClock:
    """Implements ``ports.Clock`` for simulated and tested engines. Starts at ``at`` (Unix seconds)."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self._now = at
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._cancelled: set[int] = set()
        self._jump = 0.0

    def now(self) -> float:
        return self._now

    def rebase(self) -> float:
        jump, self._jump = self._jump, 0.0
        self._now += jump
        return jump

    def sleep_machine(self, seconds: float) -> None:
        """The machine slept: the next ``rebase`` notices this jump."""
        self._jump += seconds

    def call_at(self, when: float, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self._order)
        heapq.heappush(self._timers, (when, number, callback))
        return lambda: self._cancelled.add(number)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run at the next step, at the present time."""
        self.call_at(self._now, callback)

    def next_at(self) -> float | None:
        """When the next timer is due; None when there is none."""
        while self._timers and self._timers[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._timers)[1])
        return self._timers[0][0] if self._timers else None

    def advance(self, seconds: float) -> None:
        """Let this much time pass, running everything that falls due, in order."""
        self.run_until(self._now + seconds)

    def run_until(self, when: float) -> None:
        """Run timers up to and including ``when``, then stand there."""
        while (due := self.next_at()) is not None and due <= when:
            _, _, callback = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            callback()
        self._now = max(self._now, when)

    def settle(self) -> None:
        """Run what is due now, without letting time pass."""
        self.run_until(self._now)

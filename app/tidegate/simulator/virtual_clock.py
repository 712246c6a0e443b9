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
        self._until = at
        self._rebased: list[Callable[[float], None]] = []

    def now(self) -> float:
        return self._now

    def rebase(self) -> float:
        jump, self._jump = self._jump, 0.0
        self._now += jump
        self._until += jump
        for told in self._rebased if jump else ():
            told(jump)
        return jump

    def when_rebased(self, callback: Callable[[float], None]) -> None:
        """Call back with every jump, as soon as it was noticed."""
        self._rebased.append(callback)

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
        """Run timers up to and including ``when``, then stand there; a jump on the way moves that moment along."""
        self._until = when
        while (due := self.next_at()) is not None and due <= self._until:
            self._run_first()
        self._now = max(self._now, self._until)

    def step(self) -> bool:
        """Run the next timer, letting as much time pass as it takes; False when there is none."""
        if self.next_at() is None:
            return False
        self._run_first()
        return True

    def _run_first(self) -> None:
        due, _, callback = heapq.heappop(self._timers)
        self._now = max(self._now, due)
        callback()

    def settle(self) -> None:
        """Run what is due now, without letting time pass."""
        self.run_until(self._now)

"""Start latency: how long jobs that were admitted lately took until they really ran."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

WINDOW_S = 300.0
REMEMBERED = 1000


class StartLatencies:
    """The starts of the last 5 minutes, of very many the newest 1,000.

    Latency is from the admission (the intent to run is decided) to the moment the process exists.
    """

    __slots__ = ("_starts",)

    def __init__(self) -> None:
        self._starts: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def note(self, started_at: float, latency_s: float) -> None:
        self._starts.append((started_at, max(0.0, latency_s)))

    def p95_s(self, now: float, still_s: Iterable[float] = ()) -> float:
        """The 95th percentile (nearest rank), with jobs still starting as old as they are; 0 when there are none."""
        while self._starts and self._starts[0][0] <= now - WINDOW_S:
            self._starts.popleft()
        known = sorted([*(latency for _, latency in self._starts), *still_s])
        return known[math.ceil(0.95 * len(known)) - 1] if known else 0.0

    def rebase(self, jump_s: float) -> None:
        """The clock jumped; what lies behind is as long ago as before."""
        self._starts = deque(((at + jump_s, latency) for at, latency in self._starts), REMEMBERED)

"""CPU time of runs that ended, told by who reaped them: only what live trees did not count before is added (D6)."""

from __future__ import annotations

import threading
from collections.abc import Mapping

# A run whose end nobody reports after so many samples (it was lost) no longer blurs the account.
PATIENCE = 3


class Reaped:
    """``note`` comes from the engine's thread, ``settle`` from the sampler's, once per sample."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: list[tuple[float, str | None]] = []
        # Runs that vanished and whose end was not told yet: CPU counted while they lived, samples waited.
        self._awaited: dict[str, tuple[float, int]] = {}

    def note(self, cpu_s: float, token: str | None = None) -> None:
        with self._lock:
            self._notes.append((cpu_s, token))

    def settle(self, vanished: Mapping[str, float], alive: Mapping[str, float]) -> float | None:
        """Seconds of CPU used in this interval by runs that ended in it; None when an end was not told yet.

        ``vanished``: runs seen alive in the last sample and gone now, with the CPU time counted so far;
        ``alive``: the same figure of those still seen. What a late note tells belongs to an interval already
        given up as unknown, so it is dropped.
        """
        with self._lock:
            notes, self._notes = self._notes, []
        counted = {**alive, **vanished}
        untold = dict(vanished)
        late = {token: before for token, (before, _) in self._awaited.items()}
        used = 0.0
        unnamed = []
        for cpu_s, token in notes:
            if token is None:
                unnamed.append(cpu_s)
            elif late.pop(token, None) is None:
                used += max(0.0, cpu_s - counted.get(token, 0.0))
                untold.pop(token, None)
        if unnamed:
            used += _unnamed_s(unnamed, untold, late)
        waited = {token: waits + 1 for token, (_, waits) in self._awaited.items() if token in late}
        self._awaited = {token: (late[token], waits) for token, waits in waited.items() if waits < PATIENCE}
        self._awaited |= {token: (before, 0) for token, before in untold.items()}
        return None if untold else used


def _unnamed_s(cpu_s: list[float], untold: dict[str, float], late: dict[str, float]) -> float:
    """Ends told without a name are taken for the late runs' first, then for this interval's; both are struck off."""
    credit = 0.0
    left = len(cpu_s)
    for runs in (late, untold):
        for token in list(runs)[:left]:
            credit += runs.pop(token)
            left -= 1
    return max(0.0, sum(cpu_s) - credit)

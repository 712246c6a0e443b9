"""How much memory job trees hold (D9): RSS of a single process, PSS of more, read rarely and spread over samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.core.resources import MIB
from tidegate.monitor.process_table import ProcessRow, ProcessTable

REFRESH_S = 5.0  # D9: a figure of shared memory is never older
SETTLE_S = 0.5  # a tree that keeps changing is not read more often than this
COST_RATIO = 20  # ... nor for more than 1/20 of the time: walking a huge address space takes milliseconds
BUDGET_RATIO = 0.05  # of an interval, for all trees that could also be read later
CHANGED_BYTES = 64 * MIB
CHANGED_RATIO = 0.1


@dataclass(slots=True)
class _Measured:
    """The last look at one tree: (PSS, RSS) by process."""

    at: float = -math.inf
    cost_s: float = 0.0
    readable: bool = False
    shares: dict[tuple[int, float], tuple[int, int]] = field(default_factory=dict)

    def bytes_now(self, rows: Sequence[ProcessRow]) -> int | None:
        """The last PSS, moved along with each process's RSS: what grew since is taken as its own.

        A process that is newer than the look counts from the next one on, which its coming makes prompt.
        """
        if not self.readable:
            return None
        total = 0
        for row in rows:
            known = self.shares.get((row.pid, row.start))
            if known is not None:
                proportional, resident = known
                total += max(0, min(row.resident_bytes, proportional + row.resident_bytes - resident))
        return total

    def changed(self, rows: Sequence[ProcessRow]) -> bool:
        """True when the figure may be far off: processes came, or the tree's RSS moved by more than a tenth."""
        moved = 0
        for row in rows:
            known = self.shares.get((row.pid, row.start))
            if known is None:
                return True
            moved += abs(row.resident_bytes - known[1])
        return moved > max(CHANGED_BYTES, CHANGED_RATIO * sum(share for share, _ in self.shares.values()))


class TreeMemory:
    """Keeps the last PSS of every tree and decides which trees are read again in a sample."""

    def __init__(self, table: ProcessTable, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._monotonic = monotonic
        self._measured: dict[str, _Measured] = {}

    def measure(self, trees: Mapping[str, Sequence[ProcessRow]], interval_s: float) -> dict[str, int | None]:
        """Bytes by token. ``trees`` holds the living processes of each run, zombies left out."""
        shared = {token: rows for token, rows in trees.items() if len(rows) > 1}
        self._measured = {token: self._measured.get(token) or _Measured() for token in shared}
        self._refresh(shared, interval_s)
        return {
            token: self._measured[token].bytes_now(rows) if token in shared else _resident_bytes(rows)
            for token, rows in trees.items()
        }

    def _refresh(self, shared: Mapping[str, Sequence[ProcessRow]], interval_s: float) -> None:
        """Oldest first. A steady share of the trees is read in every sample, so that few ever fall due together."""
        share = math.ceil(len(shared) * interval_s / (REFRESH_S - 1))
        begun = self._monotonic()
        until = begun + BUDGET_RATIO * max(interval_s, 0.1)
        for place, token in enumerate(sorted(shared, key=lambda token: self._measured[token].at)):
            last = self._measured[token]
            age_s = begun - last.at
            overdue = math.isfinite(age_s) and age_s > REFRESH_S - interval_s
            if not overdue and (place > 0 and self._monotonic() >= until):
                continue
            settled = age_s >= max(SETTLE_S, COST_RATIO * last.cost_s)
            if overdue or (settled and (place < share or last.changed(shared[token]))):
                self._measured[token] = self._look(shared[token])

    def _look(self, rows: Sequence[ProcessRow]) -> _Measured:
        begun = self._monotonic()
        look = _Measured(at=begun, readable=True)
        for row in rows:
            proportional = self._table.proportional_bytes(row.pid)
            if proportional is None:
                look.readable = False
                break
            look.shares[row.pid, row.start] = (proportional, row.resident_bytes)
        look.cost_s = self._monotonic() - begun
        return look


def _resident_bytes(rows: Sequence[ProcessRow]) -> int | None:
    return rows[0].resident_bytes if rows else None

"""What the process trees of our runs use: CPU since the last sample, memory, card memory, and our share of the CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.core.job import RunRef
from tidegate.core.machine import GpuReading
from tidegate.engine.ports import RunUsage
from tidegate.monitor.membership import Members, Membership
from tidegate.monitor.process_table import ProcessRow, ProcessTable
from tidegate.monitor.reaped import Reaped
from tidegate.monitor.tree_memory import TreeMemory

# Start times are kept in clock ticks of 10 ms.
START_TOLERANCE_S = 0.011


@dataclass(frozen=True, slots=True)
class TreesReading:
    """``our_cpu_s``: what jobs, app and helper used since the last sample, in seconds; None when not known.

    ``living``: the processes of each run, zombies left out.
    """

    usage: tuple[RunUsage, ...] = ()
    our_cpu_s: float | None = None
    living: Mapping[str, Sequence[ProcessRow]] = field(default_factory=dict)


class Trees:
    """One pass over the processes per sample while runs exist, none otherwise. Used from one thread only."""

    def __init__(
        self,
        table: ProcessTable,
        own_pids: Callable[[], Sequence[int]],
        reaped: Reaped,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._own_pids = own_pids
        self._reaped = reaped
        self._monotonic = monotonic
        self._membership = Membership(table)
        self._memory = TreeMemory(table, monotonic)
        self._members: Mapping[str, Members] = {}
        self._own: Members = {}
        self._counted_s: dict[str, float] = {}
        self._taken: tuple[float, float] | None = None

    def measure(self, runs: Mapping[str, RunRef], gpus: Sequence[GpuReading], interval_s: float) -> TreesReading:
        """Measure the trees of ``runs`` (by token) and account for our CPU time since the call before."""
        before = self._taken
        taken = (self._table.now(), self._monotonic())
        since = before[0] if before is not None else None
        rows = self._table.rows() if runs else {}
        own_pids = {os.getpid(), *self._own_pids()}
        members = self._membership.follow(runs, rows, own_pids)
        used_s = {token: used_cpu_s(self._members.get(token, {}), tree, since) for token, tree in members.items()}
        vanished = {token: self._counted_s[token] for token in self._members if token not in members}
        self._counted_s = {token: self._count(token, tree, used_s[token]) for token, tree in members.items()}
        parts = [
            *used_s.values(),
            self._own_used_s(own_pids, rows, since),
            self._reaped.settle(vanished, self._counted_s),
        ]
        known = [part for part in parts if part is not None]
        elapsed_s = taken[1] - before[1] if before is not None else 0.0
        self._members, self._taken = members, taken
        living = {token: [row for row in tree.values() if not row.zombie] for token, tree in members.items()}
        return TreesReading(
            usage=self._usage(runs, living, used_s, elapsed_s, gpus, interval_s),
            our_cpu_s=sum(known) if since is not None and len(known) == len(parts) else None,
            living=living,
        )

    def _count(self, token: str, tree: Members, used_s: float | None) -> float:
        """CPU time of a run accounted for so far; what it used before the first look counts as told."""
        if used_s is None:
            return sum(row.own_s + row.children_s for row in tree.values())
        return self._counted_s.get(token, 0.0) + used_s

    def _own_used_s(self, own_pids: set[int], rows: Mapping[int, ProcessRow], since: float | None) -> float | None:
        """App and helper by themselves: the helper's children are jobs and counted there."""
        now: Members = {}
        for pid in own_pids:
            row = rows.get(pid) or self._table.row(pid)
            if row is None:
                return None
            now[pid] = row._replace(children_s=0.0)
        used_s = used_cpu_s(self._own, now, since)
        self._own = now
        return used_s

    def _usage(
        self,
        runs: Mapping[str, RunRef],
        living: Mapping[str, Sequence[ProcessRow]],
        used_s: Mapping[str, float | None],
        elapsed_s: float,
        gpus: Sequence[GpuReading],
        interval_s: float,
    ) -> tuple[RunUsage, ...]:
        memory = self._memory.measure(living, interval_s)
        owners = {pid: token for token, tree in self._members.items() for pid in tree}
        on_cards, work = card_memory(owners, gpus), card_work(owners, gpus)
        usage = []
        for token in runs:
            cpu_s = used_s.get(token)
            usage.append(
                RunUsage(
                    token,
                    memory_bytes=memory.get(token),
                    cores=cpu_s / elapsed_s if cpu_s is not None and elapsed_s > 0 else None,
                    processes=len(living[token]) if token in living else None,
                    gpu_memory_bytes=tuple(sorted(on_cards.get(token, {}).items())),
                    gpu_utilisation_pct=tuple(sorted(work.get(token, {}).items())),
                    threads=sum(row.threads for row in living[token]) if token in living else None,
                )
            )
        return tuple(usage)


def used_cpu_s(before: Members, now: Members, since: float | None) -> float | None:
    """CPU seconds a tree used between two looks, those that ended and were waited for included.

    A process's ``children_s`` grows by a child's whole life when it is waited for; what earlier looks
    saw of that child is taken off again. None when a process is older than the first look at it.
    """
    used = 0.0
    grown: dict[int, float] = {}
    for pid, row in now.items():
        last = before.get(pid)
        if last is not None and last.start == row.start:
            used += max(0.0, row.own_s - last.own_s)
            grown[pid] = row.children_s - last.children_s
        elif since is not None and row.start >= since - START_TOLERANCE_S:
            used += row.own_s
            grown[pid] = row.children_s
        else:
            return None
    for pid, last in before.items():
        if pid not in grown or now[pid].start != last.start:
            heir = _waiter(last, before, grown)
            if heir is not None:
                grown[heir] -= last.own_s + last.children_s
    return used + sum(max(0.0, seconds) for seconds in grown.values())


def _waiter(ended: ProcessRow, before: Members, alive: Mapping[int, float]) -> int | None:
    """The nearest ancestor still alive, into whose account an ended process's time went; None: it left the tree."""
    parent = ended.parent
    for _ in range(len(before) + 1):
        if parent in alive:
            return parent
        if parent not in before:
            return None
        parent = before[parent].parent
    return None


def card_memory(owners: Mapping[int, str], gpus: Sequence[GpuReading]) -> dict[str, dict[int, int]]:
    """Card memory by token and card; left out where the driver does not say it for one of the run's processes.

    ``owners``: the run that each process belongs to, by pid.
    """
    found: dict[str, dict[int, int]] = {}
    unknown = set()
    for gpu in gpus:
        for process in gpu.processes or ():
            token = owners.get(process.pid)
            if token is None:
                continue
            if process.memory_bytes is None:
                unknown.add((token, gpu.index))
                continue
            cards = found.setdefault(token, {})
            cards[gpu.index] = cards.get(gpu.index, 0) + process.memory_bytes
    for token, index in unknown:
        found.get(token, {}).pop(index, None)
    return found


def card_work(owners: Mapping[int, str], gpus: Sequence[GpuReading]) -> dict[str, dict[int, float]]:
    """Card utilisation in percent by token and card, for the cards a run has processes on; left out where unknown.

    Where the driver does not say who worked, the whole card's figure is a run's when it is alone there, and everyone's
    when it is 0.
    """
    found: dict[str, dict[int, float]] = {}
    for gpu in gpus:
        parts: dict[str | None, list[float | None]] = {}
        for process in gpu.processes or ():
            parts.setdefault(owners.get(process.pid), []).append(process.utilisation_pct)
        for token, each in parts.items():
            known = [pct for pct in each if pct is not None]
            whole = gpu.utilisation_pct if len(parts) == 1 or gpu.utilisation_pct == 0 else None
            pct = min(100.0, sum(known)) if whole is None and len(known) == len(each) else whole
            if token is not None and pct is not None:
                found.setdefault(token, {})[gpu.index] = pct
    return found

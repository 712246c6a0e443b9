"""Three orders of the scheduling literature as user-written strategies, with the backfill rule of the published table.

First come first served, shortest job first, and F1 (Carastan-Santos & de Camargo, "Obtaining dynamic scheduling
policies with simulation and machine learning", SC 2017). The rule: the head that was chosen stays the head until it
starts; others may start, in order of arrival, if their requested end comes strictly before the head's earliest start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log10

from tidegate.core.job import Job, JobId, Running, Starting
from tidegate.core.line import OrderKey
from tidegate.core.resources import Estimate
from tidegate.core.state import MakeStrategy
from tidegate.core.strategies.protocol import Choosing, Turn, tell

Score = Callable[[Job], float]


def fcfs(job: Job) -> float:
    return job.submitted_at


def sjf(job: Job) -> float:
    return job.spec.time_limit_s or 0.0


def f1(offset_s: float) -> Score:
    """log10(requested) x processors + 870 x log10(submitted); smaller goes first."""

    def score(job: Job) -> float:
        requested = log10(max(job.spec.time_limit_s or 0.0, 0.1))
        return requested * (job.spec.cores or 1.0) + 870.0 * log10(max(job.submitted_at + offset_s, 0.1))

    return score


@dataclass(frozen=True)
class CommittedHead:
    """Jobs by score. ``easy``: others may start behind a head that is blocked; else they all wait for it."""

    name: str
    score: Score
    easy: bool
    rotates: bool = False

    def lane(self, job: Job) -> int:
        return 0

    def order(self, job: Job) -> OrderKey:
        return (self.score(job),)

    def choose(self, turn: Turn) -> Choosing:
        if turn.memory is not None:
            head, earliest = turn.memory
            if head in turn.state.line and not (yield head):
                yield from self._behind(turn, head, earliest)
                return
            turn.remember(None)
        offers = turn.merged(lambda _lane, _job: 0)
        choice = next(offers, None)
        while choice is not None:
            if not (yield choice):
                assert isinstance(choice, JobId)
                earliest = _earliest_start(turn, turn.state.jobs[choice])
                turn.remember((choice, earliest))
                yield from self._behind(turn, choice, earliest)
                return
            choice = tell(offers, True)

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        return True

    def _behind(self, turn: Turn, head: JobId, earliest: float) -> Choosing:
        if not self.easy:
            return
        for job in sorted(turn.waiting(), key=lambda job: job.sequence):
            ends_at = turn.now + (job.spec.time_limit_s or 0.0)
            free = turn.ledger.cores - turn.ledger.reserved_cores
            if job.id != head and ends_at < earliest and (job.spec.cores or 1.0) <= free:
                yield job.id


def _earliest_start(turn: Turn, head: Job) -> float:
    """When, by the requested times of what runs, there are cores enough for the head."""
    free = turn.ledger.cores - turn.ledger.reserved_cores
    begun = {id: turn.now for id, _figure in turn.ledger.starts}
    for job in turn.active():
        if isinstance(job.status, Running | Starting):
            begun[job.id] = job.attempts[-1].started_at or job.attempts[-1].intended_at
    ends = sorted((at + (turn.state.jobs[id].spec.time_limit_s or 0.0), id) for id, at in begun.items())
    for at, id in ends:
        free += turn.state.jobs[id].spec.cores or 1.0
        if free >= (head.spec.cores or 1.0):
            return at
    return turn.now


def strategies(offset_s: float) -> Mapping[str, MakeStrategy]:
    """All six cells by name: FCFS, SJF, F1, each plain and with ``+easy``."""
    scores = {"FCFS": fcfs, "SJF": sjf, "F1": f1(offset_s)}
    cells = [
        CommittedHead(name + suffix, score, bool(suffix)) for name, score in scores.items() for suffix in ("", "+easy")
    ]
    return {cell.name: (lambda _options, cell=cell: cell) for cell in cells}

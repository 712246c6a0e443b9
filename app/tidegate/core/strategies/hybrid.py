"""hybrid: a weighted sum of priority, age, fair share, size and deadline; the highest goes first.

Every factor is 0 to 1 (age grows on, a point a day), as in Slurm's multifactor priority, whose fair-share factor is
used: 2^(-used/due). Jobs of one account and priority share a lane. In it the order never changes although scores do:
age is linear, so the difference of two jobs' ages stays what it was when the later one came; size is fixed; priority
and fair share are the lane's own. Urgency is not linear, so jobs with a deadline stand in lanes of their own, those
first that have to start first. What changes with time is asked of each lane's first job at every plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp2
from typing import ClassVar

from tidegate.core import backfill
from tidegate.core.durations import expected_duration_s
from tidegate.core.fair_share import Accounts
from tidegate.core.job import Job, JobSpec, waited_s
from tidegate.core.line import Lane, OrderKey
from tidegate.core.resources import GIB, Estimate
from tidegate.core.strategies.options import Options
from tidegate.core.strategies.protocol import Choosing, Turn
from tidegate.core.strategies.shares import Shares

FULL_AGE_S = 86_400.0
# Less time than this until a job has to start is urgent, whatever it takes; of a long job the time it takes.
URGENT_S = 900.0


@dataclass(frozen=True, slots=True)
class Hybrid:
    """What each factor weighs. ``age``: per day of waiting; above 0, or somebody could wait for ever. ``size``: small
    jobs first. ``deadline``: of one that has to start now; far ones count little."""

    priority: float = 1.0
    age: float = 1.0
    fair_share: float = 1.0
    size: float = 0.2
    deadline: float = 2.0
    accounts: Accounts = field(default_factory=Accounts)
    name: ClassVar[str] = "hybrid"
    rotates: ClassVar[bool] = False

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> Hybrid:
        own = Options("hybrid", options)
        return cls(
            own.number("priority", 1.0),
            own.number("age", 1.0, least=0.01),
            own.number("fair_share", 1.0),
            own.number("size", 0.2),
            own.number("deadline", 2.0),
            Accounts.from_options(options),
        )

    def lane(self, job: Job) -> tuple[str, int, bool]:
        return (self.accounts.account_of(job.spec), job.spec.priority, job.spec.deadline_at is not None)

    def order(self, job: Job) -> OrderKey:
        spec = job.spec
        if spec.deadline_at is not None:
            return (job.rank, spec.deadline_at - (spec.time_limit_s or 0.0))
        return (job.rank, self.age * job.submitted_at / FULL_AGE_S - self.size * smallness(spec))

    def choose(self, turn: Turn) -> Choosing:
        shares = Shares(turn)
        accounts = dict.fromkeys(str(lane.key[0]) for lane in turn.lanes())  # type: ignore[index]
        due = sum(self.accounts.weight(account) for account in accounts)
        total = sum(shares.of(account) for account in accounts) or 1.0

        def standing(_lane: Lane, first: Job) -> tuple[int, float]:
            account, priority, _ = self.lane(first)
            used, fair = shares.of(account) / total, self.accounts.weight(account) / due
            score = (
                self.priority * (9 - priority) / 9.0
                + self.age * waited_s(first, turn.now) / FULL_AGE_S
                + self.fair_share * exp2(-used / fair)
                + self.size * smallness(first.spec)
                + self.deadline * _urgency(turn, first)
            )
            return (first.rank, -score)

        return turn.merged(standing, lambda _lane, job: shares.note(job))

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        return backfill.may_pass(turn, job, figure)


def smallness(spec: JobSpec) -> float:
    """1 for a job of one core, 4 GiB or a quarter of a card, or less of each; half for one of twice as much."""
    cards = 4.0 * spec.gpu.cards * spec.gpu.share if spec.gpu is not None else 0.0
    return 1.0 / max(1.0, spec.cores or 1.0, (spec.memory_bytes or 0) / (4 * GIB), cards)


def _urgency(turn: Turn, job: Job) -> float:
    """1 when it has to start now to be done in time, or is late; half when as much time is left again as it takes."""
    if job.spec.deadline_at is None:
        return 0.0
    takes_s = expected_duration_s(job.spec, turn.state.profile(job)) or 0.0
    left_s = max(0.0, job.spec.deadline_at - turn.now - takes_s)
    return 1.0 / (1.0 + left_s / max(takes_s, URGENT_S))

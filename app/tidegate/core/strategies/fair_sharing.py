"""fair_sharing: whose account has used least of the machine lately, by its weight, goes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.core import backfill
from tidegate.core.durations import expected_duration_s
from tidegate.core.fair_share import Accounts
from tidegate.core.job import Job
from tidegate.core.line import Lane, OrderKey
from tidegate.core.resources import Estimate
from tidegate.core.strategies.protocol import Choosing, Turn
from tidegate.core.strategies.shares import Shares

# A job of an account that is ahead of the blocked one's by more than this may pass it only if it will be gone by then:
# else small jobs, which always find room beside the first blocked one, would take what large ones are owed.
LEAD_PART = 0.02


@dataclass(frozen=True, slots=True)
class FairSharing:
    """Each account (a user's, a label's or a queue's jobs) has a lane; in it priority, then arrival.

    Nobody waits for ever: who runs is charged for it, and who waits is not, so every account's turn comes.
    """

    accounts: Accounts = field(default_factory=Accounts)
    name: ClassVar[str] = "fair_sharing"
    rotates: ClassVar[bool] = False

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> FairSharing:
        return cls(Accounts.from_options(options))

    def lane(self, job: Job) -> str:
        return self.accounts.account_of(job.spec)

    def order(self, job: Job) -> OrderKey:
        return (job.spec.priority, job.rank)

    def choose(self, turn: Turn) -> Choosing:
        turn.scratch = shares = Shares(turn)

        def standing(lane: Lane, _first: Job) -> float:
            return shares.per_weight(str(lane.key))

        return turn.merged(standing, lambda _lane, job: shares.note(job))

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        if not backfill.may_pass(turn, job, figure):
            return False
        shares: Shares = turn.scratch
        own = shares.per_weight(self.lane(job))
        return not any(
            own > (1.0 + LEAD_PART) * shares.per_weight(self.lane(blocked.job))
            and turn.state.section_of(blocked.job.spec.queue) is turn.section
            and not _is_gone_before(turn, blocked, job)
            for _, blocked in backfill.passed_by(turn, job)
        )


def _is_gone_before(turn: Turn, blocked: backfill.Blocked, job: Job) -> bool:
    """It should have ended when the blocked one starts. One without a shadow is not waited for."""
    if blocked.shadow is None:
        return True
    duration = expected_duration_s(job.spec, turn.state.profile(job))
    at = blocked.shadow.at
    return duration is not None and at is not None and turn.now + duration <= at

"""priority_based: priority first, then arrival; who waits long moves up, so that nobody waits for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tidegate.core import backfill
from tidegate.core.job import Job, waited_s
from tidegate.core.line import OrderKey
from tidegate.core.resources import Estimate
from tidegate.core.strategies.options import Options
from tidegate.core.strategies.protocol import Choosing, Turn

AGING_S = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class PriorityBased:
    """``aging_s``: a job that has waited so long counts as one priority more important; 0: never."""

    aging_s: float = AGING_S
    name: ClassVar[str] = "priority_based"
    rotates: ClassVar[bool] = False

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> PriorityBased:
        return cls(Options("priority_based", options).number("aging_s", AGING_S))

    def lane(self, job: Job) -> int:
        return job.spec.priority

    def order(self, job: Job) -> OrderKey:
        return (job.rank,)

    def choose(self, turn: Turn) -> Choosing:
        return turn.merged(lambda _lane, first: self.standing(first, turn.now))

    def standing(self, job: Job, now: float) -> tuple[int, int]:
        """Its priority after all it has waited; at equal ones the more important by its own word goes first."""
        risen = int(waited_s(job, now) / self.aging_s) if self.aging_s else 0
        return (job.spec.priority - risen, job.spec.priority)

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        return backfill.may_pass(turn, job, figure)

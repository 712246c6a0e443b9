"""load_balancing: the job whose needs match what is free goes first, and cards are filled evenly.

What matches is said by Tetris' alignment score: the dot product of what a job asks for and what is free, each as a part
of the machine (Grandl et al., "Multi-Resource Packing for Cluster Schedulers", SIGCOMM 2014). A job that needs much of
what is idle is taken before one that needs more of what is scarce. Waiting adds to the score without end, so the gain
of one job is never for ever the loss of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import ClassVar

from tidegate.core import backfill
from tidegate.core.admission import expected
from tidegate.core.fair_share import Use, held_by
from tidegate.core.job import Job, JobSpec, waited_s
from tidegate.core.line import Lane, OrderKey
from tidegate.core.placement import SPREAD
from tidegate.core.resources import MIB, Estimate
from tidegate.core.strategies.options import Options
from tidegate.core.strategies.protocol import Choosing, Turn

PATIENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class LoadBalancing:
    """``patience_s``: waiting so long weighs as much as one step of priority, or as asking for a whole resource that is
    wholly free.

    Jobs of about one shape (within a factor of two) and one priority share a lane, in order of arrival.
    """

    patience_s: float = PATIENCE_S
    name: ClassVar[str] = "load_balancing"
    rotates: ClassVar[bool] = False
    placement: ClassVar[str] = SPREAD

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> LoadBalancing:
        return cls(Options("load_balancing", options).number("patience_s", PATIENCE_S, least=1.0))

    def lane(self, job: Job) -> tuple[int, ...]:
        return (job.spec.priority, *_shape(job.spec))

    def order(self, job: Job) -> OrderKey:
        return (job.rank,)

    def choose(self, turn: Turn) -> Choosing:
        def standing(_lane: Lane, first: Job) -> tuple[int, float]:
            waited = waited_s(first, turn.now) / self.patience_s
            return (first.rank, first.spec.priority - waited - _alignment(turn, first))

        # Every start leaves less free: no standing gets better in a plan, and others are asked again.
        return turn.merged(standing, lambda _lane, _job: None)

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        return backfill.may_pass(turn, job, figure)


def _shape(spec: JobSpec) -> tuple[int, ...]:
    """Cores, memory and cards as powers of two, rounded; what was not said is -1."""
    cards = spec.gpu.cards * spec.gpu.share if spec.gpu is not None else None
    memory = None if spec.memory_bytes is None else spec.memory_bytes / (64 * MIB)
    # A sixteenth of a core or card, or 4 MiB, is the smallest there is.
    return tuple(-1 if asked is None else round(log2(max(asked, 0.0625))) + 4 for asked in (spec.cores, memory, cards))


def _alignment(turn: Turn, job: Job) -> float:
    """0 to 3: how well it uses what is free; 0 when it does not fit."""
    ledger, figure = turn.ledger, expected(turn.state, job, turn.ledger)
    asked = held_by(job.spec, figure.memory_bytes, job.spec.gpu.cards if job.spec.gpu is not None else 0)
    machine = Use(max(1.0, ledger.cores), ledger.memory_line_bytes or 1, max(1, len(ledger.cards)))
    free = Use(
        ledger.cores - ledger.reserved_cores,
        0 if ledger.headroom_bytes is None else ledger.headroom_bytes,
        sum(card.free_share for card in ledger.cards.values()),
    )
    limited = ledger.memory_line_bytes is not None
    if asked.cores > free.cores or asked.cards > free.cards or (limited and asked.memory_bytes > free.memory_bytes):
        return 0.0
    return sum(part * left / (whole * whole) for part, left, whole in zip(asked, free, machine, strict=True))

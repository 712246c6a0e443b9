"""A strategy of one's own: whoever is expected to need least time goes first. An example to copy and change.

Install it beside Tidegate (``pip install ./tests/plugins/shortest_first``) and choose it: ``tidegate strategy
shortest_first``, or for one queue: ``tidegate config set queues.batch.strategy shortest_first``.

Tidegate keeps waiting jobs sorted by ``order`` as they come and go, asks ``choose`` at every plan whom to try next, and
``may_pass`` whether somebody may start before one that is blocked. Whether a job fits is decided by admission alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.core import backfill
from tidegate.core.job import Job
from tidegate.core.line import OrderKey
from tidegate.core.resources import Estimate
from tidegate.core.strategies.options import Options
from tidegate.core.strategies.protocol import Choosing, Turn

UNKNOWN_S = 3600.0


class ShortestFirst:
    """``unknown_s``: who does not say how long it needs (``--time``) counts with so many seconds; an hour by itself.

    Set it with ``tidegate config set plugin_options shortest_first.unknown_s=60``. A ValueError about a setting is
    shown to the user; the strategy is switched off then.
    """

    name = "shortest_first"
    description = "whoever is expected to need least time goes first"  # for `tidegate strategy`
    rotates = False  # it pauses nobody

    def __init__(self, options: Mapping[str, object]) -> None:
        """``options`` has the settings of all strategies by their full names; Options reads those of one."""
        self.unknown_s = Options("shortest_first", options).number("unknown_s", UNKNOWN_S)

    def lane(self, job: Job) -> int:
        """One lane: the order of two jobs never changes while they wait."""
        del job
        return 0

    def order(self, job: Job) -> OrderKey:
        """Smaller goes first; what the user put first (``rank`` below 0) stays first."""
        return (job.rank, job.spec.time_limit_s or self.unknown_s)

    def choose(self, turn: Turn) -> Choosing:
        """Offer them in that order."""
        return turn.merged(lambda _lane, _job: 0)

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        """The rule that comes with Tidegate: who does not delay the first blocked job may start before it."""
        return backfill.may_pass(turn, job, figure)


def clumsy(options: Mapping[str, object]) -> ShortestFirst:
    """What not to do: it raises, is switched off with a message, and the queue goes on under ``priority_based``."""
    raise RuntimeError("I was never finished")

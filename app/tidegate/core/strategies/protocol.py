"""What a strategy is (D8), and the Turn through which it sees one plan. Users' own strategies are written against this.

A strategy decides three things: who stands before whom (``lane`` and ``order``, kept as jobs come and go), whom the
planner tries next and who is rotated (``choose``), and who may pass a job that is blocked (``may_pass``). Whether a job
fits at all is never its affair: admission answers that, and a strategy cannot overrule it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from operator import itemgetter
from typing import Any, Protocol, runtime_checkable

from tidegate.core.actions import Pause, Resume, Terminate
from tidegate.core.admission import Ledger, expected, failing
from tidegate.core.backfill import Blocked
from tidegate.core.job import Job, JobId, Paused, PauseReason
from tidegate.core.line import Head, Lane, LaneWalk, OrderKey, Section
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State

# How many different refused kinds of job one plan looks at in a section before it lets the rest wait for the next one.
LOOKED_AT_IN_ORDER = 192
# After them so many other ones, of all lanes in turn and other ones at every timed sample, so that what could start is
# found however far behind it stands. Then the strategy goes on without queued jobs: paused ones are offered even so.
LOOKED_AT_ELSEWHERE = 63

Choice = JobId | Pause | Resume | Terminate
Choosing = Generator[Choice, bool, None]


def tell(choosing: Choosing, done: bool) -> Choice | None:
    """What came of the last choice; the next one, None when there is none."""
    try:
        return choosing.send(done)
    except StopIteration:
        return None


def waits_for_turn(job: Job) -> bool:
    """True for one that a strategy paused for others, and that its user does not want back at once."""
    status = job.status
    return isinstance(status, Paused) and status.reason is PauseReason.SCHEDULING and not status.wants_resume


class Strategy(Protocol):
    """One rule by which waiting jobs are taken. It holds its settings and nothing else: the same State, the same plan.

    What it has to remember from plan to plan it gives to ``Turn.remember``.
    """

    @property
    def name(self) -> str: ...

    @property
    def rotates(self) -> bool:
        """True when it pauses running jobs so that others have a turn; then it alone lets them go on again."""

    def lane(self, job: Job) -> Hashable:
        """Jobs of one lane (and one queue) keep their order for as long as they wait."""

    def order(self, job: Job) -> OrderKey:
        """The job's place in its lane: smaller goes first, earlier arrival breaks ties. Fixed when it is queued."""

    def choose(self, turn: Turn) -> Choosing:
        """Yield whom to try next, and hear whether it was started; or pause, resume or requeue one that runs.

        A job of a group whose first was refused is not worth offering: ``Turn.merged`` sees to that.
        """

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        """Whether this job, which fits, may start although others (``turn.blocked``) came first and could not."""


@runtime_checkable
class Explains(Protocol):
    """A strategy may also have this: it tells why a job waits, where that is its own doing."""

    def reason(self, state: State, job: Job, ledger: Ledger, codes: list[WaitCode]) -> WaitReason | None:
        """For a queued job or one paused for another's sake; ``codes`` is what admission holds against it."""


@dataclass(slots=True)
class Turn:
    """One plan as a strategy sees it, for the queues it orders. Read only, but for ``remember`` and ``look_again``.

    ``blocked`` are the jobs that were offered in this plan and could not start, in any section, by what they lack:
    "shared" (memory, cores), "cards", or the name of their queue (its own limits). ``memory`` is what was remembered
    last. ``rehearsal``: nothing will start; it is only asked in which order jobs stand. ``scratch`` is free for what
    ``choose`` works out and ``may_pass`` needs in the same plan.
    """

    state: State
    section: Section
    now: float
    ledger: Ledger
    blocked: dict[str, Blocked]
    memory: Any = None
    strategy: Strategy = field(init=False)
    rehearsal: bool = False
    remembered: bool = False
    scratch: Any = None
    wake_at: float | None = None

    def __post_init__(self) -> None:
        self.strategy = self.section.strategy

    def remember(self, value: Any) -> None:
        """Keep this for the next plan; a value that cannot change."""
        if value != self.memory:
            self.memory = value
            self.remembered = True

    def look_again(self, at: float) -> None:
        """Plan again at this moment (Unix seconds) at the latest."""
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def lanes(self) -> list[Lane]:
        return list(self.section.lanes.values())

    def waiting(self) -> Iterator[Job]:
        """All waiting jobs of these queues, in no order."""
        return (self.state.jobs[id] for lane in self.lanes() for id in lane.ids())

    def active(self) -> Iterable[Job]:
        """Running, starting, paused and stopping jobs of these queues, in order of start."""
        section_of = self.state.section_of
        return (job for job in self.state.active.values() if section_of(job.spec.queue) is self.section)

    def lacks(self, job: Job) -> list[WaitCode]:
        """What keeps a waiting or paused job from running at this point of the plan."""
        if isinstance(job.status, Paused):
            return self.ledger.lacks_to_go_on(job)
        return failing(self.state, job, expected(self.state, job, self.ledger), self.ledger, gates=False)[0]

    def fits_after_pausing(self, job: Job, others: Sequence[Job]) -> bool:
        """Whether it could run if these running ones were paused; they keep their memory."""
        for other in others:
            self.ledger.stand_down(other)
        fits = not self.lacks(job)
        for other in others:
            self.ledger.take_back(other)
        return fits

    def merged(
        self, standing: Callable[[Lane, Job], Any], started: Callable[[Lane, Job], None] | None = None
    ) -> Choosing:
        """Offer the jobs of all lanes: each time the first of the lane that stands lowest, by its first job.

        A lane's standing is asked for anew after each start of it; ``started`` hears of that first. With ``started``,
        a start may worsen the standing of other lanes too: they are asked again when their turn seems to have come.
        """
        jobs = self.state.jobs
        walks = [LaneWalk(lane) for lane in self.lanes()]
        heap: list[tuple[Any, OrderKey, int, Head]] = []
        for number, walk in enumerate(walks):
            head = walk.pop()
            if head is not None:
                heap.append((standing(walk.lane, jobs[head.id]), head.order, number, head))
        heapify(heap)
        refused = 0
        while heap and refused < LOOKED_AT_IN_ORDER:
            stood, _, number, head = heappop(heap)
            walk = walks[number]
            if walk.lane.queue in self.ledger.full_queues:
                continue
            if started is not None and (stands := standing(walk.lane, jobs[head.id])) != stood:
                heappush(heap, (stands, head.order, number, head))
                continue
            if (yield head.id):
                walk.advance(head)
                if started is not None:
                    started(walk.lane, jobs[head.id])
            else:
                refused += 1
            following = walk.pop()
            if following is not None:
                heappush(heap, (standing(walk.lane, jobs[following.id]), following.order, number, following))
        yield from self._elsewhere(
            [(walks[number], head) for _, _, number, head in sorted(heap, key=itemgetter(2))], started
        )

    def _elsewhere(self, left: list[tuple[LaneWalk, Head]], started: Callable[[Lane, Job], None] | None) -> Choosing:
        """Offer some of what is left of these lanes, one of each in turn; at the next samples the following ones."""
        if not left:
            return
        sample, each = self.state.machine.timed_samples, max(1, LOOKED_AT_ELSEWHERE // len(left))
        rounds = -(-len(left) // LOOKED_AT_ELSEWHERE)
        lanes = deque((walk, walk.further(head, sample // rounds * each)) for walk, head in left)
        lanes.rotate(-sample * LOOKED_AT_ELSEWHERE % len(lanes))
        refused = 0
        while lanes and refused < LOOKED_AT_ELSEWHERE:
            walk, head = lanes.popleft()
            if walk.lane.queue in self.ledger.full_queues:
                continue
            if (yield head.id):
                walk.advance(head)
                if started is not None:
                    started(walk.lane, self.state.jobs[head.id])
            else:
                refused += 1
            following = walk.pop()
            if following is not None:
                lanes.append((walk, following))

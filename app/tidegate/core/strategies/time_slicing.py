"""time_slicing: when more want to run than fit, running jobs that had their quantum make room for who waits longest.

Turns go round: of those who wait - queued jobs and paused ones alike - the more important class (high, normal, low)
goes first, within it who waits longest; for every four quanta of waiting a job counts as one class more important, so
that nobody starves. A paused job keeps its memory, also on cards, so turns change only where memory bears both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.core import backfill
from tidegate.core.actions import Pause, Resume
from tidegate.core.admission import Ledger, expected
from tidegate.core.backfill import CARDS, SHARED, Blocked
from tidegate.core.guard import importance_class
from tidegate.core.job import Finished, Job, JobId, Paused, PauseReason, Queued, Running
from tidegate.core.line import OrderKey, Place, Section
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.strategies.options import Options
from tidegate.core.strategies.protocol import Choice, Choosing, Turn, tell, waits_for_turn
from tidegate.core.texts import format_duration
from tidegate.core.thawing import may_return, next_thaw

QUANTUM_S = 300.0
# A shorter one would pause and resume more than once between two samples.
LEAST_QUANTUM_S = 1.0
RISES_AFTER_QUANTA = 4
# What a paused job gives up, and under which name backfill knows it; of all else it keeps what it has.
GIVEN_UP = {WaitCode.WORKERS: SHARED, WaitCode.CPU: SHARED, WaitCode.GPU_BUSY: CARDS, WaitCode.QUEUE_LIMIT: "queue"}

Standing = tuple[int, int, float, int]


@dataclass(frozen=True, slots=True)
class TimeSlicing:
    """``quantum_s``: how long a job runs before others may have its turn, in seconds."""

    quantum_s: float = QUANTUM_S
    name: ClassVar[str] = "time_slicing"
    rotates: ClassVar[bool] = True

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> TimeSlicing:
        return cls(Options("time_slicing", options).number("quantum_s", QUANTUM_S, LEAST_QUANTUM_S))

    def lane(self, job: Job) -> int:
        return importance_class(job)

    def order(self, job: Job) -> OrderKey:
        return (job.rank, _since(job))

    def choose(self, turn: Turn) -> Choosing:
        offers = turn.merged(lambda _lane, first: self.standing(first, turn.now))
        if turn.rehearsal:
            yield from offers
            return
        rota = _Rota(self, turn)
        for job in _coming_back(turn):
            leaving = rota.room_for(job)
            if leaving:
                # The planner itself lets it go on, before anybody else; whose turn it is then, the next plan says.
                yield from rota.send_away(leaving, job)
                return
        paused = deque(sorted(_turned(turn.state, turn.section), key=lambda job: self.standing(job, turn.now)))
        offered = next(offers, None)
        while paused or offered is not None:
            queued = turn.state.jobs[offered] if isinstance(offered, JobId) else None
            if paused and (queued is None or self.standing(paused[0], turn.now) < self.standing(queued, turn.now)):
                yield from self._offer(turn, rota, paused.popleft())
            else:
                assert queued is not None
                offered = tell(offers, (yield from self._offer(turn, rota, queued)))
            if rota.is_over():
                break
        rota.wake()

    def _offer(self, turn: Turn, rota: _Rota, job: Job) -> Generator[Choice, bool, bool]:
        """Let it run where there is room, or make room; True when it does."""
        paused = isinstance(job.status, Paused)
        way = Resume(job.id) if paused else job.id
        lacks = turn.lacks(job)
        if not lacks:
            return not (paused and rota.keeps_from(job)) and (yield way)
        leaving = rota.room_for(job, lacks)
        yield from rota.send_away(leaving, job)
        if (leaving or not paused) and (yield way):
            return True
        rota.keep_for(job, lacks)
        return False

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        return backfill.may_pass(turn, job, figure)

    def standing(self, job: Job, now: float) -> Standing:
        """Who stands lower goes first."""
        rank = job.rank if isinstance(job.status, Queued) else 0
        return (self.importance(job, now), rank, _since(job), job.sequence)

    def importance(self, job: Job, now: float) -> int:
        """The class of a job that waits, after all it has waited; less is more important."""
        return importance_class(job) - int((now - _since(job)) / (RISES_AFTER_QUANTA * self.quantum_s))

    # --- telling -----------------------------------------------------------------------------------------------------

    def reason(self, state: State, job: Job, ledger: Ledger, codes: list[WaitCode]) -> WaitReason | None:
        queued = isinstance(job.status, Queued)
        if queued and (not codes or not GIVEN_UP.keys() >= set(codes)):
            return None
        at = self._turn_at(state, job, ledger.now)
        when = "as soon as there is room" if at is None else f"in about {_roughly(at - ledger.now)}"
        if queued:
            if at is None:
                return None
            return WaitReason(WaitCode.TURN, f"starts when its turn comes, {when}", until=at)
        return WaitReason(WaitCode.PAUSED, f"paused for its turn: goes on {when}", until=at)

    def _turn_at(self, state: State, job: Job, now: float) -> float | None:
        """When it will be its turn if all were of one size: turns end one after the other, those before it go first."""
        section = state.section_of(job.spec.queue)
        ends = sorted(_since(each) + self.quantum_s for each in _rotating(state, section))
        if not ends:
            return None
        own = self.standing(job, now)
        before = sum(self.standing(each, now) < own for each in _turned(state, section) if each is not job)
        for lane in section.lanes.values():
            if lane.key <= own[0]:  # type: ignore[operator]
                place = Place((*own[1:],), job.id)
                before += sum(bisect_left(places, place) for places in lane.groups.values())
        rounds, number = divmod(before, len(ends))
        at = ends[number] + rounds * self.quantum_s
        if isinstance(job.status, Paused):
            at = max(at, _since(job) + self.quantum_s)
        return at if at > now else None


@dataclass(slots=True)
class _Rota:
    """Who may be paused in this plan, and for whom what they give up is kept.

    ``over`` have had their quantum, the least important first, then who is longest at it; ``others`` have not yet.
    """

    strategy: TimeSlicing
    turn: Turn
    over: list[Job] = field(default_factory=list)
    others: list[Job] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    left_out: bool = False

    def __post_init__(self) -> None:
        now, quantum_s, ledger = self.turn.now, self.strategy.quantum_s, self.turn.ledger
        # Where more runs than may (in HIGH mode), what is given up would be nobody's.
        crowded = ledger.slots_max is not None and ledger.slots > ledger.slots_max
        if crowded or (ledger.cores and ledger.reserved_cores > ledger.cores + 1e-9):
            return
        for job in _rotating(self.turn.state, self.turn.section):
            (self.over if _since(job) + quantum_s <= now else self.others).append(job)
        self.over.sort(key=lambda job: (-importance_class(job), _since(job), job.sequence))

    def room_for(self, job: Job, lacks: list[WaitCode] | None = None) -> list[Job]:
        """As few as can be whose quantum is over and who together give up what this job lacks; nobody: empty."""
        lacks = self.turn.lacks(job) if lacks is None else lacks
        over = self._below(self.over, job)
        if not lacks or not self._may_displace(job, lacks) or not self._are_enough(over, job, lacks):
            return []
        leaving: list[Job] = []
        for each in over:
            leaving.append(each)
            if self.turn.fits_after_pausing(job, leaving):
                break
        for each in leaving[:-1]:
            fewer = [other for other in leaving if other is not each]
            if self.turn.fits_after_pausing(job, fewer):
                leaving = fewer
        return leaving

    def send_away(self, leaving: list[Job], job: Job) -> Generator[Choice, bool, None]:
        for each in leaving:
            ran = format_duration(self.turn.now - _since(each))
            yield Pause(each.id, PauseReason.SCHEDULING, f"ran for {ran}; now it is the turn of job {job.id}")
            self.over.remove(each)

    def keep_for(self, job: Job, lacks: list[WaitCode]) -> None:
        """It would have its turn if the quanta of others were over: until then nobody else gets what they give up."""
        self.left_out = True
        if self._may_displace(job, lacks) and self._are_enough(
            self._below([*self.over, *self.others], job), job, lacks
        ):
            domains = {_domain(job, code) for code in lacks}
            self.kept |= domains
            if isinstance(job.status, Paused) and job.estimate is not None:
                for domain in domains:
                    self.turn.blocked.setdefault(domain, Blocked(job, job.estimate, job.bypassed))

    def keeps_from(self, job: Job) -> bool:
        """What it would take is kept for one that stands before it."""
        own = {SHARED, f"queue {job.spec.queue}"} | ({CARDS} if job.spec.gpu is not None else set())
        return not self.kept.isdisjoint(own)

    def is_over(self) -> bool:
        """Nobody who comes later could run in this plan."""
        ledger = self.turn.ledger
        full = ledger.slots_max is not None and ledger.slots >= ledger.slots_max
        return full and (SHARED in self.kept or not self.over)

    def wake(self) -> None:
        """Plan again when the next quantum is over, or the next one has waited for long enough."""
        if not self.left_out:
            return
        quantum_s, now = self.strategy.quantum_s, self.turn.now
        waiting = _turned(self.turn.state, self.turn.section)
        moments = [_since(job) + quantum_s for job in (*self.others, *waiting)]
        self.turn.look_again(min([moment for moment in moments if moment > now], default=now + quantum_s))

    def _may_displace(self, job: Job, lacks: list[WaitCode]) -> bool:
        """What it lacks is given up by pausing, it has waited for a quantum if it had a turn, and none is before it."""
        if waits_for_turn(job) and self.turn.now - _since(job) < self.strategy.quantum_s:
            return False
        if not GIVEN_UP.keys() >= set(lacks) or self.keeps_from(job):
            return False
        if isinstance(job.status, Paused) or not self.turn.blocked:
            return True
        figure = expected(self.turn.state, job, self.turn.ledger)
        return self.turn.strategy.may_pass(self.turn, job, figure)

    def _below(self, running: list[Job], job: Job) -> list[Job]:
        """Those of them that this job may take the turn of."""
        least = self.strategy.importance(job, self.turn.now)
        return [each for each in running if importance_class(each) >= least]

    def _are_enough(self, running: list[Job], job: Job, lacks: list[WaitCode]) -> bool:
        if not running:
            return False
        if WaitCode.CPU in lacks:
            wanted = job.spec.cores or 1.0
            free = self.turn.ledger.cores - self.turn.ledger.reserved_cores
            if wanted > free + sum(each.spec.cores or 1.0 for each in running) + 1e-9:
                return False
        return self.turn.fits_after_pausing(job, running)


def _rotating(state: State, section: Section) -> Iterator[Job]:
    """Running jobs that may be paused: of these queues, and of those that come after them and go by turns too."""
    for job in state.active.values():
        if isinstance(job.status, Running) and job.spec.preemptible:
            own = state.section_of(job.spec.queue)
            if own is section or (own.strategy.name == section.strategy.name and own.order > section.order):
                yield job


def _turned(state: State, section: Section) -> Iterator[Job]:
    """Jobs of these queues that were paused for the turn of another, and may go on when theirs comes."""
    for job in state.active.values():
        if waits_for_turn(job) and state.section_of(job.spec.queue) is section and not state.intake.freezes(job.spec):
            yield job


def _coming_back(turn: Turn) -> Iterator[Job]:
    """Jobs of these queues that are not paused for a turn and are to go on: others make room for them, too."""
    thawing = next_thaw(turn.state, turn.now)
    for job in turn.active():
        if isinstance(job.status, Paused) and (job is thawing or may_return(turn.state, job, turn.ledger)):
            yield job


def _since(job: Job) -> float:
    """Since when it has been standing where it stands: the beginning of its quantum, or of its wait."""
    assert not isinstance(job.status, Finished)
    return job.status.since


def _domain(job: Job, code: WaitCode) -> str:
    domain = GIVEN_UP[code]
    return f"queue {job.spec.queue}" if domain == "queue" else domain


def _roughly(seconds: float) -> str:
    return "a minute" if seconds < 90 else format_duration(round(seconds / 60) * 60)

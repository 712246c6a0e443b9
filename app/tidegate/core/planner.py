"""The planner: ``plan(state, now)`` lets jobs in, in order, as far as the ledger bears them; it only reads State."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from tidegate.core.actions import Action, Resume, Start
from tidegate.core.admission import Ledger, expected, failing, open_ledger
from tidegate.core.explain import explain_all
from tidegate.core.job import Job, JobId, JobSpec, Paused, PauseReason, Running, time_limit_at
from tidegate.core.line import Head, Line
from tidegate.core.machine import Mode
from tidegate.core.placement import choose_anyway
from tidegate.core.plan import Plan, Waits
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.strategies import priority_based as strategy
from tidegate.core.thawing import next_thaw

# How many jobs behind a closed gate get the reason written down.
NAMED_BEHIND = 16

# How many different blocked kinds of job one plan looks at before it lets the rest wait for the next one.
BLOCKED_KINDS = 256
# The last of them are other ones at every timed sample, so that what could start is found however far behind it stands.
LAST_KINDS = 64

# With one of these no later job can start either.
CLOSES = frozenset({WaitCode.WORKERS, WaitCode.CPU_BUSY})


def plan(state: State, now: float) -> Plan:
    """Decide who starts and who resumes now, why the others wait, and when time alone changes that."""
    ledger = open_ledger(state, now)
    actions: list[Action] = []
    blocked: list[tuple[JobId, WaitCode]] = []
    returning = _Returning(state, ledger, actions)
    returning.let_wanted_go_on()
    _start_forced(state, ledger, actions)
    if not ledger.gates:
        _start_in_order(state, ledger, actions, blocked, returning)
    returning.let_go_on_before(None)

    def look_up(id: JobId) -> tuple[WaitReason, ...]:
        job = state.jobs.get(id)
        return () if job is None else explain_all(state, job, ledger)

    return Plan(tuple(actions), Waits(look_up, lambda: _waiting(state)), _wake_at(state, now), tuple(blocked))


def _waiting(state: State) -> Iterator[JobId]:
    yield from state.line
    yield from state.parked


class _Returning:
    """Paused jobs that may go on: tried before queued ones of the same priority, and their place is kept (D6)."""

    __slots__ = ("_actions", "_jobs", "_ledger", "_thaw")

    def __init__(self, state: State, ledger: Ledger, actions: list[Action]) -> None:
        self._ledger = ledger
        self._actions = actions
        self._jobs: list[Job] = []
        if ledger.mode is Mode.EMERGENCY:
            return
        for job in state.active.values():
            status = job.status
            if not isinstance(status, Paused) or status.reason is PauseReason.MEMORY:
                continue
            if _may_return(state, job.spec, status, ledger.now):
                self._jobs.append(job)
        # The guard itself lets a frozen job go on; here its place is kept free for that.
        frozen = next_thaw(state, ledger.now)
        if frozen is not None:
            self._jobs.append(frozen)
        self._jobs.sort(key=lambda job: job.order_key, reverse=True)

    def let_wanted_go_on(self) -> None:
        """What a user asked for is tried before anything else."""
        for job in reversed(list(self._jobs)):
            if isinstance(job.status, Paused) and job.status.wants_resume and self._go_on(job):
                self._jobs.remove(job)

    def let_go_on_before(self, priority: int | None) -> None:
        """Everyone of this priority or a more important one goes on, or has its place kept."""
        while self._jobs and (priority is None or self._jobs[-1].spec.priority <= priority):
            job = self._jobs.pop()
            if not self._go_on(job):
                self._ledger.take_back(job)

    def _go_on(self, job: Job) -> bool:
        assert isinstance(job.status, Paused)
        if job.status.reason is PauseReason.MEMORY or not self._ledger.has_place_for(job):
            return False
        self._actions.append(Resume(job.id))
        self._ledger.take_back(job)
        return True


def _may_return(state: State, spec: JobSpec, status: Paused, now: float) -> bool:
    """Its user wants it back, the time it was paused for is over, or the queue it was paused with goes on."""
    if status.wants_resume:
        return True
    if status.reason is PauseReason.QUEUE:
        return not state.intake.freezes(spec)
    return status.resume_at is not None and status.resume_at <= now


def _start_forced(state: State, ledger: Ledger, actions: list[Action]) -> None:
    """Jobs the user started by hand: admission is skipped, the guard and the journal never."""
    if ledger.mode is Mode.EMERGENCY or state.journal_error is not None:
        return
    for id in state.forced:
        job = state.jobs[id]
        devices = choose_anyway(job.spec, ledger.cards, ledger.policy)
        _start(job, expected(state, job, ledger), devices, ledger, actions)


def _start(
    job: Job,
    figure: Estimate,
    devices: tuple[int, ...],
    ledger: Ledger,
    actions: list[Action],
    bypassed: tuple[JobId, ...] = (),
) -> None:
    waited_for = job.last_wait.sentence if job.last_wait is not None else None
    actions.append(Start(job.id, figure, devices, bypassed, waited_for))
    ledger.take(job, figure, devices)


class _Walk:
    """Goes through the line in order, a group at a time: a blocked group is left behind as a whole."""

    __slots__ = ("_heads", "_line", "_next", "_pending", "_positions")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._heads = line.heads()
        self._next = 0
        self._pending: list[Head] = []
        self._positions: dict[object, int] = {}

    def pop(self) -> Head | None:
        """The next job in order, or None at the end."""
        if self._next < len(self._heads):
            head = self._heads[self._next]
            if not self._pending or head.order < self._pending[0].order:
                self._next += 1
                return head
        return heappop(self._pending) if self._pending else None

    def advance(self, head: Head) -> None:
        """This job starts: the next of its group is a candidate too."""
        position = self._positions.get(head.group, 0) + 1
        self._positions[head.group] = position
        places = self._line.group(head.group)
        if position < len(places):
            place = places[position]
            heappush(self._pending, Head(place.order, place.id, head.group))

    def skip(self, turn: int, step: int) -> None:
        """Leave some groups out, other ones at every turn, so that none is left out for ever."""
        left = len(self._heads) - self._next
        if left > step:
            self._next += turn * step % left


def _start_in_order(
    state: State,
    ledger: Ledger,
    actions: list[Action],
    blocked: list[tuple[JobId, WaitCode]],
    returning: _Returning,
) -> None:
    """Start what fits, in order. A job that was passed often enough holds up whoever would take what it lacks."""
    walk = _Walk(state.line)
    queue = _Passed(ledger)
    while len(blocked) < BLOCKED_KINDS:
        head = walk.pop()
        if head is None:
            return
        returning.let_go_on_before(head.order[0])
        if head.id in state.forced:
            walk.advance(head)
            continue
        job = state.jobs[head.id]
        figure = expected(state, job, ledger)
        codes, devices = failing(state, job, figure, ledger, gates=False)
        if not codes and queue.lets_by(job):
            _start(job, figure, devices, ledger, actions, queue.passed_by(job))
            walk.advance(head)
            continue
        blocked.append((job.id, codes[0] if codes else WaitCode.BEHIND))
        closed = next((code for code in codes if code in CLOSES), None)
        if closed is not None:
            # Nobody behind it can start either: the next ones wait for the same, and the rest learns it in its turn.
            while len(blocked) < NAMED_BEHIND and (behind := walk.pop()) is not None:
                blocked.append((behind.id, closed))
            return
        queue.note_blocked(job, figure, codes)
        if ledger.held_by is not None:
            return
        if len(blocked) == BLOCKED_KINDS - LAST_KINDS:
            walk.skip(state.machine.timed_samples, LAST_KINDS)


@dataclass(slots=True)
class _Blocked:
    job: Job
    figure: Estimate
    passes: int


class _Passed:
    """The first job that lacks memory or cores, and the first that lacks a card: how often they may still be passed."""

    __slots__ = ("_cards", "_ledger", "_shared")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._shared: _Blocked | None = None
        self._cards: _Blocked | None = None

    def note_blocked(self, job: Job, figure: Estimate, codes: list[WaitCode]) -> None:
        if self._shared is None and strategy.lacks_shared(codes):
            self._shared = _Blocked(job, figure, job.bypassed)
            self._note_holders()
        if self._cards is None and strategy.lacks_cards(codes):
            self._cards = _Blocked(job, figure, job.bypassed)
            self._note_holders()

    def lets_by(self, job: Job) -> bool:
        """False when it would take what a job waits for that was passed often enough."""
        return self._ledger.held_by is None and not (
            job.spec.gpu is not None and self._ledger.held_cards_by is not None
        )

    def passed_by(self, job: Job) -> tuple[JobId, ...]:
        """The jobs that this one passes; the passes of this very plan count too."""
        passed: list[JobId] = []
        for first in (self._shared, self._cards if job.spec.gpu is not None else None):
            if first is not None:
                first.passes += 1
                if first.job.id not in passed:
                    passed.append(first.job.id)
        self._note_holders()
        return tuple(passed)

    def _note_holders(self) -> None:
        ledger = self._ledger
        shared, cards = self._shared, self._cards
        if shared is not None and strategy.holds_the_line(shared.passes, shared.figure, ledger):
            ledger.held_by = shared.job.id
        if cards is not None and strategy.holds_the_cards(cards.passes, cards.job.spec, ledger):
            ledger.held_cards_by = cards.job.id


def _wake_at(state: State, now: float) -> float | None:
    """The next moment at which time alone changes something: begin times, time limits, ends of pauses."""
    moments: list[float] = []
    if state.begin_times:
        moments.append(state.begin_times[0][0])
    if state.intake.until is not None:
        moments.append(state.intake.until)
    for job in state.active.values():
        if isinstance(job.status, Paused):
            if job.status.resume_at is not None:
                moments.append(job.status.resume_at)
        elif job.spec.time_limit_s is not None and isinstance(job.status, Running):
            limit = time_limit_at(job)
            if limit is not None:
                moments.append(limit)
    later = [moment for moment in moments if moment > now]
    return min(later, default=None)

"""The planner: ``plan(state, now)`` lets jobs in, in order, as far as the ledger bears them; it only reads State."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from tidegate.core.actions import Action, Resume, Start
from tidegate.core.admission import Ledger, expected, failing, open_ledger
from tidegate.core.explain import explain_all
from tidegate.core.job import Job, JobId, Paused, PauseReason, Running
from tidegate.core.line import Head, Line
from tidegate.core.machine import Mode
from tidegate.core.plan import Plan, Waits
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.strategies import priority_based as strategy

# How many different blocked kinds of job one plan looks at before it lets the rest wait for the next one.
BLOCKED_KINDS = 256

# With one of these no later job can start either.
CLOSES = frozenset({WaitCode.WORKERS, WaitCode.CPU_BUSY})


def plan(state: State, now: float) -> Plan:
    """Decide who starts and who resumes now, why the others wait, and when time alone changes that."""
    ledger = open_ledger(state, now)
    actions: list[Action] = []
    blocked: list[tuple[JobId, WaitCode]] = []
    _resume(state, ledger, now, actions)
    _start_forced(state, ledger, actions)
    held_by: JobId | None = None
    if not ledger.gates:
        held_by = _start_in_order(state, ledger, actions, blocked)

    def look_up(id: JobId) -> tuple[WaitReason, ...]:
        return explain_all(state, state.jobs[id], ledger, held_by)

    return Plan(tuple(actions), Waits(look_up, lambda: _waiting(state)), _wake_at(state, now), tuple(blocked))


def _waiting(state: State) -> Iterator[JobId]:
    yield from state.line
    yield from state.parked


def _resume(state: State, ledger: Ledger, now: float, actions: list[Action]) -> None:
    """Paused jobs whose time is over or whose user wants them back; the user's are tried first (D6)."""
    if ledger.mode is Mode.EMERGENCY:
        return
    for job in state.active.values():
        status = job.status
        if not isinstance(status, Paused) or status.reason is PauseReason.MEMORY:
            continue
        due = status.resume_at is not None and status.resume_at <= now
        if not (due or status.wants_resume):
            continue
        cores = job.estimate.cores if job.estimate is not None else 1.0
        slots_left = ledger.slots_max is None or ledger.slots < ledger.slots_max
        if slots_left and ledger.reserved_cores + cores <= ledger.cores + 1e-9:
            actions.append(Resume(job.id))
            ledger.reserved_cores += cores
            ledger.slots += 1
            ledger.running += 1


def _start_forced(state: State, ledger: Ledger, actions: list[Action]) -> None:
    """Jobs the user started by hand: admission is skipped, the guard and the journal never."""
    if ledger.mode is Mode.EMERGENCY or state.journal_error is not None:
        return
    for id in state.forced:
        job = state.jobs[id]
        figure = expected(state, job, ledger)
        _, devices = failing(state, job, figure, ledger, gates=False)
        _start(job, figure, devices, ledger, actions)


def _start(
    job: Job,
    figure: Estimate,
    devices: tuple[int, ...],
    ledger: Ledger,
    actions: list[Action],
    bypassed: JobId | None = None,
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


def _start_in_order(
    state: State, ledger: Ledger, actions: list[Action], blocked: list[tuple[JobId, WaitCode]]
) -> JobId | None:
    """Start what fits, in order. Returns the job that holds everybody behind it up, if one does."""
    walk = _Walk(state.line)
    first: _Blocked | None = None
    while len(blocked) < BLOCKED_KINDS:
        head = walk.pop()
        if head is None:
            return None
        if head.id in state.forced:
            walk.advance(head)
            continue
        job = state.jobs[head.id]
        figure = expected(state, job, ledger)
        codes, devices = failing(state, job, figure, ledger, gates=False)
        if codes:
            blocked.append((job.id, codes[0]))
            if not CLOSES.isdisjoint(codes):
                return None
            if first is None and strategy.is_short(codes):
                first = _Blocked(job, codes, job.bypassed)
                if strategy.holds_the_line(first.passes, figure, ledger):
                    return job.id
            continue
        bypassed = None
        if first is not None and strategy.delays(first.codes, job):
            # The passes of this very plan count too, or one plan could exceed the bound.
            if first.passes >= ledger.policy.max_bypass and strategy.holds_the_line(
                first.passes, expected(state, first.job, ledger), ledger
            ):
                return first.job.id
            first.passes += 1
            bypassed = first.job.id
        _start(job, figure, devices, ledger, actions, bypassed)
        walk.advance(head)
    return None


@dataclass(slots=True)
class _Blocked:
    """The first job in line that lacks something others could take from it."""

    job: Job
    codes: list[WaitCode]
    passes: int


def _wake_at(state: State, now: float) -> float | None:
    """The next moment at which time alone changes something: begin times, time limits, ends of pauses."""
    moments: list[float] = []
    if state.begin_times:
        moments.append(state.begin_times[0][0])
    if state.intake.until is not None:
        moments.append(state.intake.until)
    for job in state.active.values():
        match job.status:
            case Running():
                limit = time_limit_at(job)
                if limit is not None:
                    moments.append(limit)
            case Paused(resume_at=float(moment)):
                moments.append(moment)
            case _:
                pass
    later = [moment for moment in moments if moment > now]
    return min(later, default=None)


def time_limit_at(job: Job) -> float | None:
    """When a running job's time is up; paused time does not count (D5)."""
    attempt = job.attempt
    if job.spec.time_limit_s is None or attempt is None or attempt.started_at is None:
        return None
    return attempt.started_at + attempt.paused_s + job.spec.time_limit_s

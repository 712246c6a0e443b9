"""The planner: ``plan(state, now)`` lets jobs in, in order, as far as the ledger bears them; it only reads State."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from tidegate.core import backfill
from tidegate.core.actions import Action, Pause, Resume, Start, Terminate
from tidegate.core.admission import Ledger, expected, failing, open_ledger
from tidegate.core.explain import Holder, explain_all
from tidegate.core.job import Job, JobId, OnPreempt, Outcome, Paused, PauseReason, Running, time_limit_at
from tidegate.core.line import Section
from tidegate.core.machine import Mode
from tidegate.core.placement import choose_anyway
from tidegate.core.plan import Plan, Waits
from tidegate.core.preemption import is_waited_for, make_room
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import FALLBACK_STRATEGY, State, what_it_raised
from tidegate.core.strategies.priority_based import PriorityBased
from tidegate.core.strategies.protocol import Choosing, Strategy, Turn, tell
from tidegate.core.thawing import may_return, next_thaw

# How many jobs behind a closed gate get the reason written down.
NAMED_BEHIND = 16

# How many different blocked kinds of job one plan looks at in a section.
BLOCKED_KINDS = 256

# With one of these no later job can start either.
CLOSES = frozenset({WaitCode.WORKERS, WaitCode.CPU_BUSY})


def plan(state: State, now: float) -> Plan:
    """Decide who starts and who resumes now, why the others wait, and when time alone changes that."""
    waiting = len(state.line) or state.forced or any(isinstance(job.status, Paused) for job in state.active.values())
    # A strategy that remembers something is asked even so: it may be over now.
    if not waiting and not state.memories:
        return Plan((), _waits(state, lambda: open_ledger(state, now), lambda _job: None), _wake_at(state, now, ()))
    planning = _Planning(state, now)
    planning.decide()
    return planning.result()


def _waits(state: State, ledger: Callable[[], Ledger], holder: Holder) -> Waits:
    """The reasons of those in line and of the parked ones, made when they are looked up."""

    def look_up(id: JobId) -> tuple[WaitReason, ...]:
        job = state.jobs.get(id)
        return () if job is None else explain_all(state, job, ledger(), holder)

    return Waits(look_up, lambda: chain(state.line, state.parked))


class NotWaiting(ValueError):
    """A strategy offered a job that is not its to start."""

    def __init__(self, id: JobId) -> None:
        super().__init__(f"it offered job {id}, which does not wait in its queues")


class _Planning:
    """One plan while it is made: the ledger, what was decided, and whom a section's strategy offers next."""

    def __init__(self, state: State, now: float) -> None:
        self._state = state
        self._now = now
        self._ledger = open_ledger(state, now)
        self._actions: list[Action] = []
        self._blocked: list[tuple[JobId, WaitCode]] = []
        self._first_blocked: dict[str, backfill.Blocked] = {}
        self._returning = _Returning(state, self._ledger, self._actions, self._blocked)
        self._turns: dict[int, Turn] = {}
        self._failed: list[tuple[str, str]] = []

    def decide(self) -> None:
        self._returning.let_wanted_go_on()
        self._start_forced()
        if not self._ledger.gates:
            for number, section in enumerate(self._state.line.sections):
                if section.lanes or section.strategy.rotates:
                    self._take_turn(number, section)
        self._returning.let_go_on_before(None)

    def result(self) -> Plan:
        state, turns = self._state, self._turns
        remembered = tuple((number, turn.memory) for number, turn in turns.items() if turn.remembered)
        return Plan(
            tuple(self._actions),
            _waits(state, lambda: self._ledger, self._holder),
            _wake_at(state, self._now, turns.values()),
            tuple(self._blocked),
            remembered,
            tuple(self._failed),
        )

    # --- a section's turn --------------------------------------------------------------------------------------------

    def _take_turn(self, number: int, section: Section) -> None:
        """Ask the strategy; when it raises, the rest of its jobs is taken by ``priority_based`` in this very plan."""
        state = self._state
        turn = Turn(state, section, self._now, self._ledger, self._first_blocked, state.memories.get(number))
        self._turns[number] = turn
        try:
            self._follow(section, section.strategy, turn)
        except Exception as error:
            if section.name == FALLBACK_STRATEGY:
                raise
            self._failed.append((section.name, what_it_raised(error)))
            turn.strategy = PriorityBased()
            self._follow(section, turn.strategy, turn)

    def _follow(self, section: Section, strategy: Strategy, turn: Turn) -> None:
        """Try whom the strategy yields and tell it what came of that, until it has nobody left or nobody can start."""
        started = {action.id for action in self._actions if isinstance(action, Start)}
        blocked = 0
        choosing = strategy.choose(turn)
        choice = next(choosing, None)
        while choice is not None:
            done = False
            if not isinstance(choice, JobId):
                done = self._carry(section, choice)
            elif choice in started or choice in self._state.forced:
                done = True
            else:
                job = self._state.jobs.get(choice)
                if job is None:
                    raise NotWaiting(choice)
                self._returning.let_go_on_before((section.order, job.spec.priority))
                code = self._try(strategy, turn, job)
                done = code is None
                if code is None:
                    started.add(job.id)
                else:
                    blocked += 1
                    self._blocked.append((job.id, code))
                    if self._closes(code) and not strategy.rotates and not section.preempts:
                        self._name_behind(choosing, code)
                        return
                    if blocked == BLOCKED_KINDS:
                        return
            choice = tell(choosing, done)

    def _try(self, strategy: Strategy, turn: Turn, job: Job) -> WaitCode | None:
        """Start it if admission and the strategy's backfill rule agree; else the reason that tells most."""
        state, ledger = self._state, self._ledger
        figure = expected(state, job, ledger)
        codes, devices = failing(state, job, figure, ledger, gates=False)
        may_pass = True
        if turn.blocked and (not codes or turn.section.preempts):
            may_pass = strategy.may_pass(turn, job, figure)
        if codes and may_pass and turn.section.preempts:
            codes, devices = self._make_room(job, figure, codes)
        if not codes:
            if may_pass:
                # One that runs or is held may not start, whoever offers it.
                if job.id not in state.line or state.section_of(job.spec.queue) is not turn.section:
                    raise NotWaiting(job.id)
                self._start(job, figure, devices, backfill.note_passing(turn, job, figure))
                return None
            codes = [WaitCode.BEHIND]
        elif WaitCode.QUEUE_LIMIT in codes and (use := ledger.queue_use(job.spec.queue)) is not None and use.is_full:
            ledger.full_queues.add(job.spec.queue)
        backfill.note_blocked(turn, job, figure, codes)
        for code in codes:
            if self._closes(code):
                return code
        return codes[0]

    def _closes(self, code: WaitCode) -> bool:
        """With this no later job of the section can start either."""
        return code in CLOSES or (code is WaitCode.CPU and self._ledger.reserved_cores >= self._ledger.cores)

    def _make_room(self, job: Job, figure: Estimate, codes: list[WaitCode]) -> tuple[list[WaitCode], tuple[int, ...]]:
        """Let others pause or leave for it, where that is allowed and enough; why it may not start even so."""
        decided = [action.id for action in self._actions]
        room = make_room(self._state, self._ledger, job, figure, codes, decided)
        self._actions += room
        for action in room:
            if isinstance(action, Pause):
                self._ledger.stand_down(self._state.active[action.id])
        return failing(self._state, job, figure, self._ledger, gates=False) if room else (codes, ())

    def _carry(self, section: Section, action: Pause | Resume | Terminate) -> bool:
        """A rotation: done if it makes sense as things stand in this plan."""
        job = self._state.active.get(action.id)
        if job is None:
            return False
        own = self._state.section_of(job.spec.queue)
        # One strategy in two orders of queues is one rule: all its jobs give way, and each goes on in its own turn.
        if own is not section and (isinstance(action, Resume) or own.strategy.name != section.strategy.name):
            return False
        match action:
            case Pause():
                if not isinstance(job.status, Running) or not job.spec.preemptible or self._is_decided(job.id):
                    return False
                self._ledger.stand_down(job)
            case Resume():
                status = job.status
                turned = isinstance(status, Paused) and status.reason is PauseReason.SCHEDULING
                if not turned or self._is_decided(job.id) or not self._ledger.has_place_for(job):
                    return False
                self._ledger.take_back(job)
            case Terminate():
                may = job.spec.preemptible and isinstance(job.status, Running | Paused)
                allowed = job.spec.may_rerun
                if action.outcome is not None:
                    allowed = action.outcome is Outcome.KILLED and job.spec.on_preempt is OnPreempt.KILL
                if not may or not allowed or self._is_decided(job.id):
                    return False
        self._actions.append(action)
        return True

    def _is_decided(self, id: JobId) -> bool:
        return any(action.id == id for action in self._actions)

    def _name_behind(self, choosing: Choosing, code: WaitCode) -> None:
        """Nobody behind it can start either: the next ones wait for the same, and the rest learns it in its turn."""
        choice = tell(choosing, False)
        while choice is not None and len(self._blocked) < NAMED_BEHIND:
            if isinstance(choice, JobId):
                self._blocked.append((choice, code))
            choice = tell(choosing, False)

    def _holder(self, job: Job) -> JobId | None:
        """The blocked job that this one, which would fit, may not pass."""
        figure = expected(self._state, job, self._ledger)
        for turn in self._turns.values():
            if turn.section is not self._state.section_of(job.spec.queue):
                continue
            ahead = [blocked.job.id for _, blocked in backfill.passed_by(turn, job) if blocked.job.id != job.id]
            try:
                if ahead and not turn.strategy.may_pass(turn, job, figure):
                    return ahead[0]
            except Exception:  # noqa: BLE001 (others' code; when it is the job's turn, the plan finds it and says so)
                return ahead[0]
        return None

    # --- starts ------------------------------------------------------------------------------------------------------

    def _start_forced(self) -> None:
        """Jobs the user started by hand: admission is skipped, the guard and the journal never."""
        state, ledger = self._state, self._ledger
        if ledger.mode is Mode.EMERGENCY or state.journal_error is not None:
            return
        for id in state.forced:
            job = state.jobs[id]
            figure = expected(state, job, ledger)
            self._start(job, figure, choose_anyway(job.spec, ledger.cards, ledger.policy, figure))

    def _start(self, job: Job, figure: Estimate, devices: tuple[int, ...], bypassed: tuple[JobId, ...] = ()) -> None:
        waited_for = job.last_wait.sentence if job.last_wait is not None else None
        self._actions.append(Start(job.id, figure, devices, bypassed, waited_for))
        self._ledger.take(job, figure, devices)


def _wake_at(state: State, now: float, turns: Iterable[Turn]) -> float | None:
    """The next moment at which time alone changes something: begin times, time limits, ends of pauses, turns."""
    moments = [turn.wake_at for turn in turns if turn.wake_at is not None]
    if state.begin_times:
        moments.append(state.begin_times[0][0])
    if state.intake.until is not None:
        moments.append(state.intake.until)
    limited = state.policy.time_limits
    for job in state.active.values():
        if isinstance(job.status, Paused):
            if job.status.resume_at is not None:
                moments.append(job.status.resume_at)
        elif job.spec.time_limit_s is not None and limited and isinstance(job.status, Running):
            limit = time_limit_at(job)
            if limit is not None:
                moments.append(limit)
    return min((moment for moment in moments if moment > now), default=None)


class _Returning:
    """Paused jobs that may go on: tried before queued ones of the same priority, and their place is kept (D6)."""

    __slots__ = ("_actions", "_blocked", "_jobs", "_ledger", "_state")

    def __init__(
        self, state: State, ledger: Ledger, actions: list[Action], blocked: list[tuple[JobId, WaitCode]]
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._actions = actions
        self._blocked = blocked
        self._jobs: list[tuple[tuple[float, int], Job]] = []
        if ledger.mode is Mode.EMERGENCY:
            return
        for job in state.active.values():
            status = job.status
            if not isinstance(status, Paused) or status.reason is PauseReason.MEMORY:
                continue
            if may_return(state, job, ledger):
                self._jobs.append((_turn_of(state, job, status), job))
        # The guard itself lets a frozen job go on; here its place is kept free for that.
        frozen = next_thaw(state, ledger.now)
        if frozen is not None:
            assert isinstance(frozen.status, Paused)
            self._jobs.append((_turn_of(state, frozen, frozen.status), frozen))
        self._jobs.sort(key=lambda entry: (entry[0], entry[1].rank, entry[1].sequence), reverse=True)

    def let_wanted_go_on(self) -> None:
        """What a user asked for is tried before anything else."""
        for entry in reversed(list(self._jobs)):
            status = entry[1].status
            if isinstance(status, Paused) and status.wants_resume and self._go_on(entry[1]):
                self._jobs.remove(entry)

    def let_go_on_before(self, turn: tuple[float, int] | None) -> None:
        """Everyone whose turn is this one or an earlier one goes on, or has its place kept."""
        while self._jobs and (turn is None or self._jobs[-1][0] <= turn):
            _, job = self._jobs.pop()
            if self._made_room_in_vain(job):
                continue
            if not self._go_on(job) and not self._is_shut_out(job):
                self._ledger.take_back(job)

    def _made_room_in_vain(self, job: Job) -> bool:
        """It made room for a queue that goes before its own, and somebody there still waits for that room."""
        assert isinstance(job.status, Paused)
        scheduling = job.status.reason is PauseReason.SCHEDULING and not job.status.wants_resume
        return scheduling and is_waited_for(self._state, self._ledger, job, self._blocked)

    def _is_shut_out(self, job: Job) -> bool:
        """Its own queue is full: nothing is kept free for it that others could use (the guard thaws regardless)."""
        assert isinstance(job.status, Paused)
        use = self._ledger.queue_use(job.spec.queue)
        return use is not None and use.is_full and job.status.reason is not PauseReason.MEMORY

    def _go_on(self, job: Job) -> bool:
        assert isinstance(job.status, Paused)
        if job.status.reason is PauseReason.MEMORY or not self._ledger.has_place_for(job):
            return False
        self._actions.append(Resume(job.id))
        self._ledger.take_back(job)
        return True


def _turn_of(state: State, job: Job, status: Paused) -> tuple[float, int]:
    """Its queue's order and its priority. One that made room for another queue comes right after that one's jobs."""
    order: float = state.queue(job.spec.queue).order
    if status.reason is PauseReason.SCHEDULING:
        own = state.queue(job.spec.queue).name
        above = [queue.order for queue in state.queues.values() if own in queue.preempts]
        order = min(order, max(above) + 0.5) if above else order
    return (order, job.spec.priority)

"""Admission: may this job start now? A cumulative ledger answers, with every failing reason, not the first (D6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tidegate.core.estimates import at_least, estimate, holding, other_programs_bytes, seen_bytes, settled
from tidegate.core.job import Job, JobId, JobSpec, Stopping
from tidegate.core.machine import Mode
from tidegate.core.measuring import others_crowd
from tidegate.core.placement import CardLedger, build_cards, choose, need_of
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate
from tidegate.core.state import DEFAULT_QUEUE, State


@dataclass(slots=True)
class QueueUse:
    """What the active jobs of one queue hold, against its own limits."""

    policy: QueuePolicy
    running: int = 0
    memory_bytes: int = 0
    cards: int = 0

    def add(self, spec: JobSpec, memory_bytes: int, slots: int) -> None:
        self.running += slots
        self.memory_bytes += memory_bytes
        self.cards += spec.gpu.cards if spec.gpu is not None else 0

    @property
    def is_full(self) -> bool:
        return self.policy.max_running is not None and self.running >= self.policy.max_running

    def refuses(self, spec: JobSpec, memory_bytes: int) -> bool:
        limits = self.policy
        cards = spec.gpu.cards if spec.gpu is not None else 0
        return (
            self.is_full
            or (limits.memory_bytes is not None and self.memory_bytes + memory_bytes > limits.memory_bytes)
            or (limits.cards is not None and cards > 0 and self.cards + cards > limits.cards)
        )

    def could_ever_hold(self, spec: JobSpec, memory_bytes: int) -> bool:
        """False for a job that its queue's limits refuse even while nothing else runs there."""
        return not QueueUse(self.policy).refuses(spec, memory_bytes)


@dataclass(slots=True)
class Ledger:
    """What there is and what is already promised; every start of a plan is added at once.

    ``largest``: the job of ours that holds the most memory, and how much. ``queues``: what the jobs of each queue with
    limits of its own hold; in a full one nobody starts. ``known_queues``: all there are. ``starts`` are those of this
    plan. ``resting``: jobs that are paused, or will be by this plan, and hold nothing but memory.
    """

    now: float
    policy: Policy
    mode: Mode
    memory_total_bytes: int | None = None
    memory_line_bytes: int | None = None
    available_bytes: int | None = None
    other_bytes: int | None = None
    reserved_bytes: int = 0
    largest: tuple[JobId, int] | None = None
    cores: float = 0.0
    reserved_cores: float = 0.0
    slots: int = 0
    slots_max: int | None = None
    unknown_starts_left: int = 0
    unsettled: JobId | None = None
    running: int = 0
    cpu_busy: bool = False
    cards: dict[int, CardLedger] = field(default_factory=dict)
    array_running: dict[int, int] = field(default_factory=dict)
    locks: dict[str, JobId] = field(default_factory=dict)
    queues: dict[str, QueueUse] = field(default_factory=dict)
    known_queues: Collection[str] = ()
    full_queues: set[str] = field(default_factory=set)
    starts: list[tuple[JobId, Estimate]] = field(default_factory=list)
    resting: set[JobId] = field(default_factory=set)
    gates: list[WaitCode] = field(default_factory=list)

    @property
    def headroom_bytes(self) -> int | None:
        """What is left below the limits after reservations, other programs' use and the reserve (D4)."""
        if self.memory_line_bytes is None or self.other_bytes is None:
            return None
        return self.memory_line_bytes - self.other_bytes - self.reserved_bytes

    def queue_use(self, queue: str) -> QueueUse | None:
        """What the queue holds, where it has limits; jobs of one that was taken away count with the default ones."""
        if not self.queues:
            return None
        return self.queues.get(queue if queue in self.known_queues else DEFAULT_QUEUE)

    def take(self, job: Job, figure: Estimate, devices: tuple[int, ...]) -> None:
        """Add a start of this plan."""
        self.reserved_bytes += figure.memory_bytes
        if self.largest is None or figure.memory_bytes > self.largest[1]:
            self.largest = (job.id, figure.memory_bytes)
        self.reserved_cores += figure.cores
        self.slots += 1
        self.running += 1
        if not figure.known:
            self.unsettled = job.id
            self.unknown_starts_left -= 1
        need = need_of(job.spec, figure)
        if need is not None:
            for index in devices:
                self.cards[index].take(job.id, need)
        if job.id.index is not None:
            self.array_running[job.id.number] = self.array_running.get(job.id.number, 0) + 1
        for lock in job.spec.locks:
            self.locks[lock] = job.id
        use = self.queue_use(job.spec.queue)
        if use is not None:
            use.add(job.spec, figure.memory_bytes, 1)
        self.starts.append((job.id, figure))

    def has_place_for(self, job: Job) -> bool:
        """Whether a paused job may go on: its memory is still its own, but not cores, worker slot or cards (D6)."""
        return not self.lacks_to_go_on(job)

    def lacks_to_go_on(self, job: Job) -> list[WaitCode]:
        """What keeps a paused job from going on."""
        codes = []
        if self.slots_max is not None and self.slots >= self.slots_max:
            codes.append(WaitCode.WORKERS)
        use = self.queue_use(job.spec.queue)
        if use is not None and use.is_full:
            codes.append(WaitCode.QUEUE_LIMIT)
        if self.cores and self.reserved_cores + _cores(job) > self.cores + 1e-9:
            codes.append(WaitCode.CPU)
        need = need_of(job.spec, job.estimate)
        if need is not None:
            # Others are not asked: a job that keeps its memory on a card should rather use the card than wait for them.
            cards = (self.cards[index] for index in job.attempts[-1].devices if index in self.cards)
            if any(card.share + need.share > 1.0 + 1e-9 for card in cards):
                codes.append(WaitCode.GPU_BUSY)
        return codes

    def stand_down(self, job: Job) -> None:
        """A job is paused by this plan: it keeps its memory, also on cards, and nothing else (D6)."""
        self.resting.add(job.id)
        self.slots -= 1
        self.running -= 1
        if (use := self.queue_use(job.spec.queue)) is not None:
            use.running -= 1
        self.reserved_cores -= _cores(job)
        need = need_of(job.spec, job.estimate)
        for index in job.attempts[-1].devices:
            if index in self.cards and need is not None:
                self.cards[index].share -= need.share

    def take_back(self, job: Job) -> None:
        """A paused job goes on, or its place is kept for it."""
        self.resting.discard(job.id)
        self.slots += 1
        self.running += 1
        if (use := self.queue_use(job.spec.queue)) is not None:
            use.running += 1
        self.reserved_cores += _cores(job)
        if _unknown(job) and not settled(job, self.policy, self.now):
            self.unsettled = job.id
        need = need_of(job.spec, job.estimate)
        for index in job.attempts[-1].devices:
            if index in self.cards and need is not None:
                self.cards[index].share += need.share


def _unknown(job: Job) -> bool:
    """Nobody declared or learned how much memory it needs."""
    return job.estimate is None or not job.estimate.known


def _cores(job: Job) -> float:
    return job.estimate.cores if job.estimate is not None else 1.0


def open_ledger(state: State, now: float, available_bytes: int | None = None) -> Ledger:
    """The ledger of this moment; ``available_bytes`` is a reading fresher than the state's, if there is one."""
    policy, machine = state.policy, state.machine
    ledger = Ledger(now, policy, machine.mode)
    active = list(state.active.values())
    ledger.queues = {name: QueueUse(queue) for name, queue in state.limited_queues.items()}
    ledger.known_queues = state.queues
    ours = reserved = running = most = 0
    reserved_cores = 0.0
    for job in active:
        if state.waits_behind(job):
            continue
        memory, cores, slots = holding(job, policy, state.profile(job), now)
        reserved += memory
        if memory > most:
            most, ledger.largest = memory, (job.id, memory)
        reserved_cores += cores
        running += slots
        if not slots:
            ledger.resting.add(job.id)
        if job.usage is not None and job.usage.memory_bytes is not None:
            ours += job.usage.memory_bytes
        # A job told to end grows no more; one that waits for its first reading may.
        if _unknown(job) and slots and not isinstance(job.status, Stopping) and not settled(job, policy, now):
            ledger.unsettled = job.id
        for lock in job.spec.locks:
            ledger.locks[lock] = job.id
        if (use := ledger.queue_use(job.spec.queue)) is not None:
            use.add(job.spec, memory, slots)
    ledger.reserved_bytes, ledger.reserved_cores = reserved, reserved_cores
    ledger.slots = ledger.running = running
    ledger.array_running = dict(state.array_running)
    reading = machine.reading
    if reading is not None:
        ledger.memory_total_bytes = reading.memory_total_bytes
        ledger.memory_line_bytes = policy.memory_line_bytes(reading.memory_total_bytes)
        ledger.available_bytes = reading.memory_available_bytes if available_bytes is None else available_bytes
        ledger.other_bytes = machine.other_bytes
        if available_bytes is not None:
            used, promised = reading.memory_total_bytes - available_bytes, max(0, ledger.reserved_bytes - ours)
            ledger.other_bytes = other_programs_bytes(used, ours, promised, machine.other_bytes)
        ledger.cores = float(reading.cores)
        ledger.slots_max = _slots(policy, machine.mode, reading.cores)
        ledger.cpu_busy = _cpu_busy(state, ledger, now)
    ledger.cards = build_cards(machine, policy, active)
    starts = policy.max_start_per_tick_normal if machine.mode is Mode.NORMAL else policy.max_start_per_tick_high
    ledger.unknown_starts_left = starts - machine.unknown_starts
    ledger.gates = _gates(state, ledger)
    return ledger


def _slots(policy: Policy, mode: Mode, cores: int) -> int | None:
    """Concurrency by mode (D6): all workers, half of them, none."""
    workers = policy.workers(cores)
    if workers is None:
        return None
    match mode:
        case Mode.NORMAL:
            return workers
        case Mode.HIGH:
            return max(workers // 2, policy.min_workers)
        case Mode.EMERGENCY:
            return 0


def _cpu_busy(state: State, ledger: Ledger, now: float) -> bool:
    """Other programs alone use more than cpu_hard_pct of the unreserved cores; at most 60 s, beside our jobs only."""
    reading, policy = state.machine.reading, state.policy
    if reading is None or reading.other_cpu_cores is None or not ledger.running:
        return False
    if not others_crowd(reading.other_cpu_cores, ledger.cores - ledger.reserved_cores, policy.cpu_hard_pct):
        return False
    since = state.machine.cpu_busy_since
    return since is None or now - since < policy.cpu_busy_wait_s


def _gates(state: State, ledger: Ledger) -> list[WaitCode]:
    """What keeps every job waiting, whatever it asks for."""
    gates: list[WaitCode] = []
    if state.journal_error is not None:
        gates.append(WaitCode.JOURNAL)
    if not state.intake.open and not state.intake.gpu_only:
        gates.append(WaitCode.QUEUE_PAUSED)
    if ledger.mode is Mode.EMERGENCY:
        gates.append(WaitCode.MODE)
    reading = state.machine.reading
    if reading is None or (ledger.memory_line_bytes is not None and ledger.other_bytes is None):
        gates.append(WaitCode.NO_READING)
    elif reading.psi_memory_some_pct is not None and reading.psi_memory_some_pct > state.policy.psi_memory_stop_pct:
        gates.append(WaitCode.MEMORY_PRESSURE)
    return gates


def expected(state: State, job: Job, ledger: Ledger) -> Estimate:
    """What this waiting job is expected to use."""
    figure = estimate(job.spec, state.profile(job), state.policy, ledger.available_bytes)
    seen = seen_bytes(job) if job.attempts else None
    return figure if seen is None else at_least(figure, seen, ledger.memory_line_bytes)


def failing(
    state: State, job: Job, figure: Estimate, ledger: Ledger, gates: bool = True
) -> tuple[list[WaitCode], tuple[int, ...]]:
    """Every reason why the job may not start now, and the cards it would get. No reason: it may.

    ``gates`` False leaves out what holds back all jobs alike (the planner has asked that once).
    """
    codes = list(ledger.gates) if gates else []
    spec, policy = job.spec, ledger.policy
    if spec.gpu is not None and not state.intake.open and state.intake.gpu_only:
        codes.append(WaitCode.GPU_PAUSED)
    if ledger.mode is Mode.HIGH and spec.priority > policy.high_mode_priority_cutoff:
        codes.append(WaitCode.PRIORITY_CUTOFF)
    if ledger.slots_max is not None and ledger.slots >= ledger.slots_max and ledger.mode is not Mode.EMERGENCY:
        codes.append(WaitCode.WORKERS)
    if ledger.memory_line_bytes is not None and ledger.other_bytes is not None:
        if ledger.other_bytes + ledger.reserved_bytes + figure.memory_bytes > ledger.memory_line_bytes:
            codes.append(WaitCode.MEMORY)
        if not figure.known:
            if ledger.unsettled is not None:
                codes.append(WaitCode.UNSETTLED)
            elif ledger.unknown_starts_left <= 0:
                codes.append(WaitCode.START_RATE)
    if ledger.cores and ledger.reserved_cores + figure.cores > ledger.cores + 1e-9:
        codes.append(WaitCode.CPU)
    if ledger.cpu_busy:
        codes.append(WaitCode.CPU_BUSY)
    if spec.array_parallel and ledger.array_running.get(job.id.number, 0) >= spec.array_parallel:
        codes.append(WaitCode.ARRAY_LIMIT)
    for lock in spec.locks:
        if lock in ledger.locks:
            codes.append(WaitCode.LOCK)
            break
    use = ledger.queue_use(spec.queue)
    if use is not None and use.refuses(spec, figure.memory_bytes):
        codes.append(WaitCode.QUEUE_LIMIT)
    devices: tuple[int, ...] = ()
    if spec.gpu is not None:
        devices, refused = choose(spec, ledger.cards, policy, figure, state.placement_of(spec.queue))
        if refused is not None:
            codes.append(refused)
    return codes, devices


def still_fits(figure: Estimate, ledger: Ledger) -> bool:
    """Whether a decided start is still within the ledger of a fresher reading (asked right before it is done)."""
    if ledger.memory_line_bytes is None or ledger.other_bytes is None:
        return ledger.memory_line_bytes is None
    return ledger.other_bytes + ledger.reserved_bytes + figure.memory_bytes <= ledger.memory_line_bytes


def could_ever_fit(figure: Estimate, ledger: Ledger) -> bool:
    """False when even with none of our jobs running there would be no room now: others' use is in the way."""
    if ledger.memory_line_bytes is None or ledger.other_bytes is None:
        return True
    return ledger.other_bytes + figure.memory_bytes <= ledger.memory_line_bytes

"""Views: frozen pictures of jobs and machine for the window, the API and the CLI; JSON-shaped (D11), no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.core.measures import Measures


@dataclass(frozen=True, slots=True)
class WaitView:
    """One reason why a job is not running."""

    code: str
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    until: float | None = None


@dataclass(frozen=True, slots=True)
class GpuView:
    """What a job wishes of graphics cards; ``text`` says all of it as ``--gpu`` takes it.

    ``expected_memory_bytes`` and ``expected_utilisation_pct`` are what it should take of each card, as it was declared
    or as earlier runs taught; None where nobody knows.
    """

    count: float
    memory_bytes: int | None = None
    vendor: str | None = None
    model: str | None = None
    text: str = ""
    expected_memory_bytes: int | None = None
    expected_utilisation_pct: float | None = None


@dataclass(frozen=True, slots=True)
class EstimateView:
    """What a job is expected to use; ``source`` is declared, learned or default."""

    memory_bytes: int
    source: str
    cores: float
    gpu: GpuView | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class UsageView:
    """Measured now, and what the job counts with. None is unknown."""

    memory_bytes: int | None = None
    reserved_bytes: int | None = None
    peak_memory_bytes: int | None = None
    cores: float | None = None
    processes: int | None = None
    cpu_s: float | None = None
    gpu_memory_bytes: dict[str, int] = field(default_factory=dict)
    gpu_utilisation_pct: dict[str, float] = field(default_factory=dict)
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    number: int
    intended_at: float
    started_at: float | None
    ended_at: float | None
    outcome: str | None
    exit_code: int | None
    signal: int | None
    cpu_s: float | None
    peak_memory_bytes: int | None
    paused_s: float
    devices: tuple[int, ...]
    why: str | None
    waited_for: str | None
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as JSON has it (D11). Times are Unix seconds, sizes bytes.

    ``outlook`` is whether it should make its deadline; said only of jobs that were asked for one by one.
    """

    id: str
    index: int | None
    name: str
    status: str
    outcome: str | None
    exit_code: int | None
    signal: int | None
    why: str | None
    priority: int
    queue: str
    command: tuple[str, ...]
    cwd: str
    script: str | None
    labels: tuple[str, ...]
    submitted_at: float
    started_at: float | None
    finished_at: float | None
    begin_at: float | None
    time_limit_s: float | None
    preemptible: bool
    attempts: int
    attempt_list: tuple[AttemptView, ...]
    pid: int | None
    devices: tuple[int, ...]
    waits: tuple[WaitView, ...]
    estimate: EstimateView | None
    usage: UsageView
    last_wait: str | None = None
    log_path: str | None = None
    rank: int = 0
    deadline_at: float | None = None
    outlook: str | None = None


@dataclass(frozen=True, slots=True)
class CardView:
    """One graphics card now. ``mode`` is normal, high, emergency, hot or unreadable.

    ``reserved_share`` is how busy our running jobs are expected to keep it (0..1, above 1 where some were forced onto
    it), ``reserved_memory_bytes`` what all of ours count with there, paused ones too.
    """

    index: int
    uuid: str
    name: str
    mode: str
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilisation_pct: float | None
    temperature_c: float | None
    power_w: float | None
    reserved_share: float
    reserved_memory_bytes: int


@dataclass(frozen=True, slots=True)
class CardUserView:
    """A job of ours on a card: measured now, and what it is expected to take. None is unknown."""

    id: str
    name: str
    status: str
    memory_bytes: int | None
    utilisation_pct: float | None
    expected_memory_bytes: int | None
    expected_utilisation_pct: float | None


@dataclass(frozen=True, slots=True)
class CardWaiterView:
    """A job in the line that could use a card; ``gpu`` is its wish, ``code`` and ``sentence`` why it waits."""

    id: str
    name: str
    priority: int
    gpu: str
    code: str | None
    sentence: str | None


@dataclass(frozen=True, slots=True)
class CardQueueView:
    """A card as a queue of its own. ``free_*`` is what a further job could have of it (None: it cannot be read),
    ``others_*`` what programs that are not ours use; ``waiting`` names the first of the ``waiting_count`` jobs that it
    could serve.
    """

    card: CardView
    free_memory_bytes: int | None
    free_utilisation_pct: float | None
    others_memory_bytes: int | None
    others_utilisation_pct: float | None
    users: tuple[CardUserView, ...] = ()
    waiting: tuple[CardWaiterView, ...] = ()
    waiting_count: int = 0


@dataclass(frozen=True, slots=True)
class QueueView:
    """A named line of jobs (D4): how many stand where, what its active ones hold, and its own limits (None: none).

    Queues with a lower ``order`` are served first; ``memory_bytes`` is what its jobs count with.
    """

    name: str
    order: int
    strategy: str
    running: int
    paused: int
    waiting: int
    held: int
    memory_bytes: int
    cards: int
    max_running: int | None = None
    max_memory_bytes: int | None = None
    max_cards: int | None = None
    backfill: bool = True
    preempts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueStatusView:
    """Who waits for what: ``by`` is queue (then ``queues`` is set) or card (then ``cards`` is)."""

    by: str
    queues: tuple[QueueView, ...] = ()
    cards: tuple[CardQueueView, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramView:
    """A program that is not ours, with all its processes."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class MachineView:
    """The machine now, with the lines it is judged by. None is unknown.

    ``largest_others``: the other programs that use the most memory, largest first.
    """

    at: float | None
    cores: int | None
    cpu_pct: float | None
    per_core_pct: tuple[float, ...]
    other_cpu_cores: float | None
    frequency_mhz: float | None
    load: tuple[float, float, float] | None
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    memory_used_pct: float | None
    memory_other_bytes: int | None
    memory_reserved_bytes: int
    memory_headroom_bytes: int | None
    memory_high_pct: float | None
    memory_emergency_pct: float | None
    memory_line_bytes: int | None
    swap_total_bytes: int | None
    swap_used_bytes: int | None
    psi_memory_some_pct: float | None
    disk_read_bytes_s: float | None
    disk_write_bytes_s: float | None
    net_received_bytes_s: float | None
    net_sent_bytes_s: float | None
    cards: tuple[CardView, ...]
    largest_others: tuple[ProgramView, ...] = ()


@dataclass(frozen=True, slots=True)
class IntakeView:
    """Whether jobs may start, and if not, why and until when."""

    open: bool
    until: float | None
    drain: bool
    gpu_only: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class AlertView:
    """Something about the machine that lasts too long. ``severity`` is info, warning or critical.

    ``sentence`` has the figure of this moment; ``title`` and ``advice`` stay the same while it lasts.
    """

    name: str
    card: int | None
    since: float
    sentence: str
    severity: str
    service: str | None = None
    title: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class WayView:
    """One way to settle a conflict, or what a hint advises: its name for programs, the words on the button."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class ConflictView:
    """Two parties want more than there is (D4). Times are Unix seconds.

    ``kind`` is resource_competition, priority_conflict or schedule_conflict; ``severity`` low, medium, high, critical;
    ``resource`` what it is about: memory, cores, gpu:0, file:PATH, port:N, environment:PATH, deadline, begin, priority.
    ``ways``: the first is proposed. ``closed_because`` says how it ended, None while it is open.
    """

    id: int
    kind: str
    severity: str
    resource: str
    jobs: tuple[str, ...]
    sentence: str
    detected_at: float
    ways: tuple[WayView, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    closed_at: float | None = None
    closed_because: str | None = None


@dataclass(frozen=True, slots=True)
class HintView:
    """Advice with evidence (D4). ``type`` is info, warning, error, success or suggestion; ``code`` names the rule.

    ``action``: what one click does, None where there is nothing to click.
    """

    id: int
    type: str
    code: str
    title: str
    message: str
    jobs: tuple[str, ...]
    at: float
    action: WayView | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    closed_at: float | None = None
    closed_because: str | None = None


@dataclass(frozen=True, slots=True)
class AutoView:
    """What ``auto`` has come to: the strategy it goes by, since when and why (None: it begins with that one).

    ``looked_at`` is when recorded jobs were last replayed under every strategy, ``found`` what that came to.
    """

    strategy: str
    chosen_at: float | None = None
    why: str | None = None
    looked_at: float | None = None
    found: str | None = None


@dataclass(frozen=True, slots=True)
class StrategyView:
    """One strategy: what it does in a line, the queues it orders now, and what came of the jobs it let start.

    ``switched_off`` says why it orders none although it is set; ``measures`` are None where it let none start.
    One that is not ``installed`` any more did so once.
    """

    name: str
    description: str
    installed: bool = True
    queues: tuple[str, ...] = ()
    switched_off: str | None = None
    measures: Measures | None = None


@dataclass(frozen=True, slots=True)
class StrategiesView:
    """``setting`` is the machine's (a name, or auto), ``in_use`` the strategy that this comes to now.

    Measured are the ``jobs`` newest that ran, those that ended since ``since`` (Unix seconds; None: there are none).
    """

    setting: str
    in_use: str
    auto: AutoView
    strategies: tuple[StrategyView, ...] = ()
    jobs: int = 0
    since: float | None = None


@dataclass(frozen=True, slots=True)
class StatusView:
    """The engine in one picture. ``strategy`` is the machine's setting; where that is auto, ``auto`` is set too."""

    mode: str
    mode_since: float | None
    mode_causes: tuple[str, ...]
    machine: MachineView
    counts: dict[str, int]
    intake: IntakeView
    strategy: str
    version: str
    kind: str
    pid: int
    started_at: float
    uptime_s: float
    journal_error: str | None
    warnings: tuple[str, ...]
    event_id: int
    alerts: tuple[AlertView, ...] = ()
    auto: AutoView | None = None


@dataclass(frozen=True, slots=True)
class MachineSample:
    """One point of the curves. ``jobs`` is (job id, memory bytes, cores) of every live job, in order of start.

    ``cards`` is (index, utilisation %, memory bytes, degrees C, watts); ``card_jobs`` is (card, job id, memory bytes)
    of every live job known to have memory there, in the same order of start.
    """

    at: float
    mode: str
    cpu_pct: float | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    memory_other_bytes: int | None
    swap_used_bytes: int | None
    reserved_bytes: int
    running: int
    queued: int
    jobs: tuple[tuple[str, int | None, float | None], ...] = ()
    cards: tuple[tuple[int, float | None, int | None, float | None, float | None], ...] = ()
    memory_max_bytes: int | None = None
    cpu_max_pct: float | None = None
    card_jobs: tuple[tuple[int, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TickView:
    """One row of the audit trail."""

    id: int
    at: float
    kind: str
    sentence: str
    job: str | None
    mode: str | None
    memory_pct: float | None
    cpu_pct: float | None
    counts: dict[str, int] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a log. ``offset`` is where ``data`` begins, ``size`` the log's length as written.

    ``dropped`` is (from, to) of the middle that a capped log gave back, or None. ``ended`` when nothing more comes.
    ``attempt`` is whose log it is; offsets count within one attempt. A job that has not started has an empty first.
    """

    data: bytes
    offset: int
    next_offset: int
    size: int
    dropped: tuple[int, int] | None
    ended: bool
    path: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class SettingView:
    """One setting. ``value`` is plain (bytes, seconds, None for auto), ``text`` what a person would write.

    ``source`` is default, config.toml, environment or command line; the last two win over what is written.
    ``automatic`` says what "auto" means where that is accepted; ``variable`` is the environment's name for it.
    """

    name: str
    section: str
    key: str
    kind: str
    value: str | int | float | bool | None
    text: str
    default: str | int | float | bool | None
    default_text: str
    source: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    label: str
    help: str
    accepted: str
    needs_restart: bool
    automatic: str | None = None
    variable: str = ""

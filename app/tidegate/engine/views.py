"""Views: frozen pictures of jobs and machine for the window, the API and the CLI; JSON-shaped (D11), no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WaitView:
    """One reason why a job is not running."""

    code: str
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    until: float | None = None


@dataclass(frozen=True, slots=True)
class GpuView:
    count: float
    memory_bytes: int | None = None
    vendor: str | None = None
    model: str | None = None


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


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as JSON has it (D11). Times are Unix seconds, sizes bytes."""

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


@dataclass(frozen=True, slots=True)
class CardView:
    """One graphics card now. ``mode`` is normal, high, emergency, hot or unreadable."""

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
class MachineView:
    """The machine now, with the lines it is judged by. None is unknown."""

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
class StatusView:
    """The engine in one picture."""

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

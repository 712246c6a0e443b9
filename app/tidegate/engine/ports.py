"""The border: Protocols through which the engine reaches the world, and by which the views reach the engine.

The live, the fake and the simulated world implement them; one contract suite (tests/contracts) runs on all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tidegate.core.job import Attempt, Job, JobId, JobSpec, RunRef, Status, Touches
from tidegate.core.machine import MachineReading
from tidegate.core.policy import Policy
from tidegate.core.prediction import Profile
from tidegate.core.switching import Rehearsed
from tidegate.engine.views import (
    ConflictView,
    HintView,
    JobView,
    LogChunk,
    MachineSample,
    QueueStatusView,
    SettingView,
    StatusView,
    StrategiesView,
    TickView,
)

# --- Clock --------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """``now`` is made once by the engine: wall time at start + monotonic elapsed (Unix seconds)."""

    def now(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call once at or after ``when`` on the engine's thread; the returned function cancels it."""

    def rebase(self) -> float:
        """Follow the wall clock again after the machine slept or the clock was set; the jump in seconds, else 0."""


# --- Sensors ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What the process tree of one run uses. Memory is PSS where known, else summed RSS; None is unknown."""

    token: str
    memory_bytes: int | None
    cores: float | None
    processes: int | None
    gpu_memory_bytes: tuple[tuple[int, int], ...] = ()
    gpu_utilisation_pct: tuple[tuple[int, float], ...] = ()
    threads: int | None = None
    touches: Touches | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed look at machine and runs."""

    reading: MachineReading
    usage: tuple[RunUsage, ...]


class Sensors(Protocol):
    """Reads the machine at a steady pace in a thread of its own."""

    def start(self, deliver: Callable[[Sample], None], interval_s: float) -> None:
        """Begin sampling; ``deliver`` is called on the engine's thread, once per interval."""

    def watch(self, runs: Mapping[str, RunRef]) -> None:
        """The runs (by token) whose trees are to be measured from now on; replaces the earlier set."""

    def set_interval(self, interval_s: float) -> None: ...

    def available_memory_bytes(self) -> int | None:
        """A fresh figure, cheap enough for the engine's thread (one read of a kernel file)."""

    def note_reaped(self, cpu_s: float, token: str | None = None) -> None:
        """CPU time of our processes that ended since the last sample; it is ours, not other programs' (D6).

        With ``token`` what live samples already counted of that run is not counted twice.
        """

    def stop(self) -> None: ...


# --- Processes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Everything needed to run one attempt. Strings are surrogateescape, so any bytes survive.

    ``environment`` is the hash of the stored captured variables (None: the helper's own);
    ``extra_environment`` is laid over it. ``log_path`` gets stdout and stderr unless they have paths of their own.
    ``behind`` is the token of the run whose place this one takes: it begins when that one has ended.
    """

    token: str
    job: str
    attempt: int
    command: tuple[str, ...]
    cwd: str
    environment: str | None
    extra_environment: tuple[tuple[str, str], ...]
    log_path: str
    log_cap_bytes: int
    stdout_path: str | None = None
    stderr_path: str | None = None
    behind: str | None = None


@dataclass(frozen=True, slots=True)
class RunStarted:
    token: str
    at: float
    run: RunRef


@dataclass(frozen=True, slots=True)
class RunStartFailed:
    """Nothing runs. ``error`` is one sentence for the user."""

    token: str
    at: float
    error: str


@dataclass(frozen=True, slots=True)
class RunExited:
    """``peak_memory_bytes`` as the kernel kept it for the largest process; ``cpu_s`` of the tree's reaped part."""

    token: str
    at: float
    exit_code: int | None
    signal: int | None
    cpu_s: float | None
    peak_memory_bytes: int | None
    started_at: float | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class RunPaused:
    token: str
    at: float


@dataclass(frozen=True, slots=True)
class RunResumed:
    token: str
    at: float


@dataclass(frozen=True, slots=True)
class RunLost:
    """The run was known and cannot be found any more, and nobody knows how it ended."""

    token: str
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class RunActionFailed:
    """A pause, resume or stop did not work; the run stays tracked."""

    token: str
    at: float
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class RunRevoked:
    """It was to take another's place, was called back before that, and never began."""

    token: str
    at: float


@dataclass(frozen=True, slots=True)
class HelperLost:
    """The connection to the process helper broke; the implementation is already reconnecting."""

    at: float
    why: str


RunEnd = RunExited | RunStartFailed | RunLost | RunRevoked
"""After one of these nothing more comes of a run; they are kept and told again until they are acknowledged."""

ProcessEvent = RunStarted | RunPaused | RunResumed | RunActionFailed | HelperLost | RunEnd


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run as the helper remembers it when the engine connects."""

    token: str
    run: RunRef
    started_at: float
    paused: bool


@dataclass(frozen=True, slots=True)
class Reconnected:
    """What the helper knows: runs alive now, and every end not yet acknowledged.

    ``helper_since``: the helper has lived without a break since then (Unix seconds), so that a start asked for
    after it and unknown to it never happened. None: nobody can say.
    """

    alive: tuple[KnownRun, ...]
    ended: tuple[RunEnd, ...]
    helper_since: float | None = None


class Processes(Protocol):
    """Starts, signals and reaps runs. All calls return at once; what came of them arrives as events."""

    async def connect(self, deliver: Callable[[Sequence[ProcessEvent]], None], tokens: Iterable[str]) -> Reconnected:
        """Connect (starting the helper if none lives); ``tokens`` are the runs we believe exist.

        ``deliver`` gets events in batches on the engine's thread. A token in none of the answer's lists left no trace.
        """

    def start(self, requests: Sequence[StartRequest]) -> None: ...

    def revoke(self, tokens: Sequence[str]) -> None:
        """Do not begin these, nor what was to take their places, where they still wait for theirs.

        Those that do never begin when the engine leaves or is lost, either.
        """

    def pause(self, token: str) -> None: ...

    def resume(self, token: str) -> None: ...

    def terminate(self, token: str, grace_s: float) -> None:
        """TERM to the whole tree, and KILL to what is left of it after ``grace_s``."""

    def kill(self, token: str) -> None: ...

    def acknowledge(self, tokens: Sequence[str]) -> None:
        """The ends of these runs are safely written down; the helper may forget them."""

    async def close(self, stop_jobs: bool) -> None:
        """Leave. ``stop_jobs`` ends all runs and the helper too."""


class ExecutorPort(Protocol):
    """Carries out what was decided, by means of ``Processes``. All calls return at once."""

    def start(self, jobs: Sequence[Job], behind: Mapping[JobId, str] | None = None) -> None:
        """Ask for a run of each job's newest attempt; the intents are already on disk.

        ``behind`` names the runs whose places they take, for those that wait for one.
        """

    def revoke(self, jobs: Sequence[Job]) -> None:
        """Do not start these, where they still wait for the places of others."""

    def pause(self, job: Job) -> None: ...

    def resume(self, job: Job) -> None: ...

    def terminate(self, job: Job, grace_s: float) -> None: ...

    def kill(self, job: Job) -> None: ...


# --- Journal ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job's own row as it stands at one moment: immutable, safe to hand to another thread."""

    id: JobId
    spec: JobSpec
    submitted_at: float
    sequence: int
    rank: int
    status: Status
    bypassed: int


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One row of the audit trail: a tick that changed something."""

    at: float
    kind: str
    sentence: str
    job: JobId | None = None
    mode: str | None = None
    memory_pct: float | None = None
    cpu_pct: float | None = None
    counts: tuple[tuple[str, int], ...] = ()
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a conflict is being settled: who rests until one of ``until`` has ended, or with ``turns`` for a quantum.

    ``way`` is the name of the way that was taken, ``since`` when this turn began.
    """

    way: str
    resting: tuple[JobId, ...]
    until: tuple[JobId, ...]
    turns: bool
    since: float


@dataclass(frozen=True, slots=True)
class ConflictRecord:
    """A conflict as it is kept: open, or how it ended. ``unwanted``: it is not told again as long as it lasts."""

    key: str
    view: ConflictView
    settlement: Settlement | None = None
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class HintRecord:
    """A hint as it is kept: open, or how it ended. ``unwanted``: its reader does not want it again."""

    key: str
    view: HintView
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes written in one transaction, in this order. ``durable`` asks for an fsync before ``done``.

    ``notices``, ``conflicts`` and ``hints`` have their numbers; of a number given twice the later counts.
    """

    added: tuple[JobRecord, ...] = ()
    changed: tuple[JobRecord, ...] = ()
    attempts: tuple[tuple[JobId, Attempt], ...] = ()
    ticks: tuple[TickRecord, ...] = ()
    samples: tuple[MachineSample, ...] = ()
    profiles: tuple[Profile, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    notices: tuple[Notice, ...] = ()
    durable: bool = False
    conflicts: tuple[ConflictRecord, ...] = ()
    hints: tuple[HintRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """What the journal gives back at start: unfinished jobs, the newest finished ones, and what was learned.

    Of conflicts and hints those that are open, and the newest of those that are unwanted.
    """

    jobs: tuple[Job, ...] = ()
    profiles: tuple[Profile, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    conflicts: tuple[ConflictRecord, ...] = ()
    hints: tuple[HintRecord, ...] = ()


class JournalPort(Protocol):
    """The only writer. Batches are written in the order given."""

    def load(self, finished: int) -> Restored:
        """Read the state back. Called once, before any write.

        With the newest ``finished`` finished jobs, and those older ones whose ends unfinished jobs depend on.
        """

    def write(self, batch: Batch, done: Callable[[str | None], None] | None = None) -> None:
        """Queue a batch. ``done`` is called on the engine's thread with None, or with one sentence on failure.

        A failed batch that was not durable is kept and tried again by the journal itself; a failed durable one is not.
        """

    def close(self) -> None:
        """Write what is queued, then close."""


class HistoryPort(Protocol):
    """Reads what memory no longer holds. Safe from any thread."""

    def job(self, id: JobId) -> tuple[Job, ...]:
        """The job, or all elements of an array; empty when unknown."""

    def finished(self, before: float | None, limit: int | None) -> list[Job]:
        """Finished jobs, newest end first, of those that ended earlier than ``before``."""

    def ticks(self, since: float | None, job: JobId | None, limit: int) -> list[TickView]: ...

    def samples(self, since: float, until: float) -> list[MachineSample]: ...

    def notices(self, before: int | None, limit: int) -> list[Notice]:
        """Newest first, of those with an id below ``before`` (None: the newest)."""

    def conflicts(self, limit: int | None) -> list[ConflictView]:
        """Closed ones, newest end first."""

    def hints(self, limit: int | None) -> list[HintView]:
        """Closed ones, newest end first."""


# --- Rehearsal --------------------------------------------------------------------------------------------------------


class Rehearsal(Protocol):
    """Replays the recorded jobs of this home in the simulator, under every strategy; one replay at a time."""

    def begin(self, done: Callable[[Sequence[Rehearsed] | str], None]) -> None:
        """Elsewhere, so that nothing here is held up. ``done`` is called on the engine's thread, never from within:
        with what came of each strategy that could be tried, or with one clause that says why nothing could be."""

    def stop(self) -> None:
        """Break it off; ``done`` may still be called, but the work ends."""


# --- Commands ---------------------------------------------------------------------------------------------------------


class Verb(StrEnum):
    """What can be asked of jobs, or (pause, resume) of the whole queue."""

    PAUSE = "pause"
    RESUME = "resume"
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    KILL = "kill"
    RETRY = "retry"
    FIRST = "first"
    START = "start"
    EDIT = "edit"


@dataclass(frozen=True, slots=True)
class Command:
    """``ids`` None: the whole queue (pause, resume) or every job the verb fits (with --all).

    ``seconds``: pause for so long. ``drain``: only start nothing. ``gpu``: only jobs with cards.
    ``force``: start without admission. ``changes``: fields of an edit, as the user wrote them.
    """

    verb: Verb
    ids: tuple[JobId, ...] | None
    seconds: float | None = None
    drain: bool = False
    gpu: bool = False
    force: bool = False
    changes: Mapping[str, str] = field(default_factory=dict)


# --- Notifier -----------------------------------------------------------------------------------------------------


class NoticeKind(StrEnum):
    """What a notice is about; a person may silence each kind."""

    FAILED = "failed"
    ENDED = "ended"
    INTERVENED = "intervened"
    ALERT = "alert"
    CONFLICT = "conflict"
    HINT = "hint"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class ResolveConflict:
    """Settle a conflict in one of the ways it offers (None: the one it proposes)."""

    id: int
    way: str | None = None


@dataclass(frozen=True, slots=True)
class ApplyHint:
    """Do what a hint advises."""

    id: int


Errand = Command | ResolveConflict | ApplyHint
"""What one click may ask for."""


@dataclass(frozen=True, slots=True)
class NoticeOffer:
    """What one may do about a notice: the word on the button, and what it asks for."""

    label: str
    command: Errand


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should hear of: one line title, one line reason.

    ``level`` is info, success, warning or error. ``urgent`` ones are told at once, the others may be gathered.
    ``id`` is its place in the history, None until it is kept there.
    """

    at: float
    title: str
    text: str
    job: JobId | None = None
    level: str = "info"
    kind: NoticeKind = NoticeKind.ENGINE
    urgent: bool = True
    offers: tuple[NoticeOffer, ...] = ()
    id: int | None = None


class Notifier(Protocol):
    def notify(self, notice: Notice) -> None: ...


class SettingRefused(Exception):
    """A setting is not changed; the text says what, why, and what is accepted."""


class SettingsPort(Protocol):
    """The settings as the engine's home has them. Blocking (it reads and writes a file), safe from any thread."""

    def all(self) -> list[SettingView]: ...

    def change(self, name: str, text: str | None) -> SettingView:
        """Write and apply one (None: back to its default); as it is then. Raises SettingRefused."""

    def change_all(self, texts: Mapping[str, str]) -> list[SettingView]:
        """Write and apply these in one piece; as they are then. Raises SettingRefused."""

    def reset(self, names: Sequence[str] | None) -> list[SettingView]:
        """Back to their defaults in one piece (None: all); as they are then. Raises SettingRefused."""


# --- Desk: how views and the API see an engine ---------------------------------------------------------------------


class Answer(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What came of a command for one job (``id`` None: for the queue). ``sentence`` says it to a person.

    ``offer``: what one may ask for instead, where it was refused and something else would help.
    """

    id: JobId | None
    answer: Answer
    sentence: str
    offer: Verb | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """One job to be added, already understood (``submission`` made the spec).

    ``array_indices`` makes it an array with one element per index, in this order.
    """

    spec: JobSpec
    held: bool = False
    warnings: tuple[str, ...] = ()
    array_indices: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to one submission: its id(s), or the sentence why it was refused (then ``id`` is None).

    ``notes`` are good to know and nothing to worry about.
    """

    id: JobId | None
    refused: str | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen to a submission now (``--dry-run``)."""

    would_start: bool
    refused: str | None
    sentence: str
    job: JobView | None


@dataclass(frozen=True, slots=True)
class Change:
    """Something moved: ``jobs`` are new views of changed jobs, ``gone`` left memory; ``status`` when it changed.

    ``sample`` is set once per timed sample, ``setting`` when one was changed. ``conflicts`` and ``hints`` are those
    that are new, changed, or closed.
    """

    event_id: int
    at: float
    jobs: tuple[JobView, ...] = ()
    gone: tuple[str, ...] = ()
    status: StatusView | None = None
    sample: MachineSample | None = None
    notice: Notice | None = None
    setting: SettingView | None = None
    conflicts: tuple[ConflictView, ...] = ()
    hints: tuple[HintView, ...] = ()


class EngineUnwilling(Exception):
    """The engine cannot take this now (full disk, too many queued, shutting down); the text is one sentence."""


class Desk(Protocol):
    """All that a view, the API or an agent can see and ask. Coroutines may be awaited from any event loop.

    Reads are safe from any thread and never block the engine.
    """

    def status(self) -> StatusView: ...

    def jobs(self, *, finished: int | None = 0, offset: int = 0, limit: int | None = None) -> list[JobView]:
        """Jobs in line order: active, then waiting, then the newest ``finished`` finished ones (None: all)."""

    def job(self, id: JobId) -> list[JobView]:
        """The job, or an array's elements in order; empty when unknown. Looks into the history too."""

    def last_number(self) -> int | None:
        """The highest job number given in this home so far; None before the first."""

    def queue_status(self, by: str = "queue") -> QueueStatusView:
        """Every queue with its limits, or with ``by`` "card" every card, who has it and who waits for it."""

    def samples(self, since: float) -> list[MachineSample]: ...

    def ticks(self, since: float | None, job: JobId | None, limit: int) -> list[TickView]: ...

    def notices(self, before: int | None, limit: int) -> list[Notice]:
        """What was told, newest first, of those with an id below ``before`` (None: the newest)."""

    def conflicts(self, *, closed: bool = False, limit: int | None = None) -> list[ConflictView]:
        """Open conflicts by severity, the worst first; ``closed``: those that ended, newest first, from the history."""

    def hints(self, *, closed: bool = False, limit: int | None = None) -> list[HintView]:
        """Open hints, newest first; ``closed``: those followed, dismissed or outlived, newest first, of the history."""

    def strategies(self) -> StrategiesView:
        """Every strategy, where each is in use, and what came of the jobs it let start; looks into the history."""

    def settings(self) -> list[SettingView]:
        """Every setting with its value."""

    def read_log(self, id: JobId, attempt: int | None, offset: int, limit: int) -> LogChunk:
        """Bytes of a job's log from ``offset`` (negative: from the end). Raises KeyError for an unknown job.

        ``attempt`` None is the newest; the answer names it, because a job that runs again begins another log.
        """

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """``listener`` is called on the engine's thread, in order; the returned function ends it."""

    def changes(self, after: int | None) -> AsyncIterator[Change]:
        """The same as an async stream, resuming after an event id while it is still remembered."""

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Committed, then applied, then answered. Raises EngineUnwilling when nothing can be accepted."""

    async def preview(self, submission: Submission) -> Preview: ...

    async def command(self, command: Command) -> list[CommandResult]:
        """Carried out, then answered; waits until it is so (a paused job is paused)."""

    async def resolve_conflict(self, id: int, way: str | None = None) -> CommandResult:
        """Settle a conflict by real actions on its jobs, in one of its ways (None: the proposed one)."""

    async def apply_hint(self, id: int) -> CommandResult:
        """Carry out what a hint advises; refused, with why, when that is no longer possible."""

    async def dismiss_hint(self, id: int) -> CommandResult:
        """The person has read it; it does not come back for the same jobs."""

    async def wait(self, ids: Sequence[JobId], timeout_s: float | None, any_one: bool = False) -> list[JobView] | None:
        """The finished jobs, in the order of ``ids`` (``any_one``: the first to finish); None when time ran out."""

    async def change_setting(self, name: str, text: str | None) -> SettingView:
        """Written to the home's file and applied (None: back to its default). Raises SettingRefused."""

    async def change_settings(self, texts: Mapping[str, str]) -> list[SettingView]:
        """Written together, so that no order matters, or none of them. Raises SettingRefused."""

    async def reset_settings(self, names: Sequence[str] | None) -> list[SettingView]:
        """Taken out of the home's file together (None: all), so that no order matters. Raises SettingRefused."""

    async def set_policy(self, policy: Policy) -> None: ...

    async def shutdown(self, stop_jobs: bool) -> None: ...

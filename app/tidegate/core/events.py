"""Facts in the past tense: the only things that change State (``transitions.apply`` takes them)."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.job import Job, JobId, JobSpec, Outcome, PauseReason, RunRef, Usage
from tidegate.core.machine import MachineReading, Mode
from tidegate.core.policy import Policy
from tidegate.core.reasons import WaitReason
from tidegate.core.resources import Estimate


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    at: float
    id: JobId
    spec: JobSpec
    sequence: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class JobRestored:
    """A job read back from the journal when the engine starts."""

    at: float
    job: Job


@dataclass(frozen=True, slots=True)
class JobHeld:
    at: float
    id: JobId
    why: str | None = None


@dataclass(frozen=True, slots=True)
class JobReleased:
    at: float
    id: JobId


@dataclass(frozen=True, slots=True)
class JobEdited:
    at: float
    id: JobId
    spec: JobSpec


@dataclass(frozen=True, slots=True)
class JobMovedFirst:
    at: float
    id: JobId


@dataclass(frozen=True, slots=True)
class JobForced:
    """The user said *start now*: admission is skipped once, the guard never."""

    at: float
    id: JobId


@dataclass(frozen=True, slots=True)
class JobBlocked:
    """The planner looked at it and it could not start, for a new reason."""

    at: float
    id: JobId
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class JobStarting:
    """The intent to run is being written down; from here on the job holds its resources.

    With ``behind`` it does so only once that job has ended: it will take its place.
    """

    at: float
    id: JobId
    attempt: int
    token: str
    estimate: Estimate
    devices: tuple[int, ...] = ()
    bypassed: tuple[JobId, ...] = ()
    waited_for: str | None = None
    behind: JobId | None = None


@dataclass(frozen=True, slots=True)
class JobStarted:
    at: float
    id: JobId
    run: RunRef


@dataclass(frozen=True, slots=True)
class JobStartFailed:
    """It could not be started (no such program, no such folder): finished as failed with this sentence."""

    at: float
    id: JobId
    token: str
    error: str


@dataclass(frozen=True, slots=True)
class JobStartRevoked:
    """The start was called off before a process existed (a fresh reading or the disk said no): back in line."""

    at: float
    id: JobId
    token: str
    why: str


@dataclass(frozen=True, slots=True)
class JobPaused:
    at: float
    id: JobId
    reason: PauseReason
    resume_at: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class JobResumeWanted:
    """The user asked to resume; admission has to find room for its cores first."""

    at: float
    id: JobId


@dataclass(frozen=True, slots=True)
class JobResumed:
    at: float
    id: JobId
    thaw: bool = False


@dataclass(frozen=True, slots=True)
class JobStopping:
    """It was told to end. ``outcome`` None: it goes back to its queue when it has ended.

    ``unasked``: no person asked for it; a limit or the guard did it.
    """

    at: float
    id: JobId
    outcome: Outcome | None
    why: str
    kill_at: float | None = None
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class JobExited:
    at: float
    id: JobId
    token: str
    exit_code: int | None
    signal: int | None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    started_at: float | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class JobLost:
    """Its run left no trace; said, and never rerun by itself (D10). One that was told to end has then ended so."""

    at: float
    id: JobId
    why: str


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """Ended before it ever ran (again): from queued or held."""

    at: float
    id: JobId
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class JobRetried:
    """A finished job put back in line as a new attempt of the same job."""

    at: float
    id: JobId


@dataclass(frozen=True, slots=True)
class JobForgotten:
    """An old finished job left memory; it stays in the history."""

    at: float
    id: JobId


@dataclass(frozen=True, slots=True)
class JobsMeasured:
    at: float
    usage: tuple[tuple[JobId, Usage], ...]


@dataclass(frozen=True, slots=True)
class MachineSampled:
    """``timed``: taken by the sampler's clock; only those advance EMA, cooldown and per-tick counts (D6)."""

    reading: MachineReading
    timed: bool = True

    @property
    def at(self) -> float:
        return self.reading.at


@dataclass(frozen=True, slots=True)
class MomentReached:
    """A moment came that jobs were told to wait for."""

    at: float


@dataclass(frozen=True, slots=True)
class ModeChanged:
    at: float
    mode: Mode
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IntakeChanged:
    """Whether jobs may start: ``open`` False with ``until`` None means until the user resumes."""

    at: float
    open: bool
    until: float | None = None
    drain: bool = False
    gpu_only: bool = False
    why: str = "paused by you"


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    at: float
    policy: Policy


@dataclass(frozen=True, slots=True)
class StrategyRemembered:
    """A strategy wants to know this at the next plan; ``section`` is the place of its section in line."""

    at: float
    section: int
    memory: object


@dataclass(frozen=True, slots=True)
class StrategyChosen:
    """Where the settings say auto, this strategy orders the queues from now on, and why."""

    at: float
    strategy: str
    why: str


@dataclass(frozen=True, slots=True)
class StrategyFailed:
    """A strategy raised; its queues go on under ``priority_based`` until the settings change."""

    at: float
    strategy: str
    why: str


@dataclass(frozen=True, slots=True)
class ActionRejected:
    """An action was found invalid when it was carried out; nothing happened."""

    at: float
    id: JobId
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class ClockRebased:
    """The machine slept or its clock jumped by ``jump_s``; no job is charged for it."""

    at: float
    jump_s: float


@dataclass(frozen=True, slots=True)
class JournalHealthChanged:
    """Whether the journal can be written; while not, nothing is accepted and nothing starts."""

    at: float
    error: str | None


JobEvent = (
    JobSubmitted
    | JobRestored
    | JobHeld
    | JobReleased
    | JobEdited
    | JobMovedFirst
    | JobForced
    | JobBlocked
    | JobStarting
    | JobStarted
    | JobStartFailed
    | JobStartRevoked
    | JobPaused
    | JobResumeWanted
    | JobResumed
    | JobStopping
    | JobExited
    | JobLost
    | JobCancelled
    | JobRetried
    | JobForgotten
)
Event = (
    JobEvent
    | JobsMeasured
    | MachineSampled
    | MomentReached
    | ModeChanged
    | IntakeChanged
    | PolicyChanged
    | StrategyRemembered
    | StrategyFailed
    | StrategyChosen
    | ActionRejected
    | ClockRebased
    | JournalHealthChanged
)

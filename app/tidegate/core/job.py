"""A job: what the user asked for (JobSpec), where it stands (Status) and what it did (Attempt)."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from tidegate.core.reasons import WaitReason
from tidegate.core.resources import Estimate, GpuRequest

LONGEST_RETRY_DELAY_S = 3600.0


class JobId(NamedTuple):
    """A small integer, never reused in a home; elements of an array carry their index: 7, 7.3."""

    number: int
    index: int | None = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self.number) if self.index is None else f"{self.number}.{self.index}"

    @classmethod
    def parse(cls, text: str) -> JobId:
        """Read ``7`` or ``7.3``; raises ValueError for anything else."""
        if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", text):
            raise ValueError(f"{text!r} is not a job id; ids look like 7 or 7.3")
        number, _, index = text.partition(".")
        return cls(int(number), int(index) if index else None)


class RunRef(NamedTuple):
    """One run of a job somewhere; the core never looks inside (a process id is the local kind)."""

    token: str
    identity: str | None = None


class JobKind(StrEnum):
    """The class of a job, for the default memory estimate (D4)."""

    PYTHON = "python"
    NOTEBOOK = "notebook"
    OTHER = "other"


class OnPreempt(StrEnum):
    """What scheduling may do to a running job for another's sake (D5)."""

    PAUSE = "pause"
    REQUEUE = "requeue"
    KILL = "kill"


class Outcome(StrEnum):
    """How a finished job ended (D4)."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"
    SKIPPED = "skipped"


class AfterCondition(StrEnum):
    """Which end of a dependency lets its dependant go (D5)."""

    OK = "ok"
    ANY = "any"
    FAILED = "failed"


class Dependency(NamedTuple):
    """Wait for this job (or all elements of this array) to end in this way."""

    job: JobId
    condition: AfterCondition = AfterCondition.OK


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A command the user submitted, with everything needed to run it later and nothing about how it stands.

    Paths and arguments are str with surrogateescape, so that any bytes survive.
    ``environment`` is the content hash under which the captured variables are stored.
    """

    command: tuple[str, ...]
    cwd: str
    name: str
    environment: str | None = None
    extra_environment: tuple[tuple[str, str], ...] = ()
    kind: JobKind = JobKind.OTHER
    script: str | None = None
    queue: str = "default"
    priority: int = 5
    cores: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    gpu: GpuRequest | None = None
    device: str = "auto"
    time_limit_s: float | None = None
    begin_at: float | None = None
    deadline_at: float | None = None
    after: tuple[Dependency, ...] = ()
    array_size: int | None = None
    array_parallel: int | None = None
    retries: int = 0
    retry_delay_s: float = 0.0
    labels: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    dedupe_key: str | None = None
    preemptible: bool = True
    on_preempt: OnPreempt = OnPreempt.PAUSE
    checkpoint_signal: int | None = None
    checkpoint_grace_s: float = 30.0
    notify: bool = True
    slurm_names: bool = False
    stdout_path: str | None = None
    stderr_path: str | None = None
    user: str | None = None

    @property
    def may_rerun(self) -> bool:
        """True when the user allowed the job to be run again after it was ended (D5)."""
        return self.on_preempt is OnPreempt.REQUEUE or self.retries > 0


class PauseReason(StrEnum):
    """Who paused a job and why; decides who may resume it."""

    USER = "user"
    QUEUE = "queue"
    MEMORY = "memory"
    GPU = "gpu"
    SCHEDULING = "scheduling"


# --- Status: each variant carries exactly its own data -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Queued:
    """``not_before``: when a job that failed is tried again."""

    since: float
    not_before: float | None = None


HELD_BY_USER = "held by you"


@dataclass(frozen=True, slots=True)
class Held:
    since: float
    why: str = HELD_BY_USER


@dataclass(frozen=True, slots=True)
class Starting:
    """An intent to run is written down; the keeper has not yet said that the process exists.

    ``behind`` is the job whose place it takes as soon as that one has ended.
    """

    since: float
    attempt: int
    token: str
    behind: JobId | None = None


@dataclass(frozen=True, slots=True)
class Running:
    since: float
    run: RunRef


@dataclass(frozen=True, slots=True)
class Paused:
    """Stopped but alive. ``wants_resume`` is set when its user asked for it and admission has to agree.

    ``why`` is said of pauses for another job's sake, and where a user's pause is part of something larger.
    """

    since: float
    run: RunRef
    reason: PauseReason
    wants_resume: bool = False
    resume_at: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """Told to end. ``outcome`` is what the end will be called; None means it goes back to its queue."""

    since: float
    run: RunRef
    outcome: Outcome | None
    why: str
    kill_at: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    at: float
    outcome: Outcome
    exit_code: int | None = None
    signal: int | None = None
    why: str | None = None


Status = Queued | Held | Starting | Running | Paused | Stopping | Finished
Active = Starting | Running | Paused | Stopping

STATUS_NAMES: dict[type, str] = {
    Queued: "queued",
    Held: "held",
    Starting: "starting",
    Running: "running",
    Paused: "paused",
    Stopping: "stopping",
    Finished: "finished",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job, as it is kept. ``ended_at`` is None while it runs.

    ``strategy`` is the one that let it start; None: nobody wrote that down yet.
    """

    number: int
    token: str
    intended_at: float
    started_at: float | None = None
    identity: str | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    outcome: Outcome | None = None
    why: str | None = None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    paused_s: float = 0.0
    reserved_bytes: int | None = None
    devices: tuple[int, ...] = ()
    waited_for: str | None = None
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class Touches:
    """What a live job's processes have in their hands that only one job should have at a time; refreshed rarely.

    ``writes`` are regular files open for writing only (not its own log), ``ports`` TCP ports it listens on,
    ``environments`` the folders of virtual environments its interpreters run from, ``appends`` files it only adds to.
    What is open for reading and writing, as databases and lock files are, is meant to be shared.
    """

    writes: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    environments: tuple[str, ...] = ()
    appends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a live job was last measured to use; None where it could not be read.

    ``gpu_memory_bytes`` and ``gpu_utilisation_pct`` are (card, figure) for each card it was seen on.
    """

    at: float
    memory_bytes: int | None = None
    cores: float | None = None
    processes: int | None = None
    gpu_memory_bytes: tuple[tuple[int, int], ...] = ()
    gpu_utilisation_pct: tuple[tuple[int, float], ...] = ()
    threads: int | None = None
    touches: Touches | None = None


@dataclass(frozen=True, slots=True)
class CardUse:
    """What this run has shown on cards so far: the most memory on one, and the mean utilisation of its busiest one.

    ``readings`` is how many readings that mean is of.
    """

    peak_bytes: int | None = None
    utilisation_pct: float | None = None
    readings: int = 0


@dataclass(slots=True)
class Job:
    """A job in State. Only ``transitions.apply`` changes it; all parts it holds are frozen."""

    id: JobId
    spec: JobSpec
    submitted_at: float
    sequence: int
    status: Status
    rank: int = 0
    attempts: tuple[Attempt, ...] = ()
    estimate: Estimate | None = None
    usage: Usage | None = None
    peak_memory_bytes: int | None = None
    card_use: CardUse | None = None
    growth_bytes_s: float = 0.0
    settle_base_bytes: int | None = None
    settle_since: float | None = None
    bypassed: int = 0
    thaws: tuple[float, ...] = ()
    forced: bool = False
    last_wait: WaitReason | None = None
    story: tuple[str, ...] = ()
    # What its runs are learned under; made by State.profile when it is first asked for.
    learning_key: str | None = None

    @property
    def attempt(self) -> Attempt | None:
        """The newest attempt, or None when it never ran."""
        return self.attempts[-1] if self.attempts else None

    @property
    def status_name(self) -> str:
        return STATUS_NAMES[type(self.status)]

    @property
    def outcome(self) -> Outcome | None:
        return self.status.outcome if isinstance(self.status, Finished) else None


def not_before(job: Job) -> float | None:
    """Until when a queued job waits for time alone: its begin, or its next try."""
    again = job.status.not_before if isinstance(job.status, Queued) else None
    return max((moment for moment in (job.spec.begin_at, again) if moment is not None), default=None)


def failed_runs(job: Job) -> int:
    """How many of its runs failed; those that were ended for others' sake do not count."""
    return sum(attempt.outcome is Outcome.FAILED for attempt in job.attempts)


def tries_again_at(job: Job, failed_at: float) -> float | None:
    """When a job that failed is tried again: its delay doubles with every failure, up to an hour; None: at once."""
    delay_s = job.spec.retry_delay_s
    if delay_s <= 0:
        return None
    doubled_s = delay_s * 2.0 ** min(failed_runs(job) - 1, 30)
    return failed_at + min(doubled_s, max(delay_s, LONGEST_RETRY_DELAY_S))


def worked_core_s(job: Job, now: float) -> float:
    """Core-seconds that its newest run has had so far, on the cores it was given; paused time does not count."""
    attempt = job.attempt
    if attempt is None or attempt.started_at is None:
        return 0.0
    until = job.status.since if isinstance(job.status, Paused) else now
    return max(0.0, until - attempt.started_at - attempt.paused_s) * (job.estimate.cores if job.estimate else 1.0)


def waited_s(job: Job, now: float) -> float:
    """Since it was submitted, at least 0: by a clock that was set back it may come from a time ahead."""
    return max(0.0, now - job.submitted_at)


_FIELDS_OF_A_JOB = attrgetter(*(each.name for each in fields(Job)))


def twin(job: Job) -> Job:
    """A copy to try things on; six times as fast as ``copy.copy``, and a fork of State makes three hundred."""
    return Job(*_FIELDS_OF_A_JOB(job))


def time_limit_at(job: Job) -> float | None:
    """When a running job's time is up; paused time does not count (D5)."""
    attempt = job.attempt
    if job.spec.time_limit_s is None or attempt is None or attempt.started_at is None:
        return None
    return attempt.started_at + attempt.paused_s + job.spec.time_limit_s

"""The survey: what the rules for conflicts and hints look at, gathered once for all of them from State and Plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from tidegate.core.admission import Ledger, expected, failing, open_ledger
from tidegate.core.durations import expected_end_at
from tidegate.core.estimates import Holding, holding
from tidegate.core.job import Job, JobId, Paused, Queued, Running, Touches
from tidegate.core.machine import MachineReading
from tidegate.core.plan import Plan
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate
from tidegate.core.state import State

# Bounds that keep a look cheap however long the queue is.
WAITING_SEEN = 200
BLOCKED_SEEN = 6
FINISHED_SEEN = 100
BEGINS_SEEN = 32
NAMED = 3


@dataclass(frozen=True, slots=True)
class BlockedJob:
    """A job near the head of the line that cannot start, with every reason and what it is expected to need."""

    job: Job
    codes: frozenset[WaitCode]
    figure: Estimate


class Survey:
    """One look at everything. ``running`` have a process that works; ``alive`` are those and the paused ones."""

    def __init__(self, state: State, plan: Plan, now: float) -> None:
        self.state = state
        self.plan = plan
        self.now = now
        self.running = [job for job in state.active.values() if isinstance(job.status, Running)]
        self.alive = [job for job in state.active.values() if isinstance(job.status, Running | Paused)]

    @property
    def reading(self) -> MachineReading | None:
        return self.state.machine.reading

    @cached_property
    def ledger(self) -> Ledger:
        return open_ledger(self.state, self.now)

    @cached_property
    def giving_way(self) -> list[Job]:
        """Running jobs that scheduling may pause, the least important first."""
        willing = [job for job in self.running if job.spec.preemptible]
        return sorted(willing, key=_importance, reverse=True)

    def held(self, job: Job) -> Holding:
        """What a running job takes from the machine."""
        return holding(job, self.state.policy, self.state.profile(job), self.now)

    @cached_property
    def touching(self) -> list[tuple[Job, Touches]]:
        """Jobs of which it is known what they have in their hands, with that."""
        return [(job, job.usage.touches) for job in self.alive if job.usage is not None and job.usage.touches]

    @cached_property
    def waiting(self) -> list[Job]:
        """Jobs in line; of a long one only those that have stood there longest."""
        return [self.state.jobs[id] for id in islice(self.state.line, WAITING_SEEN)]

    @cached_property
    def soon(self) -> list[Job]:
        """Jobs that wait for a begin time, the next first."""
        ids = dict.fromkeys(id for _, id in self.state.begin_times[:BEGINS_SEEN])
        return [self.state.jobs[id] for id in ids]

    @cached_property
    def blocked(self) -> list[BlockedJob]:
        """The first jobs of the plan that could not start, and still wait."""
        found = []
        for id, code in islice(self.plan.blocked, BLOCKED_SEEN):
            job = self.state.jobs.get(id)
            if job is not None and isinstance(job.status, Queued):
                figure = expected(self.state, job, self.ledger)
                codes, _ = failing(self.state, job, figure, self.ledger)
                # The plan's own word beside it: a strategy may have held it back for a reason of its own.
                found.append(BlockedJob(job, frozenset((*codes, code)), figure))
        return found

    @cached_property
    def lately_finished(self) -> list[Job]:
        """The newest finished jobs in memory, the newest first."""
        return [self.state.jobs[id] for id in islice(reversed(self.state.finished_order), FINISHED_SEEN)]

    def ends_at(self, job: Job) -> float | None:
        """When a running job should end; None when nobody knows."""
        return expected_end_at(job, self.state.profile(job), self.now)

    def left_s(self, job: Job) -> float | None:
        """Seconds of running time that a job still needs, whether it runs or waits; None when nobody knows."""
        ends_at = self.ends_at(job)
        if ends_at is not None:
            return max(0.0, ends_at - self.now)
        return expected(self.state, job, self.ledger).duration_s or job.spec.time_limit_s

    def siblings(self, job: Job) -> list[Job]:
        """Waiting jobs of the same script."""
        script = script_of(job)
        return [other for other in self.waiting if script_of(other) == script]


def _importance(job: Job) -> tuple[int, int]:
    """Higher is less important."""
    return job.spec.priority, job.sequence


def memory_of(job: Job) -> int:
    """Bytes it was last measured to use; nothing where that is not known."""
    return (job.usage.memory_bytes or 0) if job.usage is not None else 0


def cores_of(job: Job) -> float:
    return (job.usage.cores or 0.0) if job.usage is not None else 0.0


def reserved_cores(job: Job) -> float:
    return job.estimate.cores if job.estimate is not None else 1.0


def promised_bytes(job: Job) -> int | None:
    """What it was let in with; None where nobody declared or learned a figure."""
    return job.attempts[-1].reserved_bytes if job.estimate is not None and job.estimate.known else None


def overdrawn_bytes(job: Job) -> int:
    """How far it is beyond its promise."""
    promised = promised_bytes(job)
    return 0 if promised is None else max(0, memory_of(job) - promised)


def devices_of(job: Job) -> tuple[int, ...]:
    return job.attempts[-1].devices if job.attempts else ()


def least_important(jobs: Iterable[Job]) -> Job:
    """Whose turn it is to give way: the lowest priority, and of equals the one that came last."""
    return max(jobs, key=_importance)


def script_of(job: Job) -> tuple[str, ...]:
    """The same for all jobs of one script in one folder, whatever their arguments: what is said of one is said of all
    elements of an array, or of a sweep over parameters."""
    spec = job.spec
    program = spec.command[:2] if not any(word.startswith("-") for word in spec.command[1:2]) else spec.command
    return (spec.cwd, spec.name, *program)


def called(job: Job) -> str:
    """``train.py (job 7)``."""
    return f"{job.spec.name} (job {job.id})"


def listed(jobs: Sequence[Job]) -> str:
    """``a (job 1), b (job 2) and 3 more``."""
    names = [called(job) for job in jobs[:NAMED]]
    if len(jobs) > NAMED:
        return f"{', '.join(names)} and {len(jobs) - NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def ids_of(jobs: Iterable[Job]) -> tuple[JobId, ...]:
    return tuple(job.id for job in jobs)


def key_of(*parts: object) -> str:
    """``priority/7/3``: what stays the same as long as it is the same finding."""
    return "/".join(map(str, parts))

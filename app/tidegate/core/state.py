"""State: everything the core knows. The Store owns it; ``transitions.apply`` alone changes it; others read."""

from __future__ import annotations

import copy
from bisect import insort
from dataclasses import dataclass

from tidegate.core.job import (
    Finished,
    Held,
    Job,
    JobId,
    Paused,
    PauseReason,
    Queued,
    Running,
    Starting,
    Stopping,
)
from tidegate.core.line import Line
from tidegate.core.machine import MachineState
from tidegate.core.policy import Policy
from tidegate.core.prediction import Profile, profile_key

FORKED_WAITING = 200


@dataclass(frozen=True, slots=True)
class Intake:
    """Whether jobs may start. ``until`` None with ``open`` False: until the user resumes."""

    open: bool = True
    until: float | None = None
    drain: bool = False
    gpu_only: bool = False
    why: str | None = None


class State:
    """Jobs by where they stand, the machine, and what earlier runs taught.

    ``active`` holds jobs with a process or an intent to have one, in order of start; ``line`` those that may start;
    ``parked`` those that wait for a moment or for another job; held and finished ones are only in ``jobs``.
    """

    __slots__ = (
        "active",
        "array_running",
        "arrays",
        "begin_times",
        "dependants",
        "finished_order",
        "forced",
        "intake",
        "jobs",
        "journal_error",
        "line",
        "machine",
        "parked",
        "policy",
        "profiles",
        "queued_count",
        "rank_first",
        "touched",
        "version",
    )

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.jobs: dict[JobId, Job] = {}
        self.active: dict[JobId, Job] = {}
        self.line = Line()
        self.parked: dict[JobId, Job] = {}
        self.begin_times: list[tuple[float, JobId]] = []
        self.dependants: dict[int, set[JobId]] = {}
        self.arrays: dict[int, list[JobId]] = {}
        self.array_running: dict[int, int] = {}
        self.finished_order: dict[JobId, None] = {}
        self.forced: dict[JobId, None] = {}
        self.profiles: dict[str, Profile] = {}
        self.machine = MachineState()
        self.intake = Intake()
        self.journal_error: str | None = None
        self.rank_first = 0
        self.queued_count = 0
        self.touched: dict[JobId, None] = {}
        self.version = 0

    # --- reading ---------------------------------------------------------------------------------------------------

    def job(self, id: JobId) -> Job:
        """The job; KeyError when it is not in memory."""
        return self.jobs[id]

    def elements(self, number: int) -> list[JobId]:
        """All ids under one number: the job itself, or the elements of an array; empty when not in memory."""
        if JobId(number) in self.jobs:
            return [JobId(number)]
        return [id for id in self.arrays.get(number, ()) if id in self.jobs]

    def profile(self, job: Job) -> Profile | None:
        return self.profiles.get(profile_key(job.spec)) if self.profiles else None

    def counts(self) -> dict[str, int]:
        """How many jobs stand where; ``queued`` counts waiting ones, ``held`` apart."""
        result = {"queued": len(self.line) + len(self.parked), "starting": 0, "running": 0, "paused": 0, "stopping": 0}
        for job in self.active.values():
            result[job.status_name] += 1
        result["finished"] = len(self.finished_order)
        result["held"] = len(self.jobs) - sum(result.values())
        return result

    def fork(self) -> State:
        """A bounded copy to try things on: running jobs and the first 200 waiting (D3)."""
        other = State(self.policy)
        other.machine = copy.copy(self.machine)
        other.machine.cards = dict(self.machine.cards)
        other.intake = self.intake
        other.profiles = self.profiles
        other.journal_error = self.journal_error
        other.rank_first = self.rank_first
        for id, job in self.active.items():
            other.jobs[id] = other.active[id] = copy.copy(job)
        other.array_running = dict(self.array_running)
        for id in self.line.first(FORKED_WAITING):
            job = copy.copy(self.jobs[id])
            other.jobs[id] = job
            other.line.add(id, job.order_key, self.line.group_of(id))
            other.queued_count += 1
        return other

    def check(self) -> None:
        """Raise AssertionError when indices and jobs tell different stories (tests call this after every apply)."""
        queued = 0
        for id, job in self.jobs.items():
            assert job.id == id
            match job.status:
                case Queued():
                    queued += 1
                    assert (id in self.line) != (id in self.parked), f"queued job {id} must stand in exactly one place"
                    assert id not in self.active
                case Starting() | Running() | Paused() | Stopping():
                    assert id in self.active, f"{job.status_name} job {id} is missing among the active"
                    assert id not in self.line
                    assert id not in self.parked
                    assert job.attempts, f"{job.status_name} job {id} has no attempt"
                case Held() | Finished():
                    assert id not in self.active
                    assert id not in self.line
                    assert id not in self.parked
                    assert isinstance(job.status, Held) != (id in self.finished_order)
        assert queued == len(self.line) + len(self.parked) == self.queued_count
        assert len(self.active) == sum(1 for id in self.active if id in self.jobs)
        running: dict[int, int] = {}
        for id in self.active:
            if id.index is not None:
                running[id.number] = running.get(id.number, 0) + 1
        assert running == {number: count for number, count in self.array_running.items() if count}

    # --- small index helpers, for transitions only -------------------------------------------------------------------

    def park(self, job: Job) -> None:
        self.parked[job.id] = job
        if job.spec.begin_at is not None:
            insort(self.begin_times, (job.spec.begin_at, job.id))
        for dependency in job.spec.after:
            self.dependants.setdefault(dependency.job.number, set()).add(job.id)

    def unpark(self, job: Job) -> None:
        if self.parked.pop(job.id, None) is None:
            return
        if job.spec.begin_at is not None:
            self.begin_times = [entry for entry in self.begin_times if entry[1] != job.id]
        for dependency in job.spec.after:
            waiting = self.dependants.get(dependency.job.number)
            if waiting is not None:
                waiting.discard(job.id)
                if not waiting:
                    del self.dependants[dependency.job.number]


def is_frozen_by_guard(job: Job) -> bool:
    """True for a job the guard stopped for memory, not the user."""
    return isinstance(job.status, Paused) and job.status.reason is PauseReason.MEMORY

"""Measures: what came of jobs in figures (D8), the same for recorded history and for simulated work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from statistics import fmean

from tidegate.core.job import Attempt, Finished, Job, Outcome

SHORTEST_RUN_S = 10.0  # a job of a moment's work is not slowed down a thousandfold by a moment's wait


@dataclass(frozen=True, slots=True)
class Measures:
    """Seconds, and core-seconds for ``work_lost``; None where no job tells.

    A wait lasts from when a job could have started to its first start. The slowdown is bounded: that and the time it
    ran, over the time it ran or 10 s, and at least 1. Makespan: from the first submission to the last end.
    ``preemptions`` are runs paused or ended for another's sake or the machine's; ``work_lost`` is what was done in runs
    that did not succeed.
    """

    jobs: int
    starts: int
    succeeded: int
    success_rate: float | None
    mean_wait_s: float | None
    p95_wait_s: float | None
    mean_slowdown: float | None
    makespan_s: float
    preemptions: int
    work_lost_core_s: float


def measure(jobs: Iterable[Job], pauses: int | None = None) -> Measures:
    """Of these jobs, ended or not. ``pauses``: how often one was paused; None: each run that was counts as one."""
    jobs = list(jobs)
    runs = [(job, run) for job in jobs for run in job.attempts if run.started_at is not None]
    waits = [
        _first_start(job) - _able_at(job) for job in jobs if any(run.started_at is not None for run in job.attempts)
    ]
    slowdowns = [_slowdown(job) for job in jobs if job.outcome is Outcome.SUCCEEDED]
    ended = [job for job in jobs if job.outcome is not None]
    succeeded = sum(job.outcome is Outcome.SUCCEEDED for job in ended)
    ends = [run.ended_at for _, run in runs if run.ended_at is not None]
    if pauses is None:
        pauses = sum(run.paused_s > 0 for _, run in runs)
    return Measures(
        jobs=len(jobs),
        starts=len(runs),
        succeeded=succeeded,
        success_rate=succeeded / len(ended) if ended else None,
        mean_wait_s=fmean(waits) if waits else None,
        p95_wait_s=sorted(waits)[ceil(0.95 * len(waits)) - 1] if waits else None,
        mean_slowdown=fmean(slowdowns) if slowdowns else None,
        makespan_s=max(ends) - min(job.submitted_at for job in jobs) if ends else 0.0,
        preemptions=pauses + sum(run.ended_at is not None and _ended_early(run) for _, run in runs),
        work_lost_core_s=sum(_work(job, run) for job, run in runs if run.outcome is not Outcome.SUCCEEDED),
    )


def by_strategy(jobs: Iterable[Job]) -> dict[str, Measures]:
    """Of recorded jobs that have ended and ran, by the strategy that let each start first."""
    jobs = list(jobs)
    ends = ends_by_number(jobs)
    started: dict[str, list[Job]] = {}
    for job in jobs:
        ran = [run for run in job.attempts if run.started_at is not None]
        if ran and ran[0].strategy is not None:
            started.setdefault(ran[0].strategy, []).append(replace(job, submitted_at=able_at(job, ends)))
    return {strategy: measure(its) for strategy, its in started.items()}


def ends_by_number(jobs: Iterable[Job]) -> dict[int, float]:
    """When the last of the ended jobs under each number ended."""
    ends: dict[int, float] = {}
    for job in jobs:
        if isinstance(job.status, Finished):
            ends[job.id.number] = max(job.status.at, ends.get(job.id.number, job.status.at))
    return ends


def able_at(job: Job, ends: Mapping[int, float]) -> float:
    """When it could have started: its submission, its begin time, and the ends of what it was to follow."""
    return max(_able_at(job), *(ends.get(other.job.number, 0.0) for other in job.spec.after), 0.0)


def _able_at(job: Job) -> float:
    return max(job.submitted_at, job.spec.begin_at or 0.0)


def _first_start(job: Job) -> float:
    return next(run.started_at for run in job.attempts if run.started_at is not None)


def _slowdown(job: Job) -> float:
    assert isinstance(job.status, Finished)
    ran_s = _ran_s(job.attempts[-1])
    return max(1.0, (job.status.at - _able_at(job)) / max(ran_s, SHORTEST_RUN_S))


def _ran_s(run: Attempt) -> float:
    if run.started_at is None or run.ended_at is None:
        return 0.0
    return max(0.0, run.ended_at - run.started_at - run.paused_s)


def _ended_early(run: Attempt) -> bool:
    """It was ended to run again, or for good, and not by its user."""
    return run.outcome in (None, Outcome.KILLED)


def _work(job: Job, run: Attempt) -> float:
    """Core-seconds; what was not measured counts with the cores it asked for."""
    if run.cpu_s is not None:
        return run.cpu_s
    return _ran_s(run) * (1.0 if job.spec.cores is None else job.spec.cores)

"""The simulated engine against a plain scheduler written down as the published one works, job by job."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from math import log10
from pathlib import Path

import pytest
from tests.benchmarks.lublin import slowdown

from tidegate.core.job import JobSpec
from tidegate.simulator.fake_runs import Behaviour
from tidegate.simulator.workload import TraceJob, Workload, read_csv

DATA = Path(os.environ.get("TIDEGATE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
OFFSET_S = 5094.0
PROCESSORS = 256

Plain = tuple[float, float, float, int]  # submitted, lasts, requested, processors
SCORES: dict[str, Callable[[Plain], float]] = {
    "FCFS": lambda job: job[0],
    "SJF": lambda job: job[2],
    "F1": lambda job: log10(max(job[2], 0.1)) * job[3] + 870.0 * log10(max(job[0] + OFFSET_S, 0.1)),
}


def plain_slowdown(jobs: list[Plain], order: str, easy: bool) -> float:
    """Mean bounded slowdown: one event at a time, arrivals before ends, the chosen head stays the head."""
    now, arrived, free = jobs[0][0], 0, PROCESSORS
    queue: list[Plain] = []
    running: list[tuple[float, float, Plain]] = []  # ends, should end, job
    slowdowns: list[float] = []

    def start(job: Plain) -> None:
        nonlocal free
        queue.remove(job)
        free -= job[3]
        running.append((now + job[1], now + job[2], job))
        slowdowns.append(max(1.0, (now - job[0] + job[1]) / max(job[1], 10.0)))

    def move_on() -> None:
        nonlocal now, arrived, free
        running.sort(key=lambda run: run[0])
        if arrived < len(jobs) and (not running or jobs[arrived][0] <= running[0][0]):
            now = max(now, jobs[arrived][0])
            queue.append(jobs[arrived])
            arrived += 1
        else:
            now = running[0][0]
            free += running.pop(0)[2][3]

    while len(slowdowns) < len(jobs):
        if not queue:
            move_on()
            continue
        head = min(queue, key=SCORES[order])
        have, earliest = free, now
        for _, should_end, job in sorted(running, key=lambda run: run[1]):
            if have >= head[3]:
                break
            have, earliest = have + job[3], should_end
        while free < head[3]:
            for job in sorted(queue, key=lambda job: job[0]) if easy else ():
                if job is not head and job[3] <= free and now + job[2] < earliest:
                    start(job)
            move_on()
        start(head)
    return sum(slowdowns) / len(slowdowns)


def as_workload(jobs: list[Plain]) -> Workload:
    return Workload(
        "plain",
        tuple(
            TraceJob(
                str(number),
                submitted,
                JobSpec(("work", str(number)), "/", str(number), cores=float(processors), time_limit_s=requested),
                Behaviour(duration_s=lasts, memory_bytes=0, cores=float(processors)),
            )
            for number, (submitted, lasts, requested, processors) in enumerate(jobs, start=1)
        ),
    )


def random_jobs(seed: int, count: int) -> list[Plain]:
    """A busy machine; no two jobs come at one moment or are of one score, so that no tie is left to taste."""
    draw = random.Random(seed)
    at, jobs = 0.0, []
    for _ in range(count):
        at += draw.choice((1.0, 3.0, 40.0)) + draw.random()
        lasts = round(draw.lognormvariate(4.5, 1.3), 3)
        jobs.append((at, lasts, lasts * draw.choice((1.0, 1.5, 4.0)), draw.choice((1, 8, 32, 100, 200))))
    return jobs


@pytest.mark.parametrize("order", SCORES)
@pytest.mark.parametrize("easy", [False, True])
def test_the_engine_schedules_like_the_published_scheduler(order: str, easy: bool) -> None:
    for seed in range(3):
        jobs = random_jobs(seed, 120)
        expected = plain_slowdown(jobs, order, easy)
        assert slowdown(as_workload(jobs), order + ("+easy" if easy else ""), OFFSET_S) == pytest.approx(
            expected, rel=1e-6
        )


def test_a_window_of_the_published_trace() -> None:
    file = DATA / "traces" / "lublin1_256.csv.gz"
    if not file.exists():
        pytest.skip(f"{file.name} is not here: the trace is read from TIDEGATE_TEST_DATA")
    trace = read_csv(file)
    part = Workload("part", tuple(replace(job) for job in trace.jobs[1981 : 1981 + 300]))
    plain = [
        (job.submit_s, job.behaviour.duration_s, job.spec.time_limit_s or 0.0, int(job.spec.cores or 1))
        for job in part.jobs
    ]
    for order in SCORES:
        for easy in (False, True):
            expected = plain_slowdown(plain, order, easy)
            got = slowdown(part, order + ("+easy" if easy else ""), OFFSET_S)
            assert got == pytest.approx(expected, rel=1e-3), (order, easy)

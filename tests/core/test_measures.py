"""Measures of recorded jobs: waits, bounded slowdown, preemptions and lost work by hand-made attempts."""

from __future__ import annotations

import pytest

from tidegate.core.job import Attempt, Finished, Job, JobId, JobSpec, Outcome, Queued, Status
from tidegate.core.measures import measure


def job(number: int, submitted_at: float, status: Status, *attempts: Attempt, **spec: object) -> Job:
    return Job(JobId(number), JobSpec(("x",), "/", "x", **spec), submitted_at, number, status, attempts=attempts)  # type: ignore[arg-type]


def run(started_at: float, ended_at: float | None, outcome: Outcome | None, **more: object) -> Attempt:
    return Attempt(1, "t", started_at, started_at, None, ended_at, outcome=outcome, **more)  # type: ignore[arg-type]


def test_nothing_gives_no_figures() -> None:
    found = measure([])
    assert (found.jobs, found.starts, found.mean_wait_s, found.mean_slowdown, found.success_rate) == (
        0,
        0,
        None,
        None,
        None,
    )
    waiting = measure([job(1, 5.0, Queued(5.0))])
    assert (waiting.jobs, waiting.success_rate, waiting.makespan_s) == (1, None, 0.0)


def test_waits_count_from_when_a_job_could_have_started() -> None:
    ok = Outcome.SUCCEEDED
    found = measure(
        [
            job(1, 0.0, Finished(130.0, ok), run(30.0, 130.0, ok)),
            job(2, 0.0, Finished(260.0, ok), run(210.0, 260.0, ok), begin_at=200.0),
        ]
    )
    assert found.mean_wait_s == 20
    assert found.p95_wait_s == 30
    assert found.mean_slowdown == pytest.approx((1.3 + 60 / 50) / 2)
    assert found.makespan_s == 260


def test_a_moments_work_is_not_slowed_down_a_thousandfold() -> None:
    found = measure([job(1, 0.0, Finished(20.0, Outcome.SUCCEEDED), run(19.0, 20.0, Outcome.SUCCEEDED))])
    assert found.mean_slowdown == 2.0


def test_runs_that_did_not_succeed_are_lost_work_and_those_ended_for_others_preemptions() -> None:
    found = measure(
        [
            job(
                1,
                0.0,
                Finished(100.0, Outcome.SUCCEEDED),
                run(0.0, 40.0, None),
                run(50.0, 100.0, Outcome.SUCCEEDED),
                cores=2.0,
            ),
            job(2, 0.0, Finished(30.0, Outcome.KILLED), run(0.0, 30.0, Outcome.KILLED, cpu_s=12.0)),
            job(3, 0.0, Finished(10.0, Outcome.FAILED), run(0.0, 10.0, Outcome.FAILED, paused_s=4.0)),
        ]
    )
    assert (found.starts, found.succeeded, found.success_rate) == (4, 1, pytest.approx(1 / 3))
    assert found.preemptions == 3, "one requeued, one killed, one paused"
    assert found.work_lost_core_s == 2 * 40 + 12 + 6
    assert (
        measure([job(3, 0.0, Finished(10.0, Outcome.FAILED), run(0.0, 10.0, Outcome.FAILED))], pauses=7).preemptions
        == 7
    )

"""Recorded jobs measured by the strategy that let each start: who counts where, and from when it waited."""

from __future__ import annotations

from tidegate.core.job import AfterCondition, Attempt, Dependency, Finished, Job, JobId, JobSpec, Outcome
from tidegate.core.measures import by_strategy


def a_run(
    started_at: float | None, ended_at: float, strategy: str | None, outcome: Outcome = Outcome.SUCCEEDED
) -> Attempt:
    return Attempt(1, "t", 0.0, started_at=started_at, ended_at=ended_at, outcome=outcome, strategy=strategy)


def a_job(number: int, *runs: Attempt, after: int | None = None) -> Job:
    dependencies = () if after is None else (Dependency(JobId(after), AfterCondition.OK),)
    spec = JobSpec(command=("work",), cwd="/", name="work", after=dependencies)
    ended = runs[-1].ended_at if runs else 5.0
    outcome = runs[-1].outcome if runs else Outcome.CANCELLED
    assert ended is not None
    assert outcome is not None
    return Job(JobId(number), spec, 0.0, number, Finished(ended, outcome), attempts=runs)


def test_jobs_count_where_they_were_first_let_start() -> None:
    requeued = a_job(1, a_run(10.0, 20.0, "hybrid", Outcome.KILLED), a_run(30.0, 130.0, "fair_sharing"))
    plain = a_job(2, a_run(40.0, 140.0, "fair_sharing"))
    found = by_strategy([requeued, plain])
    assert set(found) == {"hybrid", "fair_sharing"}
    assert (found["hybrid"].jobs, found["hybrid"].starts, found["hybrid"].mean_wait_s) == (1, 2, 10.0)
    assert (found["hybrid"].preemptions, found["hybrid"].work_lost_core_s) == (1, 10.0)
    assert (found["fair_sharing"].jobs, found["fair_sharing"].mean_wait_s) == (1, 40.0)
    assert found["fair_sharing"].mean_slowdown == 1.4


def test_what_never_ran_or_has_no_strategy_written_down_counts_nowhere() -> None:
    assert by_strategy([a_job(1), a_job(2, a_run(None, 3.0, "hybrid")), a_job(3, a_run(1.0, 2.0, None))]) == {}


def test_a_job_that_followed_another_waited_from_its_end_on() -> None:
    found = by_strategy([a_job(1, a_run(0.0, 100.0, "hybrid")), a_job(2, a_run(130.0, 230.0, "hybrid"), after=1)])
    assert found["hybrid"].p95_wait_s == 30.0

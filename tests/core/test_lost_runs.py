"""What a run that left no trace is called: lost, unless it had been told to end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.core import events as e
from tidegate.core.job import Job, JobId, JobSpec, Outcome, Queued, RunRef
from tidegate.core.policy import Policy
from tidegate.core.resources import Estimate, EstimateSource
from tidegate.core.state import State
from tidegate.core.transitions import apply
from tidegate.engine import audit, notices

ID = JobId(1)


def running_job() -> State:
    state = State(Policy())
    apply(state, e.JobSubmitted(1.0, ID, JobSpec(("work",), "/", "work"), 1, False))
    apply(state, e.JobStarting(2.0, ID, 1, "token", Estimate(1, EstimateSource.DECLARED, 1.0)))
    apply(state, e.JobStarted(3.0, ID, RunRef("token", "somewhere")))
    return state


def test_a_run_without_a_trace_is_lost_and_said() -> None:
    state = running_job()
    lost = e.JobLost(4.0, ID, "the helper died")
    apply(state, lost)
    state.check()
    job = state.jobs[ID]
    assert job.outcome is Outcome.LOST
    assert job.attempts[-1].why == "the helper died"
    assert notices.notice(state, lost) is not None


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.KILLED, Outcome.TIMED_OUT])
def test_a_run_that_was_told_to_end_and_is_gone_has_ended_so(outcome: Outcome) -> None:
    state = running_job()
    apply(state, e.JobStopping(4.0, ID, outcome, "told to", 14.0))
    lost = e.JobLost(5.0, ID, "the helper died")
    apply(state, lost)
    state.check()
    job = state.jobs[ID]
    assert (job.outcome, job.attempts[-1].outcome) == (outcome, outcome)
    assert job.attempts[-1].why == "told to"
    assert notices.notice(state, lost) is None
    row = audit.record(state, lost)
    assert row is not None
    assert "ended as it was told to" in row.sentence


def test_a_run_that_was_to_be_requeued_and_is_gone_is_not_run_again() -> None:
    state = running_job()
    apply(state, e.JobStopping(4.0, ID, None, "requeued for another", 14.0))
    apply(state, e.JobLost(5.0, ID, "the helper died"))
    state.check()
    assert state.jobs[ID].outcome is Outcome.LOST


def test_the_intent_of_a_start_that_was_taken_back_is_no_attempt() -> None:
    before = running_job()
    starting = replace(before.jobs[ID].attempts[-1], started_at=None, identity=None)
    ended = replace(starting, number=1, ended_at=5.0, outcome=Outcome.FAILED)
    job = Job(ID, before.jobs[ID].spec, 1.0, 1, Queued(6.0), attempts=(ended, replace(starting, number=2)))
    state = State(Policy())
    apply(state, e.JobRestored(7.0, job))
    state.check()
    assert [attempt.number for attempt in state.jobs[ID].attempts] == [1]

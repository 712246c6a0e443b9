"""The one transition table: ``apply(state, event)`` is the only way State changes; an illegal move raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tidegate.core import events as e
from tidegate.core.dependencies import unmet
from tidegate.core.estimates import estimate
from tidegate.core.job import (
    HELD_BY_USER,
    Attempt,
    Finished,
    Held,
    Job,
    JobId,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    RunRef,
    Starting,
    Stopping,
    failed_runs,
    tries_again_at,
    twin,
)
from tidegate.core.measuring import apply_clock_rebased, apply_jobs_measured, apply_machine_sampled
from tidegate.core.places import activate, deactivate, dequeue, enqueue, finish, place_anew, regroup, release
from tidegate.core.prediction import RUNS_TO_TRUST, Profile, profile_key
from tidegate.core.state import Intake, State

STORY_LENGTH = 8
CLOCKS_DIFFER_S = 2.0
# What of a policy says in which order jobs stand.
ORDERED_BY = ("strategy", "strategy_options", "queues")


class IllegalMove(Exception):
    """A move the table does not know; the text tells the job's last events. Always a bug of ours."""


def apply(state: State, event: e.Event) -> None:
    """Change ``state`` by one fact. Raises IllegalMove, and then nothing has changed."""
    _HANDLERS[type(event)](state, event)
    state.version += 1


# --- helpers ---------------------------------------------------------------------------------------------------------


def _expect(state: State, id: JobId, event: object, *allowed: type) -> Job:
    job = state.jobs.get(id)
    if job is None:
        raise IllegalMove(f"{type(event).__name__} for job {id}, which is not known")
    if not isinstance(job.status, allowed):
        story = ", ".join(job.story) or "nothing yet"
        raise IllegalMove(f"{type(event).__name__} for job {id}, which is {job.status_name}; before that: {story}")
    return job


def _touch(state: State, job: Job, event: object) -> None:
    job.story = (*job.story[1 - STORY_LENGTH :], type(event).__name__)
    state.touched[job.id] = None


def _replace_attempt(job: Job, **changes: Any) -> Attempt:
    attempt = replace(job.attempts[-1], **changes)
    job.attempts = (*job.attempts[:-1], attempt)
    return attempt


def _paused_seconds(job: Job, now: float) -> float:
    attempt = job.attempts[-1]
    extra = max(0.0, now - job.status.since) if isinstance(job.status, Paused) else 0.0
    return attempt.paused_s + extra


# --- coming in -------------------------------------------------------------------------------------------------------


def apply_job_submitted(state: State, event: e.JobSubmitted) -> None:
    if event.id in state.jobs:
        raise IllegalMove(f"JobSubmitted for job {event.id}, which is already known")
    status = Held(event.at) if event.held else Queued(event.at)
    job = Job(event.id, event.spec, event.at, event.sequence, status)
    state.jobs[event.id] = job
    state.join_array(job)
    state.take_key(job)
    if event.held:
        state.await_others(job)
    else:
        enqueue(state, job, event.at)
    _touch(state, job, event)


def apply_job_restored(state: State, event: e.JobRestored) -> None:
    job = twin(event.job)
    if job.id in state.jobs:
        raise IllegalMove(f"JobRestored for job {job.id}, which is already known")
    state.jobs[job.id] = job
    if job.attempts and isinstance(job.status, Queued | Held | Finished):
        # The intent of a start that was taken back may still be written down; the job has no such attempt.
        job.attempts = tuple(attempt for attempt in job.attempts if attempt.ended_at is not None)
    state.rank_first = min(state.rank_first, job.rank)
    if state.machine.reading is None:
        # The engine starts. One that comes back later was charged when it ran.
        for attempt in job.attempts:
            state.usage.charge(job.spec, attempt)
    state.join_array(job)
    if job.outcome is None:
        state.take_key(job)
    match job.status:
        case Queued():
            enqueue(state, job, event.at)
        case Finished():
            state.finished_order[job.id] = None
        case Starting() | Running() | Paused() | Stopping():
            # The figure it was admitted with is kept with its attempt; where it came from is seen from the rest.
            figure = estimate(job.spec, state.profile(job), state.policy, None)
            reserved = job.attempts[-1].reserved_bytes
            job.estimate = figure if reserved is None else replace(figure, memory_bytes=reserved)
            activate(state, job)
        case Held():
            state.await_others(job)
    _touch(state, job, event)


def apply_job_held(state: State, event: e.JobHeld) -> None:
    job = _expect(state, event.id, event, Queued)
    dequeue(state, job)
    job.status = Held(event.at, event.why or HELD_BY_USER)
    state.await_others(job)
    _touch(state, job, event)


def apply_job_released(state: State, event: e.JobReleased) -> None:
    job = _expect(state, event.id, event, Held)
    release(state, job, event.at)
    _touch(state, job, event)


def apply_job_edited(state: State, event: e.JobEdited) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    queued = isinstance(job.status, Queued)
    forced = event.id in state.forced
    if queued:
        dequeue(state, job)
    else:
        state.await_no_more(job)
    state.leave_key(job)
    job.spec = event.spec
    job.learning_key = None
    if isinstance(job.status, Queued) and job.status.not_before is not None:
        job.status = Queued(job.status.since, tries_again_at(job, job.status.since))
    state.take_key(job)
    if not queued:
        state.await_others(job)
        _touch(state, job, event)
        return
    enqueue(state, job, event.at)
    if forced and isinstance(job.status, Queued):
        state.forced[event.id] = None
    _touch(state, job, event)


def apply_job_moved_first(state: State, event: e.JobMovedFirst) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    state.rank_first -= 1
    job.rank = state.rank_first
    if isinstance(job.status, Queued):
        place_anew(state, job, event.at)
    _touch(state, job, event)


def apply_job_forced(state: State, event: e.JobForced) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    if isinstance(job.status, Held):
        release(state, job, event.at)
    if isinstance(job.status, Queued):
        if job.status.not_before is not None:
            # Who asks for it now need not wait for the next try.
            dequeue(state, job)
            job.status = Queued(job.status.since)
            enqueue(state, job, event.at)
        state.forced[event.id] = None
    _touch(state, job, event)


def apply_job_blocked(state: State, event: e.JobBlocked) -> None:
    job = _expect(state, event.id, event, Queued)
    job.last_wait = event.reason
    state.touched[job.id] = None


# --- starting --------------------------------------------------------------------------------------------------------


def apply_job_starting(state: State, event: e.JobStarting) -> None:
    job = _expect(state, event.id, event, Queued)
    dequeue(state, job)
    job.estimate = event.estimate
    job.status = Starting(event.at, event.attempt, event.token, event.behind)
    attempt = Attempt(
        number=event.attempt,
        token=event.token,
        intended_at=event.at,
        reserved_bytes=event.estimate.memory_bytes,
        devices=event.devices,
        waited_for=event.waited_for,
        strategy=state.section_of(job.spec.queue).name,
    )
    job.attempts = (*job.attempts, attempt)
    job.peak_memory_bytes = None
    job.card_use = None
    activate(state, job)
    for id in event.bypassed:
        state.jobs[id].bypassed += 1
    if not event.estimate.known:
        state.machine.unknown_starts += 1
    _touch(state, job, event)


def apply_job_started(state: State, event: e.JobStarted) -> None:
    job = _expect(state, event.id, event, Starting, Stopping)
    _replace_attempt(job, started_at=event.at, identity=event.run.identity)
    if isinstance(job.status, Stopping):
        # It was told to end while it was being started: it stays so, now with a process to end.
        job.status = replace(job.status, run=event.run)
    else:
        job.status = Running(event.at, event.run)
    _touch(state, job, event)


def apply_job_start_failed(state: State, event: e.JobStartFailed) -> None:
    job = _expect(state, event.id, event, Starting, Stopping)
    _replace_attempt(job, ended_at=event.at, outcome=Outcome.FAILED, why=event.error)
    deactivate(state, job)
    finish(state, job, Finished(event.at, Outcome.FAILED, why=event.error))
    _touch(state, job, event)


def apply_job_start_revoked(state: State, event: e.JobStartRevoked) -> None:
    job = _expect(state, event.id, event, Starting, Stopping)
    was = job.status
    job.attempts = job.attempts[:-1]
    deactivate(state, job)
    if isinstance(was, Stopping) and was.outcome is not None:
        finish(state, job, Finished(event.at, was.outcome, why=was.why))
    else:
        job.status = Queued(event.at)
        enqueue(state, job, event.at)
    _touch(state, job, event)


# --- while it runs ---------------------------------------------------------------------------------------------------


def apply_job_paused(state: State, event: e.JobPaused) -> None:
    job = _expect(state, event.id, event, Running, Paused)
    run = job.status.run  # type: ignore[union-attr]
    since = job.status.since if isinstance(job.status, Paused) else event.at
    why = event.why if event.reason in (PauseReason.SCHEDULING, PauseReason.USER) else None
    job.status = Paused(since, run, event.reason, resume_at=event.resume_at, why=why)
    if event.reason in (PauseReason.MEMORY, PauseReason.GPU):
        _note_intervention(state, event.at)
    _touch(state, job, event)


def apply_job_resume_wanted(state: State, event: e.JobResumeWanted) -> None:
    job = _expect(state, event.id, event, Paused)
    assert isinstance(job.status, Paused)
    job.status = replace(job.status, wants_resume=True, resume_at=None)
    _touch(state, job, event)


def apply_job_resumed(state: State, event: e.JobResumed) -> None:
    job = _expect(state, event.id, event, Paused)
    assert isinstance(job.status, Paused)
    _replace_attempt(job, paused_s=_paused_seconds(job, event.at))
    if job.settle_since is not None:
        # A job that stood still has shown nothing of its memory meanwhile.
        job.settle_since += max(0.0, event.at - job.status.since)
    if event.thaw:
        state.machine.last_thaw_at = event.at
        if not job.status.wants_resume:
            job.thaws = (*job.thaws[-9:], event.at)
    job.status = Running(event.at, job.status.run)
    _touch(state, job, event)


def apply_job_stopping(state: State, event: e.JobStopping) -> None:
    job = _expect(state, event.id, event, Starting, Running, Paused, Stopping)
    status = job.status
    if isinstance(status, Starting):
        run = RunRef(status.token)
    elif isinstance(status, Running | Paused | Stopping):
        run = status.run
    if isinstance(status, Paused):
        _replace_attempt(job, paused_s=_paused_seconds(job, event.at))
    # An end that comes after the first word was asked for, whatever was said later.
    since = status.since if isinstance(status, Stopping) else event.at
    job.status = Stopping(since, run, event.outcome, event.why, event.kill_at)
    _note_intervention(state, event.at)
    _touch(state, job, event)


def _note_intervention(state: State, at: float) -> None:
    """Something was done that changes memory: the guard waits for a reading that shows what came of it."""
    machine = state.machine
    machine.last_intervention_at = at
    machine.last_intervention_sample = machine.timed_samples
    machine.answered_thaw_at = machine.last_thaw_at


# --- ending ----------------------------------------------------------------------------------------------------------


def _verdict(job: Job, event: e.JobExited) -> Outcome | None:
    """What this end is called; None when the job goes back to its queue."""
    if isinstance(job.status, Stopping):
        # It may have ended by itself a moment before it was told to: then that is what happened. The helper's clock
        # and ours may differ a little, so only a success is taken for its own doing on such short notice.
        early_s = job.status.since - event.at
        if early_s <= 0 or (early_s < CLOCKS_DIFFER_S and event.exit_code != 0):
            return job.status.outcome
    if event.exit_code == 0:
        return Outcome.SUCCEEDED
    return Outcome.FAILED


def apply_job_exited(state: State, event: e.JobExited) -> None:
    job = _expect(state, event.id, event, Starting, Running, Paused, Stopping)
    verdict = _verdict(job, event)
    why = job.status.why if isinstance(job.status, Stopping) else None
    attempt = job.attempts[-1]
    peak = max((p for p in (event.peak_memory_bytes, job.peak_memory_bytes) if p is not None), default=None)
    ended_as = verdict
    # A failed run goes back to its line at most ``retries`` times; runs that we ended ourselves are not counted.
    if verdict is Outcome.FAILED and failed_runs(job) < job.spec.retries:
        verdict = None
        why = f"exit {event.exit_code}" if event.exit_code is not None else f"signal {event.signal}"
    started = event.started_at if event.started_at is not None else attempt.started_at
    attempt = _replace_attempt(
        job,
        started_at=started,
        identity=event.identity or attempt.identity,
        ended_at=event.at,
        exit_code=event.exit_code,
        signal=event.signal,
        outcome=ended_as,
        why=why,
        cpu_s=event.cpu_s,
        peak_memory_bytes=peak,
        paused_s=_paused_seconds(job, event.at),
    )
    state.usage.charge(job.spec, attempt)
    deactivate(state, job)
    job.peak_memory_bytes = peak
    if verdict is None:
        again = tries_again_at(job, event.at) if ended_as is Outcome.FAILED else None
        job.status = Queued(event.at, again)
        enqueue(state, job, event.at)
    else:
        finish(state, job, Finished(event.at, verdict, event.exit_code, event.signal, why))
        if verdict is Outcome.SUCCEEDED:
            _learn(state, job, attempt)
    _touch(state, job, event)


def _learn(state: State, job: Job, attempt: Attempt) -> None:
    if attempt.peak_memory_bytes is None or attempt.started_at is None or attempt.ended_at is None:
        return
    key = profile_key(job.spec)
    profile = state.profiles.get(key) or Profile(key)
    duration = max(0.0, attempt.ended_at - attempt.started_at - attempt.paused_s)
    state.profiles[key] = profile.with_run(attempt.peak_memory_bytes, duration, job.card_use)
    if len(profile.peaks_bytes) == RUNS_TO_TRUST - 1:
        regroup(state, job)


def apply_job_lost(state: State, event: e.JobLost) -> None:
    job = _expect(state, event.id, event, Starting, Running, Paused, Stopping)
    outcome, why = Outcome.LOST, event.why
    if isinstance(job.status, Stopping) and job.status.outcome is not None:
        # It was told to end and is gone: the end it was to have, although nobody saw it.
        outcome, why = job.status.outcome, job.status.why
    attempt = _replace_attempt(job, ended_at=event.at, outcome=outcome, why=why)
    state.usage.charge(job.spec, attempt)
    deactivate(state, job)
    finish(state, job, Finished(event.at, outcome, why=why))
    _touch(state, job, event)


def apply_job_cancelled(state: State, event: e.JobCancelled) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    if isinstance(job.status, Queued):
        dequeue(state, job)
    else:
        state.await_no_more(job)
    finish(state, job, Finished(event.at, event.outcome, why=event.why))
    _touch(state, job, event)


def apply_job_retried(state: State, event: e.JobRetried) -> None:
    job = _expect(state, event.id, event, Finished)
    state.finished_order.pop(job.id, None)
    state.count_element(job, -1)
    job.status = Queued(event.at)
    state.count_element(job, 1)
    state.take_key(job)
    job.bypassed = 0
    enqueue(state, job, event.at)
    _touch(state, job, event)


def apply_job_forgotten(state: State, event: e.JobForgotten) -> None:
    job = _expect(state, event.id, event, Finished)
    del state.jobs[job.id]
    state.finished_order.pop(job.id, None)
    state.leave_array(job.id)


# --- machine and settings --------------------------------------------------------------------------------------------


def apply_moment_reached(state: State, event: e.MomentReached) -> None:
    """Let jobs into the line whose begin time has come."""
    while state.begin_times and state.begin_times[0][0] <= event.at:
        id = state.begin_times[0][1]
        job = state.jobs[id]
        if job.spec.after and unmet(state, job):
            state.begin_times.pop(0)
            continue
        place_anew(state, job, event.at)
        state.touched[id] = None


def apply_mode_changed(state: State, event: e.ModeChanged) -> None:
    state.machine.mode = event.mode
    state.machine.mode_since = event.at
    state.machine.mode_causes = event.causes


def apply_intake_changed(state: State, event: e.IntakeChanged) -> None:
    if event.open:
        state.intake = Intake()
    else:
        state.intake = Intake(False, event.until, event.drain, event.gpu_only, event.why, event.at)


def apply_policy_changed(state: State, event: e.PolicyChanged) -> None:
    before, state.policy = state.policy, event.policy
    if any(getattr(before, name) != getattr(event.policy, name) for name in ORDERED_BY):
        state.switched_off = {}
        state.form_line()


def apply_strategy_remembered(state: State, event: e.StrategyRemembered) -> None:
    state.memories[event.section] = event.memory


def apply_strategy_chosen(state: State, event: e.StrategyChosen) -> None:
    state.chosen = event.strategy
    state.form_line()


def apply_strategy_failed(state: State, event: e.StrategyFailed) -> None:
    state.switch_off(event.strategy, event.why)


def apply_action_rejected(state: State, event: e.ActionRejected) -> None:
    job = state.jobs.get(event.id)
    if job is not None:
        _touch(state, job, event)


def apply_journal_health_changed(state: State, event: e.JournalHealthChanged) -> None:
    state.journal_error = event.error


_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    e.JobSubmitted: apply_job_submitted,
    e.JobRestored: apply_job_restored,
    e.JobHeld: apply_job_held,
    e.JobReleased: apply_job_released,
    e.JobEdited: apply_job_edited,
    e.JobMovedFirst: apply_job_moved_first,
    e.JobForced: apply_job_forced,
    e.JobBlocked: apply_job_blocked,
    e.JobStarting: apply_job_starting,
    e.JobStarted: apply_job_started,
    e.JobStartFailed: apply_job_start_failed,
    e.JobStartRevoked: apply_job_start_revoked,
    e.JobPaused: apply_job_paused,
    e.JobResumeWanted: apply_job_resume_wanted,
    e.JobResumed: apply_job_resumed,
    e.JobStopping: apply_job_stopping,
    e.JobExited: apply_job_exited,
    e.JobLost: apply_job_lost,
    e.JobCancelled: apply_job_cancelled,
    e.JobRetried: apply_job_retried,
    e.JobForgotten: apply_job_forgotten,
    e.JobsMeasured: apply_jobs_measured,
    e.MachineSampled: apply_machine_sampled,
    e.MomentReached: apply_moment_reached,
    e.ModeChanged: apply_mode_changed,
    e.IntakeChanged: apply_intake_changed,
    e.PolicyChanged: apply_policy_changed,
    e.StrategyRemembered: apply_strategy_remembered,
    e.StrategyFailed: apply_strategy_failed,
    e.StrategyChosen: apply_strategy_chosen,
    e.ActionRejected: apply_action_rejected,
    e.ClockRebased: apply_clock_rebased,
    e.JournalHealthChanged: apply_journal_health_changed,
}

"""The one transition table: ``apply(state, event)`` is the only way State changes; an illegal move raises."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tidegate.core import events as e
from tidegate.core.dependencies import broken, unmet
from tidegate.core.estimates import group_key
from tidegate.core.job import (
    Attempt,
    Dependency,
    Finished,
    Held,
    Job,
    JobId,
    Outcome,
    Paused,
    Queued,
    Running,
    RunRef,
    Starting,
    Stopping,
)
from tidegate.core.modes import observe
from tidegate.core.prediction import RUNS_TO_TRUST, Profile, profile_key
from tidegate.core.state import Intake, State

STORY_LENGTH = 8


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


def _learned_key(state: State, job: Job) -> str | None:
    if not state.profiles:
        return None
    key = profile_key(job.spec)
    profile = state.profiles.get(key)
    return key if profile is not None and len(profile.peaks_bytes) >= RUNS_TO_TRUST else None


def enqueue(state: State, job: Job, now: float) -> None:
    """Give a queued job its one place: in the line, or parked until a moment or another job's end."""
    spec = job.spec
    if spec.after and (dependency := broken(state, job)) is not None:
        _finish(state, job, Finished(now, Outcome.SKIPPED, why=_skipped(dependency)))
        return
    state.queued_count += 1
    waits_for_time = spec.begin_at is not None and spec.begin_at > now
    if waits_for_time or (spec.after and unmet(state, job)):
        state.park(job)
        return
    array = job.id.number if job.id.index is not None else None
    state.line.add(job.id, job.order_key, group_key(spec, _learned_key(state, job), array))


def dequeue(state: State, job: Job) -> None:
    """Take a queued job out of its place."""
    state.queued_count -= 1
    if job.id in state.line:
        state.line.remove(job.id)
    else:
        state.unpark(job)
    state.forced.pop(job.id, None)


def _activate(state: State, job: Job) -> None:
    state.active[job.id] = job
    if job.id.index is not None:
        state.array_running[job.id.number] = state.array_running.get(job.id.number, 0) + 1


def _deactivate(state: State, job: Job) -> None:
    del state.active[job.id]
    if job.id.index is not None:
        state.array_running[job.id.number] -= 1
        if not state.array_running[job.id.number]:
            del state.array_running[job.id.number]
    job.usage = None
    job.growth_bytes_s = 0.0
    job.settle_base_bytes = None
    job.settle_since = None


def _replace_attempt(job: Job, **changes: Any) -> Attempt:
    attempt = replace(job.attempts[-1], **changes)
    job.attempts = (*job.attempts[:-1], attempt)
    return attempt


def _finish(state: State, job: Job, finished: Finished) -> None:
    """End a job, let go who waited for it, and skip who can never run any more, however long the chain is."""
    ending = [(job, finished)]
    while ending:
        job, finished = ending.pop()
        job.status = finished
        state.finished_order[job.id] = None
        state.touched[job.id] = None
        for id in sorted(state.dependants.get(job.id.number, ())):
            waiting = state.jobs[id]
            dependency = broken(state, waiting)
            if dependency is not None:
                dequeue(state, waiting)
                ending.append((waiting, Finished(finished.at, Outcome.SKIPPED, why=_skipped(dependency))))
            elif not unmet(state, waiting):
                dequeue(state, waiting)
                enqueue(state, waiting, finished.at)
                state.touched[id] = None


def _skipped(dependency: Dependency) -> str:
    wanted = {"ok": "succeed", "any": "end", "failed": "fail"}[dependency.condition]
    return f"it was to run after job {dependency.job} would {wanted}, which did not happen"


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
    if event.id.index is not None:
        state.arrays.setdefault(event.id.number, []).append(event.id)
    if not event.held:
        enqueue(state, job, event.at)
    _touch(state, job, event)


def apply_job_restored(state: State, event: e.JobRestored) -> None:
    job = copy.copy(event.job)
    if job.id in state.jobs:
        raise IllegalMove(f"JobRestored for job {job.id}, which is already known")
    state.jobs[job.id] = job
    state.rank_first = min(state.rank_first, job.rank)
    if job.id.index is not None:
        state.arrays.setdefault(job.id.number, []).append(job.id)
    match job.status:
        case Queued():
            enqueue(state, job, event.at)
        case Finished():
            state.finished_order[job.id] = None
        case Starting() | Running() | Paused() | Stopping():
            _activate(state, job)
        case Held():
            pass
    _touch(state, job, event)


def apply_job_held(state: State, event: e.JobHeld) -> None:
    job = _expect(state, event.id, event, Queued)
    dequeue(state, job)
    job.status = Held(event.at)
    _touch(state, job, event)


def apply_job_released(state: State, event: e.JobReleased) -> None:
    job = _expect(state, event.id, event, Held)
    job.status = Queued(event.at)
    enqueue(state, job, event.at)
    _touch(state, job, event)


def apply_job_edited(state: State, event: e.JobEdited) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    queued = isinstance(job.status, Queued)
    forced = event.id in state.forced
    if queued:
        dequeue(state, job)
    job.spec = event.spec
    if queued:
        enqueue(state, job, event.at)
        if forced:
            state.forced[event.id] = None
    _touch(state, job, event)


def apply_job_moved_first(state: State, event: e.JobMovedFirst) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    queued = isinstance(job.status, Queued)
    if queued:
        dequeue(state, job)
    state.rank_first -= 1
    job.rank = state.rank_first
    if queued:
        enqueue(state, job, event.at)
    _touch(state, job, event)


def apply_job_forced(state: State, event: e.JobForced) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    if isinstance(job.status, Held):
        job.status = Queued(event.at)
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
    job.status = Starting(event.at, event.attempt, event.token)
    attempt = Attempt(
        number=event.attempt,
        token=event.token,
        intended_at=event.at,
        reserved_bytes=event.estimate.memory_bytes,
        devices=event.devices,
        waited_for=event.waited_for,
    )
    job.attempts = (*job.attempts, attempt)
    job.peak_memory_bytes = None
    _activate(state, job)
    if event.bypassed is not None and event.bypassed in state.jobs:
        state.jobs[event.bypassed].bypassed += 1
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
    _deactivate(state, job)
    _finish(state, job, Finished(event.at, Outcome.FAILED, why=event.error))
    _touch(state, job, event)


def apply_job_start_revoked(state: State, event: e.JobStartRevoked) -> None:
    job = _expect(state, event.id, event, Starting, Stopping)
    was = job.status
    job.attempts = job.attempts[:-1]
    _deactivate(state, job)
    if isinstance(was, Stopping) and was.outcome is not None:
        _finish(state, job, Finished(event.at, was.outcome, why=was.why))
    else:
        job.status = Queued(event.at)
        enqueue(state, job, event.at)
    _touch(state, job, event)


# --- while it runs ---------------------------------------------------------------------------------------------------


def apply_job_paused(state: State, event: e.JobPaused) -> None:
    job = _expect(state, event.id, event, Running, Paused)
    run = job.status.run  # type: ignore[union-attr]
    since = job.status.since if isinstance(job.status, Paused) else event.at
    job.status = Paused(since, run, event.reason, resume_at=event.resume_at)
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
    job.status = Running(event.at, job.status.run)
    if event.thaw:
        job.thaws = (*job.thaws[-9:], event.at)
        state.machine.last_thaw_at = event.at
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
    job.status = Stopping(event.at, run, event.outcome, event.why, event.kill_at)
    _touch(state, job, event)


# --- ending ----------------------------------------------------------------------------------------------------------


def _verdict(job: Job, event: e.JobExited) -> Outcome | None:
    """What this end is called; None when the job goes back to its queue."""
    # It may have ended by itself a moment before it was told to: then that is what happened.
    if isinstance(job.status, Stopping) and event.at >= job.status.since:
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
    # A run with failed outcome that may be retried goes back to its line, at most ``retries`` times.
    tried = len(job.attempts)
    if verdict is Outcome.FAILED and tried <= job.spec.retries:
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
        outcome=verdict,
        why=why,
        cpu_s=event.cpu_s,
        peak_memory_bytes=peak,
        paused_s=_paused_seconds(job, event.at),
    )
    _deactivate(state, job)
    job.peak_memory_bytes = peak
    if verdict is None:
        job.status = Queued(event.at)
        enqueue(state, job, event.at)
    else:
        _finish(state, job, Finished(event.at, verdict, event.exit_code, event.signal, why))
        if verdict is Outcome.SUCCEEDED:
            _learn(state, job, attempt)
    _touch(state, job, event)


def _learn(state: State, job: Job, attempt: Attempt) -> None:
    if attempt.peak_memory_bytes is None or attempt.started_at is None or attempt.ended_at is None:
        return
    key = profile_key(job.spec)
    profile = state.profiles.get(key) or Profile(key)
    duration = max(0.0, attempt.ended_at - attempt.started_at - attempt.paused_s)
    state.profiles[key] = profile.with_run(attempt.peak_memory_bytes, duration)
    if len(profile.peaks_bytes) == RUNS_TO_TRUST - 1:
        _regroup(state, job)


def _regroup(state: State, teacher: Job) -> None:
    # Once in the life of a key: its waiting jobs leave the group of the unknown and get one of their own.
    alike = [
        id
        for id in state.line
        if state.jobs[id].spec.command == teacher.spec.command and state.jobs[id].spec.cwd == teacher.spec.cwd
    ]
    for id in alike:
        job = state.jobs[id]
        state.line.remove(id)
        array = id.number if id.index is not None else None
        state.line.add(id, job.order_key, group_key(job.spec, _learned_key(state, job), array))


def apply_job_lost(state: State, event: e.JobLost) -> None:
    job = _expect(state, event.id, event, Starting, Running, Paused, Stopping)
    _replace_attempt(job, ended_at=event.at, outcome=Outcome.LOST, why=event.why)
    _deactivate(state, job)
    _finish(state, job, Finished(event.at, Outcome.LOST, why=event.why))
    _touch(state, job, event)


def apply_job_cancelled(state: State, event: e.JobCancelled) -> None:
    job = _expect(state, event.id, event, Queued, Held)
    if isinstance(job.status, Queued):
        dequeue(state, job)
    _finish(state, job, Finished(event.at, event.outcome, why=event.why))
    _touch(state, job, event)


def apply_job_retried(state: State, event: e.JobRetried) -> None:
    job = _expect(state, event.id, event, Finished)
    state.finished_order.pop(job.id, None)
    job.status = Queued(event.at)
    job.bypassed = 0
    enqueue(state, job, event.at)
    _touch(state, job, event)


def apply_job_forgotten(state: State, event: e.JobForgotten) -> None:
    job = _expect(state, event.id, event, Finished)
    del state.jobs[job.id]
    state.finished_order.pop(job.id, None)
    elements = state.arrays.get(job.id.number)
    if elements is not None and job.id in elements:
        elements.remove(job.id)
        if not elements:
            del state.arrays[job.id.number]


# --- machine and settings --------------------------------------------------------------------------------------------


def apply_jobs_measured(state: State, event: e.JobsMeasured) -> None:
    for id, usage in event.usage:
        job = state.active.get(id)
        if job is None or usage.memory_bytes is None:
            if job is not None:
                job.usage = usage
            continue
        before = job.usage
        if before is not None and before.memory_bytes is not None and usage.at > before.at:
            job.growth_bytes_s = (usage.memory_bytes - before.memory_bytes) / (usage.at - before.at)
        job.usage = usage
        job.peak_memory_bytes = max(job.peak_memory_bytes or 0, usage.memory_bytes)
        limit = 1.0 + state.policy.settle_growth_pct / 100.0
        if job.settle_base_bytes is None or usage.memory_bytes > job.settle_base_bytes * limit:
            job.settle_base_bytes = usage.memory_bytes
            job.settle_since = usage.at


def apply_machine_sampled(state: State, event: e.MachineSampled) -> None:
    observe(state.machine, state.policy, event.reading, event.timed)
    release_begun(state, event.at)


def release_begun(state: State, now: float) -> None:
    """Let jobs into the line whose begin time has come; the planner's wake-up and every sample do this."""
    while state.begin_times and state.begin_times[0][0] <= now:
        id = state.begin_times[0][1]
        job = state.jobs[id]
        if job.spec.after and unmet(state, job):
            state.begin_times.pop(0)
            continue
        dequeue(state, job)
        enqueue(state, job, now)
        state.touched[id] = None


def apply_mode_changed(state: State, event: e.ModeChanged) -> None:
    state.machine.mode = event.mode
    state.machine.mode_since = event.at
    state.machine.mode_causes = event.causes


def apply_intake_changed(state: State, event: e.IntakeChanged) -> None:
    state.intake = Intake(event.open, event.until, event.drain, event.gpu_only, None if event.open else event.why)


def apply_policy_changed(state: State, event: e.PolicyChanged) -> None:
    state.policy = event.policy


def apply_action_rejected(state: State, event: e.ActionRejected) -> None:
    job = state.jobs.get(event.id)
    if job is not None:
        _touch(state, job, event)


def apply_clock_rebased(state: State, event: e.ClockRebased) -> None:
    state.machine.memory_ema_pct = None
    state.machine.other_cpu_ema_pct = None
    for job in state.active.values():
        attempt = job.attempts[-1]
        if attempt.started_at is not None and not isinstance(job.status, Paused):
            _replace_attempt(job, paused_s=attempt.paused_s + max(0.0, event.jump_s))


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
    e.ModeChanged: apply_mode_changed,
    e.IntakeChanged: apply_intake_changed,
    e.PolicyChanged: apply_policy_changed,
    e.ActionRejected: apply_action_rejected,
    e.ClockRebased: apply_clock_rebased,
    e.JournalHealthChanged: apply_journal_health_changed,
}

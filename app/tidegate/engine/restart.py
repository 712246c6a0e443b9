"""Restart is a designed case: what journal and helper know becomes one truth; nothing runs twice (D10)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tidegate.core import events as e
from tidegate.core.job import Job, JobId, Paused, PauseReason, Running, Starting, Stopping
from tidegate.engine import notices
from tidegate.engine.ports import KnownRun, Reconnected, Restored
from tidegate.engine.strategist import META_AUTO
from tidegate.engine.telling import META_NEXT_NOTICE

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

log = logging.getLogger(__name__)

META_NEXT_NUMBER = "next_job_number"
META_NEXT_SEQUENCE = "next_job_sequence"
META_INTAKE = "intake"


async def restore(engine: Engine) -> None:
    """Read the journal, connect to the helper, and bring each job that had a run to where it really stands."""
    restored = engine.journal.load(engine.finished_in_memory)
    _load_jobs(engine, restored)
    engine.warnings.extend(restored.warnings)
    for warning in restored.warnings:
        engine.telling.tell(notices.warned(engine.clock.now(), warning))
    tokens = {job.attempts[-1].token: job.id for job in engine.state.active.values()}
    for token, id in tokens.items():
        engine.runs.register(token, id)
    known = await engine.processes.connect(engine.handle_process_events, list(tokens))
    reconcile(engine, known, tokens)


def _load_jobs(engine: Engine, restored: Restored) -> None:
    now = engine.clock.now()
    engine.telling.restore(restored.meta.get(META_NEXT_NOTICE))
    engine.advisor.restore(restored, now)
    engine.strategist.restore(restored.meta.get(META_AUTO), now)
    for profile in restored.profiles:
        engine.state.profiles[profile.key] = profile
    # Ended jobs first: others may wait for how they ended.
    for job in sorted(restored.jobs, key=lambda job: (job.outcome is None, job.sequence)):
        engine.store.apply(e.JobRestored(now, job))
        if engine.state.jobs[job.id].status == job.status:
            engine.store.unsaved.pop(job.id, None)  # it stands as it is written
    highest = max((job.id.number for job in restored.jobs), default=0)
    engine.next_number = max(int(restored.meta.get(META_NEXT_NUMBER, "1")), highest + 1)
    last_sequence = max((job.sequence for job in restored.jobs), default=0)
    engine.next_sequence = max(int(restored.meta.get(META_NEXT_SEQUENCE, "1")), last_sequence + 1)
    _load_intake(engine, restored.meta.get(META_INTAKE), now)


def _load_intake(engine: Engine, text: str | None, now: float) -> None:
    """A paused queue stays paused over a restart; written as ``until|drain|gpu_only|why`` or empty for open."""
    if not text:
        return
    until_text, drain, gpu_only, why = text.split("|", 3)
    until = float(until_text) if until_text else None
    if until is None or until > now:
        engine.store.apply(e.IntakeChanged(now, False, until, drain == "1", gpu_only == "1", why))


def intake_text(event: e.IntakeChanged) -> str:
    """The form in which the intake is kept."""
    if event.open:
        return ""
    until = "" if event.until is None else repr(event.until)
    return f"{until}|{int(event.drain)}|{int(event.gpu_only)}|{event.why}"


def reconcile(engine: Engine, known: Reconnected, tokens: dict[str, JobId]) -> None:
    """Each run we believe in is alive, has ended, never began, or left no trace."""
    alive = {run.token: run for run in known.alive}
    strangers = [token for token in alive if token not in tokens]
    if strangers:
        warning = f"The process helper runs {len(strangers)} jobs that the database does not know; they go on unseen."
        engine.warnings.append(warning)
        log.warning(warning)
    ended = {event.token for event in known.ended}
    for token, id in tokens.items():
        job = engine.state.jobs[id]
        if token in alive:
            _take_up(engine, job, alive[token])
        elif token not in ended:
            _no_trace(engine, job, token, known.helper_since)
    if known.ended:
        engine.handle_process_events(known.ended)


def _take_up(engine: Engine, job: Job, run: KnownRun) -> None:
    now = engine.clock.now()
    match job.status:
        case Starting() | Stopping():
            # Whether a word to end it arrived nobody knows, so it is said again.
            engine.runs.record_start(job, run.run, run.started_at)
        case Running():
            if run.paused:
                # A pause by the user was journaled before it was answered, so it was done to save the machine.
                engine.record(e.JobPaused(now, job.id, PauseReason.MEMORY))
        case Paused():
            if not run.paused:
                engine.record(e.JobResumed(now, job.id))
        case _:
            pass


def _no_trace(engine: Engine, job: Job, token: str, helper_since: float | None) -> None:
    now = engine.clock.now()
    attempt = job.attempts[-1]
    never_began = (
        isinstance(job.status, Starting | Stopping)
        and attempt.started_at is None
        and helper_since is not None
        and helper_since < attempt.intended_at
    )
    if never_began:
        why = "Tidegate stopped before the helper was asked to start it"
        engine.record(e.JobStartRevoked(now, job.id, token, why))
        return
    why = "its run left no trace while Tidegate was away"
    if isinstance(job.status, Starting):
        why = "Tidegate stopped while it was being started; whether it ran nobody knows, so it is not run again"
    log.warning("job %s: %s", job.id, why)
    engine.record(e.JobLost(now, job.id, why))

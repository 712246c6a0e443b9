"""Thawing: which job that the guard froze goes on next, and when (D7.4); and which ones paused otherwise may return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.core.job import Job, Paused, PauseReason, Running, Starting, Stopping
from tidegate.core.machine import Mode
from tidegate.core.reasons import WaitCode
from tidegate.core.state import State, is_frozen_by_guard

if TYPE_CHECKING:
    from tidegate.core.admission import Ledger

THAW_CALM_S = 10.0
LOW_WITHOUT_US_S = 30.0
AN_HOUR_S = 3600.0


def next_thaw(state: State, now: float) -> Job | None:
    """The most important frozen job, once memory bears it; a user's wish comes first and is not counted."""
    machine = state.machine
    if machine.last_thaw_at is not None and now - machine.last_thaw_at < THAW_CALM_S:
        return None
    if not (_calm(state) or _low_without_us(state, now)):
        return None
    frozen = [job for job in state.active.values() if is_frozen_by_guard(job) and not state.intake.freezes(job.spec)]
    wanted = [job for job in frozen if isinstance(job.status, Paused) and job.status.wants_resume]
    allowed = [job for job in frozen if thaw_allowed_at(state, job, now) is None]
    return min(wanted or allowed, key=lambda job: (job.spec.priority, job.attempts[-1].intended_at), default=None)


def thaw_allowed_at(state: State, job: Job, now: float) -> float | None:
    """When a job that was thawed too often may be thawed again without its user; None when it may be now."""
    most = state.policy.max_thaws_per_hour
    lately = [moment for moment in job.thaws if now - moment < AN_HOUR_S]
    if len(lately) < most:
        return None
    return (lately[-most] if most else now) + AN_HOUR_S


def may_return(state: State, job: Job, ledger: Ledger) -> bool:
    """A paused job's user wants it back, the time it was paused for is over, or what it was paused for goes on without
    it; one that waits for its turn goes on by itself only while no strategy is asked, and then into free places."""
    status = job.status
    assert isinstance(status, Paused)
    if status.wants_resume:
        return True
    match status.reason:
        case PauseReason.QUEUE:
            return not state.intake.freezes(job.spec)
        case PauseReason.SCHEDULING:
            if state.intake.freezes(job.spec) or WaitCode.NO_READING in ledger.gates:
                return False
            return bool(ledger.gates) or not state.section_of(job.spec.queue).strategy.rotates
        case PauseReason.MEMORY:
            return False
        case _:
            return status.resume_at is not None and status.resume_at <= ledger.now


def _calm(state: State) -> bool:
    """Memory is below the high line minus the hysteresis, and no emergency lasts."""
    machine, policy = state.machine, state.policy
    if machine.mode is Mode.EMERGENCY or machine.memory_ema_pct is None:
        return False
    if policy.memory_high_pct is None:
        return True
    return machine.memory_ema_pct < policy.memory_high_pct - policy.mode_hysteresis_pct


def _low_without_us(state: State, now: float) -> bool:
    """Memory stays scarce although none of our jobs runs: it is not ours, so one frozen job may try."""
    if any(isinstance(job.status, Running | Starting | Stopping) for job in state.active.values()):
        return False
    since = state.machine.stuck_low_since
    return since is not None and now - since >= LOW_WITHOUT_US_S

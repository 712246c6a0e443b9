"""Measuring: what timed readings of machine and jobs, and jumps of the clock, do to State (by transitions)."""

from __future__ import annotations

from dataclasses import replace

from tidegate.core import events as e
from tidegate.core.estimates import holding, other_programs_bytes
from tidegate.core.job import CardUse, Held, Job, Paused, Queued, Running, Starting, Stopping, Usage
from tidegate.core.machine import MachineReading
from tidegate.core.modes import observe, smoothed
from tidegate.core.state import State

# A job that was not measured so long after its start cannot be measured: its memory is then seen as others'.
UNMEASURED_S = 5.0
# Available memory always trembles a little; this much of the machine's memory per second counts as a real change.
TREMBLE_SHARE = 0.0005


def apply_jobs_measured(state: State, event: e.JobsMeasured) -> None:
    for id, usage in event.usage:
        job = state.active.get(id)
        if job is not None:
            _measure(job, usage, 1.0 + state.policy.settle_growth_pct / 100.0)


def _measure(job: Job, usage: Usage, growth_allowed: float) -> None:
    before, job.usage = job.usage, usage
    if usage.gpu_memory_bytes or usage.gpu_utilisation_pct:
        _note_cards(job, usage)
    memory = usage.memory_bytes
    if memory is None:
        return
    if before is not None and before.memory_bytes is not None and usage.at > before.at:
        job.growth_bytes_s = (memory - before.memory_bytes) / (usage.at - before.at)
    job.peak_memory_bytes = max(job.peak_memory_bytes or 0, memory)
    if job.settle_base_bytes is None or memory > job.settle_base_bytes * growth_allowed:
        job.settle_base_bytes = memory
        job.settle_since = usage.at


def _note_cards(job: Job, usage: Usage) -> None:
    use = job.card_use or CardUse()
    peak = max((size for _, size in usage.gpu_memory_bytes), default=None)
    if peak is not None:
        use = replace(use, peak_bytes=max(use.peak_bytes or 0, peak))
    if usage.gpu_utilisation_pct and isinstance(job.status, Running):
        busiest = max(pct for _, pct in usage.gpu_utilisation_pct)
        mean, readings = use.utilisation_pct or 0.0, use.readings + 1
        use = replace(use, utilisation_pct=mean + (busiest - mean) / readings, readings=readings)
    job.card_use = use


def apply_machine_sampled(state: State, event: e.MachineSampled) -> None:
    """Jobs were measured just before, so that what is not theirs can be told apart."""
    machine, reading = state.machine, event.reading
    before = machine.reading
    observe(machine, state.policy, reading, event.timed)
    if not event.timed:
        return
    machine.unknown_starts = 0
    machine.other_bytes = _others_bytes(state, reading)
    machine.cards_others_ema_pct = _others_on_cards(state, reading)
    _note_cpu(state, reading)
    _note_stuck_low(state, before, reading)


def _others_bytes(state: State, reading: MachineReading) -> int | None:
    if reading.memory_available_bytes is None:
        return None
    ours = unmeasured = 0
    for job in state.active.values():
        if job.usage is not None and job.usage.memory_bytes is not None:
            ours += job.usage.memory_bytes
        elif reading.at - job.attempts[-1].intended_at <= UNMEASURED_S and not state.waits_behind(job):
            unmeasured += job.attempts[-1].reserved_bytes or 0
    used = reading.memory_total_bytes - reading.memory_available_bytes
    return other_programs_bytes(used, ours, unmeasured, state.machine.other_bytes)


def _others_on_cards(state: State, reading: MachineReading) -> dict[int, float]:
    """How busy others keep each card, smoothed: what it shows less what is ours.

    A job of ours that was not measured counts with what is expected of it.
    """
    busy = {card.index: card.utilisation_pct for card in reading.gpus if card.utilisation_pct is not None}
    if not busy:
        return {}
    for job in state.active.values():
        if not isinstance(job.status, Running | Stopping) or job.estimate is None or job.estimate.card is None:
            continue
        measured = dict(job.usage.gpu_utilisation_pct) if job.usage is not None else {}
        for index in job.attempts[-1].devices:
            if index in busy:
                busy[index] -= measured.get(index, 100.0 * job.estimate.card.share)
    before, alpha = state.machine.cards_others_ema_pct, state.policy.ema_alpha
    return {index: smoothed(before.get(index), max(0.0, pct), alpha) for index, pct in busy.items()}


def _note_cpu(state: State, reading: MachineReading) -> None:
    """Since when other programs alone leave our jobs too little of the processor (D6)."""
    policy, others = state.policy, reading.other_cpu_cores
    if others is None:
        return
    held = [holding(job, policy, None, reading.at) for job in state.active.values() if not state.waits_behind(job)]
    free = reading.cores - sum(item.cores for item in held)
    busy = any(item.slots for item in held) and others_crowd(others, free, policy.cpu_hard_pct)
    if not busy:
        state.machine.cpu_busy_since = None
    elif state.machine.cpu_busy_since is None:
        state.machine.cpu_busy_since = reading.at


def others_crowd(others_cores: float, free_cores: float, hard_pct: float | None) -> bool:
    """Other programs alone use more than ``hard_pct`` of the cores that our jobs have not reserved."""
    return hard_pct is not None and free_cores > 0 and others_cores > free_cores * hard_pct / 100.0


def _note_stuck_low(state: State, before: MachineReading | None, reading: MachineReading) -> None:
    """Since when memory use has not fallen while none of our jobs runs (D7.4)."""
    machine = state.machine
    if any(isinstance(job.status, Starting | Running | Stopping) for job in state.active.values()):
        machine.stuck_low_since = None
        return
    now_free = reading.memory_available_bytes
    was_free = before.memory_available_bytes if before is not None else None
    fell = (
        now_free is not None
        and was_free is not None
        and now_free - was_free > TREMBLE_SHARE * (reading.memory_total_bytes)
    )
    if machine.stuck_low_since is None or fell:
        machine.stuck_low_since = reading.at


def apply_clock_rebased(state: State, event: e.ClockRebased) -> None:
    """The machine slept or its clock was set: no moment that something waits from may lie ahead, or long ago."""
    machine, jump = state.machine, event.jump_s

    def moved(moment: float | None) -> float | None:
        return None if moment is None else moment + jump

    machine.memory_ema_pct = None
    machine.other_cpu_ema_pct = None
    machine.cards_others_ema_pct = {}
    machine.mode_since = moved(machine.mode_since)
    machine.last_emergency_at = moved(machine.last_emergency_at)
    machine.cpu_busy_since = moved(machine.cpu_busy_since)
    machine.stuck_low_since = moved(machine.stuck_low_since)
    machine.last_intervention_at = moved(machine.last_intervention_at)
    machine.last_thaw_at = moved(machine.last_thaw_at)
    machine.answered_thaw_at = moved(machine.answered_thaw_at)
    state.usage.rebase(jump)
    state.memories = {}  # moments in them are of the old clock
    for job in list(state.parked.values()):
        if isinstance(job.status, Queued) and job.status.not_before is not None:
            state.unpark(job)
            job.status = replace(job.status, not_before=job.status.not_before + jump)
            state.park(job)
            state.touched[job.id] = None
    if jump < 0:
        _wait_on(state, jump)
    for job in state.active.values():
        job.settle_since = moved(job.settle_since)
        job.thaws = tuple(moment + jump for moment in job.thaws)
        attempt = job.attempts[-1]
        if attempt.started_at is None:
            continue
        # Time limits count from the start less what was paused: the jump is nobody's running time, in either direction.
        job.attempts = (*job.attempts[:-1], replace(attempt, paused_s=attempt.paused_s + jump))
        match job.status:
            case Paused() | Running():
                job.status = replace(job.status, since=job.status.since + jump)
            case Stopping(kill_at=float(kill_at)):
                job.status = replace(job.status, since=job.status.since + jump, kill_at=kill_at + jump)
            case _:
                pass
        state.touched[job.id] = None


def _wait_on(state: State, jump: float) -> None:
    """The clock was set back: nobody waits from a time ahead, or all who come later would be taken first."""
    for job in state.jobs.values():
        if isinstance(job.status, Queued | Held):
            job.status = replace(job.status, since=job.status.since + jump)
            state.touched[job.id] = None
    state.form_line()

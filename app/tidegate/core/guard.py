"""The guard: ``react(state, now)`` enforces limits and keeps the machine alive. It runs first and never plans (D7)."""

from __future__ import annotations

from tidegate.core.actions import Action, Kill, Pause, Resume, Terminate
from tidegate.core.admission import open_ledger
from tidegate.core.job import Job, Outcome, Paused, PauseReason, Running, Starting, Stopping, time_limit_at
from tidegate.core.machine import CardMode, Mode
from tidegate.core.measuring import TREMBLE_SHARE
from tidegate.core.policy import Policy
from tidegate.core.state import State, is_frozen_by_guard
from tidegate.core.texts import format_duration, format_size
from tidegate.core.thawing import next_thaw

THAW_BACKFIRED_S = 60.0
LAST_LINE_PACE_S = 1.0
OVERDUE_S = 2.0


def react(state: State, now: float) -> list[Action]:
    """What must be done now, whatever the plan: limits first, then the emergency ladder or the next thaw."""
    actions = enforce_limits(state, now)
    if state.machine.mode is Mode.EMERGENCY:
        actions += relieve(state, now)
    if not actions:
        actions += thaw(state, now)
    return actions + relieve_cards(state, now)


# --- limits the user set ---------------------------------------------------------------------------------------------


def enforce_limits(state: State, now: float) -> list[Action]:
    """Time limits (running time only), memory limits (where no cgroup holds them), and ends that are overdue."""
    actions: list[Action] = []
    for job in state.active.values():
        if isinstance(job.status, Stopping) and job.status.kill_at is not None:
            # The helper kills what outlives its grace by itself; this is for a helper that was lost meanwhile.
            if now >= job.status.kill_at + OVERDUE_S:
                actions.append(Kill(job.id, job.status.outcome, job.status.why))
            continue
        limit = job.spec.memory_limit_bytes
        if (limit is None and job.spec.time_limit_s is None) or not isinstance(job.status, Running | Paused):
            continue
        used = job.usage.memory_bytes if job.usage is not None else None
        if limit is not None and used is not None and used > limit:
            why = f"used {format_size(used)}, over its limit of {format_size(limit)}"
            actions.append(Kill(job.id, Outcome.OUT_OF_MEMORY, why))
            continue
        moment = time_limit_at(job)
        if isinstance(job.status, Running) and moment is not None and now >= moment:
            why = f"ran for {format_duration(job.spec.time_limit_s or 0)}, its time limit"
            actions.append(Terminate(job.id, Outcome.TIMED_OUT, why, state.policy.kill_timeout_s))
    return actions


# --- memory emergency ------------------------------------------------------------------------------------------------


def victims(jobs: list[Job]) -> list[Job]:
    """Least important first: over its own promise, then by class, then the fastest-growing, then the newest (D7)."""

    def key(job: Job) -> tuple[bool, int, float, float]:
        promise = job.spec.memory_bytes
        used = job.usage.memory_bytes if job.usage is not None else None
        over = promise is not None and used is not None and used > promise
        return (not over, -importance_class(job), -job.growth_bytes_s, -job.attempts[-1].intended_at)

    return sorted(jobs, key=key)


def importance_class(job: Job) -> int:
    """0 high (priorities 0-3), 1 normal (4-6), 2 low (7-9), D4."""
    return 0 if job.spec.priority <= 3 else 1 if job.spec.priority <= 6 else 2


def relieve(state: State, now: float) -> list[Action]:
    """One step of the ladder: freeze; when that is not enough, end one victim at a time; at the last line, kill."""
    machine, policy = state.machine, state.policy
    reading = machine.reading
    if reading is None or reading.memory_available_bytes is None:
        return []
    available, total = reading.memory_available_bytes, reading.memory_total_bytes
    if available < policy.last_line_bytes(total):
        return _last_line(state, now, available)
    if machine.timed_samples <= machine.last_intervention_sample:
        return []
    running = [job for job in state.active.values() if isinstance(job.status, Running)]
    freezable = victims([job for job in running if job.spec.preemptible])
    why = f"{format_size(available)} of memory left"
    worse = available < policy.reserve_bytes(total) or machine.falling_bytes_s > total * TREMBLE_SHARE
    step = _answer_thaw(state, worse)
    if freezable:
        # One is frozen at the crossing, further ones only until growth stops (D7.1).
        if worse or _just_crossed(state):
            freeze = freezable[: policy.preempt_count_per_tick]
            return [*step, *(Pause(job.id, PauseReason.MEMORY, why) for job in freeze)]
        return step
    if step or not worse or _ending(state):
        return step
    # What was done last, and what was frozen before this emergency began, is given time to show its effect.
    moments = (machine.last_intervention_at, machine.mode_since)
    if any(moment is not None and now - moment < policy.guard_settle_s for moment in moments):
        return []
    candidates = [job for job in state.active.values() if isinstance(job.status, Running | Paused)]
    return _next_step(candidates, policy, why, end_for_good=True)


def _just_crossed(state: State) -> bool:
    """The line was crossed and nothing was frozen for it yet; not so where one was thawed in spite of it (D7.4)."""
    machine = state.machine
    if any(is_frozen_by_guard(job) for job in state.active.values()):
        return False
    return machine.last_thaw_at is None or machine.mode_since is None or machine.last_thaw_at < machine.mode_since


def _answer_thaw(state: State, worse: bool) -> list[Action]:
    """A thaw that brought the emergency back within 60 s: the least important frozen job takes the next step (D7.4)."""
    machine = state.machine
    thawed, since = machine.last_thaw_at, machine.mode_since
    if thawed is None or since is None or thawed == machine.answered_thaw_at or _ending(state):
        return []
    came_back = thawed < since <= thawed + THAW_BACKFIRED_S
    if not (came_back or (since <= thawed and worse)):
        return []
    frozen = [job for job in state.active.values() if is_frozen_by_guard(job)]
    return _next_step(frozen, state.policy, "memory ran short again after a job was resumed", end_for_good=worse)


def _ending(state: State) -> bool:
    return any(isinstance(job.status, Stopping) for job in state.active.values())


def _next_step(jobs: list[Job], policy: Policy, why: str, end_for_good: bool) -> list[Action]:
    """One victim: back to its queue when it allows that, else, where that is called for, its end (D5, D7.2)."""
    ordered = victims([job for job in jobs if job.spec.preemptible])
    rerunnable = [job for job in ordered if job.spec.may_rerun]
    if rerunnable:
        return [Terminate(rerunnable[0].id, None, f"requeued: {why}", policy.kill_timeout_s)]
    if ordered and end_for_good:
        return [Terminate(ordered[0].id, Outcome.KILLED, f"ended to save the machine: {why}", policy.kill_timeout_s)]
    return []


def _last_line(state: State, now: float, available: int) -> list[Action]:
    """No time for anything mild: kill the first victim; the next when it is gone or a second has passed (D7.3)."""
    machine = state.machine
    # Only a fresh reading tells whether the last victim's end was enough.
    if machine.timed_samples <= machine.last_intervention_sample or machine.falling_bytes_s < 0:
        return []
    last = machine.last_intervention_at
    if last is not None and now - last < LAST_LINE_PACE_S and _ending(state):
        return []
    candidates = [
        job
        for job in state.active.values()
        if isinstance(job.status, Running | Paused | Starting) and not state.waits_behind(job)
    ]
    ordered = victims([job for job in candidates if job.spec.preemptible])
    ordered = ordered or victims(candidates)
    if not ordered:
        return []
    victim = ordered[0]
    why = f"only {format_size(available)} of memory left in the whole machine"
    return [Kill(victim.id, None if victim.spec.may_rerun else Outcome.KILLED, why)]


# --- thawing ---------------------------------------------------------------------------------------------------------


def thaw(state: State, now: float) -> list[Action]:
    """Let the next frozen job go on, alone, where it finds cores and a worker slot again (D7.4)."""
    job = next_thaw(state, now)
    if job is None:
        return []
    # In an emergency that is not ours nothing of ours runs, and nothing starts: no place is taken.
    in_emergency = state.machine.mode is Mode.EMERGENCY
    if not in_emergency and not open_ledger(state, now).has_place_for(job):
        return []
    return [Resume(job.id, thaw=True)]


# --- cards -----------------------------------------------------------------------------------------------------------


def pressed_cards(state: State) -> list[int]:
    """Cards over their emergency line that at least two of our jobs share, or one of ours shares with others (D6)."""
    if not state.policy.gpu_guard or state.machine.reading is None:
        return []
    pressed = []
    for card in state.machine.reading.gpus:
        if state.machine.cards.get(card.index) is not CardMode.EMERGENCY:
            continue
        jobs = [job for job in state.active.values() if job.attempts and card.index in job.attempts[-1].devices]
        ours = sum(dict(job.usage.gpu_memory_bytes).get(card.index, 0) for job in jobs if job.usage is not None)
        strangers = (card.memory_used_bytes or 0) - ours > (card.memory_total_bytes or 0) * 0.05
        if len(jobs) >= 2 or (jobs and strangers):
            pressed.append(card.index)
    return pressed


def relieve_cards(state: State, now: float) -> list[Action]:
    """Freezing frees no card memory: the least important job of a pressed card is requeued or ended, one at a time."""
    actions: list[Action] = []
    machine, policy = state.machine, state.policy
    settle = machine.last_intervention_at is None or now - machine.last_intervention_at >= policy.guard_settle_s
    if not settle or _ending(state):
        return []
    for index in pressed_cards(state)[:1]:
        jobs = [
            job
            for job in state.active.values()
            if isinstance(job.status, Running | Paused) and job.spec.preemptible and index in job.attempts[-1].devices
        ]
        ordered = victims(jobs)
        if ordered:
            victim = next((job for job in ordered if job.spec.may_rerun), ordered[0])
            outcome = None if victim.spec.may_rerun else Outcome.KILLED
            why = f"GPU {index} is almost out of memory"
            actions.append(Terminate(victim.id, outcome, why, policy.kill_timeout_s))
    return actions

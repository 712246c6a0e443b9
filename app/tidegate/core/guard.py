"""The guard: ``react(state, now)`` enforces limits and keeps the machine alive. It runs first and never plans (D7)."""

from __future__ import annotations

from tidegate.core.actions import Action, Kill, Pause, Resume, Terminate
from tidegate.core.job import Job, Outcome, Paused, PauseReason, Running, Starting, Stopping
from tidegate.core.machine import CardMode, Mode
from tidegate.core.planner import time_limit_at
from tidegate.core.policy import Policy
from tidegate.core.state import State, is_frozen_by_guard
from tidegate.core.texts import format_duration, format_size

THAW_CALM_S = 10.0
THAW_BACKFIRED_S = 60.0
LOW_WITHOUT_US_S = 30.0
LAST_LINE_PACE_S = 1.0
# Available memory always trembles a little; this much of the machine's memory per second counts as falling.
FALLING_SHARE = 0.0005


def react(state: State, now: float) -> list[Action]:
    """What must be done now, whatever the plan: limits first, then the emergency ladder or the next thaw."""
    actions = enforce_limits(state, now)
    if state.machine.mode is Mode.EMERGENCY:
        actions += relieve(state, now)
        thaw_anyway = _low_without_us(state, now)
    else:
        thaw_anyway = False
    if not actions and (state.machine.mode is not Mode.EMERGENCY or thaw_anyway):
        actions += thaw(state, now, thaw_anyway)
    return actions + relieve_cards(state, now)


# --- limits the user set ---------------------------------------------------------------------------------------------


def enforce_limits(state: State, now: float) -> list[Action]:
    """Time limits (running time only) and memory limits (where no cgroup holds them)."""
    actions: list[Action] = []
    for job in state.active.values():
        if not isinstance(job.status, Running | Paused):
            continue
        limit = job.spec.memory_limit_bytes
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
    worse = available < policy.reserve_bytes(total) or machine.falling_bytes_s > total * FALLING_SHARE
    if freezable:
        if _backfired(state, now):
            return _end_least_important(state, policy, "memory ran short again after it was resumed")
        # One is frozen at the crossing, further ones only until growth stops (D7.1).
        if worse or not any(is_frozen_by_guard(job) for job in state.active.values()):
            return [Pause(job.id, PauseReason.MEMORY, why) for job in freezable[: policy.preempt_count_per_tick]]
        return []
    if not worse or _ending(state):
        return []
    if machine.last_intervention_at is not None and now - machine.last_intervention_at < policy.guard_settle_s:
        return []
    return _end_least_important(state, policy, why)


def _ending(state: State) -> bool:
    return any(isinstance(job.status, Stopping) for job in state.active.values())


def _backfired(state: State, now: float) -> bool:
    thawed = state.machine.last_thaw_at
    frozen = any(is_frozen_by_guard(job) for job in state.active.values())
    return frozen and thawed is not None and now - thawed <= THAW_BACKFIRED_S and not _ending(state)


def _end_least_important(state: State, policy: Policy, why: str) -> list[Action]:
    """The next step for one victim: back to its queue when it allows that, else its end, with the reason (D5)."""
    candidates = [job for job in state.active.values() if isinstance(job.status, Running | Paused)]
    ordered = victims([job for job in candidates if job.spec.preemptible])
    rerunnable = [job for job in ordered if job.spec.may_rerun]
    if rerunnable:
        return [Terminate(rerunnable[0].id, None, f"requeued: {why}", policy.kill_timeout_s)]
    if ordered:
        return [Terminate(ordered[0].id, Outcome.KILLED, f"ended to save the machine: {why}", policy.kill_timeout_s)]
    return []


def _last_line(state: State, now: float, available: int) -> list[Action]:
    """No time for anything mild: kill the first victim; the next when it is gone or a second has passed (D7.3)."""
    last = state.machine.last_intervention_at
    dying = any(isinstance(job.status, Stopping) for job in state.active.values())
    if last is not None and now - last < LAST_LINE_PACE_S and dying:
        return []
    candidates = [job for job in state.active.values() if isinstance(job.status, Running | Paused | Starting)]
    ordered = victims([job for job in candidates if job.spec.preemptible])
    ordered = ordered or victims(candidates)
    if not ordered:
        return []
    victim = ordered[0]
    why = f"only {format_size(available)} of memory left in the whole machine"
    return [Kill(victim.id, None if victim.spec.may_rerun else Outcome.KILLED, why)]


# --- thawing ---------------------------------------------------------------------------------------------------------


def _low_without_us(state: State, now: float) -> bool:
    """The emergency stays although none of our jobs runs: it is not ours, so one frozen job may try (D7.4)."""
    if any(isinstance(job.status, Running | Starting | Stopping) for job in state.active.values()):
        return False
    since = state.machine.last_intervention_at
    return since is not None and now - since >= LOW_WITHOUT_US_S and state.machine.falling_bytes_s == 0


def thaw(state: State, now: float, anyway: bool = False) -> list[Action]:
    """Let the most important frozen job go on, alone, once memory is below the high line minus the hysteresis."""
    machine, policy = state.machine, state.policy
    frozen = [job for job in state.active.values() if is_frozen_by_guard(job)]
    if not frozen or (machine.last_thaw_at is not None and now - machine.last_thaw_at < THAW_CALM_S):
        return []
    line = None if policy.memory_high_pct is None else policy.memory_high_pct - policy.mode_hysteresis_pct
    calm = machine.memory_ema_pct is not None and (line is None or machine.memory_ema_pct < line)
    if not (calm or anyway):
        return []
    allowed = [job for job in frozen if sum(now - t < 3600 for t in job.thaws) < policy.max_thaws_per_hour]
    wanted = [job for job in frozen if isinstance(job.status, Paused) and job.status.wants_resume]
    ordered = sorted(wanted or allowed, key=lambda job: (job.spec.priority, job.attempts[-1].intended_at))
    return [Resume(ordered[0].id, thaw=True)] if ordered else []


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

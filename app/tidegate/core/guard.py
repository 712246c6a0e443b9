"""The guard: ``react(state, now)`` enforces limits and keeps the machine alive. It runs first and never plans (D7)."""

from __future__ import annotations

from tidegate.core.actions import Action, Kill, Pause, Resume, Terminate
from tidegate.core.admission import open_ledger
from tidegate.core.job import (
    Job,
    Outcome,
    Paused,
    PauseReason,
    Running,
    Starting,
    Stopping,
    time_limit_at,
    worked_core_s,
)
from tidegate.core.machine import CardMode, Mode
from tidegate.core.measuring import TREMBLE_SHARE
from tidegate.core.state import State, is_frozen_by_guard
from tidegate.core.texts import format_duration, format_size
from tidegate.core.thawing import next_thaw
from tidegate.core.victims import Amounts, Candidate, best_set

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
    if not any(isinstance(action, Terminate | Kill) for action in actions):
        actions += relieve_cards(state, now)
    return actions


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
        if state.policy.time_limits and isinstance(job.status, Running) and moment is not None and now >= moment:
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


MEMORY = "memory"


def shortage(state: State, cards: bool = True) -> dict[str, float]:
    """Bytes missing now, all at once: memory up to where the emergency ends, each pressed card by its own number."""
    policy, reading = state.policy, state.machine.reading
    missing: dict[str, float] = {}
    if reading is None:
        return missing
    line = policy.memory_line_bytes(reading.memory_total_bytes)
    if state.machine.mode is Mode.EMERGENCY and line is not None and reading.memory_available_bytes is not None:
        used = reading.memory_total_bytes - reading.memory_available_bytes
        missing[MEMORY] = max(1, used - line)
    pressed = set(pressed_cards(state)) if cards else set()
    for card in reading.gpus:
        if card.index in pressed:
            line = int((card.memory_total_bytes or 0) * policy.gpu_memory_emergency_pct / 100.0)
            missing[_card(card.index)] = max(1, (card.memory_used_bytes or 0) - line)
    return missing


def _card(index: int) -> str:
    return f"gpu:{index}"


def _gives(job: Job) -> dict[str, float]:
    """What the end of this job frees, as measured; what it was promised where it has not been measured yet."""
    attempt = job.attempts[-1]
    used = job.usage.memory_bytes if job.usage is not None else None
    gives: dict[str, float] = {MEMORY: attempt.reserved_bytes or 0 if used is None else used}
    measured = dict(job.usage.gpu_memory_bytes) if job.usage is not None else {}
    promised = job.spec.gpu.memory_bytes or 0 if job.spec.gpu is not None else 0
    return gives | {_card(index): measured.get(index, promised) for index in {*attempt.devices, *measured}}


def _over_promise(job: Job, missing: Amounts) -> bool:
    """It uses more of something that is short than it said it would."""
    gives, card = _gives(job), job.spec.gpu.memory_bytes if job.spec.gpu is not None else None
    promised = {name: job.spec.memory_bytes if name == MEMORY else card for name in missing}
    return any(promise is not None and gives.get(name, 0) > promise for name, promise in promised.items())


def next_victim(jobs: list[Job], missing: Amounts, now: float) -> Job | None:
    """The first of the best set to end for what is missing; a fresh reading tells whether there is a next (D7).

    Jobs over their promise go before anyone else. Of the others, those that may run again are enough if they can be.
    """
    greedy = [job for job in jobs if _over_promise(job, missing)]
    for some in [greedy] if greedy else [[job for job in jobs if job.spec.may_rerun], jobs]:
        chosen = best_set([_candidate(job, now) for job in some], missing)
        if chosen:
            return next(job for job in some if job.id == chosen[0].id)
    # Not enough even together: each is still a step.
    return next(iter(victims(greedy or jobs)), None)


def _candidate(job: Job, now: float) -> Candidate:
    return Candidate(job.id, -importance_class(job), _gives(job), worked_core_s(job, now))


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
    step = _answer_thaw(state, now, worse)
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
    return _next_step(state, candidates, now, why, end_for_good=True)


def _just_crossed(state: State) -> bool:
    """The line was crossed and nothing was frozen for it yet; not so where one was thawed in spite of it (D7.4)."""
    machine = state.machine
    if any(is_frozen_by_guard(job) for job in state.active.values()):
        return False
    return machine.last_thaw_at is None or machine.mode_since is None or machine.last_thaw_at < machine.mode_since


def _answer_thaw(state: State, now: float, worse: bool) -> list[Action]:
    """A thaw that brought the emergency back within 60 s: the least important frozen job takes the next step (D7.4)."""
    machine = state.machine
    thawed, since = machine.last_thaw_at, machine.mode_since
    if thawed is None or since is None or thawed == machine.answered_thaw_at or _ending(state):
        return []
    came_back = thawed < since <= thawed + THAW_BACKFIRED_S
    if not (came_back or (since <= thawed and worse)):
        return []
    frozen = [job for job in state.active.values() if is_frozen_by_guard(job)]
    return _next_step(state, frozen, now, "memory ran short again after a job was resumed", end_for_good=worse)


def _ending(state: State) -> bool:
    return any(isinstance(job.status, Stopping) for job in state.active.values())


def _next_step(state: State, jobs: list[Job], now: float, why: str, end_for_good: bool) -> list[Action]:
    """One victim: back to its queue when it allows that, else, where that is called for, its end (D5, D7.2)."""
    willing = [job for job in jobs if job.spec.preemptible and (end_for_good or job.spec.may_rerun)]
    victim = next_victim(willing, shortage(state), now)
    if victim is None:
        return []
    if victim.spec.may_rerun:
        return [Terminate(victim.id, None, f"requeued: {why}", state.policy.kill_timeout_s)]
    return [Terminate(victim.id, Outcome.KILLED, f"ended to save the machine: {why}", state.policy.kill_timeout_s)]


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
    willing = [job for job in candidates if job.spec.preemptible]
    victim = next_victim(willing or candidates, shortage(state, cards=False), now)
    if victim is None:
        return []
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
    """Freezing frees no card memory: of the best set for all pressed cards one is requeued or ended at a time."""
    machine, policy = state.machine, state.policy
    settled = machine.last_intervention_at is None or now - machine.last_intervention_at >= policy.guard_settle_s
    missing = {name: amount for name, amount in shortage(state).items() if name != MEMORY}
    if not missing or not settled or _ending(state):
        return []
    jobs = [
        job
        for job in state.active.values()
        if isinstance(job.status, Running | Paused)
        and job.spec.preemptible
        and any(_card(index) in missing for index in job.attempts[-1].devices)
    ]
    victim = next_victim(jobs, missing, now)
    if victim is None:
        return []
    index = next(index for index in victim.attempts[-1].devices if _card(index) in missing)
    why = f"GPU {index} is almost out of memory"
    return [Terminate(victim.id, None if victim.spec.may_rerun else Outcome.KILLED, why, policy.kill_timeout_s)]

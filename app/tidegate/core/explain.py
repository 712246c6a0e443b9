"""Codes become sentences a person would say, with the numbers behind them; table, CLI and API show the same objects."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.core.admission import Ledger, QueueUse, could_ever_fit, expected, failing
from tidegate.core.card_reasons import cards_in_the_way, explain_cards
from tidegate.core.dependencies import unmet
from tidegate.core.job import (
    HELD_BY_USER,
    Held,
    Job,
    JobId,
    Paused,
    PauseReason,
    Queued,
    Running,
    Starting,
    failed_runs,
)
from tidegate.core.machine import Mode
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State, what_it_raised
from tidegate.core.strategies.protocol import Explains
from tidegate.core.texts import format_duration, format_moment, format_size
from tidegate.core.thawing import thaw_allowed_at

_TURN = frozenset({WaitCode.WORKERS, WaitCode.CPU})
"""Pass by themselves as jobs end, so they tell least: what the job needs and does not get comes before them."""


Holder = Callable[[Job], JobId | None]
"""Names the blocked job that one which would fit may not pass."""


def explain_all(state: State, job: Job, ledger: Ledger, holder: Holder) -> tuple[WaitReason, ...]:
    """Every reason why this job is not running, the most telling first; empty for one that runs or has ended."""
    match job.status:
        case Held(why=why):
            text = "on hold until you release it" if why == HELD_BY_USER else f"on hold: {why}"
            return (WaitReason(WaitCode.HELD, text),)
        case Paused():
            return (_paused(state, job, ledger),)
        case Queued() if job.id in state.parked:
            return tuple(_parked(state, job, ledger.now))
        case Queued():
            return tuple(_queued(state, job, ledger, holder))
        case _:
            return ()


def _paused(state: State, job: Job, ledger: Ledger) -> WaitReason:
    status = job.status
    assert isinstance(status, Paused)
    since = format_duration(max(0.0, ledger.now - status.since))
    due = status.resume_at is not None and status.resume_at <= ledger.now
    queue_goes_on = status.reason is PauseReason.QUEUE and not state.intake.freezes(job.spec)
    if status.wants_resume or queue_goes_on or (due and status.reason is not PauseReason.QUEUE):
        text = (
            "goes on as soon as there is memory for it"
            if status.reason is PauseReason.MEMORY
            else f"waits for a free place to go on{_full_queue(job, ledger)}{cards_in_the_way(state, job, ledger)}"
        )
        return WaitReason(WaitCode.WAITING_TO_RESUME, text)
    match status.reason:
        case PauseReason.USER:
            text = f"paused {since} ago: {status.why}" if status.why else f"paused by you {since} ago"
        case PauseReason.QUEUE:
            text = f"the queue was paused {since} ago"
        case PauseReason.MEMORY:
            again = thaw_allowed_at(state, job, ledger.now)
            if again is not None:
                moment = format_moment(again, ledger.now)
                text = f"paused for memory again and again; goes on after {moment}, or when you resume it"
                return WaitReason(WaitCode.PAUSED, text, until=again)
            text = f"paused for memory {since} ago; goes on when there is room"
        case PauseReason.GPU:
            text = f"paused for GPU memory {since} ago"
        case PauseReason.SCHEDULING:
            own = _of_strategy(state, job, ledger, [])
            if own is not None:
                return own
            text = f"paused {since} ago: {status.why}" if status.why else f"paused for another job {since} ago"
    if status.resume_at is not None:
        text += f", until {format_moment(status.resume_at, ledger.now)}"
    return WaitReason(WaitCode.PAUSED, text, until=status.resume_at)


def _parked(state: State, job: Job, now: float) -> list[WaitReason]:
    reasons: list[WaitReason] = []
    begin = job.spec.begin_at
    if begin is not None and begin > now:
        reasons.append(WaitReason(WaitCode.BEGIN, f"starts no earlier than {format_moment(begin, now)}", until=begin))
    if isinstance(job.status, Queued) and job.status.not_before is not None and job.status.not_before > now:
        reasons.append(_tries_again(job, job.status.not_before, now))
    waiting = unmet(state, job)
    if waiting:
        names = [_called(state, d.job) for d in waiting[:3]]
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        reasons.append(WaitReason(WaitCode.DEPENDENCY, f"after {', '.join(names)}{more}"))
    return reasons or [WaitReason(WaitCode.NEXT, "starts next")]


def _tries_again(job: Job, at: float, now: float) -> WaitReason:
    """``tries again at 14:32 (attempt 2 of 4, exit 1)``; runs that were ended for others' sake are not counted."""
    failed, most = failed_runs(job), job.spec.retries + 1
    why = f", {job.attempts[-1].why}" if job.attempts and job.attempts[-1].why else ""
    text = f"tries again at {format_moment(at, now)} (attempt {failed + 1} of {most}{why})"
    return WaitReason(WaitCode.RETRY, text, {"attempt": failed + 1, "most": most}, until=at)


def _name(state: State, id: JobId) -> str:
    ids = state.elements(id.number) if id not in state.jobs else [id]
    return state.jobs[ids[0]].spec.name if ids else "job"


def _queued(state: State, job: Job, ledger: Ledger, holder: Holder) -> list[WaitReason]:
    figure = expected(state, job, ledger)
    codes, _ = failing(state, job, figure, ledger)
    codes.sort(key=_TURN.__contains__)
    reasons = [explain(code, state, job, figure, ledger) for code in codes]
    own = _of_strategy(state, job, ledger, codes)
    if own is not None:
        reasons.insert(0, own)
    if reasons:
        return reasons
    ahead = holder(job)
    if ahead is not None:
        return [behind(state, ahead)]
    return [WaitReason(WaitCode.NEXT, "starts next")]


def _of_strategy(state: State, job: Job, ledger: Ledger, codes: list[WaitCode]) -> WaitReason | None:
    """What the strategy of its queue does to this job, where it tells."""
    section = state.section_of(job.spec.queue)
    if not isinstance(section.strategy, Explains):
        return None
    try:
        return section.strategy.reason(state, job, ledger, codes)
    except Exception as error:  # noqa: BLE001 (a strategy is others' code; who asks why gets the other reasons)
        code = WaitCode.PAUSED if isinstance(job.status, Paused) else WaitCode.TURN
        return WaitReason(code, f"its strategy {section.name} cannot say why: {what_it_raised(error)}")


def explain(code: WaitCode, state: State, job: Job, figure: Estimate, ledger: Ledger) -> WaitReason:
    """One code as a reason with its sentence, its numbers and, where known, the moment it may end."""
    now, policy = ledger.now, ledger.policy
    match code:
        case WaitCode.MEMORY:
            return _memory(state, figure, ledger)
        case WaitCode.WORKERS:
            most = ledger.slots_max or 0
            mode = "" if ledger.mode is Mode.NORMAL else f" while the mode is {ledger.mode.value}"
            text = f"waits its turn: {ledger.slots} of {most} jobs run{mode}{_after(state)}"
            return WaitReason(code, text, {"running": ledger.slots, "most": most})
        case WaitCode.CPU:
            free = max(0.0, ledger.cores - ledger.reserved_cores)
            text = f"needs {_cores(figure.cores)}, {free:g} of {ledger.cores:g} free{_after(state)}"
            return WaitReason(code, text, {"needed_cores": figure.cores, "free_cores": free})
        case WaitCode.CPU_BUSY:
            return WaitReason(code, "other programs keep the processor busy · a minute at most")
        case WaitCode.UNSETTLED:
            name = _name(state, ledger.unsettled) if ledger.unsettled is not None else "another job"
            text = f"its memory need is not known; starts when {name} shows its own (say --mem to start sooner)"
            return WaitReason(code, text)
        case WaitCode.START_RATE:
            return WaitReason(code, "its memory need is not known; such jobs start a few at a time")
        case WaitCode.MODE:
            causes = "; ".join(state.machine.mode_causes)
            return WaitReason(code, f"nothing starts in an emergency{': ' + causes if causes else ''}")
        case WaitCode.PRIORITY_CUTOFF:
            cutoff = policy.high_mode_priority_cutoff
            text = f"the machine is nearly full: only priorities 0 to {cutoff} start, this one has {job.spec.priority}"
            return WaitReason(code, text, {"priority": job.spec.priority, "cutoff": cutoff})
        case WaitCode.QUEUE_PAUSED:
            return WaitReason(code, _until("the queue is paused", state.intake.until, now), until=state.intake.until)
        case WaitCode.GPU_PAUSED:
            text = _until("jobs with a GPU are paused", state.intake.until, now)
            return WaitReason(code, text, until=state.intake.until)
        case WaitCode.NO_READING:
            return WaitReason(code, "the machine's memory could not be read; nothing starts until it can")
        case WaitCode.JOURNAL:
            return WaitReason(code, f"the journal cannot be written: {state.journal_error}")
        case WaitCode.MEMORY_PRESSURE:
            return WaitReason(code, "programs are already waiting for memory; nothing more is added")
        case WaitCode.ARRAY_LIMIT:
            limit = job.spec.array_parallel or 0
            return WaitReason(code, f"at most {limit} of this array run at once", {"most": limit})
        case WaitCode.BEHIND:
            return behind(state, None)
        case WaitCode.QUEUE_LIMIT:
            return _queue_limit(job, figure, ledger)
        case WaitCode.LOCK:
            return _lock(state, job, ledger)
        case WaitCode.GPU_MEMORY | WaitCode.GPU_BUSY | WaitCode.GPU_HOT | WaitCode.GPU_UNREADABLE:
            return explain_cards(code, state, job, figure, ledger)
        case _:
            return WaitReason(code, str(code).replace("_", " "))


def behind(state: State, ahead: JobId | None) -> WaitReason:
    """It would fit, but would take what a job before it waits for."""
    name = _called(state, ahead) if ahead is not None else "a job"
    return WaitReason(WaitCode.BEHIND, f"behind {name}: it would take what that one waits for")


def _queue_limit(job: Job, figure: Estimate, ledger: Ledger) -> WaitReason:
    """Which of its queue's own limits is reached."""
    code = WaitCode.QUEUE_LIMIT
    use = ledger.queue_use(job.spec.queue)
    if use is None:
        return WaitReason(code, f"the queue {job.spec.queue} is at its limit")
    limits, name = use.policy, use.policy.name
    if use.is_full:
        numbers = {"running": float(use.running), "most": float(limits.max_running or 0)}
        return WaitReason(code, _is_full(use), numbers)
    if limits.memory_bytes is not None and use.memory_bytes + figure.memory_bytes > limits.memory_bytes:
        free = max(0, limits.memory_bytes - use.memory_bytes)
        text = (
            f"needs {format_size(figure.memory_bytes)}, {format_size(free)} left of the"
            f" {format_size(limits.memory_bytes)} of the queue {name}"
        )
        return WaitReason(code, text, {"needed_bytes": float(figure.memory_bytes), "free_bytes": float(free)})
    most = limits.cards or 0
    text = f"needs {_gpus(job.spec.gpu.cards)}, " if job.spec.gpu is not None and job.spec.gpu.cards > 1 else ""
    text += f"the queue {name} holds {use.cards} of at most {_gpus(most)}"
    return WaitReason(code, text, {"held": float(use.cards), "most": float(most)})


def _is_full(use: QueueUse) -> str:
    most = use.policy.max_running or 0
    return f"the queue {use.policy.name} runs {use.running} of at most {most} {'job' if most == 1 else 'jobs'}"


def _full_queue(job: Job, ledger: Ledger) -> str:
    """That its own queue keeps a paused job from going on; empty: it does not."""
    use = ledger.queue_use(job.spec.queue)
    return f" · {_is_full(use)}" if use is not None and use.is_full else ""


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _memory(state: State, figure: Estimate, ledger: Ledger) -> WaitReason:
    free = max(0, ledger.headroom_bytes or 0)
    text = f"needs {format_size(figure.memory_bytes)}, {format_size(free)} free"
    numbers = {"needed_bytes": float(figure.memory_bytes), "free_bytes": float(free)}
    return WaitReason(WaitCode.MEMORY, text + _memory_holder(state, figure, ledger), numbers)


def _memory_holder(state: State, figure: Estimate, ledger: Ledger) -> str:
    """Who has it: other programs where no end of ours would be enough, else the largest of ours, after the next end."""
    if ledger.largest is None or not could_ever_fit(figure, ledger):
        return f" · other programs use {format_size(ledger.other_bytes or 0)}"
    holder, held_bytes = ledger.largest
    after, name = _after(state), _name(state, holder)
    of_it = f" (job {holder}, {format_size(held_bytes)})"
    return after + of_it if after == f" · after {name}" else f"{after} · held by {name}{of_it}"


def _called(state: State, id: JobId) -> str:
    return f"{_name(state, id)} (job {id})"


def _after(state: State) -> str:
    """Names the running job that should end first, where durations are known; or the only one there is."""
    running = [
        job
        for job in state.active.values()
        if isinstance(job.status, Running | Starting) and not state.waits_behind(job)
    ]
    if len(running) == 1:
        return f" · after {running[0].spec.name}"
    ends = []
    for job in running:
        attempt = job.attempts[-1]
        duration = job.estimate.duration_s if job.estimate is not None else None
        if duration is not None and attempt.started_at is not None:
            ends.append((attempt.started_at + attempt.paused_s + duration, job.spec.name))
    return f" · after {min(ends)[1]}" if ends else ""


def _lock(state: State, job: Job, ledger: Ledger) -> WaitReason:
    for lock in job.spec.locks:
        holder = ledger.locks.get(lock)
        if holder is not None:
            return WaitReason(WaitCode.LOCK, f"{_called(state, holder)} has the lock {lock}")
    return WaitReason(WaitCode.LOCK, "another job has its lock")


def _until(text: str, until: float | None, now: float) -> str:
    return text if until is None else f"{text} until {format_moment(until, now)}"


def _cores(count: float) -> str:
    return "1 core" if count == 1 else f"{count:g} cores"

"""Codes become sentences a person would say, with the numbers behind them; table, CLI and API show the same objects."""

from __future__ import annotations

from tidegate.core.admission import Ledger, could_ever_fit, expected, failing
from tidegate.core.dependencies import unmet
from tidegate.core.job import Held, Job, JobId, Paused, PauseReason, Queued, Running, Starting
from tidegate.core.machine import Mode
from tidegate.core.placement import CardLedger, eligible, refusal
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.texts import format_duration, format_moment, format_size
from tidegate.core.thawing import thaw_allowed_at

_TURN = frozenset({WaitCode.WORKERS, WaitCode.CPU})
"""Pass by themselves as jobs end, so they tell least: what the job needs and does not get comes before them."""

CARDS_NAMED = 2


def explain_all(state: State, job: Job, ledger: Ledger) -> tuple[WaitReason, ...]:
    """Every reason why this job is not running, the most telling first; empty for one that runs or has ended."""
    match job.status:
        case Held():
            return (WaitReason(WaitCode.HELD, "on hold until you release it"),)
        case Paused():
            return (_paused(state, job, ledger),)
        case Queued() if job.id in state.parked:
            return tuple(_parked(state, job, ledger.now))
        case Queued():
            return tuple(_queued(state, job, ledger))
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
            else ("waits for a free place to go on")
        )
        return WaitReason(WaitCode.WAITING_TO_RESUME, text)
    match status.reason:
        case PauseReason.USER:
            text = f"paused by you {since} ago"
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
            text = f"paused for another job {since} ago"
    if status.resume_at is not None:
        text += f", until {format_moment(status.resume_at, ledger.now)}"
    return WaitReason(WaitCode.PAUSED, text, until=status.resume_at)


def _parked(state: State, job: Job, now: float) -> list[WaitReason]:
    reasons: list[WaitReason] = []
    begin = job.spec.begin_at
    if begin is not None and begin > now:
        reasons.append(WaitReason(WaitCode.BEGIN, f"starts no earlier than {format_moment(begin, now)}", until=begin))
    waiting = unmet(state, job)
    if waiting:
        names = [_called(state, d.job) for d in waiting[:3]]
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        reasons.append(WaitReason(WaitCode.DEPENDENCY, f"after {', '.join(names)}{more}"))
    return reasons or [WaitReason(WaitCode.NEXT, "starts next")]


def _name(state: State, id: JobId) -> str:
    ids = state.elements(id.number) if id not in state.jobs else [id]
    return state.jobs[ids[0]].spec.name if ids else "job"


def _queued(state: State, job: Job, ledger: Ledger) -> list[WaitReason]:
    figure = expected(state, job, ledger)
    codes, _ = failing(state, job, figure, ledger)
    codes.sort(key=_TURN.__contains__)
    reasons = [explain(code, state, job, figure, ledger) for code in codes]
    if reasons:
        return reasons
    if _holder(job, ledger) is not None:
        return [explain(WaitCode.BEHIND, state, job, figure, ledger)]
    return [WaitReason(WaitCode.NEXT, "starts next")]


def _holder(job: Job, ledger: Ledger) -> JobId | None:
    """The job that was passed often enough and holds this one up."""
    holder = ledger.held_by or (ledger.held_cards_by if job.spec.gpu is not None else None)
    return None if holder == job.id else holder


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
            holder = _holder(job, ledger)
            name = _called(state, holder) if holder is not None else "a job"
            return WaitReason(code, f"behind {name}, which was passed often enough")
        case WaitCode.LOCK:
            return _lock(state, job, ledger)
        case WaitCode.GPU_MEMORY:
            return _gpu_memory(state, job, ledger)
        case WaitCode.GPU_BUSY:
            count = job.spec.gpu.count if job.spec.gpu is not None else 1
            users = _card_users(state, _refusing(job, ledger, code))
            return WaitReason(code, f"needs {_cards(count)} · {users or 'none is free enough'}")
        case WaitCode.GPU_HOT:
            return WaitReason(code, f"the GPU is over {policy.gpu_stop_temperature_c:g} °C and takes nothing new")
        case WaitCode.GPU_UNREADABLE:
            return WaitReason(code, "the GPU cannot be read")
        case _:
            return WaitReason(code, str(code).replace("_", " "))


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


def _gpu_memory(state: State, job: Job, ledger: Ledger) -> WaitReason:
    wanted = job.spec.gpu.memory_bytes if job.spec.gpu is not None else None
    full = _refusing(job, ledger, WaitCode.GPU_MEMORY)
    users = _card_users(state, full)
    by_whom = f" · {users}" if users else ""
    if wanted is None:
        return WaitReason(WaitCode.GPU_MEMORY, f"the GPU's memory is nearly full{by_whom}")
    best = max(0, max((card.free_bytes for card in full), default=0))
    text = f"needs {format_size(wanted)} of GPU memory, {format_size(best)} free"
    if len(ledger.cards) > 1:
        text += " on the emptiest card"
    return WaitReason(WaitCode.GPU_MEMORY, text + by_whom, {"needed_bytes": float(wanted), "free_bytes": float(best)})


def _refusing(job: Job, ledger: Ledger, code: WaitCode) -> list[CardLedger]:
    """The cards that this job could use and that cannot take it for this reason."""
    request = job.spec.gpu
    if request is None:
        return []
    return [
        card
        for card in ledger.cards.values()
        if eligible(job.spec, card.reading) and refusal(request, card, ledger.policy) is code
    ]


def _card_users(state: State, cards: list[CardLedger]) -> str:
    """``GPU 0 is used by train.py (job 3), GPU 1 by other programs``: whom one would have to wait for."""
    parts: list[str] = []
    for card in cards[:CARDS_NAMED]:
        names = [_called(state, id) for id in card.holders[:1]] or ["other programs"]
        if len(card.holders) > 1:
            names.append(f"{len(card.holders) - 1} more")
        verb = "" if parts else "is used "
        parts.append(f"GPU {card.reading.index} {verb}by {' and '.join(names)}")
    if len(cards) > CARDS_NAMED:
        parts.append(f"{_more(len(cards) - CARDS_NAMED)} too")
    return ", ".join(parts)


def _more(count: int) -> str:
    return "1 more card" if count == 1 else f"{count} more cards"


def _until(text: str, until: float | None, now: float) -> str:
    return text if until is None else f"{text} until {format_moment(until, now)}"


def _cores(count: float) -> str:
    return "1 core" if count == 1 else f"{count:g} cores"


def _cards(count: float) -> str:
    if count < 1:
        return f"{count:g} of a GPU"
    return "a GPU" if count == 1 else f"{count:g} GPUs"

"""Preemption: who makes room for a job of a queue that may preempt others: the cheapest set of victims, or nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import combinations, islice

from tidegate.core.actions import Action, Pause, Terminate
from tidegate.core.admission import Ledger, expected, failing, open_ledger
from tidegate.core.departures import after, promised_bytes
from tidegate.core.estimates import holding
from tidegate.core.guard import importance_class
from tidegate.core.job import Job, JobId, OnPreempt, Outcome, Paused, PauseReason, Running, Stopping, worked_core_s
from tidegate.core.machine import CardMode
from tidegate.core.placement import CardLedger, eligible, need_of
from tidegate.core.policy import Policy
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.victims import Candidate, best_set

# What running jobs can give; a job that lacks anything else as well is not helped by taking from them.
GIVABLE = frozenset({WaitCode.WORKERS, WaitCode.MEMORY, WaitCode.CPU, WaitCode.GPU_MEMORY, WaitCode.GPU_BUSY})
# What a paused job takes when it goes on.
TAKEN_AGAIN = frozenset({WaitCode.WORKERS, WaitCode.CPU, WaitCode.GPU_BUSY})

# A job that had to make room before is left alone until it has run for so long.
LEFT_ALONE_S = 60.0
# Where several cards would do, so many choices of them are compared.
CARD_CHOICES = 16


def make_room(
    state: State,
    ledger: Ledger,
    job: Job,
    figure: Estimate,
    codes: Collection[WaitCode],
    decided: Collection[JobId] = (),
) -> tuple[Action, ...]:
    """What to do to others so that this blocked job fits; nothing when that takes none, is not enough, or not allowed.

    ``codes`` are all reasons why it may not start, ``decided`` the jobs this plan does something to already. A pause is
    effective at once (``Ledger.stand_down``); who is told to end is waited for, and nobody else is taken meanwhile.
    """
    if not codes or ledger.gates or not GIVABLE.issuperset(codes) or not state.queue(job.spec.queue).preempts:
        return ()
    leaving = [other for other in state.active.values() if isinstance(other.status, Stopping)]
    then = after(state, ledger, leaving)
    if not failing(state, job, figure, then, gates=False)[0]:
        return ()  # what it needs is on its way
    victims = {other.id: other for other in _victims(state, job, ledger.now) if other.id not in decided}
    best: tuple[tuple[int | float, ...], list[Job]] | None = None
    for cards in _card_choices(job, then):
        candidates = [_candidate(state, other, cards, ledger.now) for other in victims.values()]
        chosen = best_set(candidates, _shortage(job, figure, then, cards))
        if not chosen:
            continue
        jobs = [victims[candidate.id] for candidate in chosen]
        ended, paused = [j for j in jobs if not _pauses(j)], [j for j in jobs if _pauses(j)]
        if failing(state, job, figure, after(state, ledger, [*leaving, *ended], paused), gates=False)[0]:
            continue
        cost = (
            *(sum(candidate.tier == tier for candidate in chosen) for tier in (0, -1, -2)),
            sum(candidate.loss_core_s for candidate in chosen),
        )
        if best is None or cost < best[0]:
            best = (cost, jobs)
    return () if best is None else tuple(_action(other, job, state.policy) for other in best[1])


def is_waited_for(state: State, ledger: Ledger, paused: Job, blocked: Iterable[tuple[JobId, WaitCode]]) -> bool:
    """Whether a job that may preempt this paused one lacks only what it would take again by going on, and would start
    if all that runs made room: a paused job keeps memory and cards, and in the way of that nobody waits for it."""
    emptied: Ledger | None = None
    for id, code in blocked:
        job = state.jobs.get(id)
        if job is None or code not in TAKEN_AGAIN or not _may_preempt(state, job, paused):
            continue
        figure = expected(state, job, ledger)
        if not TAKEN_AGAIN.issuperset(failing(state, job, figure, ledger, gates=False)[0]):
            continue
        if emptied is None:
            running = [other for other in state.active.values() if not isinstance(other.status, Paused)]
            emptied = after(state, open_ledger(state, ledger.now), running, ())
        if not failing(state, job, figure, emptied, gates=False)[0]:
            return True
    return False


def _may_preempt(state: State, job: Job, other: Job) -> bool:
    return state.queue(other.spec.queue).name in state.queue(job.spec.queue).preempts


def _victims(state: State, job: Job, now: float) -> Iterator[Job]:
    """Running preemptible jobs of the queues that have to make room; not those that only just came back from that."""
    for other in state.active.values():
        if not isinstance(other.status, Running) or not other.spec.preemptible or not _may_preempt(state, job, other):
            continue
        # Both are kept with the job's attempts, so that a restart changes nothing.
        came_back = other.attempts[-1].paused_s > 0 or any(run.outcome is None for run in other.attempts[:-1])
        if not came_back or now - other.status.since >= LEFT_ALONE_S:
            yield other


def _pauses(job: Job) -> bool:
    return job.spec.on_preempt is OnPreempt.PAUSE


def _card_choices(job: Job, ledger: Ledger) -> Iterable[tuple[CardLedger, ...]]:
    """Which cards the job could get, if their holders made room."""
    if job.spec.gpu is None or job.spec.device == "cpu":
        return [()]
    lasting = (CardMode.HOT, CardMode.UNREADABLE)
    usable = [card for card in ledger.cards.values() if eligible(job.spec, card.reading) and card.mode not in lasting]
    return islice(combinations(usable, job.spec.gpu.cards), CARD_CHOICES)


def _shortage(job: Job, figure: Estimate, ledger: Ledger, cards: tuple[CardLedger, ...]) -> dict[str, float]:
    """Everything it lacks, each in its own unit: bytes, cores, worker slots, shares of a card, jobs on a card."""
    lacks = {"cores": ledger.reserved_cores + figure.cores - ledger.cores if ledger.cores else 0.0}
    if ledger.slots_max is not None:
        lacks["slots"] = ledger.slots + 1 - ledger.slots_max
    if ledger.headroom_bytes is not None:
        lacks["memory"] = figure.memory_bytes - ledger.headroom_bytes
    request, need = job.spec.gpu, need_of(job.spec, figure)
    for card in cards:
        assert request is not None and need is not None, "cards are chosen for jobs that want one"  # noqa: PT018
        name = _name(card)
        lacks[f"{name} share"] = need.share - card.free_share
        if request.exclusive or need.memory_bytes is None:
            lacks[f"{name} jobs"] = len(card.holders)
        else:
            lacks[f"{name} memory"] = _lacking_bytes(need.memory_bytes, card, ledger.policy)
            lacks[f"{name} unknown"] = 0 if card.unknown is None else 1
    return {name: amount for name, amount in lacks.items() if amount > 1e-9}


def _lacking_bytes(wanted: int, card: CardLedger, policy: Policy) -> float:
    """Until the promise fits and the card is below its high line again."""
    lacking = wanted - card.free_bytes
    total, used = card.reading.memory_total_bytes, card.reading.memory_used_bytes
    if card.mode is CardMode.NORMAL or total is None or used is None:
        return lacking
    low = total * (policy.gpu_memory_high_pct - policy.mode_hysteresis_pct) / 100.0
    return max(lacking, used - low)


def _name(card: CardLedger) -> str:
    return f"gpu:{card.reading.index}"


def _candidate(state: State, other: Job, cards: tuple[CardLedger, ...], now: float) -> Candidate:
    """What this one gives: a paused job keeps its memory, so it gives its cores, its slot and its time on cards."""
    memory, cores, slots = holding(other, state.policy, state.profile(other), now)
    gives: dict[str, float] = {"cores": cores, "slots": slots}
    ends = not _pauses(other)
    if ends:
        gives["memory"] = memory
    need = need_of(other.spec, other.estimate)
    for card in cards:
        if need is None or other.id not in card.holders:
            continue
        gives[f"{_name(card)} share"] = need.share
        if ends:
            gives[f"{_name(card)} jobs"] = 1
            gives[f"{_name(card)} memory"] = promised_bytes(other, need, card.reading.index)
            gives[f"{_name(card)} unknown"] = 1 if need.memory_bytes is None else 0
    return Candidate(other.id, -importance_class(other), gives, worked_core_s(other, now) if ends else 0.0)


def _action(victim: Job, job: Job, policy: Policy) -> Action:
    whom = f"{job.spec.name} (job {job.id})"
    match victim.spec.on_preempt:
        case OnPreempt.PAUSE:
            return Pause(victim.id, PauseReason.SCHEDULING, f"made room for {whom}")
        case OnPreempt.REQUEUE:
            return Terminate(victim.id, None, f"requeued: made room for {whom}", policy.kill_timeout_s)
        case OnPreempt.KILL:
            return Terminate(victim.id, Outcome.KILLED, f"ended to make room for {whom}", policy.kill_timeout_s)

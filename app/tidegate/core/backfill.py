"""Backfill: who may pass a blocked job. The supplied rule of all strategies (D8), after EASY backfilling.

EASY: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995. The first blocked job gets the earliest moment at which, by
the expected ends of what runs, it will fit (its shadow); another may start if it ends before, or leaves that room free.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.core.admission import Ledger, could_ever_fit, expected
from tidegate.core.departures import after, leave_cards
from tidegate.core.durations import expected_duration_s, expected_end_at
from tidegate.core.estimates import holding
from tidegate.core.job import Job, JobId, Stopping
from tidegate.core.placement import CardLedger, choose, could_ever_get_cards, eligible, need_of
from tidegate.core.policy import Policy
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate

if TYPE_CHECKING:
    from tidegate.core.state import State
    from tidegate.core.strategies.protocol import Turn

SHARED, CARDS = "shared", "cards"
# What a blocked job lacks that others would take away from it.
LACKING = {
    WaitCode.MEMORY: SHARED,
    WaitCode.CPU: SHARED,
    WaitCode.GPU_MEMORY: CARDS,
    WaitCode.GPU_BUSY: CARDS,
}


@dataclass(slots=True)
class Shadow:
    """The earliest moment a blocked job should fit (None: nobody knows), and what is free beside it then."""

    at: float | None
    memory_bytes: float = 0.0
    cores: float = 0.0
    slots: float = 0.0

    def leaves_room(self, _job: Job, figure: Estimate, _devices: tuple[int, ...]) -> bool:
        return figure.memory_bytes <= self.memory_bytes and figure.cores <= self.cores + 1e-9 and self.slots >= 1

    def take(self, _job: Job, figure: Estimate, _devices: tuple[int, ...]) -> None:
        self.memory_bytes -= figure.memory_bytes
        self.cores -= figure.cores
        self.slots -= 1


@dataclass(slots=True)
class CardShadow:
    """The same for a job that waits for cards: those that it could use, as they should then be."""

    at: float | None
    blocked: Blocked
    cards: dict[int, CardLedger]
    policy: Policy

    def leaves_room(self, job: Job, figure: Estimate, devices: tuple[int, ...]) -> bool:
        beside = {index: replace(card, holders=[*card.holders]) for index, card in self.cards.items()}
        _take(beside, job, figure, devices)
        return choose(self.blocked.job.spec, beside, self.policy, self.blocked.figure)[1] is None

    def take(self, job: Job, figure: Estimate, devices: tuple[int, ...]) -> None:
        _take(self.cards, job, figure, devices)


def _take(cards: dict[int, CardLedger], job: Job, figure: Estimate, devices: tuple[int, ...]) -> None:
    need = need_of(job.spec, figure)
    assert need is not None, "only who wants cards passes one that waits for cards"
    for index in devices:
        if index in cards:
            cards[index].take(job.id, need)


@dataclass(slots=True)
class Blocked:
    """The first job of this plan that lacks something. ``passes``: who went by, over all plans and in this one."""

    job: Job
    figure: Estimate
    passes: int
    shadow: Shadow | CardShadow | None = None


def note_blocked(turn: Turn, job: Job, figure: Estimate, codes: list[WaitCode]) -> None:
    """Remember the first job that lacks what others share, the first that lacks some of these cards, and the first of
    its queue."""
    blocked, queue = turn.blocked, turn.state.queue(job.spec.queue).name
    of_queue = f"queue {queue}"
    if WaitCode.QUEUE_LIMIT in codes:
        # Its own queue is in its way: what all share is not kept for it.
        use = turn.ledger.queue_use(queue)
        if use is None or use.could_ever_hold(job.spec, figure.memory_bytes):
            blocked.setdefault(of_queue, Blocked(job, figure, job.bypassed))
        return
    for code in codes:
        domain = LACKING.get(code)
        if domain == CARDS:
            usable = [card.reading for card in turn.ledger.cards.values() if eligible(job.spec, card.reading)]
            domain = f"{CARDS} {','.join(str(card.index) for card in usable)}"
        if domain is not None and domain not in blocked:
            blocked[domain] = Blocked(job, figure, job.bypassed)
    if queue in turn.state.strict_queues:
        blocked.setdefault(of_queue, Blocked(job, figure, job.bypassed))


def passed_by(turn: Turn, job: Job) -> Iterator[tuple[str, Blocked]]:
    """The blocked jobs from which this one would take something, with what."""
    of_queue = f"queue {turn.state.queue(job.spec.queue).name}"
    devices: tuple[int, ...] | None = None
    for domain, blocked in turn.blocked.items():
        if domain in (SHARED, of_queue):
            yield domain, blocked
        elif _is_of_cards(domain) and job.spec.gpu is not None:
            if devices is None:
                devices = _devices(turn, job, expected(turn.state, job, turn.ledger))
            if any(eligible(blocked.job.spec, turn.ledger.cards[index].reading) for index in devices):
                yield domain, blocked


def _is_of_cards(domain: str) -> bool:
    return domain.startswith(CARDS)


def _devices(turn: Turn, job: Job, figure: Estimate) -> tuple[int, ...]:
    """The cards that it would get."""
    return choose(job.spec, turn.ledger.cards, turn.ledger.policy, figure, turn.state.placement_of(job.spec.queue))[0]


def may_pass(turn: Turn, job: Job, figure: Estimate) -> bool:
    """The supplied rule. A job that does not delay the blocked one may pass it, but ``max_backfill`` times at most,
    for expectations err; where nobody knows whether it delays, ``max_bypass`` times.

    A job that could never fit, because of what others use, is never waited for.
    """
    state, policy = turn.state, turn.state.policy
    queue = state.queue(job.spec.queue)
    for domain, blocked in passed_by(turn, job):
        if not queue.backfill and state.queue(blocked.job.spec.queue) is queue:
            return False
        if not _worth_waiting(domain, blocked, turn.ledger):
            continue
        if blocked.shadow is None:
            blocked.shadow = _shadow(turn, domain, blocked)
        harmless = _is_harmless(turn, blocked.shadow, job, figure)
        if harmless is False or blocked.passes >= (policy.max_backfill if harmless else policy.max_bypass):
            return False
    return True


def _is_harmless(turn: Turn, shadow: Shadow | CardShadow, job: Job, figure: Estimate) -> bool | None:
    """Whether this job, started now, leaves the blocked one its moment; None when nobody can say."""
    if shadow.at is None:
        return None
    end_at = _end_at(turn.state, job, turn.now)
    if end_at is not None and end_at <= shadow.at:
        return True
    if shadow.leaves_room(job, figure, _devices(turn, job, figure)):
        return True
    return None if end_at is None else False


def note_passing(turn: Turn, job: Job, figure: Estimate) -> tuple[JobId, ...]:
    """The jobs that this one, which starts, passes."""
    passed: dict[JobId, None] = {}
    end_at = _end_at(turn.state, job, turn.now) if turn.blocked else None
    for _, blocked in passed_by(turn, job):
        blocked.passes += 1
        passed[blocked.job.id] = None
        shadow = blocked.shadow
        # If it is still there at that moment, less is free beside the blocked one.
        if shadow is not None and shadow.at is not None and (end_at is None or end_at > shadow.at):
            shadow.take(job, figure, _devices(turn, job, figure))
    return tuple(passed)


def _end_at(state: State, job: Job, now: float) -> float | None:
    duration = expected_duration_s(job.spec, state.profile(job))
    return None if duration is None else now + duration


def _worth_waiting(domain: str, blocked: Blocked, ledger: Ledger) -> bool:
    if domain == SHARED:
        return could_ever_fit(blocked.figure, ledger)
    return not _is_of_cards(domain) or could_ever_get_cards(
        blocked.job.spec, ledger.cards, ledger.policy, blocked.figure
    )


def _shadow(turn: Turn, domain: str, blocked: Blocked) -> Shadow | CardShadow:
    """Let what runs end one after the other, as expected, until the blocked job fits."""
    if domain == SHARED:
        return _shadow_of_shared(turn, blocked.figure)
    return _shadow_of_cards(turn, blocked) if _is_of_cards(domain) else Shadow(None)


def _shadow_of_shared(turn: Turn, figure: Estimate) -> Shadow:
    state, ledger, now = turn.state, turn.ledger, turn.now
    memory = math.inf if ledger.headroom_bytes is None else float(ledger.headroom_bytes)
    cores = ledger.cores - ledger.reserved_cores if ledger.cores else math.inf
    slots = math.inf if ledger.slots_max is None else ledger.slots_max - ledger.slots
    for at, ends in _ends(turn):
        for job, started in ends:
            held = started or holding(job, ledger.policy, state.profile(job), now)
            memory, cores, slots = memory + held.memory_bytes, cores + held.cores, slots + 1
        if figure.memory_bytes <= memory and figure.cores <= cores + 1e-9 and slots >= 1:
            return Shadow(at, memory - figure.memory_bytes, cores - figure.cores, slots - 1)
    return Shadow(None)


def _shadow_of_cards(turn: Turn, blocked: Blocked) -> CardShadow:
    spec, then = blocked.job.spec, after(turn.state, turn.ledger)
    then.cards = {index: card for index, card in then.cards.items() if eligible(spec, card.reading)}
    for at, ends in _ends(turn):
        on_cards = [job for job, _ in ends if any(job.id in card.holders for card in then.cards.values())]
        for job in on_cards:
            leave_cards(turn.state, then, job)
        if on_cards and choose(spec, then.cards, then.policy, blocked.figure)[1] is None:
            return CardShadow(at, blocked, then.cards, then.policy)
    return CardShadow(None, blocked, then.cards, then.policy)


def _ends(turn: Turn) -> list[tuple[float, list[tuple[Job, Estimate | None]]]]:
    """Who should end when, soonest first; with the figure of one that starts in this plan. Without those of which
    nobody knows, and those that this plan pauses."""
    state, ledger, now = turn.state, turn.ledger, turn.now
    ends: dict[float, list[tuple[Job, Estimate | None]]] = {}
    for job in state.active.values():
        ending = isinstance(job.status, Stopping)
        profile = state.profile(job)
        # Of most jobs nobody knows, and there may be a hundred of them.
        if profile is None and job.spec.time_limit_s is None and not ending:
            continue
        at = now if ending else expected_end_at(job, profile, now)
        if at is not None and not state.waits_behind(job) and job.id not in ledger.resting:
            ends.setdefault(at, []).append((job, None))
    for id, figure in ledger.starts:
        at = _end_at(state, state.jobs[id], now)
        if at is not None:
            ends.setdefault(at, []).append((state.jobs[id], figure))
    return sorted(ends.items(), key=lambda end: end[0])

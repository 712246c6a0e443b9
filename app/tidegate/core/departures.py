"""Departures: the ledger as it will be when some jobs have ended and others are paused; it is a copy."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace

from tidegate.core.admission import Ledger
from tidegate.core.estimates import holding
from tidegate.core.job import Job, JobId
from tidegate.core.modes import judge_card
from tidegate.core.placement import need_of
from tidegate.core.resources import CardNeed
from tidegate.core.state import State


def after(state: State, ledger: Ledger, ended: Iterable[Job] = (), paused: Iterable[Job] = ()) -> Ledger:
    """A ledger of its own as it will be when these have ended, and those, which run, are paused."""
    then = copy.copy(ledger)
    then.cards = {index: replace(card, holders=list(card.holders)) for index, card in ledger.cards.items()}
    then.queues = {name: replace(use) for name, use in ledger.queues.items()}
    then.array_running = dict(ledger.array_running)
    then.locks = dict(ledger.locks)
    then.resting = set(ledger.resting)
    for job in paused:
        then.stand_down(job)
    for job in ended:
        _end(state, then, job)
    return then


def _end(state: State, then: Ledger, job: Job) -> None:
    if state.waits_behind(job):
        return  # it holds nothing yet
    # One that is paused has given back all but its memory.
    if job.id not in then.resting:
        then.stand_down(job)
    memory = holding(job, state.policy, state.profile(job), then.now).memory_bytes
    then.reserved_bytes -= memory
    if job.id.index is not None:
        then.array_running[job.id.number] -= 1
    if (use := then.queue_use(job.spec.queue)) is not None:
        use.memory_bytes -= memory
        use.cards -= job.spec.gpu.cards if job.spec.gpu is not None else 0
    for lock in job.spec.locks:
        if then.locks.get(lock) == job.id:
            del then.locks[lock]
    if then.unsettled == job.id:
        then.unsettled = None
    leave_cards(state, then, job)


def leave_cards(state: State, then: Ledger, job: Job) -> None:
    """Take one that ends off its cards, also a start of this plan; their readings are what they will then be."""
    need = _need(state, then, job.id)
    for card in then.cards.values():
        if need is None or job.id not in card.holders:
            continue
        index, used = card.reading.index, card.reading.memory_used_bytes
        if job.id not in then.resting:
            card.share -= need.share
        card.holders.remove(job.id)
        card.free_bytes += promised_bytes(job, need, index)
        card.reading = replace(
            card.reading, memory_used_bytes=None if used is None else max(0, used - _measured_bytes(job, index))
        )
        card.mode = judge_card(card.reading, card.mode, state.policy)
        if card.unknown == job.id:
            card.unknown = next((id for id in card.holders if _is_unknown(_need(state, then, id))), None)


def promised_bytes(job: Job, need: CardNeed, index: int) -> int:
    """What its end gives back of a card: its promise, or what it was seen to use beyond that."""
    return max(_measured_bytes(job, index), need.memory_bytes or 0)


def _measured_bytes(job: Job, index: int) -> int:
    return dict(job.usage.gpu_memory_bytes).get(index, 0) if job.usage is not None else 0


def _need(state: State, ledger: Ledger, id: JobId) -> CardNeed | None:
    started = next((figure for start, figure in ledger.starts if start == id), None)
    return need_of(state.jobs[id].spec, started or state.jobs[id].estimate)


def _is_unknown(need: CardNeed | None) -> bool:
    return need is not None and need.memory_bytes is None

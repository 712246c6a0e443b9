"""Queues as a person asks for them: the named ones with their limits, or each card with its users and who waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice

from tidegate.core.admission import Ledger, open_ledger
from tidegate.core.estimates import holding
from tidegate.core.job import STATUS_NAMES, Held, Job, JobId, Queued
from tidegate.core.machine import CardMode
from tidegate.core.placement import CardLedger, eligible, need_of
from tidegate.core.reasons import WaitReason
from tidegate.core.state import State
from tidegate.core.strategies.order import in_order
from tidegate.engine.picture import card_view
from tidegate.engine.views import CardQueueView, CardUserView, CardWaiterView, QueueStatusView, QueueView

SHOWN = 50
"""So many waiting jobs are named for each card; the others are only counted."""
LOOKED_AT = 2000
"""They are looked for among so many at the head of the line."""

Waits = Mapping[JobId, tuple[WaitReason, ...]]


def by_queue(state: State, now: float) -> QueueStatusView:
    """Every queue in the order in which they are served; jobs of one that was taken away count as ``default`` ones."""
    counts: dict[str, Counter[str]] = {}
    for job in list(state.jobs.values()):
        if job.outcome is None:
            counts.setdefault(state.queue(job.spec.queue).name, Counter())[job.status_name] += 1
    names = sorted(state.queues, key=lambda name: (state.queue(name).order, name))
    queues = (_queue(state, name, counts.get(name, Counter()), now) for name in names)
    return QueueStatusView("queue", queues=tuple(queues))


def _queue(state: State, name: str, counts: Counter[str], now: float) -> QueueView:
    policy = state.queue(name)
    mine = [job for job in list(state.active.values()) if state.queue(job.spec.queue) is policy]
    active = [job for job in mine if not state.waits_behind(job)]
    return QueueView(
        name=name,
        order=policy.order,
        strategy=state.strategy_of(policy),
        running=sum(counts[status] for status in ("starting", "running", "stopping")),
        paused=counts["paused"],
        waiting=counts[STATUS_NAMES[Queued]],
        held=counts[STATUS_NAMES[Held]],
        memory_bytes=sum(holding(job, state.policy, state.profile(job), now).memory_bytes for job in active),
        cards=sum(job.spec.gpu.cards for job in active if job.spec.gpu is not None),
        max_running=policy.max_running,
        max_memory_bytes=policy.memory_bytes,
        max_cards=policy.cards,
        backfill=policy.backfill,
        preempts=policy.preempts,
    )


def by_card(state: State, waits: Waits, now: float) -> QueueStatusView:
    """Every card with its users and with those in the line that it could serve."""
    ledger = open_ledger(state, now)
    usable: dict[object, tuple[int, ...]] = {}
    numbers: Counter[int] = Counter()
    for job in list(state.jobs.values()):
        if isinstance(job.status, Queued) and job.spec.gpu is not None and job.id not in state.parked:
            numbers.update(_usable(job, ledger, usable))
    named: dict[int, list[CardWaiterView]] = {index: [] for index in ledger.cards}
    for id in islice(in_order(state, now), LOOKED_AT) if numbers else ():
        job = state.jobs[id]
        cards = [index for index in _usable(job, ledger, usable) if len(named[index]) < SHOWN]
        if cards:
            waiter = _waiter(job, waits.get(id, ()))
            for index in cards:
                named[index].append(waiter)
    return QueueStatusView(
        "card",
        cards=tuple(
            _card(state, ledger, card, tuple(named[index]), numbers[index]) for index, card in ledger.cards.items()
        ),
    )


def _usable(job: Job, ledger: Ledger, known: dict[object, tuple[int, ...]]) -> tuple[int, ...]:
    """The cards that a job with this wish could use; asked once for each different wish."""
    spec = job.spec
    if spec.gpu is None or spec.device == "cpu":
        return ()
    key = (spec.gpu, spec.device)
    if key not in known:
        known[key] = tuple(index for index, card in ledger.cards.items() if eligible(spec, card.reading))
    return known[key]


def _waiter(job: Job, reasons: tuple[WaitReason, ...]) -> CardWaiterView:
    """With the reason that has to do with cards, where there is one."""
    reason = next((each for each in reasons if each.code.startswith("gpu")), reasons[0] if reasons else None)
    return CardWaiterView(
        id=str(job.id),
        name=job.spec.name,
        priority=job.spec.priority,
        gpu=job.spec.gpu.text if job.spec.gpu is not None else "",
        code=reason.code.value if reason is not None else None,
        sentence=reason.sentence if reason is not None else None,
    )


def _card(
    state: State, ledger: Ledger, card: CardLedger, waiting: tuple[CardWaiterView, ...], number: int
) -> CardQueueView:
    readable = card.mode is not CardMode.UNREADABLE
    others = round(ledger.policy.gpu_memory_emergency_pct / 100.0 * (card.reading.memory_total_bytes or 0))
    return CardQueueView(
        card=card_view(state, card),
        free_memory_bytes=max(0, card.free_bytes) if readable else None,
        free_utilisation_pct=100.0 * card.free_share if readable else None,
        others_memory_bytes=None if card.reading.memory_used_bytes is None else others - card.free_without_us_bytes,
        others_utilisation_pct=state.machine.cards_others_ema_pct.get(card.reading.index),
        users=tuple(_user(state.jobs[id], card.reading.index) for id in card.holders),
        waiting=waiting,
        waiting_count=number,
    )


def _user(job: Job, index: int) -> CardUserView:
    need, usage = need_of(job.spec, job.estimate), job.usage
    return CardUserView(
        id=str(job.id),
        name=job.spec.name,
        status=job.status_name,
        memory_bytes=dict(usage.gpu_memory_bytes).get(index) if usage is not None else None,
        utilisation_pct=dict(usage.gpu_utilisation_pct).get(index) if usage is not None else None,
        expected_memory_bytes=need.memory_bytes if need is not None else None,
        expected_utilisation_pct=100.0 * need.share if need is not None else None,
    )

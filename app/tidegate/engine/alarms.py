"""Alarms: State as facts for the alert rules, once a timed sample, and what came of it as notices and views."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidegate.core.alerts import ActiveAlert, AlertEnded, AlertEvent, AlertFacts, AlertPolicy, AlertWatch, CardFacts
from tidegate.core.job import Job, Starting, Status
from tidegate.core.latency import StartLatencies
from tidegate.core.machine import GpuReading
from tidegate.core.state import State
from tidegate.engine.notices import alert_notice
from tidegate.engine.views import AlertView

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

log = logging.getLogger(__name__)

OF_CROWDED_CARDS = frozenset({"GPUHighUtilization", "GPUMemoryHigh", "GPUMemoryFull"})


class Alarms:
    """Owns the watch over the alert rules. ``views`` is replaced whole, so that any thread may read it.

    ``services`` says which services answer; until there are services it is empty.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watch = AlertWatch()
        self._latencies = StartLatencies()
        self.services: Mapping[str, bool | None] = {}
        self._untold: set[tuple[str, str]] = set()
        self.views: tuple[AlertView, ...] = ()

    def set_policy(self, policy: AlertPolicy) -> None:
        self._watch.set_policy(policy)

    def rebase(self, jump_s: float) -> None:
        self._watch.rebase(jump_s)
        self._latencies.rebase(jump_s)

    def note_start(self, before: Status, at: float) -> None:
        """A job runs; one that had to wait for another's place was not slow to start for that."""
        if isinstance(before, Starting) and before.behind is None:
            self._latencies.note(at, at - before.since)

    def look(self, now: float) -> None:
        """Feed the rules. A bug of theirs must disarm nobody, so it costs only this look."""
        try:
            events = self._watch.observe(now, self._facts(now))
            self.views = tuple(map(_view, self._watch.active()))
        except Exception:
            log.exception("the alert rules failed; this sample goes on without them")
            return
        for event in events:
            notice = alert_notice(event)
            if notice is not None and not self._told_otherwise(event):
                self._engine.telling.tell(notice)

    def _told_otherwise(self, event: AlertEvent) -> bool:
        """Such an alert only stands in the list: a card that our own job keeps busy is what one wants, and a conflict
        of jobs on that card says the same, with names and a way out."""
        key = (event.name, event.subject)
        if isinstance(event, AlertEnded):
            untold = key in self._untold
            self._untold.discard(key)
            return untold
        cards = {view.resource.replace("gpu:", "GPU ") for view in self._engine.advisor.conflicts}
        busy_with_ours = event.name == "GPUHighUtilization" and event.job is not None
        if busy_with_ours or (event.name in OF_CROWDED_CARDS and event.subject in cards):
            self._untold.add(key)
            return True
        return False

    def _facts(self, now: float) -> AlertFacts:
        state = self._engine.state
        active = list(state.active.values())
        still = [now - job.status.since for job in active if isinstance(job.status, Starting) and not job.status.behind]
        reading = state.machine.reading
        return AlertFacts(
            # One that was lost is gone, and takes its alerts along: nothing of it will ever be known again.
            cards=tuple(_card(state, card) for card in reading.gpus if not card.lost) if reading is not None else (),
            # While the queue is paused by its user, its length says nothing.
            waiting=len(state.line) if state.intake.open else None,
            start_latency_s=self._latencies.p95_s(now, still),
            services=self.services,
        )


def _view(alert: ActiveAlert) -> AlertView:
    return AlertView(
        name=alert.name,
        card=alert.card,
        since=alert.since,
        sentence=alert.sentence,
        severity=alert.severity.value,
        service=alert.service,
        title=alert.title,
        advice=alert.advice,
    )


def _card(state: State, card: GpuReading) -> CardFacts:
    used, total = card.memory_used_bytes, card.memory_total_bytes
    holder = _holder(state, card.index)
    return CardFacts(
        card.index,
        card.utilisation_pct,
        100.0 * used / total if used is not None and total else None,
        card.temperature_c,
        holder.id if holder is not None else None,
        holder.spec.name if holder is not None else "",
    )


def _holder(state: State, index: int) -> Job | None:
    """A job of ours that was given this card, the longest there first."""
    return next((job for job in state.active.values() if job.attempts and index in job.attempts[-1].devices), None)

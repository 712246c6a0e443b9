"""Alerts: rules over facts that last become alerts, and end with hysteresis; timed samples alone feed them.

Time is counted only between two moments at which a figure was known. An unknown one neither begins nor ends anything:
the clock stands still, and after a minute of it what had not alerted yet begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.alert_rules import (
    RULES,
    AlertFacts,
    AlertPolicy,
    AlertRule,
    CardFacts,
    Limit,
    Measured,
    Severity,
)
from tidegate.core.job import JobId
from tidegate.core.texts import format_duration

__all__ = [
    "RULES",
    "ActiveAlert",
    "AlertEnded",
    "AlertEvent",
    "AlertFacts",
    "AlertPolicy",
    "AlertRaised",
    "AlertRule",
    "AlertWatch",
    "CardFacts",
    "Limit",
    "Severity",
]

CALM_S = 30.0
FORGET_UNKNOWN_S = 60.0
MAX_STEP_S = 150.0
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class AlertRaised:
    at: float
    name: str
    subject: str
    severity: Severity
    title: str
    text: str
    job: JobId | None = None


@dataclass(frozen=True, slots=True)
class AlertEnded:
    """``gone``: its subject left (a card, a service, the job on it), or its rule was switched off."""

    at: float
    name: str
    subject: str
    severity: Severity
    title: str
    text: str
    gone: bool = False


AlertEvent = AlertRaised | AlertEnded


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """One that holds now; ``since`` is when what it is about began."""

    name: str
    severity: Severity
    card: int | None
    service: str | None
    since: float
    sentence: str
    title: str
    advice: str


@dataclass(slots=True)
class _Track:
    """How long one rule has been broken by one subject. ``beyond`` and ``calm`` tell of the last known figure."""

    rule: AlertRule
    limit: Limit
    measured: Measured
    value: float
    held_s: float = 0.0
    calm_s: float = 0.0
    unknown_s: float = 0.0
    beyond: bool = False
    calm: bool = False
    since: float | None = None


class AlertWatch:
    """Keeps the clocks of all rules. ``observe`` with every timed sample; ``now`` is data."""

    def __init__(self, policy: AlertPolicy | None = None) -> None:
        self._policy = policy or AlertPolicy()
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._last_at: float | None = None

    def set_policy(self, policy: AlertPolicy) -> None:
        """Other lines from the next look on."""
        self._policy = policy

    def rebase(self, jump_s: float) -> None:
        """The clock jumped (sleep, or it was set): what lies behind is as long ago as before."""
        if self._last_at is not None:
            self._last_at += jump_s
        for track in self._tracks.values():
            if track.since is not None:
                track.since += jump_s

    def active(self) -> tuple[ActiveAlert, ...]:
        """What holds now, the gravest rules first, as last seen."""
        order = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
        found = [
            ActiveAlert(
                track.rule.name,
                track.rule.severity_of(track.measured),
                track.measured.card,
                track.measured.service,
                track.since,
                track.rule.sentence(track.measured, track.value, track.limit.line or 0.0),
                track.rule.heading(track.measured),
                track.rule.helping(track.measured),
            )
            for track in self._tracks.values()
            if track.since is not None
        ]
        return tuple(sorted(found, key=lambda alert: (order[alert.severity], alert.since, alert.name)))

    def observe(self, now: float, facts: AlertFacts) -> list[AlertEvent]:
        """Take one look: what began to alert with it, and what ended."""
        step_s = self._step(now)
        events: list[AlertEvent] = []
        seen = set()
        for rule in RULES:
            limit = self._policy.limit(rule)
            if limit is None:
                continue
            for measured in rule.measure(facts):
                key = (rule.name, measured.subject)
                seen.add(key)
                event = self._look(key, rule, limit, measured, now, step_s)
                if event is not None:
                    events.append(event)
        for key in [key for key in self._tracks if key not in seen]:
            track = self._tracks.pop(key)
            if track.since is not None:
                events.append(_ended(track, now, gone=True))
        return events

    def _step(self, now: float) -> float:
        """Seconds since the last look. After a gap in which nobody looked, clocks that only ran begin anew."""
        before, self._last_at = self._last_at, now
        step_s = 0.0 if before is None else now - before
        if 0.0 <= step_s <= MAX_STEP_S:
            return step_s
        for track in self._tracks.values():
            track.held_s = track.calm_s = 0.0
            track.beyond = track.calm = False
        return 0.0

    def _look(
        self, key: tuple[str, str], rule: AlertRule, limit: Limit, measured: Measured, now: float, step_s: float
    ) -> AlertEvent | None:
        track = self._tracks.get(key)
        value, line = measured.value, limit.line or 0.0
        if value is None:
            if track is not None:
                _note_unknown(track, step_s)
            return None
        if track is None:
            if not rule.beyond(value, line):
                return None
            track = self._tracks[key] = _Track(rule, limit, measured, value)
        _note(track, limit, measured, value, step_s)
        if track.since is not None:
            if track.calm and track.calm_s >= CALM_S - _ROUNDING_S:
                del self._tracks[key]
                return _ended(track, now, gone=False)
            return None
        if track.calm:
            del self._tracks[key]
            return None
        if not track.beyond or track.held_s < limit.for_s - _ROUNDING_S or self._outranked(rule, measured):
            return None
        track.since = now - track.held_s
        title, text = rule.heading(measured), rule.text(measured, value, limit)
        return AlertRaised(now, rule.name, measured.subject, rule.severity_of(measured), title, text, measured.job)

    def _outranked(self, rule: AlertRule, measured: Measured) -> bool:
        graver = self._tracks.get((rule.outranked_by or "", measured.subject))
        return graver is not None and graver.since is not None


def _note_unknown(track: _Track, step_s: float) -> None:
    track.unknown_s += step_s
    track.beyond = track.calm = False
    track.calm_s = 0.0
    if track.unknown_s >= FORGET_UNKNOWN_S:
        track.held_s = 0.0


def _note(track: _Track, limit: Limit, measured: Measured, value: float, step_s: float) -> None:
    """Count the time since the last look where the figure stood on the same side at both ends of it."""
    line = limit.line or 0.0
    beyond, calm = track.rule.beyond(value, line), track.rule.calm(value, line)
    if beyond and track.beyond:
        track.held_s += step_s
    track.calm_s = track.calm_s + step_s if calm and track.calm else 0.0
    track.unknown_s = 0.0
    track.beyond, track.calm = beyond, calm
    track.limit, track.measured, track.value = limit, measured, value


def _ended(track: _Track, now: float, gone: bool) -> AlertEnded:
    rule, measured = track.rule, track.measured
    lasted = format_duration(max(0.0, now - track.since)) if track.since is not None else ""
    title, text = rule.ended_heading(measured), f"It lasted {lasted}."
    return AlertEnded(now, rule.name, measured.subject, rule.severity_of(measured), title, text, gone)

"""Alert rules: what about the machine a person should hear of when it lasts, each with its words (COMPAT section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.core.job import JobId
from tidegate.core.texts import format_duration


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """One card as the rules see it; every figure None when unknown. ``holder`` is a job of ours that sits on it."""

    index: int
    utilisation_pct: float | None = None
    memory_pct: float | None = None
    temperature_c: float | None = None
    holder: JobId | None = None
    holder_name: str = ""


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """What is known at one moment. ``services`` says of each whether it answers (None: nobody knows)."""

    cards: tuple[CardFacts, ...] = ()
    waiting: int | None = None
    start_latency_s: float | None = None
    services: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figure that a rule judges, of one subject; ``subject`` is empty for the engine itself."""

    value: float | None
    subject: str = ""
    card: int | None = None
    service: str | None = None
    job: JobId | None = None
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Over (or under) ``line`` for ``for_s`` seconds; ``line`` None switches the rule off."""

    line: float | None
    for_s: float


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule. ``below`` alerts under the line instead of over it.

    ``slack`` is the hysteresis as a share of the line: it is over only that far on the good side of it.
    ``outranked_by`` names a graver rule of the same subject that, while it alerts, makes this one needless to say.
    ``of_ours`` is how grave it is where a job of ours is the cause, if that is something else.
    """

    name: str
    severity: Severity
    default: Limit
    measure: Callable[[AlertFacts], Iterable[Measured]]
    slack: float
    title: str
    ended: str
    figure: Callable[[float], str]
    advice: str = ""
    below: bool = False
    outranked_by: str | None = None
    of_ours: Severity | None = None

    def severity_of(self, measured: Measured) -> Severity:
        return self.severity if self.of_ours is None or measured.job is None else self.of_ours

    def beyond(self, value: float, line: float) -> bool:
        return value < line if self.below else value > line

    def calm(self, value: float, line: float) -> bool:
        """On the good side of the line by more than the hysteresis."""
        return value > line * (1.0 + self.slack) if self.below else value < line * (1.0 - self.slack)

    def sentence(self, measured: Measured, value: float, line: float) -> str:
        """What is so now: ``GPU 0 is hot: 83 °C, over the line of 80 °C``."""
        return f"{self._filled(self.title, measured)}: {self._against(value, line)}."

    def heading(self, measured: Measured) -> str:
        return self._filled(self.title, measured)

    def text(self, measured: Measured, value: float, limit: Limit) -> str:
        """The line below the heading: the figure, how long, and what helps."""
        lasting = f" for {format_duration(limit.for_s)}" if limit.for_s else ""
        told = f"{self._against(value, limit.line or 0.0)}{lasting}."
        return f"{told[0].upper()}{told[1:]} {self.helping(measured)}".rstrip()

    def helping(self, measured: Measured) -> str:
        """What helps, or what it means."""
        return self._filled(self.advice, measured)

    def ended_heading(self, measured: Measured) -> str:
        return self._filled(self.ended, measured)

    def _against(self, value: float, line: float) -> str:
        if self.name == SERVICE_DOWN:
            return self.figure(value)
        if not self.beyond(value, line):  # not yet far enough on the good side to be over
            return f"{self.figure(value)} now, the line is at {self.figure(line)}"
        return f"{self.figure(value)}, {'under' if self.below else 'over'} the line of {self.figure(line)}"

    def _filled(self, text: str, measured: Measured) -> str:
        holder = f"{measured.holder} (job {measured.job})" if measured.job is not None else "a job"
        return text.replace("{what}", measured.subject).replace("{holder}", holder)


# --- what they measure -----------------------------------------------------------------------------------------------


def _of_card(card: CardFacts, value: float | None, job: JobId | None = None) -> Measured:
    return Measured(value, f"GPU {card.index}", card=card.index, job=job, holder=card.holder_name)


def _utilisation(facts: AlertFacts) -> Iterable[Measured]:
    return (_of_card(card, card.utilisation_pct, card.holder) for card in facts.cards)


def _utilisation_of_ours(facts: AlertFacts) -> Iterable[Measured]:
    """Only while one of our jobs sits on the card: else the rule would nag on every idle machine."""
    return (measured for measured in _utilisation(facts) if measured.job is not None)


def _memory(facts: AlertFacts) -> Iterable[Measured]:
    return (_of_card(card, card.memory_pct) for card in facts.cards)


def _temperature(facts: AlertFacts) -> Iterable[Measured]:
    return (_of_card(card, card.temperature_c) for card in facts.cards)


def _waiting(facts: AlertFacts) -> Iterable[Measured]:
    return (Measured(None if facts.waiting is None else float(facts.waiting)),)


def _start_latency(facts: AlertFacts) -> Iterable[Measured]:
    return (Measured(facts.start_latency_s),)


def _down(facts: AlertFacts) -> Iterable[Measured]:
    for name, answers in sorted(facts.services.items()):
        yield Measured(None if answers is None else float(not answers), name, service=name)


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _degrees(value: float) -> str:
    return f"{value:.0f} \N{DEGREE SIGN}C"


def _jobs(value: float) -> str:
    return "1 job" if round(value) == 1 else f"{value:.0f} jobs"


def _no_answer(_value: float) -> str:
    return "no answer"


SERVICE_DOWN = "ServiceDown"

RULES: tuple[AlertRule, ...] = (
    AlertRule(
        "GPUHighUtilization",
        Severity.WARNING,
        Limit(90.0, 300.0),
        _utilisation,
        0.05,
        "{what} is busy all the time",
        "{what} has time again",
        _percent,
        "Jobs that share it slow each other down.",
        of_ours=Severity.INFO,
    ),
    AlertRule(
        "GPULowUtilization",
        Severity.INFO,
        Limit(10.0, 1800.0),
        _utilisation_of_ours,
        0.5,
        "{what} is hardly used",
        "{what} is used again",
        _percent,
        "{holder} holds it; it may be waiting for its data or for the processor.",
        below=True,
    ),
    AlertRule(
        "GPUMemoryFull",
        Severity.CRITICAL,
        Limit(95.0, 120.0),
        _memory,
        0.03,
        "The memory of {what} is full",
        "The memory of {what} has room again",
        _percent,
        "The next job that asks for more may fail; stop one that can be spared.",
    ),
    AlertRule(
        "GPUMemoryHigh",
        Severity.WARNING,
        Limit(90.0, 300.0),
        _memory,
        0.03,
        "The memory of {what} is nearly full",
        "The memory of {what} has room again",
        _percent,
        "A job that grows may fail.",
        outranked_by="GPUMemoryFull",
    ),
    AlertRule(
        "GPUCriticalTemperature",
        Severity.CRITICAL,
        Limit(90.0, 60.0),
        _temperature,
        0.04,
        "{what} is far too hot",
        "{what} is no longer far too hot",
        _degrees,
        "Stop its jobs, and see that its fans turn and its air can get in.",
    ),
    AlertRule(
        "GPUHighTemperature",
        Severity.WARNING,
        Limit(80.0, 300.0),
        _temperature,
        0.04,
        "{what} is hot",
        "{what} has cooled down",
        _degrees,
        "See that its fans turn and its air can get in.",
        outranked_by="GPUCriticalTemperature",
    ),
    AlertRule(
        "SchedulerQueueHigh",
        Severity.WARNING,
        Limit(100.0, 300.0),
        _waiting,
        0.1,
        "Many jobs wait for a place",
        "The queue is short again",
        _jobs,
        "They start as others end; the window says what each waits for.",
    ),
    AlertRule(
        "SchedulingLatencyHigh",
        Severity.WARNING,
        Limit(10.0, 300.0),
        _start_latency,
        0.2,
        "Jobs start slowly",
        "Jobs start quickly again",
        format_duration,
        "One in twenty takes longer from its admission to its first moment; disk or memory may be overloaded.",
    ),
    AlertRule(
        SERVICE_DOWN,
        Severity.CRITICAL,
        Limit(0.5, 300.0),
        _down,
        0.0,
        "Service {what} is down",
        "Service {what} answers again",
        _no_answer,
        "Its tasks wait until it answers.",
    ),
)
"""Graver ones stand before those they outrank."""

_DEFAULTS = {rule.name: rule.default for rule in RULES}


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """Which rules hold, by name, and where their lines are."""

    enabled: bool = True
    limits: Mapping[str, Limit] = field(default_factory=lambda: dict(_DEFAULTS))

    def limit(self, rule: AlertRule) -> Limit | None:
        """None when the rule is off."""
        limit = self.limits.get(rule.name, rule.default)
        return limit if self.enabled and limit.line is not None else None

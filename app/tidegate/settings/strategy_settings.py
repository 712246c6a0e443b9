"""The settings of the strategies: a section for each, whose keys are the options by which the core makes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from tidegate.settings.setting import Setting
from tidegate.settings.values import Kind, NotUnderstoodError, Value, read_number

STRATEGY_SECTIONS: dict[str, str] = {
    "priority_based": "Priority first, then arrival.",
    "fair_sharing": "Whoever used least lately goes first.",
    "time_slicing": "Jobs that had their quantum are paused, and those that wait longest have their turn.",
    "resource_pooling": "Named pools own shares of this computer, lend what lies idle, and get it back.",
    "load_balancing": "What needs what is free goes first.",
    "hybrid": "A weighted sum of priority, age, fair share, size and deadline.",
}


@lru_cache(maxsize=1)
def installed_strategies() -> tuple[str, ...]:
    from tidegate.plugins import KnownStrategies

    return tuple(name for name in KnownStrategies() if name not in STRATEGY_CHOICES)


STRATEGY_CHOICES = (
    "priority_based",
    "fair_sharing",
    "time_slicing",
    "resource_pooling",
    "load_balancing",
    "hybrid",
    "auto",
)

STRATEGY = Setting(
    "strategy",
    "queue",
    Kind.CHOICE,
    "priority_based",
    "Strategy",
    "In which order waiting jobs start; queues may have their own. Auto takes what did best here.",
    choices=STRATEGY_CHOICES,
    more_choices=installed_strategies,
)

PLUGIN_OPTIONS = Setting(
    "plugin_options",
    "queue",
    Kind.TEXT,
    "",
    "Options of installed strategies",
    "What strategies of installed packages are to know, such as shortest_first.unknown_s=60; what reads as a number is "
    "one. Those that come with Tidegate have settings of their own.",
)


def _seconds(section: str, key: str, default: float, label: str, text: str, low: float, high: float) -> Setting:
    return Setting(f"{section}_{key}", section, Kind.SECONDS, default, label, text, "s", low, high)


def _weight(key: str, default: float, label: str, text: str, low: float = 0.0) -> Setting:
    return Setting(f"hybrid_{key}", "hybrid", Kind.NUMBER, default, label, text, "", low, 1000)


STRATEGY_OPTIONS: tuple[Setting, ...] = (
    _seconds(
        "priority_based",
        "aging_s",
        4 * 3600.0,
        "Aging",
        "A job that has waited so long counts as one priority more important; 0 switches aging off.",
        0,
        30 * 86400,
    ),
    Setting(
        "fair_sharing_by",
        "fair_sharing",
        Kind.CHOICE,
        "user",
        "Share between",
        "Whom a job's use is charged to, here and in hybrid.",
        choices=("user", "label", "queue"),
    ),
    Setting(
        "fair_sharing_label",
        "fair_sharing",
        Kind.TEXT,
        "",
        "Label that counts",
        "When shares are by label: the name before the equals sign, as team in team=vision. Empty: the first label.",
    ),
    _seconds(
        "fair_sharing",
        "half_life_s",
        86_400.0,
        "Half-life of use",
        "After this time what was used counts half.",
        1,
        365 * 86400,
    ),
    Setting(
        "fair_sharing_weights",
        "fair_sharing",
        Kind.TEXT,
        "",
        "Weights",
        "Who is due more than others, such as alice=2 bob=1; who is not named has 1.",
    ),
    _seconds(
        "time_slicing",
        "quantum_s",
        300.0,
        "Quantum",
        "How long a job runs before others that wait may have its turn; a paused job keeps its memory.",
        1,
        7 * 86400,
    ),
    Setting(
        "resource_pooling_pools",
        "resource_pooling",
        Kind.TEXT,
        "",
        "Pools",
        "Who owns what percentage of cores, memory and cards, such as research=60 teaching=30; the rest is common. "
        "A job belongs to the pool of its label pool=NAME, else to the one called like its queue.",
    ),
    Setting(
        "resource_pooling_borrow",
        "resource_pooling",
        Kind.TEXT,
        "true",
        "Borrow",
        "Whether pools may use what lies idle of others: true, false, or at most so many percent, such as research=20. "
        "Memory is only lent to jobs that may be requeued or killed for others, for a paused one keeps it.",
    ),
    _seconds(
        "resource_pooling",
        "reclaim_s",
        60.0,
        "Taken back after",
        "How long a pool waits for what is its own before it takes back what it lent.",
        0,
        86400,
    ),
    _seconds(
        "load_balancing",
        "patience_s",
        3600.0,
        "Patience",
        "Waiting so long weighs as much as one step of priority, or a perfect match with what is free.",
        1,
        30 * 86400,
    ),
    _weight("priority", 1.0, "Weight of priority", "What priority 0 is ahead of priority 9."),
    _weight("age", 1.0, "Weight of age", "What a day of waiting adds.", 0.01),
    _weight("fair_share", 1.0, "Weight of fair share", "What one who used nothing is ahead of one who used all."),
    _weight("size", 0.2, "Weight of size", "What the smallest job is ahead of a large one."),
    _weight("deadline", 2.0, "Weight of deadlines", "What a job is ahead that has to start now to be done in time."),
)


def strategy_options(values: Mapping[str, Value]) -> tuple[tuple[str, object], ...]:
    """What is set otherwise than it is by itself, as (strategy.option, value)."""
    own = tuple(
        (f"{setting.section}.{setting.key}", values[setting.name])
        for setting in STRATEGY_OPTIONS
        if values[setting.name] != setting.default
    )
    return own + tuple(_plugin_options(values).items())


def _plugin_options(values: Mapping[str, Value]) -> dict[str, str | float]:
    """Of strategies of installed packages, by strategy.option; raises ValueError with a sentence."""
    found: dict[str, str | float] = {}
    for entry in str(values[PLUGIN_OPTIONS.name]).split():
        name, _, text = entry.partition("=")
        strategy, _, option = name.partition(".")
        if not strategy or not option or not text or name in found:
            raise ValueError(
                f"plugin_options: {entry} is not accepted; write each option once, as strategy.option=value"
            )
        if strategy in STRATEGY_SECTIONS:
            raise ValueError(f"plugin_options: {strategy} comes with Tidegate; its options stand below [{strategy}]")
        try:
            found[name] = read_number(text)
        except NotUnderstoodError:
            found[name] = text
    return found


def contradictions(values: Mapping[str, Value]) -> list[str]:
    """What the strategies themselves do not accept, a sentence each; ``values`` are all settings by their names."""
    try:
        options = dict(strategy_options(values))
    except ValueError as error:
        return [f"{error}."]
    if not options:
        return []
    from tidegate.core.strategies.registry import BUILT_IN

    errors: dict[str, None] = {}
    for make in BUILT_IN.values():
        try:
            make(options)
        except ValueError as error:
            errors[f"{error}."] = None
    return list(errors)

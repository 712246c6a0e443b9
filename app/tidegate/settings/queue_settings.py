"""The settings of queues: each has a section of its own, ``[queues.NAME]``, and users add queues by adding one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tidegate.settings.setting import Setting
from tidegate.settings.strategy_settings import STRATEGY_CHOICES, installed_strategies
from tidegate.settings.values import Kind, Value

PREFIX = "queues."
BUILT_IN = ("realtime", "default", "batch")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
NAMED_LIKE = "a name of small letters, digits, - and _ that begins with a letter, 31 characters at most"

_BUILT_IN_ORDER = {"realtime": 0, "default": 10, "batch": 20}
_PURPOSE = {
    "realtime": "The queue realtime: goes first, and may make jobs of batch wait.",
    "default": "The queue default: where jobs go that name none.",
    "batch": "The queue batch: what may wait until nothing else does.",
}

SECTIONS = {PREFIX + name: _PURPOSE[name] for name in BUILT_IN}


def _settings_of(queue: str) -> tuple[Setting, ...]:
    section = PREFIX + queue
    preempts = "batch" if queue == "realtime" else "none"

    def setting(
        key: str, kind: Kind, default: Value, label: str, text: str, high: float | None = None, auto: str | None = None
    ) -> Setting:
        low = None if high is None else {"order": 0, "memory": 2**20}.get(key, 1)
        return Setting(f"{section}.{key}", section, kind, default, label, text, "", low, high, automatic=auto)

    def strategy() -> Setting:
        made = setting(
            "strategy",
            Kind.CHOICE,
            None,
            "Strategy",
            "In which order its jobs are taken.",
            auto="the machine's strategy",
        )
        return replace(made, choices=STRATEGY_CHOICES[:-1], more_choices=installed_strategies)

    return (
        setting(
            "order", Kind.COUNT, _BUILT_IN_ORDER.get(queue, 10), "Order", "The queue with the lowest goes first.", 1000
        ),
        strategy(),
        setting(
            "max_running", Kind.COUNT, None, "Jobs at once, at most", "Paused ones do not count.", 10000, "no limit"
        ),
        setting(
            "memory", Kind.SIZE, None, "Memory, at most", "What its jobs may hold together.", float(2**50), "no limit"
        ),
        setting(
            "cards",
            Kind.COUNT,
            None,
            "GPUs, at most",
            "On how many cards its jobs may be, counted per job.",
            1000,
            "no limit",
        ),
        setting(
            "backfill",
            Kind.BOOL,
            True,
            "Smaller jobs may start early",
            "When that delays no job before them; off: strict order, nobody passes.",
        ),
        setting(
            "preempts",
            Kind.TEXT,
            preempts,
            "May interrupt",
            "Queues whose jobs make room for a job of this one, each as it allows; names with blanks between, or none.",
        ),
    )


BUILT_IN_SETTINGS = tuple(setting for name in BUILT_IN for setting in _settings_of(name))


def find_queue_setting(name: str) -> Setting | None:
    """The setting ``queues.NAME.KEY`` of any queue that could be; None when it is none of these."""
    if not name.startswith(PREFIX):
        return None
    queue, _, _key = name.removeprefix(PREFIX).partition(".")
    if not NAME.fullmatch(queue):
        return None
    return next((setting for setting in _settings_of(queue) if setting.name == name), None)


def queues_in(names: Iterable[str]) -> list[str]:
    """The queues that settings of these names make: the built-in ones, then the users' own in order of their names."""
    own = {name.removeprefix(PREFIX).partition(".")[0] for name in names if name.startswith(PREFIX)}
    return [*BUILT_IN, *sorted(own.difference(BUILT_IN))]


def settings_of_own_queues(names: Iterable[str]) -> tuple[Setting, ...]:
    """What can be set about queues that are not built in."""
    return tuple(setting for queue in queues_in(names) if queue not in BUILT_IN for setting in _settings_of(queue))


def queue_values(values: Mapping[str, Value], queue: str) -> dict[str, Value]:
    """What is set about this queue by key, defaults included."""
    prefix = f"{PREFIX}{queue}."
    return {
        setting.name.removeprefix(prefix): values.get(setting.name, setting.default) for setting in _settings_of(queue)
    }


def names_of(text: Value) -> tuple[str, ...]:
    """The queues that a text names."""
    words = str(text or "").replace(",", " ").split()
    return () if words == ["none"] else tuple(words)


def contradictions(values: Mapping[str, Value]) -> list[str]:
    """What is wrong about queues, each sentence with its setting; ``values`` are all settings by their names."""
    queues = queues_in(values)
    errors = []
    for queue in queues:
        for other in names_of(queue_values(values, queue)["preempts"]):
            if other not in queues:
                errors.append(f'{PREFIX}{queue}.preempts: there is no queue "{other}"; there are {", ".join(queues)}.')
            elif other == queue:
                errors.append(f"{PREFIX}{queue}.preempts: a queue cannot interrupt itself.")
    return errors

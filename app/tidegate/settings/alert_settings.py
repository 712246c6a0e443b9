"""The settings of what a person is told by itself: long jobs, and the alert rules with their lines and durations."""

from __future__ import annotations

from tidegate.settings.setting import Setting
from tidegate.settings.values import Kind


def _seconds(name: str, section: str, default: float, label: str, text: str, low: float, high: float) -> Setting:
    return Setting(name, section, Kind.SECONDS, default, label, text, "s", low, high)


_NOTIFY = (
    _seconds(
        "notify_after",
        "toasts",
        60.0,
        "A job is long from",
        "You are told of a job that succeeds when it ran at least this long.",
        0,
        7 * 86400,
    ),
)


def _alert(name: str, kind: Kind, line: float | int, unit: str, high: float, label: str, text: str) -> Setting:
    return Setting(f"alerts_{name}", "alerts", kind, line, label, f"{text} 0 switches this alert off.", unit, 0, high)


def _lasting(name: str, seconds: float, label: str) -> Setting:
    text = "How long it has to last before you are told."
    return _seconds(f"alerts_{name}_for", "alerts", seconds, f"{label} for at least", text, 0, 86400)


_DEGREES = "\N{DEGREE SIGN}C"

_RULES = (
    Setting(
        "alerts_enabled",
        "alerts",
        Kind.BOOL,
        True,
        "Alerts",
        "Tells you when something about this computer lasts too long. Graver ones come at once.",
    ),
    _alert(
        "gpu_utilization_high_pct",
        Kind.PERCENT,
        90.0,
        "%",
        100,
        "Card busy above",
        "Alerts when a card's processor is used more.",
    ),
    _lasting("gpu_utilization_high", 300.0, "Card busy"),
    _alert(
        "gpu_utilization_low_pct",
        Kind.PERCENT,
        10.0,
        "%",
        50,
        "Card idle below",
        "Alerts when a card that one of your jobs holds is used less.",
    ),
    _lasting("gpu_utilization_low", 1800.0, "Card idle"),
    _alert(
        "gpu_memory_high_pct",
        Kind.PERCENT,
        90.0,
        "%",
        100,
        "Card memory nearly full above",
        "Alerts when more of a card's memory is used.",
    ),
    _lasting("gpu_memory_high", 300.0, "Card memory nearly full"),
    _alert("gpu_memory_full_pct", Kind.PERCENT, 95.0, "%", 100, "Card memory full above", "A critical alert."),
    _lasting("gpu_memory_full", 120.0, "Card memory full"),
    _alert(
        "gpu_temperature_high_c", Kind.NUMBER, 80.0, _DEGREES, 120, "Card hot above", "Alerts when a card is hotter."
    ),
    _lasting("gpu_temperature_high", 300.0, "Card hot"),
    _alert(
        "gpu_temperature_critical_c", Kind.NUMBER, 90.0, _DEGREES, 120, "Card far too hot above", "A critical alert."
    ),
    _lasting("gpu_temperature_critical", 60.0, "Card far too hot"),
    _alert(
        "queue_high",
        Kind.COUNT,
        100,
        "jobs",
        10_000_000,
        "Many jobs waiting above",
        "Alerts when more jobs wait that could start at once if there were room.",
    ),
    _lasting("queue_high", 300.0, "Many jobs waiting"),
    _alert(
        "start_latency_high",
        Kind.SECONDS,
        10.0,
        "s",
        3600,
        "Slow starts above",
        "Alerts when one job in twenty takes longer from its admission to its first moment.",
    ),
    _lasting("start_latency_high", 300.0, "Slow starts"),
    _seconds(
        "alerts_service_down_for",
        "alerts",
        300.0,
        "Service down for at least",
        "How long a service may not answer before you are told. 0 switches this alert off.",
        0,
        86400,
    ),
)

ALERTS: tuple[Setting, ...] = (*_NOTIFY, *_RULES)

"""Amounts and moments as people read them in the terminal, unknown ones included; worded like the engine's sentences.

The core's own texts are out of reach for this package (D2), and moments here are columns: of one width, to the second.
"""

from __future__ import annotations

import time


def size(bytes: float | None) -> str:
    """``9.4 GB``; ``-`` for unknown."""
    if bytes is None:
        return "-"
    amount, unit, larger = float(bytes), "B", ["TB", "GB", "MB", "KB"]
    # From 1023.5 on it would be shown as 1024: that is one of the next unit.
    while abs(amount) >= 1023.5 and larger:
        amount, unit = amount / 1024, larger.pop()
    return f"{_short(amount)} {unit}"


def _short(amount: float) -> str:
    """One decimal below 100, none from there on, and no ``.0``."""
    return f"{amount:.1f}".removesuffix(".0") if abs(amount) < 99.95 else f"{amount:.0f}"


def duration(seconds: float | None) -> str:
    """``3 min 5 s``: the two largest units; ``-`` for unknown."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{_short(max(0.0, seconds))} s"
    left = round(seconds)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, length)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


def moment(at: float | None, now: float) -> str:
    """``14:03:09`` today, ``21 Nov 14:03`` otherwise; ``-`` for never."""
    if at is None:
        return "-"
    then = time.localtime(at)
    same_day = then[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M:%S", then) if same_day else time.strftime("%d %b %H:%M", then)


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"


def counted(number: float, one: str, many: str | None = None) -> str:
    """``1 job``, ``2 jobs``, ``0.5 cores``."""
    return f"{number:g} {one if number == 1 else many or one + 's'}"

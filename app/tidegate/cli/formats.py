"""Amounts and moments as people read them in the terminal; sizes are 1024-based, like the ones that are typed in."""

from __future__ import annotations

import time


def size(bytes: float | None) -> str:
    """``9.4 GB``; ``-`` for unknown."""
    if bytes is None:
        return "-"
    amount, units = float(bytes), ["TB", "GB", "MB", "KB", "B"]
    unit = units.pop()
    while abs(amount) >= 1024 and units:
        amount, unit = amount / 1024, units.pop()
    return f"{amount:.0f} {unit}" if unit in ("B", "KB") or abs(amount) >= 100 else f"{amount:.1f} {unit}"


def duration(seconds: float | None) -> str:
    """``3 min 5 s``: the two largest units; ``-`` for unknown."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
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


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {one if number == 1 else many or one + 's'}"

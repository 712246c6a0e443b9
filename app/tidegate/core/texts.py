"""Amounts, times and names as a person reads them; every view and every sentence uses these."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def format_size(size_bytes: float) -> str:
    """``9.4 GB``, ``512 MB``: the largest unit (1024-based) that leaves at least 1, with one decimal below 100."""
    sign = "-" if size_bytes < 0 else ""
    amount = abs(float(size_bytes))
    unit = 0
    # 1023.5 would be shown as "1024": from there on it is one of the next unit.
    while amount >= 1023.5 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{sign}{_short(amount)} {_UNITS[unit]}"


def _short(amount: float) -> str:
    """One decimal below 100, none from there on, and no ``.0``."""
    text = f"{amount:.1f}" if amount < 99.95 else f"{amount:.0f}"
    return text.removesuffix(".0")


def format_duration(seconds: float) -> str:
    """``0.4 s``, ``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``: the two largest units."""
    sign = "-" if seconds < 0 else ""
    seconds = abs(float(seconds))
    if seconds < 9.95:
        return f"{sign}{_short(seconds)} s"
    whole = round(seconds)
    if whole >= 86370:
        whole = round(whole / 3600) * 3600
        parts = ((whole // 86400, "d"), (whole % 86400 // 3600, "h"))
    elif whole >= 3600:
        whole = round(whole / 60) * 60
        parts = ((whole // 3600, "h"), (whole % 3600 // 60, "min"))
    else:
        parts = ((whole // 60, "min"), (whole % 60, "s"))
    return sign + " ".join(f"{count} {unit}" for count, unit in parts if count)


def format_moment(at: float, now: float, zone: tzinfo | None = None) -> str:
    """``14:22``, ``tomorrow 14:22``, ``Monday 14:22``, ``2026-11-23 14:22``: as short as it is clear at ``now``.

    ``zone`` None is the machine's own wall time.
    """
    moment = datetime.fromtimestamp(at, zone)
    today = datetime.fromtimestamp(now, zone).date()
    clock = f"{moment:%H:%M}"
    days = (moment.date() - today) // timedelta(days=1)
    if days == 0:
        return clock
    if days in (-1, 1):
        return f"{'tomorrow' if days == 1 else 'yesterday'} {clock}"
    if 1 < days < 7:
        return f"{_DAYS[moment.weekday()]} {clock}"
    return f"{moment:%Y-%m-%d} {clock}"


def as_sentence(clause: str) -> str:
    """An engine's clause ("job 3 has ended") as a sentence that stands alone; a file's name first stays as it is."""
    word = clause.partition(" ")[0]
    begun = clause[:1].upper() + clause[1:] if word.isalpha() else clause
    return begun + ("" if clause.endswith((".", "?")) else ".")


_PATTERN = re.compile(r"%(%|([0-9]{0,2})([jAax]))")


def fill_output_name(pattern: str, *, number: int, index: int | None, name: str) -> str:
    """An ``#SBATCH`` file's output path with Slurm's patterns filled in: %j and %A id, %a index, %x name, %% percent.

    A width pads numbers with zeros (``%4a`` is 0007). Other patterns stay as they are.
    """

    def fill(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        width, letter = int(match[2] or 0), match[3]
        if letter == "x":
            return name.replace("/", "_")
        if letter == "a":
            return str(index if index is not None else 0).zfill(width)
        return str(number).zfill(width)

    return _PATTERN.sub(fill, pattern)

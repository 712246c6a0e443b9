"""The kinds of values a setting can have: how each is written by people, read, and shown again."""

from __future__ import annotations

import math
import re
from enum import StrEnum

Value = str | int | float | bool | None
"""What a setting holds: sizes in bytes, times in seconds; None is "auto"."""

AUTO = "auto"

_SIZE_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_TIME_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0}
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class SettingsError(Exception):
    """Everything that is wrong with the settings at once; each of ``errors`` is one sentence."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class NotUnderstoodError(ValueError):
    """A text is no value of its kind; whoever asked knows what would be accepted."""


class Kind(StrEnum):
    """What kind of value a setting holds."""

    PERCENT = "percent"
    SIZE = "size"
    SECONDS = "seconds"
    COUNT = "count"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"
    BOOL = "bool"
    HOURS = "hours"


def read(kind: Kind, raw: object) -> str | int | float | bool:
    """The value meant by ``raw``: text from the command line or environment, or what TOML made of it.

    Raises NotUnderstoodError. Ranges and choices are not judged here.
    """
    if isinstance(raw, bool):
        if kind is Kind.BOOL:
            return raw
        raise NotUnderstoodError
    if not isinstance(raw, (str, int, float)):
        raise NotUnderstoodError
    if kind in (Kind.TEXT, Kind.HOURS) and not isinstance(raw, str):
        raise NotUnderstoodError
    return _read_text(kind, str(raw).strip())


def _read_text(kind: Kind, text: str) -> str | int | float | bool:
    match kind:
        case Kind.SIZE:
            return _read_size(text)
        case Kind.SECONDS:
            return _read_seconds(text)
        case Kind.PERCENT:
            return read_number(text.removesuffix("%").rstrip())
        case Kind.NUMBER:
            return read_number(text)
        case Kind.COUNT:
            if not re.fullmatch(r"[0-9]{1,15}", text):
                raise NotUnderstoodError
            return int(text)
        case Kind.BOOL:
            if text.lower() not in _WORDS:
                raise NotUnderstoodError
            return _WORDS[text.lower()]
        case Kind.HOURS:
            return _read_hours(text)
        case Kind.CHOICE:
            return text.lower()
        case Kind.TEXT:
            if "\n" in text or "\0" in text:
                raise NotUnderstoodError
            return text


def _read_size(text: str) -> int:
    """Bytes, in the grammar of ``--mem``: a bare number is refused, because nobody can tell what it means (D5)."""
    from tidegate.submission.grammar import NotUnderstood, parse_size

    try:
        return parse_size(text)
    except (NotUnderstood, OverflowError):
        raise NotUnderstoodError from None


def _read_seconds(text: str) -> float:
    """Seconds, in the grammar of ``--time`` but that a bare number is seconds here, and 0 is a time."""
    from tidegate.submission.grammar import NotUnderstood, parse_time

    try:
        return 0.0 if text in ("0", "0s", "0.0") else parse_time(text, bare_s=1.0)
    except NotUnderstood:
        raise NotUnderstoodError from None


def _read_hours(text: str) -> str:
    """Daily hours as ``22:00-07:00``, however they were written; ``off`` for none."""
    from tidegate.core.daily_hours import parse_daily_hours

    if text.lower() in ("", "off", "none"):
        return "off"
    try:
        return str(parse_daily_hours(text))
    except ValueError:
        raise NotUnderstoodError from None


def read_number(text: str) -> float:
    """The finite number meant; raises NotUnderstoodError."""
    try:
        number = float(text)
    except ValueError:
        raise NotUnderstoodError from None
    if not math.isfinite(number):
        raise NotUnderstoodError
    return number


def show(kind: Kind, value: Value) -> str:
    """The shortest text that reads back as ``value``."""
    if value is None:
        return AUTO
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind is Kind.SIZE and isinstance(value, int):
        return _show_size(value)
    if kind is Kind.SECONDS and isinstance(value, (int, float)):
        return _show_seconds(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _show_size(size: int) -> str:
    for unit, factor in reversed(_SIZE_UNITS.items()):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size / 1024:.15g}K"


def _show_seconds(seconds: float) -> str:
    for unit, factor in _TIME_UNITS.items():
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:.15g}{unit}"
    return f"{seconds:.15g}s"


def as_toml(kind: Kind, value: Value) -> str:
    """``value`` as it stands behind the equals sign in ``config.toml``."""
    if kind in (Kind.PERCENT, Kind.COUNT, Kind.NUMBER, Kind.BOOL) and value is not None:
        return show(kind, value)
    import json

    # A JSON string is a valid TOML basic string but for DEL, which TOML wants escaped too.
    return json.dumps(show(kind, value), ensure_ascii=False).replace("\x7f", "\\u007f")

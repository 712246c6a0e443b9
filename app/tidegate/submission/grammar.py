"""Reads the words people type for sizes, times, moments, array ranges and dependencies (D5).

Every function raises NotUnderstood, whose text says what is accepted; the caller adds field and value.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta, tzinfo

from tidegate.core.job import AfterCondition, Dependency, JobId

MAX_ARRAY_ELEMENTS = 100_000
MAX_ARRAY_INDEX = 999_999_999

SIZES = "a size is a number with its unit, such as 8G, 1.5G or 512M"
TIMES = "a time is such as 90s, 30m, 2h, 1h30m or 1-12:00:00"
MOMENTS = "a moment is such as 22:00, 2026-12-24T18:00, or now+2h"
ARRAYS = "an array is such as 1-10, 1-10%2 (two at a time), 0-90:10 or 1,3,7-9"
DEPENDENCIES = "a dependency is such as 7, 7,9, ok:7, any:7 or failed:7,9"


class NotUnderstood(ValueError):
    """The text cannot be read; ``str()`` is a clause that says why or what is accepted."""


def plain(text: str) -> str:
    """Full-width letters, digits, commas and brackets as their plain forms, outer blanks gone."""
    return unicodedata.normalize("NFKC", text).strip()


# --- Sizes ---------------------------------------------------------------------------------------------------------

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:([kmgt])(?:ib|i|b)?|(b))?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str, bare_unit: str | None = None) -> int:
    """Bytes; K M G T and Ki.. are 1024-based. ``bare_unit`` is the unit of a bare number, which else is refused."""
    match = _SIZE.fullmatch(plain(text))
    if match is None:
        raise NotUnderstood(SIZES)
    letter = match[2] or (None if match[3] else bare_unit)
    number = float(match[1])
    if letter is None and not match[3] and number:
        raise NotUnderstood(f"a size needs its unit: say {match[1]}G or {match[1]}M")
    power = _POWERS[letter.lower()] if letter else 0
    size = number * float(1024**power)
    if size >= 2**63:
        raise NotUnderstood(f"the size is larger than any machine; {SIZES}")
    if round(size) <= 0:
        raise NotUnderstood(f"a size is more than 0; {SIZES}")
    return round(size)


# --- Times ---------------------------------------------------------------------------------------------------------

_TIME_UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hr": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}
_TIME_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([a-z]+)")
_CLOCK = re.compile(r"(?:([0-9]{1,5})-)?([0-9]{1,5}):([0-9]{2}):([0-9]{2})")
_MAX_TIME_S = 100 * 365 * 86400


def parse_time(text: str, bare_s: float | None = None) -> float:
    """Seconds, more than 0. ``bare_s`` is what a bare number counts (60: minutes); None refuses it."""
    word = plain(text).lower()
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", word):
        if bare_s is None:
            raise NotUnderstood(f"a time needs its unit: say {word}s, {word}m or {word}h")
        return _checked_time(float(word) * bare_s)
    clock = _CLOCK.fullmatch(word)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        if minutes > 59 or seconds > 59:
            raise NotUnderstood(f"minutes and seconds end at 59; {TIMES}")
        return _checked_time(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    if re.fullmatch(r"[0-9]{1,9}:[0-9]{2}", word):
        raise NotUnderstood(f"it could be hours or minutes: say {_both_readings(word)}")
    return _checked_time(_sum_of_parts(word))


def _both_readings(word: str) -> str:
    first, second = word.split(":")
    return f"{int(first)}h{int(second)}m or {int(first)}m{int(second)}s"


def _sum_of_parts(word: str) -> float:
    total, at = 0.0, 0
    while at < len(word):
        part = _TIME_PART.match(word, at)
        unit = part and (_TIME_UNITS.get(part[2]) or _TIME_UNITS.get(part[2].removesuffix("s")))
        if not part or not unit:
            raise NotUnderstood(TIMES)
        total, at = total + float(part[1]) * unit, part.end()
    return total


def _checked_time(seconds: float) -> float:
    if seconds <= 0:
        raise NotUnderstood(f"a time is more than 0; {TIMES}")
    if seconds > _MAX_TIME_S:
        raise NotUnderstood(f"the time is longer than a hundred years; {TIMES}")
    return float(seconds)


# --- Moments -------------------------------------------------------------------------------------------------------

_TIME_OF_DAY = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")


def parse_moment(text: str, now: float, zone: tzinfo | None = None) -> float:
    """Unix seconds. A time of day is the next one to come; ``zone`` None is the machine's own wall time."""
    word = plain(text)
    lower = word.lower()
    if lower == "now":
        return now
    if re.match(r"now\s*\+", lower):
        return now + parse_time(lower.partition("+")[2])
    clock = _TIME_OF_DAY.fullmatch(word)
    if clock:
        return _next_time_of_day(clock, now, zone)
    return _iso_moment(word, zone)


def _next_time_of_day(clock: re.Match[str], now: float, zone: tzinfo | None) -> float:
    try:
        wanted = time(int(clock[1]), int(clock[2]), int(clock[3] or 0))
    except ValueError:
        raise NotUnderstood(f"a time of day lies between 00:00 and 23:59; {MOMENTS}") from None
    today = datetime.fromtimestamp(now, zone).date()
    at = _wall_time(datetime.combine(today, wanted), zone)
    # The next day is found on the calendar: adding 24 hours would be wrong on the day the clocks change.
    return at if at > now else _wall_time(datetime.combine(today + timedelta(days=1), wanted), zone)


def _iso_moment(word: str, zone: tzinfo | None) -> float:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
            return _wall_time(datetime.combine(date.fromisoformat(word), time()), zone)
        if not re.match(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ]", word, re.IGNORECASE):
            raise NotUnderstood(MOMENTS)
        moment = datetime.fromisoformat(word)
        return _wall_time(moment, zone) if moment.tzinfo is None else moment.timestamp()
    except NotUnderstood:
        raise
    except (ValueError, OverflowError):
        raise NotUnderstood(f"there is no such day or time; {MOMENTS}") from None


def _wall_time(naive: datetime, zone: tzinfo | None) -> float:
    """Unix seconds of a wall time; one that the spring change skips is as much after the change, one that comes
    twice is the first (PEP 495, fold 0)."""
    return naive.replace(tzinfo=zone).timestamp()


# --- Arrays --------------------------------------------------------------------------------------------------------

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+)(?::([0-9]+))?)?")


def parse_array(text: str) -> tuple[tuple[int, ...], int | None]:
    """The indices in order, each once, and how many may run at a time (None: any number)."""
    ranges, percent, limit = plain(text).replace(" ", "").partition("%")
    parallel = _parallel(limit) if percent else None
    indices: set[int] = set()
    for part in ranges.split(","):
        indices.update(_range(part))
        if len(indices) > MAX_ARRAY_ELEMENTS:
            raise NotUnderstood(_too_many(len(indices)))
    return tuple(sorted(indices)), parallel


def _parallel(limit: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", limit) or int(limit) == 0:
        raise NotUnderstood(f"after % stands how many may run at a time, 1 or more; {ARRAYS}")
    return int(limit)


def _range(part: str) -> range:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise NotUnderstood(ARRAYS)
    if any(len(number) > 12 for number in match.groups("")):
        raise NotUnderstood(f"an index is at most {MAX_ARRAY_INDEX}")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if step == 0:
        raise NotUnderstood(f"a step is 1 or more; {ARRAYS}")
    if last < first:
        raise NotUnderstood(f"the range {part} ends before it begins; {ARRAYS}")
    if last > MAX_ARRAY_INDEX:
        raise NotUnderstood(f"an index is at most {MAX_ARRAY_INDEX}")
    wanted = range(first, last + 1, step)
    if len(wanted) > MAX_ARRAY_ELEMENTS:
        raise NotUnderstood(_too_many(len(wanted)))
    return wanted


def _too_many(count: int) -> str:
    return f"an array has at most {MAX_ARRAY_ELEMENTS:,} elements, this one {count:,} or more"


# --- Dependencies --------------------------------------------------------------------------------------------------


def parse_dependencies(text: str) -> tuple[Dependency, ...]:
    """``7``, ``ok:7,9``, ``any:7,failed:8.2``, ``none``: a condition holds for the ids after it, until the next one."""
    if plain(text).lower() == "none":
        return ()
    condition = AfterCondition.OK
    found: dict[Dependency, None] = {}
    for part in plain(text).replace(" ", ",").split(","):
        word, colon, rest = part.partition(":")
        if colon:
            try:
                condition = AfterCondition(word.lower())
            except ValueError:
                raise NotUnderstood(f"{word} is not a condition; {DEPENDENCIES}") from None
        for number in (rest if colon else word).split(":"):
            found[Dependency(_job_id(number), condition)] = None
    return tuple(found)


def _job_id(text: str) -> JobId:
    try:
        return JobId.parse(text)
    except ValueError:
        shown = f"{text} is not a job id" if text else "an id is missing"
        raise NotUnderstood(f"{shown}; {DEPENDENCIES}") from None


# --- Plain words ---------------------------------------------------------------------------------------------------

_YES = frozenset(("", "1", "yes", "y", "true", "on"))
_NO = frozenset(("0", "no", "n", "false", "off"))


def parse_yes_no(text: str) -> bool:
    """An option given without a value means yes."""
    word = plain(text).lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise NotUnderstood("say yes or no")


def parse_whole(text: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``."""
    word = plain(text)
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", word) or not low <= int(word) <= high:
        raise NotUnderstood(f"it is a whole number from {low} to {high}")
    return int(word)


def parse_cores(text: str) -> float:
    """Cores: a number above 0, parts of a core allowed."""
    word = plain(text)
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6}", word) or float(word) <= 0:
        raise NotUnderstood("cores are a number above 0, such as 1, 4 or 0.5")
    return float(word)

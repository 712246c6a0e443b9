"""Hours that come every day by the wall clock ("22:00-07:00"), wherever the machine is and whatever its clocks do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

_WRITTEN = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(?:-|\N{EN DASH}|to)\s*(\d{1,2})(?:[:.](\d{2}))?", re.IGNORECASE)
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class DailyHours:
    """From ``start_min`` to ``end_min`` (minutes after midnight); over midnight when the end is the smaller one."""

    start_min: int
    end_min: int

    def __str__(self) -> str:
        return f"{_clock(self.start_min)}-{_clock(self.end_min)}"

    def ends_at(self, now: float, zone: tzinfo | None = None) -> float | None:
        """When these hours end, for a ``now`` (Unix seconds) that lies in them; else None.

        ``zone`` None is the machine's own. Where the clock jumps over the end, the answer may be an hour late.
        """
        local = datetime.fromtimestamp(now, zone)
        minute = local.hour * 60 + local.minute
        over_midnight = self.start_min > self.end_min
        if over_midnight:
            inside = minute >= self.start_min or minute < self.end_min
        else:
            inside = self.start_min <= minute < self.end_min
        if not inside:
            return None
        later = over_midnight and minute >= self.start_min
        return _next_at(local.date() + timedelta(days=1 if later else 0), self.end_min, now, zone)


def _next_at(day: date, minute: int, now: float, zone: tzinfo | None) -> float:
    """That minute of ``day``; the second one in the night in which an hour comes twice and the first has passed."""
    moment = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    first = moment.timestamp()
    return first if first > now else moment.replace(fold=1).timestamp()


def parse_daily_hours(text: str) -> DailyHours:
    """``22:00-07:00``, also ``22-7``; raises ValueError for anything else, and for hours without length."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'"{text}" are no hours of a day; write them as 22:00-07:00')
    start, end = (_minute(found[i], found[i + 1], text) for i in (1, 3))
    if start % _DAY_MIN == end % _DAY_MIN:
        raise ValueError(f'"{text}" begin when they end; write two different times, as in 22:00-07:00')
    return DailyHours(start % _DAY_MIN, end % _DAY_MIN)


def _minute(hour: str, minute: str | None, text: str) -> int:
    made = int(hour) * 60 + int(minute or 0)
    if int(minute or 0) > 59 or made > _DAY_MIN:
        raise ValueError(f'"{text}" names no time of day; write hours from 00:00 to 24:00, as in 22:00-07:00')
    return made


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"

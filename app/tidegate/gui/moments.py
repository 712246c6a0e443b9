"""Moments a person means by a word, on the wall clock of this machine."""

from __future__ import annotations

import time

MORNING_HOUR = 8
DAY_BEGINS_HOUR = 4
"""Before it, a person who is still up means by tomorrow the morning that is coming."""


def tomorrow_morning(now: float) -> float:
    """Unix seconds of the next morning at 08:00 that one would call tomorrow, across changes of the clock too."""
    today = time.localtime(now)
    day = today.tm_mday + (0 if today.tm_hour < DAY_BEGINS_HOUR else 1)
    # A day past the month's end is the next month's first, and -1 lets the zone say what holds on that day.
    return time.mktime((today.tm_year, today.tm_mon, day, MORNING_HOUR, 0, 0, 0, 0, -1))

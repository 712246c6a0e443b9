"""Do not disturb: until a moment, until it is turned off, or in the quiet hours of every day; kept over restarts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from tidegate.core.daily_hours import DailyHours, parse_daily_hours
from tidegate.core.texts import format_moment
from tidegate.gui.preferences import Preferences
from tidegate.gui.remembered import Remembered

LOOK_EVERY_MS = 30_000
"""The wall clock is looked at again so often: it may be set, and the machine may sleep."""
_UNTIL, _WAIVED = "quiet_until", "quiet_waived_until"
_FOR_GOOD = -1.0


class Quiet(QObject):
    """``changed()`` when it begins, ends, or ends at another time than it was to."""

    changed = Signal()

    def __init__(
        self,
        preferences: Preferences,
        remembered: Remembered,
        parent: QObject | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent)
        self._preferences, self._remembered, self._clock = preferences, remembered, clock
        self._hours: DailyHours | None = None
        self._seen: float | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.look)
        preferences.changed.connect(self._on_preference)
        self._read_hours()
        self._seen = self.until
        self._arm()

    @property
    def until(self) -> float | None:
        """When it ends (Unix seconds; infinity: when it is turned off); None while it is not quiet."""
        now = self._clock()
        ends = [end for end in (self._asked_until(now), self._hours_until(now)) if end is not None]
        return max(ends, default=None)

    @property
    def active(self) -> bool:
        return self.until is not None

    def begin(self, seconds: float | None) -> None:
        """For so long; None: until it is turned off."""
        self._remembered.put(_UNTIL, _FOR_GOOD if seconds is None else self._clock() + seconds)
        self.look()

    def end(self) -> None:
        """Turn it off; in quiet hours, for the rest of them."""
        now = self._clock()
        self._remembered.put(_UNTIL, 0.0)
        hours = None if self._hours is None else self._hours.ends_at(now)
        if hours is not None:
            self._remembered.put(_WAIVED, hours)
        self.look()

    def sentence(self) -> str | None:
        """What holds now, for a person; None while it is not quiet."""
        until = self.until
        if until is None:
            return None
        if math.isinf(until):
            return self.tr("Notifications are off until you turn them on.")
        return self.tr("Notifications are off until {moment}.").format(moment=format_moment(until, self._clock()))

    def look(self) -> None:
        """Look at the clock."""
        until = self.until
        if until != self._seen:
            self._seen = until
            self.changed.emit()
        self._arm()

    def stop(self) -> None:
        self._timer.stop()

    def _asked_until(self, now: float) -> float | None:
        asked = self._remembered.get(_UNTIL, 0.0)
        if asked == _FOR_GOOD:
            return math.inf
        return asked if asked > now else None

    def _hours_until(self, now: float) -> float | None:
        if self._hours is None or now < self._remembered.get(_WAIVED, 0.0):
            return None
        return self._hours.ends_at(now)

    def _read_hours(self) -> None:
        text = self._preferences.text("toasts_quiet_hours")
        self._hours = None if text == "off" else parse_daily_hours(text)

    def _on_preference(self, name: str) -> None:
        if name == "toasts_quiet_hours":
            # Who sets new hours wants them, whatever was turned off in the old ones.
            self._remembered.put(_WAIVED, 0.0)
            self._read_hours()
            self.look()

    def _arm(self) -> None:
        until = self.until
        if self._hours is None and (until is None or math.isinf(until)):
            self._timer.stop()
            return
        left_ms = LOOK_EVERY_MS if until is None or math.isinf(until) else (until - self._clock()) * 1000 + 50
        self._timer.start(int(max(50, min(LOOK_EVERY_MS, left_ms))))

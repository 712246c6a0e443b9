"""Graphics cards through NVML, in a thread of its own: a call into the driver cannot be timed out (D1)."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from tidegate.core.machine import GpuReading
from tidegate.monitor.gpu_cards import Card, CardFailure, DriverClosed, DriverSession
from tidegate.monitor.gpu_power import CardPower
from tidegate.monitor.pace import Pace

log = logging.getLogger(__name__)

LEAST_DEADLINE_S = 2.0
REOPEN_S = 30.0  # a lost card or a driver that went away: try anew
LOOK_AGAIN_S = 60.0  # a driver that is installed but does not work yet
IDLE_BEFORE_REST_S = 10.0
REST_UNTIL_ASLEEP_S = 30.0
REST_PAUSE_S = 600.0  # a card that would not go to sleep is not left alone again before

MISSING_PACKAGE = "The Python package nvidia-ml-py is missing, so graphics cards cannot be read."
NO_DRIVER = "No NVIDIA driver is installed, so there are no graphics cards to use."
NO_CARDS = "The NVIDIA driver finds no graphics card."
SILENT_DRIVER = "The NVIDIA driver has not answered yet."


class GpuReader:
    """``latest`` never waits: a driver that does not answer in time makes every figure None until it does."""

    def __init__(
        self,
        library: Any = None,
        power: CardPower | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        idle_before_rest_s: float = IDLE_BEFORE_REST_S,
    ) -> None:
        self._library = library
        self._power = power or CardPower()
        self._monotonic = monotonic
        self._idle_before_rest_s = idle_before_rest_s
        self._pace = Pace(1.0, monotonic)
        self._thread: threading.Thread | None = None
        self._settled = threading.Event()
        self._session: DriverSession | None = None
        self._readings: tuple[GpuReading, ...] = ()
        self._answered_at: float | None = None
        self._next_open = 0.0
        self._idle_since: float | None = None
        self._resting_since: float | None = None
        self._slept = False
        self._rest_not_before = 0.0
        self._said: set[str] = set()
        self._absent_reason: str | None = None
        self.driver_version: str | None = None

    @property
    def absent_reason(self) -> str | None:
        """Why there are no cards, in one sentence; None when there are some."""
        if self._readings:
            return None
        return self._absent_reason or SILENT_DRIVER

    def start(self, interval_s: float = 1.0) -> None:
        """Begin reading; a second call only changes the interval."""
        self._pace.set_interval(interval_s)
        if self._thread is None:
            self._answered_at = self._monotonic()
            self._thread = threading.Thread(target=self._run, name="nvml", daemon=True)
            self._thread.start()

    def wait_until_known(self, timeout_s: float) -> bool:
        """Wait for the first answer: the cards, or the reason why there are none. For start-up, off the event loop."""
        return self._settled.wait(timeout_s)

    def set_interval(self, interval_s: float) -> None:
        self._pace.set_interval(interval_s)

    def stop(self, timeout_s: float = 0.5) -> None:
        """Leave; a thread that hangs inside the driver is left behind."""
        self._pace.stop()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def latest(self) -> tuple[GpuReading, ...]:
        """The newest reading of every card. An overdue one keeps its place in the list, with no figures."""
        readings, answered_at = self._readings, self._answered_at
        if not readings or answered_at is None:
            return readings
        silent_s = self._monotonic() - answered_at
        if silent_s <= max(LEAST_DEADLINE_S, 2 * self._pace.interval_s):
            return readings
        return tuple(_unknown(reading, f"The driver has not answered for {silent_s:.0f} s.") for reading in readings)

    def _run(self) -> None:
        try:
            self._library = self._library or importlib.import_module("pynvml")
        except ImportError:
            self._say_absent(MISSING_PACKAGE)
            self._settled.set()
            return
        while self._pace.wait():
            try:
                if not self._poll():
                    break
            except Exception:
                if "bug" not in self._said:
                    self._said.add("bug")
                    log.exception("The reading of graphics cards failed and is unknown.")
                self._readings = tuple(_unknown(reading, "The reading failed.") for reading in self._readings)
            self._settled.set()
            self._answered_at = self._monotonic()
        self._settled.set()

    def _poll(self) -> bool:
        """One round over all cards; False when there will never be one."""
        now = self._monotonic()
        if self._resting_since is not None and not self._rest_is_over(now):
            return True
        if self._session is None or not self._session.is_open or self._wants_reopening(now):
            if now < self._next_open:
                return True
            if not self._open(now):
                return self._absent_reason != NO_DRIVER
        assert self._session is not None
        try:
            self._readings = tuple(self._read(card) for card in self._session.cards)
        except DriverClosed as error:
            self._session.close()
            self._next_open = now
            self._readings = tuple(_unknown(reading, str(error)) for reading in self._readings)
            return True
        self._rest_when_idle(now)
        return True

    def _open(self, now: float) -> bool:
        """Connect to the driver; True when there is at least one card. Cards keep their index for ever."""
        session = self._session or DriverSession(self._library)
        try:
            session.open()
        except CardFailure as error:
            known = bool(self._session and self._session.cards)
            self._next_open = now + (REOPEN_S if known else LOOK_AGAIN_S)
            self._readings = tuple(_unknown(reading, str(error)) for reading in self._readings)
            if not known:
                self._say_absent(NO_DRIVER if error.no_library else f"The NVIDIA driver cannot be used: {error}")
            return False
        self._session, self.driver_version = session, session.driver_version
        self._next_open = now + REOPEN_S
        if not session.cards:
            self._next_open = now + LOOK_AGAIN_S
            session.close()
            self._say_absent(NO_CARDS)
        return bool(session.cards)

    def _wants_reopening(self, now: float) -> bool:
        assert self._session is not None
        missing = self._session.unnamed > 0 or any(reading.lost for reading in self._readings)
        return missing and now >= self._next_open

    def _read(self, card: Card) -> GpuReading:
        assert self._session is not None
        if self._power.sleeps(card.bus_id):
            return card.asleep()
        reading = self._session.read(card)
        if reading.lost and card.uuid not in self._said:
            self._said.add(card.uuid)
            log.warning("Graphics card %d (%s) is lost: %s", card.index, card.name, reading.error)
        elif not reading.lost:
            self._said.discard(card.uuid)
        return reading

    def _rest_when_idle(self, now: float) -> None:
        """Let go of the driver when no card does anything and all may sleep: an open driver can keep them awake."""
        assert self._session is not None
        idle = all(self._power.may_sleep(card.bus_id) for card in self._session.cards) and all(
            reading.processes == () and not reading.utilisation_pct for reading in self._readings
        )
        if not idle or now < self._rest_not_before:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= self._idle_before_rest_s:
            self._session.close()
            self._idle_since, self._resting_since, self._slept = None, now, False
            self._readings = tuple(card.asleep() for card in self._session.cards)

    def _rest_is_over(self, now: float) -> bool:
        """True when a card was woken by somebody, or none went to sleep."""
        assert self._session is not None
        assert self._resting_since is not None
        awake = [card for card in self._session.cards if not self._power.sleeps(card.bus_id)]
        if not awake:
            self._slept = True
            return False
        if not self._slept:
            if now - self._resting_since < REST_UNTIL_ASLEEP_S:
                return False
            self._rest_not_before = now + REST_PAUSE_S
        self._resting_since, self._next_open = None, now
        return True

    def _say_absent(self, reason: str) -> None:
        if reason != self._absent_reason:
            log.info("%s", reason)
        self._absent_reason = reason


def _unknown(reading: GpuReading, why: str) -> GpuReading:
    """The same card without figures; what never changes stays."""
    return dataclasses.replace(
        reading,
        memory_used_bytes=None,
        utilisation_pct=None,
        temperature_c=None,
        power_w=None,
        processes=None,
        error=why,
    )

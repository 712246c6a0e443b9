"""Toasters in order of preference: one that fails or hangs is passed over for a while, and no toast is lost for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from tidegate.desktop.notifications import Abilities, Toast, Toaster, ToastEvents, ToastFailed

log = logging.getLogger(__name__)

WITHIN_S = 2.0
TRIED_AGAIN_S = 30.0
REMEMBERED = 64
T = TypeVar("T")


class LogToaster:
    """The last resort: a line in the program's log. It cannot fail."""

    def __init__(self) -> None:
        self.events = ToastEvents()

    async def abilities(self) -> Abilities:
        return Abilities(buttons=False, clicks=False, body=True)

    async def show(self, toast: Toast) -> None:
        log.info("notice: %s: %s", toast.title, toast.text)

    async def withdraw(self, id: str) -> None:
        """What is written stays."""

    async def close(self) -> None:
        """Nothing is held."""


class ToasterChain:
    """A Toaster made of several. ``show`` takes at most ``WITHIN_S`` for each one that hangs."""

    def __init__(self, toasters: Sequence[Toaster], clock: Callable[[], float] = time.monotonic) -> None:
        self._events = ToastEvents()
        self._toasters = toasters
        self._clock = clock
        self._rests_until: dict[int, float] = {}
        self._shown_by: dict[str, Toaster] = {}

    @property
    def events(self) -> ToastEvents:
        return self._events

    @events.setter
    def events(self, events: ToastEvents) -> None:
        self._events = events
        for toaster in self._toasters:
            toaster.events = events

    async def abilities(self) -> Abilities:
        return await self._first(lambda toaster: toaster.abilities())

    async def show(self, toast: Toast) -> None:
        await self._first(lambda toaster: self._show(toaster, toast))

    async def withdraw(self, id: str) -> None:
        toaster = self._shown_by.pop(id, None)
        if toaster is not None:
            try:
                await asyncio.wait_for(toaster.withdraw(id), WITHIN_S)
            except (ToastFailed, TimeoutError) as error:
                log.info("a toast could not be taken away: %s", error)

    async def close(self) -> None:
        for toaster in self._toasters:
            await toaster.close()

    async def _show(self, toaster: Toaster, toast: Toast) -> None:
        await toaster.show(toast)
        self._shown_by.pop(toast.id, None)
        self._shown_by[toast.id] = toaster
        while len(self._shown_by) > REMEMBERED:
            del self._shown_by[next(iter(self._shown_by))]

    async def _first(self, ask: Callable[[Toaster], Coroutine[Any, Any, T]]) -> T:
        """The answer of the first one that has one in time."""
        failure: Exception = ToastFailed("there is nothing to show toasts with")
        for place, toaster in enumerate(self._toasters):
            if self._clock() < self._rests_until.get(place, 0.0):
                continue
            try:
                return await asyncio.wait_for(ask(toaster), WITHIN_S)
            except (ToastFailed, TimeoutError) as error:
                failure = error
                self._rests_until[place] = self._clock() + TRIED_AGAIN_S
                why = str(error) or f"no answer within {WITHIN_S:g} s"
                log.warning("toasts go another way for %.0f s: %s", TRIED_AGAIN_S, why)
        raise ToastFailed(str(failure))

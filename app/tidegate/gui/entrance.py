"""Where a second start's files come in: callers may knock before the window is there, and are told when it goes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tidegate.desktop.instance import Door, HandOver, Received
from tidegate.engine.ports import EngineUnwilling

Receive = Callable[[HandOver], Awaitable[Received]]

TOKEN = "XDG_ACTIVATION_TOKEN"


class Entrance:
    """Joins the door (None: there is none, as in the demo) with whoever takes what comes through it."""

    def __init__(self, door: Door | None) -> None:
        self._door = door
        self._receive: asyncio.Future[Receive] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        if self._door is not None:
            await self._door.open(self._take)

    def lead_to(self, receive: Receive) -> None:
        """From now on callers get their answer; those who waited first."""
        if not self._receive.done():
            self._receive.set_result(receive)

    async def close(self) -> None:
        """Take nothing more. Who still waits for the window is told that it does not come."""
        self._receive.cancel()
        if self._door is not None:
            await self._door.close()

    async def _take(self, handed: HandOver) -> Received:
        # Waited for, not awaited: a future that was cancelled would cancel the caller's answer too.
        await asyncio.wait([self._receive])
        if self._receive.cancelled():
            return Received(0, ("Tidegate ended before it could take what was handed over.",))
        try:
            return await self._receive.result()(handed)
        except EngineUnwilling as error:
            return Received(0, (str(error),))


@contextmanager
def activated_by(handed: HandOver) -> Iterator[None]:
    """While a window comes forward, Qt finds the desktop's proof that a person asked for it (on Wayland)."""
    token = handed.activation.get(TOKEN)
    if token is None:
        yield
        return
    # Not in os.environ: jobs inherit that.
    os.putenv(TOKEN, token)
    try:
        yield
    finally:
        os.unsetenv(TOKEN)

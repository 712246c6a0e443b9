"""What the API is given to work with: the desk, where things lie, and the settings in force."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.engine.ports import Desk
from tidegate.paths import Paths
from tidegate.settings import Settings
from tidegate.submission.request import MachineFacts


@dataclass(frozen=True, slots=True)
class ApiContext:
    """All callables are safe from any thread. ``port`` None: any free one. ``kind``: gui, serve or auto."""

    paths: Paths
    settings: Callable[[], Settings]
    facts: Callable[[], MachineFacts]
    kind: str
    port: int | None
    version: str

    @property
    def patient(self) -> bool:
        """Whether the API waits for its first caller before it loads: in the tray there may never be one."""
        return self.kind == "gui" and sys.platform != "win32"  # where a loop cannot watch a listening socket


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API listens. ``socket`` is None where there are no Unix sockets."""

    host: str
    port: int
    socket: str | None


@dataclass(frozen=True, slots=True)
class Api:
    """What every route works with. ``stopping`` is set when the server is about to end: streams then end too."""

    desk: Desk
    context: ApiContext
    stopping: asyncio.Event

    async def stops_within(self, seconds: float) -> bool:
        """Wait that long, or until the server stops; True in the latter case."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True

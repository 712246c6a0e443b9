"""What the API is given to work with: the desk, where things lie, and how settings are read and applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tidegate.engine.ports import Desk
from tidegate.paths import Paths
from tidegate.settings import Settings
from tidegate.submission.request import MachineFacts


@dataclass(frozen=True, slots=True)
class ApiContext:
    """All callables are safe from any thread. ``port`` None: any free one. ``kind``: gui, serve or auto.

    ``overrides`` are the settings given on the command line, which beat what is written to the file.
    """

    paths: Paths
    settings: Callable[[], Settings]
    apply_settings: Callable[[Settings], None]
    facts: Callable[[], MachineFacts]
    kind: str
    port: int | None
    version: str
    overrides: Mapping[str, str] = field(default_factory=dict)


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

"""Who hears of changes: listeners in the order they came, and async streams of the same for other loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from tidegate.engine.ports import Change

Listener = Callable[[Change], None]


class Listeners:
    """Both desks tell their changes through one. False while nobody listens."""

    def __init__(self) -> None:
        self._all: tuple[Listener, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._all)

    def tell(self, *changes: Change) -> None:
        """Call every listener with each, on this thread."""
        for listener in self._all:
            for change in changes:
                listener(change)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """The returned function ends it; harmless when called twice."""
        self._all = (*self._all, listener)

        def end() -> None:
            self._all = tuple(item for item in self._all if item is not listener)

        return end

    async def stream(self, missed: Callable[[], Awaitable[Change]] | None) -> AsyncGenerator[Change]:
        """What is told from now on, for the running loop; before that what was ``missed``, asked once it listens."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Change] = asyncio.Queue()

        def deliver(change: Change) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, change)

        end = self.subscribe(deliver)
        try:
            if missed is not None:
                yield await missed()
            while True:
                yield await queue.get()
        finally:
            end()

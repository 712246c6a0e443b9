"""Changes pushed to clients: one feed with heartbeats behind both server-sent events and WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from tidegate.api.context import Api
from tidegate.api.encoding import change_object, encode
from tidegate.engine.ports import Change

HEARTBEAT_S = 15.0
RECONNECT_AFTER_MS = 1000


class Reset:
    """Some changes were missed and are not remembered any more: the client has to load everything anew."""


class Heartbeat:
    """Nothing happened, but the line is alive."""


Item = Change | Reset | Heartbeat
RESET, HEARTBEAT = Reset(), Heartbeat()


async def feed(api: Api, after: int | None) -> AsyncGenerator[Item, None]:
    """Changes after an event id (None: from now on) until the server stops."""
    if after is not None and after > api.desk.status().event_id:
        # The numbers began anew: another engine than the one the client knew.
        yield RESET
        after = None
    source = api.desk.changes(after)
    stopping = asyncio.ensure_future(api.stopping.wait())
    upcoming = asyncio.ensure_future(anext(source))
    try:
        while True:
            # The pending step is kept across heartbeats: cancelling it would end the source.
            done, _ = await asyncio.wait((upcoming, stopping), timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if stopping in done:
                return
            if upcoming not in done:
                yield HEARTBEAT
                continue
            try:
                change = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(source))
            if after is not None and change.event_id > after + 1:
                yield RESET
            after = None
            yield change
    finally:
        stopping.cancel()
        upcoming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await upcoming
        if hasattr(source, "aclose"):
            await source.aclose()


async def server_sent_events(api: Api, after: int | None) -> AsyncIterator[bytes]:
    """The feed as text/event-stream; ``id`` lets a browser resume by Last-Event-ID."""
    yield b"retry: %d\n\n" % RECONNECT_AFTER_MS
    async with contextlib.aclosing(feed(api, after)) as items:
        async for item in items:
            if isinstance(item, Change):
                yield b"id: %d\nevent: change\ndata: %s\n\n" % (item.event_id, encode(change_object(item)))
            elif isinstance(item, Reset):
                yield b'event: reset\ndata: {"reset":true}\n\n'
            else:
                yield b": heartbeat\n\n"


def message_of(item: Item) -> str:
    """The same for a WebSocket: a change, ``{"reset": true}`` or ``{"heartbeat": true}``."""
    if isinstance(item, Change):
        return encode(change_object(item)).decode("utf-8")
    return '{"reset":true}' if isinstance(item, Reset) else '{"heartbeat":true}'

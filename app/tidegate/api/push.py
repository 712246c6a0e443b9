"""Changes pushed to clients: one feed with heartbeats behind both server-sent events and WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from tidegate.api.context import Api
from tidegate.api.encoding import change_object, encode
from tidegate.api.errors import ApiProblem
from tidegate.engine.ports import Change

HEARTBEAT_S = 15.0
RECONNECT_AFTER_MS = 1000


class Reset:
    """Some changes were missed and are not remembered any more: the client has to load everything anew."""


class Heartbeat:
    """Nothing happened, but the line is alive."""


Item = Change | Reset | Heartbeat
RESET, HEARTBEAT = Reset(), Heartbeat()


class Place:
    """Where in the stream a client stands: which engine it listened to, and the last event it saw of it.

    Event ids begin anew with every engine, so a bare number would resume at the wrong place after a restart.
    """

    __slots__ = ("_epoch", "_newest")

    def __init__(self, api: Api) -> None:
        status = api.desk.status()
        self._epoch = int(status.started_at * 1000)
        self._newest = status.event_id

    def cursor(self, change: Change) -> str:
        """What a client sends back to resume after ``change``."""
        return f"{self._epoch}-{change.event_id}"

    def after(self, cursor: str | None) -> tuple[int | None, bool]:
        """The event id to go on after (None: from now on), and whether the client missed something before that.

        Raises ApiProblem for a cursor that this API never gave.
        """
        if not cursor:
            return None, False
        epoch, dash, number = cursor.rpartition("-")
        if not number.isascii() or not number.isdigit() or (dash and not epoch.isdigit()):
            raise ApiProblem(422, "usage", f'"{cursor}" is no event id of this stream.', "after", cursor)
        if int(number) > self._newest or (dash and int(epoch) != self._epoch):
            return None, True
        return int(number), False


async def feed(api: Api, after: int | None, missed: bool) -> AsyncGenerator[Item, None]:
    """Changes after an event id (None: from now on) until the server stops; begins with a Reset when ``missed``."""
    source = api.desk.changes(after)
    stopping = asyncio.ensure_future(api.stopping.wait())
    upcoming = asyncio.ensure_future(anext(source))
    try:
        if missed:
            # The subscription stands before the client is told to load everything: nothing falls between the two.
            await asyncio.sleep(0)
            yield RESET
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
            yield change
    finally:
        stopping.cancel()
        upcoming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await upcoming
        if hasattr(source, "aclose"):
            await source.aclose()


async def server_sent_events(api: Api, place: Place, cursor: str | None) -> AsyncIterator[bytes]:
    """The feed as text/event-stream; ``id`` lets a browser resume by Last-Event-ID."""
    yield b"retry: %d\n\n" % RECONNECT_AFTER_MS
    async with contextlib.aclosing(feed(api, *place.after(cursor))) as items:
        async for item in items:
            if isinstance(item, Change):
                found = place.cursor(item)
                yield b"id: %s\nevent: change\ndata: %s\n\n" % (found.encode(), encode(change_object(item, found)))
            elif isinstance(item, Reset):
                yield b'event: reset\ndata: {"reset":true}\n\n'
            else:
                yield b": heartbeat\n\n"


def message_of(item: Item, place: Place) -> str:
    """The same for a WebSocket: a change, ``{"reset": true}`` or ``{"heartbeat": true}``."""
    if isinstance(item, Change):
        return encode(change_object(item, place.cursor(item))).decode("utf-8")
    return '{"reset":true}' if isinstance(item, Reset) else '{"heartbeat":true}'

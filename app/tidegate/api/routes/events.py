"""Push: changes as server-sent events and over a WebSocket, resuming by event id."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, WebSocket
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect

from tidegate.api.context import Api
from tidegate.api.errors import ApiProblem
from tidegate.api.push import Item, Place, feed, message_of, server_sent_events

SERVICE_RESTART = 1012


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["push"])

    @routes.get("/events", response_class=Response)
    async def events(
        after: str | None = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Changes as server-sent events: ``change`` with an id, ``reset`` when some were missed.

        Resumes after the id in the header Last-Event-ID, or in ``after``: what moved since is sent as one change.
        """
        place, cursor = Place(api), last_event_id or after
        place.after(cursor)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            server_sent_events(api, place, cursor), headers=headers, media_type="text/event-stream"
        )

    @routes.websocket("/ws")
    async def ws(socket: WebSocket, after: str | None = None) -> None:
        place = Place(api)
        try:
            begin, missed = place.after(after)
        except ApiProblem as problem:
            await socket.close(1008, problem.sentence[:120])
            return
        await socket.accept()
        sending = asyncio.ensure_future(_send_feed(socket, feed(api, begin, missed), place))
        leaving = asyncio.ensure_future(_until_closed(socket))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                    await task

    return routes


async def _send_feed(socket: WebSocket, items: AsyncGenerator[Item, None], place: Place) -> None:
    async with contextlib.aclosing(items):
        async for item in items:
            await socket.send_text(message_of(item, place))
    await socket.close(SERVICE_RESTART)


async def _until_closed(socket: WebSocket) -> None:
    """Nothing a client says is wanted; reading is how its leaving is noticed."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass

"""Push: changes as server-sent events and over a WebSocket, resuming by event id."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

from fastapi import APIRouter, Header, Query, WebSocket
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocketDisconnect

from tidegate.api.context import Api
from tidegate.api.push import feed, message_of, server_sent_events

SERVICE_RESTART = 1012


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["push"])

    @routes.get("/events", response_class=Response)
    async def events(
        after: Annotated[int | None, Query(ge=0)] = None,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> Response:
        """Changes as server-sent events: ``change`` with an id, ``reset`` when some were missed.

        Resumes after the header Last-Event-ID (or ``after``) while that is still remembered.
        """
        begin = after if last_event_id is None else last_event_id
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(server_sent_events(api, begin), headers=headers, media_type="text/event-stream")

    @routes.websocket("/ws")
    async def ws(socket: WebSocket, after: Annotated[int | None, Query(ge=0)] = None) -> None:
        await socket.accept()
        sending = asyncio.ensure_future(_send_feed(api, socket, after))
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


async def _send_feed(api: Api, socket: WebSocket, after: int | None) -> None:
    async with contextlib.aclosing(feed(api, after)) as items:
        async for item in items:
            await socket.send_text(message_of(item))
    await socket.close(SERVICE_RESTART)


async def _until_closed(socket: WebSocket) -> None:
    """Nothing a client says is wanted; reading is how its leaving is noticed."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass

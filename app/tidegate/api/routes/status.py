"""The engine in one picture, its machine over time, and the journal of what it did."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.decoding import LARGEST
from tidegate.api.encoding import notice_object, reply
from tidegate.api.errors import read_id
from tidegate.api.schema import answers, answers_view
from tidegate.engine.views import MachineSample, QueueStatusView, StatusView, StrategiesView, TickView


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["engine"])
    desk = api.desk

    @routes.get("/status", openapi_extra=answers_view("Mode, machine, counts.", StatusView))
    async def status() -> Response:
        return reply(desk.status())

    @routes.get(
        "/queue-status",
        openapi_extra=answers_view("Every queue, or every card: who has it, who waits.", QueueStatusView),
    )
    async def queue_status(by: Literal["queue", "card"] = "queue") -> Response:
        """Named queues with their limits; ``by=card``: each card with its users and with those who wait for it."""
        return reply(await asyncio.to_thread(desk.queue_status, by))

    @routes.get(
        "/strategies",
        openapi_extra=answers_view("The strategies, where each is in use, and how they did.", StrategiesView),
    )
    async def strategies() -> Response:
        """Measured on the newest 5,000 jobs of the last 30 days; ``PUT /config`` of ``strategy`` sets another one."""
        return reply(await asyncio.to_thread(desk.strategies))

    @routes.get("/samples", openapi_extra=answers("Points of the curves, oldest first.", samples=[MachineSample]))
    async def samples(since: float = 0.0) -> Response:
        """Seconds of the last hour, and minutes before that; times are Unix seconds."""
        return reply({"samples": await asyncio.to_thread(desk.samples, since)})

    @routes.get("/journal", openapi_extra=answers("Rows of the audit trail, oldest first.", ticks=[TickView]))
    async def journal(
        since: float | None = None, job: str | None = None, limit: Annotated[int, Query(ge=1, le=100_000)] = 200
    ) -> Response:
        wanted = None if job is None else read_id(job)
        return reply({"ticks": await asyncio.to_thread(desk.ticks, since, wanted, limit)})

    @routes.get("/notices", openapi_extra=answers("What a person was told, newest first.", notices=["object"]))
    async def notices(
        before: Annotated[int | None, Query(ge=0, le=LARGEST)] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    ) -> Response:
        """Those with an ``id`` below ``before``: page on with the id of the last one."""
        found = await asyncio.to_thread(desk.notices, before, limit)
        return reply({"notices": [notice_object(notice) for notice in found]})

    return routes

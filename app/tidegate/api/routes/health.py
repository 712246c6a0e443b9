"""Whether the engine is there and well; answered without a token."""

from __future__ import annotations

import os

from fastapi import APIRouter
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.encoding import reply
from tidegate.api.schema import answers


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["engine"])

    @routes.get("/health", openapi_extra=answers("The engine answers.", status="string"))
    async def health() -> Response:
        return reply({"status": "ok"})

    @routes.get("/ready", openapi_extra=answers("It takes jobs.", status="string"))
    async def ready() -> Response:
        """503 while the journal cannot be written: running jobs go on, but nothing new is accepted."""
        well = api.desk.status().journal_error is None
        return reply({"status": "ready" if well else "unready"}, 200 if well else 503)

    return routes


def version_router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["engine"])

    @routes.get("/version", openapi_extra=answers("What runs.", version="string", kind="string", pid="integer"))
    async def version() -> Response:
        return reply({"version": api.context.version, "kind": api.context.kind, "pid": os.getpid()})

    return routes

"""Settings, made from their own declarations, and the end of the engine."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.encoding import reply
from tidegate.api.schema import ConfigInput, ShutdownInput, answers
from tidegate.settings import SETTINGS, Settings, find_setting, write_value


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["engine"])
    context = api.context

    @routes.get("/config", openapi_extra=answers("Every setting with its value.", settings=["object"]))
    async def config() -> Response:
        settings = context.settings()
        return reply({"settings": [settings.describe(setting) for setting in SETTINGS]})

    @routes.put("/config", openapi_extra=answers("The setting as it is now.", setting="object", applied="boolean"))
    async def change(body: ConfigInput) -> Response:
        """Write one setting to config.toml and apply it; ``applied`` false: it takes effect at the next start."""
        settings = await asyncio.to_thread(_write, api, body)
        setting = find_setting(body.name)
        assert setting is not None  # write_value refuses unknown names
        return reply({"setting": settings.describe(setting), "applied": not setting.needs_restart})

    @routes.post("/shutdown", openapi_extra=answers("It is on its way.", stopping="boolean"))
    async def shutdown(body: ShutdownInput) -> Response:
        """End the engine. Running jobs go on without it, unless ``stop_jobs`` is true."""
        # After the answer, because the end of the engine is also the end of this connection.
        answer = reply({"stopping": True})
        answer.background = BackgroundTask(api.desk.shutdown, body.stop_jobs)
        return answer

    return routes


def _write(api: Api, body: ConfigInput) -> Settings:
    settings = write_value(api.context.paths, body.name, body.value, overrides=api.context.overrides)
    api.context.apply_settings(settings)
    return settings

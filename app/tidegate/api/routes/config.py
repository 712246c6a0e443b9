"""Settings, made from their own declarations, and the end of the engine."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.encoding import reply
from tidegate.api.schema import ConfigInput, ConfigPatchInput, ConfigResetInput, ShutdownInput, answers


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["engine"])

    @routes.get("/config", openapi_extra=answers("Every setting with its value.", settings=["object"]))
    async def config() -> Response:
        return reply({"settings": api.desk.settings()})

    @routes.put("/config", openapi_extra=answers("The setting as it is now.", setting="object", applied="boolean"))
    async def change(body: ConfigInput) -> Response:
        """Write one setting to config.toml and apply it; ``applied`` false: it takes effect at the next start."""
        setting = await api.desk.change_setting(body.name, body.value)
        return reply({"setting": setting, "applied": not setting.needs_restart})

    @routes.patch("/config", openapi_extra=answers("The settings as they are now.", settings=["object"]))
    async def change_several(body: ConfigPatchInput) -> Response:
        """Write these settings in one piece, or none of them, and apply them."""
        return reply({"settings": await api.desk.change_settings(body.values)})

    @routes.post("/config/reset", openapi_extra=answers("The settings as they are now.", settings=["object"]))
    async def reset(body: ConfigResetInput) -> Response:
        """Let these settings (or all) be at their defaults again, in one piece."""
        return reply({"settings": await api.desk.reset_settings(body.names)})

    @routes.post("/shutdown", openapi_extra=answers("It is on its way.", stopping="boolean"))
    async def shutdown(body: ShutdownInput) -> Response:
        """End the engine. Running jobs go on without it, unless ``stop_jobs`` is true."""
        # After the answer, because the end of the engine is also the end of this connection.
        answer = reply({"stopping": True})
        answer.background = BackgroundTask(api.desk.shutdown, body.stop_jobs)
        return answer

    return routes

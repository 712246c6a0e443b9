"""The FastAPI application: all routes below /api/v1, our own failures, and the door in front."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tidegate.api import errors
from tidegate.api.context import Api
from tidegate.api.encoding import reply
from tidegate.api.routes import actions, advice, config, events, health, jobs, logs, status, submissions
from tidegate.api.schema import ERROR_SCHEMA, view_schemas
from tidegate.api.security import Guard

PREFIX = "/api/v1"
DESCRIPTION = (
    "Everything that the window and the command line can do. Over TCP every request carries the header "
    "`Authorization: Bearer TOKEN`; on the Unix socket none is needed. Times are Unix seconds, sizes bytes."
)


def make_application(api: Api, token: str) -> ASGIApp:
    """The whole API as one ASGI application. No pages that would load anything from elsewhere."""
    app = FastAPI(
        title="Tidegate",
        version=api.context.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    errors.install(app)
    native = APIRouter(prefix=PREFIX)
    for part in (jobs, submissions, logs, actions, advice, status, config, events, health):
        native.include_router(part.router(api))
    native.include_router(health.version_router(api))
    app.include_router(native)
    app.include_router(health.router(api), include_in_schema=False)

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def openapi(_: Request) -> Response:
        return reply(_described(app))

    return Guard(app, token)


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the views as answers and our shape for failures in place of FastAPI's."""
    page = app.openapi()
    schemas = page.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas.update(view_schemas())
    schemas["Error"] = ERROR_SCHEMA
    failure = {
        "description": "It was refused; the sentence says why.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for path in page["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = failure
    return page

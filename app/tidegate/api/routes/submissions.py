"""Submissions that a window of the same user has understood already: taken as they are, over the Unix socket only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.decoding import Undecodable, decoder
from tidegate.api.encoding import reply
from tidegate.api.errors import ApiProblem
from tidegate.api.routes.jobs import submitted_object
from tidegate.api.schema import answers
from tidegate.api.security import is_unix
from tidegate.engine.ports import Submission


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["jobs"])
    desk = api.desk

    @routes.post("/submissions", openapi_extra=answers("One entry per submission, refused ones too.", jobs=["object"]))
    async def submit(request: Request) -> Response:
        """Submit ``{"submissions": [...]}`` as Tidegate's own windows make them; scripts and agents use /jobs.

        The environments they name must lie in this home. One that is refused refuses all of them.
        """
        submissions = await _read(request, "submissions")
        return reply({"jobs": [submitted_object(each) for each in await desk.submit(submissions)]})

    @routes.post("/submissions/preview", openapi_extra=answers("What would happen now, per job.", jobs=["object"]))
    async def preview(request: Request) -> Response:
        """What would happen to these submissions now; nothing is kept."""
        submissions = await _read(request, "submissions")
        return reply({"jobs": [await desk.preview(each) for each in submissions]})

    return routes


async def _read(request: Request, name: str) -> list[Submission]:
    if not is_unix(request.scope) and sys.platform != "win32":
        raise ApiProblem(403, "forbidden", "Submissions in this form are taken on the Unix socket only; use /jobs.")
    try:
        body: Any = await request.json()
    except (ValueError, RecursionError):
        raise ApiProblem(422, "usage", "The body of the request could not be read: it must be JSON in UTF-8.") from None
    entries = body.get(name) if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ApiProblem(422, "usage", f"The field {name} must be a list of at least one.", name)
    decode: Callable[[Any], Submission] = decoder(Submission, strict=True)
    found = []
    for number, entry in enumerate(entries):
        try:
            found.append(decode(entry))
        except Undecodable as error:
            raise ApiProblem(422, "usage", f"{name}[{number}]: {error}.", f"{name}[{number}]") from None
    return found

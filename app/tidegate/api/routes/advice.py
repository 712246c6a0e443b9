"""Conflicts and hints: those that are open, those that ended and how; settled by real actions on the jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.decoding import LARGEST
from tidegate.api.encoding import reply, result_object
from tidegate.api.errors import ApiProblem
from tidegate.api.schema import Body, ResolveInput, answers
from tidegate.core.texts import as_sentence
from tidegate.engine.ports import Answer, CommandResult
from tidegate.engine.views import ConflictView, HintView, WayView

Number = Annotated[int, Path(ge=1, le=LARGEST)]
Limit = Annotated[int | None, Query(ge=1, le=10_000)]
ENDED_AT_MOST = 100
"""Of those that ended so many are listed where nobody says how many."""


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["advice"])
    desk = api.desk

    @routes.get(
        "/conflicts", openapi_extra=answers("The worst first; ended ones newest first.", conflicts=[ConflictView])
    )
    async def conflicts(closed: bool = False, limit: Limit = None) -> Response:
        """Open conflicts by severity; ``closed``: those that ended, with how, out of the history."""
        found = await asyncio.to_thread(desk.conflicts, closed=closed, limit=_limit(closed, limit))
        return reply({"conflicts": found})

    @routes.post("/conflicts/{id}/resolve", openapi_extra=answers("What came of it.", results=["object"]))
    async def resolve(id: Number, body: ResolveInput) -> Response:
        """Carried out, then answered. ``way`` is one of the conflict's own; null is the first, which it proposes."""
        ways = next((each.ways for each in desk.conflicts() if each.id == id), None)
        if body.way is not None and ways is not None:
            _check_way(id, body.way, ways)
        return _answered(await desk.resolve_conflict(id, body.way))

    @routes.get("/hints", openapi_extra=answers("Newest first.", hints=[HintView]))
    async def hints(closed: bool = False, limit: Limit = None) -> Response:
        """Open hints; ``closed``: those applied, dismissed or outlived, out of the history."""
        found = await asyncio.to_thread(desk.hints, closed=closed, limit=_limit(closed, limit))
        return reply({"hints": found})

    @routes.post("/hints/{id}/apply", openapi_extra=answers("What came of it.", results=["object"]))
    async def apply(id: Number, _body: Body | None = None) -> Response:
        """Do what the hint advises; carried out, then answered."""
        return _answered(await desk.apply_hint(id))

    @routes.post("/hints/{id}/dismiss", openapi_extra=answers("What came of it.", results=["object"]))
    async def dismiss(id: Number, _body: Body | None = None) -> Response:
        """It was read, and does not come back for the same jobs."""
        return _answered(await desk.dismiss_hint(id))

    return routes


def _limit(closed: bool, limit: int | None) -> int | None:
    return ENDED_AT_MOST if closed and limit is None else limit


def _check_way(id: int, way: str, ways: Sequence[WayView]) -> None:
    names = [each.name for each in ways]
    if way not in names:
        accepted = f"accepted: {', '.join(names)}" if names else "it offers none"
        raise ApiProblem(422, "usage", f'way: "{way}" is no way to settle conflict {id}; {accepted}.', "way", way)


def _answered(result: CommandResult) -> Response:
    if result.answer is Answer.UNKNOWN:
        raise ApiProblem(404, "unknown", as_sentence(result.sentence), "id")
    if result.answer is Answer.REFUSED:
        raise ApiProblem(409, "refused", as_sentence(result.sentence))
    return reply({"results": [result_object(result)]})

"""What can be done to jobs and to the queue: pause, resume, hold, release, cancel, kill, retry, first, start, edit."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from tidegate.api.context import Api
from tidegate.api.encoding import reply, result_object
from tidegate.api.errors import ApiProblem, read_id
from tidegate.api.schema import ActionInput, answers
from tidegate.engine.ports import Command, Verb


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["jobs"])

    @routes.post("/actions/{verb}", openapi_extra=answers("What came of it, per job.", results=["object"]))
    async def act(verb: str, body: ActionInput) -> Response:
        """Carried out, then answered. ``ids`` null: the whole queue (pause, resume) or every job the verb fits."""
        results = await api.desk.command(_command(verb, body))
        return reply({"results": [result_object(result) for result in results]})

    return routes


def _command(verb: str, body: ActionInput) -> Command:
    try:
        asked = Verb(verb)
    except ValueError:
        known = ", ".join(Verb)
        raise ApiProblem(404, "no_route", f'"{verb}" is no action; known are {known}.', "verb", verb) from None
    changes = {name: ",".join(value) if isinstance(value, list) else value for name, value in body.changes.items()}
    if asked is Verb.EDIT and not changes:
        raise ApiProblem(422, "usage", "changes: an edit has to change something.", "changes")
    ids = None if body.ids is None else tuple(read_id(text) for text in body.ids)
    return Command(asked, ids, body.seconds, body.drain, body.gpu, body.force, changes)

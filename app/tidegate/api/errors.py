"""Every way a request can fail, as one JSON shape with one sentence; never an HTML page, never a bare trace."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tidegate.api.encoding import reply
from tidegate.core.job import JobId
from tidegate.engine.ports import EngineUnwilling, SettingRefused
from tidegate.submission.request import Refused

SEE = "/api/v1/openapi.json lists what there is"


class ApiProblem(Exception):
    """An answer that is no success; raised anywhere in a route."""

    def __init__(
        self, status: int, kind: str, sentence: str, field: str | None = None, value: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.sentence = sentence
        self.field = field
        self.value = value


def problem_object(kind: str, sentence: str, field: str | None = None, value: str | None = None) -> dict[str, object]:
    return {"error": {"kind": kind, "sentence": sentence, "field": field, "value": value}}


def unknown_job(id: JobId | str) -> ApiProblem:
    return ApiProblem(404, "unknown", f"There is no job {id}.", "id", str(id))


def read_id(text: str) -> JobId:
    """A job id out of a path or body."""
    try:
        return JobId.parse(text)
    except ValueError as error:
        raise ApiProblem(422, "usage", f"{error}.", "id", text) from None


def closing() -> ApiProblem:
    """The engine leaves; a client that can wait asks again, another engine may take over."""
    return ApiProblem(503, "closing", "The engine is ending; ask again in a moment.")


def install(app: FastAPI) -> None:
    """Let ``app`` answer all failures in our shape."""
    app.add_exception_handler(ApiProblem, _on_problem)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(EngineUnwilling, _on_unwilling)
    app.add_exception_handler(SettingRefused, _on_setting_refused)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)
    return reply(problem_object(error.kind, error.sentence, error.field, error.value), error.status)


async def _on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    kind = "usage" if error.usage else "refused"
    return reply(problem_object(kind, error.sentence, error.field, error.value), 422)


async def _on_unwilling(_: Request, error: Exception) -> Response:
    return reply(problem_object("unwilling", str(error)), 503)


async def _on_setting_refused(_: Request, error: Exception) -> Response:
    return reply(problem_object("usage", str(error)), 422)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return reply(problem_object("usage", sentence_of(first), field_of(first["loc"])), 422)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        kind, sentence = "no_route", f"There is nothing at {method} {path}; {SEE}."
    elif error.status_code == 405:
        kind, sentence = "no_route", f"{path} does not take {method}; {SEE}."
    elif error.status_code == 400:
        kind, sentence = "usage", "The body of the request could not be read: it must be JSON in UTF-8."
    else:
        kind, sentence = "usage", str(error.detail or HTTPStatus(error.status_code).phrase)
    response = reply(problem_object(kind, sentence), error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _on_bug(_: Request, error: Exception) -> Response:
    # The middleware around the application logs it with its trace (see security.Guard).
    return reply(problem_object("internal", bug_sentence(error)), 500)


def bug_sentence(error: BaseException) -> str:
    return f"Tidegate made a mistake while it answered ({type(error).__name__}); its log has the details."


# --- what pydantic found, as a sentence -----------------------------------------------------------------------------

_WANTED = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
}


def field_of(location: Sequence[object]) -> str | None:
    """``("body", "jobs", 3, "args")`` as ``jobs[3].args``; None for the body itself."""
    text = ""
    for part in location[1:]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or None


def sentence_of(found: Mapping[str, Any]) -> str:
    """One sentence for one finding of pydantic: what, where, and what is accepted."""
    kind, context, last = found["type"], found.get("ctx") or {}, found["loc"][-1]
    where = field_of(found["loc"])
    if kind == "json_invalid":
        return f"The body is not JSON: {context.get('error', 'it cannot be read')} at position {last}."
    if kind == "extra_forbidden":
        return f"The field {where} is not known{_nearest(str(last))}"
    if where is None:
        return "The body must be a JSON object, sent with the header Content-Type: application/json."
    if kind == "missing":
        return f"The field {where} is missing."
    if kind == "value_error":
        return f"{where}: {context.get('error')}."
    if kind in _WANTED:
        return f"{where} must be {_WANTED[kind]}, not {_shown(found.get('input'))}."
    message = str(found["msg"])
    return f"{where}: {message[:1].lower()}{message[1:]}."


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)
    return "null" if value is None else text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(name: str) -> str:
    from tidegate.api.schema import FIELD_NAMES

    close = difflib.get_close_matches(name, FIELD_NAMES, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close and close[0] != name else "."

"""Views to JSON: the fast way for nearly all, and the stdlib's for names whose bytes are in no encoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as fast_json
from starlette.responses import Response

from tidegate.engine.ports import Change, CommandResult

MEDIA_TYPE = "application/json"
JOBS_AT_ONCE = 200
"""A long list is encoded in pieces of so many, because the encoder keeps the interpreter to itself meanwhile."""


def encode(value: object) -> bytes:
    """Dataclasses by field name, as compact JSON. Lone surrogates become escapes, so any bytes survive."""
    try:
        return fast_json(value, inf_nan_mode="null")
    except PydanticSerializationError:
        return _escaping(value).encode("ascii")


def reply(value: object, status: int = 200) -> Response:
    return Response(encode(value), status, media_type=MEDIA_TYPE)


def encode_list(name: str, items: Iterable[object]) -> Iterator[bytes]:
    """``{"name": [...]}`` in pieces."""
    start = b'{"%s":[' % name.encode()
    piece: list[object] = []
    for item in items:
        piece.append(item)
        if len(piece) == JOBS_AT_ONCE:
            yield start + encode(piece)[1:-1]
            start = b","
            piece = []
    yield (start if piece or start != b"," else b"") + encode(piece)[1:-1] + b"]}"


def change_object(change: Change, cursor: str) -> dict[str, object]:
    """A change as JSON has it: ids are text, what did not change is left out, ``cursor`` is where to resume."""
    found: dict[str, object] = {"event_id": change.event_id, "cursor": cursor, "at": change.at}
    for name in ("jobs", "gone", "status", "sample"):
        value = getattr(change, name)
        if value:
            found[name] = value
    if change.notice is not None:
        notice = change.notice
        about = None if notice.job is None else str(notice.job)
        found["notice"] = {
            "at": notice.at,
            "title": notice.title,
            "text": notice.text,
            "job": about,
            "level": notice.level,
        }
    return found


def result_object(result: CommandResult) -> dict[str, object]:
    return {
        "id": None if result.id is None else str(result.id),
        "answer": result.answer.value,
        "sentence": result.sentence,
    }


_field_names: dict[type, tuple[str, ...]] = {}


def _as_dict(value: object) -> Any:
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    kind = type(value)
    names = _field_names.get(kind)
    if names is None:
        names = _field_names[kind] = tuple(entry.name for entry in fields(value))
    return {name: getattr(value, name) for name in names}


_escaping: Callable[[object], str] = json.JSONEncoder(default=_as_dict, separators=(",", ":")).encode

"""Views to JSON: the fast way for nearly all, and the stdlib's for names whose bytes are in no encoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, assert_never

from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as fast_json
from starlette.responses import Response

from tidegate.engine.ports import ApplyHint, Change, Command, CommandResult, Errand, Notice, ResolveConflict

MEDIA_TYPE = "application/json"
RESOLVE_CONFLICT, APPLY_HINT = "resolve_conflict", "apply_hint"
"""The verbs of errands that are no commands."""
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
    for name in ("jobs", "gone", "status", "sample", "setting", "conflicts", "hints"):
        value = getattr(change, name)
        if value:
            found[name] = value
    if change.notice is not None:
        found["notice"] = notice_object(change.notice)
    return found


def notice_object(notice: Notice) -> dict[str, object]:
    """A notice as JSON has it.

    An offer's command without its ``verb`` is what ``POST /actions/VERB`` takes, or, of the verbs resolve_conflict and
    apply_hint, with their ``id``, ``POST /conflicts/ID/resolve`` and ``POST /hints/ID/apply``.
    """
    return {
        "id": notice.id,
        "at": notice.at,
        "kind": notice.kind.value,
        "level": notice.level,
        "title": notice.title,
        "text": notice.text,
        "job": None if notice.job is None else str(notice.job),
        "urgent": notice.urgent,
        "offers": [{"label": offer.label, "command": _errand_object(offer.command)} for offer in notice.offers],
    }


def _errand_object(errand: Errand) -> dict[str, object]:
    match errand:
        case ResolveConflict(id, way):
            return {"verb": RESOLVE_CONFLICT, "id": id, "way": way}
        case ApplyHint(id):
            return {"verb": APPLY_HINT, "id": id}
        case Command():
            return _command_object(errand)
        case _:
            assert_never(errand)


def _command_object(command: Command) -> dict[str, object]:
    return {
        "verb": command.verb.value,
        "ids": None if command.ids is None else [str(id) for id in command.ids],
        "seconds": command.seconds,
        "drain": command.drain,
        "gpu": command.gpu,
        "force": command.force,
        "changes": dict(command.changes),
    }


def result_object(result: CommandResult) -> dict[str, object]:
    return {
        "id": None if result.id is None else str(result.id),
        "answer": result.answer.value,
        "sentence": result.sentence,
        "offer": None if result.offer is None else result.offer.value,
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

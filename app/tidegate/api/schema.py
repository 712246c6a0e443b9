"""The shapes of requests, checked with sentences a person understands, and the shapes of answers for OpenAPI."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, WithJsonSchema, model_validator


def _text(value: object) -> str:
    """Any text, lone surrogates included: pydantic's own ``str`` refuses the bytes of undecodable file names."""
    if not isinstance(value, str):
        raise ValueError(f"text is wanted, not {_kind(value)}")
    if "\0" in value:
        raise ValueError("it holds a NUL character, which no command or path can carry")
    return value


def _option(value: object) -> str | list[str]:
    """An option as typed on the command line; numbers and true/false are taken as they would be typed."""
    if isinstance(value, list):
        return [_word(item) for item in value]
    return _word(value)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return _text(value)


def _kind(value: object) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", bool: "true or false", int: "a number"}
    return "null" if value is None else names.get(type(value), "a number")


Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string"})]
Option = Annotated[
    str | list[str],
    PlainValidator(_option),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Body(BaseModel):
    """An object in a request; what it does not know it refuses, so that a typo is never silently dropped."""

    model_config = ConfigDict(extra="forbid")


class JobInput(Body):
    """One job: a script file with arguments, a command as a list, or one line for the shell."""

    script: Text | None = None
    args: list[Text] = Field(default_factory=list)
    command: list[Text] | None = None
    line: Text | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> JobInput:
        if sum(given is not None for given in (self.script, self.command, self.line)) != 1:
            raise ValueError("a job has exactly one of script, command and line")
        if self.args and self.script is None:
            raise ValueError("args belong to a script; a command carries its own")
        return self


class SubmitInput(Body):
    """Jobs that share a folder, an environment and options (D11's, as raw text)."""

    jobs: list[JobInput] = Field(min_length=1)
    cwd: Text
    environment: dict[Text, Text] = Field(default_factory=dict)
    options: dict[Text, Option] = Field(default_factory=dict)


class ActionInput(Body):
    """What is asked of jobs; ``ids`` null is the queue (pause, resume) or every job the verb fits."""

    ids: list[Text] | None = None
    seconds: float | None = Field(default=None, gt=0)
    drain: bool = False
    gpu: bool = False
    force: bool = False
    changes: dict[Text, Option] = Field(default_factory=dict)


class ResolveInput(Body):
    """``way`` is one of the conflict's own; null is the first of them, which it proposes."""

    way: Text | None = None


class WaitInput(Body):
    """Wait for these jobs to finish (``any_one``: for the first of them); ``timeout_s`` null is for ever."""

    ids: list[Text] = Field(min_length=1)
    timeout_s: float | None = Field(default=None, ge=0)
    any_one: bool = False


class ConfigInput(Body):
    """One setting by its flat name, its value as a person would write it; null lets it be at its default again."""

    name: Text
    value: Annotated[
        str | None,
        PlainValidator(lambda value: None if value is None else _word(value)),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ]


class ConfigPatchInput(Body):
    """Settings by their flat or dotted names, with their values as a person would write them."""

    values: dict[Text, Annotated[str, PlainValidator(_word), WithJsonSchema({"type": "string"})]]


class ConfigResetInput(Body):
    """Settings by their flat names; null or nothing means all."""

    names: list[Text] | None = None


class ShutdownInput(Body):
    stop_jobs: bool = False


FIELD_NAMES = sorted(
    {
        name
        for model in (
            JobInput,
            SubmitInput,
            ActionInput,
            ResolveInput,
            WaitInput,
            ConfigInput,
            ConfigPatchInput,
            ConfigResetInput,
            ShutdownInput,
        )
        for name in model.model_fields
    }
)
"""Every field of every request, to find the one a typo meant."""


# --- answers, for the OpenAPI page only ------------------------------------------------------------------------------

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Any failure: one sentence for a person, and a stable kind for programs.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "kind": {"type": "string"},
                "sentence": {"type": "string"},
                "field": {"type": ["string", "null"]},
                "value": {"type": ["string", "null"]},
            },
            "required": ["kind", "sentence", "field", "value"],
        }
    },
    "required": ["error"],
}


def answers(description: str, **fields: Any) -> dict[str, Any]:
    """``openapi_extra`` of a route: an object with these fields, each a view class, ``[class]`` or a JSON type name."""
    schema = {"type": "object", "properties": {name: _schema(kind) for name, kind in fields.items()}}
    return _described(description, schema)


def answers_view(description: str, view: type) -> dict[str, Any]:
    """``openapi_extra`` of a route that answers with a bare view."""
    return _described(description, _schema(view))


def _described(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {"200": {"description": description, "content": {"application/json": {"schema": schema}}}}}


def _schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"type": "array", "items": _schema(kind[0])}
    if isinstance(kind, str):
        return {"type": kind}
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def view_schemas() -> dict[str, Any]:
    """The JSON schemas of all views, by name. Slow: made only when somebody asks for the OpenAPI page."""
    from tidegate.engine import views

    kinds = [kind for kind in vars(views).values() if isinstance(kind, type) and is_dataclass(kind)]
    inputs = [(kind, "serialization", TypeAdapter(kind)) for kind in kinds if kind.__name__ != "LogChunk"]
    _, made = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = made["$defs"]
    return schemas

"""JSON back to the engine's frozen values, by their own declarations: the other direction of ``encoding``."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from tidegate.core.job import JobId
from tidegate.engine.ports import ApplyHint, Command, Errand, ResolveConflict

T = TypeVar("T")
Decode = Callable[[Any], Any]

SCALARS: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (float, int)}
LARGEST = 2**63 - 1
"""More than the journal can hold is nobody's intention."""


class Undecodable(ValueError):
    """The JSON is not what the declaration asks for; the text says where."""


def decoder(kind: type[T], *, strict: bool = False) -> Callable[[Any], T]:
    """A function that makes a ``kind`` (a dataclass) of what JSON has of it.

    Unknown fields are passed over, missing ones take their default (nothing of
    their kind without one): the two sides may be of
    different versions. ``strict`` checks every single value and raises Undecodable; without it our own engine is
    trusted, which is several times as fast.
    """
    declared: Any = kind
    make: Callable[[Any], T] = _dataclass(declared, strict)
    return make


@cache
def _dataclass(kind: Any, strict: bool) -> Decode:
    hints = typing.get_type_hints(kind)
    plan = tuple((each.name, _default(each, hints[each.name])) for each in fields(kind))
    steps = [(each.name, _decoder(hints[each.name], strict)) for each in fields(kind)]
    if strict:
        needed = tuple(each.name for each in fields(kind) if _is_required(each))
        return lambda found: _strictly(kind, dict(steps), needed, found)
    special = tuple((at, decode) for at, (_, decode) in enumerate(steps) if decode is not _same)

    def make(found: Mapping[str, Any]) -> Any:
        get = found.get
        values = [get(name, default) for name, default in plan]
        for at, decode in special:
            if values[at] is not None:
                values[at] = decode(values[at])
        return kind(*values)

    return make


def _is_required(declared: Any) -> bool:
    return declared.default is MISSING and declared.default_factory is MISSING


def _default(declared: Any, hint: Any) -> Any:
    """As JSON would have it, because it goes through the decoder like the rest."""
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    if declared.default is not MISSING:
        return declared.default
    # Readers count on what may not be None: they get what is nothing of its kind.
    origin = typing.get_origin(hint)
    if hint in SCALARS:
        return hint()
    if origin is tuple:
        return ()
    mapping = is_dataclass(hint) or (isinstance(origin, type) and issubclass(origin, Mapping))
    return {} if mapping else None


def _strictly(kind: Any, steps: Mapping[str, Decode], needed: tuple[str, ...], found: Any) -> Any:
    if not isinstance(found, dict):
        raise Undecodable(f"a {kind.__name__} is an object, not {_shown(found)}")
    for name in needed:
        if name not in found:
            raise Undecodable(f"a {kind.__name__} needs its field {name}")
    values = {}
    for name, value in found.items():
        if name not in steps:
            raise Undecodable(f"a {kind.__name__} has no field {name}")
        try:
            values[name] = steps[name](value)
        except (ValueError, TypeError) as error:
            raise Undecodable(f"{name}: {error}") from None
    return kind(**values)


def _decoder(hint: Any, strict: bool) -> Decode:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint == Errand:
        return _errand
    if origin in (typing.Union, types.UnionType):
        return _either(arguments, strict)
    if origin is tuple:
        return _tuple(arguments, strict)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments, strict)
    if hint is JobId:
        return _job_id
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and issubclass(hint, tuple):
        return _named_tuple(hint, strict)
    if is_dataclass(hint):
        return _nested(hint, strict)
    return _scalar(hint) if strict else _same


def _nested(kind: Any, strict: bool) -> Decode:
    return _dataclass(kind, strict)


def _same(value: Any) -> Any:
    return value


def _scalar(hint: Any) -> Decode:
    accepted = SCALARS[hint]

    def check(value: Any) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
            raise Undecodable(f"{hint.__name__} is wanted, not {_shown(value)}")
        if isinstance(value, str) and "\0" in value:
            raise Undecodable("it holds a NUL character, which no command or path can carry")
        if isinstance(value, (int, float)) and not abs(value) <= LARGEST:  # so is what is not a number
            raise Undecodable(f"{_shown(value)} is no number that can be worked with")
        return value

    return check


def _either(arguments: tuple[Any, ...], strict: bool) -> Decode:
    """``X | None``, or several plain kinds."""
    others = [each for each in arguments if each is not type(None)]
    if len(others) == 1:
        decode = _decoder(others[0], strict)
        return _same if decode is _same else lambda value: None if value is None else decode(value)
    accepted = tuple(kind for each in others for kind in SCALARS[each])

    def check(value: Any) -> Any:
        if value is not None and not isinstance(value, accepted):
            raise Undecodable(f"{_shown(value)} is not accepted")
        return value

    return check if strict else _same


def _tuple(arguments: tuple[Any, ...], strict: bool) -> Decode:
    listed = _list if strict else _same
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        decode = _decoder(arguments[0], strict)
        if decode is _same:
            return tuple
        return lambda value: tuple(map(decode, listed(value)))
    decoders = [_decoder(each, strict) for each in arguments]
    if all(each is _same for each in decoders):
        return tuple

    def make(value: Any) -> tuple[Any, ...]:
        return tuple(each(item) for each, item in zip(decoders, listed(value), strict=True))

    return make


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise Undecodable(f"a list is wanted, not {_shown(value)}")
    return value


def _mapping(arguments: tuple[Any, ...], strict: bool) -> Decode:
    if not strict:
        return _same
    decode = _decoder(arguments[1], strict)

    def make(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Undecodable(f"an object is wanted, not {_shown(value)}")
        return {name: decode(item) for name, item in value.items()}

    return make


def _named_tuple(kind: Any, strict: bool) -> Decode:
    hints = typing.get_type_hints(kind)
    make = _tuple(tuple(hints[name] for name in kind._fields), strict)
    return lambda value: kind(*make(value))


def _errand(value: Mapping[str, Any]) -> Errand:
    kind = {"resolve_conflict": ResolveConflict, "apply_hint": ApplyHint}.get(value["verb"], Command)
    errand: Errand = _dataclass(kind, False)(value)
    return errand


def _job_id(value: Any) -> JobId:
    """``"7.3"``, or ``[7, 3]`` as a tuple becomes in JSON."""
    if isinstance(value, str):
        return JobId.parse(value)
    number, index = _list(value)
    if type(number) is not int or type(index) not in (int, type(None)):
        raise Undecodable(f"{_shown(value)} is no job id")
    return JobId(number, index)


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

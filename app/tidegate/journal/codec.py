"""Between the core's values and what a row can hold: compact JSON that old and new versions both can read.

A figure equal to its ``STORED_DEFAULTS`` entry is left out of the JSON. Those entries belong to the format and never
change, whatever the core's own defaults become. Keys nobody knows are ignored; a field that came later takes its
class's default.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from operator import attrgetter
from typing import Any, assert_never

from tidegate.core.job import (
    STATUS_NAMES,
    AfterCondition,
    Dependency,
    JobId,
    JobKind,
    JobSpec,
    OnPreempt,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    RunRef,
    Starting,
    Status,
)
from tidegate.core.prediction import Profile
from tidegate.core.resources import GpuRequest
from tidegate.engine.ports import ApplyHint, Command, Errand, NoticeOffer, ResolveConflict, Settlement, Verb
from tidegate.engine.views import ConflictView, HintView, MachineSample, WayView

Decoder = Callable[[Any], Any]


class UnreadableRow(ValueError):
    """A row that this version cannot understand; the text says which part."""


# --- Text ---------------------------------------------------------------------------------------------------------


def storable(text: str) -> str | bytes:
    """The text itself, or its bytes when it came from bytes that are no valid Unicode (surrogateescape)."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text


def restored(stored: str | bytes) -> str:
    """What ``storable`` was given."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogateescape")


def storable_or_none(text: str | None) -> str | bytes | None:
    return None if text is None else storable(text)


def restored_or_none(stored: str | bytes | None) -> str | None:
    return None if stored is None else restored(stored)


def _plain(value: object) -> object:
    """The JSON encoder asks here for what it does not know."""
    if isinstance(value, GpuRequest | WayView):
        return asdict(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored")


# ensure_ascii keeps lone surrogates alive as escapes, so that any bytes survive.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False, default=_plain)
_DECODER = json.JSONDecoder()


def to_json(value: object) -> str:
    return "[]" if value == () else _ENCODER.encode(value)


def from_json(text: str) -> Any:
    """What ``to_json`` was given, with lists for tuples."""
    return _DECODER.raw_decode(text)[0]


# --- Decoders of single fields --------------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


def _pairs(value: Any) -> tuple[Any, ...]:
    return tuple(map(tuple, value))


def _optional(decoder: Decoder) -> Decoder:
    return lambda value: None if value is None else decoder(value)


_GPU_FIELDS = tuple(each.name for each in fields(GpuRequest))


def _gpu(value: Mapping[str, Any]) -> GpuRequest:
    known = {name: value[name] for name in _GPU_FIELDS if name in value}
    return GpuRequest(**known)


def _dependencies(value: Any) -> tuple[Dependency, ...]:
    return tuple(Dependency(JobId(*job), AfterCondition(condition)) for job, condition in value)


def _run(value: Any) -> RunRef:
    return RunRef(value[0], value[1])


def _ids(value: Any) -> tuple[JobId, ...]:
    return tuple(JobId(*id) for id in value)


def _ways(value: Any) -> tuple[WayView, ...]:
    return tuple(WayView(**way) for way in value)


_DECODERS: dict[str, Decoder] = {
    "command": tuple,
    "cwd": sys.intern,
    "environment": _optional(sys.intern),
    "queue": sys.intern,
    "extra_environment": _pairs,
    "kind": JobKind,
    "gpu": _optional(_gpu),
    "after": _dependencies,
    "labels": tuple,
    "locks": tuple,
    "on_preempt": OnPreempt,
    "run": _run,
    "behind": _optional(lambda value: JobId(*value)),
    "reason": PauseReason,
    "outcome": _optional(Outcome),
    "jobs": _pairs,
    "cards": _pairs,
    "card_jobs": _pairs,
    "peaks_bytes": tuple,
    "durations_s": tuple,
    "card_peaks_bytes": tuple,
    "card_utilisation_pct": tuple,
    "ways": _ways,
    "action": _optional(lambda value: WayView(**value)),
    "resting": _ids,
    "until": _ids,
}
# The same name means something else there.
_OWN_DECODERS: dict[type, dict[str, Decoder]] = {
    ConflictView: {"kind": _same, "jobs": tuple},
    HintView: {"jobs": tuple},
}

STORED_DEFAULTS: dict[type, dict[str, Any]] = {
    JobSpec: {
        "environment": None,
        "extra_environment": (),
        "kind": JobKind.OTHER,
        "script": None,
        "queue": "default",
        "priority": 5,
        "cores": None,
        "memory_bytes": None,
        "memory_limit_bytes": None,
        "gpu": None,
        "device": "auto",
        "time_limit_s": None,
        "begin_at": None,
        "deadline_at": None,
        "after": (),
        "array_size": None,
        "array_parallel": None,
        "retries": 0,
        "labels": (),
        "locks": (),
        "dedupe_key": None,
        "preemptible": True,
        "on_preempt": OnPreempt.PAUSE,
        "checkpoint_signal": None,
        "checkpoint_grace_s": 30.0,
        "notify": True,
        "slurm_names": False,
        "stdout_path": None,
        "stderr_path": None,
        "retry_delay_s": 0.0,
        "user": None,
    },
    Profile: {"card_peaks_bytes": (), "card_utilisation_pct": ()},
    Queued: {"not_before": None},
    Paused: {"why": None},
    Starting: {"behind": None},
    ConflictView: {"ways": (), "closed_at": None, "closed_because": None},
    HintView: {"action": None, "closed_at": None, "closed_because": None},
    MachineSample: {"jobs": (), "cards": (), "card_jobs": (), "memory_max_bytes": None, "cpu_max_pct": None},
}


class RecordCodec:
    """One frozen dataclass <-> a JSON object of its fields by name."""

    def __init__(self, kind: type) -> None:
        names = [each.name for each in fields(kind)]
        stored = STORED_DEFAULTS.get(kind, {})
        self._kind = kind
        self._stored = stored
        self._values = attrgetter(*names) if len(names) > 1 else lambda record: (getattr(record, names[0]),)
        self._plan = tuple((name, stored.get(name, MISSING)) for name in names)
        self._decoders = {name: _DECODERS.get(name, _same) for name in names} | _OWN_DECODERS.get(kind, {})

    def encode(self, record: object) -> str:
        values = self._values(record)
        return to_json(
            {
                name: value
                for (name, default), value in zip(self._plan, values, strict=True)
                if value is not default and value != default
            }
        )

    def decode(self, text: str) -> Any:
        """The record; raises UnreadableRow when a required part is missing or not understood."""
        try:
            values = dict(self._stored)
            for name, value in from_json(text).items():
                decoder = self._decoders.get(name)
                if decoder is not None:
                    values[name] = decoder(value)
            return self._kind(**values)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise UnreadableRow(f"{self._kind.__name__}: {error}") from error


_SPEC = RecordCodec(JobSpec)
_CONFLICT = RecordCodec(ConflictView)
_HINT = RecordCodec(HintView)
_SETTLEMENT = RecordCodec(Settlement)
_SAMPLE = RecordCodec(MachineSample)
_PROFILE = RecordCodec(Profile)
_STATUS = {name: RecordCodec(kind) for kind, name in STATUS_NAMES.items()}


# --- What the rows are made of --------------------------------------------------------------------------------------


def encode_spec(spec: JobSpec) -> str:
    return _SPEC.encode(spec)


def decode_spec(text: str) -> JobSpec:
    spec: JobSpec = _SPEC.decode(text)
    return spec


def encode_status(status: Status) -> tuple[str, str]:
    """The name of the status and its data as JSON."""
    name = STATUS_NAMES[type(status)]
    return name, _STATUS[name].encode(status)


def decode_status(name: str, state: str) -> Status:
    codec = _STATUS.get(name)
    if codec is None:
        raise UnreadableRow(f"status {name!r} is not known")
    status: Status = codec.decode(state)
    return status


def encode_profile(profile: Profile) -> str:
    return _PROFILE.encode(profile)


def decode_profile(text: str) -> Profile:
    profile: Profile = _PROFILE.decode(text)
    return profile


def encode_sample(sample: MachineSample) -> str:
    return _SAMPLE.encode(sample)


def decode_sample(text: str) -> MachineSample:
    sample: MachineSample = _SAMPLE.decode(text)
    return sample


def encode_conflict(view: ConflictView) -> str:
    return _CONFLICT.encode(view)


def decode_conflict(text: str) -> ConflictView:
    view: ConflictView = _CONFLICT.decode(text)
    return view


def encode_hint(view: HintView) -> str:
    return _HINT.encode(view)


def decode_hint(text: str) -> HintView:
    view: HintView = _HINT.decode(text)
    return view


def encode_settlement(settlement: Settlement) -> str:
    return _SETTLEMENT.encode(settlement)


def decode_settlement(text: str) -> Settlement:
    settlement: Settlement = _SETTLEMENT.decode(text)
    return settlement


def encode_offers(offers: Sequence[NoticeOffer]) -> str:
    """What a notice offers: per button its word and its errand, without what that leaves at its default."""
    return to_json(tuple(_offer(offer.label, offer.command) for offer in offers))


def _offer(label: str, errand: Errand) -> dict[str, Any]:
    match errand:
        case ResolveConflict(id, way):
            return {"label": label, "conflict": id, "way": way}
        case ApplyHint(id):
            return {"label": label, "hint": id}
        case Command():
            given = {
                "seconds": errand.seconds,
                "drain": errand.drain,
                "gpu": errand.gpu,
                "force": errand.force,
                "changes": dict(errand.changes),
            }
            return {"label": label, "verb": errand.verb, "ids": errand.ids} | {k: v for k, v in given.items() if v}
        case _:
            assert_never(errand)


def decode_offers(text: str) -> tuple[NoticeOffer, ...]:
    """Raises UnreadableRow."""
    try:
        return tuple(NoticeOffer(each["label"], _errand(each)) for each in from_json(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableRow(f"offers: {error}") from error


def _errand(given: Mapping[str, Any]) -> Errand:
    if "conflict" in given:
        return ResolveConflict(given["conflict"], given["way"])
    if "hint" in given:
        return ApplyHint(given["hint"])
    ids = given["ids"]
    return Command(
        Verb(given["verb"]),
        None if ids is None else tuple(JobId(*id) for id in ids),
        given.get("seconds"),
        given.get("drain", False),
        given.get("gpu", False),
        given.get("force", False),
        given.get("changes", {}),
    )


def parse_job(text: str) -> JobId:
    """A job's id as its row has it."""
    number, _, element = text.partition(".")
    return JobId(int(number), int(element) if element else None)


def outcome_or_none(text: str | None) -> Outcome | None:
    return None if text is None else Outcome(text)

"""Turns raw option words into what a job wishes for, each value read by its own rule, each error naming its field."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import TypeVar

from tidegate.core.job import Dependency, OnPreempt
from tidegate.core.resources import GpuRequest
from tidegate.submission.device import device_cards, parse_device, parse_gpu
from tidegate.submission.directives import Given, did_you_mean
from tidegate.submission.grammar import (
    NotUnderstood,
    parse_array,
    parse_cores,
    parse_dependencies,
    parse_moment,
    parse_size,
    parse_time,
    parse_whole,
    parse_yes_no,
    plain,
)
from tidegate.submission.request import OPTIONS, RawValue, Refused, option_name, shown

MAX_RETRIES = 1000
MAX_NAME = 200

Value = TypeVar("Value")
Array = tuple[tuple[int, ...] | None, int | None]
_NO_ARRAY: Array = (None, None)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything the options of one submission say, understood; the names are those of JobSpec where it has them."""

    cores: float | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    gpu: GpuRequest | None
    device: str
    time_limit_s: float | None
    priority: int
    queue: str
    name: str | None
    after: tuple[Dependency, ...]
    begin_at: float | None
    deadline_at: float | None
    retries: int
    retry_delay_s: float
    labels: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    held: bool
    array: tuple[int, ...] | None
    array_parallel: int | None
    on_preempt: OnPreempt
    preemptible: bool
    locks: tuple[str, ...]
    dedupe_key: str | None
    checkpoint_signal: int | None
    checkpoint_grace_s: float
    warnings: tuple[str, ...]


def from_command_line(options: Mapping[str, RawValue]) -> list[Given]:
    """The options of a request; raises Refused for a key that is none."""
    given: list[Given] = []
    for key, value in options.items():
        name = option_name(key)
        if name not in OPTIONS:
            sentence = f"There is no option {key}{did_you_mean(name)}; the options are {', '.join(OPTIONS)}."
            raise Refused(key, str(value), sentence, usage=True)
        values = (value,) if isinstance(value, str) else tuple(value)
        if values:
            given.append(Given(name, values))
    return given


Merged = Mapping[str, tuple[Given, ...]]
"""By option: everything given for it that counts, in order. The last one wins where there can be only one."""


def merge(*layers: Iterable[Given]) -> Merged:
    """Later layers beat earlier ones; only ``env`` adds up across them."""
    merged: dict[str, tuple[Given, ...]] = {}
    for layer in layers:
        within: dict[str, tuple[Given, ...]] = {}
        for given in layer:
            before = within.get(given.key, merged.get("env", ()) if given.key == "env" else ())
            within[given.key] = (*before, given)
        merged.update(within)
    return merged


class _Reader:
    """Reads options one by one; what cannot be read becomes a Refused that names it."""

    def __init__(self, merged: Merged) -> None:
        self._merged = merged

    def last(self, key: str, parse: Callable[[str], Value], default: Value) -> Value:
        """The last value of an option."""
        given = self._merged.get(key)
        return self._parse(given[-1], given[-1].value, parse) if given else default

    def every(self, key: str, parse: Callable[[str], Iterable[Value]]) -> list[Value]:
        """All values of an option that may be repeated, in order."""
        found: list[Value] = []
        for given in self._merged.get(key, ()):
            for value in given.values:
                found += self._parse(given, value, parse)
        return found

    def _parse(self, given: Given, value: str, parse: Callable[[str], Value]) -> Value:
        try:
            return parse(value)
        except NotUnderstood as error:
            raise given.refused(str(error), value=value) from None

    def refused(self, key: str, clause: str, *, usage: bool = True) -> Refused:
        """An option that reads well but contradicts another, or (``usage`` False) cannot be granted."""
        return self._merged[key][-1].refused(clause, usage=usage)


def read_wishes(merged: Merged, now: float, zone: tzinfo | None) -> Wishes:
    """Read all options; raises Refused at the first that cannot be understood."""
    reader = _Reader(merged)
    warnings: list[str] = []
    memory = reader.last("mem", _size, None)
    limit = reader.last("mem-limit", _size, None)
    if memory is not None and limit is not None and limit < memory:
        raise reader.refused("mem-limit", "the limit is below what mem promises")
    device = reader.last("device", parse_device, "auto")
    gpu = _cards(reader, "gpu" in merged, reader.last("gpu", parse_gpu, None), device)
    begin, deadline = _moments(reader, now, zone, warnings)
    preemptible = reader.last("preemptible", parse_yes_no, True)
    if not preemptible:
        warnings.append("preemptible=no: this job is spared until the last memory line, and then taken last.")
    retries, delay_s = reader.last("retries", _retries, 0), reader.last("retry-delay", parse_time, 0.0)
    if delay_s > 0 and "retries" not in merged:
        warnings.append("retry-delay changes nothing without retries.")
    array, parallel = reader.last("array", _array, _NO_ARRAY)
    return Wishes(
        cores=reader.last("cpus", _cores, None),
        memory_bytes=memory,
        memory_limit_bytes=limit,
        gpu=gpu,
        device=device,
        time_limit_s=reader.last("time", _minutes, None),
        priority=reader.last("priority", lambda text: parse_whole(text, 0, 9), 5),
        queue=reader.last("queue", _word, "default"),
        name=reader.last("name", _name, None),
        after=_unique(reader.every("after", parse_dependencies)),
        begin_at=begin,
        deadline_at=deadline,
        retries=retries,
        retry_delay_s=delay_s,
        labels=_unique(reader.every("label", _words)),
        variables=_variables(reader),
        held=reader.last("hold", parse_yes_no, False),
        array=array,
        array_parallel=parallel,
        on_preempt=reader.last("on-preempt", _on_preempt, OnPreempt.PAUSE),
        preemptible=preemptible,
        locks=_unique(reader.every("locks", _words)),
        dedupe_key=reader.last("dedupe", _text, None),
        checkpoint_signal=reader.last("checkpoint-signal", _signal, None),
        checkpoint_grace_s=reader.last("checkpoint-grace", parse_time, 30.0),
        warnings=tuple(warnings),
    )


def _retries(text: str) -> int:
    return parse_whole(text, 0, MAX_RETRIES)


def _cards(reader: _Reader, said: bool, gpu: GpuRequest | None, device: str) -> GpuRequest | None:
    """The cards wanted: a device that names cards asks for them, also when --gpu is not given."""
    cards = device_cards(device)
    if device == "cpu" and gpu is not None:
        raise reader.refused("device", "it contradicts the gpu request")
    if cards and said and gpu is None:
        raise reader.refused("device", "it contradicts gpu=none")
    if cards and gpu is not None and gpu.cards > len(cards):
        raise reader.refused("device", f"it names fewer cards than the {gpu.cards} wanted")
    return GpuRequest(count=float(len(cards))) if cards and gpu is None else gpu


def _moments(
    reader: _Reader, now: float, zone: tzinfo | None, warnings: list[str]
) -> tuple[float | None, float | None]:
    """Begin and deadline. A begin in the past is now; a deadline in the past can never be met."""

    def moment(text: str) -> float | None:
        return None if text.strip().lower() == "none" else parse_moment(text, now, zone)

    begin, deadline = reader.last("begin", moment, None), reader.last("deadline", moment, None)
    if begin is not None and begin <= now:
        if begin < now:
            warnings.append("begin lies in the past, so the job may start at once.")
        begin = None
    if deadline is not None and deadline <= now:
        raise reader.refused("deadline", "it lies in the past, so it could never be met", usage=False)
    if begin is not None and deadline is not None and deadline <= begin:
        raise reader.refused("deadline", "it lies before begin")
    return begin, deadline


def _unique(items: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(items))


def _variables(reader: _Reader) -> tuple[tuple[str, str], ...]:
    """Variables in the order of their first mention, the last value of each."""
    return tuple(dict(reader.every("env", _variable)).items())


# --- One function per kind of value --------------------------------------------------------------------------------


def _size(text: str) -> int | None:
    return parse_size(text)


def _cores(text: str) -> float | None:
    return parse_cores(text)


def _minutes(text: str) -> float | None:
    return parse_time(text, bare_s=60)


def _array(text: str) -> Array:
    return parse_array(text)


def _text(text: str) -> str | None:
    if not text.strip() or "\0" in text:
        raise NotUnderstood("it is a word or a few, not nothing")
    return text.strip()


def _name(text: str) -> str | None:
    name = shown(text.strip())
    if not name or len(name) > MAX_NAME:
        raise NotUnderstood(f"a name has 1 to {MAX_NAME} signs")
    return name


def _word(text: str) -> str:
    word = text.strip()
    if not word or not word.isprintable() or any(sign.isspace() or sign in "/," for sign in word) or len(word) > 100:
        raise NotUnderstood("it is one word, such as default or batch")
    return word


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if not all(word and word.isprintable() for word in words):
        raise NotUnderstood("it is a word, or several with commas between")
    return words


def _variable(text: str) -> list[tuple[str, str]]:
    name, equals, value = text.partition("=")
    if not name.strip() or not equals or "\0" in text:
        raise NotUnderstood("a variable is given as NAME=VALUE")
    return [(name.strip(), value)]


def _on_preempt(text: str) -> OnPreempt:
    try:
        return OnPreempt(plain(text).lower())
    except ValueError:
        raise NotUnderstood("it is pause, requeue or kill") from None


def _signal(text: str) -> int | None:
    """A signal that a program can catch, by name (USR1, SIGUSR1) or number."""
    word = plain(text).upper()
    try:
        found = signal.Signals(int(word)) if word.isdigit() else signal.Signals["SIG" + word.removeprefix("SIG")]
    except (ValueError, KeyError):
        raise NotUnderstood("a signal is such as USR1, TERM or INT") from None
    if found.name in ("SIGKILL", "SIGSTOP"):
        raise NotUnderstood("no program can catch that signal; say USR1, TERM or INT")
    return int(found)

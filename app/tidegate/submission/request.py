"""What comes in (a request as the user typed it) and what goes out (a job understood, or a refusal and why)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.core.job import JobSpec

RawValue = str | list[str]

OPTIONS: tuple[str, ...] = (
    "cpus",
    "mem",
    "mem-limit",
    "gpu",
    "device",
    "time",
    "priority",
    "queue",
    "name",
    "after",
    "begin",
    "deadline",
    "retries",
    "retry-delay",
    "label",
    "env",
    "cwd",
    "hold",
    "array",
    "on-preempt",
    "preemptible",
    "locks",
    "dedupe",
    "checkpoint-signal",
    "checkpoint-grace",
    "shell",
)
"""Every option a submission may carry, by the name it has on the command line."""

SPELLINGS: Mapping[str, str] = {"lock": "locks", "labels": "label"}
"""Other spellings of the same options."""


def option_name(key: str) -> str:
    """The option a key means; ``Mem_Limit`` is ``mem-limit``. Not every result is an option: see OPTIONS."""
    name = key.strip().lower().replace("_", "-")
    return SPELLINGS.get(name, name)


@dataclass(frozen=True, slots=True)
class GpuFact:
    """One graphics card of this machine; the memory is None where the driver does not say."""

    index: int
    name: str
    memory_total_bytes: int | None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What the machine can give at most. ``memory_line_bytes`` None: memory is not limited (D6 "cores only")."""

    cores: int
    memory_total_bytes: int
    memory_line_bytes: int | None
    gpus: tuple[GpuFact, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """One submission, raw: exactly one of ``script``, ``command`` and ``line`` is set.

    ``options`` holds the words the user typed, by the names in OPTIONS. ``cwd`` is the folder the user stood in;
    an option ``cwd`` is the folder the user asked for. Strings are surrogateescape, so that any bytes survive.
    """

    script: str | None = None
    command: tuple[str, ...] | None = None
    line: str | None = None
    args: tuple[str, ...] = ()
    cwd: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, RawValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Understood:
    """One job, understood. ``array`` holds the indices of an array's elements, in order, or None.

    ``interpreter``, ``environment`` and ``directives`` say in words what was found in and around the file.
    """

    spec: JobSpec
    held: bool = False
    warnings: tuple[str, ...] = ()
    array: tuple[int, ...] | None = None
    interpreter: str | None = None
    environment: str | None = None
    directives: tuple[str, ...] = ()


def shown(text: str) -> str:
    """Text that any terminal and any JSON can carry: bytes that are no UTF-8 and control signs are replaced."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in whole)


class Refused(Exception):
    """The submission is not taken. ``usage``: a value cannot be understood; else it was, and it cannot be done."""

    def __init__(self, field: str, value: str, sentence: str, usage: bool) -> None:
        self.field = field
        self.value = shown(value)
        self.sentence = shown(sentence)
        super().__init__(self.sentence)
        self.usage = usage

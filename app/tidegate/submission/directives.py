"""Finds what a file says about its own job: ``# tidegate:`` words and ``#SBATCH`` lines in the first comment block."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.submission.request import OPTIONS, Refused, option_name

HEAD_BYTES = 65536
"""How much of a file is looked at for directives."""
MOST_SAID = 80
"""Of a longer value a refusal repeats the beginning."""

_BATCH = (".bat", ".cmd")
_SLASHES = (".js", ".mjs", ".cjs")
_OURS = re.compile(r"tidegate\s*:\s*(.*)", re.IGNORECASE)
_NEARLY_OURS = re.compile(r"tidegate\s+[a-z-]+\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """One option as it was given; ``origin`` is where in a file (``train.py, line 3``), None for the command line."""

    key: str
    values: tuple[str, ...]
    origin: str | None = None

    @property
    def value(self) -> str:
        """The last value: a later one beats an earlier one."""
        return self.values[-1]

    def refused(self, clause: str, *, value: str | None = None, usage: bool = True) -> Refused:
        """The value cannot be read (or, with ``usage`` False, granted); ``clause`` says why or what is accepted."""
        shown = self.value if value is None else value
        where = f"{self.origin}: " if self.origin else ""
        verb = "read" if usage else "granted"
        said = shown if len(shown) <= MOST_SAID else f"{shown[:MOST_SAID]}…"
        return Refused(self.key, shown, f"{where}{self.key}={said} cannot be {verb}: {clause}.", usage=usage)


@dataclass(frozen=True, slots=True)
class SlurmLine:
    """The words of one ``#SBATCH`` line."""

    words: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Directives:
    """What stands in a file. ``texts`` are the directive lines as they were read, for the person."""

    given: tuple[Given, ...] = ()
    slurm: tuple[SlurmLine, ...] = ()
    warnings: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def read_directives(path: str, head: bytes) -> Directives:
    """Read the directives in ``head``, the first bytes of the file. Raises Refused for one that cannot be read."""
    name, suffix = os.path.basename(path), os.path.splitext(path)[1].lower()
    if suffix == ".ipynb":
        name, lines = f"{name}, first cell", _notebook_lines(path)
    elif b"\0" in head:
        return Directives()
    else:
        lines = _lines(head.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    return _Reading(name, suffix).read(lines)


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n")]


def _notebook_lines(path: str) -> list[str]:
    """The first code cell's lines; none when the file is no notebook (running it will say so)."""
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        source = next(cell["source"] for cell in cells if cell["cell_type"] == "code")
    except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return []
    return _lines(source if isinstance(source, str) else "".join(str(part) for part in source))


class _Reading:
    """Reads the lines of one file and collects what they say."""

    def __init__(self, name: str, suffix: str) -> None:
        self._name = name
        self._suffix = suffix
        self._given: list[Given] = []
        self._slurm: list[SlurmLine] = []
        self._warnings: list[str] = []
        self._texts: list[str] = []

    def read(self, lines: list[str]) -> Directives:
        end = 0
        for end, line in enumerate(lines):
            body = self._comment(line)
            if body is None:
                break
            self._directive(line, body, f"{self._name}, line {end + 1}")
        else:
            end += 1
        self._warn_of_late_ones(lines, end)
        return Directives(tuple(self._given), tuple(self._slurm), tuple(self._warnings), tuple(self._texts))

    def _comment(self, line: str) -> str | None:
        """What a comment line says; "" for a blank line, None for the first line of the program itself."""
        text = line.strip()
        if not text or text.startswith("#!"):
            return ""
        if self._suffix in _BATCH:
            if re.match(r"@?echo\s+off$", text, re.IGNORECASE):
                return ""
            match = re.match(r"(?:@?rem(?=\s|$)|::)(.*)", text, re.IGNORECASE)
        elif self._suffix in _SLASHES:
            match = re.match(r"//+(.*)", text)
        else:
            match = re.match(r"#+(.*)", text)
        return match[1].strip() if match else None

    def _directive(self, line: str, body: str, origin: str) -> None:
        ours = _OURS.match(body)
        if ours:
            self._texts.append(f"{origin}: {body}")
            self._given.extend(self._words(ours[1], origin))
        elif _NEARLY_OURS.match(body):
            self._warnings.append(f"{origin}: not read, because the colon is missing after the word tidegate.")
        elif _is_slurm(line, self._suffix):
            self._texts.append(f"{origin}: {line.strip()}")
            self._slurm.append(SlurmLine(tuple(split_words(line.strip()[len("#SBATCH") :], origin)), origin))

    def _words(self, text: str, origin: str) -> Iterator[Given]:
        words = _join_lone_equals(split_words(text, origin))
        if not words:
            self._warnings.append(f"{origin}: the directive is empty.")
        for word in words:
            key, equals, value = word.partition("=")
            key = option_name(key)
            if key not in OPTIONS:
                self._warnings.append(f"{origin}: unknown directive {key}{did_you_mean(key)}; it is not used.")
            elif not equals and key not in ("hold", "preemptible"):
                raise Refused(key, "", f"{origin}: {key} has no value; a directive is such as {key}=VALUE.", usage=True)
            else:
                yield Given(key, (value,), origin)

    def _warn_of_late_ones(self, lines: list[str], start: int) -> None:
        for number, line in enumerate(lines[start:], start + 1):
            body = self._comment(line)
            if (body and _OURS.match(body)) or _is_slurm(line, self._suffix):
                self._warnings.append(
                    f"{self._name}, line {number}: not read, because directives stand in the first comment block."
                )


def _is_slurm(line: str, suffix: str) -> bool:
    # Slurm takes exactly this spelling at the start of a line; "# SBATCH" and "##SBATCH" are comments to it.
    return suffix not in (*_BATCH, *_SLASHES) and re.match(r"#SBATCH\s", line) is not None


def split_words(text: str, origin: str) -> list[str]:
    """Words as a shell would split them, up to a comment; raises Refused when the quotes do not match."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        raise Refused("directive", text, f"{origin}: the quotes in {text!r} do not match.", usage=True) from None
    comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def _join_lone_equals(words: list[str]) -> list[str]:
    """``mem = 8G`` means ``mem=8G``."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith(" =")):
            joined[-1] = f"{joined[-1]} =" if word == "=" else f"{joined[-1][:-2]}={word}"
        else:
            joined.append(word)
    return joined


def did_you_mean(key: str) -> str:
    """``, did you mean mem?`` for the nearest option, or nothing."""
    near = difflib.get_close_matches(key, OPTIONS, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""

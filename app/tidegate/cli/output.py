"""How verbs speak: data on stdout, talk on stderr, tables that fit the terminal, colour only on a terminal."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

_COLOURS = {
    "running": "32",
    "starting": "32",
    "succeeded": "2",
    "failed": "31",
    "killed": "31",
    "timed_out": "31",
    "out_of_memory": "31",
    "lost": "31",
    "paused": "33",
    "stopping": "33",
    "held": "33",
    "HIGH": "33",
    "EMERGENCY": "31;1",
    "critical": "31;1",
    "high": "31",
    "medium": "33",
    "error": "31",
    "warning": "33",
    "heading": "1",
}


class Failure(Exception):
    """A verb cannot go on: the exit code of D11 and one sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def prepare_streams() -> None:
    """Names and paths in any encoding must come out as the bytes they are, and never raise."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def say(sentence: str) -> None:
    """Talk: for the person, never for the next program in the pipe."""
    if sys.stderr is not None:
        print(f"tidegate: {sentence}", file=sys.stderr, flush=True)


def put(text: str) -> None:
    """Data: one line on stdout."""
    sys.stdout.write(text + "\n")


def put_json(value: object) -> None:
    import json

    put(json.dumps(value, indent=2 if sys.stdout.isatty() else None))


def coloured(stream: TextIO) -> bool:
    """NO_COLOR (no-color.org) and dumb terminals are respected."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(word: str, kind: str) -> str:
    """``word`` in the colour of ``kind``, where stdout takes colours."""
    code = _COLOURS.get(kind)
    return f"\x1b[{code}m{word}\x1b[0m" if code and coloured(sys.stdout) else word


def terminal_width() -> int | None:
    """Columns to fit into; None when stdout is no terminal, so that nothing is cut off in a pipe."""
    if os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]) > 0:
        return int(os.environ["COLUMNS"])
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return None


def clean(text: str) -> str:
    """One line without control characters: a job's name may hold anything, also escape sequences."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def display_width(text: str) -> int:
    """Columns that ``text`` takes: east Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def clip(text: str, width: int) -> str:
    """``text`` cut to ``width`` columns, the cut shown by an ellipsis."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[:-1]
    return text + "…" if width > 0 else ""


class Column:
    """A table's column. ``elastic`` ones give way, down to ``least``, when the terminal is narrow."""

    __slots__ = ("elastic", "least", "right", "title")

    def __init__(self, title: str, *, right: bool = False, elastic: bool = False, least: int = 8) -> None:
        self.title = title
        self.right = right
        self.elastic = elastic
        self.least = max(least, len(title))


def put_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], kinds: Sequence[str] = ()) -> None:
    """Print aligned columns; ``kinds`` names the colour of each row's second cell."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [
        max([len(column.title), *(display_width(row[number]) for row in cells)])
        for number, column in enumerate(columns)
    ]
    _shrink(columns, widths)
    put(paint(_line(columns, widths, [column.title for column in columns]), "heading"))
    for number, row in enumerate(cells):
        line = _line(columns, widths, row)
        if kinds and kinds[number] in _COLOURS and coloured(sys.stdout):
            start = widths[0] + 2
            line = line[:start] + paint(line[start : start + widths[1]], kinds[number]) + line[start + widths[1] :]
        put(line)


def _shrink(columns: Sequence[Column], widths: list[int]) -> None:
    """Take what is too much from the widest elastic column, again and again."""
    limit = terminal_width()
    if limit is None:
        return
    while sum(widths) + 2 * (len(widths) - 1) > limit:
        loose = [n for n, column in enumerate(columns) if column.elastic and widths[n] > column.least]
        if not loose:
            return
        widths[max(loose, key=lambda n: widths[n])] -= 1


def _line(columns: Sequence[Column], widths: Sequence[int], row: Sequence[str]) -> str:
    parts = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text = clip(cell, width)
        blank = " " * (width - display_width(text))
        parts.append(blank + text if column.right else text + blank)
    return "  ".join(parts).rstrip()


def put_block(pairs: Sequence[tuple[str, str]]) -> None:
    """Print ``label  value`` lines, further lines of a value below its first; empty values are left out."""
    shown = [(label, value) for label, value in pairs if value]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        for number, line in enumerate(value.split("\n")):
            put(f"{(label if number == 0 else ''):<{width}}  {line}".rstrip())

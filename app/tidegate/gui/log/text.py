"""A log's bytes as the lines a terminal would have left standing, with their colours; incremental, and free of Qt."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

ROWS_KEPT = 64
"""So many rows a cursor can go back up: what redraws several progress bars goes no further."""
LINE_CHARS = 2000
"""A longer line goes on in the next one: a megabyte without a line's end must not stall who lays it out."""
CODE_CHARS = 2048
"""What begins like a title or link and does not end by then is no code but junk."""

Colour = int | tuple[int, int, int] | None
"""One of the 256 palette places, a colour of its own, or the view's."""

_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # a control sequence, of which colours and erasing count
    rf"|[\]PX^_][^\x07\x1b\n]{{0,{CODE_CHARS}}}(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|[ -/]{0,4}[0-OQ-WYZ\\`-~]"  # character sets, keypad modes
    r")"
)
_UNFINISHED = re.compile(
    rf"\x1b(?:\[[0-?]{{0,64}}[ -/]{{0,8}}|[\]PX^_][^\x07\x1b\n]{{0,{CODE_CHARS}}}\x1b?|[ -/]{{0,4}})?\Z"
)
_CODES = re.compile(rb"[\r\x08\x1b]")
_SPECIAL = re.compile(r"[\n\r\x08\x1b]")
# Qt would begin a new paragraph at some of these, and the rest has no width of its own.
_UNPRINTABLE: dict[int, int | None] = dict.fromkeys((*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)))
_UNPRINTABLE |= dict.fromkeys((0x2028, 0x2029, 0xFDD0, 0xFDD1), 0xFFFD)


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of text looks."""

    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    struck: bool = False
    foreground: Colour = None
    background: Colour = None


PLAIN = Style()


class Run(NamedTuple):
    """Text of one style (a tuple, as a log has very many of them)."""

    text: str
    style: Style


class Line(NamedTuple):
    """One line as it is shown. ``at`` is where it begins in the file; ``goes_on``: the line before was too long.

    ``dropped`` stands for so many bytes that a capped log gave back there, in the place of any text.
    """

    runs: tuple[Run, ...]
    at: int
    goes_on: bool = False
    dropped: int = 0

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)


@dataclass(slots=True)
class _Open:
    """The line that is being written; ``column`` is where the next character goes."""

    at: int
    goes_on: bool = False
    runs: list[Run] = field(default_factory=list)
    length: int = 0
    column: int = 0

    def write(self, text: str, style: Style) -> None:
        if self.column > self.length:
            self._append(" " * (self.column - self.length), PLAIN)
            self.length = self.column
        end = self.column + len(text)
        if self.column == self.length:
            self._append(text, style)
        else:
            before, after = _cut(self.runs, 0, self.column), _cut(self.runs, end, self.length)
            self.runs = before
            self._append(text, style)
            for run in after:
                self._append(run.text, run.style)
        self.length = max(self.length, end)
        self.column = end

    def erase(self, first: int, last: int) -> None:
        """Blank the columns; at the line's end they are taken away."""
        last = min(last, self.length)
        if first >= last:
            return
        before, after = _cut(self.runs, 0, first), _cut(self.runs, last, self.length)
        self.runs = before
        self.length = first if not after else self.length
        if after:
            self._append(" " * (last - first), PLAIN)
            for run in after:
                self._append(run.text, run.style)

    def _append(self, text: str, style: Style) -> None:
        if self.runs and self.runs[-1].style == style:
            self.runs[-1] = Run(self.runs[-1].text + text, style)
        else:
            self.runs.append(Run(text, style))

    def line(self) -> Line:
        return Line(tuple(self.runs), self.at, self.goes_on)

    @staticmethod
    def again(line: Line) -> _Open:
        return _Open(line.at, line.goes_on, list(line.runs), len(line.text))


def _cut(runs: Sequence[Run], first: int, last: int) -> list[Run]:
    """The part of ``runs`` between two columns."""
    found, at = [], 0
    for run in runs:
        start, end = max(first - at, 0), min(last - at, len(run.text))
        if start < end:
            found.append(Run(run.text[start:end], run.style))
        at += len(run.text)
    return found


class LogParser:
    """Feed it a log's bytes in order, cut anywhere; it gives the finished lines, and ``open`` are the unfinished ones.

    Several are unfinished while the cursor is above the last one. Going up may unfinish lines that were given already:
    ``back`` counts those of earlier calls, to be taken away before what the last call gave is added.
    """

    def __init__(self, at: int = 0) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._style = PLAIN
        self._line = _Open(at)
        self._below: list[_Open] = []
        self._recent: deque[Line] = deque(maxlen=ROWS_KEPT)
        self._done: list[Line] = []
        self.back = 0

    @property
    def open(self) -> tuple[Line, ...]:
        return (self._line.line(), *(row.line() for row in self._below))

    def feed(self, data: bytes, at: int) -> list[Line]:
        """``at`` is where ``data`` lies in the file; the lines it has finished."""
        # Line by line in bytes: so each line's place in the file is exact, whatever is no text in it.
        self.back = 0
        start = 0
        while start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            if self._at_line_start and data[end - 1] == 10 and end - start < LINE_CHARS:
                self._plain_line(data[start:end], at + end)
            else:
                self._feed_piece(data[start:end], at + start, at + end)
            start = end
        done, self._done = self._done, []
        return done

    def finish(self) -> list[Line]:
        """Nothing more comes: what was held back because it was cut in the middle is shown as it is."""
        text = self._held.replace("\x1b", "") + self._decoder.decode(b"", True)
        self._held = ""
        self._write(text.translate(_UNPRINTABLE), self._line.at)
        done, self._done = self._done, []
        return done

    @property
    def _at_line_start(self) -> bool:
        line = self._line
        untouched = not (self._held or line.goes_on or line.runs or line.column or self._below)
        return untouched and not self._decoder.getstate()[0]

    def _plain_line(self, piece: bytes, end: int) -> None:
        """A whole line, mostly without codes: the common case, made short."""
        if _CODES.search(piece):
            self._feed_piece(piece, self._line.at, end)
            return
        text = piece[:-1].decode("utf-8", "replace")
        if not text.isprintable():
            text = text.translate(_UNPRINTABLE)
        self._give(Line((Run(text, self._style),) if text else (), self._line.at))
        self._line = _Open(end)

    def _feed_piece(self, piece: bytes, at: int, end: int) -> None:
        text = self._held + self._decoder.decode(piece)
        self._held = ""
        position = 0
        while position < len(text):
            found = _SPECIAL.search(text, position)
            stop = found.start() if found else len(text)
            if stop > position:
                self._write(text[position:stop].translate(_UNPRINTABLE), at + position)
            if found is None:
                return
            position = self._control(text, stop, end)

    def _control(self, text: str, position: int, end: int) -> int:
        """Obey the control character at ``position``; where to go on."""
        mark = text[position]
        if mark == "\n":
            self._end_line(end)
        elif mark == "\r":
            self._line.column = 0
        elif mark == "\x08":
            self._line.column = max(0, self._line.column - 1)
        else:
            code = _CONTROL.match(text, position)
            if code is not None:
                self._obey(code.group())
                return code.end()
            if _UNFINISHED.match(text, position):
                self._held = text[position:]
                return len(text)
        return position + 1

    def _write(self, text: str, at: int) -> None:
        while text:
            room = LINE_CHARS - self._line.column
            if room <= 0:
                if self._below:
                    return  # a row that is drawn again has its place, and no more
                self._give(self._line.line())
                self._line = _Open(at, goes_on=True)
                continue
            self._line.write(text[:room], self._style)
            text, at = text[room:], at + len(text[:room].encode("utf-8", "replace"))

    def _end_line(self, next_at: int) -> None:
        if self._below:
            self._down(1)
            self._line.column = 0
            return
        self._give(self._line.line())
        self._line = _Open(next_at)

    def _give(self, line: Line) -> None:
        self._done.append(line)
        self._recent.append(line)

    def _up(self, rows: int) -> None:
        column = self._line.column
        for _ in range(min(rows, len(self._recent))):
            self._below.insert(0, self._line)
            self._line = _Open.again(self._recent.pop())
            if self._done:
                self._done.pop()
            else:
                self.back += 1
        self._line.column = column

    def _down(self, rows: int) -> None:
        column = self._line.column
        for _ in range(min(rows, len(self._below))):
            self._give(self._line.line())
            self._line = self._below.pop(0)
        self._line.column = column

    def _obey(self, code: str) -> None:
        if not code.startswith("\x1b["):
            return
        if code[-1] == "m":
            self._style = styled(self._style, code[2:-1])
        elif code[-1] == "K":
            self._erase(code[2:-1])
        elif code[-1] == "J" and code[2:-1] in ("", "0"):
            self._erase("")
            self._below.clear()
        elif code[-1] in "GABEF" and (code[2:-1] or "1").isdigit():
            self._move(code[-1], max(1, int(code[2:-1] or "1")))

    def _move(self, how: str, count: int) -> None:
        if how == "G":
            self._line.column = min(self._line.length, count - 1)
            return
        (self._up if how in "AF" else self._down)(count)
        if how in "EF":
            self._line.column = 0

    def _erase(self, part: str) -> None:
        line = self._line
        if part in ("", "0"):
            line.erase(line.column, line.length)
        elif part == "1":
            line.erase(0, line.column)
        elif part == "2":
            line.erase(0, line.length)


# --- Colours ----------------------------------------------------------------------------------------------------------

_ON: dict[int, dict[str, bool]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"inverse": True},
    9: {"struck": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"inverse": False},
    29: {"struck": False},
}


@lru_cache(maxsize=1024)
def styled(style: Style, parameters: str) -> Style:
    """``style`` after one colour code (SGR); what is not known in it is passed over."""
    numbers = [int(part) if part.isdigit() and len(part) < 6 else 0 for part in parameters.replace(":", ";").split(";")]
    position = 0
    while position < len(numbers):
        number = numbers[position]
        position += 1
        if number == 0:
            style = PLAIN
        elif number in _ON:
            style = replace(style, **_ON[number])
        elif number in (38, 48):
            colour, position = _extended(numbers, position)
            style = replace(style, foreground=colour) if number == 38 else replace(style, background=colour)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            style = replace(style, foreground=number - 30 if number < 90 else number - 82)
        elif 40 <= number <= 47 or 100 <= number <= 107:
            style = replace(style, background=number - 40 if number < 100 else number - 92)
        elif number == 39:
            style = replace(style, foreground=None)
        elif number == 49:
            style = replace(style, background=None)
    return style


def _extended(numbers: Sequence[int], position: int) -> tuple[Colour, int]:
    """``5;n`` is a place in the palette, ``2;r;g;b`` a colour of its own."""
    kind = numbers[position] if position < len(numbers) else 0
    if kind == 5 and position + 1 < len(numbers):
        return min(255, numbers[position + 1]), position + 2
    if kind == 2 and position + 3 < len(numbers):
        red, green, blue = (min(255, each) for each in numbers[position + 1 : position + 4])
        return (red, green, blue), position + 4
    return None, len(numbers)

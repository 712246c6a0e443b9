"""Pages of one log, read as lines in whatever direction the view moves; runs in a thread, free of Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tidegate.engine.views import LogChunk
from tidegate.gui.log.text import Line, LogParser

Read = Callable[[int, int], LogChunk]
"""Bytes of one attempt's log: offset (negative: from the end) and limit."""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines in order, whole but for ``open``, the last ones while they are being written.

    ``back``: so many lines of the pages before are being written again, and are in ``open`` or ``lines`` now.
    They begin at ``top`` in the file and reach to ``end`` of ``size``; ``ended``: nothing will be added any more.
    """

    lines: tuple[Line, ...]
    open: tuple[Line, ...]
    top: int
    end: int
    size: int
    dropped: tuple[int, int] | None
    ended: bool
    path: str
    back: int = 0

    @property
    def complete(self) -> bool:
        """All that is written so far has been read."""
        return self.end >= self.size


class Onward:
    """Reads a log onwards from a place; what was cut in the middle is finished by the next page."""

    def __init__(self, read: Read, at: int) -> None:
        self._read = read
        self.at = at
        self._parser = LogParser(at)

    def next(self, limit: int) -> Page:
        return self._take(self._read(self.at, limit), self.at)

    def _take(self, chunk: LogChunk, asked: int) -> Page:
        lines: list[Line] = []
        back = 0
        for at, part in parts_of(chunk, asked):
            if isinstance(part, int):
                lines += self._parser.finish()
                lines += _with_text(self._parser.open)
                lines.append(Line((), at, dropped=part))
                self.at = at + part
                self._parser = LogParser(self.at)
            else:
                more = self._parser.feed(part, at)
                back += max(0, self._parser.back - len(lines))
                lines[max(0, len(lines) - self._parser.back) :] = more
                self.at = at + len(part)
        done = chunk.ended and self.at >= chunk.size
        if done:
            lines += self._parser.finish()
        known = chunk.size, chunk.dropped, chunk.ended, chunk.path
        return Page(tuple(lines), self._parser.open, asked, self.at, *known, back)


def _with_text(lines: Sequence[Line]) -> Sequence[Line]:
    """Without those at the end that nothing was written in."""
    last = max((place for place, line in enumerate(lines) if line.runs), default=-1)
    return lines[: last + 1]


def parts_of(chunk: LogChunk, asked: int) -> Iterator[tuple[int, bytes | int]]:
    """The pieces of a chunk with their offsets: bytes, or how many were dropped there.

    A desk may skip what was dropped or read zeros there.
    """
    at, end = chunk.offset, chunk.offset + len(chunk.data)
    if 0 <= asked < at:
        yield asked, at - asked
    first, last = chunk.dropped or (0, 0)
    if first >= end or last <= at:
        yield at, chunk.data
        return
    if first > at:
        yield at, chunk.data[: first - at]
    yield max(first, at), last - max(first, at)
    if end > last:
        yield last, chunk.data[last - at :]


def begin_at(read: Read, wanted: int, limit: int) -> tuple[Onward, Page]:
    """A page from the first line at or after ``wanted`` (negative: counted from the end), to be read on from there."""
    chunk = read(wanted, limit)
    if chunk.dropped is not None and chunk.dropped[0] <= chunk.offset < chunk.dropped[1]:
        chunk = read(chunk.dropped[1], limit)
    start = chunk.offset
    cut = 0
    if start > 0 and (chunk.dropped is None or start != chunk.dropped[1]):
        cut = chunk.data.find(b"\n") + 1
        # Within one endless line it begins in the middle.
        cut = 0 if cut >= len(chunk.data) else cut
    onward = Onward(read, start + cut)
    whole = LogChunk(
        chunk.data[cut:], start + cut, chunk.next_offset, chunk.size, chunk.dropped, chunk.ended, chunk.path
    )
    return onward, onward._take(whole, start + cut)


def before(read: Read, top: int, limit: int, dropped: tuple[int, int] | None) -> Page:
    """The page that ends where a line begins at ``top``; ``dropped`` as the last page had it."""
    first, last = dropped or (0, 0)
    if first < top <= last:
        return Page((Line((), first, dropped=top - first),), (), first, top, top, dropped, False, "")
    start = max(0, top - limit, last if top > last else 0)
    chunk = read(start, top - start)
    data = chunk.data[: max(0, top - chunk.offset)]
    cut = 0
    if chunk.offset > 0 and chunk.offset != last:
        cut = data.find(b"\n") + 1
        cut = 0 if cut >= len(data) else cut
    begin = chunk.offset + cut
    parser = LogParser(begin)
    lines = [*parser.feed(data[cut:], begin), *parser.finish()]
    lines += _with_text(parser.open)
    return Page(tuple(lines), (), min(begin, top), top, chunk.size, chunk.dropped, chunk.ended, chunk.path)

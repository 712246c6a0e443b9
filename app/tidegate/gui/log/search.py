"""Finds every place in a whole log, read piece by piece in a thread, whatever the window shows of it; free of Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidegate.engine.views import LogChunk
from tidegate.gui.log.pages import Read, parts_of
from tidegate.gui.log.text import LINE_CHARS, LogParser

STEP_BYTES = 128 * 1024
"""A piece is gone through in one go, in which no other thread gets its turn: the window least of all may wait long."""
MOST_HITS = 10_000
_CODED = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_CODES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")

ERRORS = re.compile(
    r"\b(?:\w*error\w*|\w*exception|traceback|fatal|panic(?:ked)?|segmentation fault|core dumped|killed"
    r"|out of memory|failed|failure|command not found|no such file)\b",
    re.IGNORECASE,
)
"""What programs of any kind write when something went wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """The ``nth`` match (from 0) in the shown line that begins at ``at`` in the file."""

    at: int
    nth: int


def words_pattern(text: str) -> re.Pattern[str]:
    """Finds the words as they are typed, capital or not."""
    return re.compile(re.escape(text), re.IGNORECASE)


class LogSearch:
    """``run`` finds what is written so far and may be called again when there is more.

    ``hits`` grows while it runs, in order; ``full`` when there are more than anybody would step through.
    """

    def __init__(self, read: Read, pattern: re.Pattern[str]) -> None:
        self._read = read
        self.pattern = pattern
        self.hits: list[Hit] = []
        self.searched = 0
        self.size = 0
        self.full = False
        self.stopped = False
        self._rest = b""
        self._rest_hits = 0

    def stop(self) -> None:
        """From any thread: end at the next piece."""
        self.stopped = True

    def run(self) -> None:
        del self.hits[len(self.hits) - self._rest_hits :]
        self._rest_hits = 0
        while not self.stopped and not self.full:
            asked = self.searched
            chunk = self._read(asked, STEP_BYTES)
            self.size = chunk.size
            self._take(chunk, asked)
            if self.searched <= asked or self.searched >= chunk.size:
                break
        known = len(self.hits)
        # The last line may still grow: what it has is found now, and looked at once more next time.
        self._find_in(self._rest, self.searched - len(self._rest))
        self._rest_hits = len(self.hits) - known

    def _take(self, chunk: LogChunk, asked: int) -> None:
        for at, part in parts_of(chunk, asked):
            if isinstance(part, int):
                self._find_in(self._rest, at - len(self._rest))
                self._rest = b""
                self.searched = at + part
                continue
            data, start = self._rest + part, at - len(self._rest)
            end = data.rfind(b"\n") + 1
            if not end and len(data) > 4 * STEP_BYTES:
                end = len(data)
            self._find_in(data[:end], start)
            self._rest = data[end:]
            self.searched = at + len(part)

    def _find_in(self, data: bytes, at: int) -> None:
        """``data`` are whole lines that begin at ``at``."""
        if not data:
            return
        coded = _CODED.search(data) is not None
        if coded and b"\r" not in data and b"\x08" not in data:
            plain = _CODES.sub(b"", data).decode("utf-8", "replace")
            if not self.pattern.search(plain):
                return
        if not coded:
            try:
                self._find_in_plain(data.decode("utf-8"), at)
                return
            except UnicodeDecodeError:
                pass  # bytes that are no text take the longer way, which knows where each line lies
        self._find_in_shown(data, at)

    def _find_in_plain(self, text: str, at: int) -> None:
        """Nothing in it moves the cursor, so that the text is what is shown."""
        counted_to, offset = 0, at
        line_start, nth = -1, 0
        for found in self.pattern.finditer(text):
            start = text.rfind("\n", 0, found.start()) + 1
            if start != line_start:
                line_start, nth = start, 0
                offset += len(text[counted_to:start].encode("utf-8"))
                counted_to = start
                end = text.find("\n", start)
                end = len(text) if end < 0 else end
                if end - start >= LINE_CHARS:
                    self._find_in_shown(text[start:end].encode("utf-8"), offset)
                    nth = -1
            if nth >= 0:
                self._note(Hit(offset, nth))
                nth += 1
            if self.full:
                return

    def _find_in_shown(self, data: bytes, at: int) -> None:
        parser = LogParser(at)
        lines = [*parser.feed(data, at), *parser.finish(), *parser.open]
        for line in lines:
            for nth, _ in enumerate(self.pattern.finditer(line.text)):
                self._note(Hit(line.at, nth))
                if self.full:
                    return

    def _note(self, hit: Hit) -> None:
        if len(self.hits) >= MOST_HITS:
            self.full = True
        else:
            self.hits.append(hit)

"""``logs``: what a job wrote, byte for byte, from the start, the last lines, or as it grows."""

from __future__ import annotations

import sys

from tidegate.api.client import HOLD_S
from tidegate.cli import connection
from tidegate.cli.options import JSON, Given, Option, UsageError, Verb
from tidegate.cli.output import put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.api.client import Client, LogPiece

TAIL_BYTES = 65536


class LogReader:
    """Reads one log onwards; remembers where it is, so that it can be interrupted and go on."""

    def __init__(self, engine: Client, id: str, attempt: int | None = None) -> None:
        self._engine = engine
        self.id = id
        self.attempt = attempt
        self.offset = 0
        self._seen: int | None = None

    def next(self, wait_s: float = 0.0) -> LogPiece:
        """The piece at ``offset``, waiting for one up to ``wait_s``; patient with an engine that is being replaced."""

        def read() -> LogPiece:
            return self._engine.read_log(self.id, self.attempt, self.offset, None, wait_s, self._seen)

        piece = connection.ask(lambda: self._engine.patiently(read) if wait_s else read())
        self.offset = piece.next_offset
        if self._seen is not None and piece.attempt not in (None, self._seen):
            say(f"job {self.id} runs again: attempt {piece.attempt}")
        self._seen = piece.attempt if self.attempt is None else None
        return piece

    def copy_to_stdout(self, follow: bool) -> LogPiece:
        """Write all there is from here on, and with ``follow`` until the job has ended; gives the last piece."""
        out = sys.stdout.buffer
        while True:
            piece = self.next(HOLD_S if follow else 0.0)
            out.write(piece.data)
            out.flush()
            if piece.ended if follow else not piece.data or self.offset >= piece.size:
                return piece

    def seek_lines(self, lines: int) -> None:
        """Go to where the last ``lines`` lines begin; not further back than the dropped middle of a capped log."""
        end = self._piece(0, 1)
        self._seen = end.attempt if self.attempt is None else None
        floor = end.dropped[1] if end.dropped else 0
        start, tail = end.size, b""
        # One newline more than lines are wanted: the one that ends the line before them.
        while start > floor and tail.count(b"\n") <= lines:
            step = min(TAIL_BYTES, start - floor)
            start -= step
            tail = self._piece(start, step).data + tail
        last = tail.splitlines(keepends=True)[-lines:] if lines else []
        self.offset = end.size - sum(map(len, last))

    def _piece(self, offset: int, length: int) -> LogPiece:
        attempt = self.attempt or self._seen
        return connection.ask(lambda: self._engine.read_log(self.id, attempt, offset, length))


def _whole_number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--{name} {text!r} is no number; it takes 0 or more.")
    return int(text)


def _logs(given: Given) -> int:
    lines, attempt = _whole_number("lines", given.text("lines")), _whole_number("attempt", given.text("attempt"))
    engine = connection.client()
    connection.require(engine)
    ids = _elements(engine, connection.resolve_ids(engine, given.operands)[0])
    if len(ids) > 1 and (given.flag("follow") or given.flag("json")):
        raise UsageError(f"this is an array; one element at a time can be followed or be JSON, for instance {ids[0]}.")
    for id in ids:
        if len(ids) > 1:
            say(f"job {id} wrote:")
        _put_one(given, LogReader(engine, id, attempt), lines)
    return 0


def _elements(engine: Client, id: str) -> list[str]:
    """The id itself, or those of all elements when it is an array's number."""
    if "." in id:
        return [id]
    answer = connection.ask(lambda: engine.get(f"/jobs/{id}"))
    return [str(job["id"]) for job in answer["jobs"]] if "jobs" in answer else [id]


def _put_one(given: Given, reader: LogReader, lines: int | None) -> None:
    if lines is not None:
        reader.seek_lines(lines)
    if given.flag("json"):
        _put_as_json(given, reader)
    else:
        reader.copy_to_stdout(given.flag("follow"))


def _put_as_json(given: Given, reader: LogReader) -> None:
    """One object with the text; bytes that are no UTF-8 are replaced."""
    if given.flag("follow"):
        raise UsageError("--json cannot follow a log; leave out --follow.")
    offset, data = reader.offset, b""
    while True:
        piece = reader.next()
        data += piece.data
        if not piece.data or reader.offset >= piece.size:
            break
    put_json(
        {
            "id": reader.id,
            "attempt": piece.attempt,
            "offset": offset,
            "size": piece.size,
            "dropped": piece.dropped,
            "ended": piece.ended,
            "text": data.decode("utf-8", "replace"),
        }
    )


VERBS = {
    "logs": Verb(
        "logs",
        _logs,
        "ID [-f] [-n LINES]",
        (
            Option("follow", "Go on until the job has ended.", short="f"),
            Option("lines", "Only the last so many lines.", value="LINES", short="n"),
            Option("attempt", "Which attempt (the newest when not said).", value="N"),
            JSON,
        ),
        operands=(1, 1),
        complete="ids",
        ending="Where a capped log gave its middle back, one line in square brackets says how much.",
    )
}

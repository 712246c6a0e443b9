"""A job's log for clients: pieces and a stream that follows it, with the dropped middle of a capped log left out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import quote

from tidegate.api.context import Api
from tidegate.api.errors import ApiProblem, unknown_job
from tidegate.core.job import JobId
from tidegate.core.texts import format_size
from tidegate.engine.views import LogChunk

PIECE_BYTES = 1024 * 1024
MAX_PIECE_BYTES = 16 * PIECE_BYTES
FIRST_POLL_S = 0.02
SLOWEST_POLL_S = 0.25
GATHER_S = 0.03
SMALL_PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """What is sent for one read; ``next_offset`` is past a dropped range, whose place one line in brackets takes."""

    data: bytes
    offset: int
    next_offset: int
    size: int
    dropped: tuple[int, int] | None
    ended: bool
    attempt: int
    path: str = ""

    def headers(self) -> dict[str, str]:
        return {
            "X-Tidegate-Offset": str(self.offset),
            "X-Tidegate-Next-Offset": str(self.next_offset),
            "X-Tidegate-Size": str(self.size),
            "X-Tidegate-Dropped": "" if self.dropped is None else f"{self.dropped[0]}-{self.dropped[1]}",
            "X-Tidegate-Ended": "1" if self.ended else "0",
            "X-Tidegate-Attempt": str(self.attempt),
            "X-Tidegate-Path": quote(os.fsencode(self.path)),
        }


def piece_of(chunk: LogChunk, asked: int) -> Piece:
    """``chunk``, read at the offset ``asked``, without its dropped range: a hole, which would be sent as zeros.

    A desk may read over the hole or skip it; either way one line says what is missing there.
    """
    start, end, data = chunk.offset, chunk.next_offset, chunk.data
    first, last = chunk.dropped or (0, 0)
    begin = start if asked < 0 else min(asked, start)
    if begin < last and max(end, start) > first:
        before, after = data[: max(0, first - start)], data[max(0, last - start) :]
        at_line_start = before.endswith(b"\n") if before else begin == 0
        data = before + _mark(last - max(first, begin), at_line_start) + after
        end = max(end, last)
    return Piece(
        data, begin, end, chunk.size, chunk.dropped, chunk.ended and end >= chunk.size, chunk.attempt, chunk.path
    )


def _mark(dropped_bytes: int, at_line_start: bool) -> bytes:
    line = f"[tidegate: {format_size(dropped_bytes)} of output dropped here]\n"
    return (line if at_line_start else "\n" + line).encode()


async def read_piece(api: Api, id: JobId, attempt: int | None, offset: int, limit: int) -> Piece:
    """Raises ApiProblem 404 when there is no such job or attempt."""
    try:
        return piece_of(await asyncio.to_thread(api.desk.read_log, id, attempt, offset, limit), offset)
    except KeyError:
        known = await asyncio.to_thread(api.desk.job, id)
        if not known or attempt is None:
            raise unknown_job(id) from None
        raise ApiProblem(404, "unknown", f"Job {id} has no attempt {attempt}.", "attempt", str(attempt)) from None


async def read_as_it_is(api: Api, id: JobId, attempt: int | None, offset: int, limit: int) -> Piece:
    """What the desk answers, its bytes and offsets untouched, for clients that mark a dropped range themselves."""
    try:
        chunk = await asyncio.to_thread(api.desk.read_log, id, attempt, offset, limit)
    except KeyError:
        return await read_piece(api, id, attempt, offset, limit)
    return Piece(
        chunk.data, chunk.offset, chunk.next_offset, chunk.size, chunk.dropped, chunk.ended, chunk.attempt, chunk.path
    )


async def read_on(api: Api, id: JobId, seen: int | None, offset: int, limit: int) -> Piece:
    """The newest attempt's log onwards for one who read attempt ``seen`` up to ``offset``.

    When the job has meanwhile begun another attempt, first what is left of the old log, then the new one's beginning.
    """
    piece = await read_piece(api, id, None, offset, limit)
    if seen is None or piece.attempt == seen:
        return piece
    rest = await read_piece(api, id, seen, offset, limit)
    if rest.data:
        return replace(rest, ended=False)
    return await read_piece(api, id, None, 0, limit)


async def wait_for_piece(
    api: Api, id: JobId, attempt: int | None, offset: int, limit: int, wait_s: float, seen: int | None = None
) -> Piece:
    """The next piece, held up to ``wait_s`` while there is nothing to send; the newest attempt's as by ``read_on``.

    A job that writes line by line is not answered line by line: a small piece waits a moment for more.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    pause_s = FIRST_POLL_S

    async def read() -> Piece:
        if attempt is None:
            return await read_on(api, id, seen, offset, limit)
        return await read_piece(api, id, attempt, offset, limit)

    while True:
        piece = await read()
        left = deadline - loop.time()
        begun = seen is not None and piece.attempt != seen
        if attempt is None and offset >= 0:
            # Should the job run again while this is held, what it wrote until now comes first.
            seen = piece.attempt
        if piece.ended or begun or left <= 0 or len(piece.data) >= SMALL_PIECE_BYTES:
            return piece
        if piece.data:
            await api.stops_within(min(GATHER_S, left))
            return await read()
        if await api.stops_within(min(pause_s, left)):
            return piece
        pause_s = min(pause_s * 1.5, SLOWEST_POLL_S)


async def follow(api: Api, id: JobId, attempt: int | None, first: Piece, limit: int) -> AsyncIterator[bytes]:
    """``first`` and everything after it, until the job has finished and all is sent, or the server stops.

    Where the job runs again one line in square brackets names the attempt.
    """
    piece, line_open = first, False
    while True:
        if piece.data:
            yield piece.data
            line_open = not piece.data.endswith(b"\n")
        if piece.ended or api.stopping.is_set():
            return
        seen = piece.attempt if attempt is None else None
        piece = await wait_for_piece(api, id, attempt, piece.next_offset, limit, 60.0, seen)
        if seen is not None and piece.attempt != seen:
            yield (b"\n" if line_open else b"") + b"[tidegate: attempt %d]\n" % piece.attempt
            line_open = False

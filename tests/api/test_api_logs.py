"""Reading a job's log: pieces, following, holes of a capped log, and the client's own follower."""

from __future__ import annotations

import threading

import pytest

from api.conftest import Served
from support.until import until
from tidegate.api.client import ApiError
from tidegate.api.log_stream import piece_of
from tidegate.engine.views import LogChunk

MIB = 1024 * 1024


def test_a_piece_says_where_it_stands(served: Served) -> None:
    served.desk.add()
    served.desk.write_log("1", b"0123456789")
    piece = served.client.read_log("1", offset=2, limit=3)
    assert (piece.data, piece.offset, piece.next_offset, piece.size) == (b"234", 2, 5, 10)
    assert (piece.dropped, piece.ended) == (None, False)
    assert served.client.read_log("1", offset=-4).data == b"6789"
    assert served.client.read_log("1", offset=10).data == b""
    served.desk.finish("1")
    assert not served.client.read_log("1", limit=3).ended
    assert served.client.read_log("1").ended


def test_bytes_arrive_as_written(served: Served) -> None:
    served.desk.add()
    served.desk.write_log("1", bytes(range(256)))
    assert served.client.read_log("1").data == bytes(range(256))


def test_attempts_have_logs_of_their_own(served: Served) -> None:
    served.desk.add(attempts=2)
    served.desk.write_log("1", b"first", attempt=1)
    served.desk.write_log("1", b"second", attempt=2)
    assert served.client.read_log("1").data == b"second"
    assert served.client.read_log("1", attempt=1).data == b"first"


def test_an_unknown_job_has_no_log(served: Served) -> None:
    for follow in (0, 1):
        with pytest.raises(ApiError) as caught:
            served.client.request("GET", f"/jobs/5/log?follow={follow}")
        assert (caught.value.status, caught.value.kind) == (404, "unknown")


def test_lines_that_come_one_by_one_are_gathered(served: Served) -> None:
    served.desk.add()
    stop = threading.Event()
    written = 0

    def chatter() -> None:
        nonlocal written
        while not stop.is_set():
            served.desk.write_log("1", b"line\n")
            written += 5
            stop.wait(0.001)

    writer = threading.Thread(target=chatter)
    writer.start()
    until(lambda: written)
    offset, pieces = 0, 0
    while offset < 500:
        piece = served.client.read_log("1", offset=offset, wait_s=20)
        offset, pieces = piece.next_offset, pieces + 1
    stop.set()
    writer.join(10)
    assert pieces < 40


def test_a_held_read_answers_when_there_is_something(served: Served) -> None:
    served.desk.add()
    found: list[bytes] = []
    reading = threading.Thread(target=lambda: found.append(served.client.read_log("1", wait_s=20).data))
    reading.start()
    served.desk.write_log("1", b"at last")
    reading.join(10)
    assert found == [b"at last"]
    assert served.client.read_log("1", offset=7, wait_s=0.01).data == b""


@pytest.mark.parametrize("way", ["stream", "client"])
def test_following_ends_when_the_job_has_finished(served: Served, way: str) -> None:
    served.desk.add()
    served.desk.write_log("1", b"one\n")
    pieces: list[bytes] = []
    ended = threading.Event()

    def follow() -> None:
        client = served.client
        source = client.stream("/jobs/1/log?follow=1") if way == "stream" else client.follow_log("1")
        for piece in source:
            pieces.append(piece)
        ended.set()

    threading.Thread(target=follow).start()
    until(lambda: b"".join(pieces) == b"one\n")
    served.desk.write_log("1", b"two\n")
    until(lambda: b"".join(pieces) == b"one\ntwo\n")
    assert not ended.is_set()
    served.desk.write_log("1", b"three\n")
    served.desk.finish("1")
    assert ended.wait(10)
    assert b"".join(pieces) == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("way", ["stream", "client"])
def test_a_dropped_middle_is_one_line_and_no_zeros(served: Served, way: str) -> None:
    served.desk.add()
    served.desk.write_log("1", b"head\n" + b"x" * (136 * MIB) + b"tail\n")
    served.desk.drop_log("1", 5, 5 + 136 * MIB)
    served.desk.finish("1")
    client = served.client
    source = client.stream("/jobs/1/log?follow=1") if way == "stream" else client.follow_log("1")
    assert b"".join(source) == b"head\n[tidegate: 136 MB of output dropped here]\ntail\n"


def test_the_middle_may_be_dropped_while_it_is_followed(served: Served) -> None:
    served.desk.add()
    served.desk.write_log("1", b"a" * 100)
    first = served.client.read_log("1", limit=50)
    served.desk.drop_log("1", 20, 80)
    second = served.client.read_log("1", offset=first.next_offset)
    assert first.data == b"a" * 50
    assert second.data == b"\n[tidegate: 30 B of output dropped here]\n" + b"a" * 20
    assert (second.next_offset, second.dropped) == (100, (20, 80))


MARK = b"[tidegate: 4 B of output dropped here]\n"


@pytest.mark.parametrize(
    ("asked", "first", "data", "expected", "next_offset"),
    [
        (0, 0, b"ab", b"ab", 2),
        (0, 0, b"abc\n", b"abc\n", 4),
        (0, 0, b"abc\n\0\0", b"abc\n" + MARK, 8),
        (0, 0, b"abcd\0\0\0\0efgh", b"abcd\n" + MARK + b"efgh", 12),
        (4, 4, b"\0\0", b"\n" + MARK, 8),
        (4, 8, b"efgh", b"\n" + MARK + b"efgh", 12),
        (4, 8, b"", b"\n" + MARK, 8),
        (6, 8, b"ef", b"\n[tidegate: 2 B of output dropped here]\nef", 10),
        (8, 8, b"efgh", b"efgh", 12),
        (12, 12, b"", b"", 12),
        (-6, 8, b"efgh", b"efgh", 12),
    ],
)
def test_where_a_read_meets_the_hole(asked: int, first: int, data: bytes, expected: bytes, next_offset: int) -> None:
    chunk = LogChunk(data, first, first + len(data), 12, (4, 8), False, "/log")
    piece = piece_of(chunk, asked)
    assert (piece.data, piece.next_offset) == (expected, next_offset)


def test_a_log_that_ends_in_its_hole_ends(served: Served) -> None:
    piece = piece_of(LogChunk(b"\0\0", 4, 6, 8, (4, 8), True, "/log"), 4)
    assert (piece.next_offset, piece.ended) == (8, True)


def test_a_limit_beyond_reason_is_refused(served: Served) -> None:
    served.desk.add()
    with pytest.raises(ApiError) as caught:
        served.client.read_log("1", limit=10**9)
    assert (caught.value.kind, caught.value.field) == ("usage", "limit")


# --- A job that runs again ------------------------------------------------------------------------------------------


def test_the_answer_names_the_attempt(served: Served) -> None:
    served.desk.add(attempts=2)
    served.desk.write_log("1", b"first", attempt=1)
    assert served.client.read_log("1").attempt == 2
    assert served.client.read_log("1", attempt=1).attempt == 1


def run_again(served: Served) -> None:
    """The first attempt writes its last words and ends; the second one's log is shorter."""
    served.desk.write_log("1", b"last words\n")
    served.desk.end_log("1", 1)
    served.desk.change("1", attempts=2)
    served.desk.write_log("1", b"new\n", attempt=2)


def test_whoever_followed_gets_the_rest_and_then_the_new_log_from_its_start(served: Served) -> None:
    served.desk.add(attempts=1, status="running")
    served.desk.write_log("1", b"of the first attempt\n")
    piece = served.client.read_log("1")
    run_again(served)
    seen = []
    while len(seen) < 2:
        piece = served.client.read_log("1", offset=piece.next_offset, wait_s=20, offset_attempt=piece.attempt)
        seen.append((piece.attempt, piece.data, piece.offset, piece.ended))
    assert seen == [(1, b"last words\n", 21, False), (2, b"new\n", 0, False)]


def test_a_held_read_answers_when_another_attempt_begins(served: Served) -> None:
    served.desk.add(attempts=1, status="running")
    served.desk.write_log("1", b"first\n")
    found: list[tuple[int | None, bytes]] = []

    def read() -> None:
        piece = served.client.read_log("1", offset=6, wait_s=20, offset_attempt=1)
        found.append((piece.attempt, piece.data))

    reading = threading.Thread(target=read)
    reading.start()
    served.desk.end_log("1", 1)
    served.desk.change("1", attempts=2)
    reading.join(10)
    assert found == [(2, b"")]


@pytest.mark.parametrize("way", ["stream", "client"])
def test_a_follower_is_told_of_the_new_attempt_in_one_line(served: Served, way: str) -> None:
    served.desk.add(attempts=1, status="running")
    served.desk.write_log("1", b"of the first attempt\nopen: ")
    pieces: list[bytes] = []

    collected = b"of the first attempt\nopen: "
    source = served.client.stream("/jobs/1/log?follow=1") if way == "stream" else served.client.follow_log("1")

    def collect() -> None:
        for piece in source:
            pieces.append(piece)

    following = threading.Thread(target=collect)
    following.start()
    until(lambda: b"".join(pieces) == collected)
    served.desk.end_log("1", 1)
    served.desk.change("1", attempts=2)
    served.desk.write_log("1", b"new\n", attempt=2)
    until(lambda: b"".join(pieces) == collected + b"\n[tidegate: attempt 2]\nnew\n")
    served.desk.finish("1")
    following.join(10)
    assert not following.is_alive()
    assert b"".join(pieces) == collected + b"\n[tidegate: attempt 2]\nnew\n"


def test_without_marks_the_bytes_are_as_they_lie(served: Served) -> None:
    served.desk.add(attempts=1)
    served.desk.write_log("1", b"0123456789")
    served.desk.drop_log("1", 2, 8)
    answer = served.client._send("GET", "/jobs/1/log?marks=0", None, {}, 5.0)
    assert answer.read() == b"01" + bytes(6) + b"89"
    assert answer.headers["x-tidegate-dropped"] == "2-8"
    assert answer.headers["x-tidegate-path"] == "/logs/1-a1.log"
    assert answer.headers["x-tidegate-next-offset"] == "10"

"""A log's bytes as lines and colours: what a terminal leaves standing, in whatever pieces it was read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.gui.log.text import LINE_CHARS, PLAIN, Line, LogParser, Run, Style, styled


def lines_of(*pieces: bytes) -> list[Line]:
    parser = LogParser()
    found: list[Line] = []
    at = 0
    for piece in pieces:
        more = parser.feed(piece, at)
        found[len(found) - parser.back :] = more
        at += len(piece)
    return [*found, *parser.finish(), *parser.open]


def texts_of(*pieces: bytes) -> list[str]:
    return [line.text for line in lines_of(*pieces)]


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (b"one\ntwo", ["one", "two"]),
        (b"one\r\ntwo\r\n", ["one", "two", ""]),
        (b" 10%\r 50%\r100%\n", ["100%", ""]),
        (b"long line\rshort\n", ["shortline", ""]),
        (b"long line\r\x1b[Kshort\n", ["short", ""]),
        (b"long line\x1b[2K\rshort\n", ["short", ""]),
        (b"abc\x1b[1K\rx\n", ["x", ""]),
        (b"abcdef\x08\x08\x1b[1Kx\n", ["    xf", ""]),
        (b"ab\x08c\n", ["ac", ""]),
        (b"\x08\x08a\n", ["a", ""]),
        (b"abc\x1b[1Gx\n", ["xbc", ""]),
        (b"\x1b]0;a title\x07text", ["text"]),
        (b"\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        (b"\x1b(B\x1b=\x1b7text\x1b[?25l", ["text"]),
        (b"\x1b]0;never ended\nnext", ["]0;never ended", "next"]),
        (b"a\x00b\x07c\x0bd\x7fe\xc2\x85f", ["abcdef"]),
        ("a\u2028b\u2029c".encode(), ["a\ufffdb\ufffdc"]),
        ("naïve €".encode(), ["naïve €"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd", ""]),
        (b"cut \xe2\x82", ["cut \ufffd"]),
        (b"cut \x1b[3", ["cut [3"]),
        (b"one\ntwo\x1b[A\rONE", ["ONE", "two"]),
        (b"bar 1\nbar 2\n\x1b[2Abar 3\nbar 4\n", ["bar 3", "bar 4", ""]),
        (b"a\nb\nc\r\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2KA\nB\nC", ["A", "B", "C"]),
        (b"a\nb\n\x1b[2F\x1b[Jc", ["c"]),
        (b"a\nb\nc\x1b[2A\x1b[1Bx\x1b[9Ey", ["a", "bx", "y"]),
        (b"\x1b[99Aa\n\x1b[99B\x1b[0Bb", ["a", "b"]),
        (b"top\n\x1b[A" + b"w" * 4200 + b"\nend", ["w" * 2000, "end"]),
    ],
)
def test_what_a_terminal_would_leave_standing(written: bytes, left: list[str]) -> None:
    assert texts_of(written) == left
    assert texts_of(*(bytes([each]) for each in written)) == left


@pytest.mark.parametrize(
    ("code", "style"),
    [
        ("1", Style(bold=True)),
        ("2;3;4;7;9", Style(dim=True, italic=True, underline=True, inverse=True, struck=True)),
        ("31", Style(foreground=1)),
        ("97;104", Style(foreground=15, background=12)),
        ("38;5;208", Style(foreground=208)),
        ("48;5;999", Style(background=255)),
        ("38;2;1;2;3", Style(foreground=(1, 2, 3))),
        ("38:2:1:2:3;1", Style(foreground=(1, 2, 3), bold=True)),
        ("1;38;5", Style(bold=True)),
        ("38;2;1", PLAIN),
        ("73;1;1000", Style(bold=True)),
        ("31;0", PLAIN),
        ("", PLAIN),
        ("31;39;41;49", PLAIN),
        ("1;2;22;3;23;4;24;7;27;9;29", PLAIN),
    ],
)
def test_colour_codes(code: str, style: Style) -> None:
    assert styled(PLAIN, code) == style


def test_a_style_lasts_over_lines_and_pieces_until_it_is_taken_back() -> None:
    red = Style(foreground=1)
    lines = lines_of(b"a\x1b[3", b"1mred\nst", b"ill\x1b[0m not")
    assert [line.runs for line in lines] == [
        (Run("a", PLAIN), Run("red", red)),
        (Run("still", red), Run(" not", PLAIN)),
    ]


def test_writing_over_keeps_the_colours_of_what_is_left() -> None:
    red, green = Style(foreground=1), Style(foreground=2)
    [line, _] = lines_of(b"\x1b[31mabcdef\x1b[32m\rXY\n")
    assert line.runs == (Run("XY", green), Run("cdef", red))


def test_lines_know_where_they_begin_whatever_they_hold() -> None:
    written = b"one\n\xff\xfe\xfd\n\x1b[31mthree\x1b[0m\nfour"
    assert [line.at for line in lines_of(written)] == [0, 4, 8, 23]
    assert written[23:] == b"four"


def test_an_endless_line_is_broken_and_quick() -> None:
    started = time.perf_counter()
    lines = lines_of(b"x" * 1_000_000)
    assert time.perf_counter() - started < 1.0
    assert {len(line.text) for line in lines} == {LINE_CHARS}
    assert [line.goes_on for line in lines] == [False] + [True] * (len(lines) - 1)
    assert [line.at for line in lines[:3]] == [0, LINE_CHARS, 2 * LINE_CHARS]
    assert sum(len(line.text) for line in lines) == 1_000_000


def test_a_progress_bar_of_megabytes_is_one_line() -> None:
    bar = b"".join(b"\r%7d of 20000 [%s]" % (n, b"#" * 40) for n in range(20_000))
    assert texts_of(bar) == ["  19999 of 20000 [" + "#" * 40 + "]"]


def test_junk_that_looks_like_a_code_does_not_swallow_the_log() -> None:
    written = b"\x1b]" + b"j" * 100_000
    assert len("".join(texts_of(written))) == 100_001
    assert texts_of(written) == texts_of(*(written[at : at + 977] for at in range(0, len(written), 977)))


PIECES = st.sampled_from(
    [
        b"\n",
        b"\r",
        b"\r\n",
        b"\x08",
        b"\x1b",
        b"\x1b[",
        b"\x1b[31m",
        b"\x1b[1;38;5;12m",
        b"\x1b[K",
        b"\x1b[2K",
        b"\x1b[1K",
        b"\x1b[5G",
        b"\x1b[A",
        b"\x1b[3F",
        b"\x1b[B",
        b"\x1b[J",
        b"\x1b]0;t\x07",
        b"\x1b\\",
        b"[",
        b"m",
        b"7;",
        b"plain text",
        b"\xe2\x82\xac",
        b"\xe2\x82",
        b"\xf0\x9f",
        b"\xff",
        b"\t",
        b"\x00",
        b"w" * 1500,
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=6), max_size=30), st.data())
def test_pieces_make_no_difference(pieces: list[bytes], data: st.DataObject) -> None:
    written = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=12)))
    parts = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    whole, cut = lines_of(written), lines_of(*parts)
    assert [(line.runs, line.goes_on) for line in cut] == [(line.runs, line.goes_on) for line in whole]
    hard = [line.at for line in whole if not line.goes_on]
    assert [line.at for line in cut if not line.goes_on] == hard
    assert all(at == 0 or written[at - 1 : at] == b"\n" for at in hard)
    assert not any(set(line.text) & set("\n\r\x08\x1b\x00\u2028") for line in whole)

"""Tables that fit, names that cannot do harm, amounts and moments in words."""

from __future__ import annotations

import time

import pytest

from tidegate.cli import formats
from tidegate.cli.output import Column, clean, clip, display_width, put_block, put_table

MIB = 1024**2
COLUMNS = (Column("ID"), Column("STATUS"), Column("NAME", elastic=True), Column("WHY", elastic=True, least=16))


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KB"),
        (9.4 * 1024 * MIB, "9.4 GB"),
        (512 * MIB, "512 MB"),
        (3 * 1024**4, "3 TB"),
        (5000 * 1024**4, "5000 TB"),
    ],
)
def test_sizes(amount: float | None, words: str) -> None:
    assert formats.size(amount) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.04, "0 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert formats.duration(seconds) == words


def test_moments_of_today_have_seconds_and_others_a_date() -> None:
    now = time.mktime((2026, 3, 5, 14, 0, 0, 0, 0, -1))
    assert formats.moment(now - 60, now) == "13:59:00"
    assert formats.moment(now - 86400, now) == "04 Mar 14:00"
    assert formats.moment(None, now) == "-"


def test_a_name_cannot_smuggle_control_characters_or_break_the_line() -> None:
    assert clean("a\x1b[31m\nb\udce9\u202e") == "a\\x1b[31m\\nb\\xe9\\u202e"
    assert clean("Grüße 日本") == "Grüße 日本"


def test_wide_characters_count_twice_and_a_cut_is_shown() -> None:
    assert display_width("日本") == 4
    assert clip("日本語", 5) == "日本…"
    assert clip("abcdef", 4) == "abc…"
    assert clip("abc", 3) == "abc"


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    put_table(COLUMNS, [["1", "queued", "n" * 50, "w" * 90], ["12", "running", "日本", "short"]], ["queued", "running"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(display_width(line) <= 60 for line in lines)
    assert lines[1].count("…") == 2


def test_nothing_is_cut_in_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    put_table(COLUMNS, [["1", "queued", "n" * 300, "w"]], ["queued"])
    text = capsys.readouterr().out
    assert "n" * 300 in text
    assert "\x1b" not in text


def test_a_block_leaves_out_what_is_empty_and_indents_further_lines(capsys: pytest.CaptureFixture[str]) -> None:
    put_block([("Name", "x"), ("Nothing", ""), ("Waits", "one\ntwo")])
    assert capsys.readouterr().out == "Name   x\nWaits  one\n       two\n"

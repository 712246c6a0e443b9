"""The words for sizes, times, moments, arrays and dependencies: tables, and round trips through what we print."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.job import AfterCondition, Dependency, JobId
from tidegate.core.texts import fill_output_name, format_duration, format_moment, format_size
from tidegate.submission.grammar import (
    MAX_ARRAY_ELEMENTS,
    NotUnderstood,
    parse_array,
    parse_cores,
    parse_dependencies,
    parse_moment,
    parse_size,
    parse_time,
    parse_whole,
    parse_yes_no,
)

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*parts: int) -> float:
    return datetime(*parts, tzinfo=BERLIN).timestamp()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("8G", 8 << 30),
        ("8g", 8 << 30),
        ("8GB", 8 << 30),
        ("8GiB", 8 << 30),
        ("8Gi", 8 << 30),
        ("8 G", 8 << 30),
        (" 8G ", 8 << 30),
        ("1.5G", 3 << 29),
        (".5G", 1 << 29),
        ("512M", 512 << 20),
        ("100k", 100 << 10),
        ("2T", 2 << 40),
        ("4096B", 4096),
        ("８Ｇ", 8 << 30),
    ],
)
def test_sizes_are_1024_based(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "8", "0", "0G", "-1G", "G", "8X", "8GG", "1e3M", "nan", "inf", "8,5G", "8G 2G", "9" * 30 + "T", "八G"]
)
def test_sizes_that_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood, match=r"."):
        parse_size(text)


def test_a_bare_size_is_refused_with_both_readings() -> None:
    with pytest.raises(NotUnderstood, match="say 8G or 8M"):
        parse_size("8")
    assert parse_size("8", bare_unit="M") == 8 << 20


@given(st.integers(min_value=1, max_value=1 << 50))
def test_a_size_we_print_reads_back_within_its_precision(size_bytes: int) -> None:
    text = format_size(size_bytes)
    assert len(text) <= 7
    if not text.endswith("PB"):
        assert abs(parse_size(text) - size_bytes) <= 0.05 * size_bytes


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KB"),
        (512 << 20, "512 MB"),
        (1000 << 20, "1000 MB"),
        ((1 << 30) - 1, "1 GB"),
        (int(9.4 * (1 << 30)), "9.4 GB"),
        (int(12.5 * (1 << 30)), "12.5 GB"),
        (2 << 30, "2 GB"),
        (256 << 30, "256 GB"),
        (-(3 << 30), "-3 GB"),
    ],
)
def test_sizes_as_people_read_them(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1-12:00:00", 129600),
        ("1:30:00", 5400),
        ("1h30m", 5400),
        ("1h 30min", 5400),
        ("2 hours", 7200),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1W", 604800),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "0s", "-5m", "5x", "1:75:00", "h2", "5m junk", "1e9d", "200000d", "nan"])
def test_times_that_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_time(text)


def test_bare_and_ambiguous_times() -> None:
    assert parse_time("30", bare_s=60) == 1800
    with pytest.raises(NotUnderstood, match="say 30s, 30m or 30h"):
        parse_time("30")
    with pytest.raises(NotUnderstood, match="say 10h30m or 10m30s"):
        parse_time("10:30", bare_s=60)


@given(st.floats(min_value=0.1, max_value=30 * 365 * 86400))
def test_a_duration_we_print_reads_back_within_its_precision(seconds: float) -> None:
    assert parse_time(format_duration(seconds)) == pytest.approx(seconds, rel=0.05, abs=0.051)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (45, "45 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86399, "1 d"),
        (90000, "1 d 1 h"),
        (-5, "-5 s"),
    ],
)
def test_durations_as_people_read_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_time_of_day_is_the_next_one() -> None:
    noon = berlin(2026, 6, 1, 12)
    assert parse_moment("22:00", noon, BERLIN) == berlin(2026, 6, 1, 22)
    assert parse_moment("7:05", noon, BERLIN) == berlin(2026, 6, 2, 7, 5)
    assert parse_moment("12:00", noon, BERLIN) == berlin(2026, 6, 2, 12)
    assert parse_moment("22:00:30", noon, BERLIN) == berlin(2026, 6, 1, 22, 0, 30)


@pytest.mark.parametrize("day", [(2026, 3, 28), (2026, 10, 24)])
def test_a_time_of_day_keeps_its_wall_time_over_a_change_of_clocks(day: tuple[int, int, int]) -> None:
    evening = berlin(*day, 23)
    at = parse_moment("22:00", evening, BERLIN)
    assert datetime.fromtimestamp(at, BERLIN).strftime("%H:%M") == "22:00"
    assert at - evening in (22 * 3600, 24 * 3600)


def test_a_wall_time_that_spring_skips_is_taken_after_the_change() -> None:
    at = parse_moment("02:30", berlin(2026, 3, 28, 23), BERLIN)
    assert datetime.fromtimestamp(at, BERLIN).strftime("%d %H:%M") == "29 03:30"


def test_moments_in_full() -> None:
    now = berlin(2026, 6, 1, 12)
    assert parse_moment("now", now) == now
    assert parse_moment("now+2h", now) == now + 7200
    assert parse_moment("now + 1 hour", now) == now + 3600
    assert parse_moment("2026-12-24T18:00", now, BERLIN) == berlin(2026, 12, 24, 18)
    assert parse_moment("2026-12-24 18:00", now, BERLIN) == berlin(2026, 12, 24, 18)
    assert parse_moment("2026-12-24", now, BERLIN) == berlin(2026, 12, 24)
    assert parse_moment("2026-12-24T18:00Z", now, BERLIN) == berlin(2026, 12, 24, 19)
    assert parse_moment("2026-12-24T18:00+02:00", now) == berlin(2026, 12, 24, 17)


@pytest.mark.parametrize("text", ["", "25:00", "12:60", "2026-02-30", "20261", "soon", "now+", "now+5", "now-1h", "12"])
def test_moments_that_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_moment(text, 1.7e9)


@given(st.floats(min_value=1e9, max_value=3e9), st.floats(min_value=0, max_value=80000))
def test_a_moment_we_print_for_later_today_or_tomorrow_reads_back(now: float, ahead: float) -> None:
    at = now + ahead
    text = format_moment(at, now, BERLIN).removeprefix("tomorrow ")
    read = parse_moment(text, at - 60, BERLIN)
    assert abs(read - at) <= 60 or datetime.fromtimestamp(at, BERLIN).fold


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (timedelta(hours=2), "14:00"),
        (timedelta(days=1), "tomorrow 12:00"),
        (timedelta(days=-1), "yesterday 12:00"),
        (timedelta(days=3), "Thursday 12:00"),
        (timedelta(days=20), "2026-06-21 12:00"),
        (timedelta(days=-3), "2026-05-29 12:00"),
    ],
)
def test_moments_as_people_read_them(ahead: timedelta, text: str) -> None:
    now = berlin(2026, 6, 1, 12)
    assert format_moment(now + ahead.total_seconds(), now, BERLIN) == text


@pytest.mark.parametrize(
    ("text", "indices", "parallel"),
    [
        ("1-4", (1, 2, 3, 4), None),
        ("1-10%2", tuple(range(1, 11)), 2),
        ("0-9:3", (0, 3, 6, 9), None),
        ("1-10:2%3", (1, 3, 5, 7, 9), 3),
        ("1,3,7-9", (1, 3, 7, 8, 9), None),
        ("5", (5,), None),
        ("7-9,1,7", (1, 7, 8, 9), None),
    ],
)
def test_arrays(text: str, indices: tuple[int, ...], parallel: int | None) -> None:
    assert parse_array(text) == (indices, parallel)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "such as"),
        ("%2", "such as"),
        ("1-", "such as"),
        ("a-b", "such as"),
        ("-3", "such as"),
        ("1-3:0", "1 or more"),
        ("5-1", "before it begins"),
        ("1-10%0", "1 or more"),
        ("1-10%x", "1 or more"),
        ("1-100001", "at most 100,000"),
        ("0-999999999999", "at most"),
        ("0-99999,100000", "at most 100,000"),
        ("1" * 20, "at most"),
    ],
)
def test_arrays_that_are_refused(text: str, says: str) -> None:
    with pytest.raises(NotUnderstood, match=says):
        parse_array(text)


def test_the_largest_array_is_taken() -> None:
    assert len(parse_array(f"1-{MAX_ARRAY_ELEMENTS}")[0]) == MAX_ARRAY_ELEMENTS


@given(st.sets(st.integers(min_value=0, max_value=5000), min_size=1, max_size=50))
def test_any_list_of_indices_reads_back_in_order(indices: set[int]) -> None:
    assert parse_array(",".join(map(str, indices))) == (tuple(sorted(indices)), None)


def dependency(number: int, condition: AfterCondition = AfterCondition.OK, index: int | None = None) -> Dependency:
    return Dependency(JobId(number, index), condition)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", (dependency(7),)),
        ("ok:7", (dependency(7),)),
        ("any:7", (dependency(7, AfterCondition.ANY),)),
        ("failed:7,9", (dependency(7, AfterCondition.FAILED), dependency(9, AfterCondition.FAILED))),
        ("7,any:8", (dependency(7), dependency(8, AfterCondition.ANY))),
        ("7.3", (dependency(7, index=3),)),
        ("any:7:9", (dependency(7, AfterCondition.ANY), dependency(9, AfterCondition.ANY))),
        ("7 9", (dependency(7), dependency(9))),
        ("7,7", (dependency(7),)),
    ],
)
def test_dependencies(text: str, expected: tuple[Dependency, ...]) -> None:
    assert parse_dependencies(text) == expected


@pytest.mark.parametrize("text", ["", "ok:", "later:7", "x", "7,", "@", "7.", "-1", "7.3.1"])
def test_dependencies_that_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood, match="a dependency is such as"):
        parse_dependencies(text)


def test_plain_words() -> None:
    assert [parse_yes_no(text) for text in ("yes", "On", "", "1", "no", "FALSE")] == [True] * 4 + [False] * 2
    with pytest.raises(NotUnderstood):
        parse_yes_no("maybe")
    assert parse_whole("9", 0, 9) == 9
    for text in ("10", "-1", "1.5", "", "x"):
        with pytest.raises(NotUnderstood, match="from 0 to 9"):
            parse_whole(text, 0, 9)
    assert [parse_cores(text) for text in ("1", "0.5", ".25")] == [1, 0.5, 0.25]
    for text in ("0", "-1", "", "nan", "inf", "1e3", "two"):
        with pytest.raises(NotUnderstood):
            parse_cores(text)


@given(st.text(max_size=20))
def test_no_text_at_all_breaks_a_parser(text: str) -> None:
    readers = (parse_size, parse_time, parse_array, parse_dependencies, parse_yes_no, parse_cores)
    for read in (*readers, lambda word: parse_moment(word, 1.7e9)):
        with contextlib.suppress(NotUnderstood):
            assert read(text) is not None


def test_output_names_fill_slurms_patterns() -> None:
    filled = fill_output_name("/d/%x-%A_%4a-%j-%%j-%u.out", number=12, index=7, name="a/b")
    assert filled == "/d/a_b-12_0007-12-%j-%u.out"
    assert fill_output_name("%5j", number=12, index=None, name="n") == "00012"


@pytest.mark.parametrize("text", ["9" * 400 + "G", "9" * 5000, "9" * 5000 + ":30", "0"])
def test_endless_digits_are_refused_like_any_other_word(text: str) -> None:
    for parse in (parse_size, parse_time):
        with pytest.raises(NotUnderstood):
            parse(text)


def test_nobody_is_told_to_write_0g() -> None:
    with pytest.raises(NotUnderstood, match="more than 0"):
        parse_size("0")

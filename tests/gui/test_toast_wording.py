"""What a toast says and offers, and the hours in which none is shown."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.daily_hours import DailyHours, parse_daily_hours
from tidegate.core.job import JobId
from tidegate.engine.ports import Command, Notice, NoticeKind, NoticeOffer, Verb
from tidegate.gui import words
from tidegate.gui.toasts.policy import Showing
from tidegate.gui.toasts.wording import Ask, OpenLog, ShowInbox, ShowJob, Worded, worded

AGAIN = NoticeOffer("Run again", Command(Verb.RETRY, (JobId(3),)))


def one(**fields: object) -> Worded:
    notice = Notice(1.0, **{"title": "train.py failed", "text": "Exit 2 after 4 s.", "id": 9, **fields})  # type: ignore[arg-type]
    return worded(Showing("toast-1", (notice,), ((notice.kind, 1),)))


def many(titles: list[str], counts: dict[NoticeKind, int], **fields: bool) -> Worded:
    named = tuple(Notice(1.0, title, "why") for title in titles)
    return worded(Showing("toast-1", named, tuple(counts.items()), **fields))


def labels(made: Worded) -> list[str]:
    return [button.label for button in made.toast.buttons]


def test_a_failure_offers_its_log_first_and_then_to_run_it_again() -> None:
    made = one(kind=NoticeKind.FAILED, job=JobId(3), offers=(AGAIN,))
    assert (made.toast.title, made.toast.text) == ("train.py failed", "Exit 2 after 4 s.")
    assert labels(made) == ["Open log", "Run again"]
    assert list(made.deeds.values()) == [OpenLog("3"), Ask(AGAIN.command)]
    assert made.click == ShowJob("3")


def test_what_we_did_offers_to_undo_it_first() -> None:
    made = one(kind=NoticeKind.INTERVENED, job=JobId(3, 7), offers=(NoticeOffer("Resume", AGAIN.command),))
    assert labels(made) == ["Resume", "Show job"]
    assert made.deeds["1"] == ShowJob("3.7")


def test_there_are_two_buttons_at_most_and_always_one() -> None:
    assert labels(one(kind=NoticeKind.HINT, job=JobId(3), offers=(AGAIN, AGAIN, AGAIN))) == ["Run again"] * 2
    alone = one(kind=NoticeKind.ALERT)
    assert labels(alone) == ["Show"]
    assert alone.click == alone.deeds["0"] == ShowInbox(9)


def test_text_is_one_line_that_every_desktop_takes() -> None:
    made = one(title="a\nb\udcff.py failed", text="x" * 1000)
    assert made.toast.title == "a b\N{REPLACEMENT CHARACTER}.py failed"
    made.toast.title.encode()
    assert len(made.toast.text) == 160
    assert made.toast.text.endswith("…")


@pytest.mark.parametrize(
    ("titles", "counts", "title", "text"),
    [
        (["a.sh failed", "b.sh failed"], {NoticeKind.FAILED: 2}, "2 jobs failed", "a.sh and b.sh"),
        (
            ["a.sh failed", "b b.sh failed", "c.sh failed"],
            {NoticeKind.FAILED: 12},
            "12 jobs failed",
            "a.sh, b b.sh, c.sh and 9 more",
        ),
        (
            ["a.sh failed", "b.sh could not start"],
            {NoticeKind.FAILED: 2},
            "2 jobs failed",
            "a.sh failed and b.sh could not start",
        ),
        (["x failed", "x failed"], {NoticeKind.FAILED: 2}, "2 jobs failed", "x and x"),
        (
            ["a.sh finished", "b.sh finished", "Give c.sh 2 cores"],
            {NoticeKind.ENDED: 3, NoticeKind.HINT: 1},
            "3 jobs finished, 1 hint",
            "a.sh finished; b.sh finished; Give c.sh 2 cores and 1 more",
        ),
    ],
)
def test_several_are_counted_by_kind_and_the_first_are_named(
    titles: list[str], counts: dict[NoticeKind, int], title: str, text: str
) -> None:
    made = many(titles, counts)
    assert (made.toast.title, made.toast.text) == (title, text)
    assert labels(made) == ["Show all"]
    assert made.click == ShowInbox()


def test_after_quiet_even_a_single_one_says_that_it_was_kept() -> None:
    made = many(["a.sh failed"], {NoticeKind.FAILED: 1}, after_quiet=True)
    assert (made.toast.title, made.toast.text) == (
        "1 job failed",
        "Kept while notifications were off: a.sh failed",
    )


def test_a_long_name_leaves_room_for_the_others_and_their_number() -> None:
    made = many([f"{'x' * 200} failed", "b.sh failed", "c.sh failed"], {NoticeKind.FAILED: 7})
    assert made.toast.text == f"{'x' * 43}…, b.sh, c.sh and 4 more"


def test_what_was_missed_says_so() -> None:
    made = many(["a.sh failed", "b.sh failed"], {NoticeKind.FAILED: 2}, missed=True)
    assert made.toast.text == "Meanwhile: a.sh and b.sh"


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("\u05d9\u05dd.py failed", "\u200e\u05d9\u05dd.py failed"),
        ("1 \u0645.py failed", "\u200e1 \u0645.py failed"),
        ("a \u05d9\u05dd.py failed", "a \u05d9\u05dd.py failed"),
        ("42 …", "42 …"),
    ],
)
def test_a_line_is_read_from_the_left_whatever_its_first_letters(title: str, line: str) -> None:
    assert words.left_to_right(title) == line


@given(st.lists(st.text(max_size=60), min_size=1, max_size=3), st.integers(0, 5))
def test_any_titles_make_one_line(titles: list[str], rest: int) -> None:
    made = many(titles, {NoticeKind.FAILED: len(titles) + rest})
    assert "\n" not in made.toast.title + made.toast.text
    assert len(made.toast.text) <= 160


# --- Quiet hours ---


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("22:00-07:00", "22:00-07:00"),
        ("22-7", "22:00-07:00"),
        (" 9.30 \N{EN DASH} 17:45 ", "09:30-17:45"),
        ("18:00 to 24:00", "18:00-00:00"),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, hours: str) -> None:
    assert str(parse_daily_hours(text)) == hours


@pytest.mark.parametrize(
    "text", ["", "22:00", "25:00-07:00", "24:01-07:00", "22:60-07:00", "7-7", "00:00-24:00", "x-y"]
)
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_daily_hours(text)


BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = DailyHours(22 * 60, 7 * 60)


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-22 22:00", "2026-11-23 07:00"),
        ("2026-11-22 23:59", "2026-11-23 07:00"),
        ("2026-11-23 00:00", "2026-11-23 07:00"),
        ("2026-11-23 06:59", "2026-11-23 07:00"),
        ("2026-11-23 07:00", None),
        ("2026-11-22 21:59", None),
        ("2026-12-31 22:30", "2027-01-01 07:00"),
        # The clocks change in these nights: one hour less, one hour more.
        ("2026-03-28 23:00", "2026-03-29 07:00"),
        ("2026-10-24 23:00", "2026-10-25 07:00"),
    ],
)
def test_a_night_ends_by_the_wall_clock(now: str, end: str | None) -> None:
    assert NIGHT.ends_at(at(now), BERLIN) == (None if end is None else at(end))


def test_an_end_that_comes_twice_ends_both_times() -> None:
    hours = DailyHours(60, 150)
    first, second = at("2026-10-25 02:10"), at("2026-10-25 02:10", fold=1)
    assert hours.ends_at(first, BERLIN) == at("2026-10-25 02:30")
    assert hours.ends_at(second, BERLIN) == at("2026-10-25 02:30", fold=1)


@given(
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.floats(at("2026-01-01 00:00"), at("2027-06-01 00:00")),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_an_end_lies_ahead_and_at_most_a_day_and_an_hour(start: int, end: int, now: float, name: str) -> None:
    if start == end:
        return
    zone = ZoneInfo(name)
    ends = DailyHours(start, end).ends_at(now, zone)
    if ends is not None:
        assert now < ends <= now + 25 * 3600
        local = datetime.fromtimestamp(ends, zone)
        behind = (local.hour * 60 + local.minute - end) % 1440
        assert behind <= 60, "only where the clock jumps over the end may it be later"

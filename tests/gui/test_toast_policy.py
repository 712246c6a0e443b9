"""Which notices become toasts: stories of a person's minutes, and rules that hold whatever happens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.job import JobId
from tidegate.engine.ports import Notice, NoticeKind
from tidegate.gui.toasts.policy import (
    DIGEST_MOST_S,
    DIGEST_QUIET_S,
    GROUP_S,
    MINUTE_S,
    NAMED,
    Fate,
    Rules,
    Showing,
    ToastPolicy,
    is_critical,
)

KIND = NoticeKind


def a_notice(kind: NoticeKind = KIND.FAILED, title: str = "train.py failed", **fields: object) -> Notice:
    given = {"level": "error", "urgent": True, "job": JobId(1), **fields}
    return Notice(1000.0, title, "exit 2 after 4 s", kind=kind, **given)  # type: ignore[arg-type]


def a_mild_one(kind: NoticeKind = KIND.HINT, title: str = "Give sort.sh more cores") -> Notice:
    return a_notice(kind, title, level="info", urgent=False)


def a_critical_one(title: str = "Ended train.py to save the machine") -> Notice:
    return a_notice(KIND.INTERVENED, title)


class Story:
    """Time goes on, and whatever is due is shown, as the presenter does it."""

    def __init__(self, **rules: object) -> None:
        self.policy = ToastPolicy(Rules(**rules))  # type: ignore[arg-type]
        self.now = 1000.0
        self.shown: list[tuple[float, Showing]] = []

    def comes(self, notice: Notice, *, seen: bool = False) -> Fate:
        fate = self.policy.take(notice, self.now, seen=seen)
        self._show()
        return fate

    def misses(self, *notices: Notice) -> None:
        self.policy.take_missed(notices)
        self._show()

    def quiet(self, wanted: bool) -> None:
        self.policy.be_quiet(wanted, self.now)
        self._show()

    def passes(self, seconds: float) -> None:
        """Wakes up whenever the policy says so, and not otherwise."""
        until = self.now + seconds
        for _ in range(10_000):
            wake = self.policy.wake_at(self.now)
            if wake is None or wake > until:
                break
            self.now = max(self.now, wake)
            before = len(self.shown)
            self._show()
            assert len(self.shown) > before, "it woke up for nothing"
        else:
            raise AssertionError("it wakes up without end")
        self.now = until

    def _show(self) -> None:
        self.shown += [(self.now, showing) for showing in self.policy.due(self.now)]

    @property
    def toasts(self) -> dict[str, Showing]:
        """What a person finds on the screen, if nothing ever goes."""
        return {showing.id: showing for _, showing in self.shown}

    @property
    def counts(self) -> list[int]:
        return [showing.count for showing in self.toasts.values()]


def test_a_failure_is_shown_at_once() -> None:
    story = Story()
    notice = a_notice()
    assert story.comes(notice) is Fate.TOLD
    [(at, showing)] = story.shown
    assert at == 1000.0
    assert showing.named == (notice,)
    assert story.policy.wake_at(story.now) is None


def test_failures_within_seconds_become_one_toast_that_grows_ever_more_slowly() -> None:
    story = Story()
    for i in range(40):
        story.comes(a_notice(title=f"job {i} failed"))
        story.passes(0.5)
    story.passes(120)
    assert story.counts == [40]
    [toast] = story.toasts.values()
    assert [notice.title for notice in toast.named] == ["job 0 failed", "job 1 failed", "job 2 failed"]
    assert [round(at - 1000.0, 1) for at, _ in story.shown] == [0.0, 2.5, 7.5, 17.5, 60.0], (
        "it takes its own place after 2.5 s, 5 s, 10 s, and then as the rate lets it"
    )


def test_failures_that_are_apart_are_toasts_of_their_own() -> None:
    story = Story()
    story.comes(a_notice())
    story.passes(GROUP_S + 1)
    story.comes(a_notice())
    assert story.counts == [1, 1]


def test_kinds_do_not_share_a_group() -> None:
    story = Story()
    story.comes(a_notice(KIND.FAILED))
    story.comes(a_notice(KIND.CONFLICT, level="warning"))
    assert story.counts == [1, 1]


def test_milder_ones_are_gathered_until_it_is_quiet_for_a_while() -> None:
    story = Story()
    story.comes(a_mild_one())
    story.passes(20)
    story.comes(a_mild_one(KIND.ENDED))
    story.passes(DIGEST_QUIET_S - 1)
    assert story.shown == []
    story.passes(1)
    [(_, showing)] = story.shown
    assert dict(showing.counts) == {KIND.HINT: 1, KIND.ENDED: 1}


def test_a_digest_comes_at_the_latest_after_five_minutes() -> None:
    story = Story()
    for _ in range(20):
        story.comes(a_mild_one())
        story.passes(20)
    assert story.shown[0][0] == 1000.0 + DIGEST_MOST_S


def test_what_is_over_the_rate_is_told_together_when_there_is_room() -> None:
    story = Story(per_minute=2)
    for _ in range(5):
        story.comes(a_notice())
        story.passes(GROUP_S + 0.5)
    assert len(story.shown) == 2
    story.passes(MINUTE_S)
    assert story.counts == [1, 1, 3]


def test_a_critical_one_passes_the_rate() -> None:
    story = Story(per_minute=1)
    story.comes(a_notice())
    story.comes(a_critical_one())
    assert story.counts == [1, 1]
    assert story.shown[-1][1].critical


@pytest.mark.parametrize(
    ("notice", "critical"),
    [
        (a_critical_one(), True),
        (a_notice(KIND.ALERT, level="error"), True),
        (a_notice(KIND.ALERT, level="warning"), False),
        (a_notice(KIND.INTERVENED, level="warning"), False),
        (a_notice(KIND.FAILED, level="error"), False),
        (a_notice(KIND.ALERT, level="error", urgent=False), False),
    ],
)
def test_critical_is_an_alert_that_is_an_error_and_a_job_we_ended(notice: Notice, critical: bool) -> None:
    assert is_critical(notice) is critical


def test_when_quiet_ends_one_digest_tells_what_came_meanwhile() -> None:
    story = Story()
    story.comes(a_mild_one())
    story.quiet(True)
    for _ in range(7):
        assert story.comes(a_notice()) is Fate.KEPT
        story.passes(500)
    assert story.shown == []
    story.quiet(False)
    [(_, showing)] = story.shown
    assert showing.after_quiet
    assert dict(showing.counts) == {KIND.HINT: 1, KIND.FAILED: 7}
    assert len(showing.named) == NAMED


def test_what_was_missed_is_one_digest_at_once() -> None:
    story = Story()
    story.misses(a_notice(id=4), a_mild_one(), a_critical_one())
    [showing] = story.toasts.values()
    assert (showing.count, showing.missed, showing.critical) == (3, True, False)
    assert story.policy.wake_at(story.now) is None


def test_it_is_known_what_still_waits_to_be_told() -> None:
    story = Story(per_minute=1)
    story.comes(a_notice(id=3))
    assert story.policy.waits_from() is None
    story.misses(a_notice(id=2))
    story.comes(a_notice(KIND.ALERT, id=4, level="warning"))
    assert story.policy.waits_from() == 2
    story.quiet(True)
    story.comes(a_notice(id=5))
    assert story.policy.waits_from() == 2
    story.quiet(False)
    story.passes(3600)
    assert story.policy.waits_from() is None
    assert sum(story.counts) == 4


def test_quiet_without_notices_ends_without_a_toast() -> None:
    story = Story()
    story.quiet(True)
    story.passes(5000)
    story.quiet(False)
    story.passes(5000)
    assert story.shown == []


@pytest.mark.parametrize("lets", [True, False])
def test_a_critical_one_passes_quiet_when_the_person_wants_that(lets: bool) -> None:
    story = Story(quiet_lets_critical=lets)
    story.quiet(True)
    fate = story.comes(a_critical_one())
    assert (fate, len(story.shown)) == ((Fate.TOLD, 1) if lets else (Fate.KEPT, 0))


def test_a_group_that_grows_when_quiet_begins_goes_on_in_the_digest() -> None:
    story = Story()
    story.comes(a_notice())
    story.comes(a_notice())
    story.quiet(True)
    story.comes(a_notice())
    story.passes(100)
    assert story.counts == [1]
    story.quiet(False)
    assert story.counts == [1, 2]


def test_what_a_person_sees_or_silenced_is_history_only() -> None:
    story = Story(silenced=frozenset({KIND.HINT}))
    assert story.comes(a_mild_one()) is Fate.SILENCED
    assert story.comes(a_notice(KIND.ENDED, urgent=False), seen=True) is Fate.SILENCED
    assert story.comes(a_notice(), seen=True) is Fate.SILENCED
    assert story.comes(a_critical_one(), seen=True) is Fate.TOLD


def test_toasts_that_are_off_tell_nothing_not_even_what_was_gathered() -> None:
    story = Story()
    story.comes(a_mild_one())
    story.policy.obey(Rules(enabled=False))
    assert story.comes(a_critical_one()) is Fate.SILENCED
    story.passes(1000)
    assert story.shown == []


def test_a_toast_that_was_put_away_does_not_come_back() -> None:
    story = Story()
    story.comes(a_notice())
    story.comes(a_notice())
    story.policy.put_away(story.shown[0][1].id, story.now)
    story.comes(a_notice())
    story.passes(20)
    assert story.counts == [1]
    story.passes(60)
    assert story.counts == [1, 2], "the rest is told later, together"


# --- Rules that hold whatever happens ---

_NOTICES = st.builds(
    a_notice,
    kind=st.sampled_from(KIND),
    level=st.sampled_from(["info", "warning", "error"]),
    urgent=st.booleans(),
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("comes"), _NOTICES),
        st.tuples(st.just("seen"), _NOTICES),
        st.tuples(st.just("missed"), _NOTICES),
        st.tuples(st.just("passes"), st.floats(0.0, 400.0)),
        st.tuples(st.just("passes"), st.floats(0.0, 3.0)),
        st.tuples(st.just("quiet"), st.booleans()),
        st.tuples(st.just("away"), st.integers(0, 3)),
    ),
    max_size=120,
)
_RULES = st.builds(
    Rules,
    per_minute=st.integers(1, 6),
    silenced=st.sets(st.sampled_from(KIND), max_size=2).map(frozenset),
    quiet_lets_critical=st.booleans(),
)


def tell(story: Story, steps: list[tuple[str, object]]) -> Counter[NoticeKind]:
    """The story as it goes; how many of each kind were to be told in it."""
    told: Counter[NoticeKind] = Counter()
    for step, what in steps:
        if step in ("comes", "seen"):
            assert isinstance(what, Notice)
            if story.comes(what, seen=step == "seen") is not Fate.SILENCED:
                told[what.kind] += 1
        elif step == "missed":
            assert isinstance(what, Notice)
            story.misses(what)
            told[what.kind] += what.kind not in story.policy.rules.silenced
        elif step == "passes":
            story.passes(what)  # type: ignore[arg-type]
        elif step == "quiet":
            story.quiet(bool(what))
        elif story.shown:
            story.policy.put_away(story.shown[-1 - min(what, len(story.shown) - 1)][1].id, story.now)  # type: ignore[call-overload,type-var]
            story._show()
    return told


@settings(max_examples=300, deadline=None)
@given(_RULES, _STEPS)
def test_no_notice_is_lost_and_none_is_told_twice(rules: Rules, steps: list[tuple[str, object]]) -> None:
    story = Story()
    story.policy.obey(rules)
    told = tell(story, steps)
    story.quiet(False)
    story.passes(3600)
    shown: Counter[NoticeKind] = Counter()
    for showing in story.toasts.values():
        shown.update(dict(showing.counts))
    assert shown == told


@settings(max_examples=300, deadline=None)
@given(_RULES, _STEPS)
def test_never_more_toasts_in_a_minute_than_allowed_but_for_critical_ones(
    rules: Rules, steps: list[tuple[str, object]]
) -> None:
    story = Story()
    story.policy.obey(rules)
    tell(story, steps)
    story.passes(3600)
    times = [at for at, showing in story.shown if not showing.critical]
    for first, at in zip(times, times[rules.per_minute :], strict=False):
        assert at - first >= MINUTE_S - 1e-6


@settings(max_examples=300, deadline=None)
@given(_RULES, _STEPS)
def test_nothing_but_critical_is_shown_while_it_is_quiet_and_one_digest_ends_it(
    rules: Rules, steps: list[tuple[str, object]]
) -> None:
    story = Story()
    story.policy.obey(rules)
    tell(story, steps)
    story.quiet(True)
    before = len(story.shown)
    tell(story, [step for step in steps if step[0] != "quiet"])
    for _, showing in story.shown[before:]:
        assert showing.critical
        assert rules.quiet_lets_critical
    before = len(story.shown)
    story.quiet(False)
    story.passes(MINUTE_S * 2)
    digests = [showing for _, showing in story.shown[before:] if not showing.critical]
    assert len(digests) <= 1
    assert all(showing.after_quiet for showing in digests)

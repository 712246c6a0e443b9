"""Alert rules: each one by its name, its clock, its hysteresis, and what an unknown figure does to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.alerts import (
    RULES,
    AlertEnded,
    AlertEvent,
    AlertFacts,
    AlertPolicy,
    AlertRaised,
    AlertWatch,
    CardFacts,
    Limit,
    Severity,
)

from tidegate.core.alerts import CALM_S, FORGET_UNKNOWN_S, MAX_STEP_S  # isort: skip
from tidegate.core.job import JobId
from tidegate.core.latency import REMEMBERED, StartLatencies

T0 = 1_700_000_000.0
RULE = {rule.name: rule for rule in RULES}
HELD = JobId(7)


def busy(value: float | None) -> AlertFacts:
    return AlertFacts(cards=(CardFacts(0, utilisation_pct=value),))


def idle(value: float | None) -> AlertFacts:
    return AlertFacts(cards=(CardFacts(0, utilisation_pct=value, holder=HELD, holder_name="train.py"),))


def memory(value: float | None) -> AlertFacts:
    return AlertFacts(cards=(CardFacts(0, memory_pct=value),))


def heat(value: float | None) -> AlertFacts:
    return AlertFacts(cards=(CardFacts(0, temperature_c=value),))


def waiting(value: float | None) -> AlertFacts:
    return AlertFacts(waiting=None if value is None else int(value))


def slow(value: float | None) -> AlertFacts:
    return AlertFacts(start_latency_s=value)


def down(value: float | None) -> AlertFacts:
    return AlertFacts(services={"llama": None if value is None else not value})


class Watched:
    """A watch that is fed every ``step`` seconds."""

    def __init__(self, policy: AlertPolicy | None = None, step: float = 1.0) -> None:
        self.watch = AlertWatch(policy)
        self.now = T0
        self.step = step

    def see(self, facts: AlertFacts, seconds: float = 0.0) -> list[AlertEvent]:
        """These facts at once, and again at every step for ``seconds``."""
        events = self.watch.observe(self.now, facts)
        until = self.now + seconds
        while self.now + self.step <= until + 1e-9:
            self.now += self.step
            events += self.watch.observe(self.now, facts)
        return events

    def names(self) -> list[str]:
        return [alert.name for alert in self.watch.active()]


# What each rule of COMPAT section 3 says: what trips it, what is on the line, how long, and how grave it is.
TABLE: list[tuple[str, Callable[[float | None], AlertFacts], float, float, float, float, str]] = [
    ("GPUHighUtilization", busy, 91.0, 90.0, 50.0, 300.0, "warning"),
    ("GPULowUtilization", idle, 9.0, 10.0, 60.0, 1800.0, "info"),
    ("GPUMemoryHigh", memory, 91.0, 90.0, 50.0, 300.0, "warning"),
    ("GPUMemoryFull", memory, 96.0, 95.0, 50.0, 120.0, "critical"),
    ("GPUHighTemperature", heat, 81.0, 80.0, 50.0, 300.0, "warning"),
    ("GPUCriticalTemperature", heat, 91.0, 90.0, 50.0, 60.0, "critical"),
    ("SchedulerQueueHigh", waiting, 101.0, 100.0, 3.0, 300.0, "warning"),
    ("SchedulingLatencyHigh", slow, 10.5, 10.0, 0.2, 300.0, "warning"),
    ("ServiceDown", down, 1.0, 0.0, 0.0, 300.0, "critical"),
]


def test_the_table_has_every_rule() -> None:
    assert sorted(row[0] for row in TABLE) == sorted(RULE)


@pytest.mark.parametrize(("name", "facts", "bad", "at_line", "good", "for_s", "severity"), TABLE)
def test_each_rule_alerts_after_its_time_and_not_on_its_line(
    name: str,
    facts: Callable[[float | None], AlertFacts],
    bad: float,
    at_line: float,
    good: float,
    for_s: float,
    severity: str,
) -> None:
    policy = AlertPolicy(limits={rule.name: Limit(None, 1.0) for rule in RULES} | {name: RULE[name].default})
    watched = Watched(policy)
    assert watched.see(facts(at_line), for_s + 10) == []
    assert watched.see(facts(bad), for_s - 1) == []
    watched.now += 1
    [raised] = watched.see(facts(bad))
    assert isinstance(raised, AlertRaised)
    assert (raised.name, raised.severity, raised.at) == (name, Severity(severity), watched.now)
    [active] = watched.watch.active()
    assert active.name == name
    assert active.since == pytest.approx(watched.now - for_s)
    watched.now += 1
    assert watched.see(facts(good), CALM_S - 1) == []
    watched.now += 1
    [ended] = watched.see(facts(good))
    assert isinstance(ended, AlertEnded)
    assert not ended.gone
    assert watched.watch.active() == ()


def test_what_is_said_has_the_figure_how_long_and_what_helps() -> None:
    watched = Watched()
    [hot] = watched.see(heat(83.4), 300)
    assert isinstance(hot, AlertRaised)
    assert hot.title == "GPU 0 is hot"
    assert hot.text == "83 °C, over the line of 80 °C for 5 min. See that its fans turn and its air can get in."
    assert watched.watch.active()[0].sentence == "GPU 0 is hot: 83 °C, over the line of 80 °C."
    watched.see(heat(79.0), 1)
    assert watched.watch.active()[0].sentence == "GPU 0 is hot: 79 °C now, the line is at 80 °C."
    [ended] = watched.see(heat(50.0), CALM_S)
    assert (ended.title, ended.text) == ("GPU 0 has cooled down", "It lasted 5 min 31 s.")


def test_an_idle_card_is_alerted_only_while_a_job_of_ours_holds_it() -> None:
    watched = Watched(step=10.0)
    assert watched.see(busy(0.0), 4000) == []
    [raised] = watched.see(idle(3.0), 1800)
    assert isinstance(raised, AlertRaised)
    assert (raised.name, raised.job) == ("GPULowUtilization", HELD)
    assert raised.text == (
        "3 %, under the line of 10 % for 30 min. "
        "train.py (job 7) holds it; it may be waiting for its data or for the processor."
    )
    [ended] = watched.see(busy(3.0))
    assert isinstance(ended, AlertEnded)
    assert ended.gone, "the job left the card: no news"


def test_a_graver_alert_makes_the_milder_one_needless_but_not_for_ever() -> None:
    watched = Watched()
    events = watched.see(heat(95.0), 900)
    assert [event.name for event in events] == ["GPUCriticalTemperature"]
    events = watched.see(heat(84.0), CALM_S + 2)
    assert [(type(event), event.name) for event in events] == [
        (AlertEnded, "GPUCriticalTemperature"),
        (AlertRaised, "GPUHighTemperature"),
    ]


def test_cards_have_clocks_of_their_own() -> None:
    both = AlertFacts(cards=(CardFacts(0, temperature_c=60.0), CardFacts(1, temperature_c=85.0)))
    watched = Watched()
    [raised] = watched.see(both, 400)
    assert raised.subject == "GPU 1"
    assert watched.watch.active()[0].card == 1


def test_a_card_that_leaves_takes_its_alert_along() -> None:
    watched = Watched()
    watched.see(heat(85.0), 300)
    [ended] = watched.see(AlertFacts())
    assert isinstance(ended, AlertEnded)
    assert ended.gone
    assert watched.see(heat(85.0), 200) == [], "a card that comes back begins anew"


def test_a_rule_that_is_switched_off_is_silent_and_its_alert_goes() -> None:
    watched = Watched()
    watched.see(heat(85.0), 300)
    off = AlertPolicy(limits={"GPUHighTemperature": Limit(None, 300.0)})
    watched.watch.set_policy(off)
    [ended] = watched.see(heat(85.0), 900)
    assert isinstance(ended, AlertEnded)
    assert ended.gone
    watched.watch.set_policy(AlertPolicy(enabled=False))
    assert watched.see(heat(99.0), 900) == []


def test_a_moved_line_holds_from_the_next_look_on() -> None:
    watched = Watched()
    assert watched.see(heat(75.0), 600) == []
    watched.watch.set_policy(AlertPolicy(limits={"GPUHighTemperature": Limit(70.0, 20.0)}))
    [raised] = watched.see(heat(75.0), 20)
    assert "over the line of 70 °C for 20 s" in raised.text


# --- unknown figures and odd clocks ---------------------------------------------------------------------------------


def test_while_nobody_knows_the_clock_stands_still() -> None:
    watched = Watched()
    watched.see(heat(85.0), 200)
    assert watched.see(heat(None), FORGET_UNKNOWN_S - 5) == []
    watched.now += 1
    assert watched.see(heat(85.0), 90) == []
    [raised] = watched.see(heat(85.0), 20)
    assert raised.name == "GPUHighTemperature"


def test_after_a_minute_of_not_knowing_the_clock_begins_anew() -> None:
    watched = Watched()
    watched.see(heat(85.0), 299)
    assert watched.see(heat(None), FORGET_UNKNOWN_S + 1) == []
    watched.now += 1
    assert watched.see(heat(85.0), 299) == []
    [_raised] = watched.see(heat(85.0), 2)


def test_an_alert_outlasts_any_time_of_not_knowing() -> None:
    watched = Watched()
    watched.see(heat(85.0), 300)
    assert watched.see(heat(None), 10_000) == []
    assert watched.names() == ["GPUHighTemperature"]


def test_a_sleep_of_the_machine_is_no_time_of_heat() -> None:
    watched = Watched()
    watched.see(heat(85.0), 100)
    watched.watch.rebase(36_000.0)
    watched.now += 36_000.0
    assert watched.see(heat(85.0), 195) == []
    [raised] = watched.see(heat(85.0), 5)
    assert watched.watch.active()[0].since == pytest.approx(raised.at - 300.0)


def test_an_unannounced_gap_counts_for_nothing() -> None:
    watched = Watched()
    watched.see(heat(85.0), 299)
    watched.now += MAX_STEP_S + 1
    assert watched.see(heat(85.0), 299) == []
    watched.now -= 500.0  # and a clock that was set back neither
    assert watched.see(heat(85.0), 299) == []
    [_raised] = watched.see(heat(85.0), 2)


STEPS = st.floats(0.05, MAX_STEP_S)
HEATS = st.one_of(st.none(), st.floats(0.0, 79.9), st.floats(76.5, 80.0), st.floats(80.01, 89.9))


@given(st.lists(st.tuples(STEPS, HEATS), max_size=120))
def test_never_before_its_time_and_over_only_below_the_hysteresis(looks: list[tuple[float, float | None]]) -> None:
    """The rule for a hot card: over 80 degrees for 5 minutes, over again below 76.8 for 30 s."""
    rule, watch, now = RULE["GPUHighTemperature"], AlertWatch(), T0
    seen: list[tuple[float, float | None]] = []
    active = False
    for step, value in looks:
        now += step
        seen.append((now, value))
        for event in watch.observe(now, heat(value)):
            assert value is not None, "an unknown figure begins or ends nothing"
            if isinstance(event, AlertRaised):
                assert not active, "raised twice"
                assert value > 80.0, "raised by a good figure"
                hot_s = 0.0
                for (before, was), (at, is_) in zip(seen[-2::-1], seen[::-1], strict=False):
                    if (was is not None and rule.calm(was, 80.0)) or (is_ is not None and rule.calm(is_, 80.0)):
                        break
                    if was is not None and is_ is not None and was > 80.0 and is_ > 80.0:
                        hot_s += at - before
                assert hot_s >= 300.0 - 1e-3, "raised before its time"
            else:
                assert active, "ended although it never began"
                calm = [at for at, figure in seen if at > now - CALM_S - 1e-6]
                assert all(figure is not None and rule.calm(figure, 80.0) for at, figure in seen if at in calm)
            active = isinstance(event, AlertRaised)
        assert bool(watch.active()) is active


# --- start latency --------------------------------------------------------------------------------------------------


def test_the_95th_percentile_of_the_last_five_minutes() -> None:
    latencies = StartLatencies()
    assert latencies.p95_s(T0) == 0.0
    for number in range(1, 101):
        latencies.note(T0, float(number))
    assert latencies.p95_s(T0) == 95.0
    assert latencies.p95_s(T0 + 299) == 95.0
    assert latencies.p95_s(T0 + 300) == 0.0
    assert latencies.p95_s(T0 + 300, [4.0, 12.0]) == 12.0, "what is still starting counts as old as it is"


def test_of_very_many_starts_the_newest_count_and_a_sleep_ages_none() -> None:
    latencies = StartLatencies()
    for _ in range(10):
        latencies.note(T0, 99.0)
    for _ in range(REMEMBERED):
        latencies.note(T0 + 1, 1.0)
    assert latencies.p95_s(T0 + 1) == 1.0
    latencies.rebase(7200.0)
    assert latencies.p95_s(T0 + 7201) == 1.0

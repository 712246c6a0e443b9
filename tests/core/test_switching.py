"""When auto takes another strategy: clearly better on the same jobs, for a reason with figures; never to and fro."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.measures import Measures
from tidegate.core.switching import Rehearsed, is_clearly_better, judge

MEASURED = Measures(
    jobs=100,
    starts=100,
    succeeded=98,
    success_rate=0.98,
    mean_wait_s=60.0,
    p95_wait_s=300.0,
    mean_slowdown=4.0,
    makespan_s=3600.0,
    preemptions=0,
    work_lost_core_s=0.0,
)


def a_rehearsal(strategy: str, unfinished: int = 0, **measures: object) -> Rehearsed:
    return Rehearsed(strategy, replace(MEASURED, **measures), unfinished)  # type: ignore[arg-type]


def test_a_clearly_better_one_is_taken_and_the_figures_say_why() -> None:
    found = [
        a_rehearsal("priority_based"),
        a_rehearsal("hybrid", mean_slowdown=3.0, p95_wait_s=240.0),
        a_rehearsal("fair_sharing", mean_slowdown=3.5, p95_wait_s=100.0),
    ]
    assert judge("priority_based", found) == (
        "hybrid",
        "the last 100 jobs, replayed, have a slowdown of 3.00 under hybrid instead of 4.00 under priority_based,"
        " and 95 % wait at most 4 min instead of 5 min",
    )


@pytest.mark.parametrize(
    "worse",
    [
        {"mean_slowdown": 3.61},
        {"mean_slowdown": 1.0, "p95_wait_s": 300.1},
        {"mean_slowdown": 1.0, "succeeded": 97},
        {"mean_slowdown": 1.0, "unfinished": 1},
        {"mean_slowdown": None},
        {"p95_wait_s": None, "mean_slowdown": 1.0},
    ],
)
def test_one_that_is_not_better_in_everything_that_counts_is_not_taken(worse: dict[str, object]) -> None:
    found = [a_rehearsal("priority_based"), a_rehearsal("hybrid", **worse)]  # type: ignore[arg-type]
    chosen, why = judge("priority_based", found)
    assert chosen == "priority_based"
    assert why.startswith("priority_based stays: ")


def test_exactly_ten_percent_is_enough() -> None:
    assert is_clearly_better(a_rehearsal("hybrid", mean_slowdown=3.6), a_rehearsal("priority_based"))


def test_without_figures_for_the_one_in_use_nothing_is_changed() -> None:
    assert judge("mine", [a_rehearsal("hybrid", mean_slowdown=1.0)]) == (
        "mine",
        "mine stays: no figures could be had for it",
    )
    assert judge("mine", [a_rehearsal("mine")])[1] == "mine stays: there is no other to compare it with"


@given(st.lists(st.tuples(st.floats(0.96, 1.04), st.floats(0.96, 1.04)), min_size=1, max_size=30))
def test_it_never_goes_to_and_fro_while_the_figures_only_waver(waverings: list[tuple[float, float]]) -> None:
    """Never to and fro: where figures move by 4 % about any mean, one switch at most ever happens."""
    for mean in (3.0, 3.4, 3.6, 4.0):
        in_use, switches = "a", 0
        for of_a, of_b in waverings:
            found = [a_rehearsal("a", mean_slowdown=4.0 * of_a), a_rehearsal("b", mean_slowdown=mean * of_b)]
            chosen, _ = judge(in_use, found)
            switches += chosen != in_use
            in_use = chosen
        assert switches <= 1


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_two_are_never_each_clearly_better_than_the_other(one: float, other: float) -> None:
    a, b = a_rehearsal("a", mean_slowdown=one), a_rehearsal("b", mean_slowdown=other)
    assert not (is_clearly_better(a, b) and is_clearly_better(b, a))

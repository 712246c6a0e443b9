"""Curves: values, integrals and level stretches of straight lines between points."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.simulator.curves import Curve, level, steps

RAMP = Curve(((10.0, 0.0), (20.0, 100.0)))


def test_it_is_level_before_straight_between_and_goes_on_by_its_slope() -> None:
    assert [RAMP.at(x) for x in (0, 10, 15, 20, 99)] == [0, 0, 50, 100, 100]
    leak = Curve(((0.0, 5.0),), slope=2.0)
    assert leak.at(10) == 25
    assert Curve(((0.0, 5.0),), slope=-1.0).at(10) == 0, "nobody uses less than nothing"


def test_steps_have_no_way_in_between() -> None:
    stairs = steps((5, 10), (8, 3))
    assert [stairs.at(x) for x in (4.9, 5, 7.9, 8, 50)] == [0, 10, 10, 3, 3]
    assert stairs.highest(100) == 10


def test_it_says_until_when_it_stays_as_it_is() -> None:
    assert [RAMP.steady_until(x) for x in (3, 10, 12, 20)] == [10, 10, 12, math.inf]
    assert steps((5, 10), (8, 3)).steady_until(6) == 8
    assert level(4).steady_until(0) == math.inf
    assert Curve(((0.0, 4.0),), slope=1.0).steady_until(7) == 7


@pytest.mark.parametrize("points", [(), ((2.0, 1.0), (1.0, 1.0))])
def test_points_go_from_left_to_right_and_there_is_one(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve(points)


coordinates = st.tuples(st.floats(0, 50), st.floats(0, 100))


@given(st.lists(coordinates, min_size=1, max_size=5), st.floats(0, 40), st.floats(0, 40))
def test_area_is_the_sum_of_thin_slices(points: list[tuple[float, float]], start: float, width: float) -> None:
    curve = Curve(tuple(sorted(points, key=lambda point: point[0])))
    slices = 4000
    step = width / slices
    summed = sum(curve.at(start + (k + 0.5) * step) * step for k in range(slices))
    # At a step one slice may be wrong by all of its height.
    assert curve.area(start, start + width) == pytest.approx(summed, abs=600 * step + 0.01 * width + 1e-6)
    assert curve.highest(start + width) >= curve.at(start + width)

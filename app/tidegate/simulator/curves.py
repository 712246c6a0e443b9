"""Curves: a figure over time in straight lines, as jobs and other people's programs draw them."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Straight lines between ``points`` (x, y), by rising x; level before the first.

    Two points with the same x are a step, and the later one holds there. After the last point it goes on by ``slope``
    per unit of x. Never below 0.
    """

    points: tuple[Point, ...]
    slope: float = 0.0

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a curve needs at least one point")
        if len(self.points) > 1 and any(b[0] < a[0] for a, b in pairwise(self.points)):
            raise ValueError("the points of a curve go from left to right")

    def at(self, x: float) -> float:
        return max(0.0, self._line(x)[0])

    def steady_until(self, x: float) -> float:
        """Up to where it keeps the value it has at ``x``: ``x`` itself where it slopes, infinity on a level end."""
        value, slope, end = self._line(x)
        return x if slope and not (value <= 0.0 and slope < 0.0) else end

    def highest(self, until: float) -> float:
        """The largest value from 0 to ``until``."""
        bends = (y for x, y in self.points if 0.0 <= x <= until)
        return max(self.at(0.0), self.at(until), *bends)

    def area(self, start: float, end: float) -> float:
        """The integral from ``start`` to ``end``."""
        total, x = 0.0, start
        while x < end:
            value, slope, bend = self._line(x)
            stop = min(bend, end)
            total += (max(0.0, value) + max(0.0, value + slope * (stop - x))) / 2 * (stop - x)
            x = stop
        return total

    def _line(self, x: float) -> tuple[float, float, float]:
        """The straight line ``x`` is on: its value there, its slope, and where it ends."""
        points = self.points
        following = bisect_right(points, (x, math.inf))
        if following == len(points):
            last_x, last_y = points[-1]
            return last_y + self.slope * (x - last_x), self.slope, math.inf
        x1, y1 = points[following]
        if following == 0:
            return y1, 0.0, x1
        x0, y0 = points[following - 1]
        slope = (y1 - y0) / (x1 - x0)
        return y0 + slope * (x - x0), slope, x1


def level(value: float) -> Curve:
    return Curve(((0.0, value),))


def steps(*points: Point) -> Curve:
    """``(x, y)``: from there on it is y, with no way in between; 0 before the first."""
    drawn: list[Point] = []
    before = 0.0
    for x, y in points:
        drawn += [(x, before), (x, y)]
        before = y
    return Curve(tuple(drawn))


NOTHING = level(0.0)

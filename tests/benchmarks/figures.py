"""What the benchmarks report: one figure per measure, with its budget, its floor or peer, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    ``peer`` is what the same work costs, or achieves, without Tidegate in the same run. ``budget`` bounds ``judged``:
    the figure itself or, with ``by_ratio``, figure / peer. ``at_least`` says that more is better.
    ``value`` None: it could not be measured, and ``note`` says why.
    """

    measure: str
    value: float | None
    unit: str
    budget: float | None = None
    at_least: bool = False
    by_ratio: bool = False
    peer: float | None = None
    peer_name: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.value is None or not self.peer else self.value / self.peer

    @property
    def judged(self) -> float | None:
        return self.ratio if self.by_ratio else self.value

    @property
    def verdict(self) -> str:
        """``within``, ``missed by ...`` in the unit of the budget, or what stands instead of a verdict."""
        judged = self.judged
        if judged is None:
            return f"not measured: {self.note}" if self.note else "not measured"
        if self.budget is None:
            return ""
        over = self.budget - judged if self.at_least else judged - self.budget
        if over <= 0:
            return "within"
        unit = "" if self.by_ratio else f" {self.unit}"
        return f"missed by {number(over)}{unit} ({100 * over / self.budget:.0f} %)"

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def unmeasured(measure: str, unit: str, why: str, budget: float | None = None) -> Figure:
    return Figure(measure, None, unit, budget, note=why)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0..1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def middle(values: Sequence[float]) -> float:
    return float(median(values))


HEADINGS = ("measure", "figure", "budget", "floor or peer, same run", "ratio", "verdict")


def table(figures: Sequence[Figure]) -> str:
    """The whole report as text; notes of measured lines stand below it."""
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    notes = [f"  {figure.measure}: {figure.note}" for figure in figures if figure.note and figure.value is not None]
    return "\n".join([*lines, *(["", "notes:", *notes] if notes else [])])


def _row(figure: Figure) -> tuple[str, ...]:
    value = "-" if figure.value is None else f"{number(figure.value)} {figure.unit}"
    budget = ""
    if figure.budget is not None:
        sign = ">=" if figure.at_least else "<="
        what = "x" if figure.by_ratio else figure.unit
        most = number(figure.budget) if figure.budget >= 100 else f"{figure.budget:.3g}"
        budget = f"{sign} {most} {what}"
    peer = "" if figure.peer is None else f"{figure.peer_name} {number(figure.peer)} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    return (figure.measure, value, budget, peer, ratio, figure.verdict)

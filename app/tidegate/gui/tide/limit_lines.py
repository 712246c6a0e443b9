"""The lines a chart is judged by: where HIGH and EMERGENCY begin, and what jobs may take at most."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.texts import format_size
from tidegate.engine.views import MachineView
from tidegate.gui.words import tr

RESERVE_SEEN_FROM = 0.01
"""A reserve nearer to the emergency line than this part of the chart would be drawn into it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A limit with its name. ``tone`` is a token's name; the name stands at the left or at the right end."""

    value: float
    name: str
    tone: str
    dashed: bool
    at_right: bool = False


def memory_lines(top: float, machine: MachineView) -> list[Line]:
    """``top`` is the machine's memory in bytes, as are the lines' values."""
    lines = high_and_emergency(top, machine.memory_high_pct, machine.memory_emergency_pct)
    line = machine.memory_line_bytes
    at_emergency = top * (machine.memory_emergency_pct or 100.0) / 100
    if line is not None and at_emergency - line > top * RESERVE_SEEN_FROM:
        name = tr("reserve: jobs stay below {size}").format(size=format_size(line))
        lines.append(Line(line, name, "faint", dashed=True, at_right=True))
    return lines


def cpu_lines(top: float, high_pct: float | None) -> list[Line]:
    """``top`` is the machine's cores."""
    if high_pct is None:
        return []
    name = tr("high {percent} % by other programs").format(percent=f"{high_pct:g}")
    return [Line(top * high_pct / 100, name, "attention", dashed=True)]


def high_and_emergency(top: float, high_pct: float | None, emergency_pct: float | None) -> list[Line]:
    lines = []
    if high_pct is not None:
        name = tr("high {percent} %").format(percent=f"{high_pct:g}")
        lines.append(Line(top * high_pct / 100, name, "attention", dashed=True))
    if emergency_pct is not None:
        name = tr("emergency {percent} %").format(percent=f"{emergency_pct:g}")
        lines.append(Line(top * emergency_pct / 100, name, "danger", dashed=False, at_right=True))
    return lines

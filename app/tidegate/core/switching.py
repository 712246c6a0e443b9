"""Switching: whether another strategy did clearly better than the one in use, both replayed on the same jobs (D8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.core.measures import Measures
from tidegate.core.texts import format_duration

# So much lower the mean slowdown has to be. It is a dead band too: the way back needs as much of an advantage again.
BETTER_BY = 0.10


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would have come of recorded jobs under a strategy; ``unfinished`` never came to an end."""

    strategy: str
    measures: Measures
    unfinished: int = 0


def judge(in_use: str, found: Sequence[Rehearsed]) -> tuple[str, str]:
    """The strategy to go on with, and why in one clause with figures.

    Another one than ``in_use`` only where its mean bounded slowdown is at least 10 % lower, while no more than before
    wait longer than 95 % did (p95), no fewer jobs succeed and none is left over.
    """
    known = {each.strategy: each for each in found}
    now = known.get(in_use)
    if now is None or now.measures.mean_slowdown is None:
        return in_use, f"{in_use} stays: no figures could be had for it"
    better = [each for each in found if each is not now and is_clearly_better(each, now)]
    jobs = f"the last {now.measures.jobs:,} jobs, replayed,"
    if not better:
        others = [each for each in found if each is not now and each.measures.mean_slowdown is not None]
        if not others:
            return in_use, f"{in_use} stays: there is no other to compare it with"
        next_best = min(others, key=_standing)
        figures = f"{_slowdown(now)} under it, {_slowdown(next_best)} under {next_best.strategy}"
        return in_use, f"{in_use} stays: none is clearly better; {jobs} have a slowdown of {figures}"
    best = min(better, key=_standing)
    waits = f"{_p95(best)} instead of {_p95(now)}"
    slowdowns = f"{_slowdown(best)} under {best.strategy} instead of {_slowdown(now)} under {in_use}"
    return best.strategy, f"{jobs} have a slowdown of {slowdowns}, and 95 % wait at most {waits}"


def is_clearly_better(one: Rehearsed, other: Rehearsed) -> bool:
    """By the rule of ``judge``; False where a figure is unknown."""
    ours, theirs = one.measures, other.measures
    if ours.mean_slowdown is None or theirs.mean_slowdown is None:
        return False
    if ours.p95_wait_s is None or theirs.p95_wait_s is None:
        return False
    return (
        ours.mean_slowdown <= (1.0 - BETTER_BY) * theirs.mean_slowdown
        and ours.p95_wait_s <= theirs.p95_wait_s
        and ours.succeeded >= theirs.succeeded
        and one.unfinished <= other.unfinished
    )


def _standing(each: Rehearsed) -> tuple[float, float, str]:
    return (each.measures.mean_slowdown or 0.0, each.measures.p95_wait_s or 0.0, each.strategy)


def _slowdown(each: Rehearsed) -> str:
    return f"{each.measures.mean_slowdown:.2f}"


def _p95(each: Rehearsed) -> str:
    return format_duration(each.measures.p95_wait_s or 0.0)

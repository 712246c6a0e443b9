"""Detection: all rules over one survey; what they find depends on nothing but State, Plan and ``now``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidegate.core.advice import (
    competition,
    hints_of_queue,
    hints_of_use,
    precedence,
    schedule,
    sharing,
)
from tidegate.core.advice.survey import Survey
from tidegate.core.conflicts import Conflict, Severity
from tidegate.core.hints import Hint
from tidegate.core.plan import Plan
from tidegate.core.state import State

CONFLICTS: tuple[Callable[[Survey], Iterator[Conflict]], ...] = (
    competition.memory_runs_out,
    competition.memory_overdrawn,
    competition.cores_crowded,
    competition.cards_crowded,
    precedence.waits_behind_less_important,
    schedule.deadlines_collide,
    schedule.begins_collide,
    sharing.files_collide,
    sharing.outputs_collide,
    sharing.ports_collide,
    sharing.environments_collide,
)

HINTS: tuple[Callable[[Survey], Iterator[Hint]], ...] = (
    hints_of_use.asks_too_much,
    hints_of_use.card_idle,
    hints_of_use.threads_oversubscribed,
    hints_of_use.card_hot,
    hints_of_queue.blocked_by_program,
    hints_of_queue.better_at_night,
    hints_of_queue.limit_too_low,
    hints_of_queue.submitted_twice,
)

# So many findings of one kind of look are more than anyone reads.
MOST = 50

_GRAVEST_FIRST = {severity: rank for rank, severity in enumerate(reversed(Severity))}


def find_conflicts(state: State, plan: Plan, now: float) -> list[Conflict]:
    """What is in conflict now, the gravest first; whether it lasts is for others to say."""
    survey = Survey(state, plan, now)
    found = {conflict.key: conflict for rule in CONFLICTS for conflict in rule(survey)}
    return sorted(found.values(), key=lambda conflict: _GRAVEST_FIRST[conflict.severity])[:MOST]


def find_hints(state: State, plan: Plan, now: float) -> list[Hint]:
    """What one could advise now; whether it lasts is for others to say."""
    survey = Survey(state, plan, now)
    found = {hint.key: hint for rule in HINTS for hint in rule(survey)}
    return list(found.values())[:MOST]

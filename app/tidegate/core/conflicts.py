"""Conflicts: two parties want more than there is; found in State, with proposals that one click carries out (D4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.job import JobId

BY_PRIORITY = "by_priority"
FAIR_SHARE = "fair_share"
TIME_SLICING = "time_slicing"
STOP = "stop"
LEAVE = "leave"
"""Names of ways out. The first three may be chosen by policy; they pause, hold, reorder and run again, and end nothing
for good."""

POLICIES = (BY_PRIORITY, FAIR_SHARE, TIME_SLICING)
BY_HAND = "by_hand"
QUANTUM_S = 300.0


@dataclass(frozen=True, slots=True)
class AdvicePolicy:
    """What is looked for, how conflicts are settled (by hand, or a policy's name), and how long a turn lasts."""

    conflicts: bool = True
    hints: bool = True
    resolve: str = BY_HAND
    quantum_s: float = QUANTUM_S


class ConflictKind(StrEnum):
    RESOURCE_COMPETITION = "resource_competition"
    PRIORITY_CONFLICT = "priority_conflict"
    SCHEDULE_CONFLICT = "schedule_conflict"


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to one job: a verb of the engine by its name (pause, hold, edit, first, cancel, retry), or
    ``requeue``: stop it and let it run again later, for a job whose user allowed that.

    ``changes`` are fields of an edit as a user would write them; ``seconds``: pause for so long.
    """

    verb: str
    job: JobId
    seconds: float | None = None
    changes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A way out: its name for programs, the words on the button, and what it does.

    ``until``: what it pauses or holds goes on by itself when one of these jobs has ended. With ``turns`` these rest in
    turn until then, a quantum each.
    """

    name: str
    label: str
    steps: tuple[Step, ...]
    until: tuple[JobId, ...] = ()
    turns: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """``key`` is the same as long as it is the same conflict, though who takes part in it may change.

    ``resource``: memory, cores, gpu:0, file:PATH, port:N, environment:PATH, deadline, begin or priority.
    ``proposals``: the first is the one proposed. ``after_s``: it is told once it has lasted so long.
    """

    key: str
    kind: ConflictKind
    severity: Severity
    resource: str
    jobs: tuple[JobId, ...]
    sentence: str
    numbers: tuple[tuple[str, float], ...] = ()
    proposals: tuple[Proposal, ...] = ()
    after_s: float = 0.0

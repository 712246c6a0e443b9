"""Imperatives: what the guard and the planner want done. A value, checked again when it is carried out."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.job import JobId, Outcome, PauseReason
from tidegate.core.resources import Estimate


@dataclass(frozen=True, slots=True)
class Start:
    """Run this job now on these cards; ``bypassed`` are the blocked jobs it was allowed to pass."""

    id: JobId
    estimate: Estimate
    devices: tuple[int, ...] = ()
    bypassed: tuple[JobId, ...] = ()
    waited_for: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    id: JobId
    reason: PauseReason
    why: str | None
    resume_at: float | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused job go on; ``thaw`` marks one the guard had frozen (counted per hour)."""

    id: JobId
    thaw: bool = False


@dataclass(frozen=True, slots=True)
class Terminate:
    """TERM, grace, then KILL, the whole tree. ``outcome`` None: back to its queue afterwards (requeue)."""

    id: JobId
    outcome: Outcome | None
    why: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class Kill:
    """KILL at once, the whole tree. ``outcome`` None: back to its queue afterwards."""

    id: JobId
    outcome: Outcome | None
    why: str


Action = Start | Pause | Resume | Terminate | Kill

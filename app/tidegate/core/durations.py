"""How long a job is expected to run, and when one that runs should end: what backfill and forecasts reckon with."""

from __future__ import annotations

from tidegate.core.job import Job, JobSpec, Running, Starting
from tidegate.core.prediction import Profile

OVERDUE_SHARE = 0.1


def expected_duration_s(spec: JobSpec, profile: Profile | None) -> float | None:
    """Seconds of running time not to be exceeded by nine runs in ten; at most its time limit; None when nothing is
    known."""
    return _at_most(profile.reserved_duration_s if profile is not None else None, spec.time_limit_s)


def usual_duration_s(spec: JobSpec, profile: Profile | None) -> float | None:
    """The same, but the median of earlier runs: half of them took longer."""
    return _at_most(profile.typical_duration_s if profile is not None else None, spec.time_limit_s)


def _at_most(learned_s: float | None, limit_s: float | None) -> float | None:
    return min((each for each in (learned_s, limit_s) if each is not None), default=None)


def expected_end_at(job: Job, profile: Profile | None, now: float) -> float | None:
    """When a job that runs, or is about to, should end; None when unknown, and for a paused one.

    One that is over its time is given another tenth of what it has run.
    """
    duration = expected_duration_s(job.spec, profile)
    if duration is None or not isinstance(job.status, Running | Starting):
        return None
    attempt = job.attempts[-1]
    begun = (attempt.started_at or attempt.intended_at) + attempt.paused_s
    return begun + duration if now <= begun + duration else now + OVERDUE_SHARE * (now - begun)

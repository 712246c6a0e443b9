"""What a job is expected to use before it runs (estimate) and what it counts with while it runs (reservation), D4."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from tidegate.core.job import Attempt, Job, JobKind, JobSpec, Paused, Running, Starting, Stopping
from tidegate.core.policy import Policy
from tidegate.core.prediction import RUNS_TO_TRUST, Profile
from tidegate.core.resources import CardNeed, Estimate, EstimateSource, GpuRequest

UNDECLARED_MARGIN = 1.2

# Made once: a union written where it is asked for is made anew at every call, and this is asked for every running job.
WITH_A_SLOT = (Running, Starting, Stopping)


# Jobs of one kind share one figure; making it anew for every group in line would be half the cost of a plan's walk.
_figure = lru_cache(maxsize=4096)(Estimate)


def estimate(spec: JobSpec, profile: Profile | None, policy: Policy, available_bytes: int | None) -> Estimate:
    """min(declared, learned), else either, else the default of its class (at most half of what is free), D4."""
    cores = 1.0 if spec.cores is None else spec.cores
    duration = profile.typical_duration_s if profile is not None else None
    learned = profile.learned_memory_bytes if profile is not None else None
    card = None if spec.gpu is None else card_need(spec.gpu, profile)
    declared = spec.memory_bytes
    if declared is not None and (learned is None or declared <= learned):
        return _figure(declared, EstimateSource.DECLARED, cores, spec.gpu, duration, card)
    if learned is not None:
        return _figure(learned, EstimateSource.LEARNED, cores, spec.gpu, duration, card)
    python = spec.kind in (JobKind.PYTHON, JobKind.NOTEBOOK)
    default = policy.default_memory_python_bytes if python else policy.default_memory_other_bytes
    if available_bytes is not None:
        default = min(default, available_bytes // 2)
    return _figure(default, EstimateSource.DEFAULT, cores, spec.gpu, duration, card)


@lru_cache(maxsize=4096)
def _need(request: GpuRequest, learned_bytes: int | None, learned_share: float | None) -> CardNeed:
    memory = min((size for size in (request.memory_bytes, learned_bytes) if size is not None), default=None)
    # Whoever wants a card for itself keeps all of it, however little it was seen to use.
    share = request.share if learned_share is None or request.exclusive else learned_share
    return CardNeed(share, memory)


def card_need(request: GpuRequest, profile: Profile | None) -> CardNeed:
    """What each card is expected to give: memory as for RAM, utilisation as learned, else the share asked for."""
    if profile is None:
        return _need(request, None, None)
    return _need(request, profile.learned_card_bytes, profile.learned_card_share)


def seen_bytes(job: Job) -> int | None:
    """The most that runs of this very job used which were ended to let it run again; None when there were none."""
    peaks = (earlier.peak_memory_bytes for earlier in job.attempts if earlier.outcome is None)
    return max((peak for peak in peaks if peak is not None), default=None)


def at_least(figure: Estimate, seen: int, line_bytes: int | None) -> Estimate:
    """It needed more than was thought, and had not shown all of it: what it had and a margin, but never what no run
    could have, or it would start and be ended in a circle. One that has kept its promise is believed."""
    if figure.source is EstimateSource.DECLARED and seen <= figure.memory_bytes:
        return figure
    wanted = int(seen * UNDECLARED_MARGIN)
    if line_bytes is not None:
        wanted = min(wanted, line_bytes)
    if wanted <= figure.memory_bytes:
        return figure
    return replace(figure, memory_bytes=wanted, source=EstimateSource.LEARNED)


def group_key(
    spec: JobSpec, learned_key: str | None, array_number: int | None, seen: int | None = None
) -> tuple[object, ...]:
    """Jobs with equal keys get the same verdict from admission; ``learned_key`` is set once its profile is trusted."""
    return (
        spec.priority,
        spec.queue,
        spec.memory_bytes,
        spec.kind if spec.memory_bytes is None and learned_key is None else None,
        learned_key,
        spec.cores,
        spec.gpu,
        spec.device,
        spec.locks,
        spec.time_limit_s,
        array_number if spec.array_parallel else None,
        seen,
    )


class Holding(NamedTuple):
    """What an active job takes from the machine: memory in bytes, cores, worker slots."""

    memory_bytes: int
    cores: float
    slots: int


def settled(job: Job, policy: Policy, now: float) -> bool:
    """Its memory has not grown by more than 2 % for 10 s of running (D4). A job never measured has not settled."""
    if job.settle_since is None:
        return False
    until = job.status.since if isinstance(job.status, Paused) else now
    return until - job.settle_since >= policy.settle_s


def reserved_memory_bytes(job: Job, attempt: Attempt, policy: Policy, profile: Profile | None, now: float) -> int:
    """max(estimate, measured), with the rules of D4 on how long an estimate holds."""
    measured = job.usage.memory_bytes if job.usage is not None else None
    estimated = attempt.reserved_bytes or 0
    if measured is None:
        return estimated
    source = job.estimate.source if job.estimate is not None else EstimateSource.DEFAULT
    if source is EstimateSource.DECLARED:
        runs = len(profile.peaks_bytes) if profile is not None else 0
        if runs < RUNS_TO_TRUST or not settled(job, policy, now):
            return max(estimated, measured)
        return max(measured, job.peak_memory_bytes or 0)
    if not settled(job, policy, now):
        return max(estimated, measured)
    if source is EstimateSource.LEARNED:
        return measured
    return int(measured * UNDECLARED_MARGIN)


def holding(job: Job, policy: Policy, profile: Profile | None, now: float) -> Holding:
    """What an active job counts with. A paused one keeps its memory, but no cores and no worker slot (D6)."""
    memory = reserved_memory_bytes(job, job.attempts[-1], policy, profile, now)
    if isinstance(job.status, WITH_A_SLOT):
        return Holding(memory, job.estimate.cores if job.estimate is not None else 1.0, 1)
    assert isinstance(job.status, Paused), f"job {job.id} is {job.status_name}: it holds nothing"
    return Holding(memory, 0.0, 0)


def other_programs_bytes(used_bytes: int, ours_bytes: int, unseen_bytes: int = 0, last_bytes: int | None = None) -> int:
    """Used - ours, at least 0 (D9).

    Up to ``unseen_bytes`` of what is used may be ours too, though no reading of a job says so yet (it just started, or
    grew since it was measured). As much of it counts as ours as keeps the others at what they last used.
    """
    most = max(0, used_bytes - ours_bytes)
    if last_bytes is None:
        return most
    return min(most, max(last_bytes, most - unseen_bytes))

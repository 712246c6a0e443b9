"""When a simulated sampler may rest: while further readings would say what the last one said, and change nothing.

A live sampler reads once a second, whatever happens; over months of virtual time that is millions of readings that tell
nobody anything. A reading can change a decision only while something moves: a curve, the smoothed figures on their way
over a line, a job not measured yet, one whose memory has not settled, the guard at work. As long as one of these is so,
samples come at the live pace. When none is, the next one comes when the first of them will be, or ``LONGEST_REST_S``
after the last; and one interval after any run starts, ends, is paused or goes on (``FakeMachine`` sees to that). So
mode, guard, admission and learning do the same as at the live pace. What comes later than live: alerts, which decide
nothing, and the look at what stands behind hundreds of blocked kinds of jobs.

With a policy that has neither memory nor CPU lines and on a machine without cards, readings decide nothing at all.
"""

from __future__ import annotations

import math

from tidegate.core.estimates import settled
from tidegate.core.job import Job, Paused
from tidegate.core.machine import MachineReading, Mode
from tidegate.core.modes import emergency_causes
from tidegate.core.policy import Policy
from tidegate.core.resources import EstimateSource
from tidegate.core.state import State, is_frozen_by_guard
from tidegate.simulator.fake_machine import FakeMachine

LONGEST_REST_S = 3600.0


def reads_samples(policy: Policy, machine: FakeMachine) -> bool:
    """Whether any decision depends on readings."""
    lines = (policy.memory_high_pct, policy.memory_emergency_pct, policy.cpu_high_pct, policy.cpu_hard_pct)
    return bool(machine.gpus) or any(line is not None for line in lines)


def rest_s(state: State, machine: FakeMachine, interval_s: float) -> float:
    """Seconds until the next sample; ``interval_s``, the live pace, while readings matter."""
    if not reads_samples(state.policy, machine):
        return LONGEST_REST_S
    known, now = state.machine, machine.clock.now()
    if known.unknown_starts or known.cpu_busy_since is not None or not _mode_stays(state):
        return interval_s
    until = min(machine.steady_until(), *(_quiet_until(state, job, now) for job in state.active.values()), math.inf)
    return min(max(interval_s, until - now), LONGEST_REST_S)


def _mode_stays(state: State) -> bool:
    """Whether readings like the last one would never change the mode: smoothed figures only come nearer to these."""
    known, policy, reading = state.machine, state.policy, state.machine.reading
    if reading is None or reading.memory_used_pct is None or reading.other_cpu_cores is None:
        return False
    if known.mode is Mode.EMERGENCY:
        # With a job of ours about there is something to be done.
        return not state.active and bool(emergency_causes(known, policy))
    lines = ((reading.memory_used_pct, policy.memory_high_pct), (_others_pct(reading), policy.cpu_high_pct))
    hysteresis = 0.0 if known.mode is Mode.NORMAL else policy.mode_hysteresis_pct
    over = any(line is not None and used >= line - hysteresis for used, line in lines)
    return over is (known.mode is Mode.HIGH) and not emergency_causes(known, policy)


def _others_pct(reading: MachineReading) -> float:
    return 100.0 * (reading.other_cpu_cores or 0.0) / reading.cores


def _quiet_until(state: State, job: Job, now: float) -> float:
    """Until when a job of ours counts with what it counts with now."""
    if isinstance(job.status, Paused):
        return now if is_frozen_by_guard(job) else math.inf
    if job.usage is None or job.settle_since is None:
        return now
    declared = job.estimate is not None and job.estimate.source is EstimateSource.DECLARED
    if settled(job, state.policy, now) or (declared and state.profile(job) is None):
        return math.inf
    return job.settle_since + state.policy.settle_s

"""The simulator's rate: job completions of virtual work in a second of one core, whole engine and in-memory journal."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from time import thread_time

from tests.benchmarks.figures import Figure

from tidegate.core.job import JobSpec
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, MIB
from tidegate.simulator.fake_runs import Behaviour
from tidegate.simulator.scenario import CORES_ONLY, Machine, Scenario, simulate
from tidegate.simulator.workload import TraceJob, Workload

BUDGET = 3000
CORES = 16
SIZES = (256 * MIB, 512 * MIB, GIB, 2 * GIB)


def busy(jobs: int, load: float, seed: int = 1) -> Workload:
    """Declared jobs of 1 to 60 s on 1 to 4 cores that keep so large a part of 16 cores busy."""
    draw = random.Random(seed)
    found: list[TraceJob] = []
    at_s = 0.0
    for number in range(jobs):
        cores, size = float(draw.choice((1, 1, 1, 2, 4))), draw.choice(SIZES)
        behaviour = Behaviour(float(draw.randint(1, 60)), size, cores=cores)
        spec = JobSpec(
            ("work", str(number)), "/", f"job {number}", cores=cores, memory_bytes=size,
            priority=draw.choice((3, 5, 5, 7)), notify=False,
        )  # fmt: skip
        found.append(TraceJob(str(number), float(int(at_s)), spec, behaviour))
        at_s += draw.expovariate(load * CORES / (30.5 * 1.8))
    return Workload("busy", tuple(found))


def rate(scenario: Scenario) -> float:
    """Completions a second of the thread's own time: that another program had the core is no cost of ours."""
    gc.collect()
    begun = thread_time()
    report = simulate(scenario)
    took = thread_time() - begun
    assert report.measures.succeeded == len(scenario.workload.jobs), report.as_json()
    return report.measures.succeeded / took


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    jobs = 200 if quick else 6000
    machine = Machine(CORES, 40 * GIB)
    say(f"the simulator, {jobs:,} jobs under two policies")
    return [
        Figure("simulator, cores only, load 0.7", rate(Scenario(busy(jobs, 0.7), machine, CORES_ONLY)), "jobs/s",
               BUDGET, at_least=True),
        Figure("simulator, all limits, load 0.7", rate(Scenario(busy(jobs, 0.7), machine, Policy())), "jobs/s"),
        Figure("simulator, all limits, always a queue", rate(Scenario(busy(jobs, 0.95), machine, Policy())), "jobs/s"),
    ]  # fmt: skip

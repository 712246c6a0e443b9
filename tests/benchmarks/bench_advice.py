"""What a look for conflicts or hints costs beside 100 running jobs and a long queue, in a calm hour and in the worst.

Alone: ``python -m tests.benchmarks.bench --only advice``."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import thread_time

from tests.benchmarks.bench_plan import CORES, TOTAL, Queue
from tests.benchmarks.figures import Figure, percentile

from tidegate.core import events as e
from tidegate.core.advice.detect import find_conflicts, find_hints
from tidegate.core.job import Touches, Usage
from tidegate.core.machine import MachineReading, OtherProgram
from tidegate.core.planner import plan
from tidegate.core.resources import GIB, MIB
from tidegate.core.transitions import apply

BUDGET_MS = 2.0


def an_hour(queue: Queue, calm: bool) -> None:
    """Every job is measured and has files of its own; where it is not calm all grow, and touch the same things."""
    for second in range(3):
        queue.now += 1.0
        usage = []
        for id in queue.state.active:
            touches = Touches(("/data/a", "/data/b", "/data/c"), (8080,), ("/venv",))
            if calm:
                touches = Touches((f"/data/{id}",), (), ("/venv",))
            memory = 800 + (0 if calm else second)
            usage.append((id, Usage(queue.now, memory * MIB, 1.5 if calm else 2.5, 3, (), (), 12, touches)))
        apply(queue.state, e.JobsMeasured(queue.now, tuple(usage)))
        others = (OtherProgram("firefox", 40 * GIB),)
        reading = MachineReading(queue.now, CORES, TOTAL, TOTAL // 10, 99.0, other_cpu_cores=9.0, largest_others=others)
        apply(queue.state, e.MachineSampled(reading))


def look_times_ms(queue: Queue, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of the thread's own time, by what was looked for."""
    decided = plan(queue.state, queue.now)
    found: dict[str, list[float]] = {}
    for name, look in (("conflicts", find_conflicts), ("hints", find_hints)):
        times = found[name] = []
        for _ in range(rounds):
            begun = thread_time()
            look(queue.state, decided, queue.now)
            times.append(1000 * (thread_time() - begun))
    return found


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    queued = 1_000 if quick else 10_000
    for calm, what in ((True, "all calm"), (False, "all growing and sharing")):
        say(f"a look for conflicts and hints, {what}")
        queue = Queue(queued)
        an_hour(queue, calm)
        gc.collect()
        gc.freeze()
        look_times_ms(queue, 5)
        for name, times in look_times_ms(queue, 40 if quick else 400).items():
            label = f"look for {name}, 100 jobs run, {what}"
            figures.append(Figure(f"{label}: p50", percentile(times, 0.5), "ms"))
            figures.append(Figure(f"{label}: p99", percentile(times, 0.99), "ms", BUDGET_MS))
        gc.unfreeze()
    return figures

"""What a look for conflicts or hints costs beside 100 running jobs and a long queue: the calm hour within 2 ms."""

from __future__ import annotations

import argparse
import gc
import json
from time import thread_time

from tests.benchmarks.bench_plan import CORES, TOTAL, Queue
from tests.benchmarks.figures import percentile

from tidegate.core import events as e
from tidegate.core.advice.detect import find_conflicts, find_hints
from tidegate.core.job import Touches, Usage
from tidegate.core.machine import MachineReading, OtherProgram
from tidegate.core.planner import plan
from tidegate.core.resources import GIB, MIB
from tidegate.core.transitions import apply


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


def measure(queued: int, rounds: int, calm: bool) -> dict[str, dict[str, float]]:
    """Milliseconds of the thread's own time, by what was looked for."""
    queue = Queue(queued)
    an_hour(queue, calm)
    decided = plan(queue.state, queue.now)
    found = {}
    gc.collect()
    for name, look in (("conflicts", find_conflicts), ("hints", find_hints)):
        times = []
        for _ in range(rounds):
            begun = thread_time()
            look(queue.state, decided, queue.now)
            times.append(1000 * (thread_time() - begun))
        found[name] = {"median_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99)}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    figures = {
        name: measure(arguments.queued, arguments.rounds, calm) for name, calm in (("calm", True), ("worst", False))
    }
    print(json.dumps(figures, indent=2))

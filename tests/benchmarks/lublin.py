"""The simulator against a published table: mean bounded slowdown of three orders, without and with backfill.

    python tests/benchmarks/lublin.py TRACE --f1-offset 5094

prints ``{"none": {"FCFS": x, "SJF": x, "F1": x}, "easy": {...}}``: the mean over ten windows of 1,024 jobs each, on a
machine of 256 processors, with the whole engine on virtual time. The figures published for the Lublin trace are those
of Zhang et al., "RLScheduler: an automated HPC batch job scheduler using reinforcement learning", SC 2020.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "app"), str(ROOT)]

from tests.benchmarks.lublin_strategies import strategies  # noqa: E402 (run as a file, it has to find the project)

from tidegate.core.job import Job  # noqa: E402
from tidegate.simulator.scenario import CORES_ONLY, GIB, Machine, Scenario, simulate  # noqa: E402
from tidegate.simulator.virtual_clock import VirtualClock  # noqa: E402
from tidegate.simulator.workload import Workload, WorkloadRefused, read_csv  # noqa: E402

ROWS = (1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085)
WINDOW = 1024
PROCESSORS = 256
SHORTEST_RUN_S = 10.0
ORDERS = ("FCFS", "SJF", "F1")
BACKFILL = {"none": "", "easy": "+easy"}


def windows(trace: Workload, rows: Sequence[int]) -> list[Workload]:
    """The jobs from each of these rows on (0-based, in order of job_id)."""
    jobs = sorted(trace.jobs, key=lambda job: int(job.id))
    return [Workload(f"{trace.name} from row {row}", tuple(jobs[row : row + WINDOW])) for row in rows]


def slowdown(window: Workload, strategy: str, f1_offset_s: float) -> float:
    """Mean of max(1, (wait + run) / max(run, 10)) over the window's jobs."""
    first_s = window.jobs[0].submit_s
    jobs = tuple(replace(job, submit_s=job.submit_s - first_s) for job in window.jobs)
    machine = Machine(PROCESSORS, 1024 * GIB)
    policy = replace(CORES_ONLY, strategy=strategy)
    scenario = Scenario(Workload(window.name, jobs), machine, policy, one_by_one=True)
    # A strategy knows when a job came by the engine's clock, F1 wants it by the trace's.
    begun_at = VirtualClock().now() + scenario.sample_interval_s
    known = strategies(first_s + f1_offset_s - begun_at)
    result = simulate(replace(scenario, strategies=known))
    assert not result.unfinished, f"{result.unfinished} jobs of {window.name} never ended"
    assert not result.refused, result.refused[0].sentence
    return fmean(_slowdown(job) for _, job in result.jobs)


def _slowdown(job: Job) -> float:
    run = job.attempts[-1]
    assert run.started_at is not None
    assert run.ended_at is not None
    return max(1.0, (run.ended_at - job.submitted_at) / max(run.ended_at - run.started_at, SHORTEST_RUN_S))


def table(trace: Workload, rows: Sequence[int], f1_offset_s: float) -> dict[str, dict[str, float]]:
    """All six cells, rounded to hundredths."""
    parts = windows(trace, rows)
    return {
        backfill: {
            order: round(fmean(slowdown(part, order + suffix, f1_offset_s) for part in parts), 2) for order in ORDERS
        }
        for backfill, suffix in BACKFILL.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", help="a workload file with job_id, submit_s, duration_s, cpus and requested_s")
    parser.add_argument("--f1-offset", type=float, default=0.0, help="seconds added to the submission times in F1")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="where the windows begin")
    given = parser.parse_args()
    try:
        trace = read_csv(given.trace)
    except WorkloadRefused as refused:
        print(f"lublin.py: {refused}", file=sys.stderr)
        return 1
    if max(given.rows) + WINDOW > len(trace.jobs):
        print(f"lublin.py: {given.trace} has {len(trace.jobs)} usable jobs, too few for these windows", file=sys.stderr)
        return 1
    print(json.dumps(table(trace, given.rows, given.f1_offset)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

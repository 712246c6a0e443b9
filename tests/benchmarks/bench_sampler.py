"""What it costs to watch: a timed sample with a hundred idle jobs, and the looks that are taken rarely beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil
from tests.benchmarks.figures import Figure

from tidegate.core.job import RunRef
from tidegate.monitor.holdings import open_holdings
from tidegate.monitor.other_programs import REFRESH_S as OTHERS_S
from tidegate.monitor.other_programs import OtherPrograms, open_programs
from tidegate.monitor.process_table import open_process_table
from tidegate.monitor.reaped import Reaped
from tidegate.monitor.sampler import Sampler
from tidegate.monitor.touches import REFRESH_S as TOUCHES_S
from tidegate.monitor.touches import TouchLook
from tidegate.monitor.trees import Trees
from tidegate.paths import boot_id

WAITS = "import sys\nprint(flush=True)\nsys.stdin.readline()"


def cpu_ms(work: Callable[[], object], times: int) -> float:
    """Processor time of this thread for one call; the first call is not counted."""
    work()
    begun = time.thread_time()
    for _ in range(times):
        work()
    return 1000 * (time.thread_time() - begun) / times


def exhaust(steps: Iterable[None]) -> None:
    for _ in steps:
        pass


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    jobs, times = (10, 3) if quick else (100, 20)
    say(f"sampler: {jobs} idle Python processes, {len(psutil.pids())} others")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        for _ in range(jobs)
    ]
    try:
        runs = {}
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
            created = psutil.Process(process.pid).create_time()
            runs[f"t{process.pid}"] = RunRef(f"t{process.pid}", f"{boot_id()}:{process.pid}:{created!r}")
        return figures(runs, times)
    finally:
        for process in started:
            process.kill()
            process.communicate()


def figures(runs: dict[str, RunRef], times: int) -> list[Figure]:
    table = open_process_table()
    sampler = Sampler(time.time, lambda call: call(), None, list)
    idle = cpu_ms(sampler.take, times)
    sampler.watch(runs)
    with_runs = cpu_ms(sampler.take, times)
    sampler.stop()
    living = Trees(table, list, Reaped()).measure(runs, (), 1.0).living
    touches, others = TouchLook(table, open_holdings()), OtherPrograms(table, open_programs())
    touching = cpu_ms(lambda: exhaust(touches.look(living)), times)
    naming = cpu_ms(lambda: exhaust(others.look({os.getpid()})), times)
    return [
        Figure("sampler, no job: a sample", idle, "ms CPU"),
        Figure(f"sampler, {len(runs)} jobs: a sample", with_runs, "ms CPU"),
        Figure(f"  what they touch, every {TOUCHES_S:g} s", touching, "ms CPU"),
        Figure(f"  other programs' memory, every {OTHERS_S:g} s", naming, "ms CPU"),
    ]

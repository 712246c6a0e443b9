"""How many jobs that do nothing pass in a second: Tidegate with two slots, xargs, and a bare spawn loop, in turn."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable

from tests.benchmarks.figures import Figure, middle, unmeasured
from tests.benchmarks.program import Engine

SLOTS = 2
JOBS = 2_000
MEMORY = "4M"
# What task-spooler made of xargs on the machine of D14 (800 of 1,900 a second), for where it is not installed.
TASK_SPOOLER_OF_XARGS = 800 / 1900


def xargs_s(count: int, true: str) -> float:
    lines = b"x\n" * count
    begun = time.perf_counter()
    subprocess.run(["xargs", f"-P{SLOTS}", "-n1", true], input=lines, check=True)
    return time.perf_counter() - begun


def spawn_loop_s(count: int, true: str) -> float:
    """The least a Python program can do: two slots, posix_spawn, wait."""
    environ = dict(os.environ)
    begun = time.perf_counter()
    left = count
    live: set[int] = set()
    while left or live:
        while left and len(live) < SLOTS:
            live.add(os.posix_spawn(true, [true, "x"], environ))
            left -= 1
        pid, status = os.wait()
        assert status == 0, "true failed"
        live.discard(pid)
    return time.perf_counter() - begun


def task_spooler_s(count: int, true: str) -> float | None:
    """``ts``, if it is there: its own server, two slots."""
    ts = shutil.which("tsp") or shutil.which("ts")
    if ts is None or b"-S" not in subprocess.run([ts, "-h"], capture_output=True, check=False).stdout:
        return None
    socket = f"/tmp/tgb-ts-{os.getpid()}"
    environ = {**os.environ, "TS_SOCKET": socket, "TS_MAXFINISHED": "5"}

    def call(*words: str) -> None:
        subprocess.run([ts, *words], env=environ, check=True, stdout=subprocess.DEVNULL)

    try:
        call("-S", str(SLOTS))
        begun = time.perf_counter()
        for _ in range(count):
            call("-n", true)
        call("-w")
        return time.perf_counter() - begun
    finally:
        subprocess.run([ts, "-K"], env=environ, check=False)


def tidegate_s(count: int, true: str) -> tuple[float, float]:
    """Seconds from the first start to the last end, and by the wall from the request to the answer that all ended."""
    # Whatever else this machine does must put no start off: the peers would not care either.
    settings = {"TIDEGATE_QUEUE_MAX_WORKERS": str(SLOTS), "TIDEGATE_MACHINE_CPU_HARD_PCT": "100"}
    with Engine(**settings, TIDEGATE_MACHINE_CPU_HIGH_PCT="99") as engine:
        entry = {"command": [true, "x"]}
        begun = time.perf_counter()
        ids = engine.submit([entry] * count, mem=MEMORY)
        # They end in their order, so the last few stand for all; asking for each would be work that nobody else does.
        ended = engine.client.wait(ids[-SLOTS:], timeout_s=120)
        wall = time.perf_counter() - begun
        jobs = engine.client.get("/jobs", all=1)["jobs"]
    assert ended is not None, "the jobs did not end within two minutes"
    assert len(jobs) == count, f"{len(jobs)} of {count} jobs are known at the end"
    wrong = [job for job in jobs if job["outcome"] != "succeeded"]
    assert not wrong, f"{len(wrong)} jobs did not succeed, the first: {wrong[0]}"
    return max(job["finished_at"] for job in jobs) - min(job["started_at"] for job in jobs), wall


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    true = shutil.which("true")
    name = f"`true` jobs, {SLOTS} slots"
    if true is None or shutil.which("xargs") is None:
        return [unmeasured(name, "jobs/s", "xargs or true is missing")]
    count, rounds = (100, 1) if quick else (JOBS, 3)
    spans: list[float] = []
    walls: list[float] = []
    peers: list[float] = []
    loops: list[float] = []
    spoolers: list[float] = []
    for turn in range(rounds):
        say(f"throughput, round {turn + 1} of {rounds}")
        peers.append(xargs_s(count, true))
        span, wall = tidegate_s(count, true)
        spans.append(span)
        walls.append(wall)
        loops.append(spawn_loop_s(count, true))
        peers.append(xargs_s(count, true))
        spooler = task_spooler_s(count, true)
        if spooler is not None:
            spoolers.append(spooler)
    xargs, span, wall, loop = (count / middle(times) for times in (peers, spans, walls, loops))
    figures = [
        Figure(f"{name}, {count:,} in bulk", span, "jobs/s", 0.6, True, True, xargs, "xargs -P2"),
        Figure("  the same against a bare spawn loop", span, "jobs/s", None, True, True, loop, "posix_spawn"),
    ]
    if spoolers:
        peer = count / middle(spoolers)
        figures.append(Figure("  by the wall clock", wall, "jobs/s", 1.0, True, True, peer, "task-spooler"))
    else:
        note = f"task-spooler is not installed; D14 knows it at {TASK_SPOOLER_OF_XARGS:.2f} of xargs"
        figures.append(
            Figure("  by the wall clock", wall, "jobs/s", TASK_SPOOLER_OF_XARGS, True, True, xargs, "xargs -P2", note)
        )
    return figures

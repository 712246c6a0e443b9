"""What it costs to have Tidegate there and do nothing: CPU and memory of engine and keeper."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.program import Engine

MIB = 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")
IDLE_PCT, KEEPER_MIB, LOCKED_KEEPER_MIB = 1.0, 15.0, 22.0


def cpu_s(pid: int) -> float:
    """Processor time of one process so far. Its own threads' run time, as ticks of 10 ms would be too coarse."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except (OSError, IndexError):
            return _cpu_by_ticks_s(pid)
    return total / 1e9


def _cpu_by_ticks_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(pid: int, name: str) -> int:
    """``VmRSS`` or ``VmLck`` of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def idle_pct(pids: list[int], seconds: float) -> float:
    """Percent of one core that these use together while nobody asks for anything."""
    before = [cpu_s(pid) for pid in pids]
    begun = time.monotonic()
    time.sleep(seconds)
    return 100 * sum(cpu_s(pid) - was for pid, was in zip(pids, before, strict=True)) / (time.monotonic() - begun)


def keeper_figures(pid: int) -> Figure:
    resident, locked = memory_bytes(pid, "VmRSS"), memory_bytes(pid, "VmLck")
    budget = LOCKED_KEEPER_MIB if locked else KEEPER_MIB
    return Figure("keeper: RSS" + (", locked" if locked else ""), resident / MIB, "MiB", budget)


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    seconds = 2.0 if quick else 25.0
    say(f"idle for {seconds:g} s: serve and keeper")
    figures: list[Figure] = []
    with Engine() as engine:
        # The keeper leaves when nobody needs it; one job is asked for, so that it is surely there and has worked.
        engine.client.wait(engine.submit([{"command": ["/bin/true"]}], mem="16M"), timeout_s=30)
        time.sleep(0.5 if quick else 3.0)
        pids = [engine.pid, engine.keeper_pid()]
        figures.append(Figure("idle, serve + keeper: CPU", idle_pct(pids, seconds), "% of a core", IDLE_PCT))
        figures.append(Figure("  serve: RSS", memory_bytes(pids[0], "VmRSS") / MIB, "MiB"))
        figures.append(keeper_figures(pids[1]))
    return figures

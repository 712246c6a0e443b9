"""A long queue in a real engine: 100,000 lines through the command line, their weight, and the first page of list."""

from __future__ import annotations

import gc
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.program import Engine, command

PAGE = 100
PAGES = 15


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    count = 5_000 if quick else 100_000
    with Engine(TIDEGATE_QUEUE_MAX_QUEUED=str(10 * count)) as engine:
        client = engine.client
        client.post("/actions/pause", {"ids": None, "drain": True})
        lines = Path(engine.home) / "lines"
        lines.write_text("".join(f"python train.py --seed {number}\n" for number in range(count)))
        say(f"{count:,} lines through `tidegate submit --each-line`")
        before = _resident_bytes(engine.pid)
        begun = time.perf_counter()
        words = command("submit", "--mem", "1G", "--each-line", str(lines))
        subprocess.run(words, env=engine.environ, check=True, stdout=subprocess.DEVNULL, timeout=600)
        took = time.perf_counter() - begun
        held = (_resident_bytes(engine.pid) - before) / count
        gc.collect()
        times = []
        for _ in range(PAGES):
            begun = time.perf_counter()
            page = client.get("/jobs", limit=PAGE)["jobs"]
            times.append((time.perf_counter() - begun) * 1000)
            assert len(page) == PAGE
        waiting = client.get("/status")["counts"]["queued"]
        assert waiting == count, f"{waiting} wait, not {count}"
    name = f"{count:,} jobs queued by the command line"
    return [
        Figure(f"{name}: submits a second", count / took, "/s"),
        Figure(f"{name}: engine's memory a job", held, "bytes", 2048),
        Figure(f"{name}: first page of list over HTTP", percentile(times, 0.9), "ms", 50),
    ]


def _resident_bytes(pid: int) -> int:
    rss = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(rss.split()[1]) * 1024

"""How long it takes from asking an idle engine for a job to the job's first instruction, beside a bare spawn."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, unmeasured
from tests.benchmarks.program import Engine

BUDGET_MS = 10.0
# The loader takes some hundred microseconds before this runs; the floor pays for it too.
SOURCE = """
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **words) {
    struct timespec now;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    int size = snprintf(text, sizeof text, "%lld%09ld\\n", (long long)now.tv_sec, now.tv_nsec);
    int fd = open(words[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return count == 2 && write(fd, text, size) == size ? 0 : 1;
}
"""


def stamp_program(folder: Path) -> list[str]:
    """A program that writes the moment of its first instruction into a file; ``date`` without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return ["/bin/sh", "-c", 'date +%s%N >"$0"']
    source, program = folder / "stamp.c", folder / "stamp"
    source.write_text(SOURCE)
    subprocess.run([compiler, "-O1", "-o", str(program), str(source)], check=True)
    return [str(program)]


def read_stamp(path: Path, deadline: float) -> float:
    """Unix seconds that the job wrote; it is looked for often, but by nobody that the engine would notice."""
    while True:
        try:
            text = path.read_text()
        except FileNotFoundError:
            text = ""
        if text.endswith("\n"):
            return int(text) / 1e9
        assert time.monotonic() < deadline, f"{path.name} was not written"
        time.sleep(0.002)


def bare_ms(words: list[str], path: Path) -> float:
    begun = time.time()
    pid = os.posix_spawn(words[0], [*words, str(path)], os.environ)
    os.waitpid(pid, 0)
    return (read_stamp(path, time.monotonic() + 5) - begun) * 1000


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    rounds = 5 if quick else 40
    say(f"submit to first instruction, {rounds} times")
    times: list[float] = []
    floors: list[float] = []
    with Engine() as engine:
        words = stamp_program(engine.home)
        for turn in range(rounds + 2):
            path = engine.home / f"stamp-{turn}"
            begun = time.time()
            engine.submit([{"command": [*words, str(path)]}], mem="16M")
            taken = (read_stamp(path, time.monotonic() + 10) - begun) * 1000
            floor = bare_ms(words, engine.home / f"bare-{turn}")
            if turn >= 2:  # the first ones warm the engine up
                times.append(taken)
                floors.append(floor)
            # Idle means idle: the end of this one is over and written before the next one comes.
            time.sleep(0.05)
    name = "submit -> first instruction, idle engine"
    floor = percentile(floors, 0.5)
    if not times:
        return [unmeasured(name, "ms", "no job ran")]
    return [
        Figure(f"{name}: median", percentile(times, 0.5), "ms", BUDGET_MS, peer=floor, peer_name="posix_spawn"),
        Figure("  p90", percentile(times, 0.9), "ms", peer=percentile(floors, 0.9), peer_name="posix_spawn"),
    ]

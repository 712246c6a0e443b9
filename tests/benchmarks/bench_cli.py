"""What a call of the command line costs: ``tidegate submit`` beside a Python that does nothing, in turn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.program import Engine, command

BUDGET = 3.0


def wall_ms(words: list[str], environ: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run(words, env=environ, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    rounds = 4 if quick else 25
    say(f"the command line, {rounds} rounds")
    with Engine() as engine:
        nothing = [sys.executable, "-c", "pass"]
        submit = command("submit", "--hold", "--", "/bin/true")
        listing = command("list", "--json")
        for words in (nothing, submit, listing):
            wall_ms(words, engine.environ)
        floors: list[float] = []
        submits: list[float] = []
        lists: list[float] = []
        for _ in range(rounds):
            floors.append(wall_ms(nothing, engine.environ))
            submits.append(wall_ms(submit, engine.environ))
            lists.append(wall_ms(listing, engine.environ))
    floor = middle(floors)
    return [
        Figure("CLI `submit`", middle(submits), "ms", BUDGET, by_ratio=True, peer=floor, peer_name="python -c pass"),
        Figure("  `list --json`", middle(lists), "ms", by_ratio=True, peer=floor, peer_name="python -c pass"),
    ]

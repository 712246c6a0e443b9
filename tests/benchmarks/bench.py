"""``bash packaging/dev.sh bench``: measures what D14 budgets, prints one table, and says what is missed.

Run as ``python -m tests.benchmarks.bench [--quick] [--only plan,cli] [--json FILE]`` from the checkout's root.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "app", ROOT / "tests", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from tests.benchmarks import (  # noqa: E402
    bench_advice,
    bench_cli,
    bench_gui,
    bench_idle,
    bench_latency,
    bench_plan,
    bench_planner,
    bench_queue,
    bench_sampler,
    bench_simulator,
    bench_throughput,
    program,
)
from tests.benchmarks.figures import Figure, table, unmeasured  # noqa: E402

Measure = Callable[[bool, Callable[[str], None]], list[Figure]]
MEASURES: dict[str, Measure] = {
    "plan": bench_plan.measure,
    "planner": bench_planner.measure,
    "advice": bench_advice.measure,
    "queue": bench_queue.measure,
    "simulator": bench_simulator.measure,
    "throughput": bench_throughput.measure,
    "latency": bench_latency.measure,
    "cli": bench_cli.measure,
    "idle": bench_idle.measure,
    "sampler": bench_sampler.measure,
    "gui": bench_gui.measure,
}


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measured(names: Sequence[str], quick: bool) -> list[Figure]:
    """The figures of these measures; one that breaks is a line of the table and does not cost the others."""
    figures: list[Figure] = []
    for name in names:
        try:
            figures += MEASURES[name](quick, say)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said in its line
            say(f"{name} failed: {error!r}")
            figures.append(unmeasured(name, "", str(error).strip().splitlines()[-1] if str(error) else repr(error)))
    return figures


def circumstances() -> str:
    """What a reader has to know to believe the figures."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, load {load:.1f} before, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the budgets of D14.")
    parser.add_argument("--quick", action="store_true", help="a short form, to see that everything can be measured")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(MEASURES)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    given = parser.parse_args(arguments)
    names = list(MEASURES) if given.only is None else given.only.split(",")
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        parser.error(f"there is no measure {unknown[0]!r}; there are {', '.join(MEASURES)}")
    # Told to end, it still takes its engines and their homes away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    before, begun = circumstances(), time.monotonic()
    try:
        figures = measured(names, given.quick)
    finally:
        program.remove_homes()
    print(table(figures))
    print(f"\n{before}; took {time.monotonic() - begun:.0f} s; ratio = figure / floor or peer")
    if given.json is not None:
        found = {"circumstances": before, "quick": given.quick, "figures": [figure.as_json() for figure in figures]}
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What ``plan()`` costs under every strategy, by the length of the queue (D14): other strategies than the default one
have 5 ms with 10,000 queued. Alone: ``python -m tests.benchmarks.bench --only planner``."""

from __future__ import annotations

import gc
from collections.abc import Callable

from tests.benchmarks.bench_plan import BUDGETS_MS, Queue, plan_times_ms
from tests.benchmarks.figures import Figure, percentile

from tidegate.core.policy import Policy
from tidegate.core.strategies.registry import BUILT_IN

OTHERS_BUDGETS_MS = {10_000: 5.0}


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    rounds = 60 if quick else 600
    for name in BUILT_IN:
        budgets = BUDGETS_MS if name == Policy().strategy else OTHERS_BUDGETS_MS
        before: float | None = None
        for queued in (200, 1_000) if quick else (1_000, 10_000, 100_000):
            say(f"plan() by {name} with {queued:,} queued")
            queue = Queue(queued, strategy=name)
            gc.collect()
            gc.freeze()
            plan_times_ms(queue, 30)
            times = plan_times_ms(queue, rounds)
            middle = percentile(times, 0.5)
            growth = "" if before is None else f"{middle / before:.2f} x the p50 of a tenth of the queue"
            label = f"plan(), {name}, {queued:,} queued"
            figures.append(Figure(f"{label}: p50", middle, "ms", note=growth))
            figures.append(Figure(f"{label}: p99", percentile(times, 0.99), "ms", budgets.get(queued)))
            before = middle
            gc.unfreeze()
            del queue
    return figures

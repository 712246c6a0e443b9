"""A long random campaign against the strategies: ``python -m tests.benchmarks.campaign SECONDS [FIRST_SEED]``."""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.campaign import judge
from tidegate.core.strategies.registry import BUILT_IN

SLOW_S = 10.0


def main() -> int:
    seconds, first = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    until, bad, looked = time.monotonic() + seconds, 0, 0
    for seed in count(first):
        for name in BUILT_IN:
            if time.monotonic() > until:
                print(f"{looked} scenarios, {bad} of them with something wrong")
                return 1 if bad else 0
            looked += 1
            begun = time.process_time()
            wrong = judge(name, seed)
            if (took_s := time.process_time() - begun) > SLOW_S:
                print(f"{name} {seed}: took {took_s:.0f} s", flush=True)
            bad += bool(wrong)
            for sentence in wrong:
                print(f"{name} {seed}: {sentence}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

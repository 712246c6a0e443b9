"""How long the best set of victims takes, by how many jobs run and how many things are short; prints a table."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator

from tidegate.core import victims
from tidegate.core.job import JobId
from tidegate.core.victims import Amounts, Candidate, best_set

NAMES = ("memory", "gpu:0", "gpu:1", "cores", "slots")
# What part of everything is short: a few jobs' worth, or anything up to most of it.
FEW, ANY = (0.02, 0.15), (0.05, 0.8)
# workstation: each job on one or two of up to eight cards, those that are short are hot; even: on any of the short
# ones, all sizes alike likely; heavy: a few large ones; twins: a few kinds; bound: the work lost follows the size.
KINDS = ("workstation", "even", "heavy", "twins", "bound")
GIB = 2**30


def situations(
    count: int, jobs: int, short: int, kind: str, part: tuple[float, float]
) -> Iterator[tuple[list[Candidate], Amounts]]:
    for number in range(count):
        draw = random.Random(f"{number} {jobs} {short} {kind}")
        names: tuple[str, ...] = NAMES[:short]
        if kind == "workstation":
            cards = draw.randint(max(1, short - 1), 8)
            names = ("memory", *(f"gpu:{card}" for card in draw.sample(range(cards), short - 1)))
            candidates = [_user_job(draw, JobId(i + 1), cards) for i in range(jobs)]
        else:
            candidates = [_candidate(draw, JobId(i + 1), short, kind) for i in range(jobs)]
        wanted = draw.uniform(*part)
        totals = {name: sum(candidate.gives.get(name, 0) for candidate in candidates) for name in names}
        yield candidates, {name: int(total * wanted * draw.uniform(0.6, 1.0)) for name, total in totals.items()}


def _user_job(draw: random.Random, id: JobId, cards: int) -> Candidate:
    """One to two cards, a few GiB of memory and of each card, and minutes to hours of work."""
    on = draw.sample(range(cards), min(cards, draw.choice((1, 1, 1, 2))))
    gives = {"memory": int(GIB * draw.lognormvariate(0.5, 1))}
    gives |= {f"gpu:{card}": int(GIB * draw.lognormvariate(1, 0.7)) for card in on}
    return Candidate(id, 0, gives, draw.lognormvariate(7, 1.5))


def _candidate(draw: random.Random, id: JobId, short: int, kind: str) -> Candidate:
    if kind == "twins":
        draw = random.Random(draw.randrange(6))
    gives = {}
    for name in NAMES[:short]:
        if name.startswith("gpu") and draw.random() < 0.4:
            continue
        gives[name] = int(10_000 * draw.paretovariate(1.2)) if kind == "heavy" else draw.randrange(1, 100_000)
    loss_s = sum(gives.values()) / 30 + draw.random() if kind == "bound" else draw.uniform(0, 10_000)
    return Candidate(id, 0, gives, loss_s)


def solve(most_compared: int, *situation: object) -> tuple[list[float], list[tuple[int, float]]]:
    """Milliseconds of CPU, and (jobs, work lost) of each answer, with a search of this length at most."""
    victims.MOST_COMPARED = most_compared
    taken, answers = [], []
    for candidates, shortage in situations(*situation):  # type: ignore[arg-type]
        began = time.process_time()
        chosen = best_set(candidates, shortage) or ()
        taken.append((time.process_time() - began) * 1000)
        answers.append((len(chosen), sum(candidate.loss_core_s for candidate in chosen)))
    return sorted(taken), answers


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    usual = victims.MOST_COMPARED
    print("jobs short kind        part          p50    p99  worst ms  fewest jobs  least lost  (else at most)")
    for part in (FEW, ANY):
        for jobs in (24, 64):
            for short in (1, 3, 5):
                for kind in KINDS:
                    taken, answers = solve(usual, count, jobs, short, kind, part)
                    _, best = solve(100 * usual, count, jobs, short, kind, part)
                    fewest = sum(ours[0] == theirs[0] for ours, theirs in zip(answers, best, strict=True))
                    over = [ours[1] / max(theirs[1], 1.0) - 1 for ours, theirs in zip(answers, best, strict=True)]
                    least = sum(extra < 1e-3 for extra in over)
                    print(
                        f"{jobs:4} {short:5} {kind:11} {part[0]:.2f}-{part[1]:.2f} {taken[count // 2]:7.2f}"
                        f"{taken[count * 99 // 100]:7.2f} {taken[-1]:7.2f} {fewest:10}/{count} {least:8}/{count}"
                        f" {max(over):10.1%}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()

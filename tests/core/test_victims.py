"""Victims against an oracle that tries every set: fewest jobs that meet every shortage, then the least work lost."""

from __future__ import annotations

import os
import random
from itertools import chain, combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.job import JobId
from tidegate.core.victims import Candidate, best_set

SITUATIONS = int(os.environ.get("VICTIM_SITUATIONS", "1500"))  # the long form: 20000
SHORT = ("memory", "gpu:0", "gpu:1")
JOBS, MOST = 24, 5


def situation(number: int) -> tuple[list[Candidate], dict[str, float]]:
    """24 running jobs, each on no card, one or both; memory and two cards short, by a few jobs' worth of each."""
    draw = random.Random(f"victims {number}")
    candidates = []
    for i in range(JOBS):
        cards = draw.choice(((), (0,), (1,), (0, 1)))
        gives = {"memory": draw.randrange(100, 12_000)} | {f"gpu:{card}": draw.randrange(100, 12_000) for card in cards}
        candidates.append(Candidate(JobId(i + 1), 0, gives, draw.randrange(100_000)))
    return candidates, {name: draw.randrange(1_000, 18_000) for name in SHORT}


WIDTH = 20  # bits for each sum; the highest says "enough" when the need was taken off
ENOUGH = sum(1 << (WIDTH * place + WIDTH - 1) for place in range(len(SHORT)))
SUMS = (1 << WIDTH * len(SHORT)) - 1


def tried_one_by_one(candidates: list[Candidate], shortage: dict[str, float]) -> tuple[int, float] | None:
    """Size and loss of the best of all sets of at most five; None when none meets every shortage.

    A job's amounts and its loss stand in one number, so that one sum adds them all.
    """
    numbers = [
        sum(int(c.gives.get(name, 0)) << WIDTH * place for place, name in enumerate(SHORT))
        + (int(c.loss_core_s) << WIDTH * len(SHORT))
        for c in candidates
    ]
    needs = sum(int(shortage[name]) << WIDTH * place for place, name in enumerate(SHORT))
    for size in range(MOST + 1):
        totals = map(sum, combinations(numbers, size))
        meet = [total for total in totals if ((total & SUMS) + ENOUGH - needs) & ENOUGH == ENOUGH]
        if meet:
            return size, float(min(meet) >> WIDTH * len(SHORT))
    return None


def in_order(candidates: list[Candidate], shortage: dict[str, float]) -> int:
    """How many a plain order by score takes: who gives most of what is short, all of it together, first."""
    left, count = dict(shortage), 0
    ordered = sorted(candidates, key=lambda c: -sum(c.gives.get(n, 0) / need for n, need in shortage.items()))
    for candidate in ordered:
        if all(amount <= 0 for amount in left.values()):
            break
        count += 1
        for name, amount in candidate.gives.items():
            left[name] -= amount
    return count if all(amount <= 0 for amount in left.values()) else JOBS + 1


def test_whenever_five_jobs_can_meet_memory_and_both_cards_the_fewest_with_the_least_loss_are_found() -> None:
    possible = plain = 0
    for number in range(SITUATIONS):
        candidates, shortage = situation(number)
        chosen, best = best_set(candidates, shortage), tried_one_by_one(candidates, shortage)
        if best is None:
            assert chosen is None or len(chosen) > MOST, f"situation {number}: no five meet it, {chosen} are said to"
            continue
        assert chosen is not None, f"situation {number}: {best[0]} jobs meet it and none were found"
        for name, need in shortage.items():
            assert sum(c.gives.get(name, 0) for c in chosen) >= need, f"situation {number}: {name} stays short"
        assert (len(chosen), sum(c.loss_core_s for c in chosen)) == best, f"situation {number}: a better set exists"
        possible += 1
        plain += in_order(candidates, shortage) <= MOST
    assert possible > SITUATIONS // 2
    print(f"{possible} of {SITUATIONS} can be met by five; a plain order by score meets {plain / possible:.3f} of them")
    assert plain < possible, "the situations are too easy to tell anything"


AMOUNT = st.integers(0, 6)
CANDIDATE = st.tuples(st.integers(0, 2), AMOUNT, AMOUNT, AMOUNT, st.integers(0, 4))


@settings(max_examples=300, deadline=None)
@given(st.lists(CANDIDATE, max_size=9), st.tuples(AMOUNT, AMOUNT, AMOUNT))
def test_the_most_important_tier_is_spared_first_then_the_next_then_work(
    jobs: list[tuple[int, ...]], needs: tuple[int, ...]
) -> None:
    candidates = [
        Candidate(JobId(i), tier, dict(zip(SHORT, gives, strict=True)), loss)
        for i, (tier, *gives, loss) in enumerate(jobs)
    ]
    shortage = dict(zip(SHORT, needs, strict=True))

    def cost(chosen: tuple[Candidate, ...]) -> tuple[float, ...]:
        return (*(sum(c.tier == tier for c in chosen) for tier in (2, 1, 0)), sum(c.loss_core_s for c in chosen))

    def meets(chosen: tuple[Candidate, ...]) -> bool:
        return all(sum(c.gives[name] for c in chosen) >= need for name, need in shortage.items())

    every = chain.from_iterable(combinations(candidates, size) for size in range(len(candidates) + 1))
    best = min((cost(chosen) for chosen in every if meets(chosen)), default=None)
    found = best_set(candidates, shortage)
    assert (best is None) == (found is None)
    if found is not None:
        assert meets(found), "a set that does not meet what is short"
        assert cost(found) == best, "a set that costs more than it must"
        assert [c.tier for c in found] == sorted(c.tier for c in found), "the least important one is taken first"


def test_many_alike_are_as_good_as_any_and_nothing_short_needs_nobody() -> None:
    alike = [Candidate(JobId(i), 0, {"memory": 10, "cores": 1.0}, 5.0) for i in range(64)]
    found = best_set(alike, {"memory": 255, "cores": 3})
    assert found is not None
    assert len(found) == 26
    assert best_set(alike, {"memory": 0}) == ()
    assert best_set(alike, {"memory": 641}) is None
    assert best_set([], {"memory": 1}) is None
    assert best_set(alike, {"slots": 1}) is None

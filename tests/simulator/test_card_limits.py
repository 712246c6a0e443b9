"""Recorded GPU work on simulated cards: at no moment is more given of a card than there is, however it is placed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tidegate.core.placement import PLACEMENTS
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.simulator.cards import fake_card
from tidegate.simulator.report import Report
from tidegate.simulator.scenario import Machine, Scenario, simulate
from tidegate.simulator.workload import TraceJob, Workload, read_csv

DATA = Path(os.environ.get("TIDEGATE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "traces"
TRACE = DATA / "philly_ed69ec.csv.gz"
CARDS, CARD_BYTES = 8, 24 * GIB


def a_slice(seed: int, jobs: int = 200) -> Workload:
    """So many jobs in a row, in a hundredth of their time; those of one card want all of it, a part, or it alone."""
    random = Random(seed)
    recorded = read_csv(TRACE).jobs
    first = random.randrange(len(recorded) - jobs)
    began = recorded[first].submit_s
    return Workload("slice", tuple(_drawn(random, job, began) for job in recorded[first : first + jobs]))


def _drawn(random: Random, job: TraceJob, began: float) -> TraceJob:
    assert job.spec.gpu is not None
    count = min(job.spec.gpu.count, CARDS)
    if count == 1:
        count = random.choice((0.25, 0.5, 0.5, 1.0))
    held = random.choice((None, 1, 4, 10))
    memory = None if held is None else held * GIB
    request = GpuRequest(float(count), memory, exclusive=count >= 1 and random.random() < 0.2)
    length_s = max(1.0, job.behaviour.duration_s / 100)
    spec = replace(job.spec, gpu=request, cores=0.5, memory_bytes=64 * MIB, time_limit_s=length_s, command=(job.id,))
    does = replace(
        job.behaviour, duration_s=length_s, cores=0.5, memory_bytes=64 * MIB, gpu_memory_bytes=(held or 2) * GIB
    )
    return replace(job, submit_s=(job.submit_s - began) / 100, spec=spec, behaviour=does)


def given_at_most(report: Report) -> dict[int, tuple[float, int]]:
    """Of each card the largest share and promise of memory given at one time, from what was written down; and nobody
    beside those who have it alone."""
    changes = []
    for _, job in report.jobs:
        request, [run] = job.spec.gpu, job.attempts
        assert request is not None
        assert len(run.devices) == request.cards
        for card in run.devices:
            changes += [(run.started_at, 1, card, request), (run.ended_at, 0, card, request)]
    there: dict[int, list[GpuRequest]] = {}
    most: dict[int, tuple[float, int]] = {}
    for _, begins, card, request in sorted(changes, key=lambda each: each[:3]):
        now = there.setdefault(card, [])
        if not begins:
            now.remove(request)
            continue
        now.append(request)
        assert len(now) == 1 or not any(each.exclusive or each.memory_bytes is None for each in now)
        share, memory = sum(each.share for each in now), sum(each.memory_bytes or 0 for each in now)
        most[card] = (max(share, most.get(card, (0, 0))[0]), max(memory, most.get(card, (0, 0))[1]))
    return most


@pytest.mark.skipif(not TRACE.exists(), reason=f"{TRACE.name} is not here: it is read from TIDEGATE_TEST_DATA")
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_no_card_is_given_twice(placement: str) -> None:
    policy = Policy(placement=placement, max_workers=100)
    machine = Machine(64, 256 * GIB, tuple(fake_card(index, CARD_BYTES) for index in range(CARDS)))
    report = simulate(Scenario(a_slice(seed=3), machine, policy))
    assert (report.measures.succeeded, report.unfinished, report.refused) == (200, 0, ())
    most = given_at_most(report)
    assert all(share <= 1.0 + 1e-9 and memory <= 0.95 * CARD_BYTES for share, memory in most.values()), most
    assert max(share for share, _ in most.values()) == 1.0, "cards are used"

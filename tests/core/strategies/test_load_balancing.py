"""load_balancing: takes what matches what is free, and spreads jobs over cards whatever the policy says."""

from __future__ import annotations

import pytest

from support.quick_world import QuickWorld
from tidegate.core.machine import GpuReading
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, GpuRequest


def test_the_job_whose_needs_complement_what_runs_goes_first() -> None:
    world = QuickWorld(Policy(strategy="load_balancing"), cores=8, memory_bytes=64 * GIB)
    world.submit(1000.0, 0.0, cores=6.0, memory_bytes=GIB)
    world.submit(10.0, 0.0, cores=2.0, memory_bytes=GIB)
    # Both fit when two cores get free; memory is what there is plenty of.
    of_cores = world.submit(50.0, 1.0, cores=2.0, memory_bytes=GIB)
    of_memory = world.submit(50.0, 2.0, cores=1.5, memory_bytes=40 * GIB)
    world.run()
    assert world.started[of_memory] == [10.0]
    assert world.started[of_cores] == [60.0]


def test_patience_beats_a_better_match() -> None:
    options = (("load_balancing.patience_s", 60.0),)
    world = QuickWorld(Policy(strategy="load_balancing", strategy_options=options), cores=1)
    world.submit(100.0, 0.0)
    early = world.submit(10.0, 1.0, memory_bytes=0)
    late = world.submit(10.0, 99.0, memory_bytes=40 * GIB)
    world.run()
    assert world.started[early] < world.started[late]


@pytest.mark.parametrize(("strategy", "together"), [("load_balancing", False), ("priority_based", True)])
def test_its_jobs_are_spread_over_cards(strategy: str, together: bool) -> None:
    cards = tuple(GpuReading(n, f"gpu-{n}", "V100", 16 * GIB, 0, utilisation_pct=0.0) for n in range(2))
    world = QuickWorld(Policy(strategy=strategy, placement="pack"), gpus=cards)
    ids = [world.submit(10.0, at, gpu=GpuRequest(0.4, GIB)) for at in (0.0, 1.0)]
    world.run(until=5.0)
    devices = [world.state.jobs[id].attempts[-1].devices for id in ids]
    assert (devices[0] == devices[1]) is together

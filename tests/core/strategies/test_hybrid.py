"""hybrid: what each factor does alone, and that lanes keep the order that scores would give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.quick_world import QuickWorld
from tidegate.core.job import JobId
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, GpuRequest
from tidegate.core.strategies.hybrid import Hybrid, smallness
from tidegate.core.strategies.order import in_order

DAY = 86_400.0
NOTHING = {"priority": 0.0, "age": 0.01, "fair_share": 0.0, "size": 0.0, "deadline": 0.0}


def a_world(**weights: float) -> QuickWorld:
    """One core, taken for a long time by nobody's job: whoever waits can be asked in which order."""
    options = tuple((f"hybrid.{name}", value) for name, value in (NOTHING | weights).items())
    world = QuickWorld(Policy(strategy="hybrid", strategy_options=options), cores=1)
    world.submit(30 * DAY, user="nobody")
    return world


def order(world: QuickWorld, now: float) -> list[JobId]:
    world.run(until=now)
    return list(in_order(world.state, now))


def test_priority() -> None:
    world = a_world(priority=1.0)
    ids = [world.submit(1.0, 1.0, priority=priority) for priority in (5, 9, 0)]
    assert order(world, 2.0) == [ids[2], ids[0], ids[1]]


def test_age_makes_up_for_priority_and_for_size() -> None:
    world = a_world(priority=1.0, age=1.0, size=0.5)
    old = world.submit(1.0, 0.0, priority=9, memory_bytes=32 * GIB)
    young = world.submit(1.0, 1.3 * DAY, priority=0)
    younger = world.submit(1.0, 1.6 * DAY, priority=0)
    assert order(world, 1.7 * DAY) == [young, old, younger]


def test_fair_share() -> None:
    world = a_world(fair_share=1.0)
    busy = world.submit(1.0, 2.0, user="nobody")
    idle = world.submit(1.0, 3.0, user="alice")
    assert order(world, 3600.0) == [idle, busy]


def test_size() -> None:
    world = a_world(size=1.0)
    large = world.submit(1.0, 1.0, memory_bytes=32 * GIB)
    small = world.submit(1.0, 2.0, memory_bytes=GIB)
    assert order(world, 3.0) == [small, large]
    spec = world.state.jobs[small].spec
    assert smallness(spec) == 1.0
    assert smallness(world.state.jobs[large].spec) == pytest.approx(1 / 8)


def test_a_job_that_would_miss_its_deadline_rises() -> None:
    world = a_world(priority=1.0, deadline=2.0)
    important = world.submit(1.0, 1.0, priority=0)
    due = world.submit(1.0, 1.0, priority=9, deadline_at=DAY, time_limit_s=3600.0)
    assert order(world, 10.0) == [important, due], "there is time enough"
    assert order(world, 22.5 * 3600.0) == [due, important], "it has to start within half an hour"


def test_earlier_deadlines_first() -> None:
    world = a_world(deadline=2.0)
    late = world.submit(1.0, 1.0, deadline_at=10 * 3600.0, time_limit_s=600.0)
    long = world.submit(1.0, 2.0, deadline_at=12 * 3600.0, time_limit_s=4 * 3600.0)
    never = world.submit(1.0, 0.5)
    assert order(world, 3600.0) == [long, late, never]


jobs = st.fixed_dictionaries(
    {
        "priority": st.sampled_from([0, 5]),
        "cores": st.sampled_from([1.0, 2.0, 8.0]),
        "memory_bytes": st.sampled_from([GIB, 16 * GIB]),
        "gpu": st.sampled_from([None, GpuRequest(1)]),
        "user": st.sampled_from([None, "alice"]),
    }
)


@given(st.lists(st.tuples(jobs, st.floats(0, 1e6)), min_size=2, max_size=8), st.floats(1e6, 1e7))
def test_in_a_lane_the_order_is_that_of_the_scores(asked: list[tuple[dict[str, object], float]], now: float) -> None:
    """Whoever stands before another in a lane has at no time the lower score: age cancels."""
    strategy, world = Hybrid(), QuickWorld(checked=False)
    for fields, at in asked:
        world.submit(1e9, at, **fields)
    world.run(until=1e6)
    waiting = list(world.state.jobs.values())

    def score(job) -> float:
        return strategy.age * (now - job.submitted_at) / DAY + strategy.size * smallness(job.spec)

    for one in waiting:
        for other in waiting:
            if strategy.lane(one) == strategy.lane(other) and strategy.order(one) < strategy.order(other):
                assert score(one) >= score(other) - 1e-9

"""The relay in stories: moments' work is handed over ahead of time, and nothing else comes of it than speed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.world import World, a_job
from tidegate.core.job import JobId, Starting
from tidegate.core.policy import Policy
from tidegate.engine.ports import Command, StartRequest, Verb

MOMENT_S = 0.002


class Counted:
    """Looks at the machine at every start: how many run at once, in which order, and who started how often."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.order: list[str] = []
        self.most = 0
        start = world.machine._start

        def counted(request: StartRequest) -> None:
            start(request)
            self.order.append(request.job)
            self.most = max(self.most, len(world.machine.running()))

        world.machine._start = counted  # type: ignore[method-assign]


def a_moment(seconds: float = MOMENT_S) -> object:
    return a_job("moment").needing("200M").lasting(seconds)


def waiting(world: World) -> list[JobId]:
    """Jobs that were handed over and wait for a place."""
    state = world.engine.state
    return [id for id, job in state.active.items() if state.waits_behind(job)]


def advance_until(world: World, what: Callable[[], object], step_s: float = MOMENT_S / 4) -> None:
    for _ in range(4000):
        if what():
            return
        world.advance(step_s)
    raise AssertionError("it did not come to that within 4000 steps")


@pytest.fixture
def world() -> World:
    return World(Policy(max_workers=2), cores=2)


def test_moments_run_once_each_in_order_and_never_more_at_once_than_there_are_places(world: World) -> None:
    counted = Counted(world)
    ids = world.submit(*(a_moment() for _ in range(300)))
    advance_until(world, lambda: waiting(world))
    assert all(world.job(id).attempts[-1].started_at is None for id in waiting(world))
    world.advance(2.0)
    assert set(world.statuses(ids)) == {"succeeded"}
    assert counted.order == [str(id) for id in ids], "as they stood in line"
    assert counted.most == 2


def test_places_are_taken_without_a_tick_between_them(world: World) -> None:
    ids = world.submit(*(a_moment() for _ in range(200)))
    advance_until(world, lambda: waiting(world))
    begun = world.clock.now()
    world.advance(1.0)
    ends = [world.job(id).attempts[-1].ended_at for id in ids]
    assert max(end for end in ends if end is not None) - begun <= 200 * MOMENT_S / 2, "no place stood empty"


def test_longer_jobs_are_left_to_the_planner(world: World) -> None:
    world.submit(*(a_moment(0.2) for _ in range(30)))
    for _ in range(200):
        world.advance(0.02)
        assert waiting(world) == []


def test_jobs_of_which_nothing_is_known_are_left_to_the_planner(world: World) -> None:
    world.submit(*(a_job().lasting(MOMENT_S) for _ in range(30)))
    for _ in range(100):
        world.advance(0.01)
        assert waiting(world) == []


def test_paused_queue_calls_back_what_has_not_begun(world: World) -> None:
    counted = Counted(world)
    ids = world.submit(*(a_moment() for _ in range(100)))
    advance_until(world, lambda: waiting(world))
    world.command(Command(Verb.PAUSE, None))
    assert waiting(world) == []
    begun = len(counted.order)
    world.advance(5.0)
    assert len(counted.order) == begun, "nothing starts while the queue is paused"
    assert {world.status(id) for id in ids} == {"succeeded", "paused", "queued"}
    world.command(Command(Verb.RESUME, None))
    world.advance(5.0)
    assert set(world.statuses(ids)) == {"succeeded"}
    assert counted.order == [str(id) for id in ids]


def test_cancelled_before_its_place_was_free_never_runs(world: World) -> None:
    counted = Counted(world)
    ids = world.submit(*(a_moment() for _ in range(60)))
    advance_until(world, lambda: len(waiting(world)) > 5)
    victim = waiting(world)[3]
    world.command(Command(Verb.CANCEL, (victim,)))
    world.advance(2.0)
    assert world.status(victim) == "cancelled"
    assert str(victim) not in counted.order
    assert {world.status(id) for id in ids if id != victim} == {"succeeded"}
    assert len(counted.order) == len(set(counted.order)) == 59


def test_long_job_among_moments_holds_up_nobody_for_long(world: World) -> None:
    jobs = [a_moment() for _ in range(60)]
    jobs[20] = a_moment(30.0)
    ids = world.submit(*jobs)
    world.advance(0.4)
    left = [id for id in ids if world.status(id) != "succeeded"]
    assert left == [ids[20]], "those behind it were called back and took the other place"


def test_important_latecomer_passes_all_that_was_not_handed_over(world: World) -> None:
    counted = Counted(world)
    world.submit(*(a_moment() for _ in range(200)))
    advance_until(world, lambda: waiting(world))
    handed = len(counted.order) + len(waiting(world))
    (urgent,) = world.submit(a_job("urgent").needing("200M").with_priority(0).lasting(1.0))
    world.advance(2.0)
    assert counted.order.index(str(urgent)) <= handed


def test_job_of_another_kind_is_not_passed(world: World) -> None:
    counted = Counted(world)
    jobs = [a_moment() for _ in range(80)]
    jobs[40] = a_job("bigger").needing("900M").lasting(MOMENT_S)
    ids = world.submit(*jobs)
    world.advance(3.0)
    assert counted.order[:41] == [str(id) for id in ids[:41]]
    assert set(world.statuses(ids)) == {"succeeded"}
    # Places of two kinds may be left at different moments: then an order of start is a few hundredths of a second off.
    assert all(abs(counted.order.index(str(id)) - turn) <= 16 for turn, id in enumerate(ids))


def test_crash_loses_nothing_and_runs_nothing_twice(world: World) -> None:
    counted = Counted(world)
    ids = world.submit(*(a_moment() for _ in range(150)))
    for _ in range(4):
        advance_until(world, lambda: len(waiting(world)) > 3)
        world.restart()
        assert waiting(world) == []
    world.advance(3.0)
    assert set(world.statuses(ids)) == {"succeeded"}
    assert sorted(counted.order, key=int) == [str(id) for id in ids]


def test_emergency_calls_back_what_has_not_begun(world: World) -> None:
    ids = world.submit(*(a_moment() for _ in range(2000)))
    advance_until(world, lambda: waiting(world))
    world.machine.others_bytes = int(world.machine.memory_bytes * 0.97)
    advance_until(world, lambda: world.engine.state.machine.mode.value == "EMERGENCY", 0.01)
    world.advance(0.001)
    assert waiting(world) == []
    assert not [id for id in ids if isinstance(world.job(id).status, Starting)]


def test_start_that_fails_leaves_its_place_to_the_next(world: World) -> None:
    jobs = [a_moment() for _ in range(60)]
    jobs[30] = a_moment().unable_to_start("There is no such program.")  # type: ignore[attr-defined]
    ids = world.submit(*jobs)
    world.advance(2.0)
    assert world.status(ids[30]) == "failed"
    assert {world.status(id) for id in ids if id != ids[30]} == {"succeeded"}

"""Reads of the desk from other threads while the engine changes State as fast as it can: never an error, never torn."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.kept_settings import KeptSettings
from support.world import World, a_job
from tidegate.core.forecast import _Ahead
from tidegate.core.job import Job, JobId
from tidegate.engine.desk import LocalDesk
from tidegate.engine.ports import Command, Notice, Submitted, Verb
from tidegate.engine.views import MachineSample, TickView

HAMMER_S = 2.0
TERMINAL = {"queued", "held", "starting", "running", "paused", "stopping", "finished"}


class NoHistory:
    """Memory is all there is."""

    def job(self, id: JobId) -> tuple[Job, ...]:
        return ()

    def finished(self, before: float | None, limit: int | None) -> list[Job]:
        return []

    def ticks(self, since: float | None, job: JobId | None, limit: int) -> list[TickView]:
        return []

    def samples(self, since: float, until: float) -> list[MachineSample]:
        return []

    def notices(self, before: int | None, limit: int) -> list[Notice]:
        return []


@pytest.fixture
def often_switching() -> Iterator[None]:
    """Threads change places a thousand times more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def a_desk(world: World, loop: asyncio.AbstractEventLoop) -> LocalDesk:
    async def never(_stop_jobs: bool) -> None:
        raise AssertionError

    return LocalDesk(
        world.engine,
        NoHistory(),
        loop=loop,
        version="0",
        kind="test",
        pid_of=lambda _identity: None,
        log_path=lambda job, attempt: f"/log/{job}-{attempt}",
        dropped=lambda _path: None,
        shut_down=never,
        settings=KeptSettings(),
    )


def hammer(read: Callable[[], object], stop: threading.Event, errors: list[BaseException], counts: list[int]) -> None:
    while not stop.is_set():
        try:
            read()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            errors.append(error)
            return
        counts.append(1)


@pytest.mark.usefixtures("often_switching")
def test_reads_from_other_threads_survive_an_engine_that_never_rests() -> None:
    world = World(cores=4)
    loop = asyncio.new_event_loop()
    desk = a_desk(world, loop)
    [held] = world.submit(a_job().needing("10M").having(held=True))
    world.submit(a_job().having(array=(1, 2, 3), array_size=3, held=True))

    def all_jobs() -> None:
        views = desk.jobs(finished=None)
        assert len({view.id for view in views}) == len(views)
        assert {view.status for view in views} <= TERMINAL

    def a_page() -> None:
        assert len(desk.jobs(limit=5)) <= 5

    def one_and_an_array() -> None:
        assert desk.job(held)[0].name == "job"
        assert len(desk.job(JobId(2))) == 3

    def status() -> None:
        assert desk.status().counts["held"] >= 0

    stop, errors, counts = threading.Event(), list[BaseException](), list[int]()
    reads = (all_jobs, a_page, one_and_an_array, status)
    threads = [threading.Thread(target=hammer, args=(read, stop, errors, counts)) for read in reads]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + HAMMER_S
    while time.monotonic() < ends and not errors:
        jobs = world.submit(
            *[a_job(f"n{number}").needing("10M").with_priority(number % 7).lasting(0.3) for number in range(12)]
        )
        world.command(Command(Verb.HOLD, tuple(jobs[:2])))
        world.advance(0.2)
        world.command(Command(Verb.PAUSE, None))
        world.command(Command(Verb.RESUME, None))
        world.command(Command(Verb.RELEASE, tuple(jobs[:2])))
        world.advance(1.5)
        world.engine.finished_in_memory = 20
    stop.set()
    for thread in threads:
        thread.join(20)
    loop.close()
    assert errors == []
    assert len(counts) > 20


def test_an_error_in_the_engines_own_thread_is_not_tried_again() -> None:
    world = World()
    loop = asyncio.new_event_loop()
    desk = a_desk(world, loop)
    tried: list[int] = []

    def broken() -> object:
        tried.append(1)
        raise KeyError

    with pytest.raises(KeyError):
        desk._reading.steady(broken)
    assert tried == [1]
    loop.close()


def test_who_gives_up_waiting_leaves_nothing_behind_and_no_job_is_no_wait() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500))

    async def ask() -> tuple[object, object, object]:
        desk = a_desk(world, asyncio.get_running_loop())
        return await desk.wait([job], 0.01), await desk.wait([], 1.0), await desk.wait([JobId(77)], 1.0)

    timed_out, nothing, unknown = asyncio.run(ask())
    assert timed_out is None
    assert nothing == []
    assert unknown == []
    assert world.engine.runs._finished == {}


def test_whether_a_deadline_is_made_is_planned_ahead_in_another_thread() -> None:
    world = World(cores=4)
    late = a_job().needing("1G").having(time_limit_s=600.0, deadline_at=world.clock.now() + 60)
    planning: list[threading.Thread] = []
    desk = a_desk(world, loop := asyncio.new_event_loop())

    async def submit() -> list[Submitted]:
        task = asyncio.ensure_future(desk.submit([world.submission(late)]))
        while not task.done():
            await asyncio.sleep(0)
            world.clock.settle()
        return await task

    with pytest.MonkeyPatch.context() as patch:
        real = _Ahead.go_on

        def go_on(self: _Ahead, *wanted: Any) -> None:
            planning.append(threading.current_thread())
            real(self, *wanted)

        patch.setattr(_Ahead, "go_on", go_on)
        [answer] = loop.run_until_complete(submit())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert "will not make its deadline" in answer.warnings[0]
    assert planning
    assert threading.current_thread() not in planning

"""What it costs that a job has begun: no plan of its own, and still everything that hangs on its start."""

from __future__ import annotations

import pytest

from support.world import World, a_job
from tidegate.core.policy import Policy
from tidegate.engine.engine import Engine


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments at which it was planned."""
    moments: list[float] = []
    decide = Engine._decide
    monkeypatch.setattr(Engine, "_decide", lambda self, now: moments.append(now) or decide(self, now))
    return moments


def test_that_a_job_runs_gives_nobody_a_place_so_nothing_is_planned(planned: list[float]) -> None:
    world = World()
    planned.clear()
    [job] = world.submit(a_job().needing("1G").lasting(60))
    assert world.status(job) == "running"
    assert len(planned) == 1, "once for the submission"


def test_its_time_limit_holds_although_no_sample_and_no_plan_came_since(planned: list[float]) -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(60).having(time_limit_s=20.0))
    world.machine.stop_sampling()
    world.advance(19.9)
    assert world.status(job) == "running"
    world.advance(0.2)
    assert world.status(job) == "timed_out"


def test_a_strategy_that_rotates_is_asked_at_every_start(planned: list[float]) -> None:
    world = World(Policy(strategy="time_slicing"))
    planned.clear()
    world.submit(a_job().needing("1G").lasting(60))
    assert len(planned) == 2

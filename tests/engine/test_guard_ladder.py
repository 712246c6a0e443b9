"""The guard's ladder as stories (D7): freeze, then the mildest step that is enough, one at a time; and the way back."""

from __future__ import annotations

from support.world import World, a_job, size
from tidegate.core.job import Attempt
from tidegate.core.machine import Mode
from tidegate.core.policy import Policy
from tidegate.engine.ports import Command, Verb


def kinds(world: World, kind: str) -> list[str]:
    return [str(tick.first.job) for tick in world.disk.ticks if tick.first.kind == kind for _ in range(tick.repeats)]


def outcomes(attempts: tuple[Attempt, ...]) -> list[str | None]:
    return [attempt.outcome.value if attempt.outcome is not None else None for attempt in attempts]


def test_a_growing_job_is_frozen_at_the_crossing_and_others_run_on() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    grower, calm = world.submit(
        a_job("grower").needing("1G").growing("300M").with_priority(8).lasting(500),
        a_job("calm").needing("2G").with_priority(8).lasting(500),
    )
    world.advance(60)
    assert world.statuses([grower, calm]) == ["paused", "running"]
    assert world.machine.killed == []


def test_least_important_class_first_then_over_promise_then_fastest_growing() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    honest, liar, important = world.submit(
        a_job("honest").needing("2G").with_priority(8).lasting(900),
        a_job("liar").needing("1G").using("2G").with_priority(2).lasting(900),
        a_job("important").needing("1G").with_priority(1).lasting(900),
    )
    world.advance(3)
    world.machine.others_bytes = size("9.8G")
    world.advance(1.1)
    assert kinds(world, "paused") == [str(liar)]
    assert world.statuses([honest, important]) == ["running", "running"]


def test_frozen_jobs_are_not_ended_while_there_is_more_than_the_reserve() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job().needing("4G").with_priority(8).lasting(5000))
    world.advance(2)
    world.machine.others_bytes = size("10.9G")
    world.advance(600)
    assert world.status(job) in ("paused", "running")
    assert world.machine.killed == []
    assert not kinds(world, "stopping")


def test_below_the_reserve_one_victim_is_ended_at_a_time_with_a_settle_time_between() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=16)
    world.submit(*[a_job().needing("1G").with_priority(8).lasting(5000) for _ in range(6)])
    world.advance(2)
    world.machine.others_bytes = size("9.6G")
    world.advance(2)
    assert len(kinds(world, "stopping")) <= 1
    world.advance(60)
    ended = kinds(world, "stopping")
    assert 1 <= len(ended) <= 2, "as many as are needed, not all"


def test_a_thaw_that_brings_the_emergency_back_costs_one_step_and_not_one_for_every_sample() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=16)
    # Each grows only while it runs, and quickly: every thaw brings the emergency back.
    jobs = world.submit(
        *[a_job().needing("2G").growing("150M").with_priority(8).lasting(5000).having(retries=1) for _ in range(4)]
    )
    world.advance(20)
    assert "paused" in world.statuses(jobs)
    before = len(kinds(world, "stopping"))
    world.advance(3)
    assert len(kinds(world, "stopping")) - before <= 2


def test_no_job_is_thawed_more_than_three_times_an_hour_without_its_user() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job().needing("4G").with_priority(8).lasting(50_000))
    world.advance(2)
    for _ in range(8):
        world.machine.others_bytes = size("11G")
        world.advance(10)
        world.machine.others_bytes = size("1G")
        world.advance(80)
    assert len(kinds(world, "resumed")) == 3
    assert world.status(job) == "paused"
    assert "again and again" in world.sentence(job)
    world.command(Command(Verb.RESUME, (job,)))
    world.advance(2)
    assert world.status(job) == "running"


def test_memory_that_others_hold_for_long_lets_one_frozen_job_try_all_the_same() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job().needing("2G").with_priority(8).lasting(20))
    world.advance(2)
    world.machine.others_bytes = size("12.9G")
    world.advance(1)
    assert world.status(job) == "paused"
    world.advance(25)
    assert world.status(job) == "paused"
    world.advance(10)
    assert world.engine.state.machine.mode is Mode.EMERGENCY
    assert world.status(job) == "running"
    world.advance(50)
    assert world.status(job) == "succeeded"


def test_a_thaw_waits_for_free_cores_and_nobody_of_its_priority_takes_them_first() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=2)
    [wide] = world.submit(a_job("wide").needing("4G").on_cores(2).with_priority(5).lasting(100))
    world.advance(2)
    world.machine.others_bytes = size("11.2G")
    world.advance(1.2)
    assert world.status(wide) == "paused"
    narrow = world.submit(*[a_job().needing("10M").on_cores(1).lasting(7) for _ in range(30)])
    late = [0.0]
    world.machine.others_bytes = size("6G")
    for _ in range(40):
        world.advance(1)
        active = [job for job in world.engine.state.active.values() if job.status_name == "running"]
        assert sum(job.estimate.cores for job in active if job.estimate is not None) <= 2
        late.append(world.clock.now())
    assert world.status(wide) == "running"
    assert "queued" in world.statuses(narrow)


def test_the_last_line_kills_one_then_waits_for_its_end() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=16)
    jobs = world.submit(*[a_job().needing("1G").with_priority(8).lasting(5000) for _ in range(5)])
    world.advance(2)
    world.machine.others_bytes = size("11.4G")
    world.advance(1.05)
    assert len(world.machine.killed) >= 1
    world.advance(10)
    assert len(world.machine.killed) <= 3
    assert world.statuses(jobs).count("killed") >= 1


def test_a_requeued_job_does_not_lose_its_retries_to_the_guard() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job().needing("4G").with_priority(8).lasting(20).failing().having(retries=1))
    world.advance(2)
    world.machine.others_bytes = size("11.6G")
    world.advance(10)
    assert outcomes(world.job(job).attempts) == [None]
    world.machine.others_bytes = size("1G")
    world.advance(100)
    assert world.status(job) == "failed"
    assert outcomes(world.job(job).attempts) == [None, "failed", "failed"]


def test_a_user_who_cancels_in_an_emergency_is_obeyed() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job().needing("4G").with_priority(8).lasting(500))
    world.advance(2)
    world.machine.others_bytes = size("11G")
    world.advance(2)
    assert world.status(job) == "paused"
    world.command(Command(Verb.CANCEL, (job,)))
    world.advance(1)
    assert world.status(job) == "cancelled"


def test_swap_alone_is_no_emergency_and_a_deaf_machine_neither() -> None:
    world = World(Policy(memory_high_pct=60.0, memory_emergency_pct=70.0), memory_bytes=size("16G"))
    world.machine.others_bytes = size("12G")
    world.advance(1.5)
    assert world.engine.state.machine.mode is Mode.EMERGENCY
    world.machine.readable = False
    world.advance(5)
    assert world.engine.state.machine.mode is Mode.EMERGENCY
    world.machine.readable = True
    world.advance(0.15)
    assert world.engine.state.machine.mode is Mode.EMERGENCY


def test_a_job_put_back_for_memory_asks_for_what_it_had_and_is_not_started_and_ended_in_a_circle() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job("hungry").using("6G").with_priority(8).lasting(30).having(retries=1))
    world.advance(3)
    world.machine.others_bytes = size("9.6G")
    world.advance(10)
    assert world.status(job) == "queued"
    world.machine.others_bytes = size("9G")
    world.advance(200)
    assert len(world.machine.started) == 1, "there is no room for 6 GB, and it is known to need them"
    assert world.waits(job) == ["memory"]
    world.machine.others_bytes = size("1G")
    world.advance(60)
    assert world.status(job) == "succeeded"
    assert len(world.machine.started) == 2


def test_the_fewest_jobs_are_ended_that_give_back_what_is_missing() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=16)
    small = world.submit(*[a_job(f"small{n}").needing("300M").with_priority(8).lasting(5000) for n in range(5)])
    [large] = world.submit(a_job("large").needing("3G").with_priority(8).lasting(5000))
    world.advance(2)
    world.machine.others_bytes = size("10.9G")
    world.advance(60)
    assert kinds(world, "stopping") == [str(large)], "five small ones would not have been enough"
    assert all(status in ("running", "paused") for status in world.statuses(small))


def test_a_job_that_may_run_again_goes_before_one_that_would_be_lost_when_it_is_enough() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=16)
    [lost] = world.submit(a_job("lost").needing("3G").with_priority(8).lasting(5000))
    again = world.submit(
        *[a_job(f"again{n}").needing("1G").with_priority(8).lasting(5000).having(retries=1) for n in range(2)]
    )
    world.advance(2)
    world.machine.others_bytes = size("11.2G")
    world.advance(60)
    assert world.status(lost) != "killed"
    assert "queued" in world.statuses(again)

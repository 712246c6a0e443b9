"""Admission as stories (D4, D6): what counts for how long, who waits for whom, what is free at once."""

from __future__ import annotations

from dataclasses import replace

from support.world import World, a_job, size
from tidegate.core.job import JobId
from tidegate.core.machine import GpuReading, Mode
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB
from tidegate.engine import intake
from tidegate.engine.ports import Command, Verb


def card(index: int, used: str = "0M", total: str = "24G", **more: object) -> GpuReading:
    return GpuReading(index, f"GPU-{index}", "NVIDIA A", size(total), size(used), **more)  # type: ignore[arg-type]


def test_memory_of_a_job_that_ended_is_free_at_once_and_not_at_the_next_sample() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    first, second = world.submit(a_job().needing("8G").lasting(10.35), a_job().needing("8G").lasting(10))
    world.advance(10.36)
    assert world.statuses([first, second]) == ["succeeded", "running"]


def test_a_job_that_just_started_and_was_not_measured_yet_is_not_counted_twice() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    [first] = world.submit(a_job().needing("8G").lasting(100))
    world.advance(0.3)
    [second] = world.submit(a_job().needing("3G").lasting(100))
    assert world.statuses([first, second]) == ["running", "running"]
    assert not [tick for tick in world.disk.ticks if tick.first.kind == "rejected"]


def test_a_fresh_reading_stops_a_start_when_other_programs_took_the_room_meanwhile() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.machine.others_bytes = size("10G")
    [job] = world.submit(a_job().needing("8G").lasting(10))
    assert world.status(job) == "queued"
    assert [tick.first.kind for tick in world.disk.ticks if tick.first.kind == "rejected"]
    assert world.machine.started == []


def test_a_declared_figure_holds_for_the_whole_run_until_its_key_has_three_runs() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=16)
    submission = world.submission(a_job().needing("8G").using("1G").lasting(60))
    intake.accept(world.engine, [submission], lambda _id: True, lambda _answer: None)
    world.advance(40)
    [other] = world.submit(a_job().needing("8G").lasting(5))
    assert "memory" in world.waits(other)
    world.command(Command(Verb.CANCEL, (other,)))
    world.advance(25)
    for _ in range(2):
        intake.accept(world.engine, [submission], lambda _id: True, lambda _answer: None)
        world.advance(65)
    intake.accept(world.engine, [submission], lambda _id: True, lambda _answer: None)
    world.advance(20)
    [late] = world.submit(a_job().needing("8G").lasting(5))
    assert world.status(late) == "running", world.waits(late)


def test_a_job_frozen_right_after_its_start_has_not_settled_by_standing_still() -> None:
    world = World()
    [job] = world.submit(a_job().using("4G", ramp_s=30).lasting(300))
    world.advance(2)
    world.command(Command(Verb.PAUSE, (job,)))
    world.advance(60)
    world.command(Command(Verb.RESUME, (job,)))
    [other] = world.submit(a_job().using("1G").lasting(5))
    world.advance(3)
    assert world.waits(other) == ["unsettled"]


def test_unknown_instant_jobs_start_at_most_four_for_each_timed_sample_and_one_in_high() -> None:
    for mode, most in ((Mode.NORMAL, 4), (Mode.HIGH, 1)):
        world = World(cores=16)
        if mode is Mode.HIGH:
            world.machine.others_cores = 15.9
            world.advance(5)
        assert world.engine.state.machine.mode is mode
        world.submit(*[a_job().using("1M").lasting(0.01) for _ in range(60)])
        world.advance(2.01)
        samples = world.engine.state.machine.timed_samples
        started = len(world.machine.started)
        world.advance(3)
        seen = world.engine.state.machine.timed_samples - samples
        assert seen * most - most <= len(world.machine.started) - started <= seen * most + most
        world.advance(60)
        assert len(world.machine.started) == 60 or mode is Mode.HIGH


def test_a_busy_processor_puts_starts_off_for_a_minute_at_most_and_never_without_our_jobs() -> None:
    world = World(Policy(cpu_high_pct=None), cores=8)
    world.machine.others_cores = 7.9
    world.advance(2)
    [alone] = world.submit(a_job().needing("100M").lasting(500).on_cores(1))
    assert world.status(alone) == "running"
    [second] = world.submit(a_job().needing("100M").lasting(500).on_cores(1))
    assert world.waits(second) == ["cpu_busy"]
    world.advance(55)
    assert world.status(second) == "queued"
    world.advance(7)
    assert world.status(second) == "running"


def test_pressure_on_memory_stops_starts_and_ends_nothing() -> None:
    world = World()
    [running] = world.submit(a_job().needing("100M").lasting(500))
    read = world.machine.reading
    world.machine.reading = lambda: replace(read(), psi_memory_some_pct=45.0)  # type: ignore[method-assign]
    world.advance(1.5)
    [late] = world.submit(a_job().needing("100M").lasting(5))
    world.advance(10)
    assert world.statuses([running, late]) == ["running", "queued"]
    assert world.waits(late) == ["memory_pressure"]
    world.machine.reading = read  # type: ignore[method-assign]
    world.advance(2)
    assert world.status(late) == "running"


def test_a_job_that_waits_for_a_card_holds_up_no_job_without_one_however_often_it_was_passed() -> None:
    world = World(cores=64, gpus=(card(0),))
    [holder] = world.submit(a_job().needing("1M").on_gpu(1, "20G").lasting(5000))
    [waits] = world.submit(a_job().needing("1M").on_gpu(1, "20G").lasting(5))
    world.engine.state.jobs[waits].bypassed = 99
    plain = world.submit(*[a_job().needing("1M").lasting(50) for _ in range(30)])
    assert world.statuses([holder, waits]) == ["running", "queued"]
    assert set(world.statuses(plain)) == {"running"}
    [small] = world.submit(a_job().needing("1M").on_gpu(0.1, "1G").lasting(5))
    assert world.status(small) == "queued"


def test_a_job_short_of_memory_is_protected_although_one_short_of_a_card_stands_before_it() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=64, gpus=(card(0),))
    world.submit(a_job().needing("4G").on_gpu(1, "20G").lasting(5000))
    world.submit(a_job().needing("1M").on_gpu(1, "20G").lasting(5))
    [big] = world.submit(a_job("big").needing("12G").lasting(5))
    small = world.submit(*[a_job().needing("100M").lasting(1000) for _ in range(40)])
    assert world.statuses(small).count("running") == world.policy.max_bypass
    assert world.job(big).bypassed == world.policy.max_bypass
    assert world.waits(small[-1]) == ["behind"]
    assert "big" in world.sentence(small[-1])


def test_what_could_start_is_found_behind_any_number_of_blocked_kinds() -> None:
    world = World(memory_bytes=64 * GIB, cores=64, gpus=(card(0),))
    world.submit(a_job().needing("1M").on_gpu(1, "20G").lasting(50_000))
    world.submit(*[a_job().needing(f"{number}M").on_gpu(1, "20G") for number in range(1, 601)])
    [plain] = world.submit(a_job().needing("1M").lasting(5))
    world.advance(30)
    assert world.status(plain) == "succeeded"


def test_a_job_forced_onto_a_busy_card_still_gets_a_card() -> None:
    world = World(cores=8, gpus=(card(0), card(1, "1G")))
    world.submit(*[a_job().needing("1M").on_gpu(1, "20G").lasting(500) for _ in range(2)])
    [forced] = world.submit(a_job().needing("1M").on_gpu(1, "20G").lasting(500))
    world.command(Command(Verb.START, (forced,), force=True))
    assert world.status(forced) == "running"
    assert len(world.job(forced).attempts[-1].devices) == 1


def test_a_paused_job_finds_its_card_share_again_before_it_goes_on() -> None:
    world = World(cores=8, gpus=(card(0),))
    [first] = world.submit(a_job().needing("1M").on_gpu(1, "4G").lasting(500))
    world.command(Command(Verb.PAUSE, (first,)))
    [second] = world.submit(a_job().needing("1M").on_gpu(1, "4G").lasting(20))
    assert world.status(second) == "running"
    world.command(Command(Verb.RESUME, (first,)))
    assert world.status(first) == "paused"
    assert world.waits(first) == ["waiting_to_resume"]
    world.advance(21)
    assert world.statuses([first, second]) == ["running", "succeeded"]


def test_a_job_that_waits_to_go_on_is_not_overtaken_by_its_equals_but_by_more_important_ones() -> None:
    world = World(cores=4)
    [wide] = world.submit(a_job("wide").needing("1M").on_cores(4).lasting(100))
    world.command(Command(Verb.PAUSE, (wide,)))
    equals = world.submit(*[a_job().needing("1M").on_cores(1).lasting(4 + n) for n in range(12)])
    world.command(Command(Verb.RESUME, (wide,)))
    [urgent] = world.submit(a_job().needing("1M").on_cores(1).with_priority(0).lasting(3))
    world.advance(4.5)
    assert world.status(urgent) in ("running", "succeeded")
    assert world.statuses(equals).count("queued") == 8
    world.advance(8)
    assert world.status(wide) == "running"


def test_a_card_too_hot_takes_nothing_new_and_ends_nothing() -> None:
    world = World(gpus=(card(0),))
    [running] = world.submit(a_job().needing("1M").on_gpu(0.5, "1G").lasting(500))
    world.machine.gpus = (card(0, "1G", temperature_c=93.0),)
    world.advance(2)
    [late] = world.submit(a_job().needing("1M").on_gpu(0.5, "1G").lasting(5))
    world.advance(5)
    assert world.statuses([running, late]) == ["running", "queued"]
    assert world.waits(late) == ["gpu_hot"]


def pressed(policy: Policy) -> tuple[World, list[JobId]]:
    world = World(policy, gpus=(card(0),))
    jobs = world.submit(*[a_job().needing("1M").on_gpu(0.5, "8G").with_priority(p).lasting(500) for p in (2, 8)])
    world.advance(2)
    world.machine.gpus = (card(0, "23.5G", temperature_c=95.0),)
    world.advance(2)
    return world, jobs


def test_the_least_important_job_of_a_pressed_card_leaves_it_also_when_the_card_is_hot() -> None:
    world, jobs = pressed(Policy())
    assert world.statuses(jobs) == ["running", "killed"]
    assert world.engine.state.machine.mode is Mode.HIGH
    world.machine.gpus = (card(0, "8G"),)
    world.advance(3)
    assert world.engine.state.machine.mode is Mode.NORMAL


def test_with_the_gpu_guard_off_a_pressed_card_only_takes_nothing_new() -> None:
    world, jobs = pressed(Policy(gpu_guard=False))
    world.advance(10)
    assert world.statuses(jobs) == ["running", "running"]
    assert world.engine.state.machine.mode is Mode.NORMAL
    [late] = world.submit(a_job().needing("1M").on_gpu(0.1, "1G").lasting(5))
    assert world.waits(late) == ["gpu_memory"]


def test_begin_and_dependency_both_hold_whichever_comes_last() -> None:
    from tidegate.core.job import AfterCondition, Dependency

    for lasting, begins in ((5, 20), (20, 5)):
        world = World()
        [first] = world.submit(a_job().needing("1G").lasting(lasting))
        begin = world.clock.now() + begins
        [second] = world.submit(
            a_job().needing("1G").lasting(1).having(begin_at=begin, after=(Dependency(first, AfterCondition.OK),))
        )
        world.advance(19.5)
        assert world.status(second) == "queued"
        world.advance(0.6)
        assert world.status(second) == "running"


def test_an_array_that_waits_for_a_job_starts_after_it_as_a_whole() -> None:
    from tidegate.core.job import Dependency

    world = World()
    [first] = world.submit(a_job().needing("1G").lasting(5))
    [array] = world.submit(
        a_job().needing("100M").lasting(2).having(array=(1, 2, 3), array_size=3, after=(Dependency(first),))
    )
    [last] = world.submit(a_job().needing("100M").lasting(2).having(after=(Dependency(array),)))
    world.advance(5.5)
    assert set(world.statuses(world.engine.state.elements(array.number))) == {"running"}
    assert world.waits(last) == ["dependency"]
    world.advance(2)
    assert world.status(last) == "running"


def test_no_job_of_unknown_memory_starts_beside_one_that_goes_on_before_it_settled() -> None:
    world = World()
    [first] = world.submit(a_job().using("1G", ramp_s=20).lasting(100))
    world.advance(1)
    world.command(Command(Verb.PAUSE, None))
    [second] = world.submit(a_job().using("1G").lasting(5))
    world.command(Command(Verb.RESUME, None))
    assert world.statuses([first, second]) == ["running", "queued"]
    assert world.waits(second) == ["unsettled"]

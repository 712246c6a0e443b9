"""Restarts in odd moments: what was accepted, begun, told or learned is still so afterwards, and nothing runs twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from support.world import World, a_job, size
from tidegate.core.job import AfterCondition, Dependency, Finished, JobId, Paused, PauseReason
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB
from tidegate.engine.picture import job_view
from tidegate.engine.ports import Command, Verb


def crash(world: World) -> None:
    """Kill -9 between two words of the engine: nothing that it still had in hand is done."""
    world.engine.closed = True
    world.machine._deliver = None


def test_ended_jobs_that_leave_memory_at_once_are_written_down_before() -> None:
    world = World(cores=64)
    world.engine.finished_in_memory = 0
    ids = world.submit(*[a_job().needing("1M").lasting(2) for _ in range(20)])
    world.advance(3)
    assert len(world.engine.state.finished_order) == 0
    world.restart()
    assert all(isinstance(world.disk.records[id_].status, Finished) for id_ in ids)
    assert {world.disk.records[id_].status.outcome.value for id_ in ids} == {"succeeded"}  # type: ignore[union-attr]


def test_what_a_finished_job_used_is_still_said() -> None:
    world = World()
    [job] = world.submit(a_job().needing("2G").using("1G").lasting(5))
    world.advance(6)
    assert peak_of(world, job) == size("1G")
    world.restart()
    assert peak_of(world, job) == size("1G")


def peak_of(world: World, id_: JobId) -> int | None:
    view = job_view(world.engine.state, world.job(id_), (), world.clock.now(), lambda _: None, lambda *_: "")
    return view.usage.peak_memory_bytes


def test_waiting_for_a_job_ends_even_when_it_leaves_memory_at_once() -> None:
    world = World()
    world.engine.finished_in_memory = 0
    [job] = world.submit(a_job().needing("1M").lasting(2))
    ended: list[object] = []
    world.engine.runs.when_finished(job, ended.append)
    world.advance(3)
    assert len(ended) == 1


def test_the_oldest_finished_job_with_dependants_does_not_keep_all_others_in_memory() -> None:
    world = World(cores=64)
    world.engine.finished_in_memory = 2
    [first] = world.submit(a_job().needing("1M").lasting(1))
    world.submit(a_job().needing("1M").having(held=True, after=(Dependency(first),)))
    world.advance(2)
    world.submit(*[a_job().needing("1M").lasting(1) for _ in range(10)])
    world.advance(3)
    assert len(world.engine.state.finished_order) <= 3
    assert first in world.engine.state.jobs


def test_a_held_job_remembers_that_its_forgotten_dependency_failed() -> None:
    world = World(cores=64)
    world.engine.finished_in_memory = 1
    [first] = world.submit(a_job().needing("1M").lasting(1).failing())
    [held] = world.submit(a_job().needing("1M").having(held=True, after=(Dependency(first, AfterCondition.OK),)))
    world.advance(2)
    world.submit(*[a_job().needing("1M").lasting(1) for _ in range(5)])
    world.advance(3)
    world.command(Command(Verb.RELEASE, (held,)))
    world.advance(3)
    assert world.status(held) == "skipped"


def test_a_failed_element_that_left_memory_still_breaks_what_waits_for_its_array() -> None:
    world = World(cores=1)
    world.engine.finished_in_memory = 1
    [array] = world.submit(a_job().needing("1M").lasting(1).failing().having(array=(1, 2), array_size=2))
    world.behaviours["command-1"] = a_job().lasting(50).behaviour
    world.submit(*[a_job().needing("1M").lasting(0.1).with_priority(0) for _ in range(3)])
    world.advance(2)
    assert world.status(JobId(array.number, 2)) == "running"
    answer = world.try_submit(a_job().needing("1M").having(after=(Dependency(array, AfterCondition.OK),)))
    assert isinstance(answer, list)
    assert answer[0].id is not None
    world.advance(10)
    assert world.disk.records[answer[0].id].status.outcome.value == "skipped"  # type: ignore[union-attr]


def test_a_job_skipped_in_the_moment_of_its_submit_is_written_down_as_skipped() -> None:
    world = World()
    [first] = world.submit(a_job().needing("1M").lasting(1).failing())
    world.advance(2)
    [second] = world.submit(a_job().having(after=(Dependency(first, AfterCondition.OK),)))
    assert world.status(second) == "skipped"
    assert isinstance(world.disk.records[second].status, Finished)


def test_a_restart_does_not_write_every_job_again() -> None:
    world = World(cores=1)
    world.submit(*[a_job().needing("1M").lasting(100) for _ in range(30)])
    crash(world)
    before = dict(world.disk.records)
    world.restart()
    world.advance(2)
    assert sum(world.disk.records[id_] is not record for id_, record in before.items()) <= 1


def test_running_jobs_keep_their_promise_and_their_cores_over_a_restart() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=8)
    [first] = world.submit(a_job().needing("10G").using("1G").lasting(500).on_cores(6))
    world.advance(15)
    world.restart()
    [large] = world.submit(a_job().needing("8G").lasting(5).on_cores(1))
    [wide] = world.submit(a_job().needing("1G").lasting(5).on_cores(4))
    world.advance(30)
    assert world.statuses([first, large, wide]) == ["running", "queued", "queued"]
    assert "memory" in world.waits(large)
    assert "cpu" in world.waits(wide)


def test_a_restart_while_a_job_is_stopping_tells_it_again_and_keeps_what_its_end_is_called() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500).ignoring_term().having(retries=2))
    world.machine.terminate = lambda _token, _grace_s: None  # type: ignore[method-assign]
    world.command(Command(Verb.CANCEL, (job,)))
    world.advance(1)
    crash(world)
    del world.machine.terminate
    world.restart()
    assert world.status(job) == "stopping"
    world.advance(30)
    assert world.status(job) == "cancelled"


def test_a_restart_in_a_pause_keeps_the_pause_and_its_end() -> None:
    world = World()
    by_hand, for_a_while = world.submit(a_job().needing("1G").lasting(500), a_job().needing("1G").lasting(500))
    world.command(Command(Verb.PAUSE, (by_hand,)))
    world.command(Command(Verb.PAUSE, (for_a_while,), seconds=60))
    crash(world)
    world.restart()
    assert world.statuses([by_hand, for_a_while]) == ["paused", "paused"]
    world.advance(61)
    assert world.statuses([by_hand, for_a_while]) == ["paused", "running"]


def test_jobs_paused_with_the_queue_go_on_after_a_restart_that_only_kept_that_the_queue_is_open() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500))
    world.command(Command(Verb.PAUSE, None))
    world.advance(5)
    crash(world)
    world.disk.meta["intake"] = ""
    world.restart()
    world.advance(1)
    assert world.status(job) == "running"


def test_a_pause_of_the_queue_that_ended_while_away_is_over_for_its_jobs_too() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500))
    world.command(Command(Verb.PAUSE, None, seconds=60))
    crash(world)
    world.clock.advance(100)
    world.restart()
    world.advance(1)
    assert world.status(job) == "running"


def test_a_run_found_stopped_that_nobody_paused_by_hand_was_frozen_for_memory_and_is_thawed() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500))
    crash(world)
    world.machine.pause(world.job(job).attempts[-1].token)
    world.restart()
    status = world.job(job).status
    assert isinstance(status, Paused)
    assert status.reason is PauseReason.MEMORY
    world.advance(15)
    assert world.status(job) == "running"


def test_an_orderly_end_calls_off_the_starts_that_were_not_yet_asked_for() -> None:
    world = World()
    held_up: list[object] = []
    world.journal._call_soon = held_up.append  # the disk answers too late
    submission = world.submission(a_job().needing("1G").lasting(5))
    from tidegate.engine import intake

    intake.accept(world.engine, [submission], lambda _id: True, lambda _answer: None)
    held_up.pop(0)()  # type: ignore[operator]
    [job] = world.engine.state.active
    assert world.status(job) == "starting"
    asyncio.run(world.engine.close(stop_jobs=False))
    world.machine._since = world.clock.now() + 1  # the helper leaves with us: there is nothing for it to do
    world.machine.stop_sampling()
    world.clock.advance(2)
    world.restart()
    world.advance(10)
    assert world.status(job) == "succeeded"
    assert world.machine.started == [str(job)]


def test_an_end_with_all_jobs_stopped_calls_them_cancelled_and_reruns_none() -> None:
    world = World()
    plain, retried = world.submit(
        a_job().needing("1G").lasting(500), a_job().needing("1G").lasting(500).having(retries=3)
    )
    asyncio.run(world.engine.close(stop_jobs=True))
    world.machine.stop_sampling()
    world.clock.advance(5)
    world.restart()
    world.advance(5)
    assert world.statuses([plain, retried]) == ["cancelled", "cancelled"]


def test_a_changed_policy_after_a_restart_leaves_queued_jobs_queued_with_a_reason() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=2)
    running, queued = world.submit(
        a_job().needing("2G").lasting(50).on_cores(2), a_job().needing("13G").lasting(5).on_cores(2)
    )
    world.policy = replace(Policy(), memory_high_pct=40.0, memory_emergency_pct=50.0)
    world.restart()
    [small] = world.submit(a_job().needing("1G").lasting(5))
    world.advance(60)
    assert world.statuses([running, queued, small]) == ["succeeded", "queued", "succeeded"]
    assert world.waits(queued) == ["memory"]


def test_sequences_are_never_given_twice_even_when_the_last_job_has_left_memory() -> None:
    world = World()
    world.finished_in_memory = 1
    [old] = world.submit(a_job().needing("1M").lasting(50))
    [late] = world.submit(a_job().needing("1M").lasting(1))
    world.advance(60)
    world.restart()
    sequence = world.disk.records[late].sequence
    [new] = world.submit(a_job().needing("1M").lasting(50))
    assert world.job(new).sequence > sequence > world.disk.records[old].sequence


def test_an_unknown_run_that_lives_is_said(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    [job] = world.submit(a_job("stranger").needing("1G").lasting(500))
    crash(world)
    world.disk.records.clear()
    world.disk.attempts.clear()
    world.restart()
    assert job not in world.engine.state.jobs
    assert any("does not know" in warning for warning in world.engine.warnings)
    assert "does not know" in caplog.text


def test_a_run_that_ends_and_starts_again_at_once_is_measured_again() -> None:
    world = World()
    [job] = world.submit(a_job().needing("2G").using("1G").lasting(3).failing().having(retries=1))
    world.advance(3.5)
    assert len(world.job(job).attempts) == 2
    watched = world.engine.sensors.watched  # type: ignore[attr-defined]
    assert list(watched) == [world.job(job).attempts[-1].token]


def test_a_reading_from_before_a_jump_of_the_clock_is_not_kept_for_an_hour() -> None:
    world = World(memory_bytes=16 * GIB)
    [job] = world.submit(a_job().using("1G").lasting(5000).having(time_limit_s=600.0))
    world.advance(3)
    world.machine.others_bytes = size("14.5G")
    world.advance(2)
    world.clock.sleep_machine(-3600)
    world.machine.others_bytes = size("1G")
    world.advance(40)
    assert world.engine.state.machine.mode.value == "NORMAL"
    assert world.status(job) == "running"
    world.advance(570)
    assert world.status(job) == "timed_out"


def test_a_restart_still_knows_how_an_old_job_ended_that_a_held_one_waits_for() -> None:
    world = World(cores=64)
    world.finished_in_memory = 1
    [first] = world.submit(a_job().needing("1M").lasting(1).failing())
    [held] = world.submit(a_job().needing("1M").having(held=True, after=(Dependency(first, AfterCondition.OK),)))
    world.advance(2)
    world.submit(*[a_job().needing("1M").lasting(1) for _ in range(5)])
    world.advance(3)
    world.restart()
    world.command(Command(Verb.RELEASE, (held,)))
    assert world.status(held) == "skipped"

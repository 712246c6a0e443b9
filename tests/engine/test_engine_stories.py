"""Stories of the whole engine on the virtual clock: what a user sees happen, in order."""

from __future__ import annotations

import pytest

from support.world import World, a_job, size
from tidegate.core.job import AfterCondition, Dependency, Finished
from tidegate.engine.ports import Answer, Command, EngineUnwilling, Verb


def test_a_job_runs_and_ends() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(5))
    assert world.status(job) == "running"
    world.advance(6)
    assert world.status(job) == "succeeded"
    attempt = world.job(job).attempts[-1]
    assert attempt.exit_code == 0
    assert attempt.ended_at is not None
    assert attempt.started_at is not None
    assert attempt.ended_at - attempt.started_at == 5


def test_two_that_do_not_fit_run_one_after_the_other_and_the_second_says_why() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    first, second = world.submit(a_job("first").needing("8G").lasting(10), a_job().needing("8G").lasting(10))
    assert world.statuses([first, second]) == ["running", "queued"]
    assert world.waits(second) == ["memory"]
    assert world.sentence(second) == f"needs 8 GB, 4.7 GB free · after first (job {first}, 8 GB)"
    world.advance(10.0)
    assert world.statuses([first, second]) == ["succeeded", "running"]


def test_a_finished_job_frees_its_place_at_once_and_not_at_the_next_sample() -> None:
    world = World(cores=1)
    first, second = world.submit(a_job().needing("1G").lasting(2.3), a_job().needing("1G").lasting(1))
    world.advance(2.3)
    assert world.status(first) == "succeeded"
    assert world.status(second) == "running"


def test_the_important_late_comer_goes_first() -> None:
    world = World(cores=1)
    world.submit(a_job().needing("1G").lasting(5))
    [late] = world.submit(a_job().needing("1G").with_priority(5))
    [urgent] = world.submit(a_job().needing("1G").with_priority(1).lasting(5))
    world.advance(5)
    assert world.status(urgent) == "running"
    assert world.status(late) == "queued"


def test_unknown_jobs_start_one_by_one_until_they_settle() -> None:
    world = World()
    first, second = world.submit(a_job().lasting(100).using("100M"), a_job().lasting(100).using("100M"))
    assert world.statuses([first, second]) == ["running", "queued"]
    assert world.waits(second) == ["unsettled"]
    world.advance(12)
    assert world.status(second) == "running"


def test_a_job_learned_from_three_runs_needs_no_guess() -> None:
    world = World()
    spec = a_job().using("300M").lasting(1)
    submission = world.submission(spec)
    for _ in range(3):
        answers: list[object] = []
        from tidegate.engine import intake

        intake.accept(world.engine, [submission], lambda _id: True, answers.append)
        world.advance(3)
    intake.accept(world.engine, [submission], lambda _id: True, answers.append)
    world.clock.settle()
    job = next(iter(world.engine.state.active.values()))
    assert job.estimate is not None
    assert job.estimate.source.value == "learned"
    assert size("300M") <= job.estimate.memory_bytes <= size("400M")


def test_a_blocked_job_is_passed_a_bounded_number_of_times() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"), cores=64)
    world.submit(a_job("holder").needing("4G").lasting(1000))
    [big] = world.submit(a_job("big").needing("12G").lasting(5))
    small = world.submit(*[a_job().needing("100M").lasting(1000) for _ in range(40)])
    started = [id_ for id_ in small if world.status(id_) == "running"]
    assert len(started) == world.policy.max_bypass
    assert world.job(big).bypassed == world.policy.max_bypass
    assert world.waits(small[-1]) == ["behind"]


def test_retries_put_a_failed_job_back_in_line() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(1).failing(3).having(retries=2))
    world.advance(10)
    assert world.status(job) == "failed"
    assert [attempt.exit_code for attempt in world.job(job).attempts] == [3, 3, 3]


def test_a_job_that_cannot_be_started_fails_with_a_sentence_and_is_not_tried_again() -> None:
    world = World()
    [job] = world.submit(a_job().unable_to_start("there is no program called frobnicate").having(retries=5))
    world.advance(5)
    status = world.job(job).status
    assert isinstance(status, Finished)
    assert status.why == "there is no program called frobnicate"
    assert len(world.job(job).attempts) == 1


def test_dependants_wait_run_or_are_skipped_in_a_chain() -> None:
    world = World()
    [first] = world.submit(a_job().needing("1G").lasting(2).failing())
    [after_ok] = world.submit(a_job().having(after=(Dependency(first, AfterCondition.OK),)))
    [after_that] = world.submit(a_job().having(after=(Dependency(after_ok, AfterCondition.OK),)))
    [after_failed] = world.submit(a_job().needing("1G").having(after=(Dependency(first, AfterCondition.FAILED),)))
    assert world.waits(after_ok) == ["dependency"]
    world.advance(10)
    assert world.statuses([first, after_ok, after_that, after_failed]) == ["failed", "skipped", "skipped", "succeeded"]


def test_a_begin_time_is_kept_to_the_second_without_polling() -> None:
    world = World()
    begin = world.clock.now() + 30.25
    [job] = world.submit(a_job().needing("1G").lasting(1).having(begin_at=begin))
    assert world.waits(job) == ["begin"]
    world.advance(30.2)
    assert world.status(job) == "queued"
    world.advance(0.1)
    assert world.job(job).attempts[-1].intended_at == begin


def test_a_time_limit_counts_running_time_only() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).having(time_limit_s=10.0))
    world.advance(5)
    world.command(Command(Verb.PAUSE, (job,)))
    world.advance(60)
    world.command(Command(Verb.RESUME, (job,)))
    world.advance(4.5)
    assert world.status(job) == "running"
    world.advance(1)
    assert world.status(job) == "timed_out"


def test_a_memory_limit_ends_the_job_as_out_of_memory() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").growing("200M").lasting(100).having(memory_limit_bytes=size("2G")))
    world.advance(20)
    assert world.status(job) == "out_of_memory"


def test_array_elements_share_one_number_and_keep_their_parallel_limit() -> None:
    world = World()
    [array] = world.submit(
        a_job().needing("100M").lasting(4).having(array=(1, 2, 3, 5), array_size=4, array_parallel=2)
    )
    elements = world.engine.state.elements(array.number)
    assert [str(item) for item in elements] == ["1.1", "1.2", "1.3", "1.5"]
    assert world.statuses(elements) == ["running", "running", "queued", "queued"]
    assert world.waits(elements[2]) == ["array_limit"]
    world.advance(9)
    assert set(world.statuses(elements)) == {"succeeded"}


def test_pausing_the_queue_freezes_what_runs_and_starts_nothing_until_it_is_resumed() -> None:
    world = World(cores=2)
    (running,) = world.submit(a_job().needing("1G").lasting(10))
    world.command(Command(Verb.PAUSE, None))
    [later] = world.submit(a_job().needing("1G").lasting(1))
    world.advance(100)
    assert world.statuses([running, later]) == ["paused", "queued"]
    assert world.waits(later) == ["queue_paused"]
    world.command(Command(Verb.RESUME, None))
    assert world.statuses([running, later]) == ["running", "running"]


def test_a_pause_for_a_while_ends_by_itself() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(10))
    world.command(Command(Verb.PAUSE, (job,), seconds=30))
    world.advance(29)
    assert world.status(job) == "paused"
    world.advance(2)
    assert world.status(job) == "running"


def test_draining_starts_nothing_and_lets_running_jobs_finish() -> None:
    world = World()
    [running] = world.submit(a_job().needing("1G").lasting(5))
    world.command(Command(Verb.PAUSE, None, drain=True))
    [later] = world.submit(a_job().needing("1G"))
    world.advance(10)
    assert world.statuses([running, later]) == ["succeeded", "queued"]


def test_cancel_is_gentle_and_kill_is_not() -> None:
    world = World()
    stubborn, other = world.submit(
        a_job().needing("1G").lasting(1000).ignoring_term(), a_job().needing("1G").lasting(1000).ignoring_term()
    )
    world.command(Command(Verb.CANCEL, (stubborn,)))
    assert world.status(stubborn) == "stopping"
    [result] = world.command(Command(Verb.KILL, (other,)))
    assert result.answer is Answer.DONE
    assert world.status(other) == "killed"
    world.advance(world.policy.kill_timeout_s + 0.1)
    assert world.status(stubborn) == "cancelled"


def test_hold_release_first_and_refusals_say_what_is_possible() -> None:
    world = World(cores=1)
    running, second, third = world.submit(*[a_job().needing("1G").lasting(5) for _ in range(3)])
    world.command(Command(Verb.HOLD, (second,)))
    assert world.status(second) == "held"
    world.command(Command(Verb.FIRST, (third,)))
    world.command(Command(Verb.RELEASE, (second,)))
    [refused] = world.command(Command(Verb.HOLD, (running,)))
    assert refused.answer is Answer.REFUSED
    assert "running" in refused.sentence
    [unknown] = world.command(Command(Verb.HOLD, (type(running)(99),)))
    assert unknown.answer is Answer.UNKNOWN
    world.advance(5)
    assert world.statuses([second, third]) == ["queued", "running"]


def test_start_by_force_skips_admission_but_not_an_emergency() -> None:
    world = World(cores=1)
    _, second = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(50))
    [refused] = world.command(Command(Verb.START, (second,)))
    assert refused.answer is Answer.REFUSED
    [done] = world.command(Command(Verb.START, (second,), force=True))
    assert done.answer is Answer.DONE
    assert world.status(second) == "running"


def test_nothing_starts_in_an_emergency_and_the_least_important_is_frozen_and_thawed() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    important, minor = world.submit(
        a_job("important").needing("4G").with_priority(1).lasting(200),
        a_job("minor").needing("4G").with_priority(8).lasting(200),
    )
    world.advance(3)
    world.machine.others_bytes = size("7.2G")
    world.advance(1.2)
    assert world.engine.state.machine.mode.value == "EMERGENCY"
    assert world.statuses([important, minor]) == ["running", "paused"]
    [late] = world.submit(a_job().needing("100M"))
    assert "mode" in world.waits(late)
    assert any(notice.title.startswith("Paused minor") for notice in world.notices)
    world.machine.others_bytes = size("1G")
    world.advance(20)
    assert world.statuses([important, minor]) == ["running", "running"]
    assert world.engine.state.machine.mode.value == "NORMAL"


def test_when_freezing_is_not_enough_a_job_that_allows_it_is_requeued() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    kept, rerun = world.submit(
        a_job("kept").needing("4G").lasting(500),
        a_job("rerun").needing("4G").with_priority(9).lasting(500).having(retries=1),
    )
    world.advance(3)
    world.machine.others_bytes = size("7.6G")
    world.advance(15)
    assert world.job(rerun).attempts[0].ended_at is not None
    assert world.status(rerun) == "queued"
    assert world.status(kept) in ("paused", "running")


def test_a_job_not_preemptible_is_spared_until_the_last_line() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    (spared,) = world.submit(a_job().needing("4G").lasting(500).having(preemptible=False))
    world.advance(2)
    world.machine.others_bytes = size("11.2G")
    world.advance(10)
    assert world.status(spared) == "running"
    world.machine.others_bytes = size("11.95G")
    world.advance(2)
    assert world.status(spared) == "killed"


def test_all_cores_used_by_our_own_jobs_is_normal() -> None:
    world = World(cores=4)
    world.submit(*[a_job().needing("100M").lasting(100).on_cores(1) for _ in range(4)])
    world.advance(10)
    assert world.machine.reading().cpu_pct == 100.0
    assert world.engine.state.machine.mode.value == "NORMAL"


def test_a_restart_after_kill_minus_nine_takes_everything_up_again() -> None:
    world = World(cores=2)
    short, long, queued = world.submit(
        a_job().needing("1G").lasting(5).failing(7), a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(3)
    )
    (held,) = world.submit(a_job().needing("1G").having(held=True))
    world.advance(2)
    world.engine.closed = True
    world.machine._deliver = None
    world.advance(10)
    world.restart()
    assert world.statuses([short, long, held]) == ["failed", "running", "held"]
    assert world.job(short).attempts[-1].exit_code == 7
    world.advance(60)
    assert world.statuses([long, queued]) == ["succeeded", "succeeded"]
    assert sorted(world.machine.started) == ["1", "2", "3"]


def test_an_intent_the_helper_never_saw_goes_back_in_line_and_runs_once() -> None:
    world = World()
    lost: list[object] = []
    world.engine.executor.start = lambda jobs, _places: lost.extend(jobs)  # type: ignore[method-assign]
    [job] = world.submit(a_job().needing("1G").lasting(2))
    assert world.status(job) == "starting"
    assert lost
    world.restart()
    world.advance(5)
    assert world.status(job) == "succeeded"
    assert world.machine.started == [str(job)]


def test_an_intent_without_a_trace_after_the_helper_was_lost_is_lost_and_never_rerun(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.engine.executor.start = lambda _jobs, _places: None  # type: ignore[method-assign]
    [job] = world.submit(a_job().needing("1G").lasting(2))
    world.advance(1)
    world.machine._since = world.clock.now()
    world.restart()
    world.advance(5)
    assert world.status(job) == "lost"
    assert world.machine.started == []
    assert "nobody knows" in caplog.text


def test_ids_are_never_given_twice_even_after_a_restart() -> None:
    world = World()
    first = world.submit(a_job().needing("1G"), a_job().needing("1G"))
    world.restart()
    second = world.submit(a_job().needing("1G"))
    assert [id_.number for id_ in (*first, *second)] == [1, 2, 3]


def test_a_full_disk_refuses_new_jobs_keeps_running_ones_and_heals() -> None:
    world = World()
    [running] = world.submit(a_job().needing("1G").lasting(5))
    world.journal.fail("the disk is full")
    answer = world.try_submit(a_job().needing("1G"))
    assert isinstance(answer, EngineUnwilling)
    assert "the disk is full" in str(answer)
    world.advance(6)
    assert world.status(running) == "succeeded"
    world.journal.heal()
    world.advance(5)
    [later] = world.submit(a_job().needing("1G"))
    assert world.status(later) == "running"
    world.restart()
    assert world.status(running) == "succeeded"


def test_what_could_never_run_is_refused_with_the_numbers() -> None:
    world = World(memory_bytes=size("16G"), cores=8)
    for job, word in (
        (a_job().needing("64G"), "64 GB"),
        (a_job().on_cores(9), "9 cores"),
        (a_job().on_gpu(), "GPU"),
    ):
        answers = world.try_submit(job)
        assert isinstance(answers, list)
        assert answers[0].id is None
        assert word in (answers[0].refused or "")


def test_a_sleep_of_the_machine_is_charged_to_no_job() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).having(time_limit_s=50.0))
    world.advance(10)
    world.clock.sleep_machine(3600)
    world.advance(5)
    assert world.status(job) == "running"


def test_unreadable_memory_starts_nothing_and_says_so() -> None:
    world = World()
    world.machine.readable = False
    world.advance(2)
    [job] = world.submit(a_job().needing("1G"))
    assert world.status(job) == "queued"
    assert "no_reading" in world.waits(job)
    world.machine.readable = True
    world.advance(2)
    assert world.status(job) in ("running", "succeeded")


def test_edit_is_journaled_and_survives_a_restart() -> None:
    world = World(cores=1)
    _, second = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G"))
    world.engine.edit = lambda spec, changes: __import__("dataclasses").replace(spec, priority=int(changes["priority"]))
    world.command(Command(Verb.EDIT, (second,), changes={"priority": "2"}))
    world.restart()
    assert world.job(second).spec.priority == 2

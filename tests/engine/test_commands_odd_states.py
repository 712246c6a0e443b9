"""Commands in odd states: of a job that is just starting, stopping, frozen, skipped, or part of an array."""

from __future__ import annotations

import pytest

from support.world import World, a_job, size
from tidegate.core.actions import Kill, Terminate
from tidegate.core.job import AfterCondition, Dependency, JobId, Outcome, PauseReason
from tidegate.core.machine import Mode
from tidegate.core.strategies.order import in_order
from tidegate.engine.ports import Answer, Command, Verb


def answers(world: World, verb: Verb, *ids: JobId, **more: object) -> list[Answer]:
    return [result.answer for result in world.command(Command(verb, ids or None, **more))]  # type: ignore[arg-type]


def held_back(world: World) -> list[object]:
    """Starts are decided and written down, but the helper has not answered yet."""
    waiting: list[object] = []
    start = world.engine.executor.start
    world.engine.executor.start = lambda *asked: waiting.append(lambda: start(*asked))  # type: ignore[method-assign]
    return waiting


# --- ending ---


def test_a_job_cancelled_before_its_intent_was_written_never_runs() -> None:
    world = World()
    engine = world.engine
    flushed: list[object] = []
    write = world.journal.write
    world.journal.write = lambda batch, done=None: flushed.append((batch, done))  # type: ignore[method-assign]
    held = world.submission(a_job().needing("1G").lasting(5))
    world.journal.write = write  # type: ignore[method-assign]
    from tidegate.engine import intake

    intake.accept(engine, [held], lambda _id: True, lambda _answer: None)
    while not engine.state.active:
        world.clock.run_until(world.clock.next_at() or 0)
    [id_] = engine.state.active
    world.command(Command(Verb.CANCEL, (id_,)))
    world.advance(1)
    assert world.status(id_) == "cancelled"


def test_cancel_while_starting_ends_it_as_soon_as_there_is_a_process() -> None:
    world = World()
    waiting = held_back(world)
    [job] = world.submit(a_job().needing("1G").lasting(100))
    assert world.status(job) == "starting"
    assert answers(world, Verb.CANCEL, job) == [Answer.DONE]
    waiting[0]()  # type: ignore[operator]
    world.advance(1)
    assert world.status(job) == "cancelled"


def test_cancel_of_a_job_that_is_being_killed_to_run_again_is_not_lost() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).having(retries=1))
    world.engine.hands.stop(world.job(job), Kill(job, None, "memory"), world.clock.now())
    assert answers(world, Verb.CANCEL, job) == [Answer.DONE]
    world.advance(5)
    assert world.status(job) == "cancelled"
    assert len(world.machine.started) == 1


def test_cancel_of_a_job_that_is_being_requeued_with_grace_ends_it_for_good() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).ignoring_term().having(retries=1))
    world.engine.hands.stop(world.job(job), Terminate(job, None, "memory", 10.0), world.clock.now())
    world.advance(1)
    assert answers(world, Verb.CANCEL, job) == [Answer.DONE]
    world.advance(15)
    assert world.status(job) == "cancelled"


def test_a_second_cancel_does_not_lengthen_the_grace() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).ignoring_term())
    world.command(Command(Verb.CANCEL, (job,)))
    world.advance(6)
    assert answers(world, Verb.CANCEL, job) == [Answer.DONE]
    world.advance(world.policy.kill_timeout_s - 6 + 0.1)
    assert world.status(job) == "cancelled"


def test_kill_while_stopping_with_grace_kills_at_once() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).ignoring_term())
    world.command(Command(Verb.CANCEL, (job,)))
    world.advance(1)
    world.command(Command(Verb.KILL, (job,)))
    assert world.status(job) == "killed"


def test_an_end_by_the_first_word_is_not_a_failure_because_a_second_word_came_after_it() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).having(retries=3))
    engine = world.engine
    engine.hands.stop(world.job(job), Terminate(job, Outcome.CANCELLED, "cancelled by you", 10.0), world.clock.now())
    # The helper saw it end here, but its report comes after the user's second, stronger word.
    world.clock._now += 0.01
    deliver, world.machine._deliver = world.machine._deliver, None
    late: list[object] = []
    world.machine._deliver = late.append  # type: ignore[assignment]
    world.clock.settle()
    world.clock._now += 0.05
    world.machine._deliver = deliver
    engine.hands.stop(world.job(job), Kill(job, Outcome.KILLED, "killed by you"), world.clock.now())
    for batch in late:
        engine.handle_process_events(batch)  # type: ignore[arg-type]
    assert world.status(job) in ("cancelled", "killed")
    assert len(world.job(job).attempts) == 1


def test_a_job_told_to_end_that_outlives_its_grace_is_killed_again_by_the_engine() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(100).ignoring_term())
    world.machine.terminate = lambda _token, _grace_s: None  # type: ignore[method-assign]
    world.command(Command(Verb.CANCEL, (job,)))
    world.advance(world.policy.kill_timeout_s + 5)
    assert world.status(job) == "cancelled"


def test_cancel_all_ends_dependants_with_what_they_wait_for_and_refuses_nothing() -> None:
    world = World(cores=1)
    [first] = world.submit(a_job().needing("1G").lasting(50))
    [second] = world.submit(a_job().needing("1G").having(after=(Dependency(first, AfterCondition.OK),)))
    [third] = world.submit(a_job().needing("1G").having(after=(Dependency(second, AfterCondition.OK),)))
    [array] = world.submit(a_job().needing("1G").having(array=(1, 2, 3), array_size=3))
    assert set(answers(world, Verb.CANCEL)) == {Answer.DONE}
    world.advance(1)
    ids = [first, second, third, *world.engine.state.elements(array.number)]
    assert set(world.statuses(ids)) == {"cancelled"}


# --- arrays ---


def test_cancel_of_an_array_that_is_half_done_ends_the_rest_and_refuses_nothing() -> None:
    world = World(cores=2)
    [array] = world.submit(a_job().needing("100M").lasting(5).having(array=(1, 2, 3, 4), array_size=4))
    world.advance(6)
    assert answers(world, Verb.CANCEL, array) == [Answer.DONE, Answer.DONE]
    world.advance(1)
    elements = world.engine.state.elements(array.number)
    assert world.statuses(elements) == ["succeeded", "succeeded", "cancelled", "cancelled"]
    assert answers(world, Verb.CANCEL, array) == [Answer.REFUSED]


def test_first_keeps_the_order_of_an_array_and_of_several_ids() -> None:
    world = World(cores=1)
    world.submit(a_job().needing("100M").lasting(5))
    one, two, three = world.submit(*[a_job().needing("100M").lasting(5) for _ in range(3)])
    [array] = world.submit(a_job().needing("100M").lasting(5).having(array=(1, 2, 3), array_size=3))
    world.command(Command(Verb.FIRST, (array,)))
    world.command(Command(Verb.FIRST, (three, two)))
    names = [str(id_) for id_ in in_order(world.engine.state, world.clock.now())]
    assert names == [str(three), str(two), "5.1", "5.2", "5.3", str(one)]


def test_retry_of_an_array_runs_what_failed_again_and_leaves_what_succeeded() -> None:
    world = World()
    [array] = world.submit(a_job().needing("100M").lasting(1).failing().having(array=(1, 2), array_size=2))
    world.advance(2)
    first, _second = world.engine.state.elements(array.number)
    world.behaviours["command-1"] = a_job().lasting(1).behaviour
    world.command(Command(Verb.RETRY, (first,)))
    world.advance(2)
    assert answers(world, Verb.RETRY, array) == [Answer.DONE]
    world.advance(2)
    assert [len(world.job(id_).attempts) for id_ in world.engine.state.elements(array.number)] == [2, 2]


def test_edit_hold_and_release_of_an_array_reach_the_waiting_elements_only() -> None:
    world = World(cores=1)
    [array] = world.submit(a_job().needing("100M").lasting(50).having(array=(1, 2, 3), array_size=3))
    world.engine.edit = lambda spec, changes: __import__("dataclasses").replace(spec, priority=int(changes["priority"]))
    results = world.command(Command(Verb.EDIT, (array,), changes={"priority": "2"}))
    assert [result.answer for result in results] == [Answer.DONE, Answer.DONE]
    assert answers(world, Verb.HOLD, array) == [Answer.DONE, Answer.DONE]
    assert answers(world, Verb.RELEASE, array) == [Answer.DONE, Answer.DONE]


def test_an_element_that_was_never_part_of_the_array_is_unknown() -> None:
    world = World()
    [array] = world.submit(a_job().needing("100M").having(array=(1, 2), array_size=2))
    assert answers(world, Verb.CANCEL, JobId(array.number, 9)) == [Answer.UNKNOWN]
    answer = world.try_submit(a_job().having(after=(Dependency(JobId(array.number, 9)),)))
    assert isinstance(answer, list)
    assert answer[0].refused is not None


# --- pausing ---


def test_pause_of_a_job_that_is_just_starting_pauses_it_when_it_has_started() -> None:
    world = World()
    waiting = held_back(world)
    [job] = world.submit(a_job().needing("1G").lasting(5))
    assert answers(world, Verb.PAUSE, job) == [Answer.DONE]
    waiting[0]()  # type: ignore[operator]
    world.advance(20)
    assert world.status(job) == "paused"
    world.command(Command(Verb.RESUME, (job,)))
    world.advance(6)
    assert world.status(job) == "succeeded"


def test_pausing_the_queue_reaches_a_job_that_is_just_starting() -> None:
    world = World()
    waiting = held_back(world)
    [job] = world.submit(a_job().needing("1G").lasting(5))
    world.command(Command(Verb.PAUSE, None))
    waiting[0]()  # type: ignore[operator]
    world.advance(20)
    assert world.status(job) == "paused"
    world.command(Command(Verb.RESUME, None))
    assert world.status(job) == "running"


def test_a_pause_that_fails_is_answered_so(caplog: pytest.LogCaptureFixture) -> None:
    from tidegate.engine.ports import RunActionFailed

    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(50))
    token = world.job(job).attempts[-1].token
    failed = RunActionFailed(token, world.clock.now(), "pause", "it may not be signalled")
    world.machine.pause = lambda _token: world.machine._tell(failed)  # type: ignore[method-assign]
    [result] = world.command(Command(Verb.PAUSE, (job,)))
    assert result.answer is Answer.REFUSED
    assert "may not be signalled" in result.sentence
    assert "could not pause" in caplog.text
    assert world.status(job) == "running"


def test_a_job_that_exits_while_it_is_paused_is_finished() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(50))
    world.command(Command(Verb.PAUSE, (job,)))
    world.machine.kill(world.job(job).attempts[-1].token)
    world.advance(0.1)
    assert world.status(job) == "failed"


def test_jobs_paused_by_hand_stay_paused_when_the_queue_goes_on() -> None:
    world = World()
    mine, other = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(50))
    world.command(Command(Verb.PAUSE, (mine,)))
    world.command(Command(Verb.PAUSE, None))
    assert world.statuses([mine, other]) == ["paused", "paused"]
    world.command(Command(Verb.RESUME, None))
    assert world.statuses([mine, other]) == ["paused", "running"]


def test_pausing_the_queue_again_without_an_end_forgets_the_earlier_end() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500))
    world.command(Command(Verb.PAUSE, None, seconds=30))
    world.command(Command(Verb.PAUSE, None))
    world.advance(100)
    assert world.status(job) == "paused"


def test_a_queue_paused_for_a_while_goes_on_by_itself_with_its_jobs() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(500))
    world.command(Command(Verb.PAUSE, None, seconds=30.25))
    [later] = world.submit(a_job().needing("1G").lasting(500))
    paused_at = world.clock.now()
    world.advance(30.3)
    assert world.statuses([job, later]) == ["running", "running"]
    assert world.job(later).attempts[-1].intended_at == paused_at + 30.25


def test_drain_after_a_pause_lets_what_was_frozen_finish() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(10))
    world.command(Command(Verb.PAUSE, None))
    world.command(Command(Verb.PAUSE, None, drain=True))
    [later] = world.submit(a_job().needing("1G").lasting(10))
    world.advance(11)
    assert world.statuses([job, later]) == ["succeeded", "queued"]
    world.command(Command(Verb.RESUME, None))
    assert world.status(later) == "running"


def test_one_job_may_be_resumed_while_the_queue_is_paused() -> None:
    world = World()
    one, two = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(50))
    world.command(Command(Verb.PAUSE, None))
    world.command(Command(Verb.RESUME, (one,)))
    world.advance(3)
    assert world.statuses([one, two]) == ["running", "paused"]


def frozen_by_the_guard() -> tuple[World, JobId]:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [job] = world.submit(a_job("minor").needing("4G").with_priority(8).lasting(200))
    world.advance(2)
    world.machine.others_bytes = size("11.2G")
    world.advance(1.2)
    assert world.status(job) == "paused"
    return world, job


def test_the_guard_thaws_nothing_while_the_queue_is_paused() -> None:
    world, job = frozen_by_the_guard()
    world.command(Command(Verb.PAUSE, None))
    world.machine.others_bytes = size("1G")
    world.advance(60)
    assert world.status(job) == "paused"
    world.command(Command(Verb.RESUME, None))
    world.advance(20)
    assert world.status(job) == "running"


def test_a_users_pause_of_a_frozen_job_is_the_users_and_the_guard_does_not_undo_it() -> None:
    world, job = frozen_by_the_guard()
    world.command(Command(Verb.PAUSE, (job,)))
    world.machine.others_bytes = size("1G")
    world.advance(60)
    assert world.status(job) == "paused"
    world.command(Command(Verb.RESUME, (job,)))
    assert world.status(job) == "running"


def test_a_users_resume_of_a_frozen_job_waits_for_memory_and_does_not_count_as_a_thaw() -> None:
    world, job = frozen_by_the_guard()
    [result] = world.command(Command(Verb.RESUME, (job,)))
    assert result.answer is Answer.DONE
    assert world.status(job) == "paused"
    assert "memory" in world.sentence(job)
    world.machine.others_bytes = size("1G")
    world.advance(20)
    assert world.status(job) == "running"
    assert world.job(job).thaws == ()


# --- waiting jobs ---


def test_hold_of_a_forced_job_takes_the_force_back() -> None:
    world = World(cores=1)
    _, second = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(50))
    world.engine.state.machine.mode = Mode.EMERGENCY
    world.command(Command(Verb.START, (second,), force=True))
    assert world.status(second) == "queued"
    world.command(Command(Verb.HOLD, (second,)))
    world.advance(10)
    assert world.status(second) == "held"
    world.command(Command(Verb.RELEASE, (second,)))
    world.advance(10)
    assert world.status(second) == "queued"


def test_a_forced_job_put_first_stays_forced() -> None:
    world = World(cores=1)
    _, second = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(50))
    world.engine.state.machine.mode = Mode.EMERGENCY
    world.command(Command(Verb.START, (second,), force=True))
    world.command(Command(Verb.FIRST, (second,)))
    world.advance(10)
    assert world.status(second) == "running"


def test_a_job_whose_dependency_failed_while_it_was_on_hold_is_skipped_at_release_and_said_so() -> None:
    for verb, more in ((Verb.RELEASE, {}), (Verb.START, {"force": True})):
        world = World()
        [first] = world.submit(a_job().needing("1G").lasting(1).failing())
        [second] = world.submit(a_job().needing("1G").having(held=True, after=(Dependency(first, AfterCondition.OK),)))
        world.advance(2)
        [result] = world.command(Command(verb, (second,), **more))  # type: ignore[arg-type]
        assert result.answer is Answer.REFUSED, verb
        assert "succeed" in result.sentence
        assert world.status(second) == "skipped"
        world.advance(3)
        assert not [tick for tick in world.disk.ticks if tick.first.kind == "rejected"]


def test_retry_of_a_skipped_job_says_what_it_still_waits_for() -> None:
    world = World()
    [first] = world.submit(a_job().needing("1G").lasting(1).failing())
    [second] = world.submit(a_job().needing("1G").lasting(1).having(after=(Dependency(first, AfterCondition.OK),)))
    world.advance(2)
    [result] = world.command(Command(Verb.RETRY, (second,)))
    assert result.answer is Answer.REFUSED
    world.behaviours["command-1"] = a_job().lasting(1).behaviour
    world.command(Command(Verb.RETRY, (first,)))
    [result] = world.command(Command(Verb.RETRY, (second,)))
    assert result.answer is Answer.DONE
    world.advance(5)
    assert world.statuses([first, second]) == ["succeeded", "succeeded"]


def test_a_reason_for_a_paused_job_is_who_paused_it() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(50))
    world.command(Command(Verb.PAUSE, (job,)))
    status = world.job(job).status
    assert getattr(status, "reason", None) is PauseReason.USER
    assert world.waits(job) == ["paused"]


def test_one_verb_on_many_kinds_of_jobs_never_raises() -> None:
    for verb in Verb:
        world = World(cores=1)
        world.engine.edit = lambda spec, _changes: spec
        running, queued = world.submit(a_job().needing("1G").lasting(50), a_job().needing("1G").lasting(50))
        [held] = world.submit(a_job().needing("1G").having(held=True))
        [parked] = world.submit(a_job().needing("1G").having(after=(Dependency(running, AfterCondition.ANY),)))
        [begins] = world.submit(a_job().needing("1G").having(begin_at=world.clock.now() + 100))
        [done] = world.submit(a_job().unable_to_start("no such program").with_priority(0))
        world.command(Command(Verb.START, (done,), force=True))
        ids = (running, queued, held, parked, begins, done, JobId(77), JobId(1, 4))
        results = world.command(Command(verb, ids))
        assert len(results) == len(ids), verb
        world.command(Command(verb, None))
        world.advance(5)


def test_killing_a_held_job_that_waits_for_another_leaves_nobody_to_be_told() -> None:
    world = World()
    [first] = world.submit(a_job().needing("1G").lasting(2))
    [held] = world.submit(a_job().needing("1G").having(held=True, after=(Dependency(first),)))
    world.command(Command(Verb.KILL, (held,)))
    assert world.status(held) == "killed"
    assert world.engine.state.dependants == {}
    world.advance(3)
    assert world.status(first) == "succeeded"

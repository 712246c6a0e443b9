"""Relations of jobs with others and with the clock as stories: retries with backoff, locks, cycles, deadlines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.world import World, a_job
from tidegate.core.forecast import deadline_outlook, forecast
from tidegate.core.job import AfterCondition, Attempt, Dependency, Outcome, tries_again_at
from tidegate.engine import intake
from tidegate.engine.ports import Command, EngineUnwilling, Verb
from tidegate.submission.edit import edited
from tidegate.submission.request import MachineFacts

FACTS = MachineFacts(cores=8, memory_total_bytes=16 << 30, memory_line_bytes=14 << 30)


def a_world(**machine: object) -> World:
    return World(**machine)  # type: ignore[arg-type]


def edit(world: World, id: object, **changes: str) -> str:
    world.engine.edit = lambda spec, changes: edited(spec, changes, FACTS, world.clock.now())
    names = {name.replace("_", "-"): text for name, text in changes.items()}
    [result] = world.command(Command(Verb.EDIT, (id,), changes=names))  # type: ignore[arg-type]
    return result.sentence


# --- retries ---------------------------------------------------------------------------------------------------------


def test_a_failed_job_waits_twice_as_long_before_each_new_try_and_says_so() -> None:
    world = a_world()
    [job] = world.submit(a_job().needing("1G").lasting(1).failing(3).having(retries=3, retry_delay_s=30.0))
    world.advance(2)
    assert world.waits(job) == ["retry"]
    assert world.sentence(job).startswith("tries again at ")
    assert world.sentence(job).endswith("(attempt 2 of 4, exit 3)")
    world.advance(27)
    assert len(world.machine.started) == 1
    world.advance(4)
    assert len(world.machine.started) == 2, "after half a minute"
    world.advance(56)
    assert len(world.machine.started) == 2
    assert world.sentence(job).endswith("(attempt 3 of 4, exit 3)")
    world.advance(6)
    assert len(world.machine.started) == 3, "after a minute more"
    world.advance(125)
    assert len(world.machine.started) == 4
    assert world.status(job) == "failed"


def test_a_wait_for_the_next_try_outlives_a_restart_and_can_be_edited_or_cut_short() -> None:
    world = a_world()
    first, second = world.submit(
        *[a_job().needing("1G").lasting(1).failing().having(retries=1, retry_delay_s=600.0) for _ in range(2)]
    )
    world.advance(5)
    world.restart()
    assert world.waits(first) == ["retry"]
    assert edit(world, first, retry_delay="10s") == f"changed job {first}"
    world.advance(20)
    assert (world.status(first), len(world.machine.started)) == ("failed", 3)
    world.command(Command(Verb.HOLD, (second,)))
    world.command(Command(Verb.RELEASE, (second,)))
    world.advance(5)
    assert world.status(second) == "failed", "who releases a job wants it to run"


def test_the_delay_doubles_with_failures_only_and_ends_at_an_hour() -> None:
    world = a_world()
    [id] = world.submit(a_job().having(held=True, retries=20, retry_delay_s=600.0))
    job = world.job(id)
    delays = []
    for number, outcome in enumerate([Outcome.FAILED, None, Outcome.FAILED, Outcome.FAILED, Outcome.FAILED], start=1):
        job.attempts = (*job.attempts, Attempt(number, f"run-{number}", 0.0, ended_at=1.0, outcome=outcome))
        delays.append(tries_again_at(job, 1000.0))
    assert delays == [1600.0, 1600.0, 2200.0, 3400.0, 4600.0]
    job.spec = replace(job.spec, retry_delay_s=7200.0)
    assert tries_again_at(job, 1000.0) == 8200.0, "more than an hour only where the user says so"
    job.spec = replace(job.spec, retry_delay_s=0.0)
    assert tries_again_at(job, 1000.0) is None


def test_a_sleep_of_the_machine_keeps_the_order_of_waits() -> None:
    world = a_world()
    [job] = world.submit(a_job().needing("1G").lasting(1).failing().having(retries=1, retry_delay_s=60.0))
    world.advance(2)
    world.machine.sleep(7200)
    world.advance(70)
    assert world.status(job) == "failed"


# --- locks, arrays, cycles -------------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one_job_at_a_time_and_names_its_holder() -> None:
    world = a_world()
    first, second, other = world.submit(
        a_job("first").needing("1G").lasting(10).having(locks=("disk",)),
        a_job("second").needing("1G").lasting(10).having(locks=("disk", "net")),
        a_job("other").needing("1G").lasting(10).having(locks=("net",)),
    )
    world.advance(1)
    assert world.statuses([first, second, other]) == ["running", "queued", "running"]
    assert world.sentence(second) == f"first (job {first}) has the lock disk"
    world.advance(11)
    assert world.statuses([first, second, other]) == ["succeeded", "running", "succeeded"]


def test_a_cycle_is_refused_with_its_way_and_nothing_changes() -> None:
    world = a_world()
    [first] = world.submit(a_job().needing("1G").having(held=True))
    [second] = world.submit(a_job().needing("1G").having(after=(Dependency(first),)))
    [third] = world.submit(a_job().needing("1G").having(after=(Dependency(second, AfterCondition.ANY),)))
    assert edit(world, first, after=str(first)) == f"job {first} cannot run after itself"
    assert edit(world, first, after=f"any:{third}") == (
        f"job {first} cannot run after job {third}, which runs after job {second}, which runs after job {first}: "
        "neither could ever start"
    )
    assert (
        edit(world, first, after="99") == "it is to run after job 99, and no such job waits, runs or has ended lately"
    )
    assert world.job(first).spec.after == ()
    [array] = world.submit(a_job().needing("1G").having(array=(1, 2), array_size=2, after=(Dependency(first),)))
    assert "cannot run after" in edit(world, first, after=str(array))
    assert edit(world, third, after="none") == f"changed job {third}"
    assert edit(world, first, after=str(third)) == f"changed job {first}"


def test_an_edit_can_let_a_job_wait_for_another_or_find_that_it_never_runs() -> None:
    world = a_world()
    [ended] = world.submit(a_job().needing("1G").lasting(1).failing())
    world.advance(3)
    [running] = world.submit(a_job("long").needing("12G").lasting(50))
    [job] = world.submit(a_job().needing("5G").lasting(1))
    world.advance(2)
    assert edit(world, job, after=str(running)) == f"changed job {job}"
    assert world.sentence(job) == f"after long (job {running})"
    assert "was skipped" in edit(world, job, after=f"ok:{ended}")
    assert world.status(job) == "skipped"


# --- deadlines -------------------------------------------------------------------------------------------------------


def test_a_deadline_in_the_past_is_refused_in_one_sentence() -> None:
    world = a_world()
    [answer] = world.try_submit(a_job().having(deadline_at=world.clock.now() - 60))  # type: ignore[misc]
    assert answer.refused is not None
    assert answer.refused.endswith("lies in the past, so it could never be met")
    assert world.engine.state.jobs == {}


def test_who_will_be_late_is_told_at_submit_by_how_much_and_accepted_all_the_same() -> None:
    world = a_world()
    world.submit(a_job("long").needing("10G").lasting(3600).having(time_limit_s=3600.0))
    world.advance(1)
    deadline = world.clock.now() + 3600
    [late] = world.try_submit(a_job().needing("8G").having(time_limit_s=2400.0, deadline_at=deadline))  # type: ignore[misc]
    assert late.id is not None
    assert late.warnings == (f"job {late.id} will not make its deadline: about 40 min late",)
    [early] = world.try_submit(a_job().needing("1G").having(time_limit_s=1200.0, deadline_at=deadline))  # type: ignore[misc]
    assert early.notes[0].startswith(f"job {early.id} should be done by ")
    assert early.notes[0].endswith(", 40 min before its deadline")
    outlook = deadline_outlook(world.engine.state, late.id, world.clock.now())
    assert outlook == ("will not make its deadline: about 40 min late", True)


def test_the_outlook_of_many_is_one_sentence() -> None:
    world = a_world()
    deadline = world.clock.now() + 100
    jobs = [a_job().needing("12G").lasting(60).having(time_limit_s=60.0, deadline_at=deadline) for _ in range(30)]
    answers = world.try_submit(*jobs)
    assert not isinstance(answers, EngineUnwilling)
    [note] = [warning for answer in answers for warning in answer.warnings]
    assert note.startswith("of 30 jobs 29 will not make their deadline (the first: job 2 will not make its deadline: ")
    assert note.endswith("1 should, and of 0 it cannot be said yet")


def test_a_job_that_waits_for_its_next_try_starts_at_once_when_it_is_forced() -> None:
    world = a_world()
    [job] = world.submit(a_job().needing("1G").lasting(1).failing(1).having(retries=1, retry_delay_s=600.0))
    world.advance(3)
    assert world.sentence(job).startswith("tries again at ")
    [result] = world.command(Command(Verb.START, (job,), force=True))
    assert result.sentence == f"started job {job}"
    world.advance(3)
    assert len(world.job(job).attempts) == 2


def test_an_edit_cannot_put_the_deadline_before_the_begin() -> None:
    world = a_world()
    [job] = world.submit(a_job().having(begin_at=world.clock.now() + 3600))
    assert "its deadline would lie before its begin" in edit(world, job, deadline="now+30m")
    assert world.job(job).spec.deadline_at is None
    assert edit(world, job, deadline="now+2h") == f"changed job {job}"
    assert edit(world, job, deadline="none", begin="none") == f"changed job {job}"
    assert (world.job(job).spec.deadline_at, world.job(job).spec.begin_at) == (None, None)


def test_what_nobody_knows_is_not_guessed() -> None:
    world = a_world()
    deadline = world.clock.now() + 3600
    [answer] = world.try_submit(a_job().needing("1G").having(deadline_at=deadline))  # type: ignore[misc]
    assert answer.notes[0].endswith(" may or may not make its deadline: not all durations that it takes are known")
    world.submit(a_job().needing("12G").lasting(9999))
    world.advance(1)
    behind = a_job().needing("8G").having(time_limit_s=60.0, deadline_at=deadline)
    _, starts, _, outlook = intake.preview(world.engine, world.submission(behind))
    assert not starts
    assert outlook is not None
    assert "may or may not" in outlook()[0]


def test_a_forecast_knows_begins_dependencies_arrays_and_what_earlier_runs_taught() -> None:
    world = a_world()
    now = world.clock.now()
    [begins] = world.submit(a_job().needing("1G").having(begin_at=now + 500, time_limit_s=100.0))
    [after] = world.submit(a_job().needing("1G").having(after=(Dependency(begins),), time_limit_s=50.0))
    [array] = world.submit(
        a_job().needing("1G").lasting(999).having(array=(1, 2, 3), array_size=3, array_parallel=1, time_limit_s=200.0)
    )
    before = world.engine.state.version
    spans = forecast(world.engine.state, world.clock.now())
    assert world.engine.state.version == before, "a forecast changed what it looked at"
    assert spans[begins] == pytest.approx((now + 500, now + 600), abs=0.1)
    assert spans[after] == pytest.approx((now + 600, now + 650), abs=0.1)
    ends = sorted(spans[id].end_at or 0 for id in world.engine.state.elements(array.number))
    assert ends == pytest.approx([now + 200, now + 400, now + 600], abs=2)


def test_a_forecast_comes_true_where_durations_do() -> None:
    world = a_world(cores=4)
    jobs = world.submit(
        *[
            a_job(f"job{n}").needing("2G").on_cores(1 + n % 3).lasting(60.0 + 7 * n).having(time_limit_s=61.0 + 7 * n)
            for n in range(12)
        ]
    )
    world.advance(0.5)
    spans = forecast(world.engine.state, world.clock.now())
    world.advance(900)
    for id in jobs:
        started = world.job(id).attempts[-1].started_at
        assert started == pytest.approx(spans[id].start_at, abs=12), f"job {id}: each earlier one ends a second earlier"

"""Queues as stories: their order, their own limits and strategies, who makes room, and what a change of them does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.world import JobBuilder, World, a_job
from tidegate.core import events as e
from tidegate.core.job import JobId, OnPreempt
from tidegate.core.machine import GpuReading
from tidegate.core.policy import QUEUES, Policy, QueuePolicy
from tidegate.core.resources import GIB
from tidegate.engine.ports import Answer, Command, Verb
from tidegate.engine.queues import by_queue
from tidegate.submission.edit import edited
from tidegate.submission.request import MachineFacts

SAMPLES = 1.1
CARDS = tuple(GpuReading(n, f"GPU-{n}", "NVIDIA A", 24 * GIB, 0, 0.0, 40.0) for n in range(2))
FACTS = MachineFacts(cores=8, memory_total_bytes=16 * GIB, memory_line_bytes=14 * GIB)


def with_queues(*queues: QueuePolicy, **fields: object) -> Policy:
    """The built-in queues, replaced or joined by these."""
    named = {queue.name: queue for queue in (*QUEUES, *queues)}
    return Policy(queues=tuple(named.values()), **fields)  # type: ignore[arg-type]


def world_with(*queues: QueuePolicy, cores: int = 8, **machine: object) -> World:
    world = World(with_queues(*queues), cores=cores, **machine)
    world.engine.edit = lambda spec, changes: edited(spec, changes, FACTS, world.clock.now())
    return world


def in_queue(queue: str, name: str = "job", memory: str = "1G", lasting: float = 600) -> JobBuilder:
    return a_job(name).needing(memory).lasting(lasting).having(queue=queue)


def change_queues(world: World, *queues: QueuePolicy) -> None:
    """The settings are changed while jobs wait and run."""
    world.engine.record(e.PolicyChanged(world.clock.now(), replace(world.engine.state.policy, queues=queues)))
    world.engine.tick()


def running(world: World, ids: list[JobId]) -> list[JobId]:
    return [id for id in ids if world.status(id) == "running"]


# --- order ------------------------------------------------------------------------------------------------------------


def test_queues_go_in_their_order_whatever_the_priority_and_arrival() -> None:
    world = world_with(QueuePolicy("express", order=5), cores=1)
    [first] = world.submit(in_queue("default", lasting=10))
    world.advance(SAMPLES)
    late, usual, early, now = world.submit(
        in_queue("batch", lasting=10).with_priority(0),
        in_queue("default", lasting=10).with_priority(0),
        in_queue("express", lasting=10).with_priority(9),
        in_queue("realtime", lasting=10).with_priority(9),
    )
    world.advance(60)
    ended = sorted((first, late, usual, early, now), key=lambda one: world.job(one).attempts[-1].started_at or 0.0)
    assert ended == [first, now, early, usual, late]


def test_queues_of_one_order_share_it_by_priority() -> None:
    world = world_with(QueuePolicy("render", order=10), cores=1)
    world.submit(in_queue("default", lasting=5))
    world.advance(SAMPLES)
    usual, render = world.submit(in_queue("default", lasting=5), in_queue("render", lasting=5).with_priority(2))
    world.advance(6)
    assert world.statuses([usual, render]) == ["queued", "running"]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_queue_runs_so_many_at_once_and_says_so_and_the_others_are_not_kept_waiting() -> None:
    world = world_with(QueuePolicy("render", order=5, max_running=2))
    jobs = world.submit(*[in_queue("render") for _ in range(4)], in_queue("default"))
    world.advance(SAMPLES)
    assert world.statuses(jobs) == ["running", "running", "queued", "queued", "running"]
    assert world.waits(jobs[2]) == ["queue_limit"]
    assert world.sentence(jobs[3]) == "the queue render runs 2 of at most 2 jobs"


def test_a_queue_holds_so_much_memory_and_says_what_is_left_and_a_smaller_job_goes_on() -> None:
    world = world_with(QueuePolicy("render", memory_bytes=4 * GIB))
    big, bigger, small = world.submit(*[in_queue("render", memory=size) for size in ("3G", "2G", "1G")])
    world.advance(SAMPLES)
    assert world.statuses([big, bigger, small]) == ["running", "queued", "running"]
    assert world.sentence(bigger) == "needs 2 GB, 0 B left of the 4 GB of the queue render"


def test_a_queue_holds_so_many_cards_and_jobs_without_a_card_are_not_meant() -> None:
    world = world_with(QueuePolicy("render", cards=1), gpus=CARDS)
    one, two, none = world.submit(
        in_queue("render").on_gpu(1, "4G"), in_queue("render").on_gpu(1, "4G"), in_queue("render")
    )
    world.advance(SAMPLES)
    assert world.statuses([one, two, none]) == ["running", "queued", "running"]
    assert world.sentence(two) == "the queue render holds 1 of at most 1 GPU"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (in_queue("nowhere"), "there is no queue 'nowhere'; there are realtime, default, render, batch"),
        (in_queue("render", memory="9G"), "the queue render may hold 4 GB at most, so it could never run there"),
        (in_queue("render").on_gpu(2, "1G"), "it asks for 2 GPUs and the queue render may hold 1 at most"),
    ],
)
def test_what_could_never_run_in_its_queue_is_refused_at_submit(job: JobBuilder, said: str) -> None:
    world = world_with(QueuePolicy("render", memory_bytes=4 * GIB, cards=1), gpus=CARDS)
    answers = world.try_submit(job)
    assert isinstance(answers, list)
    assert said in (answers[0].refused or "")


def test_strict_order_lets_nobody_of_the_queue_pass_and_only_of_the_queue() -> None:
    world = world_with(QueuePolicy("strict", order=5, backfill=False), cores=5)
    world.submit(in_queue("strict", "holder").on_cores(3))
    world.advance(SAMPLES)
    wide, narrow, other = world.submit(
        in_queue("strict", "wide").on_cores(4), in_queue("strict", "narrow"), in_queue("default", "other", lasting=5)
    )
    world.advance(SAMPLES)
    assert world.statuses([wide, narrow]) == ["queued", "queued"]
    assert world.status(other) in ("running", "succeeded")
    assert world.sentence(narrow) == f"behind wide (job {wide}): it would take what that one waits for"


def test_each_queue_has_its_own_strategy() -> None:
    slicing = QueuePolicy("turns", order=5, strategy="time_slicing")
    world = World(with_queues(slicing, strategy_options=(("time_slicing.quantum_s", 10.0),)), cores=1)
    first, second = world.submit(in_queue("turns"), in_queue("turns"))
    world.advance(35)
    assert {"running", "paused"} == set(world.statuses([first, second])), "they take turns"
    plain = world_with(QueuePolicy("turns", order=5), cores=1)
    first, second = plain.submit(in_queue("turns"), in_queue("turns"))
    plain.advance(35)
    assert plain.statuses([first, second]) == ["running", "queued"], "without it they do not"


# --- the settings change while jobs wait and run ----------------------------------------------------------------------


def test_when_limits_shrink_below_what_runs_nothing_is_stopped_and_new_ones_wait_with_the_reason() -> None:
    world = world_with(QueuePolicy("render"))
    jobs = world.submit(*[in_queue("render", lasting=30) for _ in range(3)])
    world.advance(SAMPLES)
    change_queues(world, *QUEUES, QueuePolicy("render", max_running=1, memory_bytes=2 * GIB))
    [late] = world.submit(in_queue("render"))
    world.advance(5)
    assert world.statuses(jobs) == ["running"] * 3
    assert world.sentence(late) == "the queue render runs 3 of at most 1 job"
    world.advance(30)
    assert world.statuses([*jobs, late]) == ["succeeded"] * 3 + ["running"]


def test_one_that_no_longer_fits_its_queue_waits_and_is_never_waited_for() -> None:
    world = world_with(QueuePolicy("render"), cores=1)
    [now] = world.submit(in_queue("render", lasting=5))
    world.advance(SAMPLES)
    [huge] = world.submit(in_queue("render", "huge", memory="4G"))
    change_queues(world, *QUEUES, QueuePolicy("render", memory_bytes=2 * GIB, backfill=False))
    small = world.submit(*[in_queue("render", lasting=1) for _ in range(25)])
    world.advance(60)
    assert world.status(now) == "succeeded"
    assert set(world.statuses(small)) == {"succeeded"}
    assert world.sentence(huge) == "needs 4 GB, 2 GB left of the 2 GB of the queue render"


def test_jobs_of_a_queue_that_was_taken_away_go_on_as_default_ones_under_its_limits() -> None:
    world = world_with(QueuePolicy("render", order=5, max_running=1))
    jobs = world.submit(*[in_queue("render", lasting=20) for _ in range(4)])
    world.advance(SAMPLES)
    assert len(running(world, jobs)) == 1
    change_queues(world, *(replace(queue, max_running=2) if queue.name == "default" else queue for queue in QUEUES))
    world.advance(SAMPLES)
    assert world.statuses(jobs) == ["running", "running", "queued", "queued"]
    assert world.sentence(jobs[2]) == "the queue default runs 2 of at most 2 jobs"
    [mine] = world.submit(in_queue("default"))
    world.advance(SAMPLES)
    assert world.status(mine) == "queued", "they count with the others of default"
    shown = {queue.name: queue for queue in by_queue(world.engine.state, world.clock.now()).queues}
    assert list(shown) == ["realtime", "default", "batch"]
    assert (shown["default"].running, shown["default"].waiting, shown["default"].memory_bytes) == (2, 3, 2 * GIB)
    edited = world.command(Command(Verb.EDIT, (jobs[3],), changes={"priority": "1"}))
    assert [result.answer for result in edited] == [Answer.DONE], "it may be changed although its queue is gone"
    world.advance(20)
    assert len(running(world, [*jobs, mine])) == 2


def test_a_user_sends_a_job_to_another_queue_and_not_to_one_that_is_none() -> None:
    world = world_with(QueuePolicy("render", order=5, max_running=1))
    first, second = world.submit(in_queue("render"), in_queue("render"))
    world.advance(SAMPLES)
    [refused] = world.command(Command(Verb.EDIT, (second,), changes={"queue": "nowhere"}))
    assert refused.answer is Answer.REFUSED
    assert "there is no queue 'nowhere'" in refused.sentence
    world.command(Command(Verb.EDIT, (second,), changes={"queue": "batch"}))
    world.advance(SAMPLES)
    assert world.statuses([first, second]) == ["running", "running"]
    assert world.job(second).spec.queue == "batch"


# --- a user's pause ---------------------------------------------------------------------------------------------------


def test_a_job_its_user_paused_comes_back_to_a_full_queue_only_when_there_is_place() -> None:
    world = world_with(QueuePolicy("render", max_running=1))
    [paused] = world.submit(in_queue("render"))
    world.advance(SAMPLES)
    world.command(Command(Verb.PAUSE, (paused,)))
    [other] = world.submit(in_queue("render", lasting=20))
    world.advance(SAMPLES)
    assert world.statuses([paused, other]) == ["paused", "running"]
    world.command(Command(Verb.RESUME, (paused,)))
    world.advance(5)
    assert world.status(paused) == "paused"
    assert world.waits(paused) == ["waiting_to_resume"]
    assert world.sentence(paused) == "waits for a free place to go on · the queue render runs 1 of at most 1 job"
    [behind] = world.submit(in_queue("render"))
    world.advance(20)
    assert world.statuses([paused, other, behind]) == ["running", "succeeded", "queued"]


# --- preemption -------------------------------------------------------------------------------------------------------


def urgent(memory: str = "1G", cores: float = 1.0, lasting: float = 20) -> JobBuilder:
    return in_queue("realtime", "urgent", memory, lasting).on_cores(cores)


def test_who_made_room_comes_back_before_ordinary_jobs_start() -> None:
    world = world_with(cores=1)
    [patient] = world.submit(in_queue("batch", "patient"))
    world.advance(SAMPLES)
    [wanting] = world.submit(urgent())
    world.advance(0.1)
    assert world.statuses([wanting, patient]) == ["running", "paused"], "in the same tick"
    [ordinary] = world.submit(in_queue("default").with_priority(0))
    world.advance(25)
    assert world.statuses([wanting, patient, ordinary]) == ["succeeded", "running", "queued"]


def test_a_queue_of_ones_own_may_interrupt_others_and_a_job_whose_queue_is_gone_counts_as_a_default_one() -> None:
    express = QueuePolicy("express", order=1, preempts=("default",))
    world = world_with(express, QueuePolicy("old"), cores=2)
    old, batch = world.submit(in_queue("old", "old"), in_queue("batch", "batch"))
    world.advance(SAMPLES)
    change_queues(world, *QUEUES, express)
    [wanting] = world.submit(in_queue("express", "wanting", lasting=20))
    world.advance(0.1)
    assert world.statuses([wanting, old, batch]) == ["running", "paused", "running"]
    [ordinary] = world.submit(in_queue("default"))
    world.advance(25)
    assert world.statuses([wanting, old, ordinary]) == ["succeeded", "running", "queued"]


def test_a_full_queue_interrupts_nobody() -> None:
    world = world_with(QueuePolicy("realtime", order=0, preempts=("batch",), max_running=1), cores=2)
    jobs = world.submit(in_queue("batch"), in_queue("batch"))
    world.advance(SAMPLES)
    first, second = world.submit(urgent(), urgent())
    world.advance(5)
    assert world.statuses([first, second]) == ["running", "queued"]
    assert sorted(world.statuses(jobs)) == ["paused", "running"]
    assert world.sentence(second) == "the queue realtime runs 1 of at most 1 job"


def test_one_large_victim_is_cheaper_than_two_small_ones_and_the_least_work_is_lost() -> None:
    world = world_with(cores=8, memory_bytes=16 * GIB)
    again = {"on_preempt": OnPreempt.REQUEUE}
    small = world.submit(*[in_queue("batch", "small", "3G").having(**again) for _ in range(2)])
    world.advance(60)
    old, young = world.submit(*[in_queue("batch", name, "2G").having(**again) for name in ("old", "young")])
    world.advance(5)
    [wanting] = world.submit(urgent("5G"))
    world.advance(30)
    requeued = [id for id in (*small, old, young) if len(world.job(id).attempts) > 1 or world.status(id) == "queued"]
    assert world.status(wanting) in ("running", "succeeded")
    assert len(requeued) == 1, "one is enough"


def test_an_emergency_while_room_is_made_starts_nothing_and_nothing_is_lost() -> None:
    world = world_with(cores=4, memory_bytes=16 * GIB)
    again = in_queue("batch", "gives", "6G").having(on_preempt=OnPreempt.REQUEUE).ignoring_term()
    gives, grows = world.submit(again, in_queue("batch", "grows", "1G").growing("1G"))
    world.advance(3)
    [wanting] = world.submit(urgent("6G"))
    world.advance(1)
    assert world.statuses([gives, grows, wanting]) == ["stopping", "running", "queued"]
    world.advance(60)
    assert world.statuses([gives, grows, wanting]) == ["queued", "paused", "queued"]
    assert world.sentence(wanting).startswith("nothing starts in an emergency: memory at ")
    world.command(Command(Verb.KILL, (grows,)))
    world.advance(30)
    assert world.statuses([gives, wanting]) == ["running", "succeeded"]

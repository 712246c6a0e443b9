"""Preemption as stories: an urgent job gets its place from jobs of a queue that makes room, and they come back."""

from __future__ import annotations

from support.world import JobBuilder, World, a_job
from tidegate.core.job import OnPreempt
from tidegate.engine.ports import NoticeKind

SAMPLES = 1.1


def batch(name: str, memory: str = "1G", cores: float = 1.0) -> JobBuilder:
    return a_job(name).needing(memory).on_cores(cores).lasting(600).having(queue="batch")


def urgent(memory: str = "1G", cores: float = 1.0, lasting: float = 20) -> JobBuilder:
    return a_job("urgent").needing(memory).on_cores(cores).lasting(lasting).having(queue="realtime")


def test_a_realtime_job_that_lacks_cores_pauses_batch_jobs_and_starts_at_once_and_they_go_on_afterwards() -> None:
    world = World(cores=4)
    jobs = world.submit(*[batch(f"batch{n}") for n in range(4)])
    world.advance(SAMPLES)
    [wanting] = world.submit(urgent(cores=2))
    world.advance(0.1)
    assert world.status(wanting) == "running"
    paused = [id for id in jobs if world.status(id) == "paused"]
    assert len(paused) == 2, "no more than it takes"
    assert world.sentence(paused[0]).endswith(f" ago: made room for urgent (job {wanting})")
    told = [notice for notice in world.notices if notice.kind is NoticeKind.INTERVENED]
    assert [notice.job for notice in told] == paused
    assert told[0].text.startswith(f"It made room for urgent (job {wanting}). It goes on by itself ")
    world.advance(25)
    assert world.status(wanting) == "succeeded"
    assert world.statuses(jobs) == ["running"] * 4
    assert world.machine.killed == []


def test_a_realtime_job_that_lacks_memory_has_the_cheapest_willing_job_requeued() -> None:
    world = World(cores=8)
    keeps = world.submit(batch("pauses", "4G"))[0]
    old = world.submit(batch("old", "4G").having(on_preempt=OnPreempt.REQUEUE))[0]
    world.advance(120)
    young = world.submit(batch("young", "4G").having(on_preempt=OnPreempt.REQUEUE))[0]
    world.advance(5)
    [wanting] = world.submit(urgent("3G"))
    world.advance(2)
    assert world.statuses([wanting, keeps, old, young]) == ["running", "running", "running", "queued"]
    attempt = world.job(young).attempts[-1]
    assert (attempt.outcome, attempt.why) == (None, f"requeued: made room for urgent (job {wanting})")
    world.advance(40)
    assert world.statuses([wanting, young]) == ["succeeded", "running"], "it comes back when there is room"


def test_one_that_is_not_preemptible_and_one_of_another_queue_are_spared_and_the_wait_says_what_is_lacking() -> None:
    world = World(cores=2)
    world.submit(batch("spared").having(preemptible=False), a_job("mine").needing("1G").lasting(600))
    world.advance(SAMPLES)
    [wanting] = world.submit(urgent())
    world.advance(5)
    assert world.status(wanting) == "queued"
    assert "cpu" in world.waits(wanting)
    assert all(job.status_name == "running" for job in world.engine.state.active.values())


def test_what_preemption_cannot_give_disturbs_nobody() -> None:
    world = World(cores=2)
    jobs = world.submit(batch("holder").having(locks=("disk",)), batch("other"))
    world.advance(SAMPLES)
    [wanting] = world.submit(urgent().having(locks=("disk",)))
    world.advance(5)
    assert world.status(wanting) == "queued"
    assert world.statuses(jobs) == ["running", "running"]


def test_the_least_important_make_room_and_ordinary_jobs_preempt_nobody() -> None:
    world = World(cores=2)
    important, minor = world.submit(batch("important").with_priority(2), batch("minor").with_priority(8))
    world.advance(SAMPLES)
    [ordinary] = world.submit(a_job("ordinary").needing("1G").with_priority(0))
    world.advance(2)
    assert world.status(ordinary) == "queued"
    [wanting] = world.submit(urgent())
    world.advance(0.1)
    assert world.statuses([wanting, important, minor]) == ["running", "running", "paused"]


def test_urgent_jobs_one_after_the_other_do_not_make_a_job_stop_and_go_all_the_time() -> None:
    world = World(cores=1)
    [job] = world.submit(batch("patient"))
    world.advance(SAMPLES)
    for _ in range(12):
        world.submit(urgent(lasting=2))
        world.advance(10)
    assert world.machine.pauses <= 3, "once it came back it runs for a minute"
    world.advance(700)
    assert world.status(job) == "succeeded"


def test_a_restart_in_the_middle_keeps_who_was_paused_paused_until_there_is_room() -> None:
    world = World(cores=1)
    [job] = world.submit(batch("batch"))
    world.advance(SAMPLES)
    [wanting] = world.submit(urgent(lasting=30))
    world.advance(2)
    world.restart()
    world.advance(5)
    assert world.statuses([wanting, job]) == ["running", "paused"]
    world.advance(40)
    assert world.statuses([wanting, job]) == ["succeeded", "running"]

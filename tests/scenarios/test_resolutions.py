"""Settling conflicts: every way by hand and by policy, what goes on afterwards, and what happens over a restart."""

from __future__ import annotations

import asyncio
import json

import pytest

from support.advice import AdvisedWorld, cards, doing, ways
from support.world import JobBuilder, a_job, size
from tidegate.core.conflicts import AdvicePolicy
from tidegate.core.job import JobId, OnPreempt, Touches
from tidegate.engine.ports import Answer, Command, CommandResult, Verb

GIB = 1 << 30
SAME_FILE = Touches(writes=("/data/out.csv",))


def a_writer(name: str, seconds: float = 600.0) -> JobBuilder:
    return doing(a_job(name).needing("1G").lasting(seconds), touches=SAME_FILE)


def a_leak(name: str, priority: int = 5) -> JobBuilder:
    return a_job(name).needing("2G").growing("20M").lasting(300).with_priority(priority)


def a_hog(name: str, seconds: float = 300.0) -> JobBuilder:
    return doing(a_job(name).needing("1G").lasting(seconds), cores=4.0)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_the_proposed_way_pauses_the_less_important_job_until_the_other_has_ended() -> None:
    world = AdvisedWorld()
    first, second = world.submit(a_writer("one", 100), a_writer("two", 100).with_priority(7))
    world.advance(10)
    result = world.resolve(1)
    assert (result.answer, result.sentence) == (
        Answer.DONE,
        "settled conflict 1: paused job 2. Job 2 rests until job 1 has ended",
    )
    view = world.the_conflict("file:/data/out.csv")
    assert view.sentence.endswith("write the same file /data/out.csv. Job 2 rests until job 1 has ended.")
    assert world.statuses([first, second]) == ["running", "paused"]
    world.advance(95)
    assert world.statuses([first, second]) == ["succeeded", "running"]
    assert (world.conflicts, world.last_ended()) == ((), "Settled: job 1 has ended.")
    world.advance(100)
    assert world.status(second) == "succeeded"


def test_who_takes_the_most_beyond_its_share_rests() -> None:
    world = AdvisedWorld(cores=4)
    big = doing(a_job("big").needing("1G").on_cores(1).lasting(300), cores=4.0)
    small = doing(a_job("small").needing("1G").on_cores(1).lasting(300).with_priority(7), cores=2.0)
    first, second = world.submit(big, small)
    world.advance(70)
    assert ways(world.the_conflict("cores")) == ["by_priority", "fair_share", "time_slicing", "leave"]
    world.resolve(1, "fair_share")
    assert world.statuses([first, second]) == ["paused", "running"]
    world.advance(240)
    assert world.statuses([first, second]) == ["running", "succeeded"]


def test_taking_turns_really_alternates_until_one_has_ended() -> None:
    world = AdvisedWorld(cores=4, quantum_s=60.0)
    first, second = world.submit(a_hog("one"), a_hog("two"))
    world.advance(70)
    world.resolve(1, "time_slicing")
    seen = []
    for _ in range(8):
        seen.append(tuple(world.statuses([first, second])))
        world.advance(62)
    assert seen[:6] == [("running", "paused"), ("paused", "running")] * 3
    assert "then the next in turn" in world.conflicts[0].sentence if world.conflicts else True
    world.advance(400)
    assert world.statuses([first, second]) == ["succeeded", "succeeded"]
    assert world.conflicts == ()
    assert (world.last_ended() or "").startswith("Settled: job ")


def test_turns_with_a_job_that_waits_begin_when_it_has_started() -> None:
    world = AdvisedWorld(cores=4, quantum_s=60.0)
    [long] = world.submit(a_job("long").needing("1G").on_cores(4).lasting(600).with_priority(8))
    world.advance(2)
    [urgent] = world.submit(a_job("urgent").needing("1G").on_cores(4).lasting(100).with_priority(1))
    world.advance(140)
    world.resolve(1, "time_slicing")
    assert world.statuses([long, urgent]) == ["paused", "running"]
    world.advance(64)
    assert world.statuses([long, urgent]) == ["running", "paused"]
    world.advance(64)
    assert world.statuses([long, urgent]) == ["paused", "running"]
    world.advance(64)
    assert world.statuses([long, urgent]) == ["running", "succeeded"]


def test_a_less_important_holder_of_memory_is_run_again_later_where_its_user_allowed_that() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"))
    holder = a_job("low").needing("10G").lasting(1000).with_priority(8).having(on_preempt=OnPreempt.REQUEUE)
    [low] = world.submit(holder)
    world.advance(2)
    [high] = world.submit(a_job("high").needing("8G").lasting(100).with_priority(2))
    world.advance(140)
    assert ways(world.the_conflict("priority")) == ["by_priority", "stop", "leave"]
    result = world.resolve(1)
    assert "stopped job 1; it runs again later" in result.sentence
    world.advance(5)
    assert world.statuses([low, high]) == ["queued", "running"]
    world.advance(120)
    assert world.statuses([low, high]) == ["running", "succeeded"]
    assert len(world.job(low).attempts) == 2


def test_where_a_pause_sets_nothing_free_a_job_can_only_be_stopped() -> None:
    world = AdvisedWorld()
    first, second = world.submit(
        *(doing(a_job(n).needing("1G").lasting(600), touches=Touches(ports=(8080,))) for n in ("one", "two"))
    )
    world.advance(10)
    assert world.resolve(1).answer is Answer.DONE
    world.advance(5)
    assert world.statuses([first, second]) == ["running", "cancelled"]
    assert world.last_ended() == "Settled by you: cancelled job 2."


def test_deadlines_that_collide_are_met_as_far_as_can_be_by_holding_one() -> None:
    world = AdvisedWorld(cores=4)
    [block] = world.submit(a_job("block").needing("1G").on_cores(4).lasting(60))
    due = world.clock.now() + 3000.0
    limits = {"time_limit_s": 1800.0, "deadline_at": due}
    one = a_job("one").needing("1G").on_cores(3).lasting(1000).having(**limits).with_priority(6)
    first, second = world.submit(one, a_job("two").needing("1G").on_cores(3).lasting(1000).having(**limits))
    world.advance(20)
    world.the_conflict("deadline")
    world.resolve(1)
    assert world.statuses([first, second]) == ["held", "queued"]
    world.advance(60)
    assert world.statuses([block, first, second]) == ["succeeded", "held", "running"]
    world.advance(1010)
    assert world.statuses([first, second]) == ["running", "succeeded"]


def test_the_less_important_of_two_that_begin_together_begins_when_the_other_should_have_ended() -> None:
    world = AdvisedWorld(cores=4)
    at = world.clock.now() + 3600.0
    job = a_job("one").needing("1G").on_cores(3).lasting(600)
    first, second = world.submit(
        job.having(begin_at=at, time_limit_s=900.0).with_priority(6),
        a_job("two").needing("1G").on_cores(3).lasting(600).having(begin_at=at, time_limit_s=900.0),
    )
    world.advance(20)
    world.the_conflict("begin")
    assert world.resolve(1).answer is Answer.DONE
    assert world.job(second).spec.begin_at == at
    assert world.job(first).spec.begin_at == at + 960
    world.advance(40)
    assert world.conflicts == ()


def test_begin_times_of_jobs_whose_duration_nobody_knows_are_put_apart_by_holding_one() -> None:
    world = AdvisedWorld(cores=4)
    at = world.clock.now() + 100.0
    first, second = world.submit(*(a_job().needing("1G").on_cores(3).lasting(50).having(begin_at=at) for _ in range(2)))
    world.advance(20)
    world.resolve(1)
    assert world.statuses([first, second]) == ["queued", "held"]
    world.advance(90)
    assert world.statuses([first, second]) == ["running", "held"]
    world.advance(60)
    assert world.statuses([first, second]) == ["succeeded", "running"]


def test_outputs_that_would_be_mixed_are_written_one_after_the_other() -> None:
    world = AdvisedWorld(cores=4)
    jobs = [a_job(n).needing("1G").lasting(60).having(stdout_path="/data/log.txt") for n in ("one", "two", "three")]
    ids = world.submit(*jobs)
    world.advance(10)
    world.resolve(1)
    assert world.statuses(ids) == ["running", "paused", "paused"]
    world.advance(55)
    assert world.statuses(ids) == ["succeeded", "running", "running"]


def test_a_card_for_two_is_shared_in_turns() -> None:
    world = AdvisedWorld(gpus=cards(), quantum_s=60.0)
    busy = {"gpu_utilisation_pct": 60.0, "gpu_memory_bytes": GIB}
    first, second = world.submit(
        *(doing(a_job().needing("1G").on_gpu(0.5, "4G").lasting(600), **busy) for _ in range(2))
    )
    world.advance(126)
    assert world.resolve(1).answer is Answer.DONE
    assert world.statuses([first, second]) == ["running", "paused"]
    world.advance(64)
    assert world.statuses([first, second]) == ["paused", "running"]


def test_a_conflict_left_as_it_is_is_not_told_again_while_it_lasts() -> None:
    world = AdvisedWorld()
    ids = world.submit(a_writer("one", 900), a_writer("two", 900))
    world.advance(10)
    assert world.resolve(1, "leave").sentence == "left conflict 1 as it is"
    world.advance(300)
    assert world.statuses(ids) == ["running", "running"]
    assert (world.conflicts, world.last_ended()) == ((), "You left it as it is.")
    world.restart()
    world.advance(100)
    assert world.conflicts == ()
    assert len(world.told()) == 1


def test_another_way_may_be_taken_later_and_leaving_it_lets_all_go_on() -> None:
    world = AdvisedWorld(cores=4)
    first, second = world.submit(a_hog("one", 900), a_hog("two", 900))
    world.advance(70)
    world.resolve(1, "by_priority")
    assert world.statuses([first, second]) == ["running", "paused"]
    world.resolve(1, "time_slicing")
    world.advance(64)
    assert world.statuses([first, second]) == ["paused", "running"]
    world.resolve(1, "leave")
    world.advance(3)
    assert world.statuses([first, second]) == ["running", "running"]


def test_who_is_let_go_on_by_hand_is_not_paused_again() -> None:
    world = AdvisedWorld()
    first, second = world.submit(a_writer("one"), a_writer("two"))
    world.advance(10)
    world.resolve(1)
    world.command(Command(Verb.RESUME, (second,)))
    world.advance(5)
    assert world.statuses([first, second]) == ["running", "running"]
    assert world.last_ended() == "You let job 2 go on."


def test_what_cannot_be_done_is_refused_with_a_reason() -> None:
    world = AdvisedWorld()
    world.submit(a_writer("one", 30), a_writer("two", 30))
    world.advance(10)
    wrong = world.resolve(1, "magic")
    assert (wrong.answer, wrong.sentence) == (
        Answer.REFUSED,
        '"magic" is no way to settle conflict 1; accepted: by_priority, stop, leave',
    )
    assert world.resolve(7).answer is Answer.UNKNOWN
    assert world.resolve(7).sentence == "there is no conflict 7"
    world.advance(80)
    gone = world.resolve(1)
    assert (gone.answer, gone.sentence) == (Answer.REFUSED, "conflict 1 has ended: It went away by itself")


# --- by policy ------------------------------------------------------------------------------------------------------


def test_by_priority_settles_at_once_and_says_so_in_one_notice() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"), resolve="by_priority")
    first, second = world.submit(a_leak("one"), a_leak("two", priority=7))
    world.advance(130)
    assert world.statuses([first, second]) == ["running", "paused"]
    assert world.sentence(second).endswith("ago: rests until job 1 has ended")
    [notice] = world.told()
    assert notice.text.endswith("Job 2 rests until job 1 has ended.")
    world.advance(300)
    assert world.statuses([first, second]) == ["succeeded", "running"]
    world.advance(310)
    assert world.status(second) == "succeeded"


def test_fair_share_rests_who_is_farthest_beyond_its_promise() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"), resolve="fair_share")
    first, second = world.submit(a_leak("one").growing("30M"), a_leak("two", priority=7))
    world.advance(130)
    assert world.statuses([first, second]) == ["paused", "running"]


def test_time_slicing_by_policy_alternates() -> None:
    world = AdvisedWorld(cores=4, resolve="time_slicing", quantum_s=60.0)
    first, second = world.submit(a_hog("one", 600), a_hog("two", 600))
    world.advance(75)
    assert world.statuses([first, second]) == ["running", "paused"]
    world.advance(62)
    assert world.statuses([first, second]) == ["paused", "running"]


def test_a_policy_that_has_no_way_for_it_leaves_it_to_be_settled_by_hand() -> None:
    world = AdvisedWorld(resolve="time_slicing")
    ids = world.submit(a_writer("one"), a_writer("two"))
    world.advance(30)
    assert world.statuses(ids) == ["running", "running"]
    assert world.the_conflict("file:/data/out.csv").ways


def test_no_policy_ends_a_job_for_good() -> None:
    for policy in ("by_priority", "fair_share", "time_slicing"):
        world = AdvisedWorld(resolve=policy)
        ids = world.submit(*(doing(a_job().needing("1G").lasting(300), touches=Touches(ports=(80,))) for _ in range(2)))
        world.advance(60)
        assert world.statuses(ids) == ["running", "running"]


def test_a_policy_chosen_later_settles_what_is_open() -> None:
    world = AdvisedWorld()
    ids = world.submit(a_writer("one"), a_writer("two"))
    world.advance(20)
    world.engine.advisor.set_policy(AdvicePolicy(resolve="by_priority"))
    world.advance(4)
    assert world.statuses(ids) == ["running", "paused"]


def test_switched_off_nothing_stays_open_and_nobody_rests_for_it() -> None:
    world = AdvisedWorld()
    ids = world.submit(a_writer("one"), a_writer("two"))
    world.advance(10)
    world.resolve(1)
    world.engine.advisor.set_policy(AdvicePolicy(conflicts=False))
    world.advance(6)
    assert world.statuses(ids) == ["running", "running"]
    assert (world.conflicts, world.last_ended()) == ((), "Tidegate no longer looks for it.")
    world.advance(100)
    assert world.conflicts == ()


def test_who_rests_for_one_that_ended_before_the_answer_goes_on() -> None:
    world = AdvisedWorld()
    ids = world.submit(a_writer("one"), a_writer("two"))
    world.advance(10)
    advisor = world.engine.advisor

    async def resolve() -> CommandResult:
        answer = asyncio.ensure_future(advisor.resolve(1))
        await asyncio.sleep(0)
        assert world.statuses(ids) == ["running", "paused"]
        advisor.set_policy(AdvicePolicy(conflicts=False))
        for _ in range(2):  # hints have their turn, too
            advisor.look(world.clock.now() + 10)
        return await answer

    assert world.ask(resolve()).sentence == "conflict 1 has ended meanwhile"
    world.advance(1)
    assert world.statuses(ids) == ["running", "running"]


# --- coming and going -----------------------------------------------------------------------------------------------


def test_it_closes_itself_when_it_went_away() -> None:
    world = AdvisedWorld()
    world.submit(a_writer("one", 60), a_writer("two", 600))
    world.advance(20)
    world.the_conflict("file:/data/out.csv")
    world.advance(85)
    assert (world.conflicts, world.last_ended()) == ((), "It went away by itself.")


def test_what_comes_and_goes_does_not_flap() -> None:
    world = AdvisedWorld(cores=4)
    ids = world.submit(*(a_hog(name, 4000) for name in ("one", "two")))
    world.advance(70)
    opened = world.the_conflict("cores").id
    for _ in range(12):
        world.command(Command(Verb.PAUSE, (ids[1],)))
        world.advance(12)
        world.command(Command(Verb.RESUME, (ids[1],)))
        world.advance(12)
    assert world.the_conflict("cores").id == opened
    assert len(world.told()) == 1
    quiet = AdvisedWorld(cores=4)
    ids = quiet.submit(*(a_hog(name, 4000) for name in ("one", "two")))
    for _ in range(12):
        quiet.command(Command(Verb.PAUSE, (ids[1],)))
        quiet.advance(15)
        quiet.command(Command(Verb.RESUME, (ids[1],)))
        quiet.advance(40)
    assert quiet.told() == [], "it never lasted a minute"


def test_an_open_conflict_goes_on_under_its_number_after_a_restart() -> None:
    world = AdvisedWorld()
    world.submit(a_writer("one"), a_writer("two"))
    world.advance(10)
    before = world.the_conflict("file:/data/out.csv")
    world.restart()
    assert world.the_conflict("file:/data/out.csv") == before
    early = world.resolve(1)
    assert early.sentence == "there is nothing to propose to settle conflict 1; accepted: leave", "not looked at yet"
    world.advance(60)
    after = world.the_conflict("file:/data/out.csv")
    assert (after.id, after.detected_at) == (before.id, before.detected_at)
    assert len(world.told()) == 1
    world.resolve(1)
    assert world.status(JobId(2)) == "paused"


def test_one_that_ended_while_nobody_looked_is_closed_and_numbers_go_on() -> None:
    world = AdvisedWorld()
    world.submit(a_writer("one", 40), a_writer("two", 40))
    world.advance(10)
    world.engine.closed = True
    world.advance(60)
    world.restart()
    world.advance(40)
    assert (world.conflicts, world.last_ended()) == ((), "It went away while Tidegate was not running.")
    world.submit(a_writer("three"), a_writer("four"))
    world.advance(10)
    assert world.the_conflict("file:/data/out.csv").id == 2
    assert [view.id for view in world.journal.conflicts()] == [1]


@pytest.mark.parametrize("way", ["by_priority", "time_slicing"])
def test_what_is_being_done_about_it_goes_on_after_a_restart(way: str) -> None:
    world = AdvisedWorld(cores=4, quantum_s=60.0)
    first, second = world.submit(a_hog("one", 200), a_hog("two", 200))
    world.advance(70)
    world.resolve(1, way)
    world.advance(5)
    world.restart()
    world.advance(64)
    expected = {"by_priority": ["running", "paused"], "time_slicing": ["paused", "running"]}[way]
    assert world.statuses([first, second]) == expected
    world.advance(700)
    assert world.statuses([first, second]) == ["succeeded", "succeeded"]
    assert json.dumps(world.conflicts) == "[]"


def test_a_machine_that_slept_does_not_lose_the_turn() -> None:
    world = AdvisedWorld(cores=4, quantum_s=60.0)
    first, second = world.submit(a_hog("one", 900), a_hog("two", 900))
    world.advance(70)
    world.resolve(1, "time_slicing")
    world.machine.sleep(10_000)
    world.advance(30)
    assert world.statuses([first, second]) == ["running", "paused"]
    world.advance(40)
    assert world.statuses([first, second]) == ["paused", "running"]

"""Every hint as a story on the virtual clock: what was seen, what it advises, and what a click does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from support.advice import AdvisedWorld, cards, doing
from support.world import a_job, size
from tidegate.core.conflicts import AdvicePolicy
from tidegate.engine.ports import Answer, ApplyHint, Command, NoticeKind, Verb
from tidegate.simulator.curves import Curve
from tidegate.simulator.others import OtherUser

GIB = 1 << 30


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The virtual clock starts at 13:46 then."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


# --- asks for too much ----------------------------------------------------------------------------------------------


def test_jobs_that_ask_for_far_more_memory_than_they_use_while_others_wait_for_it() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"), cores=16)
    ids = world.submit_same(a_job("train").needing("6G").using("1G").lasting(600), 5)
    world.advance(100)
    assert world.hints == ()
    world.advance(60)
    hint = world.the_hint("asks_too_much")
    assert (hint.type, hint.title) == ("suggestion", "train asks for far more memory than it uses")
    assert hint.message == (
        "train (job 1) and train (job 2) asked for 6 GB and used at most 1 GB. Had they asked for "
        "1.3 GB, 7 more could run now."
    )
    assert hint.action is not None
    assert hint.action.label == "Set mem of 3 waiting jobs to 1344M"
    result = world.apply(hint.id)
    assert result.answer is Answer.DONE
    world.advance(3)
    assert world.statuses(ids[2:]) == ["queued"] * 3, "what was asked for the two that run holds on"
    world.advance(600)
    assert world.statuses(ids[2:]) == ["running"] * 3
    assert world.engine.advisor.closed_hints[-1].closed_because.startswith("You followed it: changed job 3; ")


def test_asking_for_too_much_harms_nobody_while_nobody_waits() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"), cores=16)
    world.submit(a_job("train").needing("6G").using("1G").lasting(600))
    world.advance(300)
    assert world.hints == ()


# --- cards ----------------------------------------------------------------------------------------------------------


def test_a_card_that_is_held_but_idle() -> None:
    world = AdvisedWorld(gpus=cards())
    [idle] = world.submit(doing(a_job("idle").needing("1G").on_gpu(1, "4G").lasting(4000), gpu_memory_bytes=GIB))
    world.advance(290)
    assert world.hints == ()
    world.advance(20)
    hint = world.the_hint("card_idle")
    assert (hint.type, hint.message) == (
        "suggestion",
        "idle (job 1) has GPU 0, busy 0 % for at least 5 min; others could have it meanwhile.",
    )
    [other] = world.submit(a_job("other").needing("1G").on_gpu(1, "4G").lasting(10))
    world.advance(65)
    assert world.the_hint("card_idle").type == "warning"
    assert world.status(other) == "queued"
    assert world.apply(hint.id).answer is Answer.DONE
    assert world.status(idle) == "paused"
    world.advance(12)
    assert world.status(other) == "succeeded"


def test_a_card_that_is_used_now_and_then_is_not_idle() -> None:
    world = AdvisedWorld(gpus=cards())
    busy = doing(a_job().needing("1G").on_gpu(1, "4G").lasting(2000), gpu_memory_bytes=GIB, gpu_utilisation_pct=30.0)
    world.submit(busy)
    world.advance(900)
    assert world.hints == ()


def test_a_hot_card() -> None:
    world = AdvisedWorld(gpus=cards())
    busy = {"gpu_memory_bytes": GIB, "gpu_utilisation_pct": 40.0}
    jobs = [doing(a_job(n).needing("1G").on_gpu(0.4, "4G").lasting(3000), **busy) for n in ("one", "two")]
    first, second = world.submit(*jobs)
    world.machine.heat_card(0, 84.0)
    world.advance(16)
    hint = world.the_hint("card_hot")
    assert hint.message == (
        "GPU 0 is at 84 °C; one (job 1) and two (job 2) work on it. From 90 °C on it takes no new job."
    )
    assert hint.action is not None
    assert hint.action.label == "Pause job 2 for 10 min"
    world.apply(hint.id)
    assert world.statuses([first, second]) == ["running", "paused"]
    world.machine.heat_card(0, 70.0)
    world.advance(605)
    assert world.statuses([first, second]) == ["running", "running"]
    assert world.hints == ()


# --- processor ------------------------------------------------------------------------------------------------------


def test_a_job_that_uses_far_more_cores_than_it_was_let_in_with() -> None:
    world = AdvisedWorld(cores=8, others_cores=5.0)
    job = doing(a_job("train").needing("1G").lasting(600), cores=7.0, threads=64)
    ids = world.submit_same(job, 1)
    world.advance(50)
    assert world.hints == ()
    world.advance(20)
    hint = world.the_hint("threads_oversubscribed")
    assert hint.message == (
        "train (job 1) uses 7.0 cores with 64 threads, and was let in with 1. Submit it with --cpus 7, or set "
        "OMP_NUM_THREADS=1 so that it keeps to its share."
    )
    assert hint.action is None
    assert world.status(ids[0]) == "running"


def test_what_waits_of_the_same_kind_gets_the_cores_it_will_use() -> None:
    world = AdvisedWorld(cores=4, memory_bytes=size("16G"), others_cores=3.5)
    ids = world.submit_same(doing(a_job("train").needing("8G").lasting(600), cores=3.0), 2)
    world.advance(75)
    hint = next(hint for hint in world.hints if hint.code == "threads_oversubscribed")
    assert world.apply(hint.id).answer is Answer.DONE
    assert world.job(ids[1]).spec.cores == 3.0


def test_many_threads_that_keep_to_their_share_are_nobodys_business() -> None:
    world = AdvisedWorld(cores=8)
    world.submit(doing(a_job().needing("1G").on_cores(2).lasting(600), threads=200))
    world.advance(200)
    assert world.hints == ()


# --- the queue ------------------------------------------------------------------------------------------------------


def test_a_program_that_holds_the_memory_the_queue_waits_for() -> None:
    firefox = OtherUser("firefox", memory=Curve(((0.0, 7.0 * GIB),)))
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("1G"), others=(firefox,))
    [job] = world.submit(a_job("train").needing("10G").lasting(60))
    world.advance(50)
    assert world.hints == ()
    world.advance(20)
    hint = world.the_hint("blocked_by_program")
    assert (hint.type, hint.action) == ("warning", None)
    assert hint.title == "firefox holds the memory that the queue waits for"
    assert hint.message == "firefox uses 7 GB; train (job 1) lacks 3.3 GB and could start if it were closed."
    assert world.apply(hint.id).sentence == "hint 1 has nothing that could be done by a click"
    world.machine.others = ()
    world.advance(70)
    assert world.status(job) == "succeeded"
    assert world.hints == ()
    assert world.engine.advisor.closed_hints[-1].closed_because == "It went away by itself."


def test_a_queue_that_waits_for_our_own_jobs_blames_no_program() -> None:
    small = OtherUser("editor", memory=Curve(((0.0, 1.0 * GIB),)))
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("1G"), others=(small,))
    world.submit(*(a_job().needing("10G").lasting(300) for _ in range(2)))
    world.advance(200)
    assert world.hints == ()


def test_long_jobs_of_low_priority_would_better_run_at_night(in_utc: None) -> None:
    world = AdvisedWorld(cores=4, others_cores=2.2)
    world.submit(a_job("block").needing("1G").on_cores(4).lasting(20_000))
    long = a_job("long").needing("1G").on_cores(1).lasting(8000).with_priority(8).having(time_limit_s=9000.0)
    [waits] = world.submit(long)
    world.advance(290)
    assert world.hints == ()
    world.advance(20)
    hint = world.the_hint("better_at_night")
    assert hint.message == (
        "long (job 2) would run up to 2 h 30 min, while other programs keep this computer 55 % busy. From 22:00 on "
        "nobody is in their way."
    )
    assert world.apply(hint.id).answer is Answer.DONE
    begin = world.job(waits).spec.begin_at
    assert begin is not None
    assert time.strftime("%H:%M", time.localtime(begin)) == "22:00"


def test_short_important_or_due_jobs_and_idle_days_are_left_alone(in_utc: None) -> None:
    for others, priority, limit_s in ((2.2, 8, 600.0), (2.2, 5, 9000.0), (0.2, 8, 9000.0)):
        world = AdvisedWorld(cores=4, others_cores=others)
        world.submit(a_job().needing("1G").on_cores(4).lasting(20_000))
        world.submit(a_job().needing("1G").on_cores(1).with_priority(priority).having(time_limit_s=limit_s))
        world.advance(330)
        assert world.hints == ()


def test_a_limit_that_killed_twice_is_too_low() -> None:
    world = AdvisedWorld()
    job = a_job("train").needing("1G").lasting(600).having(time_limit_s=60.0)
    ids = world.submit(job)
    world.advance(65)
    world.command(Command(Verb.RETRY, (ids[0],)))
    world.advance(70)
    hint = world.the_hint("limit_too_low")
    assert (hint.title, hint.message) == (
        "The time limit of train is too low",
        "train (job 1) died 2 times of the limit of 1 min.",
    )
    assert hint.action is not None
    assert hint.action.label == "Run job 1 again with 2 min"
    assert world.apply(hint.id).answer is Answer.DONE
    assert world.job(ids[0]).spec.time_limit_s == 120.0
    assert world.status(ids[0]) == "running"
    world.advance(60)
    assert world.hints == ()


def test_what_waits_gets_the_higher_limit() -> None:
    world = AdvisedWorld(cores=1)
    ids = world.submit_same(a_job("train").needing("1G").lasting(600).having(time_limit_s=60.0), 6)
    world.advance(130)
    hint = world.the_hint("limit_too_low")
    assert hint.jobs[:2] == ("2", "1")
    world.apply(hint.id)
    assert [world.job(id).spec.time_limit_s for id in ids[3:]] == [120.0] * 3


def test_one_death_or_a_success_since_says_nothing_about_a_limit() -> None:
    world = AdvisedWorld(cores=1)
    world.submit_same(a_job("train").needing("1G").lasting(600).having(time_limit_s=60.0), 1)
    world.advance(100)
    assert world.hints == ()


def test_the_same_script_submitted_twice() -> None:
    world = AdvisedWorld(cores=1)
    first, second = world.submit_same(a_job("train").needing("1G").lasting(600), 2, apart_s=1)
    world.advance(12)
    hint = world.the_hint("submitted_twice")
    assert (hint.title, hint.type) == ("train was submitted twice", "suggestion")
    assert hint.message == "train (job 1) and train (job 2) run the same command in /."
    [notice] = world.told(NoticeKind.HINT)
    assert (notice.urgent, notice.level) == (False, "info")
    assert [(offer.label, offer.command) for offer in notice.offers] == [("Cancel job 2", ApplyHint(hint.id))]
    world.apply(hint.id)
    assert world.statuses([first, second]) == ["running", "cancelled"]


def test_once_both_run_it_only_stands_in_the_list() -> None:
    world = AdvisedWorld(cores=4)
    world.submit_same(a_job("train").needing("1G").lasting(600), 2, apart_s=1)
    world.advance(12)
    assert world.the_hint("submitted_twice").action is None
    assert world.told(NoticeKind.HINT) == []


def test_who_submits_the_same_again_and_again_at_once_or_elsewhere_means_it() -> None:
    world = AdvisedWorld(cores=1)
    bench = a_job("bench").needing("1G").lasting(600)
    world.submit_same(bench, 2)
    world.submit_same(a_job("train").needing("1G").lasting(600), 3, apart_s=1)
    world.submit(a_job("array").needing("1G").lasting(600).having(array=(1, 2)))
    once = world.submission(a_job("eval").needing("1G").lasting(600))
    for other in ({}, {"cwd": "/other"}, {"environment": "another"}, {"extra_environment": (("SEED", "2"),)}):
        world.advance(2)
        world.accept(replace(once, spec=replace(once.spec, **other)))
    world.advance(30)
    assert world.hints == ()


def test_who_ran_it_before_runs_it_again_on_purpose() -> None:
    world = AdvisedWorld(cores=1)
    bench = world.submission(a_job("bench").needing("1G").lasting(20))
    for pause in (25, 1, 15):
        world.accept(bench)
        world.advance(pause)
    assert world.hints == ()


# --- telling and forgetting -----------------------------------------------------------------------------------------


def test_a_dismissed_hint_does_not_come_back_for_the_same_jobs_not_even_after_a_restart() -> None:
    world = AdvisedWorld(cores=1)
    world.submit_same(a_job("train").needing("1G").lasting(2000), 2, apart_s=1)
    world.advance(12)
    assert world.ask(world.engine.advisor.dismiss(1)).sentence == "dismissed hint 1"
    world.advance(100)
    assert world.hints == ()
    world.restart()
    world.advance(100)
    assert world.hints == ()
    assert [view.closed_because for view in world.journal.hints()] == ["You dismissed it."]
    assert world.ask(world.engine.advisor.dismiss(1)).answer is Answer.REFUSED
    assert world.ask(world.engine.advisor.dismiss(9)).answer is Answer.UNKNOWN


def test_an_open_hint_goes_on_under_its_number_after_a_restart_or_is_closed() -> None:
    world = AdvisedWorld(gpus=cards())
    world.submit(doing(a_job("idle").needing("1G").on_gpu(1, "4G").lasting(900), gpu_memory_bytes=GIB))
    world.advance(310)
    before = world.the_hint("card_idle")
    world.restart()
    assert world.the_hint("card_idle") == before
    world.advance(60)
    assert world.the_hint("card_idle").id == before.id
    world.engine.closed = True
    world.advance(600)
    world.restart()
    world.advance(40)
    assert world.hints == ()
    assert world.engine.advisor.closed_hints[-1].closed_because == "It went away while Tidegate was not running."


def test_figures_that_tremble_about_a_line_do_not_flap() -> None:
    world = AdvisedWorld(gpus=cards())
    world.machine.heat_card(0, 84.0)
    world.advance(20)
    opened = world.the_hint("card_hot").id
    for heat in (79.0, 81.0) * 20:
        world.machine.heat_card(0, heat)
        world.advance(9)
    assert world.the_hint("card_hot").id == opened
    assert world.engine.advisor.closed_hints == ()
    assert world.told(NoticeKind.HINT) == [], "the alert tells of it"


def test_hints_can_be_switched_off() -> None:
    world = AdvisedWorld(gpus=cards())
    world.machine.heat_card(0, 84.0)
    world.advance(20)
    world.engine.advisor.set_policy(replace(world.advice, hints=False))
    world.advance(5)
    assert world.hints == ()
    assert world.engine.advisor.closed_hints[-1].closed_because == "Tidegate no longer looks for it."
    world.engine.advisor.set_policy(AdvicePolicy())
    world.advance(20)
    assert world.the_hint("card_hot").id == 2

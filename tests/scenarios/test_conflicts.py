"""Every kind of conflict as a story on the virtual clock: what it is about, how grave, and how it is told."""

from __future__ import annotations

import pytest

from support.advice import AdvisedWorld, cards, doing, ways
from support.world import a_job, size
from tidegate.core.job import Touches
from tidegate.core.policy import Policy
from tidegate.engine.ports import NoticeKind, ResolveConflict

GIB = 1 << 30


def leaking(name: str, per_second: str = "20M") -> object:
    """Promises 2 GB, holds them, and goes on growing."""
    return a_job(name).needing("2G").growing(per_second).lasting(3600)


# --- competition ----------------------------------------------------------------------------------------------------


def test_two_jobs_that_grow_beyond_their_promises_compete_for_memory() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(leaking("train"), leaking("eval").with_priority(7))
    world.advance(60)
    assert world.conflicts == (), "nobody is expected to grow for longer than it has"
    world.advance(70)
    view = world.the_conflict("memory")
    assert (view.kind, view.severity, view.jobs) == ("resource_competition", "high", ("1", "2"))
    assert view.sentence.startswith("train (job 1) and eval (job 2) together use up the memory in about 1 min")
    assert 75 < view.numbers["crosses_in_s"] < 120
    assert ways(view)[0] == "by_priority"
    world.advance(50)
    assert world.the_conflict("memory").severity == "critical", "less than a minute is left"
    assert world.the_conflict("memory").id == view.id


def test_growing_into_a_promise_is_no_conflict_and_neither_is_one_that_ends_before() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(*(a_job().needing("6G").using("6G", ramp_s=100).lasting(300) for _ in range(2)))
    world.advance(150)
    assert world.conflicts == ()
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(leaking("a"), leaking("b"), a_job("short").needing("1G").lasting(90).having(time_limit_s=100.0))
    world.advance(60)
    assert world.conflicts == (), "what ends before that makes room"


def test_a_job_that_leaks_alone_is_the_guards_business() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(leaking("leak", "40M"))
    world.advance(60)
    assert world.conflicts == ()


def test_who_waits_for_memory_that_others_took_beyond_their_promise() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(a_job("greedy").needing("2G").using("9G").lasting(3600).with_priority(6))
    world.advance(3)
    [waits] = world.submit(a_job("waits").needing("6G").lasting(10))
    world.advance(45)
    view = world.the_conflict("memory")
    assert (view.severity, view.jobs) == ("high", ("2", "1"))
    assert view.sentence == (
        "waits (job 2) waits for 2.3 GB of memory that greedy (job 1) took beyond what was promised."
    )
    assert world.status(waits) == "queued"
    assert ways(view) == ["by_priority", "stop", "leave"]


def test_ordinary_waiting_is_what_a_queue_is_for() -> None:
    world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"), cores=4)
    world.submit(*(a_job().needing("5G").on_cores(2).lasting(400) for _ in range(12)))
    world.advance(900)
    assert world.conflicts == ()
    assert world.told() == []


def test_two_jobs_that_use_more_cores_than_there_are() -> None:
    world = AdvisedWorld(cores=4)
    world.submit(*(doing(a_job(name).needing("1G").lasting(900), cores=4.0) for name in ("one", "two")))
    world.advance(50)
    assert world.conflicts == (), "a minute of it is nothing"
    world.advance(20)
    view = world.the_conflict("cores")
    assert (view.severity, view.jobs) == ("medium", ("1", "2"))
    assert view.sentence == "one (job 1) and two (job 2) want 8.0 of the 4 cores and slow each other down."
    assert ways(view) == ["time_slicing", "by_priority", "fair_share", "leave"]


def test_cores_that_others_keep_busy_are_no_conflict_among_ours() -> None:
    world = AdvisedWorld(cores=8, others_cores=9.0)
    world.submit(*(a_job().needing("1G").on_cores(1).lasting(900) for _ in range(2)))
    world.advance(200)
    assert world.conflicts == ()


def test_two_jobs_on_a_card_whose_memory_will_exceed_it() -> None:
    world = AdvisedWorld(gpus=cards(memory_gib=24))
    one = doing(a_job("one").needing("1G").on_gpu(0.4, "12G").lasting(900), gpu_memory_bytes=4 * GIB)
    two = doing(a_job("two").needing("1G").on_gpu(0.4, "8G").lasting(900), gpu_memory_bytes=11 * GIB)
    world.submit(one, two)
    world.advance(12)
    view = world.the_conflict("gpu:0")
    assert (view.severity, view.jobs) == ("high", ("1", "2"))
    assert view.sentence == "one (job 1) and two (job 2) want 23 GB of the 24 GB of memory on GPU 0."
    assert ways(view) == ["by_priority", "stop", "leave"], "the least important is also the greediest"


def test_a_card_that_is_full_already_is_critical_where_the_guard_leaves_cards_alone() -> None:
    world = AdvisedWorld(Policy(gpu_guard=False), gpus=cards(memory_gib=24))
    one = doing(a_job("one").needing("1G").on_gpu(0.4, "8G").lasting(900), gpu_memory_bytes=8 * GIB)
    two = doing(a_job("two").needing("1G").on_gpu(0.4, "8G").lasting(900), gpu_memory_bytes=15 * GIB)
    world.submit(one, two)
    world.advance(12)
    assert world.the_conflict("gpu:0").severity == "critical"


def test_two_jobs_that_keep_a_card_busy() -> None:
    world = AdvisedWorld(gpus=cards())
    jobs = [
        doing(a_job(name).needing("1G").on_gpu(0.5, "4G").lasting(900), gpu_utilisation_pct=60.0, gpu_memory_bytes=GIB)
        for name in ("one", "two")
    ]
    world.submit(*jobs)
    world.advance(115)
    assert world.conflicts == ()
    world.advance(10)
    view = world.the_conflict("gpu:0")
    assert (view.severity, view.numbers["utilisation_pct"]) == ("medium", 120.0)
    assert ways(view)[0] == "time_slicing"


# --- precedence -----------------------------------------------------------------------------------------------------


def test_a_more_important_job_waits_behind_a_less_important_one() -> None:
    world = AdvisedWorld(cores=4)
    world.submit(a_job("long").needing("1G").on_cores(4).lasting(7200).with_priority(8))
    world.advance(2)
    world.submit(a_job("urgent").needing("1G").on_cores(2).lasting(60).with_priority(1))
    world.advance(100)
    assert world.conflicts == ()
    world.advance(40)
    view = world.the_conflict("priority")
    assert (view.kind, view.severity, view.jobs) == ("priority_conflict", "high", ("2", "1"))
    assert view.sentence == "urgent (job 2), priority 1, waits for cores that long (job 1), priority 8, holds."
    assert ways(view) == ["by_priority", "time_slicing", "leave"]


@pytest.mark.parametrize(("priority", "severity"), [(6, "low"), (7, "medium"), (9, "high")])
def test_how_grave_it_is_follows_how_much_more_important_it_is(priority: int, severity: str) -> None:
    world = AdvisedWorld(cores=4)
    world.submit(a_job("long").needing("1G").on_cores(4).lasting(7200).with_priority(priority))
    world.advance(2)
    world.submit(a_job("waits").needing("1G").on_cores(4).lasting(60).with_priority(5))
    world.advance(125)
    assert bool(world.conflicts) is (severity == "high"), "what is not far more important can wait five minutes"
    world.advance(180)
    assert world.the_conflict("priority").severity == severity


def test_it_is_critical_when_a_deadline_is_missed_only_for_that() -> None:
    world = AdvisedWorld(cores=4)
    long = a_job("long").needing("1G").on_cores(4).lasting(7200).with_priority(6)
    world.submit(long.having(time_limit_s=8000.0))
    world.advance(2)
    due = world.clock.now() + 1000.0
    world.submit(a_job("due").needing("1G").on_cores(4).lasting(60).having(time_limit_s=100.0, deadline_at=due))
    world.advance(140)
    assert world.the_conflict("priority").severity == "critical"


def test_waiting_behind_an_equal_or_for_a_minute_is_no_conflict() -> None:
    world = AdvisedWorld(cores=4)
    world.submit(a_job().needing("1G").on_cores(4).lasting(600).with_priority(5))
    world.advance(2)
    world.submit(a_job().needing("1G").on_cores(4).lasting(60).with_priority(5))
    world.advance(300)
    assert world.conflicts == ()


def test_memory_a_lock_and_a_card_can_be_held_by_a_less_important_job_too() -> None:
    for holder, waiter, lacks in (
        (a_job("low").needing("10G"), a_job("high").needing("8G"), "memory"),
        (
            a_job("low").needing("1G").having(locks=("db",)),
            a_job("high").needing("1G").having(locks=("db",)),
            "its lock",
        ),
        (a_job("low").needing("1G").on_gpu(1, "4G"), a_job("high").needing("1G").on_gpu(1, "4G"), "time on a card"),
        (
            a_job("low").needing("1G").on_gpu(0.1, "20G"),
            a_job("high").needing("1G").on_gpu(0.1, "9G"),
            "memory on a card",
        ),
    ):
        world = AdvisedWorld(memory_bytes=size("16G"), others_bytes=size("2G"), gpus=cards())
        world.submit(holder.lasting(7200).with_priority(8))
        world.advance(2)
        world.submit(waiter.lasting(60).with_priority(2))
        world.advance(140)
        view = world.the_conflict("priority")
        assert f"waits for {lacks} that low (job 1)" in view.sentence


# --- schedules ------------------------------------------------------------------------------------------------------


def test_two_deadlines_that_cannot_both_be_met() -> None:
    world = AdvisedWorld(cores=4)
    due = world.clock.now() + 3000.0
    job = a_job("one").needing("1G").on_cores(3).lasting(1700).having(time_limit_s=1800.0, deadline_at=due)
    other = a_job("two").needing("1G").on_cores(3).lasting(1700).having(time_limit_s=1800.0, deadline_at=due + 60)
    world.submit(job, other.with_priority(6))
    world.advance(16)
    view = world.the_conflict("deadline")
    assert (view.kind, view.severity, view.jobs) == ("schedule_conflict", "high", ("1", "2"))
    assert "they cannot run together, and one after the other they end 9 min" in view.sentence
    assert ways(view) == ["by_priority", "leave"]
    assert view.ways[0].label == "Hold job 2 until job 1 ends"


def test_deadlines_that_can_be_met_side_by_side_or_in_turn_are_no_conflict() -> None:
    world = AdvisedWorld(cores=4)
    now = world.clock.now()
    world.submit(
        *(
            a_job().needing("1G").on_cores(cores).lasting(900).having(time_limit_s=1000.0, deadline_at=now + within)
            for cores, within in ((2, 1500.0), (2, 1500.0), (4, 5000.0))
        )
    )
    world.advance(30)
    assert world.conflicts == ()


def test_two_jobs_that_begin_together_and_want_more_than_there_is() -> None:
    world = AdvisedWorld(cores=4)
    at = world.clock.now() + 3600.0
    world.submit(
        a_job("one").needing("1G").on_cores(3).lasting(600).having(begin_at=at, time_limit_s=900.0),
        a_job("two").needing("1G").on_cores(3).lasting(600).having(begin_at=at + 30, time_limit_s=900.0),
    )
    world.advance(16)
    view = world.the_conflict("begin")
    assert (view.severity, view.jobs) == ("medium", ("1", "2"))
    assert "but together they want 6 of 4 cores" in view.sentence
    assert view.ways[0].label.startswith("Begin job 2 ")


def test_begin_times_of_jobs_that_fit_or_of_one_array_do_not_collide() -> None:
    world = AdvisedWorld(cores=4)
    at = world.clock.now() + 3600.0
    world.submit(
        *(a_job().needing("1G").on_cores(2).lasting(600).having(begin_at=at) for _ in range(2)),
        a_job().needing("1G").on_cores(4).having(begin_at=at + 7200, array=(1, 2)),
    )
    world.advance(30)
    assert world.conflicts == ()


# --- sharing --------------------------------------------------------------------------------------------------------


def test_two_running_jobs_that_write_the_same_file() -> None:
    world = AdvisedWorld()
    touches = Touches(writes=("/data/out.csv", "/data/out.log"))
    world.submit(*(doing(a_job(name).needing("1G").lasting(600), touches=touches) for name in ("one", "two")))
    world.advance(9)
    view = world.the_conflict("file:/data/out.csv")
    assert (view.kind, view.severity) == ("schedule_conflict", "high")
    assert view.sentence == "one (job 1) and two (job 2) write the same file /data/out.csv and 1 more."
    assert ways(view) == ["by_priority", "stop", "leave"]


def test_two_jobs_whose_output_goes_to_the_same_file() -> None:
    world = AdvisedWorld(cores=1)
    world.submit(
        *(a_job(name).needing("1G").lasting(600).having(stdout_path="/data/log.txt") for name in ("one", "two"))
    )
    world.advance(9)
    assert world.conflicts == (), "one after the other they may"
    world = AdvisedWorld(cores=2)
    world.submit(
        *(a_job(name).needing("1G").lasting(600).having(stdout_path="/data/log.txt") for name in ("one", "two"))
    )
    world.advance(9)
    assert world.the_conflict("file:/data/log.txt").severity == "low", "no line is lost"
    assert world.told() == [], "it only stands in the list"
    world = AdvisedWorld(cores=4)
    world.submit(a_job("array").needing("1G").lasting(600).having(array=(1, 2), stdout_path="/data/log.txt"))
    world.advance(9)
    assert world.conflicts == (), "its elements were sent there together"
    world = AdvisedWorld(cores=2)
    world.submit(*(a_job().needing("1G").lasting(600).having(stdout_path="/data/%j.txt") for _ in range(2)))
    world.advance(9)
    assert world.conflicts == ()


def test_two_jobs_that_listen_on_the_same_port() -> None:
    world = AdvisedWorld()
    world.submit(*(doing(a_job(n).needing("1G").lasting(600), touches=Touches(ports=(8080,))) for n in ("one", "two")))
    world.advance(9)
    view = world.the_conflict("port:8080")
    assert (view.severity, ways(view)) == ("medium", ["stop", "leave"])
    assert view.sentence == "one (job 1) and two (job 2) listen on the same port 8080."


def test_an_environment_that_one_job_changes_while_another_runs_from_it() -> None:
    world = AdvisedWorld()
    reads = Touches(environments=("/home/anna/.venv",))
    writes = Touches(writes=("/home/anna/.venv/lib/x.so",), environments=("/home/anna/.venv",))
    world.submit(
        doing(a_job("pip").needing("1G").lasting(600).with_priority(6), touches=writes),
        doing(a_job("train").needing("1G").lasting(600), touches=reads),
    )
    world.advance(9)
    view = world.the_conflict("environment:/home/anna/.venv")
    assert (view.severity, view.jobs) == ("high", ("1", "2"))
    assert "pip (job 1) changes the environment /home/anna/.venv from which train (job 2) runs." in view.sentence
    assert view.ways[0].label == "Pause job 1 until job 2 ends"


def test_an_environment_that_all_only_read_is_shared_in_peace() -> None:
    world = AdvisedWorld()
    reads = Touches(writes=("/home/anna/.venv2/x",), environments=("/home/anna/.venv",))
    other = Touches(environments=("/home/anna/.venv",))
    world.submit(*(doing(a_job().needing("1G").lasting(600), touches=each) for each in (reads, other)))
    world.advance(30)
    assert world.conflicts == ()


# --- telling --------------------------------------------------------------------------------------------------------


def test_a_grave_conflict_is_told_at_once_with_its_ways_and_a_mild_one_gathered() -> None:
    world = AdvisedWorld()
    touches = Touches(writes=("/data/out.csv",))
    world.submit(*(doing(a_job(name).needing("1G").lasting(600), touches=touches) for name in ("one", "two")))
    world.advance(9)
    [notice] = world.told()
    assert (notice.title, notice.level, notice.urgent) == ("Jobs write the same file", "warning", True)
    assert [(offer.label, offer.command) for offer in notice.offers] == [
        ("Pause job 2 until job 1 ends", ResolveConflict(1, "by_priority")),
        ("Stop job 2", ResolveConflict(1, "stop")),
    ]
    world = AdvisedWorld()
    world.submit(*(doing(a_job().needing("1G").lasting(600), touches=Touches(ports=(80,))) for _ in range(2)))
    world.advance(9)
    [mild] = world.told()
    assert (mild.urgent, mild.kind) == (False, NoticeKind.CONFLICT)


def test_what_is_found_and_how_it_ends_stands_in_the_audit_trail() -> None:
    world = AdvisedWorld()
    touches = Touches(writes=("/data/out.csv",))
    world.submit(*(doing(a_job(name).needing("1G").lasting(20), touches=touches) for name in ("one", "two")))
    world.advance(80)
    rows = [tick.first.sentence for tick in world.disk.ticks if tick.first.kind == "conflict"]
    assert rows == [
        "Conflict 1: one (job 1) and two (job 2) write the same file /data/out.csv.",
        "Conflict 1 ended: It went away by itself.",
    ]


def test_one_that_becomes_graver_is_told_again_and_what_can_wait_not_twice_an_hour() -> None:
    world = AdvisedWorld(cores=4)
    hogs = [doing(a_job(name).needing("1G").lasting(130), cores=4.0) for name in ("one", "two")]
    world.submit(*hogs)
    world.advance(90)
    assert [notice.urgent for notice in world.told()] == [False]
    world.submit(*(doing(a_job(name).needing("1G").lasting(130), cores=4.0) for name in ("three", "four")))
    world.advance(10)
    assert [notice.urgent for notice in world.told()] == [False, True]
    world.advance(300)
    assert world.conflicts == ()
    world.submit(*hogs)
    world.advance(90)
    assert world.the_conflict("cores").severity == "medium"
    assert len(world.told()) == 2


def test_an_alert_about_the_card_that_jobs_fight_for_says_nothing_new() -> None:
    world = AdvisedWorld(gpus=cards())
    busy = {"gpu_utilisation_pct": 60.0, "gpu_memory_bytes": GIB}
    world.submit(*(doing(a_job(n).needing("1G").on_gpu(0.5, "4G").lasting(900), **busy) for n in ("one", "two")))
    world.advance(1300)
    assert [alert.name for alert in world.engine.alarms.views] == []
    assert [notice.title for notice in world.told()] == ["Jobs compete for a graphics card"]
    assert world.told(NoticeKind.ALERT) == []


def test_conflicts_and_hints_are_both_looked_for_however_rarely_the_machine_is_looked_at() -> None:
    world = AdvisedWorld(gpus=cards())
    world.machine.rest = lambda _interval_s: 5.0
    touches = Touches(writes=("/data/out.csv",))
    world.submit(*(doing(a_job(name).needing("1G").lasting(600), touches=touches) for name in ("one", "two")))
    world.machine.heat_card(0, 84.0)
    world.advance(45)
    assert [view.resource for view in world.conflicts] == ["file:/data/out.csv"]
    assert [view.code for view in world.hints] == ["card_hot"]


# --- ordinary days --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "touches",
    [
        Touches(appends=("/data/all.log",)),
        Touches(environments=("/venv",), writes=()),
    ],
)
def test_what_is_shared_on_purpose_is_no_conflict(touches: Touches) -> None:
    world = AdvisedWorld()
    world.submit(*(doing(a_job().needing("1G").lasting(300), touches=touches) for _ in range(4)))
    world.advance(60)
    assert world.conflicts == ()


def test_one_who_overwrites_what_another_adds_to_is_a_conflict() -> None:
    world = AdvisedWorld()
    used = (Touches(appends=("/data/all.log",)), Touches(writes=("/data/all.log",)))
    world.submit(*(doing(a_job().needing("1G").lasting(300), touches=each) for each in used))
    world.advance(9)
    assert world.the_conflict("file:/data/all.log").severity == "high"


@pytest.mark.parametrize("inside", ["results/out.csv", "lib/python3.11/__pycache__/a.pyc", "envs/b/lib/x.so"])
def test_what_a_job_writes_beside_the_code_of_an_environment_changes_nothing(inside: str) -> None:
    world = AdvisedWorld()
    used = (Touches(environments=("/venv",)), Touches(writes=(f"/venv/{inside}",), environments=("/venv",)))
    world.submit(*(doing(a_job().needing("1G").lasting(300), touches=each) for each in used))
    world.advance(30)
    assert world.conflicts == ()


def test_a_long_queue_of_one_script_behind_a_less_important_job_is_one_conflict() -> None:
    world = AdvisedWorld(cores=4)
    world.submit(a_job("long").needing("1G").on_cores(4).lasting(900).with_priority(9))
    world.advance(2)
    sweep = world.submission(a_job("sweep").needing("1G").on_cores(4).lasting(30))
    for _ in range(10):
        world.accept(sweep)
    world.advance(1500)
    assert len(world.told()) == 1
    assert world.last_ended() == "It went away by itself."

"""Stories of resource_pooling: shares, lending and taking back, carried out by the real engine on virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.world import World, a_job
from tidegate.core.job import JobId, OnPreempt
from tidegate.core.machine import GpuReading, Mode
from tidegate.core.policy import QUEUES, Policy, QueuePolicy
from tidegate.core.resources import GIB
from tidegate.core.strategies.resource_pooling import ResourcePooling
from tidegate.engine.ports import Command, Verb

RECLAIM_S = 20.0
POOLS = "research=50 teaching=25"


def world(pools: str = POOLS, borrow: object = True, **machine: object) -> World:
    options = (
        ("resource_pooling.pools", pools),
        ("resource_pooling.borrow", borrow),
        ("resource_pooling.reclaim_s", RECLAIM_S),
    )
    policy = Policy(strategy="resource_pooling", strategy_options=options, queues=(*QUEUES, QueuePolicy("teaching")))
    return World(policy, **({"cores": 8, "memory_bytes": 64 * GIB} | machine))


def of(pool: str, cores: float = 1, memory: str = "500M", **fields: object):
    return a_job(pool).needing(memory).on_cores(cores).lasting(3600).having(labels=(f"pool={pool}",), **fields)


def running(here: World, ids: list[JobId]) -> int:
    return here.statuses(ids).count("running")


def test_an_idle_share_is_lent_and_taken_back_when_its_pool_needs_it():
    here = world()
    lent = here.submit(*[of("research") for _ in range(8)])
    here.advance(1.0)
    assert running(here, lent) == 8, "what lies idle is lent"
    own = here.submit(of("teaching"), of("teaching"), of("teaching"))
    here.advance(RECLAIM_S - 2.0)
    assert running(here, own) == 0
    assert here.sentence(own[0]).startswith(
        "the pool teaching has 25% of its own to get back; it takes it back in about"
    )
    here.advance(4.0)
    assert (running(here, own), running(here, lent)) == (2, 6), "no more than its own: two of eight cores"
    assert here.machine.pauses == 2
    waiting = [id for id in lent if here.status(id) == "paused"]
    assert (
        here.sentence(waiting[0]) == "paused: what the pool research had borrowed was needed; goes on when it is idle"
    )
    assert here.statuses(lent[:4]) == ["running"] * 4, "the newest give back"


def test_what_gave_way_goes_on_when_the_share_lies_idle_again():
    here = world()
    lent = here.submit(*[of("research") for _ in range(8)])
    here.advance(1.0)
    own = here.submit(of("teaching").lasting(30))
    here.advance(RECLAIM_S + 2.0)
    assert (running(here, own), running(here, lent)) == (1, 7)
    here.advance(35.0)
    assert (here.status(own[0]), running(here, lent)) == ("succeeded", 8)


def test_a_pool_that_may_not_borrow_has_its_share_and_says_so():
    here = world(borrow=False)
    ids = here.submit(*[of("research") for _ in range(6)])
    here.advance(5.0)
    assert running(here, ids) == 4
    assert here.waits(ids[-1]) == ["pool"]
    assert here.sentence(ids[-1]) == "the pool research has its share of cores: 4 of 4"


def test_a_pool_borrows_no_more_than_its_limit():
    here = world(borrow="research=25")
    ids = here.submit(*[of("research") for _ in range(8)])
    here.advance(5.0)
    assert running(here, ids) == 6


def test_the_pool_is_the_label_else_the_queue_else_the_common_one():
    here = world(borrow=False)
    labelled = here.submit(*[of("teaching") for _ in range(3)])
    queued = here.submit(*[a_job().needing("500M").on_cores(1).lasting(3600).having(queue="teaching")])
    others = here.submit(*[a_job().needing("500M").on_cores(1).lasting(3600) for _ in range(3)])
    here.advance(5.0)
    assert running(here, [*labelled, *queued]) == 2
    assert running(here, others) == 2, "the rest is common: a quarter of eight cores"


def test_memory_is_lent_only_to_those_who_can_give_it_back():
    here = world()
    here.submit(of("research", 0.5, "20G"))
    kept, ended = here.submit(of("research", 0.5, "13G"), of("research", 0.5, "13G", on_preempt=OnPreempt.REQUEUE))
    here.advance(2.0)
    assert here.statuses([kept, ended]) == ["queued", "running"]
    assert "lent only to jobs that may be ended" in here.sentence(kept)
    [own] = here.submit(of("teaching", 1, "14G"))
    [more] = here.submit(of("common", 1, "13G"))
    here.advance(2.0)
    assert here.statuses([own, more]) == ["running", "queued"]
    here.advance(RECLAIM_S + 15.0)
    assert here.status(more) == "running", "its memory was taken back"
    assert here.status(ended) == "queued"
    assert here.job(ended).attempts[0].why.startswith(f"requeued: job {more} needs what is the pool common's own")


def test_a_job_that_is_larger_than_its_pool_runs_when_no_pool_waits_for_its_own():
    here = world()
    here.submit(of("research", 8, preemptible=False).lasting(30))
    here.advance(2.0)
    [large] = here.submit(of("teaching", 3, preemptible=False))
    [own] = here.submit(of("common", 2))
    here.advance(5.0)
    owned = "the pool teaching owns (2) and could not give it back; starts when no pool waits for its own"
    assert here.sentence(large) == f"wants more cores than {owned}"
    here.advance(30.0)
    assert here.statuses([large, own]) == ["running", "running"]


def test_what_was_taken_back_for_queues_that_come_later_is_not_borrowed_again_at_once():
    here = world("realtime=40")
    [lent] = here.submit(
        a_job("lent").needing("40G").lasting(900).having(queue="realtime", on_preempt=OnPreempt.REQUEUE)
    )
    here.advance(2.0)
    [own] = here.submit(a_job("own").needing("30G").lasting(60))
    here.advance(RECLAIM_S + 30.0)
    assert here.statuses([lent, own]) == ["queued", "running"]
    here.advance(120.0)
    assert here.statuses([lent, own]) == ["running", "succeeded"]
    assert len(here.job(lent).attempts) == 2


def test_a_job_that_is_larger_than_its_pool_may_ever_be_is_told_so():
    here = world(borrow=False)
    [large] = here.submit(of("teaching", 3))
    here.advance(2.0)
    assert here.sentence(large) == "wants more cores than the pool teaching may ever have: 2"


def test_a_job_that_may_be_killed_is_ended_for_good():
    here = world()
    [lent] = here.submit(of("research", 8, on_preempt=OnPreempt.KILL))
    here.advance(2.0)
    [own] = here.submit(of("teaching", 2))
    here.advance(RECLAIM_S + 15.0)
    assert here.statuses([lent, own]) == ["killed", "running"]


def test_a_job_that_may_not_be_preempted_does_not_borrow():
    here = world()
    ids = here.submit(*[of("research", preemptible=False) for _ in range(8)])
    here.advance(2.0)
    assert running(here, ids) == 4


def test_cards_are_shared_and_taken_back_too():
    cards = tuple(GpuReading(index, f"GPU-{index}", "Card", 24 * GIB, 0) for index in range(4))
    here = world(gpus=cards, borrow="research=50 teaching=0")
    lent = here.submit(*[of("research", 0.5).on_gpu(1, "4G") for _ in range(4)])
    here.advance(2.0)
    assert running(here, lent) == 4
    own = here.submit(*[of("teaching", 0.5).on_gpu(1, "4G") for _ in range(2)])
    here.advance(RECLAIM_S + 5.0)
    assert (running(here, own), running(here, lent)) == (1, 3)
    assert here.sentence(own[1]) == "the pool teaching has its share of cards: 1 of 1"


def test_other_queues_of_the_same_strategy_give_back_too():
    here = world()
    lent = here.submit(*[of("research", queue="batch") for _ in range(8)])
    here.advance(2.0)
    own = here.submit(of("teaching"), of("teaching"))
    here.advance(RECLAIM_S + 3.0)
    assert (running(here, own), running(here, lent)) == (2, 6)


def test_after_a_restart_shares_are_what_they_were():
    here = world()
    lent = here.submit(*[of("research") for _ in range(8)])
    own = here.submit(of("teaching"), of("teaching"))
    here.advance(RECLAIM_S + 3.0)
    before = here.statuses([*lent, *own])
    here.restart()
    here.advance(2 * RECLAIM_S)
    assert here.statuses([*lent, *own]) == before


def test_in_an_emergency_nothing_is_taken_back():
    here = world(memory_bytes=16 * GIB)
    lent = here.submit(*[of("research", memory="200M") for _ in range(8)])
    here.advance(2.0)
    own = here.submit(of("teaching", memory="200M"))
    here.machine.others_bytes = int(13.4 * GIB)
    here.advance(2 * RECLAIM_S)
    assert here.engine.state.machine.mode is Mode.EMERGENCY
    assert running(here, own) == 0
    here.machine.others_bytes = 2 * GIB
    here.advance(6 * RECLAIM_S)
    assert (running(here, own), running(here, lent)) == (1, 7)


@pytest.mark.parametrize(
    ("pools", "borrow", "sentence"),
    [
        ("a=60 b=50", True, r"resource_pooling\.pools = 'a=60 b=50': the shares come to 110 %"),
        ("a=60 a=10", True, r"it is names, each once, with percentages, such as"),
        ("a", True, r"it is names, each once, with percentages, such as"),
        (7, True, r"resource_pooling\.pools = 7: it is names"),
        ("common=5", True, r"the pool common has what the others leave"),
        ("a=60", "b=5", r"resource_pooling\.borrow names the pool b, which is none of a, common"),
        ("a=60", "a=-1", r"resource_pooling\.borrow = 'a=-1': it is names"),
    ],
)
def test_shares_that_make_no_sense_are_refused_with_a_sentence(pools: object, borrow: object, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        ResourcePooling.from_options({"resource_pooling.pools": pools, "resource_pooling.borrow": borrow})


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_a_pool_with_demand_gets_its_share_within_a_quantum(data: st.DataObject):
    """Whatever was lent before: after ``reclaim_s`` each pool that wants it has its own, and none more than it may."""
    limit = data.draw(st.sampled_from([0, 10, 25, 100]))
    here = world(borrow=f"research={limit} teaching={limit} common={limit}", memory_bytes=256 * GIB)
    kinds = list(OnPreempt)
    ids: dict[str, list[JobId]] = {"research": [], "teaching": [], "common": []}
    order = data.draw(st.permutations(list(ids)))
    for pool in order:
        for _ in range(9):
            ids[pool] += here.submit(of(pool, 1, "1G", on_preempt=data.draw(st.sampled_from(kinds))).lasting(9000))
        here.advance(RECLAIM_S + 5.0)
        for name, jobs in ids.items():
            share = {"research": 4, "teaching": 2, "common": 2}[name]
            assert running(here, jobs) <= share + limit / 100 * 8 + 1e-9, f"{name} has more than it may"
            if jobs:
                ended = here.statuses(jobs).count("killed")
                assert running(here, jobs) >= min(share, len(jobs) - ended), f"{name} has not got its own"
    assert {name: running(here, jobs) for name, jobs in ids.items()} == {"research": 4, "teaching": 2, "common": 2}


def test_a_pool_whose_waiting_job_was_cancelled_waits_anew_the_next_time():
    here = world()
    lent = here.submit(*[of("research") for _ in range(8)])
    here.advance(1.0)
    [own] = here.submit(of("teaching"))
    here.advance(RECLAIM_S / 2)
    here.command(Command(Verb.CANCEL, (own,)))
    here.advance(10 * RECLAIM_S)
    here.submit(of("teaching"))
    here.advance(RECLAIM_S / 2)
    assert running(here, lent) == 8, "what was waited for long ago is not due at once"
    here.advance(RECLAIM_S)
    assert running(here, lent) == 7


def test_of_those_that_give_back_enough_the_one_that_loses_least_work_does():
    here = world("research=0 teaching=50")
    wide = of("research", cores=4, memory="24G", on_preempt=OnPreempt.REQUEUE)
    narrow = of("research", cores=1, memory="24G", on_preempt=OnPreempt.REQUEUE)
    [older] = here.submit(narrow)
    here.advance(10.0)
    [younger] = here.submit(wide)
    here.submit(of("teaching", memory="20G"))
    here.advance(RECLAIM_S + 5.0)
    assert (here.status(older), here.status(younger)) == ("queued", "running"), "core-seconds count, not seconds"

"""Stories of time_slicing: turns by pause and resume, carried out by the real engine on virtual time."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.world import World, a_job
from tidegate.core.job import JobId, Paused, PauseReason
from tidegate.core.machine import GpuReading, Mode
from tidegate.core.planner import plan
from tidegate.core.policy import QUEUES, Policy, QueuePolicy
from tidegate.core.resources import GIB
from tidegate.core.strategies.time_slicing import TimeSlicing
from tidegate.engine.ports import Answer, Command, Verb

QUANTUM_S = 20.0
POLICY = Policy(strategy="time_slicing", strategy_options=(("time_slicing.quantum_s", QUANTUM_S),))


def world(cores: int = 2, policy: Policy = POLICY, **machine: object) -> World:
    return World(policy, cores=cores, **machine)


def small(name: str = "job", seconds: float = 3600.0):
    return a_job(name).needing("500M").on_cores(1).lasting(seconds)


def ran_s(world: World, id: JobId) -> float:
    """Seconds of running time so far."""
    job = world.job(id)
    attempt, now = job.attempt, world.clock.now()
    if attempt is None or attempt.started_at is None:
        return 0.0
    standing = now - job.status.since if isinstance(job.status, Paused) else 0.0
    end = attempt.ended_at if attempt.ended_at is not None else now
    return end - attempt.started_at - attempt.paused_s - standing


def turned(world: World, ids: list[JobId]) -> list[JobId]:
    """Those that were paused for the turn of another."""
    return [
        id
        for id in ids
        if isinstance(status := world.job(id).status, Paused) and status.reason is PauseReason.SCHEDULING
    ]


def test_when_the_quantum_is_over_those_who_wait_have_their_turn():
    here = world()
    a, b, c, d = here.submit(*[small() for _ in range(4)])
    here.advance(1.0)
    assert here.statuses([a, b, c, d]) == ["running", "running", "queued", "queued"]
    here.advance(QUANTUM_S - 2.0)
    assert here.statuses([a, b, c, d]) == ["running", "running", "queued", "queued"]
    here.advance(3.0)
    assert here.statuses([a, b, c, d]) == ["paused", "paused", "running", "running"]
    assert here.machine.pauses == 2, "the pause is carried out"
    here.advance(QUANTUM_S)
    assert here.statuses([a, b, c, d]) == ["running", "running", "paused", "paused"]
    assert not [notice for notice in here.notices if "Paused" in notice.title], "turns are no news"


def test_nobody_is_paused_when_nobody_waits():
    here = world()
    here.submit(small(), small())
    here.advance(5 * QUANTUM_S)
    assert here.machine.pauses == 0


def test_nobody_is_paused_for_a_job_whose_memory_would_not_fit_beside_the_paused_one():
    here = world(cores=1, memory_bytes=8 * GIB, others_bytes=GIB)
    first, second = here.submit(
        a_job().needing("4G").on_cores(1).lasting(3600), a_job().needing("3G").on_cores(1).lasting(3600)
    )
    here.advance(3 * QUANTUM_S)
    assert here.statuses([first, second]) == ["running", "queued"]
    assert "memory" in here.waits(second)
    assert here.machine.pauses == 0


def test_a_job_that_may_not_be_preempted_keeps_its_place():
    here = world(cores=1)
    first, second = here.submit(small().having(preemptible=False), small())
    here.advance(3 * QUANTUM_S)
    assert here.statuses([first, second]) == ["running", "queued"]


def test_everyone_ends_and_work_is_never_lost():
    here = world(cores=2)
    ids = here.submit(*[small(seconds=40.0 + 7 * number) for number in range(7)])
    here.advance(400.0)
    assert set(here.statuses(ids)) == {"succeeded"}
    assert [ran_s(here, id) for id in ids] == pytest.approx([40.0 + 7 * n for n in range(7)], abs=0.5)


def test_a_wide_job_gets_all_the_cores_when_their_quanta_are_over():
    here = world(cores=4)
    narrow = here.submit(*[small() for _ in range(4)])
    here.advance(10.0)
    [wide] = here.submit(a_job("wide").needing("1G").on_cores(4).lasting(3600))
    later = here.submit(small("later"))
    here.advance(QUANTUM_S - 5.0)
    assert here.statuses([*narrow, wide, *later]) == ["paused"] * 4 + ["running", "queued"]
    here.advance(QUANTUM_S + 1.0)
    assert here.status(wide) == "paused"
    assert here.statuses([*narrow, *later]).count("running") == 4
    here.advance(QUANTUM_S + 1.0)
    assert ran_s(here, wide) == pytest.approx(QUANTUM_S, abs=2.0)


def test_with_one_too_many_only_one_stands_still_at_a_time():
    here = world(cores=4)
    ids = here.submit(*[small() for _ in range(5)])
    here.advance(1.0)
    for _ in range(int(10 * QUANTUM_S)):
        here.advance(1.0)
        assert here.statuses(ids).count("running") == 4
    assert here.machine.pauses <= 10, "no more than one change of turns in a quantum"
    shares = [ran_s(here, id) for id in ids]
    assert max(shares) - min(shares) <= QUANTUM_S + 1.0


def test_the_more_important_class_goes_first_and_nobody_starves():
    here = world(cores=1)
    low, *high = here.submit(small().with_priority(8), *[small().with_priority(2) for _ in range(2)])
    here.advance(QUANTUM_S + 2.0)
    assert here.statuses([low, *high]) == ["queued", "paused", "running"]
    here.advance(40 * QUANTUM_S)
    assert 2 * QUANTUM_S < ran_s(here, low) < ran_s(here, high[0]) / 2
    assert abs(ran_s(here, high[0]) - ran_s(here, high[1])) <= QUANTUM_S + 1.0


def test_a_restart_in_the_middle_of_a_rotation_changes_nothing_about_the_turns():
    here = world(cores=1)
    ids = here.submit(*[small() for _ in range(3)])
    here.advance(QUANTUM_S + 7.0)
    assert here.statuses(ids) == ["paused", "running", "queued"]
    here.restart()
    here.advance(1.0)
    assert here.statuses(ids) == ["paused", "running", "queued"]
    here.advance(QUANTUM_S - 8.0 + 2.0)
    assert here.statuses(ids) == ["paused", "paused", "running"]
    here.advance(QUANTUM_S + 1.0)
    assert here.statuses(ids) == ["running", "paused", "paused"]


def test_a_job_that_its_user_paused_is_left_alone_until_he_wants_it_back():
    here = world(cores=1)
    a, b, c = here.submit(*[small() for _ in range(3)])
    here.advance(QUANTUM_S + 2.0)
    assert turned(here, [a, b, c]) == [a]
    assert here.command(Command(Verb.PAUSE, (a,)))[0].answer is Answer.DONE
    here.advance(5 * QUANTUM_S)
    assert here.status(a) == "paused"
    assert here.job(a).status.reason is PauseReason.USER
    before = ran_s(here, b) + ran_s(here, c)
    here.command(Command(Verb.RESUME, (a,)))
    here.advance(QUANTUM_S + 2.0)
    assert here.status(a) == "running", "who wants it back has it as soon as a quantum is over"
    here.advance(5 * QUANTUM_S)
    assert turned(here, [a, b, c]), "and it takes part again"
    assert ran_s(here, b) + ran_s(here, c) > before


def test_a_turned_job_that_its_user_resumes_comes_next():
    here = world(cores=1)
    ids = here.submit(*[small() for _ in range(5)])
    here.advance(QUANTUM_S + 4.0)
    assert here.statuses(ids[:2]) == ["paused", "running"]
    here.command(Command(Verb.RESUME, (ids[0],)))
    here.advance(QUANTUM_S)
    assert here.statuses(ids[:3]) == ["running", "paused", "queued"]


def test_in_an_emergency_the_guard_freezes_and_no_turns_change():
    here = world(cores=2, memory_bytes=16 * GIB)
    ids = here.submit(*[small() for _ in range(4)])
    here.advance(10.0)
    here.machine.others_bytes = 14 * GIB
    here.advance(3.0)
    assert here.engine.state.machine.mode is Mode.EMERGENCY
    frozen = [id for id in ids if here.status(id) == "paused"]
    assert frozen
    assert all(here.job(id).status.reason is PauseReason.MEMORY for id in frozen)
    here.advance(3 * QUANTUM_S)
    assert here.statuses(ids).count("queued") == 2, "nobody's turn comes in an emergency"
    here.machine.others_bytes = 2 * GIB
    here.advance(8 * QUANTUM_S)
    assert all(ran_s(here, id) > QUANTUM_S for id in ids), "afterwards all have their turns, the frozen ones too"


def test_a_frozen_job_finds_its_place_among_those_that_take_turns():
    here = world(cores=1)
    ids = here.submit(*[small() for _ in range(3)])
    here.advance(10.0)
    here.machine.others_bytes = int(14.5 * GIB)
    here.advance(3.0)
    assert here.status(ids[0]) == "paused"
    here.machine.others_bytes = 2 * GIB
    here.advance(12 * QUANTUM_S)
    assert ran_s(here, ids[0]) >= 2 * QUANTUM_S


def test_a_paused_queue_pauses_the_turns_and_a_drained_one_lets_them_end():
    here = world(cores=1)
    ids = here.submit(*[small(seconds=50.0) for _ in range(3)])
    here.advance(QUANTUM_S + 4.0)
    here.command(Command(Verb.PAUSE, None))
    here.advance(3 * QUANTUM_S)
    assert here.statuses(ids) == ["paused", "paused", "queued"]
    here.command(Command(Verb.RESUME, None))
    here.advance(1.0)
    assert here.statuses(ids).count("running") == 1
    here.command(Command(Verb.PAUSE, None, drain=True))
    here.advance(150.0)
    assert here.statuses(ids) == ["succeeded", "succeeded", "queued"]


def test_a_queue_of_its_own_turns_while_the_machine_goes_by_priority():
    policy = replace(
        POLICY, strategy="priority_based", queues=(*QUEUES, QueuePolicy("turns", order=20, strategy="time_slicing"))
    )
    here = world(cores=2, policy=policy)
    [plain] = here.submit(small("plain", 10_000))
    a, b = here.submit(small().having(queue="turns"), small().having(queue="turns"))
    [waiting] = here.submit(small("waiting").having(queue="batch"))
    here.advance(QUANTUM_S + 2.0)
    assert here.statuses([plain, a, b]) == ["running", "paused", "running"]
    here.advance(QUANTUM_S)
    assert here.statuses([plain, a, b, waiting]) == ["running", "running", "paused", "queued"]
    assert ran_s(here, plain) > 2 * QUANTUM_S


def test_two_jobs_take_turns_on_a_card_that_bears_both_in_its_memory():
    card = GpuReading(0, "GPU-0", "Card", 24 * GIB, 0)
    here = world(cores=8, gpus=(card,))
    a, b = here.submit(small().on_gpu(1, "8G"), small().on_gpu(1, "8G"))
    [elsewhere] = here.submit(small())
    here.advance(QUANTUM_S + 2.0)
    assert here.statuses([a, b, elsewhere]) == ["paused", "running", "running"]
    here.advance(QUANTUM_S)
    assert here.statuses([a, b, elsewhere]) == ["running", "paused", "running"]


def test_a_card_whose_memory_does_not_bear_both_stays_with_the_first():
    card = GpuReading(0, "GPU-0", "Card", 24 * GIB, 0)
    here = world(cores=8, gpus=(card,))
    a, b = here.submit(small().on_gpu(1, "16G"), small().on_gpu(1, "16G"))
    here.advance(3 * QUANTUM_S)
    assert here.statuses([a, b]) == ["running", "queued"]


def test_reasons_say_when_the_turn_comes():
    here = world(cores=1, policy=replace(POLICY, strategy_options=(("time_slicing.quantum_s", 300.0),)))
    a, b, c = here.submit(*[small() for _ in range(3)])
    here.advance(60.0)
    assert here.sentence(b) == "starts when its turn comes, in about 4 min"
    assert here.sentence(c) == "starts when its turn comes, in about 9 min"
    assert here.waits(b) == ["turn", "workers", "cpu"]
    here.advance(300.0)
    assert here.status(b) == "running"
    assert here.sentence(a) == "paused for its turn: goes on in about 9 min"
    assert here.engine.plan is not None
    [reason] = here.engine.plan.waits[a]
    assert reason.until == pytest.approx(here.clock.now() + 540, abs=5)


@pytest.mark.parametrize("quantum", [0, -1, 0.0, "soon", float("nan"), True])
def test_a_quantum_that_makes_no_sense_is_refused_with_a_sentence(quantum: object):
    with pytest.raises(ValueError, match=r"time_slicing\.quantum_s = .*: it is a number, 1 or more"):
        TimeSlicing.from_options({"time_slicing.quantum_s": quantum})


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 3))
def test_equal_jobs_get_equal_turns(cores: int, jobs: int, apart_s: int):
    """Over a long run every rotating job of equal size gets the same running time within one quantum."""
    here = world(cores=cores)
    ids = []
    for _ in range(jobs):
        ids += here.submit(small(seconds=100_000))
        here.advance(apart_s)
    here.advance(11.5 * QUANTUM_S)
    shares = [ran_s(here, id) for id in ids]
    assert max(shares) - min(shares) <= QUANTUM_S + apart_s * jobs + 1.0
    assert sum(shares) >= min(cores, jobs) * 11 * QUANTUM_S, "and no core stands idle"


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_the_plan_is_deterministic_and_settles_within_a_tick(data: st.DataObject):
    here = world(cores=4)
    for _ in range(data.draw(st.integers(3, 9))):
        cores = data.draw(st.sampled_from([0.5, 1, 2, 4]))
        here.submit(a_job().needing("500M").on_cores(cores).lasting(9000).with_priority(data.draw(st.integers(0, 9))))
        here.advance(data.draw(st.floats(0, 15)))
    for _ in range(6):
        here.advance(data.draw(st.floats(1, 25)))
        state, now = here.engine.state, here.clock.now()
        assert plan(state, now).actions == plan(state, now).actions == (), "what was decided was done, and stands"
        ledger_cores = sum(job.estimate.cores for job in state.active.values() if job.status_name == "running")
        assert ledger_cores <= 4


@pytest.mark.parametrize("seed", [0, 3])
def test_nobody_starves_whatever_is_wide_or_unimportant(seed: int):
    dice, here, ids = random.Random(seed), world(cores=4), []
    for _ in range(9):
        cores = dice.choice([0.5, 1, 2, 3, 4])
        ids += here.submit(a_job().needing("500M").on_cores(cores).lasting(90_000).with_priority(dice.randrange(10)))
        here.advance(dice.uniform(0, 15))
    here.advance(30 * QUANTUM_S)
    assert min(ran_s(here, id) for id in ids) >= 2 * QUANTUM_S

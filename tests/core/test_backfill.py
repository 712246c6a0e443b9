"""Who may pass a blocked job, and how often (D8)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.quick_world import QuickWorld
from tidegate.core.job import JobId
from tidegate.core.machine import GpuReading
from tidegate.core.planner import plan
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import GIB
from tidegate.core.strategies.protocol import Choosing, Turn, tell
from tidegate.submission.device import parse_gpu

MINUTE = 60.0


def wishing(duration_s: float, cores: float, **more: object) -> dict[str, object]:
    """What a job says of itself: it is to last no longer than it will."""
    return {"duration_s": duration_s, "cores": cores, "time_limit_s": duration_s, **more}


def test_a_short_job_passes_when_it_ends_before_the_blocked_one_should_start() -> None:
    world = QuickWorld(cores=4)
    long = world.submit(**wishing(10 * MINUTE, 3))
    big = world.submit(**wishing(5 * MINUTE, 4), at=1)
    short = world.submit(**wishing(9 * MINUTE, 1), at=2)
    world.run()
    assert world.started[short] == [2.0]
    assert world.started[big] == [world.ended[long]]


def test_a_long_job_does_not_pass_what_it_would_delay_and_says_whom() -> None:
    world = QuickWorld(cores=4)
    long = world.submit(**wishing(10 * MINUTE, 3))
    big = world.submit(**wishing(5 * MINUTE, 4), at=1)
    slow = world.submit(**wishing(11 * MINUTE, 1), at=2)
    world.run(until=3)
    [reason] = plan(world.state, world.now).waits[slow]
    assert reason.code is WaitCode.BEHIND
    assert reason.sentence == "behind job-2 (job 2): it would take what that one waits for"
    world.run()
    assert world.started[big] == [world.ended[long]]
    assert world.started[slow] == [world.ended[big]]


def test_a_job_that_leaves_room_enough_passes_however_long_it_is() -> None:
    world = QuickWorld(cores=4)
    world.submit(**wishing(10 * MINUTE, 2))
    big = world.submit(**wishing(5 * MINUTE, 3), at=1)
    lasting = world.submit(**wishing(100 * MINUTE, 1), at=2)
    another = world.submit(**wishing(100 * MINUTE, 1), at=3)
    world.run()
    assert world.started[lasting] == [2.0]
    assert world.started[big] == [10 * MINUTE]
    assert world.started[another] == [world.ended[big]], "the second would have taken what the blocked one needs"


def test_where_nobody_knows_how_long_jobs_last_the_number_of_passes_is_bounded() -> None:
    world = QuickWorld(Policy(max_bypass=3), cores=4)
    world.submit(10 * MINUTE, cores=3.0)
    big = world.submit(MINUTE, cores=4.0, at=1)
    small = [world.submit(1.0, cores=1.0, at=2 + n * 10) for n in range(8)]
    world.run()
    assert [id for id in small if world.started[id][0] < world.started[big][0]] == small[:3]
    assert world.state.jobs[big].bypassed == 3


def test_harmless_passes_are_bounded_too_for_expectations_err() -> None:
    world = QuickWorld(Policy(max_backfill=5), cores=4)
    world.submit(**wishing(100 * MINUTE, 3))
    big = world.submit(**wishing(MINUTE, 4), at=1)
    small = [world.submit(**wishing(1.0, 1), at=2 + n * 10) for n in range(8)]
    world.run()
    assert [id for id in small if world.started[id][0] < world.started[big][0]] == small[:5]


def test_a_job_that_could_never_fit_is_not_waited_for() -> None:
    world = QuickWorld(Policy(max_bypass=0), cores=4)
    world.memory_bytes = 4 * GIB  # others took the rest
    never = world.submit(MINUTE, memory_bytes=32 * GIB, at=1)
    small = world.submit(MINUTE, memory_bytes=GIB, at=2)
    world.run(until=3)
    assert world.started == {small: [2.0]}
    assert never in world.state.line


def test_strict_order_of_a_queue_holds_for_it_alone() -> None:
    queues = (QueuePolicy("default", backfill=False), QueuePolicy("batch", order=20))
    world = QuickWorld(Policy(queues=queues), cores=4)
    world.submit(**wishing(10 * MINUTE, 3))
    world.submit(**wishing(MINUTE, 4), at=1)
    behind = world.submit(**wishing(1.0, 1), at=2)
    elsewhere = world.submit(**wishing(1.0, 1, queue="batch"), at=3)
    world.run(until=5)
    assert behind not in world.started
    assert world.started[elsewhere] == [3.0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_first_blocked_job_starts_no_later_than_was_expected_when_it_was_first_blocked(data: st.DataObject) -> None:
    world = QuickWorld(Policy(max_bypass=0), cores=8, checked=True)
    expected: dict[JobId, float] = {}
    count = data.draw(st.integers(3, 25))
    at = 0.0
    for _ in range(count):
        at += data.draw(st.sampled_from((0.0, 1.0, 7.0, 30.0)))
        cores = float(data.draw(st.integers(1, 8)))
        world.submit(**wishing(float(data.draw(st.integers(1, 60))), cores), at=at)
    decide = world.decide

    def watched() -> None:
        decide()
        looked = plan(world.state, world.now)
        if looked.blocked and looked.blocked[0][0] not in expected:
            id = looked.blocked[0][0]
            expected[id] = _by_hand(world, id)

    world.decide = watched  # type: ignore[method-assign]
    world.run()
    assert len(world.ended) == count
    for id, moment in expected.items():
        assert world.started[id][0] <= moment + 1e-6


def _by_hand(world: QuickWorld, id: JobId) -> float:
    """When the cores come free, by the ends that are known exactly here: an oracle without a shadow."""
    runs = [
        (job.status.since + (job.spec.time_limit_s or 0), job.spec.cores or 1.0) for job in world.state.active.values()
    ]  # type: ignore[union-attr]
    free = world.cores - sum(cores for _, cores in runs)
    for at, cores in sorted(runs):
        if free >= (world.state.jobs[id].spec.cores or 1.0):
            break
        free += cores
        moment = at
    return moment


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 50), st.booleans()), min_size=5, max_size=60))
def test_nobody_is_passed_more_often_than_allowed(jobs: list[tuple[int, int, bool]]) -> None:
    policy = Policy(max_bypass=4, max_backfill=9)
    world = QuickWorld(policy, cores=8)
    ids = []
    for number, (cores, length, says) in enumerate(jobs):
        limit = float(length) if says else None
        ids.append(world.submit(float(length), at=number * 0.5, cores=float(cores), time_limit_s=limit))
    world.run()
    assert set(world.ended) == set(ids), "no job is lost"
    assert all(job.bypassed <= policy.max_backfill for job in world.state.jobs.values())


class Raising:
    """A user's strategy with a bug."""

    name, rotates = "raising", False

    def __init__(self, where: str) -> None:
        self._where = where

    def _at(self, where: str) -> None:
        if where == self._where:
            raise KeyError("my bug")

    def lane(self, _job: object) -> int:
        self._at("lane")
        return 0

    def order(self, job: object) -> tuple[object, ...]:
        self._at("order")
        return (job,) if self._where == "compare" else (0,)

    def choose(self, turn: Turn) -> Choosing:
        offers = turn.merged(lambda _lane, _job: 0)
        choice = next(offers, None)
        while choice is not None:
            done = yield choice
            self._at("choose")
            choice = tell(offers, done)

    def may_pass(self, *_: object) -> bool:
        self._at("may_pass")
        return True


@given(st.sampled_from(("lane", "order", "compare", "choose", "may_pass")))
def test_a_strategy_that_raises_is_switched_off_and_the_jobs_go_on(where: str) -> None:
    known = {**QuickWorld().state.strategies, "raising": lambda _options: Raising(where)}
    world = QuickWorld(Policy(strategy="raising"), cores=2, strategies=known)
    ids = [world.submit(5.0, at=float(n), cores=float(1 + n % 2)) for n in range(12)]
    world.run()
    assert set(world.ended) == set(ids)
    assert "raising" in world.state.switched_off
    assert world.state.line.sections[0].strategy.name == "priority_based"


# --- blocked for cards -----------------------------------------------------------------------------------------------


def on_cards(count: int, policy: Policy | None = None, name: str = "NVIDIA A") -> QuickWorld:
    """So many idle cards of 24 GB; what nobody says how long it lasts may pass nobody."""
    cards = tuple(GpuReading(n, f"GPU-{n}", name, 24 * GIB, 0, 0.0, 40.0) for n in range(count))
    return QuickWorld(policy or Policy(max_bypass=0), cores=16, gpus=cards)


def gpu(text: str, duration_s: float = 10 * MINUTE, **more: object) -> dict[str, object]:
    return wishing(duration_s, 1, gpu=parse_gpu(text), **more)


@pytest.mark.parametrize("head", ["1G,2", "2(exclusive)", "2"], ids=["known", "exclusive", "unknown memory"])
def test_a_short_job_passes_who_waits_for_two_cards_and_a_long_one_does_not(head: str) -> None:
    world = on_cards(2)
    first = world.submit(**gpu("1G,1"))
    big = world.submit(**gpu(head), at=1)
    long, short = (world.submit(**gpu("1G,1", lasts), at=at) for lasts, at in ((11 * MINUTE, 2), (9 * MINUTE, 3)))
    world.run()
    assert world.started[short] == [3.0]
    assert world.started[big] == [world.ended[first]]
    assert world.started[long] == [world.ended[big]]


@pytest.mark.parametrize("runs", ["1(exclusive)", "0.3"], ids=["exclusive", "unknown memory"])
def test_when_a_card_comes_free_is_known_of_jobs_that_have_it_alone_too(runs: str) -> None:
    world = on_cards(2)
    first = world.submit(**gpu(runs))
    big = world.submit(**gpu("1G,2"), at=1)
    short = world.submit(**gpu("1G,1", 9 * MINUTE), at=2)
    world.run()
    assert world.started[short] == [2.0]
    assert world.started[big] == [world.ended[first]]


def test_a_long_job_passes_where_it_leaves_cards_enough_but_not_a_second_one() -> None:
    world = on_cards(4)
    first, _second = (world.submit(**gpu("1G,1", 5 * MINUTE)) for _ in range(2))
    big = world.submit(**gpu("1G,3"), at=1)
    long, another = (world.submit(**gpu("1G,1", 99 * MINUTE), at=at) for at in (2, 3))
    world.run()
    assert world.started[long] == [2.0], "three others are free when both have ended"
    assert world.started[big] == [world.ended[first]]
    assert world.started[another] == [world.ended[big]]


def test_who_takes_none_of_the_cards_that_another_could_use_does_not_pass_it() -> None:
    world = on_cards(3)
    world.submit(**gpu("1G,1", device="0"))
    waits = world.submit(**gpu("1G,1", device="0"), at=1)
    elsewhere = world.submit(**gpu("1G,1", 99 * MINUTE, device="1"), at=2)
    world.run()
    assert world.started[elsewhere] == [2.0]
    assert world.state.jobs[waits].bypassed == 0


def test_the_first_who_waits_for_each_kind_of_card_is_waited_for() -> None:
    world = on_cards(4)
    world.submit(**gpu("1G,1", device="0"))
    world.submit(**gpu("1G,1", device="2"))
    heads = [world.submit(**gpu("1G,2", device=device), at=1) for device in ("0,1", "2,3")]
    late = [world.submit(**gpu("1G,1", 99 * MINUTE, device=device), at=2) for device in ("1", "3")]
    world.run()
    assert [world.started[head] for head in heads] == [[10 * MINUTE]] * 2
    assert all(world.started[id] == [20 * MINUTE] for id in late)


def test_a_start_of_this_very_plan_has_its_card_until_it_should_end() -> None:
    world = on_cards(2)
    first = world.submit(**gpu("1G,1", 10 * MINUTE))
    big = world.submit(**gpu("1G,2"))
    short = world.submit(**gpu("1G,1", 9 * MINUTE))
    world.run()
    assert world.started[first] == world.started[short] == [0.0]
    assert world.started[big] == [world.ended[first]]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_first_who_waits_for_cards_starts_no_later_than_the_ends_of_the_others_allow(data: st.DataObject) -> None:
    world = on_cards(data.draw(st.integers(1, 4)))
    promised: dict[JobId, float] = {}
    at = 0.0
    for _ in range(data.draw(st.integers(3, 20))):
        at += data.draw(st.sampled_from((0.0, 1.0, 30.0)))
        wish = data.draw(st.sampled_from(("1G,0.5", "12G,0.3", "1G,1", "1(exclusive)", "0.2", "1G,2")))
        if wish == "1G,2" and len(world.gpus) < 2:
            continue
        world.submit(**gpu(wish, float(data.draw(st.integers(1, 60)))), at=at)
    decide = world.decide

    def watched() -> None:
        decide()
        looked = plan(world.state, world.now)
        if looked.blocked and looked.blocked[0][0] not in promised:
            # Whatever it wants: with all that runs gone, and nobody let by, it has its cards.
            ends = [world.now + each for each in _left_s(world)]
            promised[looked.blocked[0][0]] = max(ends)

    world.decide = watched  # type: ignore[method-assign]
    world.run()
    for id, moment in promised.items():
        assert world.started[id][0] <= moment + 1e-6


def _left_s(world: QuickWorld) -> list[float]:
    return [
        job.status.since + (job.spec.time_limit_s or 0) - world.now  # type: ignore[union-attr]
        for job in world.state.active.values()
    ]

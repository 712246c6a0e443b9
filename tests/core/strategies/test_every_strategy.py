"""What holds for every strategy that comes with Tidegate: deterministic, within the ledger, nobody forgotten."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.quick_world import QuickWorld
from tidegate.core import events as e
from tidegate.core import planner
from tidegate.core.actions import Start
from tidegate.core.job import JobId
from tidegate.core.machine import GpuReading, Mode
from tidegate.core.planner import plan
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, GpuRequest
from tidegate.core.strategies import protocol
from tidegate.core.strategies.order import in_order
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.core.transitions import apply

every = pytest.mark.parametrize("name", list(BUILT_IN))


def cards(count: int) -> tuple[GpuReading, ...]:
    return tuple(GpuReading(n, f"gpu-{n}", "V100", 16 * GIB, 0, utilisation_pct=0.0) for n in range(count))


def random_fields(draw: random.Random) -> dict[str, object]:
    """What a job asks for: now and then everything, a card, a deadline, a label."""
    fields: dict[str, object] = {
        "cores": draw.choice([0.5, 1.0, 2.0, 8.0]),
        "memory_bytes": draw.choice([GIB, 4 * GIB, 20 * GIB]),
        "priority": draw.choice([0, 5, 9]),
        "user": draw.choice([None, "alice", "bob"]),
        "queue": draw.choice(["default", "default", "batch", "realtime"]),
        "labels": draw.choice([(), ("team=vision",)]),
    }
    if draw.random() < 0.3:
        fields["gpu"] = draw.choice([GpuRequest(0.5, 4 * GIB), GpuRequest(1, GIB), GpuRequest(2)])
    if draw.random() < 0.3:
        fields["time_limit_s"] = draw.uniform(10.0, 1000.0)
    if draw.random() < 0.3:
        fields["deadline_at"] = draw.uniform(10.0, 5000.0)
    return fields


def a_busy_world(name: str, seed: int, jobs: int, **options: object) -> QuickWorld:
    policy = Policy(strategy=name, strategy_options=tuple(options.items()), max_bypass=3)
    world = QuickWorld(policy, gpus=cards(2), sample_every_s=60.0)
    draw = random.Random(seed)
    for _ in range(jobs):
        world.submit(draw.uniform(1.0, 300.0), draw.choice([0.0, draw.uniform(0.0, 600.0)]), **random_fields(draw))
    return world


@every
@settings(max_examples=4)
@given(st.integers(0, 10**6))
def test_no_ledger_exceeded_and_no_job_lost(name: str, seed: int) -> None:
    # QuickWorld asserts the ledger and every index after each decision.
    world = a_busy_world(name, seed, 30)
    world.run(until=50_000.0)
    assert world.failures == []
    assert set(world.ended) == set(world.state.jobs), "no job lost"


@every
def test_the_same_state_gives_the_same_plan(name: str) -> None:
    runs = []
    for _ in range(2):
        world = a_busy_world(name, 7, 40)
        world.run(until=200.0)
        before = world.state.version
        plans = [plan(world.state, 210.0) for _ in range(2)]
        assert plans[0].actions == plans[1].actions
        assert plans[0].blocked == plans[1].blocked
        assert world.state.version == before, "planning changes nothing"
        runs.append((world.started, plans[0].actions, list(in_order(world.state, 210.0))))
    assert runs[0] == runs[1], "plan is deterministic"


@every
def test_everybody_is_offered_once_in_a_rehearsal(name: str) -> None:
    world = a_busy_world(name, 3, 60)
    world.run(until=5.0)
    told = list(in_order(world.state, 5.0))
    assert len(told) == len(set(told))
    assert set(told) == set(world.state.line)


@every
def test_emergency_starts_nothing(name: str) -> None:
    world = a_busy_world(name, 11, 40)
    world.run(until=0.0)
    for job in list(world.state.active.values()):
        apply(world.state, e.JobExited(1.0, job.id, job.attempts[-1].token, 0, None, 1.0, GIB))
    apply(world.state, e.ModeChanged(1.0, Mode.EMERGENCY, ("memory",)))
    assert len(world.state.line)
    assert not any(isinstance(action, Start) for action in plan(world.state, 1.0).actions), "EMERGENCY starts nothing"
    apply(world.state, e.ModeChanged(1.0, Mode.NORMAL, ()))
    assert any(isinstance(action, Start) for action in plan(world.state, 1.0).actions)


def a_stream(world: QuickWorld, hours: float, **fields: object) -> None:
    """One-core jobs that alone keep the machine busy, each coming before the one before it has ended."""
    each_s = 300.0
    for number in range(int(hours * 3600.0 * world.cores / each_s) + world.cores):
        world.submit(each_s, max(0.0, number - world.cores) * each_s / world.cores, cores=1.0, **fields)


@pytest.mark.parametrize(
    ("policy", "mine", "theirs", "hours"),
    [
        # A step of priority each quarter of an hour: 9 steps and one more to be ahead.
        (Policy(strategy_options=(("priority_based.aging_s", 900.0),)), {"priority": 9}, {"priority": 0}, 2.8),
        (Policy(strategy="hybrid", strategy_options=(("hybrid.age", 48.0),)), {"priority": 9}, {"priority": 0}, 2.0),
        (
            Policy(strategy="load_balancing", strategy_options=(("load_balancing.patience_s", 900.0),)),
            {"priority": 9},
            {"priority": 0},
            3.5,
        ),
        # What asks for nearly nothing matches worst.
        (
            Policy(strategy="load_balancing", strategy_options=(("load_balancing.patience_s", 900.0),)),
            {"cores": 0.1},
            {"memory_bytes": 16 * GIB},
            2.0,
        ),
        (Policy(strategy="fair_sharing"), {"user": "alice", "priority": 9}, {"user": "bob", "priority": 0}, 0.3),
    ],
)
def test_nobody_waits_for_ever(
    policy: Policy, mine: dict[str, object], theirs: dict[str, object], hours: float
) -> None:
    world = QuickWorld(replace(policy, max_bypass=3), cores=2, memory_bytes=64 * GIB, checked=False)
    patient = world.submit(60.0, 1.0, **mine)
    a_stream(world, hours + 1.0, **theirs)
    world.run(until=hours * 3600.0)
    assert patient in world.started, "nobody waits for ever"


@pytest.mark.parametrize("name", ["priority_based", "hybrid", "load_balancing", "fair_sharing"])
def test_a_large_job_is_not_passed_for_ever(name: str) -> None:
    world = QuickWorld(Policy(strategy=name, max_bypass=3), cores=4, checked=False)
    large = world.submit(60.0, 1.0, cores=4.0, user="alice")
    a_stream(world, 4.0, user="bob")
    world.run(until=4.0 * 3600.0)
    assert large in world.started, "bypass is bounded"
    assert world.state.jobs[large].bypassed <= 3


def test_without_aging_who_is_less_important_waits() -> None:
    policy = Policy(strategy_options=(("priority_based.aging_s", 0.0),))
    world = QuickWorld(policy, cores=2, checked=False)
    patient = world.submit(60.0, 1.0, priority=9)
    a_stream(world, 3.0, priority=0)
    world.run(until=2.5 * 3600.0)
    assert patient not in world.started


@every
def test_first_puts_first(name: str) -> None:
    world = QuickWorld(Policy(strategy=name), cores=1)
    world.submit(10.0, 0.0)
    ids = [world.submit(10.0, 1.0) for _ in range(4)]
    world.run(until=2.0)
    apply(world.state, e.JobMovedFirst(2.0, ids[3]))
    assert next(in_order(world.state, 2.0)) == ids[3]
    world.run(until=15.0)
    assert isinstance(ids[3], JobId)
    assert [id for id in ids if id in world.started] == [ids[3]]


def test_a_lane_that_is_refused_again_and_again_hides_no_other() -> None:
    # alice's jobs ask for more different things than one plan looks at, and none of them fits.
    world = QuickWorld(Policy(strategy="fair_sharing"), cores=4, memory_bytes=64 * GIB, checked=False)
    world.submit(10_000.0, 0.0, user="bob", time_limit_s=10_000.0)
    for number in range(260):
        world.submit(1.0, 1.0, user="alice", cores=4.0, memory_bytes=GIB + number, priority=1)
    small = world.submit(30.0, 2.0, user="bob", time_limit_s=30.0)
    world.run(until=3.0)
    assert small in world.started


def test_paused_jobs_have_their_turn_behind_ever_so_many_refused_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert protocol.LOOKED_AT_IN_ORDER + protocol.LOOKED_AT_ELSEWHERE < planner.BLOCKED_KINDS
    monkeypatch.setattr(protocol, "LOOKED_AT_IN_ORDER", 8)
    monkeypatch.setattr(protocol, "LOOKED_AT_ELSEWHERE", 1)
    monkeypatch.setattr(planner, "BLOCKED_KINDS", 10)
    options = (("time_slicing.quantum_s", 10.0),)
    policy = Policy(strategy="time_slicing", strategy_options=options)
    world = QuickWorld(policy, cores=2, memory_bytes=64 * GIB, checked=False)
    paused = world.submit(60.0, 0.0, cores=2.0, memory_bytes=40 * GIB)
    passing = world.submit(15.0, 1.0, cores=2.0, memory_bytes=10 * GIB)
    # None of them fits beside what the paused one keeps.
    for number in range(60):
        world.submit(1.0, 1.0, memory_bytes=30 * GIB, time_limit_s=10.0 + number)
    world.run(until=77.0)
    assert passing in world.ended
    assert paused in world.ended, "nobody else can run, so it does"


@every
def test_a_clock_that_was_set_back_puts_nobody_behind_all_that_come_later(name: str) -> None:
    year = 365 * 86_400.0
    world = QuickWorld(Policy(strategy=name), cores=1, now=year)
    world.submit(60.0, at=year)
    old = world.submit(60.0, at=year, priority=4)
    world.run(until=year)
    world.now = 0.0
    apply(world.state, e.ClockRebased(0.0, -year))
    young = JobId(50)
    spec = replace(world.state.jobs[old].spec, command=("later",), priority=6)
    apply(world.state, e.JobSubmitted(1.0, young, spec, 50, False))
    assert list(in_order(world.state, 2.0)) == [old, young]

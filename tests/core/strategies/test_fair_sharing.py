"""fair_sharing: shares follow weights, whatever jobs look like; what was long ago counts for little."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.quick_world import QuickWorld
from tidegate.core import events as e
from tidegate.core.fair_share import Accounts, UsageBook
from tidegate.core.job import Attempt, JobId, JobSpec
from tidegate.core.planner import plan
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.resources import GIB
from tidegate.core.state import State
from tidegate.core.transitions import apply

HOUR = 3600.0
LONG_RUN_S = 12 * HOUR
CORES, LINE = 8, 64


def fair(**options: object) -> Policy:
    named = {f"fair_sharing.{name}": value for name, value in options.items()}
    return Policy(strategy="fair_sharing", strategy_options=tuple(sorted(named.items())))


def a_world(policy: Policy, cores: int = CORES) -> QuickWorld:
    return QuickWorld(policy, cores=cores, memory_bytes=LINE * GIB, checked=False)


def saturate(world: QuickWorld, user: str, cores: float, gib: int, mean_s: float, known: bool, seconds: float) -> None:
    """Jobs enough to fill the whole machine for so long, by this user alone, all submitted now."""
    draw = random.Random(f"{user} {cores} {gib} {mean_s}")
    part = max(cores / CORES, gib / LINE)
    worth = 0.0
    while worth < seconds:
        duration = draw.uniform(0.2, 1.8) * mean_s
        limit = 2 * mean_s if known else None
        world.submit(duration, world.now, user=user, cores=cores, memory_bytes=gib * GIB, time_limit_s=limit)
        worth += duration * part


def dominant_s(world: QuickWorld, user: str) -> float:
    """Seconds of the machine that this user had, by the resource of which it had most."""
    mine = [
        (world.ended.get(id, world.now) - world.started[id][0], job.spec)
        for id, job in world.state.jobs.items()
        if job.spec.user == user and id in world.started
    ]
    cores_s = sum(ran * (spec.cores or 1.0) for ran, spec in mine)
    byte_s = sum(ran * (spec.memory_bytes or 0) for ran, spec in mine)
    return max(cores_s / CORES, byte_s / (LINE * GIB))


# Cores, GiB, mean seconds, and whether jobs say how long they may take, of each user.
SHAPES = [
    ([(1.0, 1, 300.0, False), (4.0, 1, 900.0, False)], 3),
    ([(1.0, 16, 600.0, True), (4.0, 1, 600.0, False)], 1),
    ([(2.0, 8, 300.0, True), (1.0, 1, 900.0, True), (4.0, 16, 300.0, False)], 3),
    ([(2.0, 1, 300.0, True), (1.0, 1, 900.0, True), (4.0, 1, 300.0, True)], 2),
]


@pytest.mark.parametrize(("jobs", "weight"), SHAPES)
def test_shares_follow_weights_within_5_per_cent(jobs: list[tuple[float, int, float, bool]], weight: int) -> None:
    world = a_world(fair(half_life_s=6 * HOUR, weights=f"user0={weight}"))
    for number, shape in enumerate(jobs):
        saturate(world, f"user{number}", *shape, 0.8 * LONG_RUN_S)
    world.run(until=LONG_RUN_S)
    per_weight = [dominant_s(world, f"user{n}") / (weight if n == 0 else 1) for n in range(len(jobs))]
    mean = sum(per_weight) / len(per_weight)
    assert per_weight == [pytest.approx(mean, rel=0.05)] * len(jobs), "fair shares within 5 % over a long run"


def test_a_burst_of_short_jobs_does_not_capture_the_machine() -> None:
    world = a_world(fair())
    burst = [world.submit(5.0, 0, user="alice") for _ in range(100)]
    late = [world.submit(60.0, 1, user="bob") for _ in range(8)]
    world.run(until=31)
    assert [world.started.get(id) for id in late] == [[5.0]] * 4 + [None] * 4, "half of the machine is his at once"
    assert sum(id in world.started for id in burst) == 8 + 4 * 6, "the other half goes on with short ones"


def test_what_a_plan_starts_counts_at_once() -> None:
    world = a_world(fair(weights="alice=3"))
    world.submit(5.0, 0, cores=8.0, user="carol")
    ids = {user: [world.submit(600.0, 1, user=user) for _ in range(40)] for user in ("alice", "bob")}
    world.run(until=5)
    started = {user: sum(id in world.started for id in mine) for user, mine in ids.items()}
    assert started == {"alice": 6, "bob": 2}


def test_an_idle_account_is_not_credited_for_ever() -> None:
    world = a_world(fair(half_life_s=HOUR))
    saturate(world, "alice", 1.0, 1, 600.0, False, 16 * HOUR)
    world.run(until=8 * HOUR)
    saturate(world, "bob", 1.0, 1, 600.0, False, 8 * HOUR)
    mine = [id for id, job in world.state.jobs.items() if job.spec.user == "alice"]
    started = [at for id in mine for at in world.started.get(id, ())]
    world.run(until=12 * HOUR)
    again = [at for id in mine for at in world.started.get(id, ()) if at not in started]
    # Alone, one's use comes up to the other's in one half-life, however long the other had everything.
    assert min(again) <= 9.2 * HOUR
    before = dominant_s(world, "alice"), dominant_s(world, "bob")
    world.run(until=16 * HOUR)
    gained = [dominant_s(world, user) - had for user, had in zip(("alice", "bob"), before, strict=True)]
    assert gained[0] == pytest.approx(gained[1], rel=0.05)


def test_use_long_ago_is_not_punished() -> None:
    world = a_world(fair(half_life_s=HOUR))
    saturate(world, "alice", 1.0, 1, 600.0, False, 4 * HOUR)
    world.run(until=16 * HOUR)
    saturate(world, "alice", 1.0, 1, 600.0, False, 3 * HOUR)
    saturate(world, "bob", 1.0, 1, 600.0, False, 3 * HOUR)
    had = dominant_s(world, "alice")
    world.run(until=20 * HOUR)
    assert dominant_s(world, "alice") - had == pytest.approx(dominant_s(world, "bob"), rel=0.05)


def test_in_an_account_priority_then_arrival() -> None:
    world = a_world(fair(), cores=1)
    world.submit(10.0, 0)
    ids = [world.submit(10.0, 1, priority=priority) for priority in (5, 9, 1, 5)]
    world.run()
    assert sorted(ids, key=lambda job: world.started[job]) == [ids[2], ids[0], ids[3], ids[1]]


@pytest.mark.parametrize(
    ("by", "label", "account"),
    [
        ("user", "", "ann"),
        ("queue", "", "batch"),
        ("label", "", "urgent"),
        ("label", "team", "vision"),
        ("label", "x", ""),
    ],
)
def test_whom_use_is_charged_to(by: str, label: str, account: str) -> None:
    spec = JobSpec(("true",), "/", "job", user="ann", queue="batch", labels=("urgent", "team=vision", "team=other"))
    accounts = Accounts.from_options({"fair_sharing.by": by, "fair_sharing.label": label})
    assert accounts.account_of(spec) == account
    assert Accounts.from_options({"fair_sharing.by": by}).account_of(JobSpec(("true",), "/", "job")) in ("", "default")


def test_accounts_in_several_queues_are_one() -> None:
    policy = Policy(strategy="fair_sharing", queues=(QueuePolicy("default"), QueuePolicy("other")))
    world = a_world(policy)
    world.submit(5.0, 0, cores=8.0, user="carol")
    mine = [world.submit(600.0, 1, user="alice", queue=queue) for queue in ("default", "other") for _ in range(20)]
    others = [world.submit(600.0, 1, user="bob") for _ in range(20)]
    world.run(until=6)
    assert sum(id in world.started for id in mine) == sum(id in world.started for id in others) == 4


# --- The book --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0.1, 1e5)), min_size=1, max_size=20), st.floats(10, 1e6))
def test_the_book_adds_up_whatever_the_order(runs: list[tuple[float, float]], half_life_s: float) -> None:
    """Against the integral done run by run; a restart charges runs in another order."""
    spec = JobSpec(("true",), "/", "job", cores=2.0)
    attempts = [Attempt(1, "", start, started_at=start, ended_at=start + ran) for start, ran in runs]
    now = max(attempt.ended_at or 0.0 for attempt in attempts) + 5.0
    mean_life_s = half_life_s / math.log(2)
    expected = sum(
        2.0 * mean_life_s * (math.exp(-(now - end) / mean_life_s) - math.exp(-(now - start) / mean_life_s))
        for start, end in ((start, start + ran) for start, ran in runs)
    )
    for ordered in (attempts, attempts[::-1]):
        book = UsageBook(Accounts(half_life_s=half_life_s))
        for attempt in ordered:
            book.charge(spec, attempt)
        assert book.used("", now).cores == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_paused_time_and_jumps_of_the_clock_are_not_charged() -> None:
    book = UsageBook(Accounts(half_life_s=1e12))
    spec = JobSpec(("true",), "/", "job")
    book.charge(spec, Attempt(1, "", 0.0, started_at=0.0, ended_at=100.0, paused_s=40.0))
    book.charge(spec, Attempt(1, "", 0.0, started_at=None, ended_at=100.0))
    book.charge(spec, Attempt(1, "", 0.0, started_at=0.0))
    assert book.used("", 100.0).cores == pytest.approx(60.0)
    short = UsageBook(Accounts(half_life_s=10.0))
    short.charge(spec, Attempt(1, "", 0.0, started_at=0.0, ended_at=100.0))
    before = short.used("", 100.0)
    short.rebase(5000.0)
    assert short.used("", 5100.0) == before


def test_a_restart_and_a_change_of_the_settings_charge_the_same_runs() -> None:
    world = a_world(fair(half_life_s=HOUR))
    for user in ("alice", "bob", "bob"):
        world.submit(600.0, 0, user=user)
    world.run(until=HOUR)
    used = {user: world.state.usage.used(user, HOUR) for user in ("alice", "bob")}
    assert used["bob"].cores == pytest.approx(2 * used["alice"].cores) != 0.0
    restarted = State(world.policy)
    for job in world.state.jobs.values():
        apply(restarted, e.JobRestored(HOUR, job))
    assert {user: restarted.usage.used(user, HOUR) for user in used} == used
    apply(world.state, e.PolicyChanged(HOUR, fair(by="queue", half_life_s=HOUR)))
    assert world.state.usage.used("default", HOUR).cores == pytest.approx(3 * used["alice"].cores)
    apply(world.state, e.PolicyChanged(HOUR, world.policy))
    assert {user: world.state.usage.used(user, HOUR) for user in used} == used


def test_a_job_taken_back_into_memory_is_not_charged_twice() -> None:
    world = a_world(fair())
    id = world.submit(600.0, 0, user="alice")
    world.run()
    used = world.state.usage.used("alice", world.now)
    job = world.state.jobs[id]
    apply(world.state, e.JobForgotten(world.now, id))
    apply(world.state, e.JobRestored(world.now, job))
    assert world.state.usage.used("alice", world.now) == used


def test_what_is_tried_on_a_copy_is_not_charged() -> None:
    world = a_world(fair(), cores=1)
    world.submit(600.0, 0, user="alice")
    world.run(until=10)
    fork = world.state.fork()
    token = fork.jobs[JobId(1)].attempts[-1].token
    apply(fork, e.JobExited(20.0, JobId(1), token, 0, None, 1.0, GIB))
    assert fork.usage.used("alice", 20.0).cores > 0 == world.state.usage.used("alice", 20.0).cores
    assert plan(fork, 20.0).actions == ()

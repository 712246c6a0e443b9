"""Whose CPU time it was: trees, ends told late or not at all, membership and memory, on process tables made by hand."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from process_fakes import MIB, FakeTable, fake_run, row

from tidegate.core.job import RunRef
from tidegate.core.machine import GpuProcess, GpuReading
from tidegate.monitor.membership import Membership
from tidegate.monitor.process_table import parse_identity
from tidegate.monitor.reaped import Reaped
from tidegate.monitor.tree_memory import TreeMemory
from tidegate.monitor.trees import Trees, card_memory, card_work, used_cpu_s


def members(*rows):
    return {one.pid: one for one in rows}


# --- identity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", [None, "", "boot", "boot:12", "boot:x:1.0", "boot:12:later"])
def test_an_identity_that_is_not_a_local_process_is_none(identity: str | None) -> None:
    assert parse_identity(RunRef("t", identity)) is None


def test_an_identity_is_taken_apart_from_its_end() -> None:
    assert parse_identity(RunRef("t", "a:b:12:1.5")) == ("a:b", 12, 1.5)


# --- CPU time of one tree -----------------------------------------------------------------------------------------


def test_cpu_time_is_what_every_process_gained() -> None:
    before = members(row(1, own=5), row(2, 1, own=1))
    now = members(row(1, own=6), row(2, 1, own=1.5))
    assert used_cpu_s(before, now, since=50) == pytest.approx(1.5)


def test_a_process_born_since_counts_whole() -> None:
    before = members(row(1, own=5))
    now = members(row(1, own=5), row(2, 1, start=60, own=0.7))
    assert used_cpu_s(before, now, since=50) == pytest.approx(0.7)


def test_a_process_older_than_the_first_look_makes_the_interval_unknown() -> None:
    assert used_cpu_s({}, members(row(1, start=10, own=5)), since=50) is None
    assert used_cpu_s({}, members(row(1, start=60, own=5)), since=None) is None


def test_a_child_that_was_waited_for_is_not_counted_twice() -> None:
    before = members(row(1, own=1), row(2, 1, own=10, children=3))
    # The child used 0.5 s more, ended, and its 13.5 s went into its parent's account.
    now = members(row(1, own=1, children=13.5))
    assert used_cpu_s(before, now, since=50) == pytest.approx(0.5)


def test_a_whole_branch_that_ended_goes_to_the_nearest_living_ancestor() -> None:
    before = members(row(1), row(2, 1, own=4), row(3, 2, own=6))
    now = members(row(1, children=10.25))
    assert used_cpu_s(before, now, since=50) == pytest.approx(0.25)


def test_children_born_and_ended_between_two_looks_count() -> None:
    assert used_cpu_s(members(row(1)), members(row(1, children=0.8)), since=50) == pytest.approx(0.8)


def test_a_child_that_left_unwaited_never_makes_it_negative() -> None:
    before = members(row(1), row(2, 1, own=9))
    assert used_cpu_s(before, members(row(1, own=0.1)), since=50) == pytest.approx(0.1)


def test_a_pid_that_came_round_again_is_another_process() -> None:
    before = members(row(1), row(2, 1, own=9, start=10))
    now = members(row(1, children=9), row(2, 1, own=0.2, start=60))
    assert used_cpu_s(before, now, since=50) == pytest.approx(0.2)


# --- runs that ended ----------------------------------------------------------------------------------------------


def test_of_a_run_that_ended_only_the_unseen_part_is_new() -> None:
    reaped = Reaped()
    reaped.note(10.0, "a")
    assert reaped.settle({"a": 9.5}, {}) == pytest.approx(0.5)
    assert reaped.settle({}, {}) == 0.0


def test_a_run_never_seen_counts_whole() -> None:
    reaped = Reaped()
    reaped.note(0.3, "a")
    reaped.note(0.2)
    assert reaped.settle({}, {}) == pytest.approx(0.5)


def test_an_interval_is_unknown_until_the_end_of_a_vanished_run_is_told() -> None:
    reaped = Reaped()
    assert reaped.settle({"a": 4.0}, {}) is None
    reaped.note(4.4, "a")
    assert reaped.settle({}, {}) == 0.0, "what came late belongs to the interval given up before"


def test_ends_without_a_name_are_matched_by_number() -> None:
    reaped = Reaped()
    reaped.note(4.5)
    reaped.note(0.25)
    assert reaped.settle({"a": 4.0}, {}) == pytest.approx(0.75)


def test_a_run_told_before_it_was_seen_to_be_gone_is_known() -> None:
    reaped = Reaped()
    reaped.note(4.5, "a")
    assert reaped.settle({}, {"a": 4.0}) == pytest.approx(0.5)


# --- membership ---------------------------------------------------------------------------------------------------


def follow(table: FakeTable, membership: Membership, *runs: RunRef, helpers: tuple[int, ...] = ()):
    found = membership.follow({run.token: run for run in runs}, table.rows(), helpers)
    return {token: sorted(tree) for token, tree in found.items()}


def test_a_tree_is_the_root_with_descendants_and_session() -> None:
    root = row(50)
    table = FakeTable(root, row(51, 50), row(52, 51, session=52), row(53, 1, session=50), row(60))
    assert follow(table, Membership(table), fake_run("a", root)) == {"a": [50, 51, 52, 53]}


def test_another_process_with_the_roots_pid_is_not_the_run() -> None:
    table = FakeTable(row(50, start=99), row(51, 50))
    assert follow(table, Membership(table), fake_run("a", row(50, start=10))) == {}


def test_a_process_once_seen_stays_a_member_when_it_moves_away() -> None:
    root, membership = row(50), None
    table = FakeTable(root, row(51, 50, session=51))
    membership = Membership(table)
    follow(table, membership, fake_run("a", root))
    table.set(root, row(51, 1, session=51), row(52, 51, session=52))
    assert follow(table, membership, fake_run("a", root)) == {"a": [50, 51, 52]}
    table.set(root, row(51, 1, session=51, start=70))
    assert follow(table, membership, fake_run("a", root)) == {"a": [50]}, "that is a later process with its pid"


def test_a_session_outlives_its_leader() -> None:
    root = row(50)
    table = FakeTable(root)
    membership = Membership(table)
    follow(table, membership, fake_run("a", root))
    table.set(row(51, 1, session=50))
    assert follow(table, membership, fake_run("a", root)) == {"a": [51]}


def test_a_run_inside_another_belongs_to_itself() -> None:
    outer, inner = row(50), row(51, 50)
    table = FakeTable(outer, inner, row(52, 51))
    found = follow(table, Membership(table), fake_run("a", outer), fake_run("b", inner))
    assert found == {"a": [50], "b": [51, 52]}


def test_a_stray_at_the_helper_is_known_by_its_token_and_looked_at_once() -> None:
    root, helper = row(50, 40), row(40)
    table = FakeTable(helper, root, row(70, 40, session=70), row(71, 70, session=70), row(80, 40, session=80))
    table.tokens = {70: "a", 80: "someone else's"}
    membership = Membership(table)
    for _ in range(3):
        assert follow(table, membership, fake_run("a", root), helpers=(40,)) == {"a": [50, 70, 71]}
    assert table.token_looks == [70, 80]


# --- trees --------------------------------------------------------------------------------------------------------


class World:
    """Trees over a fake table, a second apart."""

    def __init__(self, *rows) -> None:
        self.table = FakeTable(*rows)
        self.reaped = Reaped()
        self.helpers: list[int] = []
        self.trees = Trees(self.table, lambda: self.helpers, self.reaped, lambda: self.table.time)

    def look(self, *runs: RunRef, gpus=()):
        self.table.time += 1.0
        return self.trees.measure({run.token: run for run in runs}, gpus, 1.0)


def test_without_runs_no_process_is_looked_at_but_our_own() -> None:
    world = World(row(50))
    assert world.look().our_cpu_s is None
    assert world.look().our_cpu_s == 0.0
    assert world.table.passes == 0


def test_our_cpu_time_is_jobs_and_app_and_helper_without_the_helpers_children() -> None:
    root, helper = row(50, 40, own=2), row(40, own=1)
    world = World(helper, root)
    world.helpers = [40]
    run = fake_run("a", root)
    assert world.look(run).usage[0].cores is None
    world.table.set(row(40, own=1.1, children=77), row(50, 40, own=2.6))
    reading = world.look(run)
    assert reading.our_cpu_s == pytest.approx(0.7)
    assert reading.usage[0].cores == pytest.approx(0.6)


def test_our_cpu_time_is_unknown_when_the_helper_cannot_be_read() -> None:
    world = World()
    world.look()
    world.helpers = [4242]
    assert world.look().our_cpu_s is None


def test_a_job_that_ends_is_accounted_for_exactly() -> None:
    world = World()
    world.look()
    root = row(50, start=101.5, own=0.4)
    run = fake_run("a", root)
    world.table.set(root)
    assert world.look(run).our_cpu_s == pytest.approx(0.4)
    world.table.set(row(50, start=101.5, own=1.4))
    assert world.look(run).our_cpu_s == pytest.approx(1.0)
    world.table.set()
    world.reaped.note(1.9, "a")
    assert world.look().our_cpu_s == pytest.approx(0.5)
    assert world.look().our_cpu_s == 0.0


def test_a_job_taken_up_late_leaves_only_its_own_last_part_to_its_end() -> None:
    root = row(50, own=500.0)
    world = World(root)
    world.look(fake_run("a", root))
    world.table.set(row(50, own=501.0))
    world.look(fake_run("a", root))
    world.table.set()
    world.reaped.note(501.25, "a")
    assert world.look().our_cpu_s == pytest.approx(0.25)


def test_a_run_that_cannot_be_found_is_unknown() -> None:
    world = World()
    usage = world.look(fake_run("a", row(50)), RunRef("b", None)).usage
    assert [(one.token, one.memory_bytes, one.cores, one.processes) for one in usage] == [
        ("a", None, None, None),
        ("b", None, None, None),
    ]


def test_zombies_are_no_processes() -> None:
    root = row(50)
    world = World(root, row(51, 50, zombie=True, resident=0))
    usage = world.look(fake_run("a", root)).usage[0]
    assert (usage.processes, usage.memory_bytes) == (1, MIB)
    assert world.table.looks == []


def card(index: int, *processes: tuple) -> GpuReading:
    return GpuReading(index, f"GPU-{index}", "card", 1000, 10, processes=tuple(GpuProcess(*one) for one in processes))


def test_card_memory_goes_to_the_run_whose_tree_holds_the_process() -> None:
    gpus = [card(0, (50, 100), (51, 20), (99, 5)), card(1, (60, 7), (51, None), (50, 1)), card(2)]
    assert card_memory(OWNERS, gpus) == {"a": {0: 120}, "b": {1: 7}}


OWNERS = {50: "a", 51: "a", 60: "b"}


@pytest.mark.parametrize(
    ("of_card", "processes", "expected"),
    [
        (90.0, [(50, 1, 30.0), (51, 1, 15.0), (60, 1, 44.0), (99, 1, 1.0)], {"a": {0: 45.0}, "b": {0: 44.0}}),
        (90.0, [(50, 1, 80.0), (51, 1, 30.0), (99, 1, 1.0)], {"a": {0: 100.0}}),
        (90.0, [(50, 1, 30.0), (51, 1, None), (60, 1, 44.0)], {"b": {0: 44.0}}),
        (90.0, [(50, 1), (51, 1)], {"a": {0: 90.0}}),
        (90.0, [(50, 1), (60, 1)], {}),
        (90.0, [(50, 1), (99, 1)], {}),
        (0.0, [(50, 1), (99, 1), (60, 1)], {"a": {0: 0.0}, "b": {0: 0.0}}),
        (None, [(50, 1)], {}),
        (None, [(50, 1, 20.0)], {"a": {0: 20.0}}),
        (90.0, [], {}),
    ],
    ids=[
        "each by its processes",
        "never over 100",
        "one process unsaid: the run unknown",
        "alone: the card's",
        "two of ours: unknown",
        "with a stranger: unknown",
        "nobody works",
        "nothing known",
        "only the process known",
        "nobody there",
    ],
)
def test_card_work_is_known_by_process_or_when_alone(of_card, processes, expected) -> None:
    assert card_work(OWNERS, [replace(card(0, *processes), utilisation_pct=of_card)]) == expected


def test_a_card_that_cannot_be_read_says_nothing_of_work() -> None:
    lost = replace(card(0), utilisation_pct=None, processes=None, lost=True)
    assert card_work(OWNERS, [lost, replace(card(1, (50, 1)), utilisation_pct=7.0)]) == {"a": {1: 7.0}}


def test_usage_carries_card_work_and_the_threads_of_the_living() -> None:
    root = row(50, threads=9)
    world = World(root, row(51, 50, threads=4), row(52, 50, zombie=True, threads=1))
    usage = world.look(fake_run("a", root), gpus=[replace(card(1, (50, 9)), utilisation_pct=64.0)]).usage[0]
    assert usage.threads == 13
    assert usage.gpu_utilisation_pct == ((1, 64.0),)
    assert world.look(fake_run("b", row(70))).usage[0].threads is None


def test_usage_carries_card_memory() -> None:
    root = row(50)
    world = World(root)
    assert world.look(fake_run("a", root), gpus=[card(1, (50, 9)), card(0, (50, 4))]).usage[0].gpu_memory_bytes == (
        (0, 4),
        (1, 9),
    )


# --- memory -------------------------------------------------------------------------------------------------------


class MemoryWorld:
    def __init__(self) -> None:
        self.table = FakeTable()
        self.time = 0.0
        self.memory = TreeMemory(self.table, lambda: self.time)

    def look(self, trees, after: float = 1.0):
        self.time += after
        self.table.looks.clear()
        return self.memory.measure(trees, after)


def test_a_single_process_counts_with_its_rss_and_is_never_walked() -> None:
    world = MemoryWorld()
    assert world.look({"a": [row(50, resident=7 * MIB)]}) == {"a": 7 * MIB}
    assert world.table.looks == []


def test_shared_pages_count_once() -> None:
    world = MemoryWorld()
    world.table.shares = {50: 30 * MIB, 51: 30 * MIB}
    tree = [row(50, resident=50 * MIB), row(51, resident=50 * MIB)]
    assert world.look({"a": tree}) == {"a": 60 * MIB}


def test_between_looks_the_figure_moves_with_what_each_process_gained() -> None:
    world = MemoryWorld()
    world.table.shares = {50: 30 * MIB, 51: 30 * MIB}
    world.look({"a": [row(50, resident=50 * MIB), row(51, resident=50 * MIB)]})
    world.table.shares = {50: 1, 51: 1}
    grown = [row(50, resident=55 * MIB), row(51, resident=48 * MIB)]
    assert world.look({"a": grown}, after=0.1) == {"a": 63 * MIB}


def test_a_figure_is_never_older_than_five_seconds() -> None:
    world = MemoryWorld()
    trees = {f"t{n}": [row(10 * n), row(10 * n + 1)] for n in range(1, 101)}
    last: dict[int, float] = {}
    most = 0
    for _ in range(40):
        world.look(trees)
        last |= dict.fromkeys(world.table.looks, world.time)
        most = max(most, len(world.table.looks)) if world.time > 10 else most
        assert all(world.time - seen <= 5.0 for seen in last.values())
    assert len(last) == 200
    assert most <= 60, "the looks are spread over the samples"


def test_a_tree_that_changed_is_looked_at_in_the_same_sample() -> None:
    world = MemoryWorld()
    steady = {f"s{n}": [row(100 * n), row(100 * n + 1)] for n in range(2, 30)}
    tree = [row(50), row(51)]
    for _ in range(6):
        world.look({"a": tree, **steady})
    world.table.shares = {50: MIB, 51: MIB, 52: 5 * MIB}
    assert world.look({"a": [*tree, row(52, resident=6 * MIB)], **steady})["a"] == 7 * MIB
    world.table.shares = {50: MIB, 51: MIB, 52: 500 * MIB}
    assert world.look({"a": [*tree, row(52, resident=600 * MIB)], **steady})["a"] == 502 * MIB


def test_memory_that_cannot_be_read_is_unknown() -> None:
    world = MemoryWorld()
    world.table.shares = {51: None}
    assert world.look({"a": [row(50), row(51)], "b": [row(60)]}) == {"a": None, "b": MIB}


def test_what_is_gone_is_forgotten() -> None:
    world = MemoryWorld()
    world.look({"a": [row(50), row(51)]})
    assert world.look({}) == {}
    assert world.look({"a": []}) == {"a": None}


def test_our_own_process_is_in_the_fake_table() -> None:
    assert os.getpid() in FakeTable().rows()

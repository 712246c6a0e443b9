"""Strategy auto on the virtual clock: when it replays recorded jobs, what it takes and tells, what a restart keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from core.test_switching import a_rehearsal
from support.world import World, a_job
from tidegate.core import events as e
from tidegate.core.job import JobId, Outcome
from tidegate.core.policy import Policy
from tidegate.core.switching import Rehearsed
from tidegate.engine.strategist import META_AUTO, auto_from

HOUR = 3600.0
BETTER = [a_rehearsal("priority_based"), a_rehearsal("hybrid", mean_slowdown=2.0)]
WORSE = [a_rehearsal("priority_based", mean_slowdown=2.0), a_rehearsal("hybrid")]


class FakeRehearsal:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.stopped = 0
        self.done: Callable[[Sequence[Rehearsed] | str], None] | None = None

    def begin(self, done: Callable[[Sequence[Rehearsed] | str], None]) -> None:
        assert self.done is None, "one replay at a time"
        self.begun += 1
        self.done = done

    def answer(self, found: Sequence[Rehearsed] | str) -> None:
        done, self.done = self.done, None
        assert done is not None, "nobody asked"
        done(found)

    def stop(self) -> None:
        self.stopped += 1
        self.done = None


class AutoWorld(World):
    """A world whose engine goes by auto, with a rehearsal that it keeps over restarts."""

    def __init__(self, strategy: str = "auto") -> None:
        self.rehearsal = FakeRehearsal()
        super().__init__(Policy(strategy=strategy), cores=8)

    def _new_engine(self):  # type: ignore[no-untyped-def]
        engine = super()._new_engine()
        engine.strategist.rehearsal = self.rehearsal
        return engine

    def run_jobs(self, count: int) -> list[JobId]:
        """So many short jobs to their ends."""
        ids = self.submit(*(a_job().needing("10M").on_cores(0.1).lasting(1.0) for _ in range(count)))
        self.advance(20.0)
        assert {self.status(id) for id in ids} == {"succeeded"}
        return ids

    def let_pass(self, seconds: float) -> None:
        """The same as ``advance`` with a reading a minute: nothing happens meanwhile."""
        self.engine.set_interval(60.0)
        self.advance(seconds)
        self.engine.set_interval(1.0)
        self.advance(1.0)

    def rows(self) -> list[str]:
        return [row.first.sentence for row in self.disk.ticks if row.first.kind == "strategy"]


@pytest.fixture
def world() -> AutoWorld:
    return AutoWorld()


def in_use(world: World) -> str:
    state = world.engine.state
    return state.section_of("default").name


def test_a_better_one_is_taken_and_told_everywhere(world: AutoWorld) -> None:
    world.run_jobs(20)
    assert world.rehearsal.begun == 1
    world.rehearsal.answer(BETTER)
    world.advance(1.0)
    why = "have a slowdown of 2.00 under hybrid instead of 4.00 under priority_based"
    assert in_use(world) == "hybrid"
    [row] = world.rows()
    assert row.startswith("The strategy is hybrid now: the last 100 jobs, replayed, " + why)
    [notice] = [notice for notice in world.notices if "strategy" in notice.title]
    assert (notice.title, notice.level) == ("The strategy is hybrid now", "info")
    assert why in notice.text
    auto = world.engine.strategist.auto
    assert (auto.strategy, auto.chosen_at is not None, why in str(auto.why)) == ("hybrid", True, True)
    [id] = world.submit(a_job().needing("10M").lasting(1.0))
    world.advance(1.0)
    assert world.job(id).attempts[0].strategy == "hybrid"


def test_nothing_is_replayed_without_enough_jobs_that_ran(world: AutoWorld) -> None:
    world.run_jobs(19)
    skipped = world.submit(*(a_job().having(held=True) for _ in range(10)))
    for id in skipped:
        world.engine.record(e.JobCancelled(world.clock.now(), id, Outcome.CANCELLED, "its user did not want it"))
    world.let_pass(2 * HOUR)
    assert world.rehearsal.begun == 0
    world.run_jobs(1)
    assert world.rehearsal.begun == 1


def test_once_an_hour_at_most_and_only_with_new_jobs(world: AutoWorld) -> None:
    world.run_jobs(20)
    world.rehearsal.answer(WORSE)
    world.run_jobs(40)
    world.let_pass(HOUR - 300.0)
    assert world.rehearsal.begun == 1, "the hour is not over"
    world.let_pass(300.0)
    assert world.rehearsal.begun == 2
    world.rehearsal.answer(WORSE)
    world.let_pass(5 * HOUR)
    assert world.rehearsal.begun == 2, "nothing new has run"


def test_what_is_not_clearly_better_changes_nothing_and_is_written_down_once(world: AutoWorld) -> None:
    for _ in range(3):
        world.run_jobs(20)
        world.rehearsal.answer(WORSE)
        world.let_pass(HOUR)
    assert in_use(world) == "priority_based"
    [row] = world.rows()
    assert row.startswith("auto: priority_based stays: none is clearly better")
    assert not [notice for notice in world.notices if "strategy" in notice.title]


def test_a_machine_at_its_limits_is_left_alone(world: AutoWorld) -> None:
    world.machine.others_cores = 8.0
    world.advance(20.0)
    assert world.engine.state.machine.mode.value == "HIGH"
    world.submit(*(a_job().needing("10M").on_cores(0.1).lasting(1.0).with_priority(1) for _ in range(30)))
    world.advance(60.0)
    assert world.engine.state.counts()["finished"] == 30
    assert world.rehearsal.begun == 0
    world.machine.others_cores = 0.0
    world.advance(20.0)
    assert world.rehearsal.begun == 1
    world.machine.others_cores = 8.0
    world.advance(20.0)
    assert world.rehearsal.stopped == 1, "what is under way is broken off"
    world.machine.others_cores = 0.0
    world.let_pass(600.0)
    assert world.rehearsal.begun == 1, "and not begun again within the hour"


def test_a_named_strategy_is_never_replayed_nor_left() -> None:
    world = AutoWorld("fair_sharing")
    world.run_jobs(40)
    assert (world.rehearsal.begun, in_use(world)) == (0, "fair_sharing")


def test_who_leaves_auto_meanwhile_is_not_switched(world: AutoWorld) -> None:
    world.run_jobs(20)
    world.engine.record(e.PolicyChanged(world.clock.now(), replace(world.policy, strategy="fair_sharing")))
    world.rehearsal.answer(BETTER)
    world.advance(1.0)
    assert (in_use(world), world.engine.state.chosen) == ("fair_sharing", "priority_based")


def test_a_replay_that_fails_is_said_and_tried_again_in_an_hour(
    world: AutoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.run_jobs(20)
    world.rehearsal.answer("the history cannot be read")
    assert "could not be replayed: the history cannot be read" in caplog.text
    caplog.clear()
    world.advance(1.0)
    assert world.rows() == ["auto: the recorded jobs could not be replayed: the history cannot be read."]
    world.run_jobs(20)
    world.let_pass(HOUR)
    assert world.rehearsal.begun == 2


def test_one_that_was_switched_off_is_no_candidate(world: AutoWorld) -> None:
    world.engine.store.apply(e.StrategyFailed(world.clock.now(), "hybrid", "it raised ValueError"))
    world.run_jobs(20)
    world.rehearsal.answer(BETTER)
    assert in_use(world) == "priority_based"


def test_a_restart_keeps_what_was_chosen_why_and_when_it_looked(world: AutoWorld) -> None:
    world.run_jobs(20)
    world.rehearsal.answer(BETTER)
    world.advance(1.0)
    kept = world.engine.strategist.auto
    world.restart()
    assert world.engine.strategist.auto == kept
    assert in_use(world) == "hybrid"
    world.run_jobs(40)
    assert world.rehearsal.begun == 1, "the hour goes on over a restart"
    world.let_pass(HOUR)
    assert world.rehearsal.begun == 2


def test_an_engine_that_is_killed_while_it_replays_does_not_begin_at_once_again(world: AutoWorld) -> None:
    world.run_jobs(20)
    world.rehearsal.done = None
    world.restart()
    world.run_jobs(20)
    assert world.rehearsal.begun == 1


def test_an_engine_that_leaves_breaks_a_replay_off(world: AutoWorld) -> None:
    world.run_jobs(20)
    world._run(world.engine.close(stop_jobs=False))
    assert world.rehearsal.stopped == 1


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"nobody": "knows"}', '{"strategy": "mine", "later": 1}'])
def test_what_another_version_wrote_down_is_taken_as_far_as_it_goes(text: str | None) -> None:
    auto = auto_from(text)
    assert auto.strategy == ("mine" if text is not None and "mine" in text else "priority_based")


def test_it_stands_in_the_journal(world: AutoWorld) -> None:
    world.run_jobs(20)
    world.rehearsal.answer(BETTER)
    world.advance(1.0)
    assert auto_from(world.disk.meta[META_AUTO]) == world.engine.strategist.auto

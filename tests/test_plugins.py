"""Strategies of installed packages: found by their entry points, used by name, switched off when they raise (D8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.installing import installed
from support.quick_world import QuickWorld
from tidegate.core.admission import Ledger
from tidegate.core.events import JobHeld
from tidegate.core.job import Job, JobId
from tidegate.core.planner import plan
from tidegate.core.policy import QUEUES, Policy
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.strategies.order import in_order
from tidegate.core.strategies.priority_based import PriorityBased
from tidegate.core.strategies.protocol import Choosing, Turn
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.core.transitions import apply
from tidegate.paths import Paths
from tidegate.plugins import KnownStrategies
from tidegate.settings import load

__all__ = ["installed"]


@pytest.fixture
def known(installed: Path, monkeypatch: pytest.MonkeyPatch) -> KnownStrategies:
    monkeypatch.syspath_prepend(str(installed))
    return KnownStrategies()


def test_the_names_of_installed_packages_stand_beside_the_built_in_ones(known: KnownStrategies) -> None:
    assert set(known) == {*BUILT_IN, "shortest_first", "clumsy"}
    assert len(known) == len(list(known))
    assert "shortest_first" in known
    assert "longest_first" not in known


def test_an_installed_strategy_orders_the_queue(known: KnownStrategies) -> None:
    world = QuickWorld(Policy(strategy="shortest_first"), cores=1, strategies=known)
    world.submit(10.0, at=0.0)
    lengths = (300.0, 20.0, 4000.0, 60.0)
    ids = [world.submit(length, at=1.0, time_limit_s=length) for length in lengths]
    world.run()
    assert sorted(ids, key=world.started.__getitem__) == [ids[1], ids[3], ids[0], ids[2]]


def test_an_installed_strategy_has_settings_of_its_own(known: KnownStrategies, paths: Paths) -> None:
    options = load(paths, {}, {"plugin_options": "shortest_first.unknown_s=30 other.x=abc"}).policy().strategy_options
    assert dict(options) == {"shortest_first.unknown_s": 30.0, "other.x": "abc"}
    world = QuickWorld(Policy(strategy="shortest_first", strategy_options=options), cores=1, strategies=known)
    world.submit(10.0, at=0.0)
    minute, unknown = world.submit(60.0, at=1.0, time_limit_s=60.0), world.submit(10.0, at=1.0)
    world.run()
    assert world.started[unknown] < world.started[minute]
    policy = Policy(strategy="shortest_first", strategy_options=(("shortest_first.unknown_s", "soon"),))
    why = QuickWorld(policy, strategies=known).state.switched_off["shortest_first"]
    assert why == "it raised ValueError: shortest_first.unknown_s = 'soon': it is a number, 0 or more"


class Mute(PriorityBased):
    """A plug-in that orders jobs well, and raises whenever somebody asks why one waits."""

    def reason(self, state: State, job: Job, ledger: Ledger, codes: list[WaitCode]) -> WaitReason | None:
        raise KeyError("its own table")

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        raise RuntimeError("not now")


def test_one_that_raises_when_asked_why_does_not_break_the_answer() -> None:
    world = QuickWorld(Policy(strategy="mute"), cores=2, strategies={**BUILT_IN, "mute": lambda _options: Mute()})
    world.submit(60.0)
    wide = world.submit(60.0, cores=2.0)
    world.run(until=1.0)
    reasons = plan(world.state, 1.0).waits[wide]
    assert [reason.code for reason in reasons] == [WaitCode.TURN, WaitCode.CPU]
    assert reasons[0].sentence == "its strategy mute cannot say why: it raised KeyError: 'its own table'"
    small = world.submit(60.0, at=1.0)  # the plan itself finds that may_pass raises
    world.run(until=2.0)
    assert world.failures == [("mute", "it raised RuntimeError: not now")]
    assert small in world.state.jobs


def test_one_queue_may_have_a_strategy_of_its_own(known: KnownStrategies) -> None:
    policy = Policy()
    queues = tuple(
        queue if queue.name != "batch" else replace(queue, strategy="shortest_first") for queue in policy.queues
    )
    world = QuickWorld(Policy(queues=queues), cores=1, strategies=known)
    world.submit(10.0, at=0.0)
    lengths = (300.0, 20.0)
    plain = [world.submit(length, at=1.0, time_limit_s=length) for length in lengths]
    batch = [world.submit(length, at=1.0, time_limit_s=length, queue="batch") for length in lengths]
    world.run()
    assert sorted(world.started, key=world.started.__getitem__)[1:] == [*plain, batch[1], batch[0]]


def test_one_that_cannot_be_made_is_switched_off_with_what_it_raised(known: KnownStrategies) -> None:
    world = QuickWorld(Policy(strategy="clumsy"), strategies=known)
    id = world.submit(1.0)
    world.run()
    assert world.state.switched_off == {"clumsy": "it raised RuntimeError: I was never finished"}
    assert world.started[id] == [0.0]


def test_one_that_is_gone_is_said_to_be_gone() -> None:
    world = QuickWorld(Policy(strategy="uninstalled"), strategies=KnownStrategies())
    id = world.submit(1.0)
    world.run()
    assert world.started[id] == [0.0]
    assert world.state.switched_off["uninstalled"].startswith("it is not installed here; known are priority_based")


@pytest.mark.parametrize("which", ["running", "held", "other queue", "unknown"])
def test_one_that_offers_what_does_not_wait_in_its_queues_is_switched_off(which: str) -> None:
    offered: list[JobId] = []

    class Greedy(PriorityBased):
        def choose(self, _turn: Turn) -> Choosing:
            for id in offered:  # noqa: UP028 (a list hears no answers)
                yield id

    known = {**BUILT_IN, "greedy": lambda _options: Greedy()}
    queues = tuple(queue if queue.name != "batch" else replace(queue, strategy="greedy") for queue in QUEUES)
    world = QuickWorld(Policy(queues=queues), cores=1, strategies=known)
    running, held, other = world.submit(60.0), world.submit(5.0), world.submit(5.0)
    world.run(until=1.0)
    apply(world.state, JobHeld(1.0, held))
    waiting = world.submit(5.0, at=2.0, queue="batch")
    offered.append({"running": running, "held": held, "other queue": other, "unknown": JobId(99)}[which])
    world.run()
    assert [name for name, _ in world.failures] == ["greedy"]
    assert (
        world.failures[0][1] == f"it raised NotWaiting: it offered job {offered[0]}, which does not wait in its queues"
    )
    assert len(world.started[running]) == 1
    assert held not in world.started
    assert world.started[waiting] == [65.0], "it goes on under the fallback"


def test_one_that_raises_when_only_the_order_is_asked_for_leaves_nobody_out() -> None:
    class Unrehearsed(PriorityBased):
        def choose(self, turn: Turn) -> Choosing:
            if turn.rehearsal:
                yield JobId(99)
                yield next(iter(turn.waiting())).id
                raise RuntimeError("no rehearsal")
            yield from super().choose(turn)

    known = {**BUILT_IN, "unrehearsed": lambda _options: Unrehearsed()}
    world = QuickWorld(Policy(strategy="unrehearsed"), cores=1, strategies=known)
    ids = [world.submit(5.0) for _ in range(4)]
    world.run(until=1.0)
    assert sorted(in_order(world.state, 1.0)) == ids[1:]
    assert sorted(world.state.fork().line) == ids[1:]
    world.run()
    assert (world.failures, set(world.ended)) == ([], set(ids))

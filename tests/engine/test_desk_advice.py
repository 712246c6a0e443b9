"""Conflicts and hints as views and the API see them: through the desk, with their changes and their history."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from support.advice import AdvisedWorld, doing
from support.kept_settings import KeptSettings
from support.world import a_job
from tidegate.core.job import Touches
from tidegate.engine.desk import LocalDesk
from tidegate.engine.ports import Answer, Change, CommandResult

T = TypeVar("T")


class Told:
    """A desk over a world, and every change it told."""

    def __init__(self, world: AdvisedWorld) -> None:
        self.world = world
        self.loop = asyncio.new_event_loop()
        self.changes: list[Change] = []
        self.desk = LocalDesk(
            world.engine,
            world.journal,
            loop=self.loop,
            version="0",
            kind="test",
            pid_of=lambda _identity: None,
            log_path=lambda job, attempt: f"/log/{job}-{attempt}",
            dropped=lambda _path: None,
            shut_down=self._never,
            settings=KeptSettings(),
        )
        self.desk.subscribe(self.changes.append)

    async def _never(self, _stop_jobs: bool) -> None:
        raise AssertionError

    def ask(self, errand: Coroutine[Any, Any, T]) -> T:
        async def carry_out() -> T:
            task = asyncio.ensure_future(errand)
            while not task.done():
                await asyncio.sleep(0)
                self.world.clock.settle()
            return await task

        return self.loop.run_until_complete(carry_out())

    def moved(self) -> list[tuple[int, str | None]]:
        return [(view.id, view.closed_because) for change in self.changes for view in change.conflicts]


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    made = Told(AdvisedWorld(cores=getattr(request, "param", 1)))
    yield made
    made.loop.close()


@pytest.mark.parametrize("told", [2], indirect=True)
def test_a_conflict_is_seen_changes_and_becomes_history(told: Told) -> None:
    world = told.world
    touches = Touches(writes=("/data/out.csv",))
    first, second = world.submit(
        *(doing(a_job(name).needing("1G").lasting(100), touches=touches) for name in ("one", "two"))
    )
    world.advance(10)
    [view] = told.desk.conflicts()
    assert (view.resource, told.desk.conflicts(closed=True), told.moved()) == ("file:/data/out.csv", [], [(1, None)])
    result: CommandResult = told.ask(told.desk.resolve_conflict(1))
    assert result.answer is Answer.DONE
    assert world.statuses([first, second]) == ["running", "paused"]
    world.advance(100)
    because = "Settled: job 1 has ended."
    assert told.moved()[-1] == (1, because)
    assert told.desk.conflicts() == []
    assert [ended.closed_because for ended in told.desk.conflicts(closed=True)] == [because]
    assert told.desk.conflicts(closed=True, limit=0) == []


def test_a_hint_is_seen_followed_and_dismissed(told: Told) -> None:
    world = told.world
    world.submit_same(a_job("train").needing("1G").lasting(600), 2, apart_s=1)
    _, fourth = world.submit_same(a_job("eval").needing("1G").lasting(600), 2, apart_s=1)
    world.advance(14)
    assert [hint.code for hint in told.desk.hints()] == ["submitted_twice"] * 2
    assert len(told.desk.hints(limit=1)) == 1
    of_eval = next(hint for hint in told.desk.hints() if str(fourth) in hint.jobs)
    of_train = next(hint for hint in told.desk.hints() if hint is not of_eval)
    assert told.ask(told.desk.apply_hint(of_eval.id)).answer is Answer.DONE
    assert told.ask(told.desk.dismiss_hint(of_train.id)).answer is Answer.DONE
    assert world.status(fourth) == "cancelled"
    assert told.desk.hints() == []
    reasons = {hint.closed_because for hint in told.desk.hints(closed=True)}
    assert reasons == {"You followed it: cancelled job 4.", "You dismissed it."}


def test_who_missed_something_gets_all_that_is_open_and_what_ended_lately(told: Told) -> None:
    world = told.world
    world.submit_same(a_job("train").needing("1G").lasting(600), 2, apart_s=1)
    world.advance(14)

    async def first_of() -> Change:
        changes = told.desk.changes(0)
        change = await anext(changes)
        await changes.aclose()  # type: ignore[attr-defined]
        return change

    assert [hint.id for hint in told.ask(first_of()).hints] == [1]
    told.ask(told.desk.dismiss_hint(1))
    assert [hint.closed_because for hint in told.ask(first_of()).hints] == ["You dismissed it."]

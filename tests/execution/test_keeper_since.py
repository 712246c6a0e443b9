"""Since when the keeper knows of every start: a start that was asked for later and is unknown to it never happened."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from keeper_harness import World, alive, play

from tidegate.engine.ports import HelperLost, Reconnected, RunLost
from tidegate.execution.keeper_spool import Spool


def test_a_keeper_that_leaves_in_order_tells_the_next_one_all_it_knew(home: Path) -> None:
    async def story(world: World) -> None:
        first = (await world.connect()).helper_since
        assert first is not None
        assert time.time() - 20 < first <= time.time()
        assert (await _next(world)).helper_since == first
        assert (await _next(world)).helper_since == first
        assert not list(home.glob("*.left"))

    play(home, story)


def test_a_keeper_that_was_killed_leaves_nothing_to_rely_on(home: Path) -> None:
    async def story(world: World) -> None:
        first = (await world.connect()).helper_since
        second = (await _next(world)).helper_since
        assert first == second
        pid = world.app.pid
        assert pid is not None
        world.crash()
        os.kill(pid, signal.SIGKILL)
        await world.until(lambda: not alive(pid))
        third = (await world.connect()).helper_since
        assert third is not None
        assert first is not None
        assert third > first

    play(home, story)


def test_a_word_that_was_cut_short_is_not_believed(home: Path) -> None:
    async def story(world: World) -> None:
        began = time.time()
        (home / "spool.left").write_text("17")
        since = (await world.connect()).helper_since
        assert since is not None
        assert since >= began - 1

    play(home, story)


def test_a_start_that_is_asked_for_while_a_new_keeper_is_opened_is_not_called_lost(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pid = world.app.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await world.until(lambda: any(isinstance(event, HelperLost) for event in world.events))
        await asyncio.sleep(0.001)  # the new connection is under way, and not there yet
        assert world.app.pid is None
        world.start("meanwhile", "sh", "-c", "exit 3")
        assert await world.result("meanwhile") == (3, None)
        assert not any(isinstance(event, RunLost) for event in world.events)
        assert world.app.pid is not None
        world.keeper_pids.add(world.app.pid)

    play(home, story)


def test_an_end_that_is_acknowledged_twice_at_once_does_no_harm(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("one", "true")
        world.start("two", "true")
        assert await world.result("one") == (0, None)
        assert await world.result("two") == (0, None)
        world.app.acknowledge(["one", "one", "two"])
        await world.until(lambda: not _ends(home))
        assert (await _next(world)).ended == ()

    play(home, story)


def _ends(home: Path) -> list[str]:
    """Ends in the spool that were not acknowledged."""
    _, ends, _ = Spool(str(home / "spool"), "").read()
    return list(ends)


async def _next(world: World) -> Reconnected:
    """The app goes, the keeper leaves because nothing runs, and an app with a keeper comes again."""
    pid = world.app.pid
    assert pid is not None
    world.crash()
    await world.until(lambda: not alive(pid))
    return await world.connect()

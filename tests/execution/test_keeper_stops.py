"""Pause, resume, terminate and kill reach the whole tree, wherever its processes have gone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

from keeper_harness import RunPaused, World, alive, play, state

from tidegate.engine.ports import RunActionFailed, RunExited, RunResumed
from tidegate.execution.keeper import Keeper

# A main process with an ordinary child, a child in a session of its own, and an orphan made by a double fork.
FAMILY = """
import os, signal, sys, time
def say(): os.write(1, b"%d\\n" % os.getpid())
if IGNORE: signal.signal(signal.SIGTERM, signal.SIG_IGN)
say()
if os.fork() == 0:
    say(); time.sleep(300); os._exit(0)
if os.fork() == 0:
    os.setsid(); say(); time.sleep(300); os._exit(0)
middle = os.fork()
if middle == 0:
    if os.fork() == 0:
        os.setsid(); say(); time.sleep(300)
    os._exit(0)
os.waitpid(middle, 0)
time.sleep(300)
"""


async def _family(world: World, token: str, ignore: bool = False) -> list[int]:
    world.python(token, f"IGNORE = {ignore}\n{FAMILY}")
    return [int(line) for line in await world.written(world.log(token), 4)]


def test_pause_and_resume_take_the_whole_tree(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pids = await _family(world, "f")
        assert len({os.getsid(pid) for pid in pids}) == 3
        world.app.pause("f")
        await world.wait(RunPaused, "f")
        assert [state(pid) for pid in pids] == ["T"] * 4
        world.app.resume("f")
        await world.wait(RunResumed, "f")
        await world.until(lambda: all(state(pid) in "SR" for pid in pids))
        world.app.pause("f")
        await world.until(lambda: all(state(pid) == "T" for pid in pids))
        world.app.terminate("f", 5.0)
        assert await world.result("f") == (None, signal.SIGTERM)
        assert not any(alive(pid) for pid in pids)

    play(home, story)


def test_a_paused_tree_that_forks_is_stopped_completely(home: Path) -> None:
    code = """
import os, time
while True:
    if os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid()); time.sleep(0.2); os._exit(0)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
    time.sleep(0.002)
"""

    async def story(world: World) -> None:
        await world.connect()
        world.python("busy", code)
        await world.written(world.log("busy"), 30)
        world.app.pause("busy")
        await world.wait(RunPaused, "busy")
        size = world.log("busy").stat().st_size
        end = time.monotonic() + 0.3
        await world.until(lambda: time.monotonic() > end)
        assert world.log("busy").stat().st_size == size
        world.app.kill("busy")
        assert await world.result("busy") == (None, signal.SIGKILL)

    play(home, story)


def test_what_had_stopped_by_itself_stays_so_after_a_resume(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("s", "sh", "-c", "sleep 300 & echo $!; kill -STOP $!; sleep 300 & echo $!; wait")
        own, other = (int(line) for line in await world.written(world.log("s"), 2))
        await world.until(lambda: state(own) == "T" and state(other) == "S")
        world.app.pause("s")
        await world.wait(RunPaused, "s")
        await world.until(lambda: state(other) == "T")
        world.app.resume("s")
        await world.wait(RunResumed, "s")
        await world.until(lambda: state(other) == "S")
        assert state(own) == "T"

    play(home, story)


def test_terminate_gives_grace_then_kills_what_ignores_it(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pids = await _family(world, "deaf", ignore=True)
        world.start("polite", "sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done")
        await world.written(world.log("polite"), 1)
        asked_at = time.monotonic()
        world.app.terminate("deaf", 0.6)
        world.app.terminate("polite", 30.0)
        assert await world.result("polite") == (5, None)
        assert time.monotonic() - asked_at < 5
        assert all(alive(pid) for pid in pids) or time.monotonic() - asked_at > 0.6
        assert await world.result("deaf") == (None, signal.SIGKILL)
        assert time.monotonic() - asked_at >= 0.6
        assert not any(alive(pid) for pid in pids)

    play(home, story)


def test_grace_runs_out_even_when_the_app_is_gone(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pids = await _family(world, "deaf", ignore=True)
        world.app.terminate("deaf", 0.3)
        world.crash()
        await world.until(lambda: not any(alive(pid) for pid in pids))
        known = await world.connect(["deaf"])
        ends = [end for end in known.ended if isinstance(end, RunExited)]
        end = ends[0] if ends else await world.wait(RunExited, "deaf")
        assert (end.token, end.signal) == ("deaf", signal.SIGKILL)

    play(home, story)


def test_kill_ends_the_whole_tree_before_it_is_told(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pids = await _family(world, "k", ignore=True)
        world.app.kill("k")
        assert await world.result("k") == (None, signal.SIGKILL)
        assert not any(alive(pid) for pid in pids)

    play(home, story)


def test_a_small_fork_bomb_is_killed(home: Path) -> None:
    """Each process forks a successor and ends, in 30 lines: whoever kills one by one never catches them."""
    code = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(29):
    if os.fork() == 0: break
os.write(1, b"%d\\n" % os.getpid())
time.sleep(0.2)
while True:
    if os.fork(): os._exit(0)
    if os.getpid() % 3 == 0: os.setsid()
    time.sleep(0.01)
"""

    async def story(world: World) -> None:
        await world.connect()
        world.python("bomb", code)
        await world.written(world.log("bomb"), 30)
        world.app.kill("bomb")
        await world.result("bomb")
        world.events.clear()
        end = time.monotonic() + 0.5
        await world.until(lambda: time.monotonic() > end)
        assert not _bearers("bomb")

    play(home, story)


def _bearers(token: str) -> list[int]:
    """Processes that carry this run token, found independently of the keeper."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if f"TIDEGATE_RUN_TOKEN={token}".encode() in environ.split(b"\0"):
                found.append(int(name))
    return found


def test_what_a_job_leaves_behind_is_ended_and_its_end_is_told_at_once(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        code = f"IGNORE = False\n{FAMILY}".replace("os.waitpid(middle, 0)\ntime.sleep(300)", "time.sleep(0.3)")
        world.python("left", code)
        pids = [int(line) for line in await world.written(world.log("left"), 4)]
        assert await world.result("left") == (0, None)
        assert any(alive(pid) for pid in pids[1:])
        await world.until(lambda: not any(alive(pid) for pid in pids))

    play(home, story)


def test_a_daemon_that_ignores_term_is_killed_after_its_job(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        code = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid()); time.sleep(300)
    os._exit(0)
"""
        world.python("d", code)
        (pid,) = [int(line) for line in await world.written(world.log("d"), 1)]
        assert await world.result("d") == (0, None)
        await world.until(lambda: not alive(pid))

    play(home, story)


def test_other_runs_are_never_touched(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        first, second = await _family(world, "one"), await _family(world, "two")
        world.app.pause("one")
        await world.wait(RunPaused, "one")
        assert all(state(pid) == "S" for pid in second)
        world.app.kill("one")
        await world.result("one")
        assert not any(alive(pid) for pid in first)
        assert all(state(pid) == "S" for pid in second)
        world.app.kill("two")
        await world.result("two")

    play(home, story)


def test_asking_for_a_run_nobody_knows_is_said(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        for action in (world.app.pause, world.app.resume, world.app.kill):
            action("nobody")
        world.app.terminate("nobody", 1.0)
        await world.until(lambda: len(world.events) == 4)
        assert {event.action for event in world.events if isinstance(event, RunActionFailed)} == {
            "pause",
            "resume",
            "kill",
            "terminate",
        }

    play(home, story)


def test_another_patience_with_stuck_runs_reaches_the_running_keeper(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        say, said = world.app._say, list[dict[str, object]]()
        world.app._say = lambda message: (said.append(message), say(message))[1]  # type: ignore[method-assign]
        world.app.set_timeouts(3.0, 0.5)
        world.app.set_timeouts(2.0, 0.5)
        assert said == [{"stuck_timeout_s": 0.5}]
        assert world.app.kill_timeout_s == 2.0
        world.start("t", "true")
        await world.result("t")
        assert "could not be handled" not in (home / "keeper.log").read_text()

    play(home, story)


def test_the_keeper_takes_another_patience_over() -> None:
    keeper = Keeper.__new__(Keeper)
    keeper._runs = SimpleNamespace(stuck_timeout_s=30.0)  # type: ignore[assignment]
    keeper._handle("stuck_timeout_s", 0.5)
    assert keeper._runs.stuck_timeout_s == 0.5

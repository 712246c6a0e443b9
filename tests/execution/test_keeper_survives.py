"""The app goes and comes back, the keeper dies: exit codes are kept, nothing runs twice, nothing is guessed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from keeper_harness import World, alive, play, state

from tidegate.engine.ports import HelperLost, RunExited, RunLost, RunPaused, RunStarted, RunStartFailed


def test_a_new_app_gets_what_happened_meanwhile(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        first_keeper = world.app.pid
        world.start("short", "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 3")
        world.start("long", "sh", "-c", "while [ ! -e end ]; do sleep 0.01; done; exit 4")
        world.start("frozen", "sleep", "300")
        world.start("broken", "no-such-program")
        await world.start_error("broken")
        pids = {token: await world.started(token) for token in ("short", "long", "frozen")}
        world.app.pause("frozen")
        await world.wait(RunPaused, "frozen")
        started = world.seen(RunStarted, "long")
        assert started is not None
        world.crash()
        (home / "go").touch()
        await world.until(lambda: not alive(pids["short"]))
        known = await world.connect(["short", "long", "frozen", "broken", "never"])
        assert world.app.pid == first_keeper
        assert {run.token: run.paused for run in known.alive} == {"long": False, "frozen": True}
        assert next(run.run for run in known.alive if run.token == "long") == started.run
        ends = {end.token: end for end in known.ended}
        assert set(ends) == {"short", "broken"}
        assert isinstance(ends["short"], RunExited)
        assert ends["short"].exit_code == 3
        assert isinstance(ends["broken"], RunStartFailed)
        (home / "end").touch()
        assert await world.result("long") == (4, None)
        world.app.acknowledge(["short", "broken", "long"])
        world.app.kill("frozen")
        assert await world.result("frozen") == (None, 9)
        await world.until(lambda: '"ack"' in (home / "spool").read_text())
        world.crash()
        known = await world.connect([])
        assert [end.token for end in known.ended] == ["frozen"]

    play(home, story)


def test_acknowledged_ends_are_forgotten_and_the_spool_shrinks(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        for number in range(20):
            world.start(f"t{number}", "true")
        for number in range(20):
            assert await world.result(f"t{number}") == (0, None)
        assert len((home / "spool").read_text().splitlines()) > 40
        world.acknowledge_all()
        await world.until(lambda: len((home / "spool").read_text().splitlines()) == 1)
        world.crash()
        known = await world.connect([f"t{number}" for number in range(20)])
        assert known.alive == ()
        assert known.ended == ()

    play(home, story)


def test_the_keeper_dies_and_every_run_is_accounted_for(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("done", "sh", "-c", "exit 6")
        await world.result("done")
        world.start("ends", "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done")
        world.start("lives", "sh", "-c", "sleep 300 & wait")
        pids = {token: await world.started(token) for token in ("ends", "lives")}
        old = world.app.pid
        assert old is not None
        world.crash()  # results of the keeper are all unacknowledged
        os.kill(old, signal.SIGKILL)
        (home / "go").touch()
        await world.until(lambda: not alive(pids["ends"]) and not alive(old))
        known = await world.connect(["done", "ends", "lives"])
        assert world.app.pid != old
        assert [(run.token, run.paused) for run in known.alive] == [("lives", False)]
        assert [(end.token, end.exit_code) for end in known.ended if isinstance(end, RunExited)] == [("done", 6)]
        world.app.pause("lives")
        await world.wait(RunPaused, "lives")
        assert state(pids["lives"]) == "T"
        world.app.kill("lives")
        lost = await world.wait(RunLost, "lives")
        assert "cannot be known" in lost.why
        assert not alive(pids["lives"])

    play(home, story)


def test_the_client_reconnects_by_itself(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("lives", "sleep", "300")
        world.start("gone", "sleep", "300")
        pids = {token: await world.started(token) for token in ("lives", "gone")}
        old = world.app.pid
        assert old is not None
        os.kill(old, signal.SIGKILL)
        os.kill(pids["gone"], signal.SIGKILL)
        await world.until(lambda: any(isinstance(event, HelperLost) for event in world.events))
        world.start("later", "sh", "-c", "exit 2")  # asked for while nobody listens
        await world.wait(RunLost, "gone")
        assert await world.result("later") == (2, None)
        assert world.seen(RunLost, "lives") is None
        assert world.app.pid is not None
        assert world.app.pid != old
        world.keeper_pids.add(world.app.pid)
        world.app.terminate("lives", 5.0)
        await world.wait(RunLost, "lives")
        assert not alive(pids["lives"])

    play(home, story)


def test_a_run_without_a_spool_line_is_found_by_its_token(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("t0ken", "sh", "-c", "sleep 300 & wait")
        pid = await world.started("t0ken")
        old = world.app.pid
        assert old is not None
        world.crash()
        os.kill(old, signal.SIGKILL)
        await world.until(lambda: not alive(old))
        (home / "spool").unlink()
        known = await world.connect(["t0ken", "other"])
        assert [run.token for run in known.alive] == ["t0ken"]
        assert (known.alive[0].run.identity or "").split(":")[1] == str(pid)
        world.start("t0ken", "true")
        world.app.kill("t0ken")
        await world.wait(RunLost, "t0ken")
        assert not alive(pid)

    play(home, story)


def test_a_damaged_spool_costs_only_the_damaged_line(home: Path) -> None:
    end = ["exited", "kept", 5.0, 9, None, 0.1, 1000, 4.0, 12, 3.5]
    gone = ["start", "gone", 4.0, "1", 1, 99999999, 1, 4.0, "/none", 0]
    lines = ['["spool",1,"another-boot"]', json.dumps(end), '["exited","half', "17", json.dumps(gone), "\x00\x00"]
    (home / "spool").write_text("\n".join(lines))

    async def story(world: World) -> None:
        known = await world.connect(["kept", "gone"])
        assert [(end.token, end.exit_code) for end in known.ended if isinstance(end, RunExited)] == [("kept", 9)]
        assert known.alive == ()
        world.app.acknowledge(["kept"])
        world.start("x", "true")
        assert await world.result("x") == (0, None)

    play(home, story)


def test_a_new_app_replaces_the_old_one(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        old, seen = world.app, world.events
        world.events = []
        world.app = world._new_app()
        await world.connect()
        await world.until(lambda: any(isinstance(event, HelperLost) for event in seen))
        world.start("x", "sh", "-c", "exit 3")
        assert await world.result("x") == (3, None)
        assert len(seen) == 1
        await old.close(stop_jobs=False)

    play(home, story)


def test_two_apps_at_once_start_one_keeper(home: Path) -> None:
    async def story(world: World) -> None:
        second = world._new_app()
        await asyncio.gather(world.connect(), second.connect(lambda _: None, ()))
        pids = [
            name
            for name in os.listdir("/proc")
            if name.isdigit() and str(home) in _command_line(name) and "keeper.py" in _command_line(name)
        ]
        await world.until(lambda: len([name for name in pids if alive(int(name))]) == 1)
        await second.close(stop_jobs=False)
        await world.app.close(stop_jobs=False)
        world.crash()
        await world.connect()

    play(home, story)


def _command_line(name: str) -> str:
    try:
        return Path(f"/proc/{name}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def test_the_keeper_leaves_when_there_is_nothing_to_keep(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pid = world.app.pid
        assert pid is not None
        world.start("last", "sleep", "2.5")
        await world.started("last")
        world.crash()
        await world.until(lambda: "exited" in (home / "spool").read_text())
        assert alive(pid)
        await world.until(lambda: not alive(pid))
        assert not (home / "k.sock").exists()
        known = await world.connect(["last"])
        assert [end.token for end in known.ended] == ["last"]

    play(home, story)


def test_the_keeper_leaves_when_its_home_is_gone_and_thaws_what_runs(home: Path) -> None:
    place = home / "sub"
    place.mkdir()

    async def story(world: World) -> None:
        await world.connect()
        keeper = world.app.pid
        assert keeper is not None
        world.start("on", "sleep", "300", cwd="/")
        pid = await world.started("on")
        world.app.pause("on")
        await world.wait(RunPaused, "on")
        world.crash()
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        try:
            await world.until(lambda: not alive(keeper))
            await world.until(lambda: state(pid) == "S")
        finally:
            os.kill(pid, signal.SIGKILL)

    play(place, story)


def test_asked_to_end_the_keeper_stays_for_its_runs(home: Path) -> None:
    """At the end of a session everybody is told to end at once: how the runs end is still written down."""

    async def story(world: World) -> None:
        await world.connect()
        keeper = world.app.pid
        assert keeper is not None
        world.start("a", "sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 8")
        await world.started("a")
        world.crash()
        os.kill(keeper, signal.SIGTERM)
        os.kill(keeper, signal.SIGINT)
        (home / "go").touch()
        await world.until(lambda: not alive(keeper))
        known = await world.connect(["a"])
        assert [(end.token, end.exit_code) for end in known.ended if isinstance(end, RunExited)] == [("a", 8)]

    play(home, story)


def test_close_with_stop_ends_runs_and_keeper(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        keeper = world.app.pid
        assert keeper is not None
        world.start("a", "sh", "-c", "sleep 300 & wait")
        pid = await world.started("a")
        await world.app.close(stop_jobs=True)
        assert not alive(pid)
        assert world.seen(RunExited, "a") is not None
        await world.until(lambda: not alive(keeper))

    play(home, story)

"""What the keeper costs and what it gives back: capped logs, no zombies, no leaking descriptors, little memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from keeper_harness import World, play

from tidegate.engine.ports import RunExited, StartRequest
from tidegate.execution.keeper_logs import CappedLog
from tidegate.execution.processes import dropped_range


def test_200_mb_of_output_are_capped_while_the_job_runs(home: Path) -> None:
    cap = 4 << 20
    code = """
import os
os.write(1, b"first line\\n")
block = b"x" * 65535 + b"\\n"
for number in range(3200): os.write(1, block)
os.write(1, b"last line\\n")
open("written", "w").close()
import time
while not os.path.exists("go"): time.sleep(0.01)
"""

    async def story(world: World) -> None:
        await world.connect()
        world.python("loud", code, log_cap_bytes=cap)
        await world.until((home / "written").exists, timeout_s=60)
        log = world.log("loud")
        assert log.stat().st_size > 200_000_000
        await world.until(lambda: log.stat().st_blocks * 512 <= cap + (64 << 10))  # while it still runs
        (home / "go").touch()
        assert await world.result("loud") == (0, None)
        lost = dropped_range(log)
        assert lost is not None
        start, end = lost
        size = log.stat().st_size
        assert start == cap // 4
        assert cap // 4 <= size - end <= cap
        with log.open("rb") as stream:
            assert stream.readline() == b"first line\n"
            stream.seek(start - 1)
            assert stream.read(1) != b"\0"
            stream.seek(end)
            tail = stream.read()
        assert b"\0" not in tail
        assert tail.endswith(b"last line\n")

    play(home, story)


def test_a_small_log_is_left_alone(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("quiet", "echo", "hello")
        assert await world.result("quiet") == (0, None)
        assert world.log("quiet").read_text() == "hello\n"
        assert dropped_range(world.log("quiet")) is None

    play(home, story)


def test_a_log_that_cannot_be_capped_is_left_as_it_is_and_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, start: int, length: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("tidegate.execution.keeper_logs.punch_hole", refuse)
    path = home / "big.log"
    path.write_bytes(b"y" * (1 << 20))
    log = CappedLog(str(path), 1 << 18, 0.0)
    said = log.look(1.0)
    assert said is not None
    assert "cannot be capped" in said
    assert dropped_range(path) is None
    assert path.stat().st_size == 1 << 20


def test_300_jobs_leave_no_zombie_no_descriptor_and_little_memory(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pid = world.app.pid
        before = len(os.listdir(f"/proc/{pid}/fd"))
        tokens = [f"j{number}" for number in range(300)]
        running: set[str] = set()
        waiting = list(tokens)

        def step() -> bool:
            ended = {event.token for event in world.events if isinstance(event, RunExited)}
            running.difference_update(ended)
            batch: list[StartRequest] = []
            while waiting and len(running) < 8:
                token = waiting.pop()
                running.add(token)
                command = ("sh", "-c", "(sleep 0 &) ; exit 3") if len(waiting) % 3 == 0 else ("true",)
                batch.append(world.request(token, *command))
            if batch:
                world.app.start(batch)
            return len(ended) == len(tokens)

        await world.until(step, timeout_s=60)
        codes = [event.exit_code for event in world.events if isinstance(event, RunExited)]
        assert sorted(codes) == [0] * 200 + [3] * 100
        world.acknowledge_all()
        assert len(os.listdir(f"/proc/{pid}/fd")) == before
        await world.until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text() == "")
        status = Path(f"/proc/{pid}/status").read_text()
        rss_kb = int(status.split("VmRSS:")[1].split()[0])
        assert rss_kb < 15 << 10

    play(home, story)


def test_the_keeper_is_a_process_of_its_own(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        pid = world.app.pid
        assert pid is not None
        assert os.getsid(pid) == pid
        assert f"PPid:\t{os.getpid()}\n" not in Path(f"/proc/{pid}/status").read_text()
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert os.stat(home / "k.sock").st_mode & 0o777 == 0o600
        assert (home / "keeper.log").stat().st_mode & 0o777 == 0o600
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert sys.executable in Path(f"/proc/{pid}/cmdline").read_text()

    play(home, story)

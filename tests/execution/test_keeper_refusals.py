"""What the keeper does when the system refuses: signals that do not arrive, a full disk, a system without /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from keeper_harness import alive

from support.until import until
from tidegate.execution import keeper_tree
from tidegate.execution.keeper_runs import Runs
from tidegate.execution.keeper_spool import Line, Spool


class Kept:
    """The keeper's runs in this process, driven by hand."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.told: list[Line] = []
        self.noted: list[str] = []
        self.runs = Runs(Spool(str(home / "spool"), "boot"), self.told.append, self.noted.append)
        self.runs.recall("boot")

    def start(self, token: str) -> int:
        where = {"cwd": str(self.home), "log": str(self.home / "x.log")}
        back = os.getcwd()
        self.runs.start([{"token": token, "job": token, "attempt": 1, "command": ["sleep", "300"], **where}])
        os.chdir(back)
        pid = self.told[-1][3]
        assert isinstance(pid, int)
        return pid

    def heard(self, kind: str) -> Line | None:
        self.runs.reap()
        self.runs.tick(time.monotonic())
        return next((line for line in self.told if line[0] == kind), None)

    def wait(self, kind: str) -> Line:
        line = until(lambda: self.heard(kind))
        assert isinstance(line, list)
        return line


@pytest.fixture
def kept(home: Path) -> Iterator[Kept]:
    kept = Kept(home)
    yield kept
    kept.runs.stop_all(0.0)
    until(lambda: kept.heard("nothing") or not kept.runs.any_left)


def _refuse(process: keeper_tree.Process, number: int) -> bool:
    raise PermissionError(1, "Operation not permitted")


def _swallow(process: keeper_tree.Process, number: int) -> bool:
    return True


def test_a_signal_that_may_not_be_sent_is_said_and_the_run_stays(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = kept.start("r")
    monkeypatch.setattr(keeper_tree, "send", _refuse)
    kept.runs.pause("r")
    failed = kept.wait("action_failed")
    assert failed[3] == "pause"
    assert f"process {pid} belongs to another user" in str(failed[4])
    assert [line[0] for line in kept.runs.alive()] == ["r"]
    monkeypatch.undo()
    kept.runs.pause("r")
    kept.wait("paused")


def test_what_survives_kill_is_reported_as_stuck_and_still_tried(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = kept.start("s")
    kept.runs.stuck_timeout_s = 0.2
    monkeypatch.setattr(keeper_tree, "send", _swallow)
    kept.runs.kill("s")
    failed = kept.wait("action_failed")
    assert failed[3] == "kill"
    assert f"(process {pid}); it is stuck" in str(failed[4])
    assert alive(pid)
    monkeypatch.undo()
    assert kept.wait("exited")[4] == signal.SIGKILL


def test_a_full_disk_loses_no_end(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.start("f")
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").startswith(str(kept.home / "spool")):
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    kept.runs.kill("f")
    assert kept.wait("exited")[4] == signal.SIGKILL
    assert len(kept.noted) == 1
    assert "cannot be written" in kept.noted[0]
    monkeypatch.undo()
    until(lambda: kept.heard("nothing") or '"exited","f"' in (kept.home / "spool").read_text())


def test_without_proc_a_run_is_its_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 300 & wait"], start_new_session=True) as process:
        family = keeper_tree.Family("t", process.pid, 0, scattered=False)
        tokens = keeper_tree.Tokens()
        monkeypatch.setattr(keeper_tree, "HAS_PROC", False)
        assert keeper_tree.ticks_now() == 0
        assert keeper_tree.scan().processes == {}
        found = keeper_tree.members(keeper_tree.scan(), family, tokens, ())
        assert [one.pid for one in found] == [process.pid]
        deliveries, _ = keeper_tree.freeze([family], tokens, ())
        assert len(deliveries["t"].reached) == 1
        assert len(keeper_tree.send_all(found, signal.SIGKILL).reached) == 1
        assert process.wait() == -signal.SIGKILL
        until(lambda: not keeper_tree.members(keeper_tree.scan(), family, tokens, ()))

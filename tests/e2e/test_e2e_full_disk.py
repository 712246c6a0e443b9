"""A full disk: new work is refused with the reason, what runs goes on, nothing accepted is lost, and it heals."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.live import Live, live_home, promised
from support.until import until

SIZE = "6m"
SPARE = 64 * 1024


class SmallDisk:
    """A small file system that can be filled to the last block and given space again."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as filler:
            for block in (b"x" * SPARE, b"x" * 4096):
                try:
                    while True:
                        filler.write(block)
                except OSError:
                    continue

    def free(self) -> None:
        self._filler.unlink()


def mounted(folder: Path) -> bool:
    """Put a small tmpfs there; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tidegate-test", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["data", "everything"])
def disk(request: pytest.FixtureRequest) -> Iterator[tuple[Live, SmallDisk]]:
    """A home whose data, or which as a whole, lies on a small disk."""
    with live_home() as live:
        folder = live.paths.data_dir if request.param == "data" else live.home
        config = live.paths.config_file.read_text()
        if not mounted(folder):
            pytest.skip("a small file system can only be mounted by root")
        try:
            live.paths.create()
            live.paths.config_file.write_text(config)
            live.start()
            live.expected_errors = ("is full", "No space left", "cannot be written", "could not be")
            yield live, SmallDisk(folder)
            live.paths.data_dir.joinpath("filler").unlink(missing_ok=True)
            live.home.joinpath("filler").unlink(missing_ok=True)
            live.shut_down()
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def refused(live: Live) -> bool:
    said = live.cli("submit", "--mem", "16M", "--", "true")
    if said.code == 0:
        return False
    said.refuses(1, "full")
    return True


def test_a_full_disk_refuses_new_work_and_keeps_the_old(disk: tuple[Live, SmallDisk]) -> None:
    live, small = disk
    flag = live.paths.runtime_dir / "go"
    running = live.submit("sh", "-c", f"until [ -e {flag} ]; do sleep 0.05; done; exit 7")
    held = live.submit("true", hold="yes")
    waiting = live.submit("true", after=f"any:{running}")
    live.pid_of(running)
    small.fill()
    until(lambda: refused(live), 20)
    assert "full" in live.cli("status", "--json").json["journal_error"]
    assert live.status_of(running) == "running"
    flag.touch()
    (job,) = live.finished([running])
    assert (job["outcome"], job["exit_code"]) == ("failed", 7)
    assert live.status_of(waiting) == "queued"
    small.free()
    assert live.finished([waiting], 20)[0]["outcome"] == "succeeded"
    assert live.cli("status", "--json").json["journal_error"] is None
    assert live.cli("run", "--", "sh", "-c", "exit 3").code == 3
    live.restart()
    (job,) = live.finished([running])
    assert (job["outcome"], job["exit_code"], job["attempts"]) == ("failed", 7, 1)
    assert live.status_of(held) == "held"


def test_an_end_on_a_full_disk_survives_a_kill_of_the_engine(disk: tuple[Live, SmallDisk]) -> None:
    live, small = disk
    flag = live.paths.runtime_dir / "go"
    ids = live.submit_all([("sh", "-c", f"until [ -e {flag} ]; do sleep 0.05; done; exit {code}") for code in (5, 6)])
    held = live.submit_all([("true",)] * 20, hold="yes")
    for id in ids:
        live.pid_of(id)
    small.fill()
    until(lambda: refused(live), 20)
    flag.touch()
    live.finished(ids)
    live.kill()
    small.free()
    live.start()
    assert [(job["exit_code"], job["attempts"]) for job in live.finished(ids)] == [(5, 1), (6, 1)]
    assert {live.status_of(id) for id in held} == {"held"}


def test_an_engine_that_starts_on_a_full_disk(disk: tuple[Live, SmallDisk]) -> None:
    """It says so, either at once with exit code 1 or when something is submitted; with space it is well."""
    live, small = disk
    held = live.submit("true", hold="yes")
    live.kill()
    small.fill()
    try:
        live.start()
    except AssertionError:
        text = live.said.read_text() if live.said.exists() else ""
        assert "Traceback" not in text
    else:
        small.fill()
        until(lambda: refused(live), 20)
        code, seconds = live.signal(signal.SIGTERM)
        assert code == 0
        assert seconds < promised(2)
    small.free()
    live.start()
    assert live.status_of(held) == "held"
    assert live.cli("run", "--", "sh", "-c", "exit 3").code == 3

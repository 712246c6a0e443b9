"""The program from start to end in a process of its own: real signals, exit codes, the session, and a picture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import asyncio, sys, tempfile
from support.fake_desk import FakeDesk
from tidegate.gui.application import run
from tidegate.paths import find_paths
from tidegate.settings import load
from tidegate.submission.request import MachineFacts

desk = FakeDesk()
desk.add("1", status="running", started_at=1.0)

async def open_desk():
    await asyncio.sleep({open_s})
    {opening}
    return desk

async def close_desk(stop_jobs):
    print("closing", stop_jobs, flush=True)
    await asyncio.sleep({close_s})
    print("closed", flush=True)

async def session(shell):
    print("up", flush=True)
    {session}

paths = find_paths({{"TIDEGATE_HOME": sys.argv[1]}})
paths.create()
facts = lambda: MachineFacts(4, 2**33, None)
code = run(open_desk, close_desk, paths, load(paths, {{}}), session=session, facts=facts)
print("left with", code, flush=True)
sys.exit(code)
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the program above; whatever still runs after the test is killed."""
    programs: list[subprocess.Popen[str]] = []

    def start_it(session: str = "await asyncio.sleep(60)", **given: object) -> subprocess.Popen[str]:
        code = PROGRAM.format(**{"session": session, "open_s": 0, "close_s": 0, "opening": "pass", **given})
        paths = os.pathsep.join((str(ROOT / "app"), str(ROOT / "tests")))
        program = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "home")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "QT_QPA_PLATFORM": "offscreen"},
        )
        programs.append(program)
        return program

    yield start_it
    for program in programs:
        program.kill()
        program.communicate()


def read_until(program: subprocess.Popen[str], word: str) -> None:
    assert program.stdout is not None
    lines = []
    for line in program.stdout:
        lines.append(line)
        if line.strip() == word:
            return
    pytest.fail(f"{word!r} never came: {''.join(lines)}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_app_in_order_within_two_seconds(start, number):
    program = start()
    read_until(program, "up")
    sent = time.monotonic()
    program.send_signal(number)
    output, _ = program.communicate(timeout=10)
    assert time.monotonic() - sent < 2.0
    assert output.splitlines() == ["closing False", "closed", "left with 0"]
    assert program.returncode == 0


def test_an_engine_that_hangs_cannot_hold_a_signal_up(start):
    program = start(close_s=60)
    read_until(program, "up")
    sent = time.monotonic()
    program.terminate()
    output, _ = program.communicate(timeout=10)
    assert time.monotonic() - sent < 2.5
    assert "left with 0" in output
    assert program.returncode == 0


def test_the_sessions_result_is_the_exit_code(start, tmp_path):
    picture = tmp_path / "window.png"
    program = start(session=f"await shell.grab({str(picture)!r}); return 7")
    output, _ = program.communicate(timeout=30)
    assert program.returncode == 7, output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_quitting_asks_the_engine_to_stop_the_jobs(start):
    body = "from tidegate.gui.shell import Ending; shell.end(Ending(0, True)); await asyncio.sleep(60)"
    output, _ = start(session=body).communicate(timeout=30)
    assert "closing True" in output


def test_what_the_engine_raises_at_start_comes_out(start):
    program = start(opening="raise RuntimeError('the database is newer than this program')")
    output, _ = program.communicate(timeout=30)
    assert "the database is newer than this program" in output.splitlines()[-1]
    assert program.returncode == 1


def test_a_failing_session_is_told_and_the_engine_is_closed(start):
    program = start(session="raise RuntimeError('demo broke')")
    output, _ = program.communicate(timeout=30)
    assert "closed" in output
    assert "demo broke" in output
    assert program.returncode == 1


def test_a_desktops_wish_to_quit_is_a_question_while_there_is_work(start):
    body = """from PySide6.QtWidgets import QApplication, QMessageBox
    QApplication.quit()
    await asyncio.sleep(0.1)
    print("asked:", shell.window.findChild(QMessageBox).text())
    return 5"""
    output, _ = start(session=body).communicate(timeout=30)
    assert "asked: One job is still running." in output
    assert "left with 5" in output


def test_quit_chosen_before_the_engine_is_there_is_not_lost(start: Start) -> None:
    choose = "import gc; [each.quit_wanted.emit() for each in gc.get_objects() if type(each).__name__ == 'Tray']"
    program = start(opening=choose)
    output, _ = program.communicate(timeout=20)
    assert "closing False" in output
    assert "left with 0" in output
    assert program.returncode == 0

"""Whether the window comes up at start: the setting says, unless there is no tray to reach it from."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import linecache, sys
from support.fake_desk import FakeDesk
from tidegate.gui.application import run
from tidegate.gui.tray.tray import Tray
from tidegate.paths import find_paths
from tidegate.settings import load
from tidegate.submission.request import MachineFacts

tray, setting, shown = sys.argv[2:]
Tray.available = property(lambda _self: tray == "tray")
desk = FakeDesk()

async def open_desk():
    await desk.change_setting("window_show_at_start", setting)
    return desk

async def close_desk(_stop_jobs):
    pass

async def session(shell):
    if "window" in shell.__dict__ and shell.window.isVisible():
        return 0
    # In the tray alone it goes without the window's code and all modules' sources too, and their memory.
    return 7 if "tidegate.gui.window" not in sys.modules and not linecache.cache else 8

paths = find_paths({"TIDEGATE_HOME": sys.argv[1]})
paths.create()
facts = lambda: MachineFacts(4, 2**33, None)
show_window = shown == "shown"
sys.exit(run(open_desk, close_desk, paths, load(paths, {}), session=session, facts=facts, show_window=show_window))
"""
VISIBLE, NOT_MADE = 0, 7


@pytest.mark.parametrize(
    ("tray", "setting", "shown", "seen"),
    [
        ("tray", "yes", "shown", VISIBLE),
        ("tray", "no", "shown", NOT_MADE),
        ("no tray", "no", "shown", VISIBLE),
        ("tray", "yes", "hidden", NOT_MADE),
    ],
)
def test_the_window_at_start(tmp_path: Path, tray: str, setting: str, shown: str, seen: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "home"), tray, setting, shown],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "app"), str(ROOT / "tests"))),
            "QT_QPA_PLATFORM": "offscreen",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == seen, done.stdout + done.stderr


def test_the_icon_does_not_wait_for_what_an_engine_is_made_of(tmp_path: Path) -> None:
    told = "import sys, tidegate.wiring.gui, tidegate.wiring.opening as o, tidegate.wiring.program as p\n"
    told += "import tidegate.gui.application\nprint([name for name in p.PARTS if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", told],
        env={**os.environ, "PYTHONPATH": str(ROOT / "app")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # How a job is edited is in the dialogs' code too.
    assert set(ast.literal_eval(done.stdout)) <= {"tidegate.submission.edit"}

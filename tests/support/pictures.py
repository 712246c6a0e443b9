"""What the look scripts share: the real window on a pretended desk, once in light and once in dark."""

from __future__ import annotations

import pathlib
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from support.fake_desk import FakeDesk
from tidegate.engine.ports import Desk
from tidegate.gui.application import run
from tidegate.gui.shell import Shell
from tidegate.paths import find_paths
from tidegate.settings import load
from tidegate.submission.request import MachineFacts

FACTS = MachineFacts(16, 64 * 1024**3, int(58.9 * 1024**3))
SIZES = {"large": (1280, 820), "small": (900, 600)}


def schemes() -> Iterator[str]:
    """``light``, then ``dark`` where there is a desktop: offscreen it would be light again."""
    for name, scheme in (("light", Qt.ColorScheme.Light), ("dark", Qt.ColorScheme.Dark)):
        hints = QGuiApplication.styleHints()
        hints.setColorScheme(scheme)
        if name == "dark" and hints.colorScheme() != scheme:
            print("no dark pictures: run it under bash tests/support/desktop.sh xfce xfce SCREEN.png", file=sys.stderr)
            continue
        yield name


def take(desk: FakeDesk, folder: pathlib.Path, pictures: Callable[[Shell, pathlib.Path], Awaitable[int]]) -> int:
    """Open the window on ``desk`` in a home of its own, and let ``pictures`` fill ``folder``; its answer is ours."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    async def open_desk() -> Desk:
        return desk

    async def close_desk(_stop_jobs: bool) -> None:
        return None

    async def session(shell: Shell) -> int:
        return await pictures(shell, folder)

    with tempfile.TemporaryDirectory() as home:
        paths = find_paths({"TIDEGATE_HOME": home})
        paths.create()
        return run(open_desk, close_desk, paths, load(paths), session=session, facts=lambda: FACTS)

"""A Qt loop, a pretended engine, and the application around them, for every test of the window."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
import qasync
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from support.fake_desk import FakeDesk
from support.fake_toaster import FakeToaster
from tidegate.gui.attached import EngineLink
from tidegate.gui.shell import Shell
from tidegate.gui.theme import Theme
from tidegate.gui.toasts import telling
from tidegate.gui.tray.tray import Tray
from tidegate.paths import Paths, find_paths
from tidegate.settings import load
from tidegate.submission.request import MachineFacts

FACTS = MachineFacts(8, 32 * 1024**3, int(29.4 * 1024**3))

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def run(qapp: QApplication) -> Iterator[Run]:
    """Runs a coroutine on a Qt loop, as the application does."""
    loop = qasync.QEventLoop(qapp)
    asyncio.set_event_loop(loop)
    running = [loop]  # pytest holds what a fixture gave longer than the loop may live
    yield lambda coroutine: running[0].run_until_complete(coroutine)
    asyncio.set_event_loop(None)
    running.clear()
    loop.close()


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    made = Theme(qapp)
    made.apply()
    yield made
    QGuiApplication.styleHints().setColorScheme(Qt.ColorScheme.Unknown)
    made.deleteLater()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find_paths({"TIDEGATE_HOME": str(tmp_path / "home")})
    found.create()
    return found


@pytest.fixture
def open_shell(
    qapp: QApplication, run: Run, desk: FakeDesk, theme: Theme, paths: Paths
) -> Iterator[Callable[..., Shell]]:
    """Builds the application's inside on ``desk`` (or another); call it within a running loop.

    With ``link`` the engine is that of another process.
    """
    shells: list[Shell] = []

    def open_it(other: FakeDesk | None = None, link: EngineLink | None = None) -> Shell:
        shells.append(Shell(qapp, other or desk, paths, load(paths, {}), Tray(), theme, lambda: FACTS, link))
        return shells[-1]

    yield open_it

    async def close_all() -> None:
        for shell in shells:
            await shell.commands.settle()
            await shell.outside.settle()
            shell.close()
            shell.window.deleteLater()
        await asyncio.sleep(0)

    run(close_all())
    shells.clear()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


@pytest.fixture(autouse=True)
def toaster(monkeypatch: pytest.MonkeyPatch) -> FakeToaster:
    """What every application of the test shows its toasts with, instead of the desktop of whoever runs it."""
    made = FakeToaster()
    monkeypatch.setattr(telling, "DesktopToaster", lambda _name, _icon: made)
    return made


@pytest.fixture(autouse=True, scope="module")
def leave_no_loop_to_other_threads() -> Iterator[None]:
    """A closed Qt loop has timers left, and what other tests' threads collected of it would warn about them."""
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


@pytest.fixture(autouse=True)
def collect_on_this_thread_only() -> Iterator[None]:
    """As the application does: a widget that another thread's collection finds crashes Qt."""
    gc.disable()
    yield
    gc.enable()

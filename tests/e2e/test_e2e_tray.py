"""The icon and a panel that ends and comes back, on a real (headless) desktop of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desktop import WATCHER, Desktop, desktop, missing
from support.live import live_home
from support.until import until

PANEL = "org.xfce.Panel"
pytestmark = [pytest.mark.desktop, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Desktop]:
    with desktop(tmp_path) as found:
        yield found


def owner(screen: Desktop, name: str) -> int | None:
    """The process that has this name on the bus, None while there is none."""
    asked = ("org.freedesktop.DBus.GetConnectionUnixProcessID", f"string:{name}")
    words = ("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", *asked)
    done = subprocess.run(words, env=screen.env, capture_output=True, text=True, timeout=20, check=False)
    return int(done.stdout.split()[-1]) if done.returncode == 0 else None


def test_the_icon_comes_back_with_a_panel_that_crashed(screen: Desktop, tmp_path: Path) -> None:
    with live_home() as live:
        live.start(verb="gui", env={**screen.env, **{name: live.env[name] for name in ("TIDEGATE_HOME", "PYTHONPATH")}})
        until(screen.window, 20.0)
        until(lambda: screen.tray_item(live.pid), 20.0)
        first = owner(screen, PANEL)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        # Its tray is a process of its own, which goes with it.
        until(lambda: owner(screen, PANEL) is None and owner(screen, WATCHER) is None, 10.0)
        again = subprocess.Popen(
            ["xfce4-panel", "--disable-wm-check"],
            env=screen.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: owner(screen, PANEL) == again.pid and owner(screen, WATCHER) is not None, 20.0)
            item = until(lambda: screen.tray_item(live.pid), 20.0)
            assert any(entry.path == ("Open Tidegate",) for entry in screen.menu(str(item)))
            x, y = until(lambda: screen.icon_place(tmp_path), 20.0)  # type: ignore[misc]
            screen.click(x, y)
            until(lambda: screen.window() is None)
        finally:
            again.terminate()
            again.wait(10)

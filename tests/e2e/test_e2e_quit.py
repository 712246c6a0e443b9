"""Quit while jobs run: the application asks, and each answer does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.desktop import Desktop, missing
from support.live import Live, alive, live_home
from support.until import until

pytestmark = [pytest.mark.desktop, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
DIALOG = "Quit Tidegate"
UNTIL_FLAG = ("sh", "-c", 'while [ ! -e "$1" ]; do sleep 0.1; done; exit 5', "sh")


def open_app(live: Live, screen: Desktop) -> str:
    """The name of its icon on the bus."""
    live.open_app(screen.env)
    until(screen.window, 20.0)
    return str(until(lambda: screen.tray_item(live.pid), 20.0))


def ask_to_quit(screen: Desktop, item: str) -> None:
    def asked() -> bool:
        if screen.window(DIALOG) is None:
            screen.choose(item, "Quit")
        return screen.window(DIALOG) is not None

    until(asked, 15.0, step_s=0.4)
    screen.call("xdotool", "windowactivate", "--sync", str(screen.window(DIALOG)))


def answer(live: Live, screen: Desktop, key: str) -> int:
    """Press the button's key; the application's exit code."""
    screen.call("xdotool", "key", "--clearmodifiers", key)
    assert live.engine is not None
    return live.engine.wait(15)


def test_keep_leaves_the_jobs_running_and_the_next_start_finds_them(screen: Desktop, tmp_path: Path) -> None:
    with live_home() as live:
        item = open_app(live, screen)
        flag = live.home / "go on"
        job = live.submit(*UNTIL_FLAG, str(flag))
        pid = live.pid_of(job)
        ask_to_quit(screen, item)
        assert answer(live, screen, "alt+k") == 0
        assert alive(pid)
        open_app(live, screen)
        assert live.pid_of(job) == pid
        flag.touch()
        ended = live.finished([job])[0]
        assert (ended["outcome"], ended["exit_code"], ended["attempts"]) == ("failed", 5, 1)


def test_stop_ends_the_jobs_and_cancel_changes_nothing(screen: Desktop) -> None:
    with live_home() as live:
        item = open_app(live, screen)
        job = live.submit(*UNTIL_FLAG, str(live.home / "never"))
        waiting = live.submit("true", hold="true")
        pid = live.pid_of(job)
        ask_to_quit(screen, item)
        screen.call("xdotool", "key", "--clearmodifiers", "Escape")
        until(lambda: screen.window(DIALOG) is None)
        assert live.status_of(job) == "running"
        ask_to_quit(screen, item)
        assert answer(live, screen, "alt+s") == 0
        until(lambda: not alive(pid))
        assert not live.keepers()
        live.start()
        assert live.job(job)["outcome"] == "cancelled"
        assert live.status_of(waiting) == "held"

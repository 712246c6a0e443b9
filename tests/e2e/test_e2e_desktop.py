"""The real application on a real (headless) desktop: icon, menu, window, a dragged file, and an end by SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desktop import Desktop, drag_source, missing
from support.live import Live, alive, live_home, look
from support.until import until

pytestmark = [pytest.mark.desktop, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
PANEL_PX, SCREEN_PX = 32, (1280, 800)
LOOP = ("sh", "-c", "while :; do sleep 0.2; done")


@pytest.fixture
def app(screen: Desktop) -> Iterator[Live]:
    """The tray application with its window open, in a home of its own."""
    with live_home() as live:
        open_app(live, screen)
        yield live


def open_app(live: Live, screen: Desktop) -> None:
    live.open_app(screen.env)
    until(screen.window, 20.0)


def icon(live: Live, screen: Desktop) -> str:
    return str(until(lambda: screen.tray_item(live.pid), 20.0))


def state_of(pid: int) -> str:
    process = look(pid)
    return "gone" if process is None else process.state


def test_the_window_opens_beside_the_panel_and_a_click_on_the_icon_hides_and_shows_it(
    app: Live, screen: Desktop, tmp_path: Path
) -> None:
    icon(app, screen)
    left, top, right, bottom = screen.place()
    assert left >= 0
    assert right <= SCREEN_PX[0]
    assert top >= PANEL_PX
    assert bottom <= SCREEN_PX[1]
    assert right - left >= 900
    assert bottom - top >= 600
    x, y = until(lambda: screen.icon_place(tmp_path), 20.0)  # type: ignore[misc]
    screen.click(x, y)
    until(lambda: screen.window() is None)
    screen.click(x, y)
    until(screen.window)
    assert app.cli("status").code == 0


def test_the_menu_pauses_and_resumes_a_job_and_the_whole_queue(app: Live, screen: Desktop) -> None:
    item = icon(app, screen)
    job = app.submit(*LOOP, name="up & down_loop")
    pid = app.pid_of(job)

    def choose(*path: str, becomes: str) -> None:
        def it_became() -> bool:
            if app.status_of(job) == becomes:
                return True
            # The menu is made anew when jobs change, so an entry may be gone when it is clicked: then once more.
            screen.choose(item, *path)
            return False

        until(it_became, 15.0, step_s=0.4)

    choose("up & down_loop", "Pause", becomes="paused")
    assert state_of(pid) == "T"
    choose("up & down_loop", "Resume", becomes="running")
    assert state_of(pid) != "T"
    choose("Pause", "until I resume", becomes="paused")
    waits = app.submit("true")
    assert app.status_of(waits) == "queued"
    choose("Resume", becomes="running")
    assert app.finished([waits])[0]["exit_code"] == 0
    app.client.post("/actions/kill", {"ids": [job]})


def test_closing_the_window_keeps_icon_engine_and_job(app: Live, screen: Desktop) -> None:
    item = icon(app, screen)
    job = app.submit(*LOOP)
    pid = app.pid_of(job)
    screen.call("wmctrl", "-c", "Tidegate")
    until(lambda: screen.window() is None)
    assert alive(app.pid)
    assert screen.tray_item(app.pid) == item
    assert alive(pid)
    assert app.cli("run", "--", "sh", "-c", "exit 7").code == 7

    def opened() -> bool:
        if screen.window() is not None:
            return True
        # As above: the menu may be made anew between look and click.
        screen.choose(item, "Open Tidegate")
        return False

    until(opened, 15.0, step_s=0.4)
    app.client.post("/actions/kill", {"ids": [job]})


def test_a_file_dragged_from_another_program_is_run_and_stays_where_it_was(
    app: Live, screen: Desktop, tmp_path: Path
) -> None:
    icon(app, screen)
    script = tmp_path / "dragged & dropped.sh"
    script.write_text("echo it ran\nexit 4\n")
    with drag_source(screen, script) as source:
        screen.drag((100, 640), (700, 450))
        assert source.stdout is not None
        assert source.stdout.readline() == "dropped CopyAction\n"
        # What was dropped is fetched from the source after that.
        until(lambda: app.client.get("/jobs?all=1")["jobs"])
    job = app.finished(["1"])[0]
    assert (job["name"], job["outcome"], job["exit_code"]) == (script.name, "failed", 4)
    assert app.log_of("1").read_bytes() == b"it ran\n"
    assert script.exists()


def test_sigterm_ends_it_at_once_and_the_next_start_takes_the_job_up_again(app: Live, screen: Desktop) -> None:
    icon(app, screen)
    flag = app.home / "go on"
    job = app.submit("sh", "-c", 'while [ ! -e "$1" ]; do sleep 0.1; done; exit 5', "sh", str(flag))
    pid = app.pid_of(job)
    code, took_s = app.signal(signal.SIGTERM)
    assert code == 0
    assert took_s <= 2.0
    assert alive(pid)
    open_app(app, screen)
    icon(app, screen)
    assert app.pid_of(job) == pid
    assert app.status_of(job) == "running"
    flag.touch()
    ended = app.finished([job])[0]
    assert (ended["outcome"], ended["exit_code"], ended["attempts"]) == ("failed", 5, 1)

"""One tray application per home, and one beside an engine in the foreground: real starts on a real desktop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desktop import Desktop, desktop, missing
from support.live import Live, Said, alive, live_home, promised
from support.until import until

pytestmark = [pytest.mark.desktop, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
LOOP = ("sh", "-c", "while :; do sleep 0.2; done")
UP_S = 30.0


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    with desktop(tmp_path_factory.mktemp("instance")) as found:
        yield found


@pytest.fixture
def home(screen: Desktop) -> Iterator[Live]:
    """A home on the desktop, nothing running in it yet."""
    with live_home() as live:
        own = {name: live.env[name] for name in ("TIDEGATE_HOME", "PYTHONPATH")}
        live.env = {**screen.env, **own}
        yield live


def script(live: Live, name: str, line: str = "true") -> str:
    Path(live.home / name).write_text(line + "\n")
    return name


def started(live: Live, *words: str) -> subprocess.Popen[bytes]:
    """An application that has its engine, and is past its beginning."""
    app = live.begin("gui", *words)
    until(lambda: live.client.alive() and live.endpoint["pid"] == app.pid, UP_S)
    until(lambda: '"ready"' in live.paths.gui_lock_file.read_text(), UP_S)
    return app


def all_jobs(live: Live) -> list[str]:
    return sorted(job["name"] for job in live.client.get("/jobs?all=1")["jobs"])


def shut_down(live: Live, app: subprocess.Popen[bytes]) -> None:
    """Its jobs too."""
    live.client.post("/shutdown", {"stop_jobs": True})
    assert ended(app).code == 0


def ended(app: subprocess.Popen[bytes], within_s: float = 20.0) -> Said:
    code = app.wait(within_s)
    assert app.stdout is not None
    assert app.stderr is not None
    return Said(code, app.stdout.read().decode(), app.stderr.read().decode("utf-8", "surrogateescape"))


# --- one application -------------------------------------------------------------------------------------------------


def test_of_six_that_start_at_once_one_becomes_the_application(home: Live) -> None:
    files = [script(home, f"file {number}.sh") for number in range(6)]
    starts = [home.begin("gui", "--hidden", file) for file in files]
    until(lambda: sum(start.poll() is not None for start in starts) == 5, UP_S * 2)
    (app,) = [start for start in starts if start.poll() is None]
    for start in starts:
        if start is not app:
            said = ended(start)
            assert (said.code, said.out) == (0, "")
            assert said.err == "Tidegate is already running; 1 file was handed over.\n"
    until(lambda: all_jobs(home) == files, UP_S)
    assert home.endpoint["pid"] == app.pid
    assert home.cli("shutdown").code == 0
    assert ended(app).code == 0
    assert not home.paths.gui_socket.exists()


def test_a_second_start_hands_over_and_the_window_comes_forward(home: Live, screen: Desktop) -> None:
    app = started(home, "--hidden")
    assert screen.window() is None
    folder = os.fsencode(home.home) + b"/w\xffrk"
    os.mkdir(folder)
    name = b"\xe9t\xfc.sh"
    with open(folder + b"/" + name, "wb") as file:
        file.write(b'printf "%s " "$MARK" "$PWD" >"$OUT_FILE"\n')
    result = home.home / "result"
    variables = {"MARK": "of the second", "OUT_FILE": str(result)}
    said = home.cli("gui", "--hidden", name, cwd=folder, env=variables)
    assert (said.code, said.err) == (0, "Tidegate is already running; 1 file was handed over.\n")
    home.finished(["1"])
    # Relative to the second start's folder, with the second start's variables, and byte for byte.
    assert result.read_bytes() == b"of the second " + folder + b" "
    assert screen.window() is None
    said = home.cli("gui")
    assert said.code == 0
    until(screen.window, UP_S)
    said = home.cli("gui", "nothing.sh", script(home, "good.sh"))
    assert said.code == 1
    assert "nothing.sh" in said.err
    assert "1 file was handed over" in said.err
    assert app.poll() is None


def test_one_that_hangs_is_said_and_one_that_was_killed_is_replaced(home: Live) -> None:
    app = started(home, "--hidden")
    file = script(home, "again.sh")
    os.kill(app.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        said = home.cli("gui", file)
        took_s = time.monotonic() - began
    finally:
        os.kill(app.pid, signal.SIGCONT)
    said.refuses(1, str(app.pid), "does not react", f"Not handed over: {home.home / file}")
    assert took_s < promised(5.0 / 3)
    # Awake again it has nothing of what it was not told.
    assert home.cli("gui", "--hidden").code == 0
    assert all_jobs(home) == []
    app.kill()
    app.wait(10)
    assert home.paths.gui_socket.exists()
    other = started(home, "--hidden", file)
    until(lambda: all_jobs(home) == [file], UP_S)
    assert other.poll() is None


def test_a_start_while_the_application_ends_takes_its_place(home: Live) -> None:
    app = started(home, "--hidden")
    job = home.submit(*LOOP)
    pid = home.pid_of(job)
    os.kill(app.pid, signal.SIGTERM)
    file = script(home, "late.sh")
    other = home.begin("gui", "--hidden", file)
    assert ended(app).code == 0
    # Either the one that ended still took it and it is in the line, or the other one has become the application.
    until(lambda: other.poll() == 0 or (home.client.alive() and home.endpoint["pid"] == other.pid), UP_S)
    if other.poll() is not None:
        other = started(home, "--hidden")
    until(lambda: file in all_jobs(home), UP_S)
    assert (home.pid_of(job), alive(pid)) == (pid, True)
    shut_down(home, other)


# --- beside an engine in the foreground ------------------------------------------------------------------------------


def menu(screen: Desktop, app: subprocess.Popen[bytes]) -> list[str]:
    item = screen.tray_item(app.pid)
    return [] if item is None else [entry.path[-1] for entry in screen.menu(item)]


def choose(screen: Desktop, app: subprocess.Popen[bytes], *path: str) -> None:
    item = str(until(lambda: screen.tray_item(app.pid), UP_S))
    until(lambda: screen.choose(item, *path), 15.0, step_s=0.2)


def test_a_window_on_a_foreground_engine_sees_it_go_and_come_back(home: Live, screen: Desktop) -> None:
    home.start()
    job = home.submit(*LOOP, name="loop")
    pid = home.pid_of(job)
    app = home.begin("gui", script(home, "first.sh", "exit 3"))
    until(lambda: "first.sh" in all_jobs(home), UP_S)
    assert (home.endpoint["pid"], home.endpoint["kind"]) == (home.pid, "serve")
    assert home.finished(["2"])[0]["exit_code"] == 3
    until(screen.window, UP_S)
    assert home.cli("gui", script(home, "second.sh")).code == 0
    assert all_jobs(home) == ["first.sh", "loop", "second.sh"]
    # What is asked in the menu of its icon reaches the engine.
    choose(screen, app, "Pause", "until I resume")
    until(lambda: home.status_of(job) == "paused")
    choose(screen, app, "Resume")
    until(lambda: home.status_of(job) == "running")

    home.kill()
    until(lambda: "Start an engine" in " ".join(menu(screen, app)), UP_S, step_s=0.2)
    said = home.cli("gui", "first.sh")
    assert said.code == 1
    assert "has ended" in said.err
    home.start()
    until(lambda: "Pause" in menu(screen, app), UP_S, step_s=0.2)
    assert home.cli("gui", script(home, "third.sh")).code == 0
    assert home.pid_of(job) == pid

    home.kill()
    until(lambda: "Start an engine" in " ".join(menu(screen, app)), UP_S, step_s=0.2)
    choose(screen, app, next(label for label in menu(screen, app) if "Start an engine" in label))
    until(lambda: home.client.alive() and home.endpoint["pid"] == app.pid, UP_S)
    assert home.endpoint["kind"] == "gui"
    until(screen.window, UP_S)
    assert home.pid_of(job) == pid
    assert all_jobs(home) == ["first.sh", "loop", "second.sh", "third.sh"]
    shut_down(home, app)


def test_quitting_a_window_leaves_the_engine_and_its_jobs_alone(home: Live, screen: Desktop) -> None:
    home.start()
    job = home.submit(*LOOP)
    pid = home.pid_of(job)
    app = home.begin("gui", "--hidden")
    until(lambda: screen.tray_item(app.pid), UP_S)
    until(lambda: "Pause" in menu(screen, app), UP_S, step_s=0.2)
    choose(screen, app, "Quit")
    until(lambda: screen.window("Quit Tidegate"), 15.0)
    screen.call("xdotool", "windowactivate", "--sync", str(screen.window("Quit Tidegate")), "key", "Return")
    assert ended(app).code == 0
    assert home.cli("status").code == 0
    assert home.endpoint["pid"] == home.pid
    assert (home.status_of(job), alive(pid)) == ("running", True)
    home.client.post("/actions/kill", {"ids": [job]})

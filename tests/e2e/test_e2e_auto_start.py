"""Verbs without an engine: those that submit start one in the background, the others say so with exit code 3."""

from __future__ import annotations

import sys

import pytest

from support.live import Live, alive, environment_of, live_home
from support.until import until


def test_submit_starts_an_engine_in_the_background(live: Live) -> None:
    said = live.cli("submit", "--", "sh", "-c", "exit 7")
    assert said.code == 0, said
    assert said.out == "1\n"
    assert "was started in the background" in said.err
    assert live.cli("wait", "1").code == 7
    pid = live.endpoint["pid"]
    assert live.endpoint["kind"] == "auto"
    assert alive(pid)
    assert live.cli("submit", "--", "true").err == ""
    assert live.endpoint["pid"] == pid
    assert live.cli("shutdown").code == 0
    until(lambda: not alive(pid))


def test_run_starts_one_too_and_it_lives_on_after_its_terminal(live: Live) -> None:
    """The engine is in a session of its own: what ends the shell that ran the verb does not reach it."""
    said = live.cli("run", "--", "sh", "-c", "echo hello; exit 4")
    assert (said.code, said.out) == (4, "hello\n")
    assert live.cli("status").code == 0


def test_no_start_forbids_it(live: Live) -> None:
    for words in (["submit", "--no-start"], ["--no-start", "submit"], ["run", "--no-start"], ["--no-start", "run"]):
        live.cli(*words, "--", "true").refuses(3, "no-start")
    assert live.bearers() == []


@pytest.mark.parametrize(
    "words",
    [
        *[[verb] for verb in ("list", "status", "journal", "shutdown", "pause", "resume")],
        *[
            [verb, "1"]
            for verb in ("show", "why", "logs", "wait", "cancel", "kill", "hold", "release", "retry", "first")
        ],
    ],
    ids=lambda words: words[0],
)
def test_other_verbs_exit_3(nobody: Live, words: list[str]) -> None:
    said = nobody.cli(*words).refuses(3, "No engine is running")
    assert "tidegate serve" in said
    assert nobody.bearers() == []


@pytest.fixture(scope="module")
def nobody():  # type: ignore[no-untyped-def]
    """A home in which no engine runs."""
    with live_home() as found:
        yield found


def test_verbs_that_need_no_engine(nobody: Live) -> None:
    for words in (["version"], ["help"], ["config"], ["config", "path"], ["doctor"], ["completions", "bash"]):
        said = nobody.cli(*words)
        assert said.code == 0, said
        assert said.out
        assert said.err == ""


def test_many_that_start_one_at_the_same_time_share_it(live: Live) -> None:
    running = [live.begin("submit", "--", "true") for _ in range(6)]
    ids = []
    for each in running:
        assert each.stdout is not None
        ids.append(each.stdout.read().decode().strip())
        assert each.wait(30) == 0
    assert sorted(ids) == [str(number) for number in range(1, 7)]

    def engines() -> list[int]:
        return [process.pid for process in live.bearers() if " serve " in process.command]

    # Those that came second leave by themselves, a moment after the first one answers.
    until(lambda: engines() == [live.endpoint["pid"]], 20)


def test_an_engine_that_a_job_started_is_no_part_of_the_job(live: Live) -> None:
    """It would else be ended with the job, or be taken for one of its processes."""
    live.start()
    with live_home() as other:
        line = f"exec env TIDEGATE_HOME={other.home} {sys.executable} -m tidegate submit -- sh -c 'exit 6'"
        said = live.cli("run", "--", "sh", "-c", line)
        assert said.code == 0
        assert said.out.endswith("\n1\n")
        assert other.cli("wait", "1").code == 6
        (keeper,) = other.keepers()
        for pid in (other.endpoint["pid"], keeper):
            assert not any(name.startswith(b"TIDEGATE_RUN_TOKEN=") for name in environment_of(pid))
        # What a job leaves behind is ended within 3 s; these are none of it.
        (job,) = live.finished(["1"])
        until(lambda: live.cli("status", "--json").json["uptime_s"] > job["finished_at"] - job["started_at"] + 3.5, 10)
        assert other.cli("run", "--no-start", "--", "true").code == 0


def test_an_engine_started_in_the_background_gives_way_to_the_application(live: Live) -> None:
    """The tray application takes over; jobs go on and clients find it."""
    live.env["QT_QPA_PLATFORM"] = "offscreen"
    flag = live.home / "go"
    waiting = live.begin("run", "--", "sh", "-c", f"echo here; until [ -e {flag} ]; do sleep 0.05; done; exit 8")
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == b"here\n"
    first = live.endpoint["pid"]
    application = live.begin("gui")
    until(lambda: not alive(first), 20)
    until(lambda: live.client.alive() and live.endpoint["pid"] == application.pid, 20)
    flag.touch()
    assert waiting.wait(30) == 8
    assert live.cli("shutdown").code == 0
    assert application.wait(10) == 0
    live.expected_errors = ("D-Bus", "session bus", "toasts go another way")


def test_an_engine_in_the_foreground_is_not_taken_over(engine: Live) -> None:
    engine.env["QT_QPA_PLATFORM"] = "offscreen"
    application = engine.begin("gui", "--hidden")
    lock = engine.paths.gui_lock_file
    until(lambda: lock.exists() and '"ready"' in lock.read_text(), 20)
    assert engine.endpoint["pid"] == engine.pid
    assert engine.endpoint["kind"] == "serve"
    # The engine can be ended under it; the window stays and waits for another one.
    assert engine.cli("shutdown").code == 0
    assert engine.engine is not None
    assert engine.engine.wait(10) == 0
    assert application.poll() is None
    engine.start()
    assert engine.cli("gui", "--hidden").code == 0

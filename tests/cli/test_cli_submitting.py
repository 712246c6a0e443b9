"""submit, run and wait: what reaches the engine, what is printed, and the exit codes of D11."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from cli.conftest import Server, program
from support.fake_desk import FakeDesk
from support.until import until
from tidegate.paths import Paths


def test_only_the_id_is_printed_and_the_command_arrives_whole(tidegate, desk: FakeDesk) -> None:
    said = tidegate("submit", "--mem", "2G", "--cpus=2", "--label", "x", "--label", "y", "--", "true", "--mem", "a b")
    assert (said.code, said.out, said.err) == (0, "1\n", "")
    spec = desk.submitted[0].spec
    assert spec.command[-2:] == ("--mem", "a b")
    assert (spec.memory_bytes, spec.cores, spec.labels) == (2 * 1024**3, 2.0, ("x", "y"))
    assert spec.cwd == os.getcwd()
    assert spec.environment is not None


def test_add_is_submit_and_a_script_takes_what_follows(tidegate, desk: FakeDesk, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\necho hi\n")
    assert tidegate("add", "--name", "n", str(script), "--name", "other").out == "1\n"
    spec = desk.submitted[0].spec
    assert spec.name == "n"
    assert spec.command[-2:] == ("--name", "other")


def test_options_of_the_whole_table_are_understood(tidegate, desk: FakeDesk) -> None:
    tidegate("submit", "--", "true")
    words = "--mem-limit 4G --device auto --time 2h --priority 1 --queue batch --after @ --after any:1 --begin now+2h"
    words += " --deadline now+9h --retries 2 --env A=B --hold --array 1-4%2 --on-preempt requeue --preemptible no"
    words += " --locks disk --dedupe k --checkpoint-signal USR1 --checkpoint-grace 20s --cwd / --json"
    said = tidegate("submit", *words.split(), "--", "true")
    assert said.code == 0
    assert said.json["jobs"][0]["id"] == "2"
    submission = desk.submitted[1]
    spec = submission.spec
    assert submission.held
    assert (spec.priority, spec.retries, spec.cwd, spec.locks) == (1, 2, "/", ("disk",))
    assert {str(dependency.job) for dependency in spec.after} == {"1"}
    assert (spec.array_size, spec.array_parallel) == (4, 2)
    assert "warning" in said.err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--mem", "lots", "--", "true"], 2, "lots"),
        (["--mem", "900T", "--", "true"], 1, "900"),
        (["/nowhere/x.py"], 1, "/nowhere/x.py"),
        (["--memm", "1G", "--", "true"], 2, "did you mean --mem?"),
        ([], 2, "what is to run is missing"),
        (["--"], 2, "what is to run is missing"),
        (["--each-line", "/nowhere"], 1, "cannot read /nowhere"),
        (["--each-line", "-", "x"], 2, "leave out 'x'"),
        (["--priority", "12", "--", "true"], 2, "12"),
    ],
)
def test_what_is_refused_has_one_sentence_and_the_right_code(
    tidegate, desk: FakeDesk, words: list[str], code: int, sentence: str
) -> None:
    said = tidegate("submit", *words)
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert desk.submitted == []


def test_an_engine_that_takes_nothing_is_exit_1(tidegate, desk: FakeDesk) -> None:
    desk.unwilling = "The disk is full, so no job can be accepted."
    said = tidegate("submit", "--", "true")
    assert (said.code, said.out) == (1, "")
    assert "The disk is full" in said.err


def test_no_start_anywhere_forbids_to_start_an_engine(tidegate) -> None:
    for words in (["--no-start", "submit", "--", "true"], ["submit", "--no-start", "--", "true"]):
        said = tidegate(*words)
        assert said.code == 3
        assert "--no-start" in said.err


def test_each_line_is_a_job_with_its_bytes(real, desk: FakeDesk, tmp_path: Path) -> None:
    lines = b"#!/bin/sh\necho one\n\n  echo caf\xe9 | wc\n# not this\necho three"
    said = real("submit", "--each-line", "-", "--label", "many", stdin=lines)
    assert (said.code, said.out, said.err) == (0, "1\n2\n3\n", "")
    commands = [submission.spec.command[-1] for submission in desk.submitted]
    assert commands == ["echo one", "echo caf\udce9 | wc", "echo three"]
    file = tmp_path / "lines"
    file.write_bytes(b"true\n" * 500)
    assert len(real("submit", "--each-line", str(file)).out.split()) == 500
    file.write_bytes(b"\n# nothing\n")
    assert real("submit", "--each-line", str(file)).code == 1
    file.write_bytes(b"a\0b\n")
    assert "NUL" in real("submit", "--each-line", str(file)).err


def test_paths_and_variables_in_any_encoding_survive(environ, desk: FakeDesk, tmp_path: Path, server) -> None:
    folder = os.fsencode(tmp_path) + b"/b\xe4d"
    os.mkdir(folder)
    done = subprocess.run(
        program("submit", "--", "true"),
        cwd=folder,
        env={**environ, "ODD": os.fsdecode(b"\xff=\n")},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    spec = desk.submitted[0].spec
    assert os.fsencode(spec.cwd) == folder
    stored = (server.paths.environments_dir / f"{spec.environment}.env").read_bytes()
    assert b"ODD=\xff=\n\0" in stored


def test_a_dry_run_says_what_would_happen_and_adds_nothing(tidegate, desk: FakeDesk) -> None:
    said = tidegate("submit", "--dry-run", "--", "true")
    assert said.code == 0
    assert said.out.startswith("It would start at once.")
    assert "counts with" in said.out
    found = tidegate("submit", "--dry-run", "--json", "--", "true").json["jobs"][0]
    assert found["would_start"] is True
    desk.refuse = "It asks for more memory than there is."
    refused = tidegate("submit", "--dry-run", "--", "true")
    assert (refused.code, refused.out) == (1, "It asks for more memory than there is.\n")
    assert desk.submitted == []


def test_submit_wait_ends_with_the_jobs_code(tidegate, desk: FakeDesk) -> None:
    desk.start_at_once = True
    said = tidegate("submit", "--wait", "--", "true")
    assert (said.code, said.out) == (0, "1\n")


@pytest.mark.parametrize(
    ("outcome", "exit_code", "signal", "code"),
    [
        ("succeeded", 0, None, 0),
        ("failed", 7, None, 7),
        ("failed", None, 11, 139),
        ("cancelled", None, 15, 125),
        ("lost", None, None, 125),
        ("skipped", None, None, 126),
    ],
)
def test_wait_ends_with_the_jobs_code(
    tidegate, desk: FakeDesk, outcome: str, exit_code: int | None, signal: int | None, code: int
) -> None:
    desk.add()
    desk.finish("1", outcome, exit_code, signal)
    said = tidegate("wait", "1")
    assert (said.code, said.out) == (code, "")
    assert ("job 1" in said.err) == (code != 0)


def test_wait_for_several_in_their_order_for_the_next_and_not_for_ever(tidegate, desk: FakeDesk) -> None:
    for _ in range(3):
        desk.add()
    desk.finish("2", "failed", 4)
    said = tidegate("wait", "1", "2", "--timeout", "0.05")
    assert said.code == 124
    assert "the jobs go on" in said.err
    assert tidegate("wait", "1", "--timeout", "0", "--json").json == {"jobs": [], "timed_out": True}
    desk.finish("1", "failed", 3)
    assert tidegate("wait", "2", "1").code == 4
    found = tidegate("wait", "1", "2", "--json")
    assert (found.code, [job["id"] for job in found.json["jobs"]]) == (3, ["1", "2"])
    said = tidegate("wait", "3", "2", "--next")
    assert (said.code, said.out) == (4, "2\n")
    assert tidegate("wait", "1", "99").code == 127
    assert tidegate("wait").code == 2
    assert tidegate("wait", "1", "--timeout", "soon").code == 2


def test_run_streams_the_output_and_ends_with_the_code(real, desk: FakeDesk) -> None:
    def act() -> None:
        until(lambda: bool(desk.submitted))
        desk.start("1")
        desk.write_log("1", b"one\n\xff")
        desk.write_log("1", b"two\n")
        desk.finish("1", "failed", 5)

    thread = threading.Thread(target=act)
    thread.start()
    said = real("run", "--", "true", "--json")
    thread.join()
    assert (said.code, said.out) == (5, "one\n\udcfftwo\n")
    assert desk.submitted[0].spec.command[-1] == "--json"


def test_the_first_ctrl_c_cancels_the_job_and_shows_its_end(environ, desk: FakeDesk) -> None:
    import signal

    running = subprocess.Popen(
        program("run", "--", "true"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: bool(desk.submitted))
    desk.start("1")
    desk.write_log("1", b"working\n")
    assert running.stdout is not None
    assert running.stdout.readline() == b"working\n"
    running.send_signal(signal.SIGINT)
    until(lambda: bool(desk.commands))
    out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert out == b""
    assert b"cancelling job 1" in err
    assert desk.commands[0].verb == "cancel"
    assert desk.job(desk.commands[0].ids[0])[0].outcome == "cancelled"  # type: ignore[index]


def test_ctrl_c_leaves_a_wait_quietly(environ, desk: FakeDesk) -> None:
    import signal

    desk.add()
    waiting = subprocess.Popen(program("wait", "1"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: desk.listeners > 0)
    waiting.send_signal(signal.SIGINT)
    assert waiting.communicate(timeout=20) == (b"", b"")
    assert waiting.returncode == 130
    assert desk.commands == []


def test_the_second_ctrl_c_leaves_the_job_to_itself(environ, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import signal

    asked = []

    async def never(command: object) -> None:
        asked.append(command)
        await asyncio.Event().wait()

    monkeypatch.setattr(desk, "command", never)
    with subprocess.Popen(
        program("run", "--", "true"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        until(lambda: bool(desk.submitted))
        desk.start("1")
        desk.write_log("1", b"working\n")
        assert running.stdout is not None
        assert running.stdout.readline() == b"working\n"
        running.send_signal(signal.SIGINT)
        until(lambda: bool(asked))
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert b"job 1 is left to itself" in err
    assert desk.jobs()[0].status == "running"


# The client knocks all the time while the server goes; a knock in its very last moment is left to the kernel to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_run_goes_on_with_the_engine_that_takes_over(environ, paths: Paths) -> None:
    desk = FakeDesk()
    first = Server(environ["TIDEGATE_HOME"], desk)
    with subprocess.Popen(
        program("run", "--", "true"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        until(lambda: bool(desk.submitted))
        desk.start("1")
        desk.write_log("1", b"before\n")
        assert running.stdout is not None
        assert running.stdout.readline() == b"before\n"
        first.thread.stop()
        second = Server(environ["TIDEGATE_HOME"], desk)
        desk.write_log("1", b"after\n")
        desk.finish("1", "failed", 9)
        out, err = running.communicate(timeout=30)
        second.thread.stop()
    until(lambda: not first.thread.alive and not second.thread.alive)
    assert (running.returncode, out) == (9, b"after\n")
    assert err == b"tidegate: job 1 failed with exit code 9\n"


def test_submit_starts_an_engine_when_none_runs(tidegate, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.api import client

    started: list[Server] = []
    monkeypatch.setattr(client, "start_engine", lambda found, _: started.append(Server(str(found.data_dir.parent))))
    said = tidegate("submit", "--", "true")
    started[0].thread.stop()
    until(lambda: not started[0].thread.alive)
    assert (said.code, said.out) == (0, "1\n")
    assert "one was started in the background" in said.err
    assert len(started) == 1


def test_an_engine_that_cannot_be_started_is_exit_3(tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.api import client

    def fail(*_: object) -> None:
        raise client.NoEngine("The engine could not be started: the disk is full.")

    monkeypatch.setattr(client, "start_engine", fail)
    said = tidegate("submit", "--", "true")
    assert (said.code, said.out) == (3, "")
    assert "the disk is full" in said.err


def test_a_submit_that_broke_off_is_never_repeated(tidegate, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.api import client

    calls = []

    def break_off(*words: object, **fields: object) -> None:
        calls.append(words)
        raise client.Disconnected("The engine ended the connection before it had answered.")

    monkeypatch.setattr(client.Client, "submit", break_off)
    monkeypatch.setattr(client, "start_engine", lambda *_: pytest.fail("no second engine is wanted"))
    said = tidegate("submit", "--", "true")
    assert said.code == 3
    assert len(calls) == 1
    assert "'tidegate list' shows whether" in said.err

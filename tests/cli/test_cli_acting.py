"""The verbs that change something: what they ask the engine for, what they say, and what they refuse."""

from __future__ import annotations

import io
import sys

import pytest

from support.fake_desk import FakeDesk
from tidegate.core.job import JobId
from tidegate.engine.ports import Verb


def test_each_verb_reaches_the_engine_and_says_what_came_of_it(tidegate, desk: FakeDesk) -> None:
    for verb, expected in (
        ("hold", "Job 1 is held."),
        ("release", "Job 1 is queued."),
        ("first", "Job 1 is queued."),
        ("start", "Job 1 is running."),
        ("pause", "Job 1 is paused."),
        ("resume", "Job 1 is running."),
        ("cancel", "Job 1 was cancelled."),
        ("retry", "Job 1 is queued."),
        ("kill", "Job 1 was killed."),
    ):
        if not desk.commands:
            desk.add()
        said = tidegate(verb, "1")
        assert (said.code, said.out, said.err) == (0, expected + "\n", "")
        assert desk.commands[-1].verb is Verb(verb)
        assert desk.commands[-1].ids == (JobId(1),)


def test_what_is_refused_is_said_on_stderr_with_exit_1(tidegate, desk: FakeDesk) -> None:
    desk.add()
    said = tidegate("resume", "1")
    assert (said.code, said.out) == (1, "")
    assert "Job 1 is queued" in said.err


def test_of_several_ids_the_first_failure_counts_and_the_rest_is_done(tidegate, desk: FakeDesk) -> None:
    desk.add()
    desk.add()
    said = tidegate("hold", "1", "99", "2")
    assert said.code == 127
    assert said.out == "Job 1 is held.\nJob 2 is held.\n"
    assert "There is no job 99." in said.err
    found = tidegate("release", "1", "--json").json
    assert found == {"results": [{"id": "1", "answer": "done", "sentence": "Job 1 is queued.", "offer": None}]}


def test_pause_and_resume_without_ids_mean_the_queue(tidegate, desk: FakeDesk) -> None:
    assert tidegate("pause", "--for", "30m").code == 0
    command = desk.commands[-1]
    assert (command.ids, command.seconds, command.drain, command.gpu) == (None, 1800.0, False, False)
    assert tidegate("pause", "--drain").code == 0
    assert desk.commands[-1].drain
    assert tidegate("pause", "--gpu").code == 0
    assert desk.commands[-1].gpu
    said = tidegate("resume")
    assert said.out == "The queue runs.\n"


@pytest.mark.parametrize("text", ["soon", "0", "-5m", "5x", "nan", "inf", ""])
def test_lengths_of_time_that_are_none(tidegate, desk: FakeDesk, text: str) -> None:
    said = tidegate("pause", f"--for={text}")
    assert said.code == 2
    assert "is no length of time" in said.err
    assert desk.commands == []


def test_drain_and_gpu_are_about_the_queue(tidegate, desk: FakeDesk) -> None:
    desk.add()
    assert tidegate("pause", "1", "--drain").code == 2
    assert desk.commands == []


def test_all_needs_yes_where_nobody_can_be_asked(tidegate, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add()
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    said = tidegate("cancel", "--all")
    assert said.code == 2
    assert "--yes" in said.err
    assert desk.commands == []
    assert tidegate("cancel", "--all", "--yes").code == 0
    assert desk.commands[-1].ids is None


def test_ids_are_needed_and_exclude_all(tidegate, desk: FakeDesk) -> None:
    assert tidegate("cancel").code == 2
    assert tidegate("cancel", "1", "--all", "--yes").code == 2
    assert desk.commands == []


def test_start_force_and_edit_send_what_was_typed(tidegate, desk: FakeDesk) -> None:
    desk.add()
    assert tidegate("edit", "1", "--priority", "2", "--label", "a", "--label", "b", "--mem=4G").code == 0
    assert desk.commands[-1].changes == {"priority": "2", "label": "a,b", "mem": "4G"}
    for typed, sent in (("none", "none"), ("1", "ok:1"), ("any:1,@", "any:1,1")):
        assert tidegate("edit", "1", "--after", typed).code == 0
        assert desk.commands[-1].changes == {"after": sent}
    assert tidegate("edit", "1").code == 2
    assert tidegate("start", "--force", "1").code == 0
    assert desk.commands[-1].force


def test_shutdown_answers_when_the_engine_has_left(tidegate, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.api.client import Client

    answers = iter([True, True, False])
    monkeypatch.setattr(Client, "alive", lambda _: next(answers))
    said = tidegate("shutdown", "--stop-jobs")
    assert said.code == 0
    assert desk.shutdowns == [True]
    assert next(answers, "asked until it was gone") == "asked until it was gone"


def test_shutdown_without_an_engine_is_exit_3(tidegate) -> None:
    assert tidegate("shutdown").code == 3


def test_settings_are_set_through_the_engine(tidegate, desk: FakeDesk, server) -> None:
    assert tidegate("config", "set", "memory_high_pct", "80").code == 0
    assert server.in_force.get("memory_high_pct") == 80
    assert tidegate("config", "get", "memory_high_pct").out == "80\n"
    rows = tidegate("config", "--json").json["settings"]
    assert {"name", "section", "value", "default", "source", "unit", "help"} <= set(rows[0])
    assert tidegate("config", "get", "memory_high_pct", "--json").json["source"] == "config.toml"
    said = tidegate("config", "set", "memory_high_pct", "99")
    assert said.code in (1, 2)
    assert "memory_emergency_pct" in said.err
    assert server.in_force.get("memory_high_pct") == 80


def test_all_asks_on_a_terminal(environ, desk: FakeDesk) -> None:
    import os
    import pty
    import subprocess

    from cli.conftest import program

    desk.add()
    for answer, code, asked in ((b"n\n", 1, 0), (b"y\n", 0, 1)):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            program("cancel", "--all"), env=environ, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
        ) as running:
            os.close(theirs)
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, answer)
            assert running.wait(timeout=20) == code
        os.close(ours)
        assert len(desk.commands) == asked

"""``conflicts`` and ``hints``: tables for people, JSON for programs, and what comes of resolving and applying."""

from __future__ import annotations

import subprocess

import pytest

from support.fake_desk import FakeDesk
from tidegate.cli.completions import bash, fish, zsh
from tidegate.engine.ports import ApplyHint, ResolveConflict


def test_open_conflicts_stand_in_a_table_the_worst_first(tidegate, desk: FakeDesk) -> None:
    desk.conflict(1, severity="low", ways=())
    desk.conflict(12, severity="critical", jobs=("3", "4.1"))
    said = tidegate("conflicts")
    assert said.code == 0
    head, first, second = said.out.splitlines()
    assert head.split() == ["ID", "SEVERITY", "JOBS", "CONFLICT", "SINCE", "WAYS", "OUT"]
    assert first.split()[:4] == ["12", "critical", "3", "4.1"]
    assert first.endswith("pause_later, cancel_later")
    assert second.split()[:2] == ["1", "low"]
    assert first.index("critical") == second.index("low") == head.index("SEVERITY")
    found = tidegate("conflicts", "--json").json["conflicts"]
    assert [each["id"] for each in found] == [12, 1]
    assert found[0]["ways"][0] == {"name": "pause_later", "label": "Pause eval.py"}


def test_all_tells_how_those_that_ended_did(tidegate, desk: FakeDesk) -> None:
    for id in (1, 2):
        desk.conflict(id)
        desk.hint(id)
    desk.end_conflict(1, "Job 2 has finished.")
    desk.end_hint(1, "Dismissed by you.")
    rows = tidegate("conflicts", "--all").out.splitlines()
    assert rows[0].split()[-2:] == ["ENDED", "HOW"]
    assert rows[1].split()[0] == "2"
    assert rows[2].split()[0] == "1"
    assert rows[2].endswith("Job 2 has finished.")
    assert "Dismissed by you." in tidegate("hints", "-a").out
    ended = tidegate("hints", "--all", "--json").json["hints"]
    assert [(each["id"], each["closed_because"]) for each in ended] == [(2, None), (1, "Dismissed by you.")]


def test_hints_say_why_and_what_applying_does(tidegate, desk: FakeDesk) -> None:
    desk.hint(1)
    desk.hint(2, type="warning", action=None, title="Memory is held by Firefox", message="")
    rows = tidegate("hints").out.splitlines()
    assert rows[0].split() == ["ID", "TYPE", "JOBS", "HINT", "SINCE", "TO", "APPLY"]
    assert "Memory is held by Firefox." in rows[1]
    assert rows[1].endswith(" -")
    assert "than it uses. It asks for 8 GB" in rows[2]
    assert rows[2].endswith("Ask for 2 GB")


@pytest.mark.parametrize(("what", "begin"), [("conflicts", "No conflicts: "), ("hints", "No hints: ")])
def test_with_nothing_to_tell_it_says_so(tidegate, desk: FakeDesk, what: str, begin: str) -> None:
    said = tidegate(what)
    assert (said.code, said.out) == (0, "")
    assert begin in said.err
    assert f"'tidegate {what} --all' shows those that ended." in said.err
    assert "--all" not in tidegate(what, "--all").err
    assert tidegate(what, "--json").json == {what: []}


def test_a_conflict_is_resolved_in_the_way_named_or_proposed(tidegate, desk: FakeDesk) -> None:
    for id in (1, 2):
        desk.conflict(id)
    said = tidegate("conflicts", "resolve", "1", "--way", "cancel_later")
    assert (said.code, said.out, said.err) == (0, "Conflict 1 is resolved: Cancel eval.py.\n", "")
    assert tidegate("conflicts", "resolve", "2", "--json").json["results"][0]["answer"] == "done"
    assert desk.errands == [ResolveConflict(1, "cancel_later"), ResolveConflict(2)]


def test_a_hint_is_applied_or_dismissed(tidegate, desk: FakeDesk) -> None:
    for id in (1, 2):
        desk.hint(id)
    assert tidegate("hints", "apply", "1").out == "Hint 1 is applied.\n"
    assert tidegate("hints", "dismiss", "2").out == "Hint 2 is dismissed.\n"
    assert desk.errands == [ApplyHint(1)]
    assert desk.hints() == []


@pytest.mark.parametrize("words", [("conflicts", "resolve", "9"), ("hints", "apply", "9"), ("hints", "dismiss", "9")])
def test_exit_codes_say_unknown_and_refused(tidegate, desk: FakeDesk, words: tuple[str, ...]) -> None:
    said = tidegate(*words)
    assert (said.code, said.out) == (127, "")
    assert "There is no " in said.err
    desk.conflict(9)
    desk.hint(9)
    desk.stubborn = "Job 2 is about to end."
    said = tidegate(*words)
    assert (said.code, said.out, said.err) == (1, "", "tidegate: Job 2 is about to end.\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("conflicts resolve 1 --way pray", "accepted: pause_later, cancel_later."),
        ("conflicts resolve", "the usage is: tidegate conflicts resolve ID [--way NAME]"),
        ("conflicts resolve 1 2", "one word too many"),
        ("conflicts resolve x", "'x' is no conflict's id; 'tidegate conflicts' lists them."),
        ("conflicts resolve 0", "'0' is no conflict's id"),
        ("conflicts reslve 1", "did you mean resolve?"),
        ("conflicts 1", "it takes resolve."),
        ("conflicts --way x", "--way belongs to: tidegate conflicts resolve ID"),
        ("conflicts resolve 1 --all", "--all belongs to the list"),
        ("hints frobnicate 1", "it takes apply or dismiss."),
        ("hints apply 1 --way x", "unknown option --way"),
        ("hints dismiss", "the usage is: tidegate hints dismiss ID"),
    ],
)
def test_what_cannot_be_understood_is_exit_2_and_changes_nothing(
    tidegate, desk: FakeDesk, words: str, sentence: str
) -> None:
    desk.conflict(1)
    desk.hint(1)
    said = tidegate(*words.split())
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert desk.errands == []
    assert len(desk.hints()) == len(desk.conflicts()) == 1


def test_help_shows_both(tidegate) -> None:
    assert "[--all]  |  resolve ID [--way NAME]" in tidegate("help", "conflicts").out
    assert "[--all]  |  apply ID  |  dismiss ID" in tidegate("help", "hints").out


def test_completion_offers_the_words_and_the_numbers_there_are(tidegate, desk: FakeDesk) -> None:
    desk.conflict(7)
    desk.hint(3)
    assert tidegate("_ids", "conflicts").out.startswith("7\ttrain.py (job 1)")
    assert tidegate("_ids", "hints").out == "3\ttrain.py asks for far more memory than it uses\n"
    for script in (bash(), zsh(), fish()):
        assert "apply dismiss" in script
        assert "tidegate _ids" in script
    asked = (
        "tidegate() { printf '7\\tname\\n'; }\n" + bash() + "\nCOMP_WORDS=(tidegate conflicts '') COMP_CWORD=2\n"
        '_tidegate\nprintf "%s " "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split() == ["resolve", "7"]

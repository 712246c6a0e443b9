"""What is typed into one field is a script, a script with arguments, a command, or a line for the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.submission.request import Refused
from tidegate.submission.typed import copied_command, request_of, script_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.py", "two words.sh", "a&b.sh", "plain"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "script", "args"),
    [
        ("train.py", "train.py", ()),
        ("  train.py ", "train.py", ()),
        ("./train.py", "train.py", ()),
        ("two words.sh", "two words.sh", ()),
        ("a&b.sh", "a&b.sh", ()),
        ("plain", "plain", ()),
        ("train.py --name 'a b'", "train.py", ("--name", "a b")),
        ("'two words.sh' x", "two words.sh", ("x",)),
        ("missing.py", "missing.py", ()),
        ("deep/missing", "deep/missing", ()),
    ],
)
def test_scripts_and_their_arguments(folder: Path, text: str, script: str, args: tuple[str, ...]) -> None:
    request = request_of(text, "", str(folder), {}, {})
    assert request.script == str(folder / script)
    assert request.args == args
    assert request.command is None
    assert request.line is None


@pytest.mark.parametrize("text", ["train.py | tee log", "train.py > out", "train.py $HOME", "for x in 1 2; do :; done"])
def test_what_only_a_shell_understands_is_a_line(folder: Path, text: str) -> None:
    request = request_of(text, "", str(folder), {}, {})
    assert (request.line, request.command, request.script) == (text, None, None)
    assert request.cwd == str(folder)


@pytest.mark.parametrize("text", ["A=1 make", "cd build", "time make", "echo 'it"])
def test_so_is_what_begins_with_a_shells_own_word_and_what_cannot_be_split(folder: Path, text: str) -> None:
    assert request_of(text, "", str(folder), {}, {}).line == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("make", ("make",)),
        ("python3 train.py --epochs 90", ("python3", "train.py", "--epochs", "90")),
        ("/bin/sh train.py", ("/bin/sh", "train.py")),
        ("missing.py --epochs 3", ("missing.py", "--epochs", "3")),
    ],
)
def test_plain_words_are_a_command(folder: Path, text: str, words: tuple[str, ...]) -> None:
    request = request_of(text, "", str(folder), {}, {})
    assert request.command == words
    assert request.cwd == str(folder)


def test_a_script_runs_in_its_own_folder_and_takes_further_arguments(folder: Path) -> None:
    request = request_of(str(folder / "train.py"), "--epochs '9 0'", "/", {"A": "1"}, {"mem": "8G"})
    assert request.cwd == str(folder)
    assert request.args == ("--epochs", "9 0")
    assert (request.environment, request.options) == ({"A": "1"}, {"mem": "8G"})


def test_quotes_that_do_not_match_name_the_arguments(folder: Path) -> None:
    with pytest.raises(Refused) as refused:
        request_of("train.py", "'a", str(folder), {}, {})
    assert refused.value.field == "args"


def test_nothing_names_no_script(folder: Path) -> None:
    assert script_in("   ", str(folder)) == (None, ())
    assert script_in("a\0b", str(folder)) == (None, ())


@pytest.mark.parametrize(
    ("copied", "means"),
    [
        ("$ cd build\n\n$ make -j4 \\\n  all\n", "cd build; make -j4    all"),
        ("# train it\npython3 train.py\n", "python3 train.py"),
        ("make &&\nmake install", "make &&\nmake install"),
        ("for n in 1 2; do\n  echo $n\ndone\n", "for n in 1 2; do\n  echo $n\ndone"),
        ("$ python3 - <<X\nprint(1)\nX", "python3 - <<X\nprint(1)\nX"),
        ("python3 -c 'import os\nprint(os)'", "python3 -c 'import os\nprint(os)'"),
        ("python3 a.py  # first\npython3 b.py", "python3 a.py  # first\npython3 b.py"),
        ("sudo\nundo", "sudo; undo"),
        ("echo one # two", "echo one # two"),
        ("# nothing\n", ""),
    ],
)
def test_a_copied_text_means_in_one_field_what_it_meant_in_its_lines(copied: str, means: str) -> None:
    assert copied_command(copied) == means

"""What a folder offers: its own scripts in the order people count, and nothing that cannot be meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidegate.submission.folder import look_at, natural, scripts_in

unix_only = pytest.mark.skipif(os.name == "nt", reason="The run bit, links and pipes are Unix.")


def names(folder: Path, **given: int) -> list[str]:
    return [os.path.basename(path) for path in scripts_in(str(folder), **given).scripts]


def write(folder: Path, *files: str, text: str = "") -> None:
    for name in files:
        (folder / name).write_text(text)


def test_every_known_suffix_is_offered_in_whatever_case(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.sh", "c.bash", "d.zsh", "e.R", "f.jl", "g.js", "h.ipynb", "i.ps1", "J.PY")
    write(tmp_path, "data.csv", "notes.md", "Makefile", "k.pyc", "l.py~", "m.py.bak")
    assert names(tmp_path) == ["a.py", "b.sh", "c.bash", "d.zsh", "e.R", "f.jl", "g.js", "h.ipynb", "i.ps1", "J.PY"]


@pytest.mark.skipif(os.name == "nt", reason="There they can be run.")
def test_batch_files_are_not_offered_where_nothing_can_run_them(tmp_path: Path) -> None:
    write(tmp_path, "build.bat", "build.cmd", "build.sh")
    assert names(tmp_path) == ["build.sh"]


def test_parts_of_packages_hidden_files_and_written_notebooks_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "__init__.py", "conftest.py", ".hidden.py", "study.ipynb", "study.executed.ipynb")
    assert names(tmp_path) == ["study.ipynb"]


def test_the_order_is_the_one_people_count_in(tmp_path: Path) -> None:
    write(tmp_path, "step10.py", "Step2.py", "step1.py", "10.sh", "9.sh", "a.py")
    assert names(tmp_path) == ["9.sh", "10.sh", "a.py", "step1.py", "Step2.py", "step10.py"]


def test_any_two_names_can_be_compared() -> None:
    mixed = ["1", "a", "1a", "a1", "", "²", "01", "1.5", "٣"]
    assert sorted(sorted(mixed, key=natural, reverse=True), key=natural) == sorted(mixed, key=natural)


@unix_only
def test_an_executable_with_a_first_line_is_a_script_and_a_bare_program_is_not(tmp_path: Path) -> None:
    write(tmp_path, "train", "plain", text="#!/usr/bin/env python3\n")
    write(tmp_path, "binary", text="\x7fELF")
    for name in ("train", "binary"):
        (tmp_path / name).chmod(0o755)
    assert names(tmp_path) == ["train"]


def test_folders_inside_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "inner.py").mkdir()
    write(tmp_path / "inner.py", "deep.py")
    write(tmp_path, "top.py")
    assert names(tmp_path) == ["top.py"]


@unix_only
def test_links_in_a_circle_pipes_and_dangling_links_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "gone.sh").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.py")
    write(tmp_path, "real.py")
    (tmp_path / "linked.py").symlink_to(tmp_path / "real.py")
    assert names(tmp_path) == ["linked.py", "real.py"]


@unix_only
def test_a_name_that_is_no_text_survives(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.py"
    with open(path, "wb"):
        pass
    assert [os.fsencode(script) for script in scripts_in(str(tmp_path)).scripts] == [path]


def test_there_is_a_limit_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path, *(f"{number}.py" for number in range(12)))
    found = scripts_in(str(tmp_path), most=10)
    assert (len(found.scripts), found.left_out) == (10, 2)
    assert os.path.basename(found.scripts[-1]) == "9.py"
    assert scripts_in(str(tmp_path)).left_out == 0


def test_a_folder_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    found = scripts_in(str(tmp_path / "missing"))
    assert found.error
    assert (found.scripts, found.name) == ((), "missing")
    assert scripts_in(str(tmp_path)).error is None


def test_files_and_folders_are_told_apart_and_each_counts_once(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, "a.py")
    write(tmp_path, "b.py")
    given = [str(tmp_path / "b.py"), str(folder), f"{folder}/", str(tmp_path / "missing.py"), str(tmp_path / "b.py")]
    dropped = look_at(given)
    assert dropped.files == (str(tmp_path / "b.py"), str(tmp_path / "missing.py"))
    assert [each.path for each in dropped.folders] == [str(folder)]
    assert dropped.folders[0].scripts == (str(folder / "a.py"),)

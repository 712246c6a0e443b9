"""How a submitted file is run: every kind of file, every kind of environment, each in real folders."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from submission.submitting import Desk
from tidegate.core.job import JobKind
from tidegate.submission.environments import load

NOTEBOOK = '{"cells": [{"cell_type": "code", "source": ["# tidegate: mem=3G\\n", "print(1)"]}]}'


def stored(desk: Desk, digest: str | None) -> dict[str, str]:
    assert digest is not None
    return load(desk.environments, digest)


@pytest.mark.parametrize("name", [".venv", "venv", "env"])
def test_python_of_a_venv_beside_the_script(desk: Desk, name: str) -> None:
    desk.has_programs("python3")
    folder = desk.venv(name)
    script = desk.file("train.py", "print(1)\n")
    job = desk.submit("train.py", "--epochs", "3")
    assert job.spec.command == (f"{folder}/bin/python", str(script), "--epochs", "3")
    assert job.spec.kind is JobKind.PYTHON
    assert job.spec.script == str(script)
    assert job.spec.name == "train.py"
    assert job.environment == f"{folder} (venv)"
    assert job.interpreter == f"{folder}/bin/python"
    environ = stored(desk, job.spec.environment)
    assert environ["VIRTUAL_ENV"] == str(folder)
    assert environ["PATH"] == f"{folder}/bin:{desk.programs}"


def test_python_of_a_venv_above_and_the_nearest_one_wins(desk: Desk) -> None:
    outer = desk.venv(".venv")
    desk.file("a/b/x.py", "pass\n")
    assert desk.submit("a/b/x.py").environment == f"{outer} (venv)"
    inner = desk.venv("a/venv")
    assert desk.submit("a/b/x.py").environment == f"{inner} (venv)"


def test_a_conda_folder(desk: Desk) -> None:
    desk.file("x.py", "pass\n")
    desk.file("env/conda-meta/history")
    python = desk.file("env/bin/python", "#!/bin/sh\n", run=True)
    job = desk.submit("x.py")
    assert job.spec.command[0] == str(python)
    assert job.environment == f"{desk.folder}/env (conda)"
    assert stored(desk, job.spec.environment)["CONDA_PREFIX"] == f"{desk.folder}/env"


@pytest.mark.parametrize(
    ("name", "text"), [("uv.lock", "version = 1\n"), ("pyproject.toml", "[tool.uv]\npackage = false\n")]
)
def test_a_uv_project_without_a_venv(desk: Desk, name: str, text: str) -> None:
    desk.has_programs("python3")
    desk.file(name, text)
    script = desk.file("sub/x.py", "pass\n")
    without = desk.submit("sub/x.py")
    assert without.spec.command[0] == f"{desk.programs}/python3"
    assert "uv is not on the PATH" in without.warnings[0]
    desk.has_programs("uv")
    job = desk.submit("sub/x.py", "1")
    command = (f"{desk.programs}/uv", "run", "--project", str(desk.folder), "python", str(script), "1")
    assert job.spec.command == command
    assert desk.submit("sub/x.py").warnings == ()


def test_a_pyproject_without_uv_is_no_uv_project(desk: Desk) -> None:
    desk.has_programs("python3", "uv")
    desk.file("pyproject.toml", "[tool.ruff]\n")
    desk.file("x.py", "pass\n")
    assert desk.submit("x.py").spec.command[0] == f"{desk.programs}/python3"
    desk.file("pyproject.toml", "this is not toml [")
    assert desk.submit("x.py").spec.command[0] == f"{desk.programs}/python3"


def test_a_broken_venv_is_said_and_passed_over(desk: Desk) -> None:
    desk.has_programs("python3")
    desk.venv(".venv", python=False)
    (desk.folder / ".venv/bin").mkdir()
    (desk.folder / ".venv/bin/python").symlink_to("/nowhere/python3")
    desk.file("x.py", "pass\n")
    job = desk.submit("x.py")
    assert job.spec.command[0] == f"{desk.programs}/python3"
    assert "is broken" in job.warnings[0]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give folders away")
def test_an_environment_of_another_user_is_not_trusted(desk: Desk) -> None:
    desk.has_programs("python3")
    folder = desk.venv(".venv")
    os.chown(folder, 12345, 12345)
    desk.file("x.py", "pass\n")
    job = desk.submit("x.py")
    assert job.spec.command[0] == f"{desk.programs}/python3"
    assert "belongs to another user" in job.warnings[0]


def test_order_without_a_project_environment(desk: Desk) -> None:
    """The active environment, the user's setting, the shebang, python3 on the PATH, our own."""
    desk.file("x.py", "#!/usr/bin/env python3.99\nprint(1)\n")
    desk.file("plain.py", "print(1)\n")
    own = desk.submit("plain.py")
    assert own.spec.command[0] == sys.executable
    assert "no python3 on the PATH" in own.warnings[0]
    desk.has_programs("python3")
    assert desk.submit("plain.py").spec.command[0] == f"{desk.programs}/python3"
    assert "python3.99" in desk.refused("x.py").sentence
    desk.has_programs("python3.99")
    assert desk.submit("x.py").spec.command[0] == f"{desk.programs}/python3.99"
    desk.has_programs("mypython")
    desk.python = "mypython"
    assert desk.submit("x.py").spec.command[0] == f"{desk.programs}/mypython"
    active = desk.venv("../elsewhere")
    desk.environ["VIRTUAL_ENV"] = str(active)
    job = desk.submit("x.py")
    assert job.spec.command[0] == f"{active}/bin/python"
    assert job.environment == f"{active} (venv, active when submitted)"
    beside = desk.venv(".venv")
    assert desk.submit("x.py").spec.command[0] == f"{beside}/bin/python"


def test_an_active_conda_environment(desk: Desk) -> None:
    desk.file("x.py", "pass\n")
    desk.file("../conda/bin/python", "#!/bin/sh\n", run=True)
    desk.environ["CONDA_PREFIX"] = str(desk.folder / "../conda")
    assert desk.submit("x.py").environment == f"{desk.folder}/../conda (conda, active when submitted)"


def test_a_python_shebang_keeps_its_options_and_a_generic_one_falls_back(desk: Desk) -> None:
    desk.has_programs("python3")
    desk.file("u.py", f"#!{desk.programs}/python3 -u\n")
    assert desk.submit("u.py").spec.command[:2] == (f"{desk.programs}/python3", "-u")
    desk.file("old.py", "#!/usr/local/nowhere/python\n")
    job = desk.submit("old.py")
    assert job.spec.command[0] == f"{desk.programs}/python3"
    assert "another Python is used" in job.warnings[0]


def test_a_uv_shebang_is_followed(desk: Desk) -> None:
    desk.has_programs("uv", "env")
    script = desk.file("x.py", f"#!{desk.programs}/env -S uv run --script\n# /// script\n")
    job = desk.submit("x.py")
    assert job.spec.command == (f"{desk.programs}/env", "-S uv run --script", str(script))
    assert job.spec.kind is JobKind.PYTHON


def test_the_users_python_setting_must_exist(desk: Desk) -> None:
    desk.file("x.py", "pass\n")
    desk.python = "/nowhere/python3"
    refused = desk.refused("x.py")
    assert refused.field == "python"
    assert "/nowhere/python3" in refused.sentence


@pytest.mark.parametrize(
    ("name", "program", "options"),
    [
        ("a.sh", "sh", ()),
        ("a.bash", "bash", ()),
        ("a.zsh", "zsh", ()),
        ("a.R", "Rscript", ()),
        ("a.jl", "julia", ()),
        ("a.js", "node", ()),
        ("a.ps1", "pwsh", ("-NoProfile", "-File")),
    ],
)
def test_interpreters_by_extension(desk: Desk, name: str, program: str, options: tuple[str, ...]) -> None:
    script = desk.file(name, "# nothing\n")
    refused = desk.refused(name)
    assert f"{name} is run with {program}" in refused.sentence
    assert not refused.usage
    desk.has_programs(program)
    job = desk.submit(name, "x", "y z")
    assert job.spec.command == (f"{desk.programs}/{program}", *options, str(script), "x", "y z")
    assert job.spec.kind is JobKind.OTHER


def test_shell_scripts_and_their_first_line(desk: Desk) -> None:
    desk.has_programs("sh", "bash", "node")
    plain = desk.file("a.sh", f"#!{desk.programs}/bash -e\necho\n")
    assert desk.submit("a.sh").spec.command == (f"{desk.programs}/bash", "-e", str(plain))
    other = desk.file("b.sh", f"#!{desk.programs}/node\n")
    assert desk.submit("b.sh").spec.command == (f"{desk.programs}/sh", str(other))
    other.chmod(0o755)
    assert desk.submit("b.sh").spec.command == (f"{desk.programs}/node", str(other))


def test_windows_line_ends_do_not_hide_the_interpreter(desk: Desk) -> None:
    desk.has_programs("bash")
    script = desk.file("a.sh", f"#!{desk.programs}/bash\r\necho\r\n")
    job = desk.submit("a.sh")
    assert job.spec.command == (f"{desk.programs}/bash", str(script))
    assert "Windows line ends" in job.warnings[0]


def test_files_with_a_first_line_and_no_extension(desk: Desk) -> None:
    desk.has_programs("perl", "python3")
    script = desk.file("tool", f"#!{desk.programs}/perl -w\n")
    assert desk.submit("tool").spec.command == (f"{desk.programs}/perl", "-w", str(script))
    desk.file("snake", f"#!{desk.programs}/python3\n")
    assert desk.submit("snake").spec.kind is JobKind.PYTHON
    desk.file("lost", "#!/nowhere/ruby\n")
    assert "asks to be run with /nowhere/ruby" in desk.refused("lost").sentence


def test_programs_are_run_as_they_are(desk: Desk) -> None:
    desk.has_programs("sh")
    binary = desk.file("solver", b"\x7fELF\0\0\0", run=True)
    assert desk.submit("./solver", "-n", "3").spec.command == (str(binary), "-n", "3")
    text = desk.file("steps", "echo 1\n", run=True)
    assert desk.submit("steps").spec.command == (f"{desk.programs}/sh", str(text))


def test_a_notebook_runs_in_the_found_environment_or_says_what_is_missing(desk: Desk) -> None:
    folder = desk.venv(".venv")
    desk.file("n.ipynb", NOTEBOOK)
    refused = desk.refused("n.ipynb")
    assert f"needs jupyter, which is not installed in {folder} (venv)" in refused.sentence
    assert f"{folder}/bin/python -m pip install nbconvert ipykernel" in refused.sentence
    jupyter = desk.file(".venv/bin/jupyter", "#!/bin/sh\n", run=True)
    job = desk.submit("n.ipynb")
    assert job.spec.kind is JobKind.NOTEBOOK
    assert job.spec.command[:5] == (str(jupyter), "nbconvert", "--to", "notebook", "--execute")
    assert job.spec.command[-1] == str(desk.folder / "n.ipynb")
    assert job.spec.memory_bytes == 3 << 30
    assert "n.executed.ipynb" in job.warnings[0]


def test_a_batch_file_needs_windows_and_safe_arguments(desk: Desk) -> None:
    desk.file("a.bat", "@echo off\r\nREM tidegate: mem=1G\r\necho hello\r\n")
    assert "no cmd.exe" in desk.refused("a.bat").sentence
    for argument in ("50%", "a^b", "a&b", "a|b", 'say "x"'):
        refused = desk.refused("a.bat", "fine", argument)
        assert refused.field == "args"
        assert "Argument 2" in refused.sentence
    desk.has_programs("cmd.exe")
    job = desk.submit("a.bat", "plain words")
    assert job.spec.command[1:] == ("/d", "/c", str(desk.folder / "a.bat"), "plain words")
    assert job.spec.memory_bytes == 1 << 30


def test_a_real_venv_really_runs_the_script(desk: Desk, tmp_path: Path) -> None:
    venv.create(desk.folder / ".venv", symlinks=True, with_pip=False)
    desk.file("where.py", "import sys; print(sys.prefix)\n")
    spec = desk.submit("where.py").spec
    done = subprocess.run(
        spec.command, cwd=spec.cwd, env=load(desk.environments, spec.environment or ""), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == str(desk.folder / ".venv")


def test_names_and_contents_that_are_no_utf8_survive(desk: Desk) -> None:
    desk.has_programs("python3")
    raw = os.fsencode(desk.folder) + b"/caf\xe9 \xff.py"
    with open(raw, "wb") as file:
        file.write(b"# \xe9\xff tidegate\n# tidegate: mem=2G name=\xe9\n")
    job = desk.submit(os.fsdecode(b"caf\xe9 \xff.py"), os.fsdecode(b"\xfe"))
    assert os.fsencode(job.spec.command[1]) == raw
    assert os.fsencode(job.spec.command[2]) == b"\xfe"
    assert job.spec.memory_bytes == 2 << 30
    assert job.spec.name == "\ufffd"


def test_programs_are_looked_for_as_the_job_would(desk: Desk) -> None:
    """Relative PATH entries count from the job's folder; without a PATH the system's default one counts."""
    desk.file("tools/tool", "#!/bin/sh\n", run=True)
    desk.environ["PATH"] = f"/nowhere:tools:{desk.programs}"
    assert desk.submit(command=("tool",)).warnings == ()
    desk.file("tools/plain", "no run bit\n")
    assert "There is no program plain" in desk.refused(command=("plain",)).sentence
    del desk.environ["PATH"]
    assert desk.submit(line="true").spec.command[0].endswith("/sh")

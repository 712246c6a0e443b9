"""What cannot be submitted or started: one clear sentence and the right exit code, never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.live import Live


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_missing_script(shared: Live, folder: Path) -> None:
    shared.cli("submit", str(folder / "missing.py")).refuses(1, "missing.py", "no")


def test_a_directory(shared: Live, folder: Path) -> None:
    shared.cli("submit", str(folder)).refuses(1, str(folder), "folder")


def test_a_binary_without_run_bit(shared: Live, folder: Path) -> None:
    binary = folder / "program"
    binary.write_bytes(Path("/bin/true").read_bytes())
    binary.chmod(0o644)
    shared.cli("submit", str(binary)).refuses(1, "program", "chmod +x")
    shared.cli("submit", "--", str(binary)).refuses(1, "program", "chmod +x")


def test_an_unknown_interpreter(shared: Live, folder: Path) -> None:
    script = folder / "job"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    shared.cli("submit", str(script)).refuses(1, "/no/such/interpreter")


def test_a_program_that_is_not_there(shared: Live) -> None:
    shared.cli("submit", "--", "no-such-program-anywhere").refuses(1, "no-such-program-anywhere")


def test_an_empty_command(shared: Live, folder: Path) -> None:
    shared.cli("submit").refuses(2, "missing")
    shared.cli("submit", "--").refuses(2, "missing")
    shared.cli("submit", "--", "").refuses(2, "command")
    empty = folder / "lines"
    empty.write_text("\n# nothing\n")
    shared.cli("submit", "--each-line", str(empty)).refuses(1, "no command")


def test_more_memory_than_the_machine_has(shared: Live) -> None:
    said = shared.cli("submit", "--mem", "900T", "--", "true").refuses(1, "900")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    numbers = [float(number) for number in re.findall(r"([0-9.]+) GB", said)]
    assert any(total * 0.5 < number <= total + 0.1 for number in numbers), said


def test_more_cores_than_the_machine_has(shared: Live) -> None:
    shared.cli("submit", "--cpus", "5000", "--", "true").refuses(1, "5000", str(os.cpu_count()))


def test_a_card_on_a_machine_without_one(shared: Live) -> None:
    if shared.cli("status", "--json").json["machine"]["cards"]:
        pytest.skip("this machine has a graphics card")
    shared.cli("submit", "--gpu", "1", "--", "true").refuses(1, "GPU", "no graphics card")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("mem", "lots"),
        ("mem", "8"),
        ("time", "soon"),
        ("priority", "12"),
        ("array", "5-1"),
        ("after", "x"),
        ("cpus", "-1"),
    ],
)
def test_values_that_cannot_be_understood_are_bad_usage(shared: Live, option: str, value: str) -> None:
    shared.cli("submit", f"--{option}={value}", "--", "true").refuses(2, option, value)


def test_a_dependency_that_does_not_exist(shared: Live) -> None:
    shared.cli("submit", "--after", "99999", "--", "true").refuses(1, "99999")


def test_one_bad_line_refuses_all_of_them(shared: Live, folder: Path) -> None:
    before = len(shared.cli("list", "--all", "--json").json["jobs"])
    shared.cli("submit", "--mem", "900T", "--each-line", "-", stdin=b"true\ntrue\n").refuses(1, "900")
    assert len(shared.cli("list", "--all", "--json").json["jobs"]) == before


def test_ids_that_do_not_exist(shared: Live) -> None:
    for verb in ("show", "why", "logs", "wait", "cancel", "kill", "pause", "resume", "hold", "release", "retry"):
        shared.cli(verb, "99999").refuses(127, "99999")
    shared.cli("show", "seven").refuses(2, "seven")


def test_a_folder_that_is_removed_before_the_job_starts(shared: Live, folder: Path) -> None:
    place = folder / "gone"
    place.mkdir()
    id = shared.cli("submit", "--hold", "--", "true", cwd=place).id
    place.rmdir()
    assert shared.cli("release", id).code == 0
    (job,) = shared.finished([id])
    assert (job["outcome"], job["exit_code"], job["signal"]) == ("failed", None, None)
    assert "gone' does not exist" in job["why"]
    shared.cli("wait", id).refuses(1, "gone' does not exist")
    assert shared.cli("wait", id, "--json").json["jobs"][0]["attempts"] == 1


def test_a_program_that_is_removed_before_the_job_starts(shared: Live, folder: Path) -> None:
    script = folder / "job.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    id = shared.cli("submit", "--hold", "--", str(script)).id
    script.unlink()
    shared.cli("release", id)
    shared.cli("wait", id).refuses(1, "job.sh")


def test_standing_in_a_removed_folder(shared: Live, folder: Path) -> None:
    place = folder / "gone"
    place.mkdir()
    line = f"cd {place} && rmdir {place} && exec {sys.executable} -m tidegate submit -- true"
    done = subprocess.run(["sh", "-c", line], env=shared.env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "removed" in done.stderr
    assert "Traceback" not in done.stderr

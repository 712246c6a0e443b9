"""The bundled demo scripts say about themselves what the demo relies on; the short ones are really run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from submission.submitting import MACHINE, NOW
from tidegate.submission.build import build
from tidegate.submission.request import SubmitRequest, Understood

DEMO = Path(__file__).parents[2] / "resources" / "demo"
NAMES = (
    "01_prime_search.py",
    "02_growing_table.py",
    "03_flaky_import.py",
    "04_chatty_log.sh",
    "05_big_model_a.py",
    "06_big_model_b.py",
    "07_urgent_report.py",
    "08_slurm_style.sh",
)


def understood(name: str, **options: str) -> Understood:
    request = SubmitRequest(script=name, cwd=str(DEMO), environment=dict(os.environ), options=options)
    [job] = build(request, MACHINE, python=None, now=NOW, environments_dir=None)
    return job


def test_the_demo_has_exactly_these_scripts() -> None:
    assert sorted(entry for entry in os.listdir(DEMO) if entry[0].isdigit()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_demo_script_is_understood_without_a_warning(name: str) -> None:
    job = understood(name)
    assert job.warnings == ()
    assert job.directives
    assert job.spec.name != name, "a demo job has a name of its own"


def test_what_the_demo_shows_is_asked_for_in_the_files() -> None:
    assert understood("07_urgent_report.py").spec.priority == 1
    slurm = understood("08_slurm_style.sh").spec
    assert (slurm.name, slurm.cores, slurm.memory_bytes, slurm.time_limit_s) == ("slurm-style", 1, 200 << 20, 300)
    assert slurm.slurm_names
    assert understood("05_big_model_a.py", mem="15G").spec.memory_bytes == 15 << 30


def test_the_one_that_fails_does_so_readably() -> None:
    done = subprocess.run(understood("03_flaky_import.py").spec.command, cwd=DEMO, capture_output=True, text=True)
    assert done.returncode == 3
    assert "ValueError: could not convert string to float" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("Nothing was imported.")

"""The benchmark program can measure everything it promises; how fast anything is, it does not judge here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.desktop import missing

ROOT = Path(__file__).resolve().parents[2]
WINDOW = (
    () if missing() else ("start -> tray icon", "start -> window", "longest stall", "window answers", "idle, tray only")
)


@pytest.mark.timeout(120)
def test_short_bench_gives_a_table_with_positive_figures(home: Path) -> None:
    written = home / "figures.json"
    environ = {name: value for name, value in os.environ.items() if name != "TIDEGATE_HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench", "--quick", "--json", str(written)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(written.read_text())["figures"]
    measured = {figure["measure"]: figure for figure in figures if figure["value"] is not None}
    assert all(figure["value"] > 0 for figure in measured.values()), measured
    for wanted in (
        "plan()",
        "look for conflicts",
        "look for hints",
        "first page of list",
        "`true` jobs",
        "simulator, cores only",
        "submit -> first",
        "CLI `submit`",
        "idle, serve",
        "sampler, ",
        *WINDOW,
    ):
        assert any(name.startswith(wanted) for name in measured), f"{wanted} was not measured: {figures}"
    for figure in figures:
        assert figure["measure"].strip() in done.stdout
        assert figure["verdict"] in done.stdout
        judged = figure["ratio"] if figure["by_ratio"] else figure["value"]
        if figure["budget"] is not None and judged is not None:
            kept = judged >= figure["budget"] if figure["at_least"] else judged <= figure["budget"]
            assert (figure["verdict"] == "within") is kept, figure


def test_unknown_measure_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench", "--only", "speed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no measure 'speed'" in done.stderr

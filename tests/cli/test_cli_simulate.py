"""``tidegate simulate``: tables and JSON without an engine, and what is said of files and words that make no sense."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from cli.conftest import program
from support.until import until
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.paths import Paths

HEADER = "job_id,submit_s,duration_s,cpus,mem_mib,gpus,user,app,priority,requested_s"
ROWS = [f"{number},{10 * number},100,1,512,,ada,train,5,120" for number in range(6)]


def workload(folder: Path, *rows: str) -> str:
    path = folder / "workload.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return str(path)


def test_json_has_the_measures_and_what_was_simulated(tidegate, tmp_path: Path) -> None:
    said = tidegate("simulate", workload(tmp_path, *ROWS, "bad,row"), "--cores", "2", "--mem", "8G", "--json")
    assert said.code == 0
    assert said.json["workload"] == "workload.csv"
    assert said.json["jobs_used"] == 6
    assert said.json["bad_rows"] == [{"line": 8, "reason": "it has 2 columns, and the header needs 10"}]
    assert said.json["machine"] == {"cores": 2, "memory_bytes": 8 * 2**30, "cards": []}
    [result] = said.json["results"]
    assert result["strategy"] == "priority_based"
    assert (result["jobs"], result["starts"], result["succeeded"], result["success_rate"]) == (6, 6, 6, 1.0)
    assert result["makespan_s"] == pytest.approx(310), "the last of each core's three ends 10 s after the other's"
    for name in ("mean_wait_s", "p95_wait_s", "mean_slowdown", "preemptions", "work_lost_core_s", "cores_used_pct"):
        assert isinstance(result[name], int | float), name
    assert "line 8 is left out" in said.err
    assert "6 of 7 jobs are used" in said.err


def test_cards_that_wait_for_cores_are_noticed_and_how_much_they_were_used_is_told(tidegate, tmp_path: Path) -> None:
    file = workload(tmp_path, *[f"{number},0,100,1,100,1,,,," for number in range(4)])
    said = tidegate("simulate", file, "--cores", "1", "--mem", "8G", "--gpus", "4")
    assert "The cards wait for cores: 100 % of the 1 core and 25 % of the cards are used" in said.err
    said = tidegate("simulate", file, "--cores", "8", "--mem", "8G", "--gpus", "4", "--json")
    assert "wait for cores" not in said.err
    assert said.json["results"][0]["cards_used_pct"] > 25
    assert tidegate("simulate", file, "--gpus", "0", "--json").json["results"][0]["cards_used_pct"] is None


def test_all_is_a_table_with_a_row_for_each_strategy(tidegate, tmp_path: Path) -> None:
    said = tidegate("simulate", workload(tmp_path, *ROWS), "--all", "--cores", "2", "--mem", "8G")
    heading, *lines = said.out.splitlines()
    assert said.code == 0
    assert heading.split()[:3] == ["STRATEGY", "STARTS", "OK"]
    assert [line.split()[0] for line in lines] == sorted(BUILT_IN)
    assert len({len(line) for line in (heading, *lines)}) == 1, "the last column is on the right"


def test_nothing_is_left_behind_and_no_engine_is_started(tidegate, paths: Paths, tmp_path: Path) -> None:
    before = sorted(path for path in paths.data_dir.parent.rglob("*") if path.is_file())
    assert tidegate("simulate", workload(tmp_path, *ROWS)).code == 0
    assert sorted(path for path in paths.data_dir.parent.rglob("*") if path.is_file()) == before


def test_exports_are_equal_byte_for_byte_and_differ_by_seed(tidegate, tmp_path: Path) -> None:
    file = workload(tmp_path, *ROWS)
    written = []
    for name, seed in (("one", "1"), ("again", "1"), ("other", "2")):
        target = tmp_path / name
        words = (
            "simulate",
            file,
            "--cores",
            "2",
            "--mem",
            "8G",
            "--jitter",
            "20",
            "--seed",
            seed,
            "--export",
            str(target),
        )
        assert tidegate(*words).code == 0
        written.append(target.read_bytes())
    one, again, other = written
    assert one == again
    assert one != other
    rows = [json.loads(line) for line in one.decode().splitlines()]
    assert rows[0]["seed"] == 1
    assert [row["job"] for row in rows[2:]] == [str(number) for number in range(6)]


def test_another_machine_lets_jobs_in_that_this_one_could_not(tidegate, tmp_path: Path) -> None:
    file = workload(tmp_path, "wide,0,50,512,,,,,,", "small,0,50,1,100,,,,,")
    said = tidegate("simulate", file, "--cores", "2", "--mem", "8G", "--json")
    assert (said.json["results"][0]["refused"], said.json["results"][0]["jobs"]) == (1, 1)
    assert "1 job could never run on this machine, like job wide: it asks for 512 cores" in said.err
    said = tidegate("simulate", file, "--cores", "1024", "--policy", "cores-only", "--json")
    assert said.json["results"][0]["refused"] == 0
    cards = workload(tmp_path, "train,0,50,1,100,2,,,,")
    assert tidegate("simulate", cards, "--gpus", "0", "--json").json["results"][0]["refused"] == 1
    assert tidegate("simulate", cards, "--gpus", "2", "--card-mem", "8G", "--json").json["results"][0]["succeeded"] == 1


def test_settings_of_this_home_are_the_policy(tidegate, paths: Paths, tmp_path: Path) -> None:
    paths.config_file.write_text("[queue]\nmax_workers = 1\n")
    said = tidegate("simulate", workload(tmp_path, *ROWS), "--cores", "4", "--mem", "8G", "--json")
    assert said.json["results"][0]["makespan_s"] == pytest.approx(600), said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "the usage is: tidegate simulate"),
        (("FILE", "--history"), "the usage is: tidegate simulate"),
        (("FILE", "--strategy", "priority_base"), "did you mean priority_based?"),
        (("FILE", "--strategy", "xyzzy"), "priority_based"),
        (("FILE", "--all", "--strategy", "priority_based"), "give one of the two"),
        (("FILE", "--cores", "0"), "whole number from 1 to"),
        (("FILE", "--cores", "many"), "whole number from 1 to"),
        (("FILE", "--seed", "-1"), "whole number from 0 to"),
        (("FILE", "--jitter", "99"), "whole number from 0 to 90"),
        (("FILE", "--mem", "lots"), "--mem"),
        (("FILE", "--policy", "none"), "it can be settings or cores-only"),
    ],
)
def test_words_that_make_no_sense_are_exit_2(tidegate, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    file = workload(tmp_path, *ROWS)
    said = tidegate("simulate", *(file if word == "FILE" else word for word in words))
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert len(said.err.splitlines()) == 1


def test_a_file_of_nonsense_is_exit_1_with_one_sentence(tidegate, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.csv"
    nonsense.write_bytes(bytes(range(256)) * 20)
    target = tmp_path / "export"
    for file in (str(nonsense), str(tmp_path), str(tmp_path / "missing"), workload(tmp_path, "1,x,5,,,,,,,")):
        said = tidegate("simulate", file, "--export", str(target))
        assert (said.code, said.out) == (1, "")
        assert len(said.err.splitlines()) == 1
    assert not target.exists()


def test_a_home_without_history_says_so(tidegate) -> None:
    said = tidegate("simulate", "--history")
    assert said.code == 1
    assert "no history to replay" in said.err


def test_an_export_that_cannot_be_written_is_said(tidegate, tmp_path: Path) -> None:
    said = tidegate("simulate", workload(tmp_path, *ROWS), "--export", str(tmp_path))
    assert said.code == 1
    assert "cannot be written" in said.err


def test_the_interrupt_key_ends_it_at_once(environ: dict[str, str], tmp_path: Path) -> None:
    rows = [f"{number},{number},900,1,64,,,,," for number in range(60_000)]
    with subprocess.Popen(
        program("simulate", workload(tmp_path, *rows), "--cores", "4", "--mem", "64G"),
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        until(lambda: _is_simulating(running.pid))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert out == ""
    assert "Traceback" not in err


def _is_simulating(pid: int) -> bool:
    """It has read its file: by then it has worked for a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK") > 1.0

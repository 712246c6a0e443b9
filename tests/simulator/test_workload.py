"""Workload files: what is read from good ones, what is said of bad rows, and how nonsense is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from support.world import World, a_job
from tidegate.core.resources import MIB, GpuRequest
from tidegate.journal.history import History
from tidegate.simulator import workload as workloads
from tidegate.simulator.workload import Workload, WorkloadRefused, read_csv, read_history

HEADER = "job_id,submit_s,duration_s,cpus,mem_mib,gpus,user,app,priority,requested_s"


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "workload.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def test_every_column_says_what_the_scheduler_knows_or_what_happens(tmp_path: Path) -> None:
    found = read_csv(written(tmp_path, "a,10,60,4,2048,0.5,ada,train,2,90"))
    [job] = found.jobs
    spec, behaviour = job.spec, job.behaviour
    assert (job.id, job.submit_s, found.name) == ("a", 0.0, "workload.csv")
    assert (spec.cores, spec.memory_bytes, spec.priority, spec.time_limit_s) == (4, 2048 * MIB, 2, 90)
    assert (spec.user, spec.name, spec.gpu) == ("ada", "train", GpuRequest(0.5))
    assert (behaviour.duration_s, behaviour.memory_bytes, behaviour.cores) == (60, 2048 * MIB, 4)
    assert behaviour.gpu_utilisation_pct == 50


def test_empty_cells_are_unknown_and_columns_go_by_their_names(tmp_path: Path) -> None:
    header = "status,duration_s,JOB_ID, submit_s,group"
    found = read_csv(written(tmp_path, "ok,5,1,100,7", "ok,6,2,98,7", "", header=header))
    assert [(job.id, job.submit_s, job.behaviour.duration_s) for job in found.jobs] == [("2", 0, 6), ("1", 2, 5)]
    spec = found.jobs[0].spec
    assert (spec.cores, spec.memory_bytes, spec.gpu, spec.time_limit_s, spec.user) == (None,) * 5
    assert spec.priority == 5
    assert found.bad_rows == ()


def test_runs_of_one_program_teach_each_other_and_unknown_programs_nobody(tmp_path: Path) -> None:
    found = read_csv(
        written(tmp_path, "1,0,1,,,,ada,train,,", "2,0,1,,,,ada,train,,", "3,0,1,,,,ada,-1,,", "4,0,1,,,,,,,")
    )
    keys = [(job.spec.cwd, job.spec.command) for job in found.jobs]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_gzip_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + f"{HEADER}\n1,0,5,,,,,,,\n".encode()))
    assert len(read_csv(path).jobs) == 1


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (",0,5,,,,,,,", "job_id is empty"),
        ("x,,5,,,,,,,", "submit_s is empty"),
        ("x,0,,,,,,,,", "duration_s is empty"),
        ("x,-1,5,,,,,,,", "submit_s is '-1'"),
        ("x,0,soon,,,,,,,", "duration_s is 'soon'"),
        ("x,0,nan,,,,,,,", "duration_s is 'nan'"),
        ("x,0,inf,,,,,,,", "duration_s is 'inf'"),
        ("x,0,5,0,,,,,,", "cpus is '0'"),
        ("x,0,5,,-3,,,,,", "mem_mib is '-3'"),
        ("x,0,5,,,1.5,,,,", "gpus is 1.5"),
        ("x,0,5,,,,,,10,", "priority is '10'"),
        ("x,0,5,,,,,,high,", "priority is 'high'"),
        ("x,0,5,,,,,,,0", "requested_s is '0'"),
        ("x,0", "it has 2 columns, and the header needs 10"),
        ("good,0,5,,,,,,,", "appears a second time"),
    ],
)
def test_a_bad_row_is_left_out_with_its_line_and_reason(tmp_path: Path, row: str, says: str) -> None:
    found = read_csv(written(tmp_path, "good,0,5,,,,,,,", "", row, "last,9,5,,,,,,,"))
    assert [job.id for job in found.jobs] == ["good", "last"]
    [bad] = found.bad_rows
    assert bad.line == 4
    assert says in bad.reason


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "lacks the column job_id"),
        (b"\n\n", "lacks the column job_id"),
        (b"id,when,long\n1,2,3\n", "lacks the column job_id"),
        (b"job_id,duration_s\n1,2\n", "lacks the column submit_s"),
        (f"{HEADER}\n".encode(), "there is no job in it"),
        (f"{HEADER}\nx,never,5,,,,,,,\n".encode(), "line 2: submit_s is 'never'"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", "not a text file"),
        (f"{HEADER}\n".encode() + b"\xff\xfe\xfd,1,2\n", "not a text file"),
        (gzip.compress(f"{HEADER}\n1,0,5,,,,,,,\n".encode(), mtime=0)[:-12], "damaged or cut off"),
        (b"\x1f\x8bnot gzip at all", "damaged or cut off"),
        (b"a" * 300_000, "not a text file"),
    ],
)
def test_what_is_no_workload_is_refused_in_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "nonsense.csv"
    path.write_bytes(content)
    with pytest.raises(WorkloadRefused) as refused:
        read_csv(path)
    sentence = str(refused.value)
    assert says in sentence
    assert sentence.startswith(str(path))
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_what_cannot_be_opened_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.csv", Path(os.devnull)):
        with pytest.raises(WorkloadRefused, match=r"it cannot be read|lacks the column"):
            read_csv(path)


def test_a_file_of_endless_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "MOST_ROWS", 3)
    with pytest.raises(WorkloadRefused, match="more than 3 jobs"):
        read_csv(written(tmp_path, "1,0,5,,,,,,,", "2,0,5,,,,,,,", "3,0,x,,,,,,,", "4,0,5,,,,,,,"))


# --- history -------------------------------------------------------------------------------------------------


def replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """What the journal of this world gives as a workload."""
    monkeypatch.setattr(workloads, "History", lambda _path: _Kept(world))
    return read_history(Path("unused"))


class _Kept(History):
    def __init__(self, world: World) -> None:
        self._world = world

    def finished(self, before: float | None = None, limit: int | None = None):  # type: ignore[no-untyped-def]
        return self._world.journal.finished(before, limit)

    def close(self) -> None:
        """Nothing is open."""


def test_history_replays_what_was_asked_for_and_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    [first] = world.submit(a_job().needing("2G").using("1G").on_cores(2).lasting(40).having(time_limit_s=600.0))
    world.advance(10)
    world.submit(a_job("later").lasting(5).having(begin_at=world.clock.now() + 30))
    world.submit(a_job("gone").having(held=True))
    world.advance(100)
    found = replayed(world, monkeypatch)
    assert [job.spec.name for job in found.jobs] == ["job", "later"]
    one, later = found.jobs
    assert (one.spec.memory_bytes, one.spec.cores, one.spec.time_limit_s) == (2048 * MIB, 2, 600)
    assert (one.behaviour.memory_bytes, one.behaviour.duration_s) == (1024 * MIB, pytest.approx(40))
    assert one.id == str(first)
    assert later.submit_s == pytest.approx(40), "it could not have started before its begin time"
    assert later.spec.begin_at is None


def test_history_counts_a_dependant_from_the_end_of_what_it_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.core.job import Dependency

    world = World()
    [first] = world.submit(a_job().lasting(50))
    world.submit(a_job("second").lasting(5).having(after=(Dependency(first),)))
    world.advance(100)
    assert [job.submit_s for job in replayed(world, monkeypatch).jobs] == [0, pytest.approx(50)]


def test_a_home_without_history_is_said(tmp_path: Path) -> None:
    with pytest.raises(WorkloadRefused, match="no history to replay"):
        read_history(tmp_path / "none.db")

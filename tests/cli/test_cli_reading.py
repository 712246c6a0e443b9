"""The verbs that look: list, show, why, status, journal, logs; their JSON, their words, their exit codes."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from support.fake_desk import FakeDesk, a_machine_view
from support.until import until
from tidegate.engine.views import AlertView, EstimateView, IntakeView, ProgramView, UsageView, WaitView

GIB = 1024**3
WAITS = (
    WaitView("memory", "It needs 8.0 GB, and 2.0 GB are free.", {"needed_bytes": 8.0 * GIB}),
    WaitView("begin", "It may not start before 22:00.", {}, time.time() + 3600),
)


def test_every_verb_that_reads_exits_3_and_says_how_to_start_an_engine(tidegate) -> None:
    for words in (["list"], ["show", "1"], ["why", "1"], ["logs", "1"], ["wait", "1"], ["status"], ["journal"], []):
        said = tidegate(*words)
        assert said.code == 3
        assert said.out == ""
        assert "No engine is running; start one with 'tidegate serve'" in said.err


def test_an_empty_list_says_what_to_do(tidegate, desk: FakeDesk) -> None:
    said = tidegate()
    assert (said.code, said.out) == (0, "")
    assert "tidegate submit SCRIPT" in said.err
    assert tidegate("list", "--json").json == {"jobs": []}


def test_the_list_shows_state_reasons_memory_and_times(tidegate, desk: FakeDesk) -> None:
    desk.add(waits=WAITS)
    desk.add(usage=UsageView(memory_bytes=GIB, reserved_bytes=4 * GIB))
    desk.start("2")
    desk.add(name="over")
    desk.finish("3", "failed", 3)
    said = tidegate("list")
    lines = said.out.splitlines()
    assert lines[0].split() == ["ID", "STATUS", "NAME", "WHY", "/", "PROGRESS", "MEMORY", "STARTED"]
    assert lines[1].startswith("2   running  job-2")
    assert "1 GB / 4 GB" in lines[1]
    assert "It needs 8.0 GB, and 2.0 GB are free. (and 1 more)" in lines[2]
    assert len(lines) == 3
    everything = tidegate("--all").out.splitlines()
    assert "failed with exit code 3" in everything[3]
    assert everything[0].endswith("ENDED")
    assert said.err == ""


def test_the_list_as_json_has_every_job_in_full(tidegate, desk: FakeDesk) -> None:
    desk.add_many(450)
    desk.add(waits=WAITS, estimate=EstimateView(GIB, "declared", 2.0))
    jobs = tidegate("list", "--json").json["jobs"]
    assert len(jobs) == 451
    wanted = "id index name status outcome exit_code signal priority queue command cwd labels submitted_at started_at"
    for field in [*wanted.split(), "finished_at", "attempts", "pid", "waits", "estimate", "usage"]:
        assert field in jobs[0]
    assert jobs[-1]["waits"][0]["code"] == "memory"


def test_a_long_list_is_cut_for_people_and_says_so(tidegate, desk: FakeDesk) -> None:
    desk.add_many(203)
    said = tidegate("list")
    assert len(said.out.splitlines()) == 201
    assert "3 more jobs not shown" in said.err
    assert len(tidegate("list", "--limit", "5").out.splitlines()) == 6
    assert tidegate("list", "--limit", "no").code == 2


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["99"], 127, "There is no job 99."),
        (["1.7"], 127, "There is no job 1.7."),
        (["@~9"], 127, "There are not 10 jobs yet."),
        (["x"], 2, "'x' is no job id"),
        (["7."], 2, "is no job id"),
        (["@."], 2, "is no job id"),
        (["@x.1"], 2, "is no job id"),
        (["7.3.1"], 2, "is no job id"),
        (["@~x"], 2, "is no job id"),
        (["\u0667"], 2, "is no job id"),
        ([], 2, "the usage is: tidegate show ID..."),
    ],
)
def test_ids_that_are_none(tidegate, desk: FakeDesk, words: list[str], code: int, sentence: str) -> None:
    desk.add()
    said = tidegate("show", *words)
    assert said.code == code
    assert sentence in said.err
    assert said.out == ""


def test_at_signs_mean_the_last_jobs(tidegate, desk: FakeDesk) -> None:
    for _ in range(3):
        desk.add()
    assert tidegate("show", "@", "--json").json["id"] == "3"
    assert tidegate("show", "@~1", "--json").json["id"] == "2"
    assert tidegate("show", "02", "--json").json["id"] == "2"


def test_show_is_one_object_and_several_are_a_list(tidegate, desk: FakeDesk) -> None:
    desk.add("1")
    desk.add("2.1")
    desk.add("2.2")
    assert tidegate("show", "1", "--json").json["name"] == "job-1"
    assert [job["id"] for job in tidegate("show", "2", "1", "--json").json["jobs"]] == ["2.1", "2.2", "1"]
    assert tidegate("show", "2.2", "--json").json["index"] == 2
    assert tidegate("show", "@.1", "--json").json["id"] == "2.1"
    assert tidegate("show", "@~1", "--json").json["id"] == "1"


def test_show_reads_as_a_block(tidegate, desk: FakeDesk) -> None:
    usage = UsageView(GIB, 2 * GIB, GIB, 1.5, 3, 61.0, {"0": 2 * GIB}, {"0": 47.0}, threads=12)
    desk.add(command=("python3", "a b.py"), labels=("x", "y"), usage=usage)
    desk.start("1")
    out = tidegate("show", "1").out
    for part in (
        "running",
        "python3 'a b.py'",
        "x, y",
        "1 GB of memory",
        "1.5 cores in 3 processes, 12 threads",
        "1 min 1 s of",
        "2 GB on card 0, 47 % of card 0",
    ):
        assert part in out
    assert tidegate("show", "1", "--json").json["usage"]["gpu_utilisation_pct"] == {"0": 47.0}
    desk.finish("1", "failed", None, 11)
    out = tidegate("show", "1").out
    assert "threads" not in out
    assert "died of signal 11" in out
    assert "Attempts" in out


def test_why_prints_every_reason_with_its_end(tidegate, desk: FakeDesk) -> None:
    desk.add(waits=WAITS)
    out = tidegate("why", "1").out
    assert out.startswith("Job 1 (job-1) is queued\n  It needs 8.0 GB, and 2.0 GB are free.\n  It may not start")
    assert "(may end at" in out
    found = tidegate("why", "1", "--json").json
    assert [wait["code"] for wait in found["waits"]] == ["memory", "begin"]
    desk.start("1")
    desk.finish("1")
    assert tidegate("why", "1").out == "Job 1 (job-1) has ended: succeeded\n"


def test_status_in_words_and_as_json(tidegate, desk: FakeDesk) -> None:
    desk.add()
    desk.set_status(
        mode="HIGH",
        mode_causes=("memory 86 % is over its high line of 85 %",),
        machine=a_machine_view(largest_others=(ProgramView("firefox", 3 * GIB), ProgramView("python3 foo.py", GIB))),
        intake=IntakeView(False, time.time() + 60, False, False, "paused by you"),
        warnings=("no D-Bus",),
        journal_error="The disk is full.",
        alerts=(AlertView("GPUHighTemperature", 0, 1000.0, "GPU 0 is hot: 83 °C, over the line of 80 °C.", "warning"),),
    )
    said = tidegate("status")
    for part in (
        "HIGH since",
        "memory 86 % is over its high line",
        "12 GB of 32 GB used (38 %)",
        "lines at 85 % and 92 %",
        "Others   most memory: firefox 3 GB, python3 foo.py 1 GB",
        "25 % of 8 cores",
        "RTX 3090: 10 % busy",
        "1 queued",
        "paused until",
        "(paused by you)",
        "Alert    warning since",
        "GPU 0 is hot: 83 °C, over the line of 80 °C.",
        "The disk is full.",
    ):
        assert part in said.out
    assert "warning: no D-Bus" in said.err
    found = tidegate("status", "--json").json
    assert {"mode", "machine", "counts", "strategy", "version", "uptime_s"} <= set(found)


def test_unknown_readings_are_said_to_be_unknown(tidegate, desk: FakeDesk) -> None:
    machine = desk.status().machine
    blank = {name: None for name in machine.__dataclass_fields__ if getattr(machine, name) is not None}
    kept = {"memory_reserved_bytes": 0, "cards": (), "per_core_pct": ()}
    desk.set_status(machine=type(machine)(**{**blank, **dict.fromkeys(machine.__dataclass_fields__), **kept}))
    said = tidegate("status")
    assert said.code == 0
    assert said.out.count("not read yet") == 2


def test_the_journal_in_lines_by_job_and_since(tidegate, desk: FakeDesk) -> None:
    desk.add()
    desk.tick("mode", "The mode became HIGH.")
    desk.tick("started", "Job 1 started.", "1")
    said = tidegate("journal")
    assert [line.split("  ")[-1].strip() for line in said.out.splitlines()] == [
        "The mode became HIGH.",
        "Job 1 started.",
    ]
    assert tidegate("journal", "--job", "@").out.count("\n") == 1
    assert tidegate("journal", "--since", "2h", "--json").json["ticks"][0]["kind"] == "mode"
    later = tidegate("journal", "--since", str(time.time() + 100))
    assert (later.out, later.code) == ("", 0)
    assert "nothing to show" in later.err
    assert tidegate("journal", "--since", "yesterday-ish").code == 2
    assert tidegate("journal", "--limit", "0").code == 2


def test_logs_come_byte_for_byte(tidegate, desk: FakeDesk) -> None:
    desk.add()
    desk.start("1")
    text = "".join(f"line {number}\n" for number in range(30_000)) + "caf\udce9 no end"
    desk.write_log("1", text.encode("utf-8", "surrogateescape"))
    assert tidegate("logs", "1").out == text
    assert tidegate("logs", "1", "-n", "3").out == "line 29998\nline 29999\ncaf\udce9 no end"
    assert tidegate("logs", "1", "-n0").out == ""
    assert tidegate("logs", "@", "-n", "20000").out == "\n".join(text.split("\n")[-20000:])
    assert tidegate("logs", "1", "-n", "99999").out == text
    assert tidegate("logs", "1", "-n", "x").code == 2
    assert tidegate("logs", "1", "--attempt", "4").code == 127
    assert tidegate("logs", "2").code == 127


def test_logs_as_json_and_what_a_capped_log_dropped(tidegate, desk: FakeDesk) -> None:
    desk.add()
    desk.start("1")
    desk.write_log("1", b"head\n" + b"x" * 5000 + b"\ntail\n")
    desk.drop_log("1", 5, 5006)
    assert tidegate("logs", "1").out == "head\n[tidegate: 4.9 KB of output dropped here]\ntail\n"
    found = tidegate("logs", "1", "--json").json
    assert found["dropped"] == [5, 5006]
    assert found["text"].endswith("tail\n")
    assert tidegate("logs", "1", "-n", "1").out == "tail\n"
    assert "tail\n" in tidegate("logs", "1", "-n", "5").out


def test_following_a_log_ends_with_the_job(tidegate, desk: FakeDesk) -> None:
    desk.add()
    desk.start("1")
    desk.write_log("1", b"all\n")
    desk.finish("1")
    said = tidegate("logs", "1", "-f")
    assert (said.code, said.out) == (0, "all\n")


def test_the_logs_of_an_array_come_one_after_another(tidegate, desk: FakeDesk) -> None:
    for id in ("1.1", "1.2"):
        desk.add(id)
        desk.write_log(id, f"{id} says\n".encode())
    said = tidegate("logs", "1")
    assert said.out == "1.1 says\n1.2 says\n"
    assert said.err == "tidegate: job 1.1 wrote:\ntidegate: job 1.2 wrote:\n"
    assert tidegate("logs", "1", "-f").code == 2
    assert tidegate("logs", "@.2").out == "1.2 says\n"


def test_following_goes_on_with_the_next_attempt_and_says_so_beside_the_output(real, desk: FakeDesk) -> None:
    desk.add()
    desk.start("1")
    desk.write_log("1", b"a first log that is longer\n")
    told = threading.Thread(target=lambda: found.append(real("logs", "1", "-f")))
    found: list[Any] = []
    told.start()
    until(lambda: desk.log_reads)
    desk.write_log("1", b"last words\n")
    desk.end_log("1", 1)
    desk.change("1", attempts=2)
    desk.write_log("1", b"new\n", attempt=2)
    reads = desk.log_reads
    until(lambda: desk.log_reads > reads + 3)
    desk.end_log("1", 2)
    desk.finish("1")
    told.join(30)
    [said] = found
    assert (said.code, said.out) == (0, "a first log that is longer\nlast words\nnew\n")
    assert "job 1 runs again: attempt 2" in said.err


def test_the_json_names_the_attempt_and_an_unknown_one_is_refused(tidegate, desk: FakeDesk) -> None:
    desk.add(attempts=2)
    desk.write_log("1", b"x", attempt=2)
    assert tidegate("logs", "1", "--json").json["attempt"] == 2
    assert tidegate("logs", "1", "--json", "--attempt", "1").json["attempt"] == 1
    assert tidegate("logs", "1", "--attempt", "5").code == 127

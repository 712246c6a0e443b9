"""The verbs on real jobs: output and exit codes pass through, waiting tells how it went, pausing really pauses."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from support.live import Live, alive, environment_of, look
from support.until import until

UNTIL = "until [ -e {} ]; do sleep 0.05; done"


def states(pids: list[int]) -> list[str]:
    return [process.state if process is not None else "gone" for process in map(look, pids)]


# --- run ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 3, 124, 127, 255])
def test_run_passes_the_exit_code_and_the_output_through(shared: Live, code: int) -> None:
    said = shared.cli("run", "--", "sh", "-c", f"printf 'out\\n\\000\\377'; echo err >&2; exit {code}")
    assert said.code == code
    assert said.out == "out\n\0\udcff" + "err\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_run_of_a_job_that_dies_of_a_signal(shared: Live, number: int) -> None:
    said = shared.cli("run", "--", "sh", "-c", f"kill -{number} $$")
    assert said.code == 128 + number
    assert f"signal {int(number)}" in said.err


def test_run_shows_output_while_the_job_runs_and_survives_a_replaced_engine(live: Live) -> None:
    live.start()
    flag = live.home / "go"
    running = live.begin("run", "--", "sh", "-c", f"echo before; {UNTIL.format(flag)}; echo after; exit 9")
    assert running.stdout is not None
    assert running.stdout.readline() == b"before\n"
    live.kill()
    started = time.monotonic()
    until(lambda: time.monotonic() - started > 1)  # an engine is away for a moment; run looks for one for 30 s
    live.start()
    flag.touch()
    assert running.stdout.read() == b"after\n"
    assert running.wait(30) == 9


def test_run_of_a_job_that_ends_while_no_engine_is_there(live: Live) -> None:
    live.start()
    flag = live.home / "go"
    running = live.begin("run", "--", "sh", "-c", f"echo before; {UNTIL.format(flag)}; echo after; exit 9")
    assert running.stdout is not None
    assert running.stdout.readline() == b"before\n"
    pid = live.pid_of("1")
    live.kill()
    flag.touch()
    until(lambda: not alive(pid))
    live.start()
    assert running.stdout.read() == b"after\n"
    assert running.wait(30) == 9


def test_ctrl_c_at_run_cancels_the_job(shared: Live) -> None:
    running = shared.begin("run", "--name", "interrupted", "--", "sh", "-c", "echo here; sleep 300")
    assert running.stdout is not None
    assert running.stdout.readline() == b"here\n"
    running.send_signal(signal.SIGINT)
    assert running.wait(10) == 130
    (job,) = [job for job in shared.cli("list", "--all", "--json").json["jobs"] if job["name"] == "interrupted"]
    assert job["outcome"] == "cancelled"


def test_run_of_a_large_output_is_byte_for_byte(shared: Live) -> None:
    said = shared.cli("run", "--", "sh", "-c", "yes 0123456789abcde | head -c 5000000")
    assert len(said.out) == 5_000_000
    assert said.out == ("0123456789abcde\n" * 312_500)[:5_000_000]


# --- wait ---------------------------------------------------------------------------------------------------------


def test_wait_tells_by_its_exit_code_how_it_went(shared: Live) -> None:
    long = shared.cli("submit", "--mem", "16M", "--", "sleep", "300").id
    assert shared.cli("wait", long, "--timeout", "0.3").code == 124
    assert shared.status_of(long) == "running"
    after = shared.cli("submit", "--mem", "16M", "--after", long, "--", "true").id
    shared.cli("cancel", long)
    assert shared.cli("wait", long).code == 125
    assert shared.cli("wait", after).code == 126
    assert shared.cli("wait", "99999").code == 127
    good = shared.cli("submit", "--", "true").id
    bad = shared.cli("submit", "--", "sh", "-c", "exit 42").id
    assert shared.cli("wait", good).code == 0
    assert shared.cli("wait", bad).code == 42
    assert shared.cli("wait", good, bad, long).code == 42
    assert shared.cli("wait", good, long, bad).code == 125
    killed = shared.cli("submit", "--mem", "16M", "--", "sleep", "300").id
    shared.pid_of(killed)
    assert shared.cli("kill", killed).code == 0
    assert shared.job(killed)["outcome"] == "killed"
    assert shared.cli("wait", killed).code == 125
    assert shared.cli("submit", "--wait", "--", "sh", "-c", "exit 5").code == 5


def test_wait_for_the_next_one(shared: Live) -> None:
    slow = shared.submit("sleep", "300")
    quick = shared.submit("sh", "-c", "sleep 0.2; exit 3")
    said = shared.cli("wait", "--next", slow, quick)
    assert (said.code, said.out) == (3, f"{quick}\n")
    shared.cli("kill", slow)


def test_a_time_limit_ends_the_job(shared: Live) -> None:
    id = shared.submit("sh", "-c", "sleep 300 & wait", time="1s")
    (job,) = shared.finished([id])
    assert job["outcome"] == "timed_out"
    assert 0.9 <= job["finished_at"] - job["started_at"] < 4
    assert shared.cli("wait", id).code == 125
    shared.leaves_nothing_behind()


def test_a_time_limit_counts_running_time_and_not_paused_time(shared: Live) -> None:
    id = shared.submit("sleep", "300", time="1s")
    shared.pid_of(id)
    assert shared.cli("pause", id).code == 0
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.6)
    assert shared.status_of(id) == "paused"
    assert shared.cli("resume", id).code == 0
    (job,) = shared.finished([id])
    assert job["outcome"] == "timed_out"
    assert job["finished_at"] - job["started_at"] > 2.4


# --- pause ----------------------------------------------------------------------------------------------------------


def test_pause_stops_every_process_of_the_job_and_answers_when_it_is_so(shared: Live) -> None:
    pids_file = shared.home / "pids"
    busy = "while :; do :; done"
    line = f"sh -c '{busy}' & a=$!; setsid sh -c '{busy}' & b=$!; echo $$ $a $b > {pids_file}.new; "
    id = shared.submit("sh", "-c", f"{line} mv {pids_file}.new {pids_file}; wait")
    until(pids_file.exists)
    pids = [int(word) for word in pids_file.read_text().split()]
    said = shared.cli("pause", id)
    assert states(pids) == ["T"] * 3
    assert said.code == 0
    assert shared.status_of(id) == "paused"
    assert shared.cli("resume", id).code == 0
    assert "T" not in states(pids)
    assert shared.cli("kill", id).code == 0
    assert states(pids) in (["gone"] * 3, [*["gone"] * 2, "Z"], ["Z", *["gone"] * 2])
    shared.leaves_nothing_behind()


def test_pausing_the_queue_freezes_what_runs_and_starts_nothing(shared: Live) -> None:
    running = shared.submit("sleep", "300")
    pid = shared.pid_of(running)
    assert shared.cli("pause").code == 0
    assert states([pid]) == ["T"]
    waiting = shared.submit("true")
    assert shared.status_of(waiting) == "queued"
    assert "paused" in shared.cli("why", waiting).out
    assert shared.cli("resume").code == 0
    assert shared.finished([waiting])[0]["outcome"] == "succeeded"
    assert states([pid]) == ["S"]
    shared.cli("kill", running)


def test_a_paused_job_can_be_cancelled_and_killed(shared: Live) -> None:
    ids = [shared.submit("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done") for _ in range(2)]
    for id in ids:
        shared.pid_of(id)
    assert shared.cli("pause", *ids).code == 0
    assert shared.cli("cancel", ids[0]).code == 0
    assert shared.cli("kill", ids[1]).code == 0
    assert [job["outcome"] for job in shared.finished(ids)] == ["cancelled", "killed"]
    shared.leaves_nothing_behind()


# --- when and what ----------------------------------------------------------------------------------------------------


def test_a_begin_time_holds_the_job_back(shared: Live) -> None:
    before = time.time()
    id = shared.cli("submit", "--begin", "now+1s", "--", "true").id
    assert shared.status_of(id) == "queued"
    assert shared.job(id)["waits"][0]["until"] == pytest.approx(before + 1, abs=0.8)
    (job,) = shared.finished([id])
    assert 1 <= job["started_at"] - before < 4


def test_an_array_runs_each_element_so_many_at_a_time(shared: Live) -> None:
    diary = shared.home / "array"
    line = f"echo + >> {diary}; sleep 0.3; echo $TIDEGATE_ARRAY_INDEX; echo - >> {diary}; exit $TIDEGATE_ARRAY_INDEX"
    id = shared.cli("submit", "--mem", "16M", "--cpus", "0.1", "--array", "0-5%2", "--", "sh", "-c", line).id
    assert shared.cli("wait", id).code == 1
    jobs = shared.client.get(f"/jobs/{id}")["jobs"]
    assert [(job["id"], job["index"], job["exit_code"]) for job in jobs] == [(f"{id}.{i}", i, i) for i in range(6)]
    assert [shared.log_of(f"{id}.{i}").read_text() for i in range(6)] == [f"{i}\n" for i in range(6)]
    running = most = 0
    for sign in diary.read_text().split():
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert most == 2
    assert shared.cli("wait", f"{id}.3").code == 3


def test_dependencies_of_every_kind(shared: Live) -> None:
    good = shared.submit("sh", "-c", "sleep 0.3")
    bad = shared.submit("sh", "-c", "sleep 0.3; exit 1")
    wants = {
        "ok:good": shared.submit("true", after=good),
        "any:bad": shared.submit("true", after=f"any:{bad}"),
        "failed:bad": shared.submit("true", after=f"failed:{bad}"),
        "ok:bad": shared.submit("true", after=bad),
        "failed:good": shared.submit("true", after=f"failed:{good}"),
    }
    chain = shared.submit("true", after=wants["ok:bad"])
    jobs = dict(zip(wants, shared.finished(list(wants.values())), strict=True))
    assert {name: job["outcome"] for name, job in jobs.items()} == {
        "ok:good": "succeeded",
        "any:bad": "succeeded",
        "failed:bad": "succeeded",
        "ok:bad": "skipped",
        "failed:good": "skipped",
    }
    assert jobs["ok:good"]["started_at"] >= shared.job(good)["finished_at"]
    assert shared.finished([chain])[0]["outcome"] == "skipped"
    assert shared.job(chain)["attempts"] == 0


def test_retries_run_a_failing_job_again_until_it_succeeds(shared: Live) -> None:
    diary = shared.home / "tries"
    id = shared.submit("sh", "-c", f"echo x >> {diary}; [ $(wc -l < {diary}) -ge 3 ]", retries="5")
    (job,) = shared.finished([id])
    assert (job["outcome"], job["attempts"], job["exit_code"]) == ("succeeded", 3, 0)
    assert [attempt["exit_code"] for attempt in job["attempt_list"]] == [1, 1, 0]


def test_a_job_knows_who_it_is(shared: Live) -> None:
    id = shared.submit("env")
    shared.finished([id])
    lines = shared.log_of(id).read_text().splitlines()
    assert f"TIDEGATE_JOB_ID={id}" in lines
    assert "TIDEGATE_ATTEMPT=1" in lines


def test_priority_decides_who_is_next(live: Live) -> None:
    live.start("--set", "max_workers=1")
    first = live.submit("sleep", "0.4")
    late = live.submit("true", priority="7")
    urgent = live.submit("true", priority="1")
    jobs = live.finished([first, late, urgent])
    started = {job["id"]: job["started_at"] for job in jobs}
    assert started[first] < started[urgent] < started[late]


def test_a_job_may_use_tidegate_itself(shared: Live) -> None:
    """Submitting from a job is ordinary; the jobs are not taken for one another."""
    outer = shared.cli("run", "--", "sh", "-c", "exec " + own_program("submit", "--", "sleep", "300"))
    assert outer.code == 0, outer
    inner = outer.out.strip()
    pid = shared.pid_of(inner)
    own = [name for name in environment_of(pid) if name.startswith(b"TIDEGATE_RUN_TOKEN=")]
    assert len(own) == 1
    until(lambda: [process.pid for process in shared.strays()] == [pid])
    assert shared.status_of(inner) == "running"
    shared.cli("kill", inner)


def own_program(*words: str) -> str:
    return " ".join([sys.executable, "-m", "tidegate", *words])


def test_logs_of_a_running_and_of_an_ended_job(shared: Live) -> None:
    flag = shared.home / "logs-go"
    id = shared.submit("sh", "-c", f"seq 1 100; {UNTIL.format(flag)}; echo the end")
    until(lambda: shared.log_of(id).exists() and shared.log_of(id).read_text().endswith("100\n"))
    assert shared.cli("logs", id, "-n", "2").out == "99\n100\n"
    following = shared.begin("logs", "-f", "-n", "1", id)
    assert following.stdout is not None
    assert following.stdout.readline() == b"100\n"
    flag.touch()
    assert following.stdout.read() == b"the end\n"
    assert following.wait(10) == 0
    assert Path(shared.job(id)["log_path"]) == shared.log_of(id)

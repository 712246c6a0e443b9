"""``kill -9`` of the engine at any moment: nothing that was accepted is lost, and nothing runs twice."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from support.live import Live, live_home
from support.until import until
from tidegate.api.client import ApiError, NoEngine

CLIENTS = 50
EACH = 20


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def has_lines(path: Path, count: int) -> bool:
    return len(lines_of(path)) >= count


@pytest.mark.parametrize("seed", [1, 2])
def test_60_jobs_over_three_kills_run_exactly_once_and_keep_their_codes(seed: int) -> None:
    draw = random.Random(seed)
    with live_home(max_workers="6") as live:
        live.start()
        durations = [draw.uniform(0.05, 0.8) for _ in range(60)]
        codes = [draw.choice([0, 0, draw.randrange(1, 256)]) for _ in range(60)]
        files = [live.home / f"diary-{number}" for number in range(60)]
        ids = live.submit_all(
            ("sh", "-c", f"echo start >> {file}; sleep {duration:.3f}; echo end >> {file}; exit {code}")
            for file, duration, code in zip(files, durations, codes, strict=True)
        )
        for ended in sorted(draw.sample(range(5, 45), 3)):
            until(partial(have_ended, files, ended), 60)
            _let_pass(draw.uniform(0.0, 0.2))
            live.kill()
            _let_pass(draw.uniform(0.0, 0.6))
            live.start()
        jobs = live.finished(ids, 60)
        assert [lines_of(file) for file in files] == [["start", "end"]] * 60
        assert [(job["outcome"], job["exit_code"]) for job in jobs] == [
            ("failed" if code else "succeeded", code) for code in codes
        ]
        assert {job["attempts"] for job in jobs} == {1}
        live.leaves_nothing_behind()


def have_ended(files: list[Path], count: int) -> bool:
    return sum(len(lines_of(file)) == 2 for file in files) >= count


def _let_pass(seconds: float) -> None:
    """A kill at a moment that nobody chose: time is what this test is about."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, seconds + 5)


def test_a_kill_while_jobs_start_and_end_by_the_hundred_loses_and_repeats_nothing(engine: Live) -> None:
    """Some were just about to start: the keeper, or the next one when it has left since, knows that they did not."""
    diary = engine.home / "diary"
    ids = engine.submit_all((("sh", "-c", f"echo $TIDEGATE_JOB_ID >> {diary}"),) * 400)
    for share in (50, 150, 250):
        until(partial(has_lines, diary, share), 30, step_s=0.001)
        engine.kill()
        if share > 100:
            until(lambda: not engine.keepers(), 10)
        engine.start()
    jobs = engine.finished(ids, 60)
    counted = Counter(lines_of(diary))
    assert {job["id"]: (job["outcome"], counted[job["id"]]) for job in jobs} == dict.fromkeys(ids, ("succeeded", 1))


def test_a_keeper_and_an_engine_that_die_together_lose_no_job(engine: Live) -> None:
    """What the dead keeper ran is found again; how it ends is unknown then, which is said, and it is not run twice."""
    diary, flag = engine.home / "diary", engine.home / "go"
    long = engine.submit(
        "sh", "-c", f"echo once >> {diary}; until [ -e {flag} ]; do sleep 0.05; done; echo end >> {diary}"
    )
    waiting = engine.submit("true", after=f"any:{long}")
    held = engine.submit("true", hold="yes")
    until(lambda: lines_of(diary) == ["once"])
    (keeper,) = engine.keepers()
    os.kill(keeper, signal.SIGKILL)
    engine.kill()
    engine.start()
    assert engine.status_of(long) == "running"
    flag.touch()
    (job,) = engine.finished([long])
    assert job["outcome"] == "lost"
    assert "cannot be known" in job["why"]
    assert lines_of(diary) == ["once", "end"]
    assert engine.finished([waiting])[0]["outcome"] == "succeeded"
    assert engine.status_of(held) == "held"
    engine.expected_errors = ("lost",)


def test_a_keeper_that_dies_alone_is_replaced_and_its_jobs_are_found_again(engine: Live) -> None:
    diary, flag = engine.home / "diary", engine.home / "go"
    long = engine.submit(
        "sh", "-c", f"echo once >> {diary}; until [ -e {flag} ]; do sleep 0.05; done; echo end >> {diary}"
    )
    until(lambda: lines_of(diary) == ["once"])
    (keeper,) = engine.keepers()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: engine.keepers() and engine.keepers() != [keeper])
    assert engine.cli("run", "--", "sh", "-c", "exit 3").code == 3
    assert engine.status_of(long) == "running"
    flag.touch()
    assert engine.finished([long])[0]["outcome"] == "lost"
    assert lines_of(diary) == ["once", "end"]
    engine.expected_errors = ("helper", "lost")


def test_a_cancelled_job_is_cancelled_even_when_keeper_and_engine_die_before_its_end(engine: Live) -> None:
    id = engine.submit("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    until(lambda: engine.log_of(id).exists() and engine.log_of(id).read_bytes() == b"deaf\n")
    (keeper,) = engine.keepers()
    assert engine.client.act("cancel", [id])[0]["answer"] == "done"
    until(lambda: engine.status_of(id) == "stopping")
    os.kill(keeper, signal.SIGKILL)
    engine.kill()
    engine.start()
    (job,) = engine.finished([id])
    assert (job["outcome"], job["attempts"]) == ("cancelled", 1)
    engine.leaves_nothing_behind()
    engine.expected_errors = ("lost",)


def test_1000_submits_from_50_clients_survive_a_kill_right_after_the_last_answer(engine: Live) -> None:
    answers: list[str] = []
    failures: list[Exception] = []
    port, token = engine.endpoint["port"], engine.paths.token_file.read_text().strip()
    gate = threading.Barrier(CLIENTS)

    def over_tcp(body: dict[str, object]) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/jobs", json.dumps(body), headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, said
        return str(said["jobs"][0]["id"])

    def submit(client: int) -> None:
        try:
            gate.wait(30)
            for number in range(EACH):
                command = ["sh", "-c", f"exit {number}"]
                options = {"hold": "yes", "name": f"c{client}-{number}"}
                if client % 5:
                    id = engine.client.submit([{"command": command}], environment={"PATH": "/bin"}, options=options)
                    answers.append(str(id[0]["id"]))
                else:
                    jobs = [{"command": command}]
                    answers.append(over_tcp({"jobs": jobs, "options": options, "cwd": "/", "environment": {}}))
        except (AssertionError, ApiError, NoEngine, OSError, threading.BrokenBarrierError) as error:
            failures.append(error)

    threads = [threading.Thread(target=submit, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    engine.kill()
    assert failures == []
    assert len(answers) == CLIENTS * EACH
    assert len(set(answers)) == CLIENTS * EACH
    engine.start()
    jobs = engine.client.get("/jobs", all=1)["jobs"]
    assert {job["id"] for job in jobs} == set(answers)
    assert {job["status"] for job in jobs} == {"held"}
    assert {job["name"] for job in jobs} == {f"c{c}-{n}" for c in range(CLIENTS) for n in range(EACH)}
    assert len(engine.cli("list", "--json").json["jobs"]) == CLIENTS * EACH


def test_a_stale_lock_and_socket_do_not_hinder_the_next_engine(engine: Live) -> None:
    engine.kill()
    assert engine.paths.socket.exists()
    assert json.loads(engine.paths.lock_file.read_text())["pid"] == engine.pid
    assert engine.cli("list").code == 3
    engine.start()
    assert engine.cli("run", "--", "sh", "-c", "exit 4").code == 4


def test_a_paused_job_stays_paused_over_a_kill_and_resumes(engine: Live) -> None:
    flag = engine.home / "go"
    id = engine.submit("sh", "-c", f"until [ -e {flag} ]; do sleep 0.05; done; exit 6")
    pid = engine.pid_of(id)
    assert engine.cli("pause", id).code == 0
    engine.restart()
    assert engine.status_of(id) == "paused"
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    flag.touch()
    assert engine.cli("resume", id).code == 0
    assert engine.finished([id])[0]["exit_code"] == 6


def test_a_paused_queue_stays_paused_over_a_kill(engine: Live) -> None:
    assert engine.cli("pause").code == 0
    id = engine.submit("true")
    engine.restart()
    assert engine.status_of(id) == "queued"
    assert engine.cli("resume").code == 0
    assert engine.finished([id])[0]["outcome"] == "succeeded"

"""200 real jobs of every kind end as they should, and nothing of them is left."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.live import Live, live_home
from support.until import until

CAP = 8 << 20
DAEMON = """
import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("daemon", os.getpid(), flush=True)
        while True: signal.pause()
    os._exit(0)
os.wait()
"""


@dataclass(frozen=True)
class Kind:
    """Jobs of one kind and how each must end."""

    command: tuple[str, ...]
    outcome: str = "succeeded"
    code: int | None = 0
    signal: int | None = None
    act: str | None = None


def shell(text: str) -> tuple[str, ...]:
    return ("sh", "-c", text)


def python(code: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code, *words)


DEATHS = (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM)
DEAF = shell("trap '' TERM HUP INT; echo deaf; while :; do sleep 0.2; done")
KINDS = (
    *[Kind(("true",))] * 60,
    *[Kind(shell(f"exit {code}"), "failed", code) for code in (*range(1, 31), 127, 128, 130, 137, 143, 255)],
    *[Kind(shell(f"kill -{n} $$; sleep 9"), "failed", None, n) for n in DEATHS for _ in range(4)],
    # Children that are waited for, children that are left behind, grandchildren in sessions of their own.
    *[Kind(shell("for i in 1 2 3; do sleep 0.1 & done; wait; exit 3"), "failed", 3)] * 10,
    *[Kind(shell("sleep 300 & sleep 300 & exit 4"), "failed", 4)] * 8,
    *[Kind(shell("(trap '' TERM; sleep 300) & exit 0"))] * 4,
    *[Kind(shell("setsid sleep 300 & exit 0"))] * 8,
    *[Kind(python(DAEMON))] * 6,
    *[Kind(python(DAEMON, "deaf"))] * 4,
    *[Kind(("sleep", f"{2 + 0.05 * i}")) for i in range(20)],
    *[Kind(DEAF, "cancelled", None, signal.SIGKILL, "cancel")] * 5,
    *[Kind(DEAF, "killed", None, signal.SIGKILL, "kill")] * 5,
    *[Kind(("sleep", "300"), "cancelled", None, signal.SIGTERM, "cancel")] * 4,
    *[Kind(shell("exec >/dev/null 2>&1; sleep 300 & setsid sleep 300"), "killed", None, signal.SIGKILL, "kill")] * 2,
    *[Kind(shell("exec /no/such/program"), "failed", 127)] * 2,
    *[Kind(shell("yes 0123456789 | head -c 200000000; echo the end; exit 5"), "failed", 5)] * 2,
)


def test_200_mixed_jobs_end_as_they_should() -> None:
    assert len(KINDS) == 200
    with live_home(max_workers="24", job_log_cap="8M", kill_timeout="1") as live:
        live.start()
        ids = live.submit_all((kind.command for kind in KINDS), cpus="0.05")
        assert ids == [str(number) for number in range(1, 201)]
        acted = [(id, kind.act) for id, kind in zip(ids, KINDS, strict=True) if kind.act is not None]
        for id, act in acted:
            until(partial(may_be_ended, live, id), 60)
            assert [result["answer"] for result in live.client.act(act, [id])] == ["done"]
        jobs = live.finished(ids, 60)
        wrong = [
            (job["id"], kind, job["outcome"], job["exit_code"], job["signal"], job["why"])
            for job, kind in zip(jobs, KINDS, strict=True)
            if (job["outcome"], job["exit_code"], job["signal"]) != (kind.outcome, kind.code, kind.signal)
        ]
        assert wrong == []
        assert all(job["attempts"] == 1 for job in jobs)
        live.leaves_nothing_behind(10)
        daemons = [line for id in ids for line in first_line(live.log_of(id)) if line.startswith(b"daemon")]
        assert len(daemons) == 10
        for id in ids[-2:]:
            log = live.log_of(id)
            assert log.stat().st_size == 200_000_000 + len("the end\n")
            assert log.stat().st_blocks * 512 <= CAP
            said = live.cli("logs", id).out
            assert said.startswith("0123456789\n")
            assert said.endswith("the end\n")
            assert "[" in said[CAP // 4 : CAP // 4 + 200]
            assert len(said) < CAP


def may_be_ended(live: Live, id: str) -> bool:
    """It runs, and ignores TERM already if it is of that kind."""
    if KINDS[int(id) - 1].command is not DEAF:
        return live.status_of(id) == "running"
    log = live.log_of(id)
    return log.exists() and log.read_bytes() == b"deaf\n"


def first_line(log: Path) -> list[bytes]:
    with log.open("rb") as stream:
        return stream.read(100).splitlines()[:1]

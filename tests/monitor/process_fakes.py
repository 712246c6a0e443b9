"""A process table made by hand, and real process trees to measure, for the monitor's tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable

import psutil

from tidegate.core.job import RunRef
from tidegate.monitor.process_table import LocalRoot, ProcessRow

MIB = 1024**2


def row(
    pid: int,
    parent: int = 1,
    *,
    session: int | None = None,
    start: float = 10.0,
    own: float = 0.0,
    children: float = 0.0,
    resident: int = MIB,
    zombie: bool = False,
    threads: int = 1,
) -> ProcessRow:
    return ProcessRow(pid, parent, session or pid, start, own, children, resident, zombie, threads)


class FakeTable:
    """Rows as the test sets them. The app's own process is always there and idle."""

    def __init__(self, *rows: ProcessRow) -> None:
        self.time = 100.0
        self.shares: dict[int, int | None] = {}
        self.tokens: dict[int, str] = {}
        self.looks: list[int] = []
        self.token_looks: list[int] = []
        self.passes = 0
        self.present: dict[int, ProcessRow] = {}
        self.set(*rows)

    def set(self, *rows: ProcessRow) -> None:
        own = row(os.getpid(), start=1.0)
        self.present = {one.pid: one for one in (own, *rows)}

    def now(self) -> float:
        return self.time

    def rows(self) -> dict[int, ProcessRow]:
        self.passes += 1
        return dict(self.present)

    def row(self, pid: int) -> ProcessRow | None:
        return self.present.get(pid)

    def is_root(self, row: ProcessRow, root: LocalRoot) -> bool:
        return row.pid == root.pid and row.start == root.create_time

    def proportional_bytes(self, pid: int) -> int | None:
        self.looks.append(pid)
        return self.shares.get(pid, self.present[pid].resident_bytes if pid in self.present else 0)

    def run_token(self, pid: int) -> str | None:
        self.token_looks.append(pid)
        return self.tokens.get(pid)


def fake_run(token: str, root: ProcessRow) -> RunRef:
    return RunRef(token, f"boot:{root.pid}:{root.start!r}")


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


class RealTree:
    """A real job: Python code in a session of its own. It says "ready" when it is set up and ends with its stdin."""

    def __init__(
        self,
        code: str,
        environment: dict[str, str] | None = None,
        called: str = sys.executable,
        cwd: str | None = None,
        executable: str | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [called, "-I", "-S", "-c", code],
            executable=executable,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        assert self.process.stdout
        self.said = self.process.stdout.readline().decode().split()
        assert self.said[0] == "ready"

    @property
    def pid(self) -> int:
        return self.process.pid

    def run(self, token: str = "t") -> RunRef:
        created = psutil.Process(self.pid).create_time()
        return RunRef(token, f"{boot_id()}:{self.pid}:{created!r}")

    def tell(self) -> None:
        """One line to the process."""
        assert self.process.stdin
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def end(self, others: Iterable[int] = ()) -> None:
        """Kill the session's processes that this test knows, and wait for the first."""
        for pid in (self.pid, *others):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(timeout=10)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()

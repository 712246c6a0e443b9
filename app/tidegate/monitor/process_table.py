"""One pass over this machine's processes: the rows that job trees are made of (/proc on Linux, psutil elsewhere)."""

from __future__ import annotations

import os
import sys
import time
from typing import NamedTuple, Protocol

import psutil

from tidegate.core.job import RunRef
from tidegate.monitor.kernel_files import read_some


class ProcessRow(NamedTuple):
    """One process at one moment. ``start`` is in seconds on the table's own clock and never changes.

    ``children_s`` is the CPU time of descendants that ended and were waited for.
    """

    pid: int
    parent: int
    session: int
    start: float
    own_s: float
    children_s: float
    resident_bytes: int
    zombie: bool
    threads: int = 1


class LocalRoot(NamedTuple):
    """The first process of a run, as its identity names it."""

    boot_id: str
    pid: int
    create_time: float


class ProcessTable(Protocol):
    """Where rows come from."""

    def now(self) -> float:
        """The present moment on the clock in which ``ProcessRow.start`` is measured."""

    def rows(self) -> dict[int, ProcessRow]:
        """All processes that can be seen, by pid."""

    def row(self, pid: int) -> ProcessRow | None:
        """One process; None when it is gone."""

    def is_root(self, row: ProcessRow, root: LocalRoot) -> bool:
        """True when this row is the very process that the identity names, not a later one with its pid."""

    def proportional_bytes(self, pid: int) -> int | None:
        """Memory with shared pages divided among those who share them; None when unreadable, 0 when gone."""

    def run_token(self, pid: int) -> str | None:
        """The token of the run that started this process, from its environment; None when it has none."""


def parse_identity(run: RunRef) -> LocalRoot | None:
    """``"<boot_id>:<pid>:<create_time>"`` taken apart; None for a run that is not a local process."""
    if run.identity is None:
        return None
    parts = run.identity.rsplit(":", 2)
    try:
        return LocalRoot(parts[0], int(parts[1]), float(parts[2]))
    except (IndexError, ValueError):
        return None


# The boot time moves a little when the clock is slewed; no pid comes round again within this many seconds.
CREATE_TIME_TOLERANCE_S = 2.0

TOKEN_VARIABLE = "TIDEGATE_RUN_TOKEN"  # set by the helper in every job's environment
_TOKEN_PREFIX = f"{TOKEN_VARIABLE}=".encode()


class LinuxTable:
    """Reads /proc with bare system calls: about 10 microseconds a process."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._boot_id = self._read_boot_id()
        self._has_rollup = os.path.exists(f"{proc}/self/smaps_rollup")

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def rows(self) -> dict[int, ProcessRow]:
        found = {}
        for name in os.listdir(self._proc):
            if name[0] in "123456789":
                row = self._parse(f"{self._proc}/{name}/stat")
                if row is not None:
                    found[row.pid] = row
        return found

    def row(self, pid: int) -> ProcessRow | None:
        return self._parse(f"{self._proc}/{pid}/stat")

    def is_root(self, row: ProcessRow, root: LocalRoot) -> bool:
        if row.pid != root.pid or (self._boot_id is not None and root.boot_id != self._boot_id):
            return False
        return bool(abs(psutil.boot_time() + row.start - root.create_time) <= CREATE_TIME_TOLERANCE_S)

    def proportional_bytes(self, pid: int) -> int | None:
        if not self._has_rollup:
            return None
        try:
            data = read_some(f"{self._proc}/{pid}/smaps_rollup", 2048)
        except (FileNotFoundError, ProcessLookupError):
            return 0
        except OSError:
            return None
        at = data.find(b"\nPss:")
        # A zombie has no memory map any more: the file is empty.
        return int(data[at + 5 : data.index(b"kB", at)]) * 1024 if at >= 0 else 0

    def run_token(self, pid: int) -> str | None:
        try:
            with open(f"{self._proc}/{pid}/environ", "rb", buffering=0) as file:
                variables = file.read()
        except OSError:
            return None
        for variable in variables.split(b"\0"):
            if variable.startswith(_TOKEN_PREFIX):
                return variable[len(_TOKEN_PREFIX) :].decode("ascii", "replace")
        return None

    def _parse(self, path: str) -> ProcessRow | None:
        """proc(5), the fields after the parenthesised name, which may itself hold blanks and parentheses."""
        try:
            data = read_some(path, 1024)
        except OSError:
            return None
        end = data.rfind(b")")
        fields = data[end + 2 :].split(None, 22)
        if len(fields) < 22:
            return None
        tick_s = self._tick_s
        return ProcessRow(
            int(data[: data.index(b" ")]),
            int(fields[1]),
            int(fields[3]),
            int(fields[19]) * tick_s,
            (int(fields[11]) + int(fields[12])) * tick_s,
            (int(fields[13]) + int(fields[14])) * tick_s,
            int(fields[21]) * self._page_bytes,
            fields[0] in (b"Z", b"X"),
            int(fields[17]),
        )

    def _read_boot_id(self) -> str | None:
        try:
            return read_some(f"{self._proc}/sys/kernel/random/boot_id", 64).decode("ascii").strip() or None
        except OSError:
            return None


class PortableTable:
    """The same through psutil, for systems without /proc. Without PSS the unique set stands for it."""

    def now(self) -> float:
        return time.time()

    def rows(self) -> dict[int, ProcessRow]:
        return {row.pid: row for process in psutil.process_iter() if (row := self._row(process)) is not None}

    def row(self, pid: int) -> ProcessRow | None:
        try:
            return self._row(psutil.Process(pid))
        except psutil.Error:
            return None

    def is_root(self, row: ProcessRow, root: LocalRoot) -> bool:
        return row.pid == root.pid and abs(row.start - root.create_time) <= CREATE_TIME_TOLERANCE_S

    def proportional_bytes(self, pid: int) -> int | None:
        try:
            memory = psutil.Process(pid).memory_full_info()
        except psutil.NoSuchProcess:
            return 0
        except psutil.Error:
            return None
        return int(getattr(memory, "pss", None) or memory.uss)

    def run_token(self, pid: int) -> str | None:
        try:
            found = psutil.Process(pid).environ().get(TOKEN_VARIABLE)
        except psutil.Error:
            return None
        return str(found) if found is not None else None

    def _row(self, process: psutil.Process) -> ProcessRow | None:
        try:
            with process.oneshot():
                times = process.cpu_times()
                return ProcessRow(
                    process.pid,
                    process.ppid(),
                    _session(process.pid),
                    process.create_time(),
                    times.user + times.system,
                    getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0),
                    process.memory_info().rss,
                    process.status() == psutil.STATUS_ZOMBIE,
                    process.num_threads(),
                )
        except psutil.Error:
            return None


def _session(pid: int) -> int:
    """The session a process belongs to; its own pid where there are no sessions (then it joins no tree by it)."""
    try:
        return os.getsid(pid) if hasattr(os, "getsid") else pid
    except OSError:
        return pid


def open_process_table() -> ProcessTable:
    """The table of this platform."""
    return LinuxTable() if sys.platform == "linux" else PortableTable()

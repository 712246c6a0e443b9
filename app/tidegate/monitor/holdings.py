"""What one process has in its hands: files open for writing, ports it listens on, the environment it runs from."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import psutil

from tidegate.core.job import Touches
from tidegate.monitor.environments import environment_of, is_python, mapped_environments
from tidegate.monitor.kernel_files import listening_ports
from tidegate.monitor.process_table import ProcessRow

MOST_WRITES = 64  # of one run
MOST_HANDLES = 4096  # of one process; the others are not looked at
MOST_MAPS_BYTES = 256 * 1024
HANDLES_A_STEP = 32
NO_FILES = ("/dev/", "/proc/", "/sys/")
DELETED = " (deleted)"  # as the kernel marks a file without a name, temporary ones among them


@dataclass(slots=True)
class Found:
    """What the processes of one run hold together, as it is gathered."""

    writes: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    appends: set[str] = field(default_factory=set)

    def touches(self) -> Touches:
        return Touches(
            tuple(sorted(self.writes)),
            tuple(sorted(self.ports)),
            tuple(sorted(self.environments)),
            tuple(sorted(self.appends)),
        )


class Holdings(Protocol):
    """One way to find out, per platform; what cannot be found out stays empty."""

    def new_round(self) -> None:
        """What is read for all processes together, and remembered of them, starts anew."""

    def look(self, row: ProcessRow, found: Found) -> Iterator[None]:
        """Add what this process holds to ``found``, in small steps. A process that is gone holds nothing."""


class LinuxHoldings:
    """Reads /proc: about 60 microseconds for a small process. ``own_folder`` holds the logs we write for jobs."""

    def __init__(self, own_folder: str | None = None, proc: str = "/proc") -> None:
        self._own = os.path.join(os.path.realpath(own_folder), "") if own_folder is not None else None
        self._proc = proc
        self._ports: Mapping[int, int] | None = None
        self._known: dict[tuple[int, float], tuple[str, str, str | None]] = {}
        self._known_before = self._known

    def new_round(self) -> None:
        self._ports = None
        self._known_before, self._known = self._known, {}

    def look(self, row: ProcessRow, found: Found) -> Iterator[None]:
        try:
            with os.scandir(f"{self._proc}/{row.pid}/fd") as handles:
                for place, handle in enumerate(handles):
                    if place >= MOST_HANDLES:
                        break
                    if place % HANDLES_A_STEP == HANDLES_A_STEP - 1:
                        yield
                    self._look_at_handle(handle, found)
        except OSError:
            return
        found.environments |= self._environments(row)
        yield

    def _look_at_handle(self, handle: os.DirEntry[str], found: Found) -> None:
        try:
            target = os.readlink(handle.path)
            if target.startswith("socket:["):
                port = self._listening().get(int(target[8:-1]))
                if port is not None:
                    found.ports.add(port)
            elif len(found.writes) < MOST_WRITES and self._may_be_output(target) and _is_written(handle):
                (found.appends if _is_appended(handle) else found.writes).add(target)
        except OSError:
            return

    def _may_be_output(self, path: str) -> bool:
        ours = self._own is not None and path.startswith(self._own)
        return path.startswith("/") and not (path.startswith(NO_FILES) or path.endswith(DELETED) or ours)

    def _listening(self) -> Mapping[int, int]:
        """Our own network's ports by socket: a container's are its own and collide with nobody's."""
        if self._ports is None:
            self._ports = listening_ports(self._proc)
        return self._ports

    def _environments(self, row: ProcessRow) -> set[str]:
        executable = self._link(row.pid, "exe")
        if executable is None or not is_python(executable):
            return set()
        called = os.fsdecode(self._read(row.pid, "cmdline", 4096).partition(b"\0")[0])
        key = (row.pid, row.start)
        known = self._known_before.get(key)
        if known is None or known[:2] != (executable, called):
            found = environment_of(
                executable, called, lambda: self._link(row.pid, "cwd"), lambda: self._variables(row.pid)
            )
            known = (executable, called, found)
        self._known[key] = known
        if known[2] is not None:
            return {known[2]}
        return mapped_environments(self._read(row.pid, "maps", MOST_MAPS_BYTES))

    def _variables(self, pid: int) -> dict[str, str]:
        pairs = (line.partition(b"=") for line in self._read(pid, "environ", MOST_MAPS_BYTES).split(b"\0"))
        return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}

    def _link(self, pid: int, name: str) -> str | None:
        try:
            return os.readlink(f"{self._proc}/{pid}/{name}")
        except OSError:
            return None

    def _read(self, pid: int, name: str, most: int) -> bytes:
        """The kernel gives these files in pieces of a page or so."""
        try:
            with open(f"{self._proc}/{pid}/{name}", "rb", buffering=0) as file:
                data = b""
                while len(data) < most and (piece := file.read(most - len(data))):
                    data += piece
                return data
        except OSError:
            return b""


def _is_written(handle: os.DirEntry[str]) -> bool:
    """A regular file with something in it, open for writing only: the link's own permissions say how it was opened
    (proc_pid_fd(5)). Both ways are how databases and locks are opened, and an empty file is a lock of the shell's."""
    if handle.stat(follow_symlinks=False).st_mode & (stat.S_IWUSR | stat.S_IRUSR) != stat.S_IWUSR:
        return False
    file = handle.stat()
    return stat.S_ISREG(file.st_mode) and file.st_size > 0


def _is_appended(handle: os.DirEntry[str]) -> bool:
    with open(f"{os.path.dirname(os.path.dirname(handle.path))}/fdinfo/{handle.name}", "rb") as file:
        flags = next((line for line in file if line.startswith(b"flags:")), b"flags: 0")
    return bool(int(flags.split()[1], 8) & os.O_APPEND)


class PortableHoldings:
    """Ports and environments through psutil; files open for writing cannot be told from others there."""

    def new_round(self) -> None:
        return

    def look(self, row: ProcessRow, found: Found) -> Iterator[None]:
        try:
            process = psutil.Process(row.pid)
            connections = process.net_connections("tcp")
            found.ports |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
            yield
            executable = process.exe()
            if is_python(executable):
                environment = environment_of(executable, (process.cmdline() or [""])[0], process.cwd, process.environ)
                if environment is not None:
                    found.environments.add(environment)
        except (psutil.Error, OSError):
            return
        yield


def open_holdings(own_folder: str | None = None) -> Holdings:
    """The holdings of this platform."""
    return LinuxHoldings(own_folder) if sys.platform == "linux" else PortableHoldings()

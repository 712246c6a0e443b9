"""Which other programs use the most memory, as a person would call them: named when jobs wait for memory."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

import psutil

from tidegate.core.machine import OtherProgram
from tidegate.core.resources import MIB
from tidegate.monitor.kernel_files import read_some
from tidegate.monitor.process_table import ProcessTable

REFRESH_S = 15.0
TOLD = 3
NAMED = 256  # of the largest processes; what is smaller makes no program one of the largest
LOOKED_INTO = 6  # programs whose shared memory is told apart: a few more than told, as their order may change
LARGE_BYTES = 64 * MIB
STEP = 32
NAME_LENGTH = 60

_INTERPRETER = re.compile(r"(python|pypy|perl|ruby|lua|node|nodejs|java|php|julia|Rscript|R|sh|bash|dash|zsh)[\d.]*$")
_CODE = re.compile(r"-[a-zA-Z]*[ce]$")
_WITH_VALUE = {"-W", "-X", "-cp", "-classpath", "--class-path", "-p", "--module-path", "-r", "--require"}


class ProcessSize(NamedTuple):
    """Bytes in memory, and how many of them are of files and shared memory, which others may count too."""

    pid: int
    resident_bytes: int
    shared_bytes: int


class Programs(Protocol):
    """Sizes and names of processes, per platform."""

    def sizes(self) -> Iterator[ProcessSize]:
        """All processes that can be seen, one by one."""

    def name(self, pid: int) -> str | None:
        """The program this process runs, as ``program_name`` says it; None when it is gone."""


class OtherPrograms:
    """``latest`` has the largest programs found last, largest first; read by any thread."""

    def __init__(self, table: ProcessTable, programs: Programs) -> None:
        self._table = table
        self._programs = programs
        self.latest: tuple[OtherProgram, ...] = ()

    def look(self, ours: Collection[int]) -> Iterator[None]:
        """One look at all processes but ``ours`` (pids), in small steps."""
        sizes = []
        for place, size in enumerate(self._programs.sizes()):
            if size.resident_bytes > 0 and size.pid not in ours:
                sizes.append(size)
            if place % STEP == 0:
                yield
        sizes.sort(key=lambda size: -size.resident_bytes)
        groups: dict[str, list[ProcessSize]] = {}
        for size in sizes[:NAMED]:
            name = self._programs.name(size.pid)
            if name is not None:
                groups.setdefault(name, []).append(size)
            yield
        found = []
        for name in sorted(groups, key=lambda name: -together_bytes(groups[name]))[:LOOKED_INTO]:
            total = together_bytes(groups[name])
            if len(groups[name]) > 1:
                # What forked processes still share counts in each of them.
                for size in groups[name]:
                    total -= self._counted_twice(size)
                    yield
            found.append(OtherProgram(name, max(0, total)))
        self.latest = tuple(sorted(found, key=lambda program: -program.memory_bytes)[:TOLD])

    def _counted_twice(self, size: ProcessSize) -> int:
        """Bytes by which this process's own part is smaller than it seems; 0 where that cannot be read or is little."""
        own = size.resident_bytes - size.shared_bytes
        proportional = self._table.proportional_bytes(size.pid) if own >= LARGE_BYTES else None
        return max(0, own - proportional) if proportional is not None else 0


def together_bytes(sizes: Iterable[ProcessSize]) -> int:
    """What processes of one program use together: what each has for itself, and once what they are likely to share."""
    sizes = list(sizes)
    return sum(size.resident_bytes - size.shared_bytes for size in sizes) + max(size.shared_bytes for size in sizes)


def program_name(executable: str | None, arguments: list[str], title: str) -> str:
    """``firefox``, ``python3 train.py``: the file that runs (``title`` where it is not ours to see), and its script.

    A browser's processes have titles and arguments of their own, so those are not asked.
    """
    name = os.path.basename((executable or "").removesuffix(" (deleted)")) or title
    if _INTERPRETER.match(name):
        called = os.path.basename(arguments[0].lstrip("-")) if arguments else name
        name = " ".join(filter(None, (called if _INTERPRETER.match(called) else name, _script(arguments[1:]))))
    return name[:NAME_LENGTH].encode("utf-8", "replace").decode("utf-8")


def _script(arguments: list[str]) -> str | None:
    """What an interpreter was asked to run: ``train.py``, ``-m module``; None for a line of code or nothing."""
    following = iter(arguments)
    for argument in following:
        if _CODE.match(argument):
            return None
        if argument == "-m":
            return f"-m {next(following, '')}".strip()
        if argument in _WITH_VALUE:
            next(following, None)
        elif not argument.startswith("-") and argument:
            return None if argument.startswith("/dev/") else os.path.basename(argument)
    return None


class LinuxPrograms:
    """Reads /proc: about 6 microseconds for a size, 30 for a name."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def sizes(self) -> Iterator[ProcessSize]:
        for name in os.listdir(self._proc):
            if name[0] in "123456789":
                try:
                    fields = read_some(f"{self._proc}/{name}/statm", 128).split(None, 3)
                    resident, shared = int(fields[1]) * self._page_bytes, int(fields[2]) * self._page_bytes
                except (OSError, IndexError):
                    continue
                yield ProcessSize(int(name), resident, min(resident, shared))

    def name(self, pid: int) -> str | None:
        try:
            title = os.fsdecode(read_some(f"{self._proc}/{pid}/comm", 64)).rstrip("\n")
            arguments = os.fsdecode(read_some(f"{self._proc}/{pid}/cmdline", 4096)).rstrip("\0").split("\0")
        except OSError:
            return None
        try:
            executable = os.readlink(f"{self._proc}/{pid}/exe")
        except OSError:
            executable = None
        return program_name(executable, arguments, title)


class PortablePrograms:
    """The same through psutil, which does not tell shared memory apart everywhere."""

    def sizes(self) -> Iterator[ProcessSize]:
        for process in psutil.process_iter():
            try:
                memory = process.memory_info()
            except (psutil.Error, OSError):
                continue
            yield ProcessSize(process.pid, memory.rss, min(memory.rss, getattr(memory, "shared", 0)))

    def name(self, pid: int) -> str | None:
        try:
            process = psutil.Process(pid)
            title = str(process.name())
        except (psutil.Error, OSError):
            return None
        try:
            return program_name(process.exe(), process.cmdline(), title)
        except (psutil.Error, OSError):
            return title


def open_programs() -> Programs:
    """The programs of this platform."""
    return LinuxPrograms() if sys.platform == "linux" else PortablePrograms()

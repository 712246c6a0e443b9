"""Which other programs use the most memory, and what they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from process_fakes import MIB, FakeTable, RealTree

from tidegate.core.machine import OtherProgram
from tidegate.monitor.other_programs import (
    NAME_LENGTH,
    LinuxPrograms,
    OtherPrograms,
    PortablePrograms,
    ProcessSize,
    Programs,
    program_name,
)
from tidegate.monitor.process_table import LinuxTable


class FakePrograms:
    def __init__(self, *processes: tuple[str | None, int, int]) -> None:
        """(name, MiB in memory, MiB of them shared), with pids from 100 on."""
        self._processes = {100 + place: process for place, process in enumerate(processes)}

    def sizes(self) -> Iterator[ProcessSize]:
        for pid, (_, resident, shared) in self._processes.items():
            yield ProcessSize(pid, resident * MIB, shared * MIB)

    def name(self, pid: int) -> str | None:
        return self._processes[pid][0]


def largest(*processes: tuple[str | None, int, int], ours: set[int] = frozenset(), **shares: int | None):
    table = FakeTable()
    table.shares = {int(pid[1:]): None if share is None else share * MIB for pid, share in shares.items()}
    others = OtherPrograms(table, FakePrograms(*processes))
    for _ in others.look(ours):
        pass
    return [(program.name, program.memory_bytes // MIB) for program in others.latest]


def test_processes_of_one_program_count_together_and_three_programs_are_told() -> None:
    programs = [("code", 500, 0), ("firefox", 400, 0), ("sh", 1, 0), ("Xorg", 90, 0), ("firefox", 300, 0)]
    assert largest(*programs, p101=None, p104=None) == [("firefox", 700), ("code", 500), ("Xorg", 90)]
    assert largest(*programs, p101=None)[0] == ("code", 500), "one of its two ended meanwhile"


def test_what_a_programs_processes_share_counts_once() -> None:
    assert largest(("firefox", 200, 150), ("firefox", 250, 170), p100=50, p101=80) == [("firefox", 300)]


def test_pages_that_forked_workers_still_share_count_once() -> None:
    workers = [("python3 train.py", 1000, 10)] * 3
    assert largest(*workers, p100=340, p101=340, p102=340) == [("python3 train.py", 1030)]
    assert largest(*workers, p100=None, p101=None, p102=None) == [("python3 train.py", 2980)]


def test_a_small_process_and_one_alone_are_not_walked() -> None:
    table = FakeTable()
    others = OtherPrograms(table, FakePrograms(("a", 9000, 10), ("b", 40, 10), ("b", 500, 10)))
    list(others.look(set()))
    assert table.looks == [102]


def test_ours_the_kernels_and_those_that_went_are_left_out() -> None:
    found = largest(("job", 900, 0), ("kthreadd", 0, 0), (None, 800, 0), ("mine", 7, 0), ours={100, 7})
    assert found == [("mine", 7)]


@pytest.mark.parametrize(
    ("executable", "arguments", "title", "expected"),
    [
        ("/usr/lib/firefox/firefox", "/usr/lib/firefox/firefox -contentproc -isForBrowser", "Web Content", "firefox"),
        ("/usr/lib/firefox/firefox (deleted)", "firefox", "firefox", "firefox"),
        ("/usr/bin/python3.11", "python3 train.py --epochs 3", "python3", "python3 train.py"),
        ("/usr/bin/python3.11", "/home/a/.venv/bin/python -u -W ignore ./src/train.py", "python", "python train.py"),
        ("/usr/bin/python3.11", "python3 -m http.server 80", "python3", "python3 -m http.server"),
        ("/usr/bin/python3.11", "python3 -Ic print(1) x", "python3", "python3"),
        ("/usr/bin/python3.11", "", "python3", "python3.11"),
        ("/usr/bin/python3.11", "worker:3 idle", "worker", "python3.11 idle"),
        ("/bin/bash", "-bash", "bash", "bash"),
        ("/bin/bash", "bash -lc sleep_5", "bash", "bash"),
        ("/bin/bash", "bash /dev/fd/3", "bash", "bash"),
        ("/opt/jdk/bin/java", "java -cp a.jar:b.jar -Xmx4g org.example.Main", "java", "java org.example.Main"),
        ("/usr/bin/node", "node --inspect /srv/app/server.js", "node", "node server.js"),
        (None, "/usr/sbin/mysqld --user=mysql", "mysqld", "mysqld"),
        (None, "", "", ""),
    ],
)
def test_a_program_is_called_as_a_person_would(executable, arguments, title, expected) -> None:
    assert program_name(executable, arguments.split(" "), title) == expected


@given(st.none() | st.text(), st.lists(st.text()), st.text())
def test_no_name_is_too_strange(executable, arguments, title) -> None:
    name = program_name(executable, arguments, title)
    assert len(name) <= NAME_LENGTH
    name.encode()


BIG = "data = bytearray(b'x' * (150 << 20))\nimport sys\nprint('ready', flush=True)\nsys.stdin.readline()"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("programs", [LinuxPrograms(), PortablePrograms()], ids=["linux", "portable"])
def test_a_real_program_is_found_by_its_name_and_size(programs: Programs, tmp_path: Path) -> None:
    interpreter = tmp_path / "memory-hog"
    interpreter.symlink_to(os.path.realpath(sys.executable))
    tree = RealTree(BIG, called=str(interpreter))
    try:
        sizes = {size.pid: size for size in programs.sizes()}
        assert 150 * MIB < sizes[tree.pid].resident_bytes < 250 * MIB
        assert sizes[tree.pid].shared_bytes < 50 * MIB
        others = OtherPrograms(LinuxTable(), programs)
        for _ in others.look(set(sizes) - {tree.pid}):
            pass
        name = os.path.basename(os.path.realpath(sys.executable))
        mine = next(program for program in others.latest if program.name == name)
        assert 150 * MIB < mine.memory_bytes < 250 * MIB
        for _ in others.look(set(sizes)):
            pass
        assert OtherProgram(name, mine.memory_bytes) not in others.latest
    finally:
        tree.end()
    assert programs.name(tree.pid) is None

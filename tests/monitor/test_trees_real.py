"""Real process trees on this machine, measured through /proc."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from process_fakes import MIB, RealTree, boot_id

from support.until import until
from tidegate.core.job import RunRef
from tidegate.engine.ports import RunUsage
from tidegate.monitor.process_table import LinuxTable, PortableTable, ProcessTable
from tidegate.monitor.reaped import Reaped
from tidegate.monitor.trees import Trees

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

WAITING = "import sys, os, time\nprint('ready', flush=True)\nsys.stdin.readline()\n"
# A parent with 50 MB that two children share (a fork copies nothing until it is written to).
SHARED = """
import sys, os
data = bytearray(os.urandom(1) * (50 << 20))
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        sys.stdin.readline()
        os._exit(0)
    children.append(pid)
print('ready', *children, flush=True)
sys.stdin.readline()
"""
BUSY_CHILD = """
import sys, os
pid = os.fork()
if pid == 0:
    while True:
        pass
print('ready', pid, flush=True)
sys.stdin.readline()
"""
# Works in children that end, one after another, when told to.
SHORT_CHILDREN = """
import sys, os, time
print('ready', flush=True)
sys.stdin.readline()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        while time.process_time() < 0.1:
            pass
        os._exit(0)
    os.waitpid(pid, 0)
print('done', flush=True)
sys.stdin.readline()
"""
ORPHAN = """
import sys, os
reader, writer = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(writer, str(os.getpid()).encode())
        sys.stdin.readline()
        os._exit(0)
    os._exit(0)
os.wait()
print('ready', os.read(reader, 20).decode(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def start() -> Iterator[Callable[[str], RealTree]]:
    started: list[RealTree] = []

    def start(code: str, **environment: str) -> RealTree:
        tree = RealTree(code, environment)
        started.append(tree)
        return tree

    yield start
    for tree in started:
        tree.end(int(pid) for pid in tree.said[1:])


@pytest.fixture
def trees() -> Trees:
    return Trees(LinuxTable(), list, Reaped())


def usage(trees: Trees, *runs: RunRef) -> RunUsage:
    return trees.measure({run.token: run for run in runs}, (), 1.0).usage[0]


def spin(pid: int, seconds: float) -> float:
    """Until the process has used so much CPU; returns what it used by now."""
    times = lambda: sum(psutil.Process(pid).cpu_times()[:2])  # noqa: E731
    begun = times()
    return until(lambda: used if (used := times() - begun) >= seconds else None, timeout_s=30)


def test_a_single_process(start, trees: Trees) -> None:
    tree = start(WAITING)
    found = usage(trees, tree.run())
    assert found.processes == 1
    assert found.memory_bytes == pytest.approx(psutil.Process(tree.pid).memory_info().rss, rel=0.2)
    assert usage(trees, tree.run()).cores == pytest.approx(0, abs=0.2)


def test_shared_memory_is_not_counted_for_each_process(start, trees: Trees) -> None:
    tree = start(SHARED)
    found = usage(trees, tree.run())
    summed = sum(psutil.Process(int(pid)).memory_info().rss for pid in (tree.pid, *tree.said[1:]))
    assert found.processes == 3
    assert summed > 140 * MIB
    assert 50 * MIB <= found.memory_bytes <= 80 * MIB


def test_a_busy_child_uses_the_cores_that_it_got(start, trees: Trees) -> None:
    tree = start(BUSY_CHILD)
    child = int(tree.said[1])
    usage(trees, tree.run())
    begun = time.monotonic()
    used_s = spin(child, 0.5)
    found = usage(trees, tree.run())
    elapsed_s = time.monotonic() - begun
    assert found.processes == 2
    assert found.cores == pytest.approx(used_s / elapsed_s, abs=0.15)
    assert found.cores > 0.1


def test_children_that_ended_between_two_looks_are_counted(start, trees: Trees) -> None:
    tree = start(SHORT_CHILDREN)
    usage(trees, tree.run())
    begun = time.monotonic()
    tree.tell()
    assert tree.hear() == "done"
    found = usage(trees, tree.run())
    elapsed_s = time.monotonic() - begun
    assert found.processes == 1
    assert found.cores * elapsed_s == pytest.approx(0.5, abs=0.15)


def test_an_orphan_in_the_jobs_session_belongs_to_it(start, trees: Trees) -> None:
    tree = start(ORPHAN)
    orphan = int(tree.said[1])
    until(lambda: psutil.Process(orphan).ppid() != tree.pid)
    assert usage(trees, tree.run()).processes == 2


def test_another_start_time_or_boot_is_another_process(start, trees: Trees) -> None:
    tree = start(WAITING)
    created = psutil.Process(tree.pid).create_time()
    late = RunRef("late", f"{boot_id()}:{tree.pid}:{created + 60!r}")
    boot = RunRef("boot", f"00000000-0000-0000-0000-000000000000:{tree.pid}:{created!r}")
    assert usage(trees, late).processes is None
    assert usage(trees, boot).processes is None


def test_a_job_that_ended_is_unknown(start, trees: Trees) -> None:
    tree = start(WAITING)
    run = tree.run()
    assert usage(trees, run).processes == 1
    tree.tell()
    tree.process.wait(timeout=10)
    assert usage(trees, run).processes is None


def test_the_run_token_is_read_from_the_environment(start) -> None:
    tree = start(WAITING, TIDEGATE_RUN_TOKEN="abc123")
    assert LinuxTable().run_token(tree.pid) == "abc123"
    assert PortableTable().run_token(tree.pid) == "abc123"
    assert LinuxTable().run_token(os.getpid()) is None


@pytest.mark.parametrize("table", [LinuxTable(), PortableTable()], ids=["linux", "portable"])
def test_both_tables_see_the_same_tree(start, table: ProcessTable) -> None:
    tree = start(SHARED)
    found = usage(Trees(table, list, Reaped()), tree.run())
    assert found.processes == 3
    assert 50 * MIB <= found.memory_bytes <= 80 * MIB
    mine, other = table.row(tree.pid), LinuxTable().row(tree.pid)
    assert (mine.pid, mine.parent, mine.session) == (other.pid, os.getpid(), tree.pid)
    assert table.row(2**22 + 1) is None


def test_a_name_with_blanks_and_parentheses_is_no_trouble(start) -> None:
    tree = start(
        "import sys\nopen('/proc/self/comm', 'w').write('a) R 1 (b')\nprint('ready', flush=True)\nsys.stdin.readline()"
    )
    row = LinuxTable().row(tree.pid)
    assert (row.pid, row.parent, row.session) == (tree.pid, os.getpid(), tree.pid)

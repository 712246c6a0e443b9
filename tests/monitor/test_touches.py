"""What real processes hold: files open for writing, ports they listen on, environments they run from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from process_fakes import FakeTable, RealTree, row

from tidegate.core.job import Touches
from tidegate.monitor.environments import is_python, mapped_environments
from tidegate.monitor.holdings import MOST_WRITES, Found, Holdings, LinuxHoldings, PortableHoldings
from tidegate.monitor.kernel_files import listening_ports, parse_listening
from tidegate.monitor.process_table import LinuxTable, ProcessRow
from tidegate.monitor.touches import TouchLook

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

READY = "\nimport sys\nprint('ready', *globals().get('said', ()), flush=True)\nsys.stdin.readline()"
SYSTEM_PYTHON = os.path.realpath(sys.executable)


@pytest.fixture
def start() -> Iterator[Callable[..., RealTree]]:
    started: list[RealTree] = []

    def start(code: str, environment: dict[str, str] | None = None, **how: str) -> RealTree:
        started.append(RealTree(code + READY, environment, **how))
        return started[-1]

    yield start
    for tree in started:
        tree.end()


def held(tree: RealTree, holdings: Holdings | None = None) -> Touches:
    table, living = LinuxTable(), LinuxTable().row(tree.pid)
    assert living is not None
    look = TouchLook(table, holdings or LinuxHoldings())
    for _ in look.look({"t": [living]}):
        pass
    return look.latest["t"]


# --- files --------------------------------------------------------------------------------------------------------

WRITER = """
import os
os.chdir({folder!r})
flags = dict(written=os.O_WRONLY, both=os.O_RDWR, appended=os.O_WRONLY | os.O_APPEND, read=os.O_RDONLY)
for name, flag in flags.items():
    with open(name, 'w') as file: file.write('x')
    os.open(name, flag)
for name in ('gone', 'logs/job.log'):
    os.write(os.open(name, os.O_WRONLY | os.O_CREAT), b'x')
os.open('lock', os.O_WRONLY | os.O_CREAT)
os.unlink('gone')
os.mkfifo('fifo')
os.open('fifo', os.O_RDWR)
os.open('/dev/null', os.O_WRONLY)
os.pipe()
os.memfd_create('scratch')
os.open('.', os.O_WRONLY | os.O_TMPFILE)
os.open('/proc/self/comm', os.O_WRONLY)
os.write(os.open(b'caf\\xe9.csv', os.O_WRONLY | os.O_CREAT), b'x')
"""


def test_files_open_for_writing_are_told_from_all_else(start, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    tree = start(WRITER.format(folder=str(tmp_path)))
    found = held(tree, LinuxHoldings(str(tmp_path / "logs")))
    here = [path for path in found.writes if path.startswith(str(tmp_path))]
    assert here == [str(tmp_path / name) for name in (os.fsdecode(b"caf\xe9.csv"), "written")], "no database, no lock"
    assert found.appends == (str(tmp_path / "appended"),)
    assert str(tmp_path / "logs/job.log") in held(tree).writes, "of another home it is a file like others"


def test_the_folder_of_our_logs_is_known_by_its_real_path(start, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "link").symlink_to("logs")
    (tmp_path / "logs-of-mine").touch()
    names = [str(tmp_path / name) for name in ("logs/1.log", "logs-of-mine")]
    tree = start(f"files = [open(name, 'w', 1) for name in {names}]\nfor file in files: file.write('x\\n')")
    writes = held(tree, LinuxHoldings(str(tmp_path / "link"))).writes
    assert [path for path in writes if path.startswith(str(tmp_path))] == [str(tmp_path / "logs-of-mine")]


MANY = """
import os, resource
most = min(6000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 50)
resource.setrlimit(resource.RLIMIT_NOFILE, (most + 50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for n in range(most):
    os.write(os.open(f"{folder}/{{n % 100}}", os.O_WRONLY | os.O_CREAT), b"x")
"""


def test_thousands_of_open_files_are_looked_at_step_by_step_and_few_are_told(start, tmp_path: Path) -> None:
    # One name opened anew each time: what costs is the number of handles.
    tree = start(MANY.format(folder=str(tmp_path)))
    found = Found()
    steps = sum(1 for _ in LinuxHoldings().look(living(tree), found))
    assert len(found.writes) == MOST_WRITES
    assert 10 < steps < 200


def living(tree: RealTree) -> ProcessRow:
    found = LinuxTable().row(tree.pid)
    assert found is not None
    return found


# --- ports --------------------------------------------------------------------------------------------------------

LISTENER = """
import socket
four, six, bound, client = (socket.socket(kind) for kind in (socket.AF_INET, socket.AF_INET6) + (socket.AF_INET,) * 2)
four.bind(('127.0.0.1', 0)); four.listen()
six.bind(('::1', 0)); six.listen()
bound.bind(('127.0.0.1', 0))
client.connect(four.getsockname()); accepted = four.accept()
said = [one.getsockname()[1] for one in (four, six, bound, client)]
"""


@pytest.mark.parametrize("holdings", [LinuxHoldings(), PortableHoldings()], ids=["linux", "portable"])
def test_only_ports_it_listens_on_are_told(start, holdings: Holdings) -> None:
    tree = start(LISTENER)
    four, six, _, _ = (int(port) for port in tree.said[1:])
    assert held(tree, holdings).ports == tuple(sorted((four, six)))


def test_the_kernels_list_agrees_with_psutil(start) -> None:
    start(LISTENER)
    heard = {one.laddr.port for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    assert set(listening_ports("/proc").values()) == heard


def socket_line(port: int, inode: int, state: str, six: bool) -> bytes:
    address = "0" * (32 if six else 8)
    queues = "00000000:00000000 00:00000000 00000000"
    line = f"   0: {address}:{port:04X} {address}:0000 {state} {queues}  1000        0 {inode} 1 0000000000000000 100 0"
    return line.encode()


@given(
    st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 2**40), st.sampled_from(["0A", "01", "06"]), st.booleans()),
        unique_by=lambda one: one[1],
    )
)
def test_of_a_list_of_sockets_those_that_listen_are_kept(sockets) -> None:
    expected = {inode: port for port, inode, state, _ in sockets if state == "0A"}
    assert parse_listening(socket_line(*one) for one in sockets) == expected


@given(st.lists(st.binary(max_size=200)))
def test_no_list_of_sockets_is_too_strange(lines: list[bytes]) -> None:
    for port in parse_listening(lines).values():
        assert port >= 0


def test_a_long_list_of_connections_is_not_read_to_its_end(tmp_path: Path) -> None:
    lines = [b"  sl  local_address rem_address   st", socket_line(80, 5, "0A", False), socket_line(81, 6, "0A", False)]
    lines += [socket_line(80, 100 + n, "01", False) for n in range(2000)]
    lines += [socket_line(99, 7, "0A", False)]  # never so in the kernel's order; here it shows where reading ended
    (tmp_path / "self/net").mkdir(parents=True)
    (tmp_path / "self/net/tcp").write_bytes(b"\n".join(lines) + b"\n")
    assert listening_ports(str(tmp_path)) == {5: 80, 6: 81}


# --- environments -------------------------------------------------------------------------------------------------


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """As ``python -m venv`` makes it: a link to the interpreter, and a file beside it."""
    folder = tmp_path / "of mine"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(SYSTEM_PYTHON)
    (folder / "pyvenv.cfg").write_text(f"home = {os.path.dirname(SYSTEM_PYTHON)}\n")
    return folder


@pytest.mark.parametrize("holdings", [LinuxHoldings(), PortableHoldings()], ids=["linux", "portable"])
def test_the_environment_is_known_by_the_name_its_python_was_called_by(start, venv: Path, holdings) -> None:
    assert held(start("", called=str(venv / "bin/python")), holdings).environments == (str(venv),)
    assert held(start("", called="bin/python", cwd=str(venv)), holdings).environments == (str(venv),)
    by_path = start("", {"PATH": f"/nowhere:{venv}/bin:/usr/bin"}, called="python", executable=str(venv / "bin/python"))
    assert held(by_path, holdings).environments == (str(venv),)


def test_two_names_of_one_environment_are_one(start, venv: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(venv)
    assert held(start("", called=str(tmp_path / "linked/bin/python"))).environments == (str(venv),)


def test_conda_is_known_by_its_folder(start, venv: Path) -> None:
    (venv / "pyvenv.cfg").unlink()
    (venv / "conda-meta").mkdir()
    assert held(start("", called=str(venv / "bin/python"))).environments == (str(venv),)


def test_an_activated_environment_counts_only_for_what_runs_from_it(start, venv: Path) -> None:
    active = {"VIRTUAL_ENV": str(venv)}
    assert str(venv) not in held(start("", active, called=SYSTEM_PYTHON)).environments
    renamed = start("", active, called="worker: epoch 3", executable=SYSTEM_PYTHON)
    assert held(renamed).environments == (str(venv),)


def test_a_shell_has_no_environment() -> None:
    assert not is_python("/bin/bash")
    assert not is_python("/usr/bin/python-config")
    for path in ("/usr/bin/python3.12", "/x/python", "/x/pypy3", "C:/x/pythonw.exe"):
        assert is_python(path)


def test_libraries_loaded_from_an_environment_tell_it(venv: Path) -> None:
    maps = (
        "55d0-55d1 r--p 00000000 fe:01 11 /usr/bin/python3.11\n"
        f"7f00-7f10 r-xp 00000000 fe:01 12      {venv}/lib/python3.11/site-packages/numpy/core/a.so\n"
        f"7f00-7f10 r-xp 00000000 fe:01 12      {venv}/lib64/python3.11/site-packages/b.so\n"
        "7f20-7f30 r-xp 00000000 fe:01 13      /usr/lib/python3.11/site-packages/c.so\n"
        "7f40-7f50 rw-p 00000000 00:00 0 \n"
    )
    assert mapped_environments(maps.encode()) == {str(venv)}


@given(st.binary())
def test_no_map_is_too_strange(maps: bytes) -> None:
    assert mapped_environments(maps + b"/site-packages/" + maps) == set()


# --- rounds -------------------------------------------------------------------------------------------------------


class NotedHoldings:
    """Every process holds a port of its own number."""

    def __init__(self) -> None:
        self.looks: list[int] = []

    def new_round(self) -> None:
        self.looks.clear()

    def look(self, row: ProcessRow, found: Found) -> Iterator[None]:
        self.looks.append(row.pid)
        found.ports.add(row.pid)
        yield


def test_a_run_has_what_its_processes_hold_together_and_is_forgotten_when_gone() -> None:
    rows = [row(50), row(51, 50), row(60)]
    look = TouchLook(FakeTable(*rows), NotedHoldings())
    for _ in look.look({"a": rows[:2], "b": rows[2:]}):
        pass
    assert look.latest == {"a": Touches(ports=(50, 51)), "b": Touches(ports=(60,))}
    half = look.look({"b": rows[2:]})
    next(half)
    assert look.latest == {"b": Touches(ports=(60,))}, "the last one stands until the new one is whole"


def test_a_number_that_is_another_process_by_now_is_left_alone() -> None:
    look = TouchLook(FakeTable(row(50, start=99.0), row(51)), NotedHoldings())
    for _ in look.look({"a": [row(50), row(51), row(52)]}):
        pass
    assert look.latest == {"a": Touches(ports=(51,))}


def test_a_process_that_is_gone_holds_nothing(start) -> None:
    tree = start("")
    was = living(tree)
    tree.tell()
    tree.process.wait(timeout=10)
    for holdings in (LinuxHoldings(), PortableHoldings()):
        found = Found()
        assert list(holdings.look(was, found)) in ([], [None])
        assert found.touches() == Touches()

"""The keeper's view of the process table: who belongs to a run, and signals that check identity first.

Standard library only. What the platform does not offer (a /proc, a sub-reaper, pidfds) is absent gracefully:
then a run is its process group and nothing more.
"""

from __future__ import annotations

import ctypes
import math
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

TOKEN_VARIABLE = b"TIDEGATE_RUN_TOKEN"
HAS_PROC = os.path.exists("/proc/self/stat")
_DEAD = b"ZXx"
_STOPPED = b"Tt"
_PR_SET_CHILD_SUBREAPER = 36
_TICKS_S = os.sysconf("SC_CLK_TCK")
_BOOT_TIME_KEPT_S = 60.0
_FREEZE_ROUNDS = 100
_STANDSTILL_LOOKS = 25
_STANDSTILL_LOOK_S = 0.002
_ENVIRON_MAX = 4 << 20


class Process:
    """One line of the process table; ``start`` is its start in clock ticks since boot (identity with the pid)."""

    __slots__ = ("group", "parent", "pid", "session", "start", "state")

    def __init__(self, pid: int, state: bytes, parent: int, group: int, session: int, start: int) -> None:
        self.pid = pid
        self.state = state
        self.parent = parent
        self.group = group
        self.session = session
        self.start = start

    @property
    def alive(self) -> bool:
        return self.state not in _DEAD

    @property
    def stopped(self) -> bool:
        return self.state in _STOPPED


class Table:
    """The process table at one moment, indexed by what decides who belongs to a run."""

    __slots__ = ("children", "groups", "processes", "sessions")

    def __init__(self, processes: dict[int, Process]) -> None:
        self.processes = processes
        self.children: dict[int, list[Process]] = {}
        self.sessions: dict[int, list[Process]] = {}
        self.groups: dict[int, list[Process]] = {}
        for process in processes.values():
            self.children.setdefault(process.parent, []).append(process)
            self.sessions.setdefault(process.session, []).append(process)
            self.groups.setdefault(process.group, []).append(process)


def become_reaper() -> bool:
    """Ask the kernel to give orphaned descendants to this process; False where it cannot."""
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (AttributeError, OSError):
        return False


def look(pid: int) -> Process | None:
    """The process with this number as it is now, or None."""
    if not HAS_PROC:
        return _look_without_proc(pid)
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        line = os.read(fd, 1024)
    except OSError:
        return None
    finally:
        os.close(fd)
    fields = line[line.rfind(b")") + 2 :].split(None, 20)
    if len(fields) < 20:
        return None
    return Process(pid, fields[0], int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def _look_without_proc(pid: int) -> Process | None:
    try:
        group, session = os.getpgid(pid), os.getsid(pid)
    except OSError:
        return None
    return Process(pid, b"?", 0, group, session, 0)


def scan() -> Table:
    """Every process of this machine (one pass over /proc); empty where there is no /proc."""
    processes: dict[int, Process] = {}
    if HAS_PROC:
        for name in os.listdir("/proc"):
            if name.isdigit():
                process = look(int(name))
                if process is not None:
                    processes[process.pid] = process
    return Table(processes)


def children_of_this_process() -> list[int]:
    """Direct children (dead ones too), from the kernel's own list where it is built in, else from a scan."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", "rb") as stream:
            return [int(pid) for pid in stream.read().split()]
    except OSError:
        return [process.pid for process in scan().children.get(me, ())]


def ticks_now() -> int:
    """Now in clock ticks since boot, the unit and the clock of ``Process.start``; 0 where they are not known."""
    if not HAS_PROC:
        return 0
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * _TICKS_S // 1_000_000_000


def start_of(pid: int, ticks_before: int) -> int:
    """Start of a child made since ``ticks_before``. Mostly known without looking, which costs as much as a fork."""
    if ticks_before and ticks_now() == ticks_before:
        return ticks_before
    process = look(pid)
    return 0 if process is None else process.start


class BootTime:
    """Turns starts in clock ticks into Unix seconds as psutil does; the kernel's figure is read once a minute."""

    def __init__(self) -> None:
        self._boot_s = 0.0
        self._read_at = -math.inf

    def create_time(self, start: int) -> float:
        now = time.monotonic()
        if now > self._read_at + _BOOT_TIME_KEPT_S:
            self._read_at = now
            with open("/proc/stat", "rb") as stream:
                self._boot_s = next(float(line.split()[1]) for line in stream if line.startswith(b"btime"))
        return start / _TICKS_S + self._boot_s


class Tokens:
    """The run token in a process's environment, remembered per (pid, start) because reading it costs."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, str | None]] = {}

    def of(self, process: Process) -> str | None:
        known = self._known.get(process.pid)
        if known is not None and known[0] == process.start:
            return known[1]
        token = read_token(process.pid)
        self._known[process.pid] = (process.start, token)
        return token

    def remembered(self, pid: int) -> str | None:
        """What was read earlier, for a process that may be gone; forgotten with this call."""
        return self._known.pop(pid, (0, None))[1]

    def prune(self, table: Table) -> None:
        """Forget processes that are gone."""
        if len(self._known) > 64 + 2 * len(table.processes):
            self._known = {pid: known for pid, known in self._known.items() if pid in table.processes}


def read_token(pid: int) -> str | None:
    """The run token a process was started with; None when it has none or may not be read."""
    content = b""
    try:
        fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY)
    except OSError:
        return None
    try:
        while len(content) < _ENVIRON_MAX:
            piece = os.read(fd, 65536)
            if not piece:
                break
            content += piece
    except OSError:
        return None
    finally:
        os.close(fd)
    mark = b"\0" + TOKEN_VARIABLE + b"="
    content = b"\0" + content
    at = content.find(mark)
    if at < 0:
        return None
    return content[at + len(mark) :].split(b"\0", 1)[0].decode("ascii", "replace")


class Family:
    """What identifies a run's processes: its root (pid, start), its token, and whether orphans went elsewhere."""

    __slots__ = ("pid", "scattered", "start", "token")

    def __init__(self, token: str, pid: int, start: int, scattered: bool) -> None:
        self.token = token
        self.pid = pid
        self.start = start
        self.scattered = scattered


def members(table: Table, family: Family, tokens: Tokens, roots: Container[int]) -> list[Process]:
    """The living processes of a run, parents before their children.

    They are the root, its session and group, orphans given to this process that carry the token (``scattered``: any
    process that carries it, because another keeper was the reaper), and all descendants of those.
    ``roots`` are the main processes of runs, never taken for orphans.
    """
    if not HAS_PROC:
        return _group_only(family)
    me = os.getpid()
    root = table.processes.get(family.pid)
    found: dict[int, Process] = {}
    if root is not None and root.start == family.start:
        found[root.pid] = root
    if root is None or root.start == family.start:
        # A number stays taken while a session or group bears it: a new process of that number means the old ones ended.
        for process in table.sessions.get(family.pid, ()):
            found[process.pid] = process
        for process in table.groups.get(family.pid, ()):
            found[process.pid] = process
    orphans = table.processes.values() if family.scattered else table.children.get(me, ())
    for process in orphans:
        candidate = process.alive and process.pid not in found and process.pid not in roots and process.pid != me
        if candidate and tokens.of(process) == family.token:
            found[process.pid] = process
    waiting = list(found)
    while waiting:
        for child in table.children.get(waiting.pop(), ()):
            if child.pid not in found and child.pid != me:
                found[child.pid] = child
                waiting.append(child.pid)
    return [process for process in found.values() if process.alive]


def _group_only(family: Family) -> list[Process]:
    try:
        os.killpg(family.pid, 0)
    except OSError:
        return []
    return [Process(family.pid, b"?", 0, family.pid, family.pid, family.start)]


def group_exists(group: int) -> bool:
    """Whether any process of this group is left (one system call)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def send(process: Process, number: int) -> bool:
    """Signal exactly this process. False when it is gone; raises PermissionError when it may not be signalled."""
    if not HAS_PROC:
        return _send_to_group(process.pid, number)
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):  # an old kernel, or no descriptor left
        fd = -1
    try:
        now = look(process.pid)
        if now is None or now.start != process.start:
            return False
        if fd >= 0:
            signal.pidfd_send_signal(fd, number)
        else:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    finally:
        if fd >= 0:
            os.close(fd)
    return True


def _send_to_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


class Delivery:
    """What came of signalling many processes: who got it, and who may not be signalled."""

    __slots__ = ("reached", "refused")

    def __init__(self) -> None:
        self.reached: list[Process] = []
        self.refused: list[int] = []

    def send(self, process: Process, number: int) -> None:
        try:
            if send(process, number):
                self.reached.append(process)
        except PermissionError:
            self.refused.append(process.pid)


def send_all(processes: list[Process], number: int) -> Delivery:
    delivery = Delivery()
    for process in processes:
        delivery.send(process, number)
    return delivery


def freeze(
    families: list[Family], tokens: Tokens, roots: Container[int]
) -> tuple[dict[str, Delivery], set[tuple[int, int]]]:
    """SIGSTOP whole trees, again and again until a look shows no process that was not stopped yet.

    The deliveries are by token. Also returns those that had stopped before, on their own account: a later thaw
    leaves them as they were.
    """
    deliveries = {family.token: Delivery() for family in families}
    seen: set[tuple[int, int]] = set()
    before: set[tuple[int, int]] = set()
    for _ in range(_FREEZE_ROUNDS):
        table, quiet = scan(), True
        for family in families:
            for process in members(table, family, tokens, roots):
                if (process.pid, process.start) in seen:
                    continue
                quiet = False
                seen.add((process.pid, process.start))
                if process.stopped:
                    before.add((process.pid, process.start))
                    deliveries[family.token].reached.append(process)
                else:
                    deliveries[family.token].send(process, signal.SIGSTOP)
        if quiet or not HAS_PROC:
            break
    return deliveries, before


def wait_for_standstill(processes: list[Process]) -> None:
    """SIGSTOP takes effect a moment later: wait for it, briefly, so that *paused* is true when it is said.

    Processes inside an uninterruptible call (state D) stop when they leave it and are not waited for.
    """
    moving = processes if HAS_PROC else []
    for _ in range(_STANDSTILL_LOOKS):
        moving = [process for process in moving if _moves(process)]
        if not moving:
            return
        time.sleep(_STANDSTILL_LOOK_S)


def _moves(process: Process) -> bool:
    now = look(process.pid)
    return now is not None and now.start == process.start and now.state in b"RS"

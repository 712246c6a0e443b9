"""Linux kernel files read with bare system calls: memory, swap-in, disks, network cards and listening ports."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterable

SECTOR_BYTES = 512  # the unit of /proc/diskstats, whatever the disk's own
SOCKETS_BYTES = 16 * 1024
LISTENS = b"0A"


class KernelFile:
    """A file of /proc that stays open and is read afresh from its beginning; ``present`` is False without it."""

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            self._descriptor = -1

    @property
    def present(self) -> bool:
        return self._descriptor >= 0

    def read(self, size: int) -> bytes:
        """Safe from several threads at once: the file's position is not used."""
        return os.pread(self._descriptor, size, 0)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class MemoryFile(KernelFile):
    """/proc/meminfo."""

    def available_bytes(self) -> int:
        (available,) = self.sizes(b"MemAvailable")
        if available is None:
            raise ValueError("the kernel does not say how much memory is available")
        return available

    def sizes(self, *names: bytes) -> tuple[int | None, ...]:
        """Figures in bytes, by the kernel's names; None for one that it does not have."""
        data = b"\n" + self.read(4096)
        return tuple(_size(data, b"\n" + name + b":") for name in names)


def _size(data: bytes, mark: bytes) -> int | None:
    at = data.find(mark)
    if at < 0:
        return None
    return int(data[at + len(mark) : data.index(b"kB", at)]) * 1024


def swap_in_bytes(proc: str) -> int:
    """Bytes read back from swap since boot."""
    data = _read_all(f"{proc}/vmstat")
    at = data.index(b"\npswpin ") + 8
    return int(data[at : data.index(b"\n", at)]) * os.sysconf("SC_PAGE_SIZE")


def disk_bytes(proc: str) -> tuple[int, int]:
    """Read and written since boot by real disks: volumes, arrays and loops on top of them would count twice."""
    read = written = 0
    for line in _read_all(f"{proc}/diskstats").splitlines():
        fields = line.split(None, 10)
        if len(fields) > 9 and _is_real("/sys/block", fields[2].decode("ascii", "replace")):
            read += int(fields[5])
            written += int(fields[9])
    return read * SECTOR_BYTES, written * SECTOR_BYTES


def network_bytes(proc: str) -> tuple[int, int]:
    """Received and sent since boot by real cards (bridges and tunnels repeat it); without any, all but lo."""
    cards = {}
    for line in _read_all(f"{proc}/net/dev").splitlines()[2:]:
        name, _, rest = line.rpartition(b":")
        fields = rest.split()
        if len(fields) > 8:
            cards[name.strip().decode("ascii", "replace")] = (int(fields[0]), int(fields[8]))
    real = [name for name in cards if _is_real("/sys/class/net", name)] or [name for name in cards if name != "lo"]
    return sum(cards[name][0] for name in real), sum(cards[name][1] for name in real)


def listening_ports(proc: str) -> dict[int, int]:
    """TCP ports that somebody listens on, by the socket's inode."""
    found: dict[int, int] = {}
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{proc}/self/net/{name}", "rb", buffering=0) as file:
                found |= _listening(file)
        except OSError:
            continue
    return found


def _listening(file: io.RawIOBase) -> dict[int, int]:
    """The kernel lists those who listen first, so a server's thousands of connections need not be read."""
    found: dict[int, int] = {}
    rest = b""
    while piece := file.read(SOCKETS_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        found |= parse_listening(lines)
        if lines and _listener(lines[-1]) is None and not lines[-1].lstrip().startswith(b"sl"):
            break
    return found


def parse_listening(lines: Iterable[bytes]) -> dict[int, int]:
    """Port by inode, of lines of /proc/net/tcp or tcp6 (proc_net_tcp(5)); others than listening sockets left out."""
    return dict(found for line in lines if (found := _listener(line)) is not None)


def _listener(line: bytes) -> tuple[int, int] | None:
    fields = line.split(None, 10)
    if len(fields) < 10 or fields[3] != LISTENS:
        return None
    try:
        return int(fields[9]), int(fields[1].rpartition(b":")[2], 16)
    except ValueError:
        return None


@functools.lru_cache(maxsize=1024)
def _is_real(folder: str, name: str) -> bool:
    """True for hardware: only that has a device behind it."""
    return os.path.exists(f"{folder}/{name}/device")


def read_some(path: str, size: int) -> bytes:
    """The beginning of a file in one system call."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def _read_all(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()

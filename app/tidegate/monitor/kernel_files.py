"""Linux kernel files read with bare system calls: memory, swap-in, disks and network cards."""

from __future__ import annotations

import functools
import os

SECTOR_BYTES = 512  # the unit of /proc/diskstats, whatever the disk's own


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


@functools.lru_cache(maxsize=1024)
def _is_real(folder: str, name: str) -> bool:
    """True for hardware: only that has a device behind it."""
    return os.path.exists(f"{folder}/{name}/device")


def _read_all(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()

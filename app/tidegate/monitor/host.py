"""One reading of the machine itself: CPU, memory, swap, pressure, disks and network; what cannot be read is None."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from tidegate.core.machine import MachineReading
from tidegate.monitor.faults import Faults
from tidegate.monitor.kernel_files import KernelFile, MemoryFile, disk_bytes, network_bytes, swap_in_bytes

FREQUENCY_EVERY_S = 5.0  # one file per core, and some drivers ask the core itself
RATES_EVERY_S = 0.9  # disk and network: the reading is slow and shorter windows say little


@dataclass(frozen=True, slots=True)
class HostReading:
    """``busy_cpu_s``: CPU seconds all programs used since the reading before; None when not known."""

    reading: MachineReading
    busy_cpu_s: float | None


@dataclass(frozen=True, slots=True)
class _Memory:
    total: int
    available: int | None
    swap_total: int | None
    swap_used: int | None


class _Rates:
    """Turns ever-growing counters into rates per second; a counter that jumped back makes one unknown interval."""

    def __init__(self, names: int, least_s: float) -> None:
        self._none: tuple[float | None, ...] = tuple([None] * names)
        self._least_s = least_s
        self._at: float | None = None
        self._counters: tuple[int, ...] = ()
        self._rates = self._none

    def since_last(self, now: float, read: Callable[[], tuple[int, ...] | None]) -> tuple[float | None, ...]:
        """``read`` is called, and the rates are new, when the last look is at least ``least_s`` old."""
        if self._at is not None and now - self._at < self._least_s:
            return self._rates
        counters = read()
        if counters is None:
            self._at, self._rates = None, self._none
            return self._none
        if self._at is None or now <= self._at:
            self._rates = self._none
        else:
            elapsed_s = now - self._at
            self._rates = tuple(
                (new - old) / elapsed_s if new >= old else None
                for new, old in zip(counters, self._counters, strict=True)
            )
        self._at, self._counters = now, counters
        return self._rates


class HostReader:
    """Reads from the sampler's thread; ``available_memory_bytes`` may be called from any."""

    def __init__(
        self,
        faults: Faults | None = None,
        proc: str = "/proc",
        system: Any = psutil,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._faults = faults or Faults()
        self._proc = proc
        self._system = system
        self._monotonic = monotonic
        self._memory_file = MemoryFile(f"{proc}/meminfo")
        self._pressure = {name: KernelFile(f"{proc}/pressure/{name}") for name in ("memory", "cpu", "io")}
        self._swap_in = _Rates(1, least_s=0.0)
        self._disk = _Rates(2, RATES_EVERY_S)
        self._network = _Rates(2, RATES_EVERY_S)
        self._cpu_times: list[tuple[float, float]] = []
        self._frequency: tuple[float, float | None] | None = None
        self.cores = psutil.cpu_count() or 1
        self.memory_total_bytes = int(psutil.virtual_memory().total)

    def close(self) -> None:
        self._memory_file.close()
        for file in self._pressure.values():
            file.close()

    def available_memory_bytes(self) -> int | None:
        """A fresh figure in some 10 microseconds: one read of a file that stays open, where there is one."""
        return self._faults.attempt("available memory", self._read_available)

    def read(self, at: float) -> HostReading:
        """A reading stamped ``at``, without cards and other programs' use, which others add."""
        now, attempt = self._monotonic(), self._faults.attempt
        memory = attempt("memory", self._read_memory)
        if memory is not None:
            self.memory_total_bytes = memory.total
        cpu_pct, per_core_pct, busy_cpu_s = attempt("CPU", self._read_cpu) or (None, (), None)
        (swap_in,) = self._swap_in.since_last(now, lambda: attempt("swap-in", self._read_swap_in))
        disk_read, disk_write = self._disk.since_last(now, lambda: attempt("disk rates", self._read_disk))
        received, sent = self._network.since_last(now, lambda: attempt("network rates", self._read_network))
        reading = MachineReading(
            at=at,
            cores=self.cores,
            memory_total_bytes=self.memory_total_bytes,
            memory_available_bytes=memory.available if memory else None,
            cpu_pct=cpu_pct,
            per_core_pct=per_core_pct,
            frequency_mhz=self._read_frequency(now),
            load=attempt("load", self._read_load),
            swap_total_bytes=memory.swap_total if memory else None,
            swap_used_bytes=memory.swap_used if memory else None,
            swap_in_bytes_s=swap_in,
            psi_memory_some_pct=self._read_pressure("memory"),
            psi_cpu_some_pct=self._read_pressure("cpu"),
            psi_io_some_pct=self._read_pressure("io"),
            disk_read_bytes_s=disk_read,
            disk_write_bytes_s=disk_write,
            net_received_bytes_s=received,
            net_sent_bytes_s=sent,
        )
        return HostReading(reading, busy_cpu_s)

    def _read_available(self) -> int:
        if self._memory_file.present:
            return self._memory_file.available_bytes()
        return int(self._system.virtual_memory().available)

    def _read_memory(self) -> _Memory:
        if self._memory_file.present:
            total, available, swap_total, swap_free = self._memory_file.sizes(
                b"MemTotal", b"MemAvailable", b"SwapTotal", b"SwapFree"
            )
            if total is None:
                raise ValueError("the kernel does not say how much memory there is")
            swap_used = swap_total - swap_free if swap_total is not None and swap_free is not None else None
            return _Memory(total, available, swap_total, swap_used)
        memory = self._system.virtual_memory()
        swap = self._faults.attempt("swap", self._system.swap_memory)
        return _Memory(
            int(memory.total),
            int(memory.available),
            int(swap.total) if swap is not None else None,
            int(swap.used) if swap is not None else None,
        )

    def _read_cpu(self) -> tuple[float | None, tuple[float, ...], float | None]:
        """Total in percent, each core in percent, and busy seconds of all cores, since the call before."""
        before, self._cpu_times = self._cpu_times, []
        self._cpu_times = [_busy_and_total_s(times) for times in self._system.cpu_times(percpu=True)]
        self.cores = len(self._cpu_times) or self.cores
        if len(before) != len(self._cpu_times):
            return None, (), None
        deltas = [
            (max(0.0, busy - busy_before), total - total_before)
            for (busy, total), (busy_before, total_before) in zip(self._cpu_times, before, strict=True)
        ]
        busy_s, total_s = sum(busy for busy, _ in deltas), sum(total for _, total in deltas)
        if total_s <= 0:
            return None, (), None
        per_core = tuple(min(100.0, 100.0 * busy / total) if total > 0 else 0.0 for busy, total in deltas)
        return min(100.0, 100.0 * busy_s / total_s), per_core, busy_s

    def _read_frequency(self, now: float) -> float | None:
        if self._frequency is None or now - self._frequency[0] >= FREQUENCY_EVERY_S:
            frequency = self._faults.attempt("CPU frequency", self._system.cpu_freq)
            self._frequency = (now, float(frequency.current) if frequency and frequency.current else None)
        return self._frequency[1]

    def _read_load(self) -> tuple[float, float, float]:
        one, five, fifteen = self._system.getloadavg()
        return float(one), float(five), float(fifteen)

    def _read_pressure(self, name: str) -> float | None:
        """Share of the last 10 s in which some task waited for this resource, in percent; None without PSI."""
        file = self._pressure[name]
        if not file.present:
            return None
        return self._faults.attempt(f"{name} pressure", lambda: _some_avg10(file.read(256)))

    def _read_swap_in(self) -> tuple[int]:
        if self._memory_file.present:
            return (swap_in_bytes(self._proc),)
        return (int(self._system.swap_memory().sin),)

    def _read_disk(self) -> tuple[int, int]:
        if self._memory_file.present:
            return disk_bytes(self._proc)
        disks = self._system.disk_io_counters()
        return int(disks.read_bytes), int(disks.write_bytes)

    def _read_network(self) -> tuple[int, int]:
        if self._memory_file.present:
            return network_bytes(self._proc)
        cards = self._system.net_io_counters(pernic=True)
        outside = [card for name, card in cards.items() if not name.lower().startswith("lo")]
        return sum(int(card.bytes_recv) for card in outside), sum(int(card.bytes_sent) for card in outside)


def _busy_and_total_s(times: Any) -> tuple[float, float]:
    """Waiting for a disk is not busy; time stolen by a hypervisor is capacity that is missing, not a program's use.

    Linux counts a guest's time within user time (proc_stat(5)), so it is left out of the total.
    """
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    total = float(sum(times)) - guests
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    return total - idle, total


def _some_avg10(data: bytes) -> float:
    at = data.index(b"some avg10=") + 11
    return float(data[at : data.index(b" ", at)])

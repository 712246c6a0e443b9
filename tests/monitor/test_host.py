"""The machine's own figures: the real machine within plausible ranges, and parts that fail by themselves."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.until import until
from tidegate.core.machine import MachineReading
from tidegate.monitor.host import HostReader

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux kernel files")


@pytest.fixture
def host() -> Iterator[HostReader]:
    host = HostReader()
    yield host
    host.close()


def second_reading(host: HostReader) -> MachineReading:
    host.read(1.0)
    return until(lambda: reading if (reading := host.read(2.0).reading).cpu_pct is not None else None)


def test_the_real_machine_is_plausible(host: HostReader) -> None:
    reading = second_reading(host)
    assert reading.at == 2.0
    assert reading.cores == os.cpu_count()
    assert len(reading.per_core_pct) == reading.cores
    assert all(0 <= core <= 100 for core in reading.per_core_pct)
    assert 0 <= reading.cpu_pct <= 100
    assert reading.memory_total_bytes == psutil.virtual_memory().total
    assert 0 < reading.memory_available_bytes <= reading.memory_total_bytes
    assert reading.memory_available_bytes == pytest.approx(psutil.virtual_memory().available, rel=0.1)
    assert reading.swap_total_bytes == psutil.swap_memory().total
    assert 0 <= reading.swap_used_bytes <= reading.swap_total_bytes
    assert len(reading.load) == 3


def test_figures_over_time_are_unknown_at_first(host: HostReader) -> None:
    first = host.read(1.0)
    assert first.busy_cpu_s is None
    assert first.reading.cpu_pct is None
    assert first.reading.per_core_pct == ()
    assert first.reading.swap_in_bytes_s is None
    assert first.reading.disk_read_bytes_s is None
    assert first.reading.net_sent_bytes_s is None


@linux
def test_pressure_is_read_where_the_kernel_has_it(host: HostReader) -> None:
    reading = host.read(1.0).reading
    if os.path.exists("/proc/pressure/memory"):
        assert 0 <= reading.psi_memory_some_pct <= 100
        assert 0 <= reading.psi_cpu_some_pct <= 100
        assert 0 <= reading.psi_io_some_pct <= 100
    else:
        assert reading.psi_memory_some_pct is None


def test_busy_cpu_time_of_the_machine_covers_a_busy_thread(host: HostReader) -> None:
    host.read(1.0)
    before = time.process_time()
    while time.process_time() - before < 0.3:
        pass
    busy_s = host.read(2.0).busy_cpu_s
    assert busy_s is not None
    assert busy_s > 0.2


def test_available_memory_is_fresh_and_cheap(host: HostReader) -> None:
    assert host.available_memory_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.1)
    begun = time.thread_time()
    for _ in range(200):
        host.available_memory_bytes()
    assert (time.thread_time() - begun) / 200 < 0.001


def test_available_memory_may_be_asked_from_many_threads(host: HostReader) -> None:
    answers: list[int | None] = []

    def ask() -> None:
        answers.extend(host.available_memory_bytes() for _ in range(200))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 800
    assert all(answer and 0 < answer <= host.memory_total_bytes for answer in answers)


class BrokenSystem:
    """psutil, of which the named functions fail."""

    def __init__(self, *broken: str, error: type[Exception] = OSError) -> None:
        self._broken, self._error = broken, error

    def __getattr__(self, name: str) -> Any:
        if name in self._broken:

            def fail(*_: object, **__: object) -> None:
                raise self._error(f"{name} is broken")

            return fail
        return getattr(psutil, name)


@pytest.mark.parametrize("error", [OSError, ValueError, AttributeError])
def test_a_failing_part_is_unknown_and_the_rest_is_read(error: type[Exception], caplog: Any) -> None:
    host = HostReader(system=BrokenSystem("cpu_times", "cpu_freq", "getloadavg", error=error))
    for _ in range(3):
        reading = host.read(1.0)
    host.close()
    assert reading.busy_cpu_s is None
    assert reading.reading.cpu_pct is None
    assert reading.reading.frequency_mhz is None
    assert reading.reading.load is None
    assert reading.reading.memory_available_bytes
    said = [record for record in caplog.records if record.args and record.args[0] == "CPU"]
    assert len(said) == 1, "three failures of one kind are said once"


def fake_proc(folder: Path, **files: str) -> str:
    """A /proc of a machine with little in it."""
    files = {
        "meminfo": "MemTotal: 8388608 kB\nMemAvailable: 2097152 kB\nSwapTotal: 4096 kB\nSwapFree: 1024 kB\n",
        "vmstat": "nr_free_pages 1\npswpin 10\npswpout 5\n",
        "diskstats": "",
        **files,
    }
    (folder / "pressure").mkdir(parents=True, exist_ok=True)
    (folder / "net").mkdir(exist_ok=True)
    (folder / "net" / "dev").write_text("head\nhead\n")
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


@linux
def test_memory_and_swap_are_taken_from_the_kernels_words(tmp_path: Path) -> None:
    host = HostReader(proc=fake_proc(tmp_path))
    reading = host.read(1.0).reading
    assert reading.memory_total_bytes == 8 * 1024**3
    assert reading.memory_available_bytes == 2 * 1024**3
    assert reading.memory_used_pct == 75.0
    assert (reading.swap_total_bytes, reading.swap_used_bytes) == (4096 * 1024, 3072 * 1024)
    assert host.available_memory_bytes() == 2 * 1024**3
    (tmp_path / "meminfo").write_text("MemTotal: 8388608 kB\nMemAvailable: 1048576 kB\n")
    assert host.available_memory_bytes() == 1024**3
    host.close()


@linux
def test_a_broken_memory_file_keeps_the_total_and_makes_the_rest_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = HostReader(proc=fake_proc(tmp_path))
    host.read(1.0)
    (tmp_path / "meminfo").write_text("nonsense\n")
    reading = host.read(2.0).reading
    host.close()
    assert reading.memory_total_bytes == 8 * 1024**3
    assert reading.memory_available_bytes is None
    assert reading.swap_used_bytes is None
    assert [record.getMessage() for record in caplog.records] == ["The reading of memory failed and is unknown."]


@linux
def test_rates_are_differences_over_time_and_a_counter_that_jumps_back_is_unknown(tmp_path: Path) -> None:
    now = [100.0]
    proc = fake_proc(tmp_path)
    host = HostReader(proc=proc, monotonic=lambda: now[0])

    def swap_in_at(moment: float, pages: int) -> float | None:
        now[0] = moment
        fake_proc(tmp_path, vmstat=f"x 1\npswpin {pages}\n")
        return host.read(moment).reading.swap_in_bytes_s

    page = os.sysconf("SC_PAGE_SIZE")
    assert swap_in_at(101, 10) is None
    assert swap_in_at(103, 30) == 10 * page
    assert swap_in_at(104, 5) is None
    assert swap_in_at(105, 6) == page
    host.close()


@linux
def test_disks_are_counted_once_and_loopback_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.monitor.kernel_files._is_real", lambda _, name: name in ("nvme0n1", "eth0"))
    now = [0.0]
    host = HostReader(proc=fake_proc(tmp_path), monotonic=lambda: now[0])

    def counters(sectors: int, received: int) -> None:
        rows = [f" 259 0 {name} 1 0 {sectors} 0 1 0 {2 * sectors} 0 0 0 0" for name in ("nvme0n1", "nvme0n1p1", "dm-0")]
        (tmp_path / "diskstats").write_text("\n".join(rows) + "\n")
        cards = [f"{name}: {received} 0 0 0 0 0 0 0 {3 * received} 0 0 0 0 0 0 0" for name in ("eth0", "lo", "docker0")]
        (tmp_path / "net" / "dev").write_text("head\nhead\n" + "\n".join(cards) + "\n")

    counters(0, 0)
    host.read(0.0)
    counters(100, 1000)
    now[0] = 2.0
    reading = host.read(2.0).reading
    host.close()
    assert (reading.disk_read_bytes_s, reading.disk_write_bytes_s) == (50 * 512, 100 * 512)
    assert (reading.net_received_bytes_s, reading.net_sent_bytes_s) == (500, 1500)


def test_without_kernel_files_psutil_answers(tmp_path: Path) -> None:
    host = HostReader(proc=str(tmp_path / "absent"))
    reading = host.read(1.0).reading
    assert reading.memory_available_bytes == pytest.approx(psutil.virtual_memory().available, rel=0.1)
    assert reading.psi_memory_some_pct is None
    assert reading.swap_total_bytes == psutil.swap_memory().total
    assert host.available_memory_bytes()
    host.close()

"""Letting go of the graphics driver: idle cards that may sleep are left alone until somebody else wakes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.until import until
from tidegate.monitor.gpu import GpuReader
from tidegate.monitor.gpu_power import CardPower


class FakeNvml:
    """One idle card, in the shape of the pynvml module."""

    NVML_SUCCESS = 0
    NVML_ERROR_UNINITIALIZED = 1
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NO_PERMISSION = 4
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_INSUFFICIENT_SIZE = 7
    NVML_ERROR_DRIVER_NOT_LOADED = 9
    NVML_ERROR_LIBRARY_NOT_FOUND = 12
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_ERROR_RESET_REQUIRED = 16
    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        value = 0

    def __init__(self) -> None:
        self.opened = 0
        self.open = False
        self.uuids = ["GPU-a"]
        self.processes: list[Any] = []

    def nvmlInit(self) -> None:
        self.opened += 1
        self.open = True

    def nvmlShutdown(self) -> None:
        self.open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.uuids)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "1"

    def nvmlDeviceGetHandleByIndex(self, place: int) -> str:
        return self.uuids[place]

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle

    def nvmlDeviceGetName(self, handle: str) -> str:
        return f"card {handle}"

    def nvmlDeviceGetPciInfo(self, handle: str) -> Any:
        return SimpleNamespace(busId="00000000:01:00.0")

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        assert self.open
        return SimpleNamespace(total=1000, used=10)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        return SimpleNamespace(gpu=0)

    def nvmlDeviceGetProcessUtilization(self, handle: str, since: int) -> list[Any]:
        return []

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return 40

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return 5000

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:
        return self.processes

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: str) -> list[Any]:
        return []


@pytest.fixture
def power(tmp_path: Path) -> Path:
    folder = tmp_path / "0000:01:00.0" / "power"
    folder.mkdir(parents=True)
    (folder / "control").write_text("auto\n")
    (folder / "runtime_status").write_text("active\n")
    return folder


@pytest.fixture
def nvml() -> FakeNvml:
    return FakeNvml()


@pytest.fixture
def reader(nvml: FakeNvml, power: Path) -> Iterator[GpuReader]:
    reader = GpuReader(library=nvml, power=CardPower(str(power.parents[1])), idle_before_rest_s=0.05)
    reader.start(0.01)
    assert reader.wait_until_known(10)
    yield reader
    reader.stop()


def test_idle_cards_that_may_sleep_are_released_and_taken_up_when_woken(
    nvml: FakeNvml, reader: GpuReader, power: Path
) -> None:
    until(lambda: not nvml.open)
    (power / "runtime_status").write_text("suspended\n")
    until(lambda: reader.latest()[0].temperature_c is None)
    asleep = reader.latest()[0]
    assert (asleep.memory_total_bytes, asleep.memory_used_bytes, asleep.utilisation_pct) == (1000, 10, 0.0)
    assert asleep.processes == ()
    assert nvml.opened == 1
    nvml.processes = [SimpleNamespace(pid=5, usedGpuMemory=7)]
    # The rest has to have seen it sleep before waking it counts.
    until(lambda: reader._slept)
    (power / "runtime_status").write_text("active\n")
    until(lambda: nvml.open and reader.latest()[0].temperature_c == 40)
    assert nvml.opened == 2


def test_a_card_in_use_is_never_released(nvml: FakeNvml, power: Path) -> None:
    nvml.processes = [SimpleNamespace(pid=5, usedGpuMemory=7)]
    reader = GpuReader(library=nvml, power=CardPower(str(power.parents[1])), idle_before_rest_s=0.0)
    reader.start(0.01)
    first = until(reader.latest)
    until(lambda: reader.latest() is not first)
    assert nvml.open
    reader.stop()


def test_a_card_that_may_not_sleep_is_never_released(nvml: FakeNvml, power: Path) -> None:
    (power / "control").write_text("on\n")
    reader = GpuReader(library=nvml, power=CardPower(str(power.parents[1])), idle_before_rest_s=0.0)
    reader.start(0.01)
    first = until(reader.latest)
    until(lambda: reader.latest() is not first)
    assert nvml.open
    reader.stop()


def test_cards_keep_their_number_when_the_driver_renumbers_them(
    nvml: FakeNvml, power: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nvml.uuids = ["GPU-a", "GPU-b"]
    reader = GpuReader(library=nvml, power=CardPower(str(power.parents[1])), idle_before_rest_s=0.05)
    reader.start(0.01)
    until(lambda: len(reader.latest()) == 2 and not nvml.open)
    nvml.uuids = ["GPU-b"]
    (power / "runtime_status").write_text("suspended\n")
    until(lambda: reader._slept)
    (power / "runtime_status").write_text("active\n")
    first, second = until(lambda: cards if (cards := reader.latest())[0].lost else None)
    assert (first.index, first.uuid, first.lost) == (0, "GPU-a", True)
    assert (second.index, second.uuid, second.lost) == (1, "GPU-b", False)
    reader.stop()
    assert len(caplog.records) == 1, "a lost card is said once"


def test_without_the_python_package_there_are_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    reader = GpuReader()
    reader.start(0.01)
    assert reader.wait_until_known(10)
    assert reader.latest() == ()
    assert reader.absent_reason == "The Python package nvidia-ml-py is missing, so graphics cards cannot be read."
    reader.stop()


def test_without_a_driver_the_reason_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    class NoLibrary(FakeNvml):
        def nvmlInit(self) -> None:
            error = self.NVMLError("NVML Shared Library Not Found")
            error.value = self.NVML_ERROR_LIBRARY_NOT_FOUND
            raise error

    caplog.set_level("INFO", logger="tidegate.monitor")
    reader = GpuReader(library=NoLibrary())
    reader.start(0.01)
    assert reader.wait_until_known(10)
    reader.stop(timeout_s=5)
    assert reader.absent_reason == "No NVIDIA driver is installed, so there are no graphics cards to use."
    assert [record.getMessage() for record in caplog.records] == [reader.absent_reason]

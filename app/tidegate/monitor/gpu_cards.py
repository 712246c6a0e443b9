"""What the driver says about each card: one NVML call per figure, and a figure it does not know is None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tidegate.core.machine import GpuProcess, GpuReading

T = TypeVar("T")

WORK_WINDOW_US = 1_000_000


class CardFailure(Exception):
    """The driver cannot be used at all; the text is one sentence. ``no_library``: none is installed."""

    def __init__(self, sentence: str, no_library: bool = False) -> None:
        super().__init__(sentence)
        self.no_library = no_library


class DriverClosed(Exception):
    """The driver went away under an open session; the text is one sentence."""


class _CardLost(Exception):
    pass


@dataclass(slots=True)
class Card:
    """One card. ``index`` stays with the uuid for the life of this process, whatever the driver renumbers."""

    index: int
    uuid: str
    name: str
    memory_total_bytes: int | None
    bus_id: str
    handle: Any
    idle_memory_bytes: int | None = None
    work_seen_at: int = 0  # the driver's stamp of the newest record of who used the card

    def reading(self, lost: bool = False, error: str | None = None) -> GpuReading:
        """The card without figures."""
        return GpuReading(self.index, self.uuid, self.name, self.memory_total_bytes, None, lost=lost, error=error)

    def asleep(self) -> GpuReading:
        """A card that sleeps computes nothing for anyone; its memory holds what it did when last seen idle."""
        return GpuReading(
            self.index,
            self.uuid,
            self.name,
            self.memory_total_bytes,
            self.idle_memory_bytes,
            utilisation_pct=0.0,
            processes=(),
        )


class DriverSession:
    """NVML between init and shutdown. Used from the reader's thread only."""

    def __init__(self, library: Any) -> None:
        self._nvml = library
        self.cards: list[Card] = []
        self.is_open = False
        self.unnamed = 0
        self.driver_version: str | None = None
        self._lost = {library.NVML_ERROR_GPU_IS_LOST, library.NVML_ERROR_RESET_REQUIRED}
        self._closed = {library.NVML_ERROR_UNINITIALIZED, library.NVML_ERROR_DRIVER_NOT_LOADED}
        self._unsaid = {
            library.NVML_ERROR_NOT_SUPPORTED,
            library.NVML_ERROR_FUNCTION_NOT_FOUND,
            library.NVML_ERROR_NO_PERMISSION,
            library.NVML_ERROR_NOT_FOUND,
            library.NVML_ERROR_INSUFFICIENT_SIZE,  # processes came between its two calls
            library.NVML_SUCCESS,  # pynvml raises it for an empty list of records
        }

    def open(self) -> None:
        """Connect anew; cards are matched by uuid with those known before. Raises CardFailure."""
        self.close()
        nvml = self._nvml
        try:
            nvml.nvmlInit()
            self.is_open = True
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            missing = error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND
            self.close()
            raise CardFailure(_sentence(error), no_library=missing) from error
        self.driver_version = self._quietly(nvml.nvmlSystemGetDriverVersion)
        for card in self.cards:
            card.handle = None
        self.unnamed = count - sum(self._adopt(place) for place in range(count))
        self.cards.sort(key=lambda card: card.index)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._quietly(self._nvml.nvmlShutdown)

    def read(self, card: Card) -> GpuReading:
        """All figures of one card. Raises DriverClosed."""
        if card.handle is None:
            return card.reading(lost=True, error="The driver does not find this card any more.")
        nvml, handle = self._nvml, card.handle
        problems: list[str] = []

        def ask(call: Callable[[], T]) -> T | None:
            return self._ask(call, problems)

        try:
            memory = ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
            rates = ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
            temperature = ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
            power_mw = ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
            compute = ask(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
            graphics = ask(lambda: nvml.nvmlDeviceGetGraphicsRunningProcesses(handle))
            processes = self._with_work(card, _processes(compute, graphics), problems)
        except _CardLost as error:
            return card.reading(lost=True, error=str(error))
        used = int(memory.used) if memory is not None else None
        if processes == ():
            card.idle_memory_bytes = used
        if memory is not None:
            card.memory_total_bytes = int(memory.total)
        return GpuReading(
            card.index,
            card.uuid,
            card.name,
            card.memory_total_bytes,
            used,
            utilisation_pct=float(rates.gpu) if rates is not None else None,
            temperature_c=float(temperature) if temperature is not None else None,
            power_w=power_mw / 1000 if power_mw is not None else None,
            processes=processes,
            error=problems[0] if problems else None,
        )

    def _with_work(
        self, card: Card, processes: tuple[GpuProcess, ...] | None, problems: list[str]
    ) -> tuple[GpuProcess, ...] | None:
        """The same processes with what each makes of the card's utilisation, where the driver keeps records of it.

        Only who worked is recorded, once or a few times a second. The last second known is asked for again, so that
        a look that comes between two records finds the ones before.
        """
        if not processes:
            return processes
        nvml, since = self._nvml, max(0, card.work_seen_at - WORK_WINDOW_US)
        records = self._ask(lambda: nvml.nvmlDeviceGetProcessUtilization(card.handle, since), problems)
        if not records:
            card.work_seen_at = 0
            return processes
        # Some drivers leave entries of the list unfilled: those are of no process on the card, or beyond all bounds.
        pids = {process.pid for process in processes}
        valid = [record for record in records if record.pid in pids and record.smUtil <= 100]
        card.work_seen_at = max((int(record.timeStamp) for record in valid), default=card.work_seen_at)
        last_second = [record for record in valid if record.timeStamp > card.work_seen_at - WORK_WINDOW_US]
        worked = {record.pid: float(record.smUtil) for record in sorted(last_second, key=lambda one: one.timeStamp)}
        return tuple(replace(process, utilisation_pct=worked.get(process.pid, 0.0)) for process in processes)

    def _adopt(self, place: int) -> bool:
        """Take up the driver's card number ``place``; False when it cannot even be named now."""
        nvml = self._nvml
        handle = self._quietly(lambda: nvml.nvmlDeviceGetHandleByIndex(place))
        uuid = self._quietly(lambda: nvml.nvmlDeviceGetUUID(handle)) if handle is not None else None
        if uuid is None:
            return False
        known = next((card for card in self.cards if card.uuid == uuid), None)
        if known is not None:
            known.handle = handle
            return True
        taken = {card.index for card in self.cards}
        memory = self._quietly(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        pci = self._quietly(lambda: nvml.nvmlDeviceGetPciInfo(handle))
        self.cards.append(
            Card(
                index=place if place not in taken else max(taken) + 1,
                uuid=_text(uuid),
                name=_text(self._quietly(lambda: nvml.nvmlDeviceGetName(handle)) or "unknown card"),
                memory_total_bytes=int(memory.total) if memory is not None else None,
                bus_id=_text(pci.busId) if pci is not None else "",
                handle=handle,
            )
        )
        return True

    def _ask(self, call: Callable[[], T], problems: list[str]) -> T | None:
        try:
            return call()
        except self._nvml.NVMLError as error:
            if error.value in self._lost:
                raise _CardLost(f"The driver has lost this card: {_sentence(error)}") from error
            if error.value in self._closed:
                raise DriverClosed(_sentence(error)) from error
            if error.value not in self._unsaid:
                problems.append(_sentence(error))
            return None

    def _quietly(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except self._nvml.NVMLError:
            return None


def _processes(compute: list[Any] | None, graphics: list[Any] | None) -> tuple[GpuProcess, ...] | None:
    """Both lists as one: a process that computes and draws stands in both, with the same memory."""
    if compute is None and graphics is None:
        return None
    memory: dict[int, int | None] = {}
    for process in [*(compute or ()), *(graphics or ())]:
        before, used = memory.get(process.pid), process.usedGpuMemory
        memory[process.pid] = max(before, used) if before is not None and used is not None else used or before
    return tuple(GpuProcess(pid, used) for pid, used in sorted(memory.items()))


def _sentence(error: Any) -> str:
    return f"{str(error).rstrip('.')}."


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

"""The machine as data: one reading of it (facts) and what the core makes of many readings (MachineState)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    """How much room there is: NORMAL, HIGH (careful) or EMERGENCY (nothing starts), D6."""

    NORMAL = "NORMAL"
    HIGH = "HIGH"
    EMERGENCY = "EMERGENCY"


class CardMode(StrEnum):
    """State of one graphics card (D6)."""

    NORMAL = "normal"
    HIGH = "high"
    EMERGENCY = "emergency"
    HOT = "hot"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a card; its memory and its part of the card's work are None where the driver does not say."""

    pid: int
    memory_bytes: int | None
    utilisation_pct: float | None = None


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One card at one moment. Every figure is None where the driver does not say or the card is lost."""

    index: int
    uuid: str
    name: str
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilisation_pct: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    processes: tuple[GpuProcess, ...] | None = None
    lost: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OtherProgram:
    """A program that is not ours, all its processes together, as a person would call it."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class MachineReading:
    """One reading of the whole machine. Sizes in bytes, rates per second; None is unknown, never 0.

    ``other_cpu_cores`` is what programs that are not ours used in the last interval, in cores; ``largest_others`` the
    few of them that use the most memory, largest first, looked up rarely.
    """

    at: float
    cores: int
    memory_total_bytes: int
    memory_available_bytes: int | None
    cpu_pct: float | None = None
    per_core_pct: tuple[float, ...] = ()
    other_cpu_cores: float | None = None
    frequency_mhz: float | None = None
    load: tuple[float, float, float] | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    swap_in_bytes_s: float | None = None
    psi_memory_some_pct: float | None = None
    psi_cpu_some_pct: float | None = None
    psi_io_some_pct: float | None = None
    disk_read_bytes_s: float | None = None
    disk_write_bytes_s: float | None = None
    net_received_bytes_s: float | None = None
    net_sent_bytes_s: float | None = None
    gpus: tuple[GpuReading, ...] = ()
    largest_others: tuple[OtherProgram, ...] = ()

    @property
    def memory_used_pct(self) -> float | None:
        """Used = total - available, as a share of total in percent; None when available is unknown."""
        if self.memory_available_bytes is None:
            return None
        return 100.0 * (1.0 - self.memory_available_bytes / self.memory_total_bytes)

    @property
    def swap_used_pct(self) -> float | None:
        if not self.swap_total_bytes or self.swap_used_bytes is None:
            return None
        return 100.0 * self.swap_used_bytes / self.swap_total_bytes


@dataclass(slots=True)
class MachineState:
    """What State remembers between readings. Windows and cool-downs live here, never in detector objects.

    ``other_bytes`` is what programs that are not ours used at the last reading; ``stuck_low_since``: memory use has not
    fallen since then while none of our jobs ran; ``answered_thaw_at``: that thaw was followed by a step of the guard;
    ``cards_others_ema_pct``: how busy programs that are not ours keep each card, smoothed;
    ``unknown_starts``: starts since the last timed sample of jobs whose memory nobody knew.
    """

    reading: MachineReading | None = None
    mode: Mode = Mode.NORMAL
    mode_since: float | None = None
    mode_causes: tuple[str, ...] = ()
    memory_ema_pct: float | None = None
    other_cpu_ema_pct: float | None = None
    clear_ticks: int = 0
    last_emergency_at: float | None = None
    other_bytes: int | None = None
    falling_bytes_s: float = 0.0
    swap_in_rising: bool = False
    cards: dict[int, CardMode] = field(default_factory=dict)
    cards_others_ema_pct: dict[int, float] = field(default_factory=dict)
    cpu_busy_since: float | None = None
    last_intervention_at: float | None = None
    last_intervention_sample: int = 0
    stuck_low_since: float | None = None
    last_thaw_at: float | None = None
    answered_thaw_at: float | None = None
    timed_samples: int = 0
    unknown_starts: int = 0

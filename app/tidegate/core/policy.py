"""Policy: every number the core decides by (D6), already checked; made from the settings by ``settings.policy``."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.resources import GIB, MIB


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """A named line of jobs with its own limits (D4). None: no limit of its own.

    Queues with a lower ``order`` go first. ``strategy`` None: the machine's. ``memory_bytes`` and ``cards`` are the
    most that its running jobs may hold together. ``preempts`` names the queues whose preemptible jobs have to make
    room for a job of this one. ``backfill`` False: nobody may pass its first blocked job.
    """

    name: str
    order: int = 10
    strategy: str | None = None
    max_running: int | None = None
    memory_bytes: int | None = None
    cards: int | None = None
    backfill: bool = True
    preempts: tuple[str, ...] = ()

    @property
    def is_limited(self) -> bool:
        return self.max_running is not None or self.memory_bytes is not None or self.cards is not None


QUEUES = (QueuePolicy("realtime", order=0, preempts=("batch",)), QueuePolicy("default"), QueuePolicy("batch", order=20))


@dataclass(frozen=True, slots=True)
class Policy:
    """Percentages are 0..100, sizes bytes, times seconds. None switches a limit off ("cores only" trace studies).

    ``time_limits`` False: a time limit is what the job was expected to take, and ends nothing (simulated workloads).

    ``strategy_options`` are (strategy.option, value) as their settings say; what a strategy does not name has its
    default.
    """

    memory_high_pct: float | None = 85.0
    memory_emergency_pct: float | None = 92.0
    cpu_high_pct: float | None = 80.0
    cpu_hard_pct: float | None = 95.0
    gpu_memory_high_pct: float = 85.0
    gpu_memory_emergency_pct: float = 95.0
    gpu_guard: bool = True
    gpu_free_pct: float = 20.0
    gpu_stop_temperature_c: float = 90.0
    swap_emergency_pct: float = 80.0
    reserve_memory_bytes: int | None = None
    max_workers: int | None = None
    min_workers: int = 1
    high_mode_priority_cutoff: int = 5
    ema_alpha: float = 0.6
    mode_hysteresis_pct: float = 3.0
    emergency_cooldown_ticks: int = 2
    emergency_cooldown_s: float = 2.0
    max_start_per_tick_normal: int = 4
    max_start_per_tick_high: int = 1
    preempt_count_per_tick: int = 1
    kill_timeout_s: float = 10.0
    stuck_timeout_s: float = 30.0
    max_queued: int = 100_000
    psi_memory_stop_pct: float = 20.0
    settle_growth_pct: float = 2.0
    settle_s: float = 10.0
    cpu_busy_wait_s: float = 60.0
    guard_settle_s: float = 3.0
    max_bypass: int = 20
    max_backfill: int = 1000
    max_thaws_per_hour: int = 3
    default_memory_python_bytes: int = 2 * GIB
    default_memory_other_bytes: int = 512 * MIB
    time_limits: bool = True
    strategy: str = "priority_based"
    strategy_options: tuple[tuple[str, object], ...] = ()
    placement: str = "balanced"
    queues: tuple[QueuePolicy, ...] = QUEUES

    def reserve_bytes(self, total_bytes: int) -> int:
        """Memory never given to jobs: the setting, else max(min(512 MB, 10 %), 5 %) of RAM (D6)."""
        if self.reserve_memory_bytes is not None:
            return self.reserve_memory_bytes
        return int(max(min(512 * MIB, 0.10 * total_bytes), 0.05 * total_bytes))

    def memory_line_bytes(self, total_bytes: int) -> int | None:
        """What all use of memory together may reach: min(emergency line, total - reserve), D6."""
        if self.memory_emergency_pct is None:
            return None
        return int(min(total_bytes * self.memory_emergency_pct / 100.0, total_bytes - self.reserve_bytes(total_bytes)))

    def last_line_bytes(self, total_bytes: int) -> int:
        """Available memory below which there is no time for anything mild (D7.3)."""
        emergency_pct = self.memory_emergency_pct if self.memory_emergency_pct is not None else 100.0
        at_emergency = total_bytes * (100.0 - emergency_pct) / 100.0
        return int(min(max(0.015 * total_bytes, 200 * MIB), at_emergency / 2))

    def workers(self, cores: int) -> int | None:
        """Concurrency in NORMAL mode; None when worker limits are off."""
        return cores if self.max_workers is None else self.max_workers


CORES_ONLY = Policy(
    memory_high_pct=None,
    memory_emergency_pct=None,
    cpu_high_pct=None,
    cpu_hard_pct=None,
    max_workers=1_000_000,
    max_start_per_tick_normal=1_000_000,
    max_start_per_tick_high=1_000_000,
)

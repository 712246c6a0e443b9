"""What earlier runs of the same command taught us: one Profile per key, and the figure it gives."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.job import JobSpec

KEPT_RUNS = 60
RUNS_TO_TRUST = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """The last 60 runs of one key: peak memory in bytes and duration in seconds, oldest first (D9)."""

    key: str
    peaks_bytes: tuple[int, ...] = ()
    durations_s: tuple[float, ...] = ()

    def with_run(self, peak_bytes: int, duration_s: float) -> Profile:
        """A new profile that also knows this run."""
        peaks, durations = (*self.peaks_bytes, peak_bytes), (*self.durations_s, duration_s)
        return Profile(self.key, peaks[-KEPT_RUNS:], durations[-KEPT_RUNS:])

    @property
    def learned_memory_bytes(self) -> int | None:
        """Largest peak kept, times (1.02 + 0.2/n); None before three runs (D4, D9)."""
        n = len(self.peaks_bytes)
        if n < RUNS_TO_TRUST:
            return None
        return int(max(self.peaks_bytes) * (1.02 + 0.2 / n))

    @property
    def typical_duration_s(self) -> float | None:
        """Median duration of the runs kept; None before three runs."""
        n = len(self.durations_s)
        if n < RUNS_TO_TRUST:
            return None
        return sorted(self.durations_s)[n // 2]


def profile_key(spec: JobSpec) -> str:
    """Runs of the same command in the same folder teach each other."""
    return "\x00".join((spec.cwd, *spec.command))

"""What earlier runs of the same command taught us: one Profile per key, and the figure it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from tidegate.core.job import CardUse, JobSpec

KEPT_RUNS = 60
RUNS_TO_TRUST = 3

# A job that holds a card is never counted as nothing.
LEAST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Profile:
    """The last 60 runs of one key, oldest first (D9): peak memory in bytes, duration in seconds, and of those runs that
    were seen on a card the most memory on one card and the mean utilisation of the busiest one."""

    key: str
    peaks_bytes: tuple[int, ...] = ()
    durations_s: tuple[float, ...] = ()
    card_peaks_bytes: tuple[int, ...] = ()
    card_utilisation_pct: tuple[float, ...] = ()

    def with_run(self, peak_bytes: int, duration_s: float, on_cards: CardUse | None = None) -> Profile:
        """A new profile that also knows this run."""
        card_peak = on_cards.peak_bytes if on_cards is not None else None
        utilisation = on_cards.utilisation_pct if on_cards is not None else None
        return Profile(
            self.key,
            _with(self.peaks_bytes, peak_bytes),
            _with(self.durations_s, duration_s),
            _with(self.card_peaks_bytes, card_peak),
            _with(self.card_utilisation_pct, utilisation),
        )

    @property
    def learned_memory_bytes(self) -> int | None:
        """Largest peak kept, times (1.02 + 0.2/n); None before three runs (D4, D9)."""
        return _largest(self.peaks_bytes)

    @property
    def learned_card_bytes(self) -> int | None:
        """The same of the memory on a card; None before three runs that were seen on one."""
        return _largest(self.card_peaks_bytes)

    @property
    def learned_card_share(self) -> float | None:
        """Median of how busy it kept its busiest card, 0.01..1; None before three runs whose utilisation was seen."""
        median = _median(self.card_utilisation_pct)
        return None if median is None else min(1.0, max(LEAST_SHARE, median / 100.0))

    @property
    def typical_duration_s(self) -> float | None:
        """Median duration of the runs kept; None before three runs."""
        return _median(self.durations_s)

    @property
    def reserved_duration_s(self) -> float | None:
        """The duration that nine runs in ten did not exceed; None before three runs (D9)."""
        n = len(self.durations_s)
        if n < RUNS_TO_TRUST:
            return None
        return sorted(self.durations_s)[math.ceil(0.9 * n) - 1]


T = TypeVar("T")


def _with(kept: tuple[T, ...], value: T | None) -> tuple[T, ...]:
    return kept if value is None else (*kept, value)[-KEPT_RUNS:]


def _largest(peaks_bytes: tuple[int, ...]) -> int | None:
    n = len(peaks_bytes)
    return int(max(peaks_bytes) * (1.02 + 0.2 / n)) if n >= RUNS_TO_TRUST else None


def _median(values: tuple[float, ...]) -> float | None:
    return sorted(values)[len(values) // 2] if len(values) >= RUNS_TO_TRUST else None


def profile_key(spec: JobSpec) -> str:
    """Runs of the same command in the same folder teach each other."""
    return "\x00".join((spec.cwd, *spec.command))

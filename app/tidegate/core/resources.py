"""What a job may ask for and what it is expected to use: plain amounts, no behaviour of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """A wish for graphics cards: how many, what share of one, and which model.

    ``count`` is a whole number of cards, or a share of one card when below 1.
    ``memory_bytes`` is wanted on each card; None means the job did not say.
    """

    count: float
    memory_bytes: int | None = None
    vendor: str | None = None
    model: str | None = None

    @property
    def cards(self) -> int:
        """How many different cards are touched (a share touches one)."""
        return max(1, int(self.count))

    @property
    def share(self) -> float:
        """The share of each touched card, 0 < share <= 1."""
        return self.count if self.count < 1 else 1.0


class EstimateSource(StrEnum):
    """Where an estimate comes from; shown to the user beside the figure."""

    DECLARED = "declared"
    LEARNED = "learned"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job is expected to use (D4)."""

    memory_bytes: int
    source: EstimateSource
    cores: float
    gpu: GpuRequest | None = None
    duration_s: float | None = None

    @property
    def known(self) -> bool:
        """True when the memory figure was declared or learned, not guessed."""
        return self.source is not EstimateSource.DEFAULT

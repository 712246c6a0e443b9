"""What a job may ask for and what it is expected to use: plain amounts, no behaviour of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """A wish for graphics cards: how many, what share of one, and which kind.

    ``count`` is a whole number of cards, or a share of one card when below 1.
    ``memory_bytes`` is wanted on each card; None means the job did not say.
    ``card_bytes`` is the least that a card must have in all, ``preferred_bytes`` what it had better have.
    ``exclusive``: nobody else on its cards while it runs.
    """

    count: float
    memory_bytes: int | None = None
    vendor: str | None = None
    model: str | None = None
    card_bytes: int | None = None
    preferred_bytes: int | None = None
    exclusive: bool = False

    @property
    def cards(self) -> int:
        """How many different cards are touched (a share touches one)."""
        return max(1, int(self.count))

    @property
    def share(self) -> float:
        """The share of each touched card, 0 < share <= 1."""
        return self.count if self.count < 1 else 1.0

    @property
    def text(self) -> str:
        """As ``--gpu`` takes it: ``8G,1(nvidia,V100,>=16G,exclusive)``."""
        memory = "" if self.memory_bytes is None else f"{_exact(self.memory_bytes)},"
        return f"{memory}{self.count:g}" + (f"({','.join(self.wishes)})" if self.wishes else "")

    @property
    def wishes(self) -> tuple[str, ...]:
        """What stands in the brackets of ``text``."""
        words = (
            self.vendor,
            self.model,
            None if self.card_bytes is None else f">={_exact(self.card_bytes)}",
            None if self.preferred_bytes is None else f"~{_exact(self.preferred_bytes)}",
            "exclusive" if self.exclusive else None,
        )
        return tuple(word for word in words if word)


def _exact(size_bytes: int) -> str:
    """In the largest unit that leaves no rest, so that reading it back gives the same."""
    for unit, letter in ((GIB, "G"), (MIB, "M"), (KIB, "K")):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{letter}"
    return f"{size_bytes}B"


@dataclass(frozen=True, slots=True)
class CardNeed:
    """What a job is expected to take of each of its cards.

    ``share`` is how busy it keeps the card, 0 < share <= 1; ``memory_bytes`` is None while nobody knows.
    """

    share: float
    memory_bytes: int | None = None


class EstimateSource(StrEnum):
    """Where an estimate comes from; shown to the user beside the figure."""

    DECLARED = "declared"
    LEARNED = "learned"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job is expected to use (D4); ``gpu`` is its wish for cards, ``card`` what it should take of each."""

    memory_bytes: int
    source: EstimateSource
    cores: float
    gpu: GpuRequest | None = None
    duration_s: float | None = None
    card: CardNeed | None = None

    @property
    def known(self) -> bool:
        """True when the memory figure was declared or learned, not guessed."""
        return self.source is not EstimateSource.DEFAULT

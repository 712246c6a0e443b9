"""Other people on the fake machine: programs that are not ours, with what they use over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.simulator.curves import NOTHING, Curve


@dataclass(frozen=True, slots=True)
class CardLoad:
    """What somebody uses of one card: bytes, and percent of its time."""

    memory: Curve = NOTHING
    utilisation_pct: Curve = NOTHING


@dataclass(frozen=True, slots=True)
class OtherUser:
    """A program that is not ours. Its curves are over seconds since the machine began."""

    name: str
    memory: Curve = NOTHING
    cores: Curve = NOTHING
    cards: Mapping[int, CardLoad] = field(default_factory=dict)

    def steady_until(self, age_s: float) -> float:
        """Until when it uses what it uses now; ``age_s`` itself when that moves."""
        loads = [curve for card in self.cards.values() for curve in (card.memory, card.utilisation_pct)]
        return min((curve.steady_until(age_s) for curve in (self.memory, self.cores, *loads)), default=math.inf)

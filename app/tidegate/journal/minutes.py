"""Makes one row of a whole minute of samples: the mean and the largest of every figure (D10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tidegate.core.machine import Mode
from tidegate.engine.views import MachineSample

MINUTE_S = 60
_MODES = [mode.value for mode in Mode]

Figure = float | None
Fold = Callable[[Sequence[float]], float]


def minute_of(at: float) -> int:
    """The moment at which the minute of ``at`` begins."""
    return int(at // MINUTE_S) * MINUTE_S


def mean_and_maximum(minute: int, samples: Sequence[MachineSample]) -> tuple[MachineSample, MachineSample]:
    """Two samples as of the beginning of the minute: the mean with the most frequent mode, the maximum with the worst.

    Unknown figures are left out.
    """
    mean = _folded(minute, samples, lambda values: sum(values) / len(values))
    maximum = replace(_folded(minute, samples, max), mode=max((sample.mode for sample in samples), key=_severity))
    mean = replace(
        mean,
        cpu_max_pct=_fold([sample.cpu_max_pct for sample in samples] + [maximum.cpu_pct], max),
        memory_max_bytes=_whole(
            _fold([sample.memory_max_bytes for sample in samples] + [maximum.memory_used_bytes], max)
        ),
    )
    return mean, maximum


def _folded(minute: int, samples: Sequence[MachineSample], fold: Fold) -> MachineSample:
    modes = [sample.mode for sample in samples]
    return MachineSample(
        at=float(minute),
        mode=max(sorted(set(modes)), key=modes.count),
        cpu_pct=_fold([sample.cpu_pct for sample in samples], fold),
        memory_total_bytes=_whole(_fold([sample.memory_total_bytes for sample in samples], fold)),
        memory_used_bytes=_whole(_fold([sample.memory_used_bytes for sample in samples], fold)),
        memory_other_bytes=_whole(_fold([sample.memory_other_bytes for sample in samples], fold)),
        swap_used_bytes=_whole(_fold([sample.swap_used_bytes for sample in samples], fold)),
        reserved_bytes=round(fold([sample.reserved_bytes for sample in samples])),
        running=round(fold([sample.running for sample in samples])),
        queued=round(fold([sample.queued for sample in samples])),
        cards=_cards(samples, fold),
    )


def _cards(samples: Sequence[MachineSample], fold: Fold) -> tuple[tuple[int, Figure, int | None, Figure, Figure], ...]:
    """Per card: index, utilisation, memory, temperature, power."""
    by_index: dict[int, list[tuple[int, Figure, int | None, Figure, Figure]]] = {}
    for sample in samples:
        for card in sample.cards:
            by_index.setdefault(card[0], []).append(card)
    return tuple(
        (
            index,
            _fold([card[1] for card in cards], fold),
            _whole(_fold([card[2] for card in cards], fold)),
            _fold([card[3] for card in cards], fold),
            _fold([card[4] for card in cards], fold),
        )
        for index, cards in sorted(by_index.items())
    )


def _severity(mode: str) -> int:
    return _MODES.index(mode) if mode in _MODES else -1


def _fold(values: Sequence[Figure], fold: Fold) -> Figure:
    known = [value for value in values if value is not None]
    return fold(known) if known else None


def _whole(value: Figure) -> int | None:
    return None if value is None else round(value)

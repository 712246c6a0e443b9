"""The fake machine's cards as a driver would report them: what they are like alone, plus everybody who is on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tidegate.core.machine import GpuReading
from tidegate.core.resources import GIB
from tidegate.engine.ports import StartRequest
from tidegate.simulator.fake_runs import FakeRun
from tidegate.simulator.others import OtherUser


def fake_card(index: int, memory_bytes: int = 24 * GIB, name: str = "Simulated GPU") -> GpuReading:
    """An idle card of this size."""
    return GpuReading(index, f"GPU-{index:08d}", name, memory_bytes, 0, 0.0, 40.0)


def read_cards(
    cards: Sequence[GpuReading], runs: Iterable[FakeRun], others: Iterable[OtherUser], now: float, age_s: float
) -> tuple[GpuReading, ...]:
    """``cards`` (as they are without any of these) with what runs and others use of them added."""
    memory: dict[int, float] = {}
    busy: dict[int, float] = {}
    for run in runs:
        for index in run.cards:
            memory[index] = memory.get(index, 0) + run.card_memory(now)
            busy[index] = busy.get(index, 0.0) + run.card_utilisation_pct()
    for other in others:
        for index, load in other.cards.items():
            memory[index] = memory.get(index, 0) + load.memory.at(age_s)
            busy[index] = busy.get(index, 0.0) + load.utilisation_pct.at(age_s)
    return tuple(_with(card, memory[card.index], busy[card.index]) if card.index in memory else card for card in cards)


def _with(card: GpuReading, memory: float, busy_pct: float) -> GpuReading:
    used, total = card.memory_used_bytes, card.memory_total_bytes
    if card.lost or used is None or total is None:
        return card
    utilisation = min(100.0, (card.utilisation_pct or 0.0) + busy_pct)
    return replace(card, memory_used_bytes=min(total, used + int(memory)), utilisation_pct=utilisation)


def given_cards(request: StartRequest, cards: Sequence[GpuReading]) -> tuple[int, ...]:
    """The cards a job was started on, by what the executor told it: uuids, or plain numbers."""
    named = dict(request.extra_environment).get("CUDA_VISIBLE_DEVICES", "")
    words = named.split(",") if named else []
    return tuple(card.index for card in cards if card.uuid in words or str(card.index) in words)

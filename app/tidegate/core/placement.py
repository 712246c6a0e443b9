"""Cards: what each still has to give (CardLedger), and which cards a job gets. Never an aggregate over cards (D6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.core.card_names import card_matches
from tidegate.core.job import Job, JobId, JobSpec, Paused
from tidegate.core.machine import CardMode, GpuReading, MachineState
from tidegate.core.policy import Policy
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import GpuRequest


@dataclass(slots=True)
class CardLedger:
    """One card during one plan. Bytes; ``share`` is the sum of shares given away (0..1 and above when paused).

    ``holders`` are the jobs of ours that have it.
    """

    reading: GpuReading
    mode: CardMode
    free_bytes: int
    free_without_us_bytes: int = 0
    share: float = 0.0
    holders: list[JobId] = field(default_factory=list)
    unknown: JobId | None = None


def build_cards(machine: MachineState, policy: Policy, active: list[Job]) -> dict[int, CardLedger]:
    """What each card has to give: up to its emergency line, less what is used by others and reserved by ours."""
    cards: dict[int, CardLedger] = {}
    if machine.reading is None:
        return cards
    for reading in machine.reading.gpus:
        mode = machine.cards.get(reading.index, CardMode.NORMAL)
        total, used = reading.memory_total_bytes, reading.memory_used_bytes
        free = 0 if total is None or used is None else int(total * policy.gpu_memory_emergency_pct / 100.0) - used
        cards[reading.index] = CardLedger(reading, mode, free, free)
    for job in active if cards else ():
        attempt = job.attempts[-1]
        if job.spec.gpu is None:
            continue
        measured = dict(job.usage.gpu_memory_bytes) if job.usage is not None else {}
        for index in attempt.devices:
            card = cards.get(index)
            if card is None:
                continue
            # The reading already holds what is used; only the rest of the promise is taken off.
            card.free_bytes -= max(0, (job.spec.gpu.memory_bytes or 0) - measured.get(index, 0))
            card.free_without_us_bytes += measured.get(index, 0)
            card.holders.append(job.id)
            if not isinstance(job.status, Paused):
                card.share += job.spec.gpu.share
            if job.spec.gpu.memory_bytes is None:
                card.unknown = job.id
    return cards


def eligible(spec: JobSpec, card: GpuReading) -> bool:
    """True when device list, vendor and model let this job use this card at all."""
    request = spec.gpu
    assert request is not None
    if spec.device not in ("auto", "") and str(card.index) not in spec.device.split(","):
        return False
    return card_matches(card.name, request.vendor, request.model)


def refusal(request: GpuRequest, card: CardLedger, policy: Policy) -> WaitCode | None:
    """Why this card cannot take the job now; None when it can."""
    if card.mode is CardMode.UNREADABLE:
        return WaitCode.GPU_UNREADABLE
    if card.mode is CardMode.HOT:
        return WaitCode.GPU_HOT
    if card.mode in (CardMode.HIGH, CardMode.EMERGENCY):
        return WaitCode.GPU_MEMORY
    if card.share + request.share > 1.0 + 1e-9:
        return WaitCode.GPU_BUSY
    if request.memory_bytes is not None:
        if request.memory_bytes > card.free_bytes:
            return WaitCode.GPU_MEMORY
        return WaitCode.GPU_BUSY if card.unknown is not None else None
    used, total = card.reading.memory_used_bytes, card.reading.memory_total_bytes
    if card.holders or used is None or not total or 100.0 * used / total >= policy.gpu_free_pct:
        return WaitCode.GPU_BUSY
    return None


def choose(spec: JobSpec, cards: dict[int, CardLedger], policy: Policy) -> tuple[tuple[int, ...], WaitCode | None]:
    """The cards for a job, the roomiest first, or the most telling reason why there are not enough."""
    request = spec.gpu
    if request is None or spec.device == "cpu":
        return (), None
    fitting: list[CardLedger] = []
    refusals: list[WaitCode] = []
    for card in cards.values():
        if not eligible(spec, card.reading):
            continue
        code = refusal(request, card, policy)
        if code is None:
            fitting.append(card)
        else:
            refusals.append(code)
    if len(fitting) < request.cards:
        return (), refusals[0] if refusals else WaitCode.GPU_BUSY
    fitting.sort(key=lambda card: (-card.free_bytes, card.share, card.reading.index))
    return tuple(sorted(card.reading.index for card in fitting[: request.cards])), None


def choose_anyway(spec: JobSpec, cards: dict[int, CardLedger], policy: Policy) -> tuple[int, ...]:
    """Cards for a job that skips admission: those it would get, else the roomiest of those it could use at all."""
    devices, refused = choose(spec, cards, policy)
    if refused is None or spec.gpu is None:
        return devices
    usable = [card for card in cards.values() if eligible(spec, card.reading)]
    usable.sort(key=lambda card: (card.mode is CardMode.UNREADABLE, -card.free_bytes, card.share, card.reading.index))
    return tuple(sorted(card.reading.index for card in usable[: spec.gpu.cards]))


def could_ever_get_cards(spec: JobSpec, cards: dict[int, CardLedger], policy: Policy) -> bool:
    """False when even with none of our jobs running there would not be enough cards: others' use is in the way."""
    request = spec.gpu
    if request is None:
        return True
    return sum(_free_without_us(request, card, policy) for card in cards.values() if eligible(spec, card.reading)) >= (
        request.cards
    )


def _free_without_us(request: GpuRequest, card: CardLedger, policy: Policy) -> bool:
    total = card.reading.memory_total_bytes
    if total is None or card.mode in (CardMode.UNREADABLE, CardMode.HOT):
        return False
    if request.memory_bytes is not None:
        return request.memory_bytes <= card.free_without_us_bytes
    others = total * policy.gpu_memory_emergency_pct / 100.0 - card.free_without_us_bytes
    return 100.0 * others < policy.gpu_free_pct * total


def take(spec: JobSpec, id: JobId, devices: tuple[int, ...], cards: dict[int, CardLedger]) -> None:
    """Write a start of this plan into the card ledgers."""
    request = spec.gpu
    if request is None:
        return
    for index in devices:
        card = cards[index]
        card.share += request.share
        card.free_bytes -= request.memory_bytes or 0
        card.holders.append(id)
        if request.memory_bytes is None:
            card.unknown = id

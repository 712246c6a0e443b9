"""Cards: what each still has to give (CardLedger), and which cards a job gets. Never an aggregate over cards (D6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.core.card_names import card_matches, is_large_enough
from tidegate.core.estimates import card_need
from tidegate.core.job import Job, JobId, JobSpec, Paused
from tidegate.core.machine import CardMode, GpuReading, MachineState
from tidegate.core.policy import Policy
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import CardNeed, Estimate, GpuRequest

SPREAD, PACK, BALANCED = "spread", "pack", "balanced"
PLACEMENTS = (SPREAD, PACK, BALANCED)

# Less of a card's memory than this, left beside a job that wants whole cards, is of little use to anybody (D8).
PIECE = 0.3


@dataclass(slots=True)
class CardLedger:
    """One card during one plan. Bytes, and shares of its time (0..1, above 1 where jobs were forced onto it).

    ``share`` is what our jobs are expected to keep busy, paused ones left out; ``others_share`` what other programs do,
    0 while that is too little to matter. ``holders`` are the jobs of ours that have it, ``unknown`` one of them whose
    need of memory nobody knows.
    """

    reading: GpuReading
    mode: CardMode
    free_bytes: int
    free_without_us_bytes: int = 0
    share: float = 0.0
    others_share: float = 0.0
    holders: list[JobId] = field(default_factory=list)
    unknown: JobId | None = None

    @property
    def free_share(self) -> float:
        """What is left of its time, at least 0."""
        return max(0.0, 1.0 - self.share - self.others_share)

    def has_time_for(self, share: float) -> bool:
        """All that keep it busy together stay within its time; measured pairs of jobs then hardly slow each other."""
        return self.share + self.others_share + share <= 1.0 + 1e-9

    def take(self, id: JobId, need: CardNeed) -> None:
        """Add a start of this plan."""
        self.share += need.share
        self.free_bytes -= need.memory_bytes or 0
        self.holders.append(id)
        if need.memory_bytes is None:
            self.unknown = id


def need_of(spec: JobSpec, figure: Estimate | None) -> CardNeed | None:
    """What a job is expected to take of each card: as estimated, else as it asked; None without a wish for cards."""
    if figure is not None and figure.card is not None:
        return figure.card
    return None if spec.gpu is None else card_need(spec.gpu, None)


def build_cards(machine: MachineState, policy: Policy, active: list[Job]) -> dict[int, CardLedger]:
    """What each card has to give: up to its emergency line, less what is used by others and reserved by ours."""
    cards: dict[int, CardLedger] = {}
    if machine.reading is None:
        return cards
    for reading in machine.reading.gpus:
        mode = machine.cards.get(reading.index, CardMode.NORMAL)
        total, used = reading.memory_total_bytes, reading.memory_used_bytes
        free = 0 if total is None or used is None else int(total * policy.gpu_memory_emergency_pct / 100.0) - used
        card = CardLedger(reading, mode, free, free)
        cards[reading.index] = card
        others_pct = machine.cards_others_ema_pct.get(reading.index, 0.0)
        if others_pct >= policy.gpu_free_pct:
            card.others_share = others_pct / 100.0
    for job in active if cards else ():
        if job.spec.gpu is None or (need := need_of(job.spec, job.estimate)) is None:
            continue
        measured = dict(job.usage.gpu_memory_bytes) if job.usage is not None else {}
        for index in job.attempts[-1].devices:
            found = cards.get(index)
            if found is None:
                continue
            # The reading already holds what is used; only the rest of the promise is taken off.
            found.free_bytes -= max(0, (need.memory_bytes or 0) - measured.get(index, 0))
            found.free_without_us_bytes += measured.get(index, 0)
            found.holders.append(job.id)
            if not isinstance(job.status, Paused):
                found.share += need.share
            if need.memory_bytes is None:
                found.unknown = job.id
    return cards


def others_crowd(card: CardLedger, policy: Policy) -> bool:
    """Whether other programs use too much of a card for it to count as free (D6, ``gpu_free_pct``)."""
    total = card.reading.memory_total_bytes or 0
    others = total * policy.gpu_memory_emergency_pct / 100.0 - card.free_without_us_bytes
    return card.others_share > 0 or 100.0 * others >= policy.gpu_free_pct * total


def eligible(spec: JobSpec, card: GpuReading) -> bool:
    """True when device list, vendor, model and size let this job use this card at all."""
    request = spec.gpu
    assert request is not None
    if spec.device not in ("auto", "") and str(card.index) not in spec.device.split(","):
        return False
    return is_large_enough(card.memory_total_bytes, request.card_bytes) and card_matches(
        card.name, request.vendor, request.model
    )


def refusal(request: GpuRequest, need: CardNeed, card: CardLedger, policy: Policy) -> WaitCode | None:
    """Why this card cannot take the job now; None when it can."""
    if card.mode is CardMode.UNREADABLE:
        return WaitCode.GPU_UNREADABLE
    if card.mode is CardMode.HOT:
        return WaitCode.GPU_HOT
    if card.mode in (CardMode.HIGH, CardMode.EMERGENCY):
        return WaitCode.GPU_MEMORY
    if not card.has_time_for(need.share) or (request.exclusive and (card.holders or others_crowd(card, policy))):
        return WaitCode.GPU_BUSY
    if need.memory_bytes is not None:
        if need.memory_bytes > card.free_bytes:
            return WaitCode.GPU_MEMORY
        return WaitCode.GPU_BUSY if card.unknown is not None else None
    used, total = card.reading.memory_used_bytes, card.reading.memory_total_bytes
    if card.holders or used is None or not total or 100.0 * used / total >= policy.gpu_free_pct:
        return WaitCode.GPU_BUSY
    return None


def score(request: GpuRequest, need: CardNeed, card: CardLedger, placement: str) -> float:
    """How good this card is for the job by D8, higher is better: how busy it would be, and what is free of its memory.

    ``spread`` wants idle cards, ``pack`` busy ones, ``balanced`` those that come near half.
    """
    busy = min(1.0, card.share + card.others_share + need.share)
    wanted = busy if placement == PACK else 1.0 - busy
    if placement == BALANCED:
        wanted = 1.0 - 2.0 * abs(busy - 0.5)
    total = card.reading.memory_total_bytes or 1
    leaves_a_piece = request.count >= 1 and 0 < card.free_bytes - (need.memory_bytes or 0) < PIECE * total
    return 40.0 * wanted + 30.0 * card.free_bytes / total - (10.0 if leaves_a_piece else 0.0)


def choose(
    spec: JobSpec,
    cards: dict[int, CardLedger],
    policy: Policy,
    figure: Estimate | None = None,
    placement: str | None = None,
) -> tuple[tuple[int, ...], WaitCode | None]:
    """The best cards for a job, or the most telling reason why there are not enough; ``placement`` None: policy's."""
    request, need = spec.gpu, need_of(spec, figure)
    if request is None or need is None or spec.device == "cpu":
        return (), None
    fitting: list[CardLedger] = []
    refusals: list[WaitCode] = []
    for card in cards.values():
        if not eligible(spec, card.reading):
            continue
        code = refusal(request, need, card, policy)
        if code is None:
            fitting.append(card)
        else:
            refusals.append(code)
    if len(fitting) < request.cards:
        return (), refusals[0] if refusals else WaitCode.GPU_BUSY
    if len(fitting) > request.cards:
        fitting.sort(key=lambda card: _rank(request, need, card, placement or policy.placement))
    return _indices(fitting[: request.cards]), None


def _rank(request: GpuRequest, need: CardNeed, card: CardLedger, placement: str) -> tuple[bool, float, int]:
    """The size it prefers comes before the score."""
    small = not is_large_enough(card.reading.memory_total_bytes, request.preferred_bytes)
    return (small, -score(request, need, card, placement), card.reading.index)


def _indices(cards: list[CardLedger]) -> tuple[int, ...]:
    return tuple(sorted(card.reading.index for card in cards))


def choose_anyway(
    spec: JobSpec, cards: dict[int, CardLedger], policy: Policy, figure: Estimate | None = None
) -> tuple[int, ...]:
    """Cards for a job that skips admission: those it would get, else the roomiest of those it could use at all."""
    devices, refused = choose(spec, cards, policy, figure)
    if refused is None or spec.gpu is None:
        return devices
    usable = [card for card in cards.values() if eligible(spec, card.reading)]
    usable.sort(key=lambda card: (card.mode is CardMode.UNREADABLE, -card.free_bytes, card.share, card.reading.index))
    return _indices(usable[: spec.gpu.cards])


def could_ever_get_cards(
    spec: JobSpec, cards: dict[int, CardLedger], policy: Policy, figure: Estimate | None = None
) -> bool:
    """False when even with none of our jobs running there would not be enough cards: others' use is in the way."""
    request, need = spec.gpu, need_of(spec, figure)
    if request is None or need is None:
        return True
    allowed = [card for card in cards.values() if eligible(spec, card.reading)]
    return sum(_free_without_us(request, need, card, policy) for card in allowed) >= request.cards


def _free_without_us(request: GpuRequest, need: CardNeed, card: CardLedger, policy: Policy) -> bool:
    if card.mode in (CardMode.UNREADABLE, CardMode.HOT):
        return False
    if card.others_share + need.share > 1.0 + 1e-9 or (request.exclusive and others_crowd(card, policy)):
        return False
    if need.memory_bytes is not None:
        return need.memory_bytes <= card.free_without_us_bytes
    return not others_crowd(card, policy)

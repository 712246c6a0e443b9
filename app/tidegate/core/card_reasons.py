"""Why a job waits for cards, in a sentence: what it needs of one, what each card it could use lacks, and who has it."""

from __future__ import annotations

from tidegate.core.admission import Ledger
from tidegate.core.job import Job, JobId, Paused
from tidegate.core.placement import CardLedger, eligible, need_of, refusal
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import CardNeed, Estimate, GpuRequest
from tidegate.core.state import State
from tidegate.core.texts import format_size

CARDS_NAMED = 2


def explain_cards(code: WaitCode, state: State, job: Job, figure: Estimate, ledger: Ledger) -> WaitReason:
    """One of the GPU codes as a reason; cards that refuse for another cause are named after those of this one."""
    request, need = job.spec.gpu, need_of(job.spec, figure)
    if request is None or need is None:
        return WaitReason(code, "no GPU is free enough")
    allowed = [card for card in ledger.cards.values() if eligible(job.spec, card.reading)]
    refusing = [(card, why) for card in allowed if (why := refusal(request, need, card, ledger.policy)) is not None]
    blamed = [card for card, why in refusing if why is code]
    if code is WaitCode.GPU_MEMORY:
        text, numbers = _memory(need, blamed, ledger)
    else:
        text, numbers = _time(request, need, blamed if code is WaitCode.GPU_BUSY else [])
    if len(refusing) < len(allowed):
        text += f", {len(allowed) - len(refusing)} free"
    refusing.sort(key=lambda pair: pair[1] is not code)
    return WaitReason(code, f"{text} · {_in_the_way(state, refusing) or 'none is free enough'}", numbers)


def cards_in_the_way(state: State, job: Job, ledger: Ledger) -> str:
    """`` · GPU 0 is used by train.py (job 3)``: who keeps a paused job from using its cards again; empty: nobody."""
    need = need_of(job.spec, job.estimate)
    cards = [ledger.cards[index] for index in job.attempts[-1].devices if index in ledger.cards]
    full = [card for card in cards if need is not None and card.share + need.share > 1.0 + 1e-9]
    parts = [f"GPU {card.reading.index} is used by {_users(state, card, besides=job.id)}" for card in full]
    return f" · {', '.join(parts[:CARDS_NAMED])}" if parts else ""


def _wish(request: GpuRequest, need: CardNeed) -> str:
    """``a GPU``, ``0.5 of a GPU``, ``2 GPUs for itself``, ``a GPU (about 40 % of its time)``."""
    if request.count < 1:
        text = f"{request.count:g} of a GPU"
    else:
        text = "a GPU" if request.count == 1 else f"{request.count:g} GPUs"
    if request.exclusive:
        return f"{text} for itself"
    return text if need.share == request.share else f"{text} (about {100 * need.share:.0f} % of its time)"


def _time(request: GpuRequest, need: CardNeed, busy: list[CardLedger]) -> tuple[str, dict[str, float]]:
    """What it needs of a card's time, and what is left of the idlest one."""
    text = f"needs {_wish(request, need)}"
    idlest = max(busy, key=lambda card: card.free_share, default=None)
    if idlest is None or request.exclusive:
        return text, {}
    left_pct = 100.0 * idlest.free_share
    numbers = {"needed_pct": 100.0 * need.share, "free_pct": left_pct}
    if not idlest.has_time_for(need.share):
        return text + (f", {left_pct:.0f} % of GPU {idlest.reading.index} is left" if left_pct >= 1 else ""), numbers
    if need.memory_bytes is None and need.share < 1:
        text += " with nobody else on it, as long as its need of GPU memory is not known"
    return text, numbers


def _memory(need: CardNeed, full: list[CardLedger], ledger: Ledger) -> tuple[str, dict[str, float]]:
    """What it needs of a card's memory, and what the emptiest one has; or that all of these are over their line."""
    emptiest = max(full, key=lambda card: card.free_bytes, default=None)
    line = ledger.policy.gpu_memory_high_pct
    if emptiest is None or need.memory_bytes is None or need.memory_bytes <= emptiest.free_bytes:
        return f"GPU memory is over {line:g} % full, and such a card takes nothing new", {"line_pct": line}
    free = max(0, emptiest.free_bytes)
    text = f"needs {format_size(need.memory_bytes)} of GPU memory, {format_size(free)} free"
    if len(ledger.cards) > 1:
        text += f" on GPU {emptiest.reading.index}" if len(full) == 1 else " on the emptiest card"
    return text, {"needed_bytes": float(need.memory_bytes), "free_bytes": float(free)}


def _in_the_way(state: State, refusing: list[tuple[CardLedger, WaitCode]]) -> str:
    """``GPU 0 is used by train.py (job 3), GPU 1 by other programs``: whom or what one would have to wait for."""
    parts: list[str] = []
    used = False
    for card, why in refusing[:CARDS_NAMED]:
        name = f"GPU {card.reading.index}"
        if why is WaitCode.GPU_HOT:
            parts.append(f"{name} is at {card.reading.temperature_c:.0f} °C and takes nothing new")
        elif why is WaitCode.GPU_UNREADABLE:
            parts.append(f"{name} cannot be read")
        else:
            parts.append(f"{name} {'' if used else 'is used '}by {_users(state, card)}")
            used = True
    if len(refusing) > CARDS_NAMED:
        more = len(refusing) - CARDS_NAMED
        parts.append(f"{'1 more card' if more == 1 else f'{more} more cards'} too")
    return ", ".join(parts)


def _users(state: State, card: CardLedger, besides: JobId | None = None) -> str:
    holders = [id for id in card.holders if id != besides]
    # One that is paused has only memory there.
    holders.sort(key=lambda holder: isinstance(state.jobs[holder].status, Paused))
    names = [_holder(state, id, card) for id in holders[:1]]
    if len(holders) > 1:
        names.append(f"{len(holders) - 1} more")
    if card.others_share or not names:
        names.append("other programs")
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _holder(state: State, id: JobId, card: CardLedger) -> str:
    job = state.jobs[id]
    why = ""
    if job.spec.gpu is not None and job.spec.gpu.exclusive:
        why = " for itself"
    elif card.unknown == id and card.free_share >= 0.01:
        why = " alone, as long as its need of GPU memory is not known"
    return f"{job.spec.name} (job {id}){why}"

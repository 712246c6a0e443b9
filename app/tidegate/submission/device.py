"""Reads what a job says about graphics cards (``--gpu``, ``--device``) and holds it against the real cards (D5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.core.card_names import VENDORS, card_matches, is_large_enough
from tidegate.core.resources import GpuRequest
from tidegate.core.texts import format_size
from tidegate.submission.grammar import NotUnderstood, parse_size, plain
from tidegate.submission.request import GpuFact, MachineFacts

GPUS = (
    "a GPU request is such as 1, 0.5, 0.5(vgpu), 2(V100), 1(amd), 1(nvidia,V100), 1(exclusive), "
    "1(>=16G) (a card of that size at least), 1(~24G) (one of that size if there is one), "
    "8G,0.5 (memory and share of a card) or none"
)
DEVICES = "a device is auto, cpu, or card numbers such as 0 or 0,1"

_REQUEST = re.compile(r"(?:([^,()]+),)?\s*([0-9]*\.?[0-9]+)\s*(?:\(([^()]*)\))?")


def parse_gpu(text: str) -> GpuRequest | None:
    """A wish for cards; None for ``none`` and ``0``."""
    word = plain(text)
    if word.lower() in ("none", "no"):
        return None
    match = _REQUEST.fullmatch(word)
    if match is None:
        if re.fullmatch(r"[0-9.]+\s*[kmgt]i?b?", word, re.IGNORECASE):
            raise NotUnderstood(
                f"beside the memory stands a share: say {word},1 for a whole card or {word},0.5 for half"
            )
        raise NotUnderstood(GPUS)
    memory = parse_size(match[1], bare_unit="G") if match[1] is not None else None
    count = _count(match[2])
    if count == 0:
        return None
    wishes = _Wishes() if match[3] is None else _wishes(match[3])
    if wishes.exclusive and count < 1:
        raise NotUnderstood(f"exclusive is a wish for whole cards, not for a share of one; {GPUS}")
    return GpuRequest(
        count, memory, wishes.vendor, wishes.model, wishes.card_bytes, wishes.preferred_bytes, wishes.exclusive
    )


def _count(number: str) -> float:
    count = float(number)
    if count >= 1 and not count.is_integer():
        raise NotUnderstood(f"more than one card means whole cards; {GPUS}")
    if 0 < count < 0.01:
        raise NotUnderstood(f"a share is 0.01 of a card or more; {GPUS}")
    if count > 1000:
        raise NotUnderstood(f"no machine has so many cards; {GPUS}")
    return count


@dataclass(slots=True)
class _Wishes:
    """What stands in the brackets. ``shared`` is the word ``vgpu``: any card that may be shared."""

    vendor: str | None = None
    model: str | None = None
    card_bytes: int | None = None
    preferred_bytes: int | None = None
    exclusive: bool = False
    shared: bool = False


def _wishes(text: str) -> _Wishes:
    found = _Wishes()
    for word in (part.strip() for part in text.split(",")):
        size = re.fullmatch(r"(>=|\u2265|~)(.*)", word)
        if not word:
            raise NotUnderstood(f"a wish in the brackets is empty; {GPUS}")
        if size is not None:
            name, what = ("preferred_bytes", "preferred sizes") if size[1] == "~" else ("card_bytes", "least sizes")
            _set(found, name, parse_size(size[2]), what)
        elif word.lower() == "vgpu":
            found.shared = True
        elif word.lower() == "exclusive":
            found.exclusive = True
        elif word.lower() in VENDORS:
            _set(found, "vendor", word.lower(), "makers")
        elif not re.match(r"\w", word):
            raise NotUnderstood(f"{word} is no model of a card; {GPUS}")
        else:
            _set(found, "model", word, "models")
    if found.exclusive and found.shared:
        raise NotUnderstood(f"exclusive and vgpu (a shared card) contradict each other; {GPUS}")
    return found


def _set(found: _Wishes, name: str, value: str | int, what: str) -> None:
    if getattr(found, name) is not None:
        raise NotUnderstood(f"two {what} are named; {GPUS}")
    setattr(found, name, value)


def parse_device(text: str) -> str:
    """``auto``, ``cpu``, or card numbers as ``0,1`` (in order, each once)."""
    word = plain(text).lower().replace(" ", "")
    if word in ("auto", "cpu"):
        return word
    if not re.fullmatch(r"[0-9]{1,4}(?:,[0-9]{1,4})*", word):
        raise NotUnderstood(DEVICES)
    return ",".join(str(number) for number in sorted({int(part) for part in word.split(",")}))


def device_cards(device: str) -> tuple[int, ...]:
    """The card numbers a device names; empty for ``auto`` and ``cpu``."""
    return () if device in ("auto", "cpu") else tuple(int(part) for part in device.split(","))


def why_never(request: GpuRequest, device: str, facts: MachineFacts) -> str | None:
    """Why no moment will come at which these cards can be given, or None when one may."""
    if not facts.gpus:
        return "this machine has no graphics card that can be read"
    named = device_cards(device)
    absent = [str(number) for number in named if number not in {card.index for card in facts.gpus}]
    if absent:
        return f"there is no card {', '.join(absent)}; this machine has {_listed(facts.gpus)}"
    allowed = [card for card in facts.gpus if not named or card.index in named]
    fitting = [card for card in allowed if card_matches(card.name, request.vendor, request.model)]
    fitting = [card for card in fitting if is_large_enough(card.memory_total_bytes, request.card_bytes)]
    if not fitting:
        return f"no card here is {_wish(request)}; this machine has {_listed(allowed)}"
    if request.cards > len(fitting):
        kind = f" that {'is' if len(fitting) == 1 else 'are'} {_wish(request)}" if _wish(request) else ""
        among = " among the cards of this device" if named else ""
        return f"it wants {request.cards} cards, and there {_are(len(fitting))}{kind}{among}"
    return _too_little_memory(request, fitting)


def _too_little_memory(request: GpuRequest, cards: Sequence[GpuFact]) -> str | None:
    if request.memory_bytes is None:
        return None
    large = [
        card for card in cards if card.memory_total_bytes is None or card.memory_total_bytes >= request.memory_bytes
    ]
    if len(large) >= request.cards:
        return None
    most = max(card.memory_total_bytes or 0 for card in cards)
    return f"it wants {format_size(request.memory_bytes)} on a card, and the largest here has {format_size(most)}"


def _wish(request: GpuRequest) -> str:
    words = [word for word in (request.vendor, request.model) if word]
    if request.card_bytes is not None:
        words.append(f"of {format_size(request.card_bytes)} or more")
    return " ".join(words)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


def _listed(cards: Sequence[GpuFact]) -> str:
    sizes = ["" if card.memory_total_bytes is None else f" ({format_size(card.memory_total_bytes)})" for card in cards]
    return ", ".join(f"{card.index}: {card.name}{size}" for card, size in zip(cards, sizes, strict=True))

"""What would come of a submission, in words: ``submit --dry-run`` and the submit dialog say the same."""

from __future__ import annotations

from tidegate.core.texts import format_duration, format_size

_SOURCES = {"declared": "declared", "learned": "learned from earlier runs", "default": "a guess until it has run"}


def outcome(refused: str | None, would_start: bool, held: bool, sentence: str) -> str:
    """What happens now; ``sentence`` is the engine's: that it starts, or what it waits for."""
    if refused is not None:
        return refused
    return sentence if would_start or held else f"waits: {sentence}"


def memory_source(source: str) -> str:
    """Where the figure for the memory comes from."""
    return _SOURCES.get(source, source)


def needs(
    memory_bytes: int,
    source: str,
    cores: float,
    cards: float | None = None,
    card_memory_bytes: int | None = None,
    duration_s: float | None = None,
    gpu_text: str = "",
) -> str:
    """``8 GB of memory (declared), 1 core, 1 GPU (V100), usually 12 min``; ``gpu_text`` as ``--gpu`` takes it."""
    parts = [
        f"{format_size(memory_bytes)} of memory ({memory_source(source)})",
        "1 core" if cores == 1 else f"{cores:g} cores",
    ]
    if cards:
        parts.append(cards_wanted(cards, card_memory_bytes, gpu_text))
    if duration_s:
        parts.append(f"usually {format_duration(duration_s)}")
    return ", ".join(parts)


def cards_wanted(count: float, memory_bytes: int | None, text: str) -> str:
    """``0.5 of a GPU with 8 GB``, ``2 GPUs (V100)``; ``text`` as ``--gpu`` takes it."""
    wanted = f"{count:g} of a GPU" if count < 1 else f"{count:g} GPU{'s' if count > 1 else ''}"
    wishes = text.partition("(")[2].rstrip(")").replace(",", ", ")
    wanted += f" ({wishes})" if wishes else ""
    return wanted + (f" with {format_size(memory_bytes)}" if memory_bytes else "")

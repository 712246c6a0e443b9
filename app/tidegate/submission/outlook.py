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
        wanted = f"{cards:g} of a GPU" if cards < 1 else f"{cards:g} GPU{'s' if cards > 1 else ''}"
        wishes = gpu_text.partition("(")[2].rstrip(")").replace(",", ", ")
        wanted += f" ({wishes})" if wishes else ""
        parts.append(wanted + (f" with {format_size(card_memory_bytes)}" if card_memory_bytes else ""))
    if duration_s:
        parts.append(f"usually {format_duration(duration_s)}")
    return ", ".join(parts)

"""Refuses what could never run on this machine, with both numbers (D5)."""

from __future__ import annotations

from tidegate.core.texts import format_size
from tidegate.submission.device import why_never
from tidegate.submission.options import Wishes
from tidegate.submission.request import MachineFacts, Refused


def check_limits(wishes: Wishes, facts: MachineFacts) -> None:
    """Raises Refused when no moment will come at which the job could start."""
    if wishes.cores is not None and wishes.cores > facts.cores:
        _refuse("cpus", f"{wishes.cores:g}", f"{wishes.cores:g} cores are wanted, and this machine has {facts.cores}")
    _check_memory(wishes.memory_bytes, facts)
    if wishes.gpu is not None:
        why = why_never(wishes.gpu, wishes.device, facts)
        if why:
            _refuse("gpu", wishes.gpu.text, f"The GPU request cannot be met: {why}")


def _check_memory(wanted: int | None, facts: MachineFacts) -> None:
    line = facts.memory_line_bytes
    if wanted is None or line is None or wanted <= line:
        return
    _refuse(
        "mem",
        format_size(wanted),
        f"{format_size(wanted)} of memory is wanted, and jobs can have at most {format_size(line)} "
        f"of this machine's {format_size(facts.memory_total_bytes)}",
    )


def _refuse(field: str, value: str, sentence: str) -> None:
    raise Refused(field, value, f"{sentence}, so the job could never run.", usage=False)

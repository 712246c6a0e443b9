"""priority_based: priority first, then arrival; a blocked job is passed by smaller ones a bounded number of times."""

from __future__ import annotations

from tidegate.core.admission import Ledger, could_ever_fit
from tidegate.core.job import Job
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate

NAME = "priority_based"

# Codes of resources that a passing job takes away from a blocked one.
SHARED = frozenset({WaitCode.MEMORY, WaitCode.CPU})
SHARED_CARDS = frozenset({WaitCode.GPU_MEMORY, WaitCode.GPU_BUSY})


def is_short(codes: list[WaitCode]) -> bool:
    """True when a job lacks something that others, let past it, would take away from it."""
    return any(code in SHARED or code in SHARED_CARDS for code in codes)


def delays(blocked: list[WaitCode], candidate: Job) -> bool:
    """True when starting ``candidate`` takes something that the blocked job waits for."""
    if any(code in SHARED for code in blocked):
        return True
    return candidate.spec.gpu is not None and any(code in SHARED_CARDS for code in blocked)


def holds_the_line(passes: int, figure: Estimate, ledger: Ledger) -> bool:
    """True when nobody may pass any more.

    A job that others' memory keeps out holds nobody up: there is nothing to save for it.
    """
    return passes >= ledger.policy.max_bypass and could_ever_fit(figure, ledger)

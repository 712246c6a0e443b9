"""priority_based: priority first, then arrival; a blocked job is passed by smaller ones a bounded number of times."""

from __future__ import annotations

from tidegate.core.admission import Ledger, could_ever_fit
from tidegate.core.job import JobSpec
from tidegate.core.placement import could_ever_get_cards
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate

NAME = "priority_based"

# Codes of resources that a passing job takes away from a blocked one.
SHARED = frozenset({WaitCode.MEMORY, WaitCode.CPU})
SHARED_CARDS = frozenset({WaitCode.GPU_MEMORY, WaitCode.GPU_BUSY})


def lacks_shared(codes: list[WaitCode]) -> bool:
    """True when a job lacks what any other job, let past it, would take away from it."""
    return not SHARED.isdisjoint(codes)


def lacks_cards(codes: list[WaitCode]) -> bool:
    """True when a job lacks what only jobs with a card would take away from it."""
    return not SHARED_CARDS.isdisjoint(codes)


def holds_the_line(passes: int, figure: Estimate, ledger: Ledger) -> bool:
    """True when nobody may pass any more.

    A job that others' memory keeps out holds nobody up: there is nothing to save for it.
    """
    return passes >= ledger.policy.max_bypass and could_ever_fit(figure, ledger)


def holds_the_cards(passes: int, spec: JobSpec, ledger: Ledger) -> bool:
    """True when nobody who wants a card may pass any more; not for a job that others' use of the cards keeps out."""
    return passes >= ledger.policy.max_bypass and could_ever_get_cards(spec, ledger.cards, ledger.policy)

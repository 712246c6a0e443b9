"""In which order waiting jobs stand, as their strategies would try them now: for lists, forks and the relay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from tidegate.core.admission import Ledger, open_ledger
from tidegate.core.job import JobId
from tidegate.core.state import State
from tidegate.core.strategies.protocol import Turn, tell


def in_order(state: State, now: float, ledger: Ledger | None = None) -> Iterator[JobId]:
    """Every job in the line once: those of the first section as if each had been started, then the next section's.

    It is the strategies' own ``choose`` that is asked, so there is no second idea of the order. Whom one does not name,
    or had not when it raised, comes last of its section.
    """
    ledger = ledger or open_ledger(state, now)
    for number, section in enumerate(state.line.sections):
        turn = Turn(state, section, now, ledger, {}, state.memories.get(number), rehearsal=True)
        told: set[JobId] = set()
        with suppress(Exception):  # others' code; if it raises in earnest too, the next plan says so
            choosing = section.strategy.choose(turn)
            choice = next(choosing, None)
            while choice is not None:
                is_job = isinstance(choice, JobId)
                if isinstance(choice, JobId) and choice in state.line and choice not in told:
                    told.add(choice)
                    yield choice
                choice = tell(choosing, is_job)
        for lane in list(section.lanes.values()):
            yield from (id for id in lane.ids() if id not in told)

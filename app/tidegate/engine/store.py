"""The Store owns State: it applies events in place and remembers what moved, for the journal and for the views."""

from __future__ import annotations

from collections import deque

from tidegate.core.events import Event
from tidegate.core.job import JobId
from tidegate.core.state import State
from tidegate.core.transitions import apply
from tidegate.engine.views import MachineSample

REMEMBERED_CHANGES = 2_000
REMEMBERED_SAMPLES = 3_600


class Store:
    """journal -> apply -> publish happens around this object; it does no I/O itself.

    ``unsaved`` are jobs that moved since the last batch for the journal, ``unpublished`` since the last Change.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.unsaved: dict[JobId, None] = {}
        self.unpublished: dict[JobId, None] = {}
        self.gone: list[JobId] = []
        self.event_id = 0
        self.samples: deque[MachineSample] = deque(maxlen=REMEMBERED_SAMPLES)
        self._changes: deque[tuple[int, tuple[JobId, ...]]] = deque(maxlen=REMEMBERED_CHANGES)

    def apply(self, event: Event) -> None:
        """Change State by one fact; raises IllegalMove for one that cannot be."""
        apply(self.state, event)
        touched = self.state.touched
        if touched:
            self.unsaved.update(touched)
            self.unpublished.update(touched)
            touched.clear()

    def take_unsaved(self) -> tuple[JobId, ...]:
        ids = tuple(self.unsaved)
        self.unsaved.clear()
        return ids

    def take_unpublished(self) -> tuple[int, tuple[JobId, ...], tuple[JobId, ...]]:
        """A new event id, the jobs that moved and those that left memory since the last call."""
        self.event_id += 1
        ids, gone = tuple(self.unpublished), tuple(self.gone)
        self.unpublished.clear()
        self.gone.clear()
        if ids:
            self._changes.append((self.event_id, ids))
        return self.event_id, ids, gone

    def forget_unpublished(self) -> None:
        """Nobody looks on."""
        self.unpublished.clear()
        self.gone.clear()

    def changed_since(self, event_id: int) -> tuple[JobId, ...] | None:
        """Jobs that moved after this event id; None when that is no longer remembered."""
        if self._changes and self._changes[0][0] > event_id + 1 and len(self._changes) == REMEMBERED_CHANGES:
            return None
        ids: dict[JobId, None] = {}
        for number, moved in list(self._changes):
            if number > event_id:
                ids.update(dict.fromkeys(moved))
        return tuple(ids)

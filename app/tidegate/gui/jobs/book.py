"""The jobs the window knows, in line order: active, then waiting, then the newest finished. Pure data, no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum

from tidegate.engine.views import JobView


class Group(IntEnum):
    """Where a job stands in the table; the order of the groups is the order of the rows."""

    ACTIVE = 0
    WAITING = 1
    FINISHED = 2


class Filter(Enum):
    """The tabs above the table."""

    ALL = frozenset(Group)
    ACTIVE = frozenset({Group.ACTIVE})
    WAITING = frozenset({Group.WAITING})
    FINISHED = frozenset({Group.FINISHED})


Key = tuple[float, float, float, float, int, int]
"""Sorts jobs into line order; the last two are the id, so that no two jobs are equal."""

_GROUPS = {
    "starting": Group.ACTIVE,
    "running": Group.ACTIVE,
    "paused": Group.ACTIVE,
    "stopping": Group.ACTIVE,
    "finished": Group.FINISHED,
}
_NOT_YET = float("inf")


def group_of(job: JobView) -> Group:
    return _GROUPS.get(job.status, Group.WAITING)


def key_of(job: JobView) -> Key:
    number, _, index = job.id.partition(".")
    last = (int(number), int(index or 0))
    group = group_of(job)
    if group is Group.ACTIVE:
        return (int(group), job.started_at or _NOT_YET, 0.0, 0.0, *last)
    if group is Group.WAITING:
        return (int(group), job.priority, job.rank, job.submitted_at, *last)
    return (int(group), -(job.finished_at or 0.0), 0.0, 0.0, *last)


@dataclass(frozen=True, slots=True)
class Move:
    """One job's way from one place to another; None is outside the table. Equal keys: only its data changed."""

    id: str
    old: Key | None
    new: Key | None


class ColourBook:
    """Which of a few colours each job has. A job keeps its colour; a new one gets one that no live job wears."""

    def __init__(self, colours: int = 6) -> None:
        self._colours = colours
        self._of: dict[str, int] = {}
        self._live: dict[str, int] = {}
        self._next = 0

    def of(self, id: str) -> int | None:
        return self._of.get(id)

    def assign(self, id: str, live: bool = True) -> int:
        """The job's colour, given now if it has none; ``live`` keeps others from taking it."""
        colour = self._of.get(id)
        if colour is None:
            colour = self._of[id] = self._least_worn()
        if live:
            self._live[id] = colour
        return colour

    def rest(self, id: str) -> None:
        """The job no longer runs; others may have its colour, and it keeps it too."""
        self._live.pop(id, None)

    def forget(self, id: str) -> None:
        self._live.pop(id, None)
        self._of.pop(id, None)

    def _least_worn(self) -> int:
        worn = [0] * self._colours
        for colour in self._live.values():
            worn[colour] += 1
        chosen = min(range(self._colours), key=lambda each: (worn[each], (each - self._next) % self._colours))
        self._next = (chosen + 1) % self._colours
        return chosen


class JobBook:
    """Every job by id with its key. ``apply`` answers with what moved, for the tables that show it."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobView] = {}
        self.keys: dict[str, Key] = {}
        self.ids: dict[Key, str] = {}
        self.colours = ColourBook()
        self.counts = dict.fromkeys(Group, 0)

    def __len__(self) -> int:
        return len(self.jobs)

    def replace(self, jobs: Iterable[JobView]) -> None:
        """Forget everything and begin with these."""
        self.jobs, self.keys, self.ids = {}, {}, {}
        self.counts = dict.fromkeys(Group, 0)
        for job in jobs:
            self._put(job)

    def take(self, other: JobBook) -> None:
        """Go on with another book's jobs (made in a thread); the colours given here stay."""
        self.jobs, self.keys, self.ids, self.counts = other.jobs, other.keys, other.ids, other.counts
        for id, key in self.keys.items():
            if key[0] == Group.ACTIVE:
                self.colours.assign(id)

    def apply(self, changed: Sequence[JobView], gone: Sequence[str]) -> list[Move]:
        moves = [self._put(job) for job in changed]
        for id in gone:
            old = self.keys.pop(id, None)
            if old is not None:
                del self.jobs[id], self.ids[old]
                self.counts[Group(int(old[0]))] -= 1
                self.colours.forget(id)
                moves.append(Move(id, old, None))
        return moves

    def in_order(self, wanted: Filter) -> list[Key]:
        groups = wanted.value
        return sorted(key for key in self.ids if key[0] in groups)

    def _put(self, job: JobView) -> Move:
        key = key_of(job)
        old = self.keys.get(job.id)
        self.jobs[job.id] = job
        if old != key:
            if old is not None:
                del self.ids[old]
                self.counts[Group(int(old[0]))] -= 1
            self.keys[job.id] = key
            self.ids[key] = job.id
            self.counts[Group(int(key[0]))] += 1
        if key[0] == Group.ACTIVE:
            self.colours.assign(job.id)
        elif old is not None and old[0] == Group.ACTIVE:
            self.colours.rest(job.id)
        return Move(job.id, old, key)

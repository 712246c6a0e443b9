"""The line: queued jobs that could start, kept in order as they come and go, so that planning never sorts them.

It has a section for each strategy in use, and a section has lanes: in a lane jobs keep their order, and the strategy
says at every plan which lane is next. In a lane jobs that ask for the same thing stand in one group; when the first of
a group cannot start, none of it can.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.core.job import JobId

if TYPE_CHECKING:
    from tidegate.core.strategies.protocol import Strategy

GroupKey = Hashable
OrderKey = tuple[Any, ...]
"""Whatever a strategy orders by; the job's arrival comes last, so that places never tie."""


class Place(NamedTuple):
    order: OrderKey
    id: JobId


class Head(NamedTuple):
    """The first job of a group."""

    order: OrderKey
    id: JobId
    group: GroupKey


class Lane:
    """Sorted groups and their sorted heads. Adding and removing cost O(log n) comparisons and one memory move."""

    __slots__ = ("groups", "heads", "key", "queue")

    def __init__(self, queue: str, key: Hashable) -> None:
        self.queue = queue
        self.key = key
        self.groups: dict[GroupKey, list[Place]] = {}
        self.heads: list[Head] = []

    def add(self, id: JobId, order: OrderKey, group: GroupKey) -> None:
        place = Place(order, id)
        places = self.groups.get(group)
        if places is None:
            self.groups[group] = [place]
            insort(self.heads, Head(order, id, group))
        elif place < places[0]:
            self._drop_head(places[0], group)
            places.insert(0, place)
            insort(self.heads, Head(order, id, group))
        elif place > places[-1]:
            places.append(place)
        else:
            insort(places, place)

    def remove(self, id: JobId, order: OrderKey, group: GroupKey) -> None:
        places = self.groups[group]
        index = bisect_left(places, Place(order, id))
        place = places.pop(index)
        if index:
            return
        self._drop_head(place, group)
        if places:
            insort(self.heads, Head(places[0].order, places[0].id, group))
        else:
            del self.groups[group]

    def _drop_head(self, place: Place, group: GroupKey) -> None:
        # Orders are unique, so the search ends before groups (which do not compare) are ever looked at.
        index = bisect_left(self.heads, (place.order,))
        assert self.heads[index].group == group
        del self.heads[index]

    def ids(self) -> Iterator[JobId]:
        """All jobs of the lane, in no order."""
        return (place.id for places in self.groups.values() for place in places)


class LaneWalk:
    """Goes through a lane in order, a group at a time: a blocked group is left behind as a whole."""

    __slots__ = ("_heads", "_next", "_pending", "_positions", "lane")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._heads = lane.heads
        self._next = 0
        self._pending: list[Head] = []
        self._positions: dict[GroupKey, int] = {}

    def pop(self) -> Head | None:
        """The next job in order, or None at the end."""
        if self._next < len(self._heads):
            head = self._heads[self._next]
            if not self._pending or head.order < self._pending[0].order:
                self._next += 1
                return head
        return heappop(self._pending) if self._pending else None

    def advance(self, head: Head) -> None:
        """This job starts: the next of its group is a candidate too."""
        position = self._positions.get(head.group, 0) + 1
        self._positions[head.group] = position
        places = self.lane.groups[head.group]
        if position < len(places):
            place = places[position]
            heappush(self._pending, Head(place.order, place.id, head.group))

    def further(self, head: Head, by: int) -> Head:
        """Go on with the group that stands so many behind this one, which was popped last; round and round."""
        by %= len(self._heads) - self._next + 1
        if not by:
            return head
        self._next += by
        return self._heads[self._next - 1]


@dataclass(slots=True)
class Section:
    """The queues that go together: one strategy, known by this name, orders all their waiting jobs.

    ``order``: the lowest goes first. ``preempts``: jobs of one of these queues may make others wait.
    """

    order: int
    name: str
    strategy: Strategy
    queues: frozenset[str]
    preempts: bool = False
    lanes: dict[tuple[str, Hashable], Lane] = field(default_factory=dict)


class Line:
    """Who stands where: every waiting job is in one group of one lane of one section."""

    __slots__ = ("_where", "sections")

    def __init__(self, sections: Iterable[Section] = ()) -> None:
        self.sections = tuple(sections)
        self._where: dict[JobId, tuple[Section, Lane, OrderKey, GroupKey]] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, id: JobId) -> bool:
        return id in self._where

    def add(
        self, section: Section, lane_key: tuple[str, Hashable], id: JobId, order: OrderKey, group: GroupKey
    ) -> None:
        """Put a job in its place, in the lane of this queue and key; it must not stand in the line yet."""
        if id in self._where:
            raise ValueError(f"job {id} already stands in the line")
        lane = section.lanes.get(lane_key)
        if lane is None:
            lane = section.lanes[lane_key] = Lane(*lane_key)
        lane.add(id, order, group)
        self._where[id] = (section, lane, order, group)

    def remove(self, id: JobId) -> None:
        """Take a job out; KeyError when it is not in the line."""
        section, lane, order, group = self._where.pop(id)
        lane.remove(id, order, group)
        if not lane.groups:
            del section.lanes[(lane.queue, lane.key)]

    def group_of(self, id: JobId) -> GroupKey:
        return self._where[id][3]

    def __iter__(self) -> Iterator[JobId]:
        """All jobs, in no order that means anything (``planner.in_order`` has the one in which they would start)."""
        return iter(self._where)

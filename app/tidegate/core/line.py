"""The line: queued jobs that could start, kept in order as they come and go, so that planning never sorts them.

Jobs that ask for the same thing stand in one group; when the first of a group cannot start, none of it can.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from tidegate.core.job import JobId

GroupKey = Hashable
OrderKey = tuple[int, int, int]


class Place(NamedTuple):
    """Where a job stands: priority, what the user put first, arrival (unique, so places never tie)."""

    order: OrderKey
    id: JobId


class Head(NamedTuple):
    """The first job of a group."""

    order: OrderKey
    id: JobId
    group: GroupKey


class Line:
    """Sorted groups and their sorted heads. Adding and removing cost O(log n) comparisons and one memory move."""

    __slots__ = ("_group_of", "_groups", "_heads")

    def __init__(self) -> None:
        self._groups: dict[GroupKey, list[Place]] = {}
        self._heads: list[Head] = []
        self._group_of: dict[JobId, tuple[GroupKey, OrderKey]] = {}

    def __len__(self) -> int:
        return len(self._group_of)

    def __contains__(self, id: JobId) -> bool:
        return id in self._group_of

    def add(self, id: JobId, order: OrderKey, group: GroupKey) -> None:
        """Put a job in its place; it must not stand in the line yet."""
        if id in self._group_of:
            raise ValueError(f"job {id} already stands in the line")
        place = Place(order, id)
        places = self._groups.get(group)
        if places is None:
            self._groups[group] = [place]
            insort(self._heads, Head(order, id, group))
        elif place < places[0]:
            self._drop_head(places[0], group)
            places.insert(0, place)
            insort(self._heads, Head(order, id, group))
        elif place > places[-1]:
            places.append(place)
        else:
            insort(places, place)
        self._group_of[id] = (group, order)

    def remove(self, id: JobId) -> None:
        """Take a job out; KeyError when it is not in the line."""
        group, order = self._group_of.pop(id)
        places = self._groups[group]
        index = bisect_left(places, Place(order, id))
        place = places.pop(index)
        if index:
            return
        self._drop_head(place, group)
        if places:
            insort(self._heads, Head(places[0].order, places[0].id, group))
        else:
            del self._groups[group]

    def _drop_head(self, place: Place, group: GroupKey) -> None:
        # Orders are unique, so the search ends before groups (which do not compare) are ever looked at.
        index = bisect_left(self._heads, (place.order,))
        assert self._heads[index].group == group
        del self._heads[index]

    def heads(self) -> list[Head]:
        """The first job of every group, in order. Not a copy: read only."""
        return self._heads

    def group(self, key: GroupKey) -> list[Place]:
        """All jobs of a group, in order. Not a copy: read only."""
        return self._groups[key]

    def group_of(self, id: JobId) -> GroupKey:
        return self._group_of[id][0]

    def __iter__(self) -> Iterator[JobId]:
        """All jobs in order; O(n log n), for lists shown to people, not for planning."""
        places = [place for group in self._groups.values() for place in group]
        places.sort()
        return (place.id for place in places)

    def first(self, count: int) -> list[JobId]:
        """The first ``count`` jobs in order, without sorting the rest."""
        from heapq import merge

        found: list[JobId] = []
        groups = [self._groups[head.group] for head in self._heads[:count]]
        for place in merge(*groups):
            found.append(place.id)
            if len(found) >= count:
                break
        return found

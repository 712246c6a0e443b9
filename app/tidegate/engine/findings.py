"""Findings: what conflicts and hints have in common: numbers, open and ended ones, their way to journal and views."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from tidegate.core.advice.lasting import Found, Lasting

REMEMBERED = 200
WENT_AWAY = "It went away by itself."
WENT_AWAY_UNSEEN = "It went away while Tidegate was not running."
SWITCHED_OFF = "Tidegate no longer looks for it."


class View(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def closed_at(self) -> float | None: ...

    @property
    def closed_because(self) -> str | None: ...


F = TypeVar("F", bound=Found)
V = TypeVar("V", bound=View)


class Findings(Generic[F, V]):
    """``open`` are the views of those that hold, replaced whole, so that any thread may read them.

    ``found`` is what the last looks saw, by key; ``ended`` the newest that are over, the newest last.
    """

    def __init__(self, order: Callable[[V], tuple[float, ...]], meta: str) -> None:
        self.lasting: Lasting[F] = Lasting()
        self.found: dict[str, F] = {}
        self.open: tuple[V, ...] = ()
        self.ended: deque[V] = deque(maxlen=REMEMBERED)
        self.unpublished: dict[int, V] = {}
        self._order = order
        self._meta = meta
        self._keys: dict[str, V] = {}
        self._unseen: set[str] = set()
        self._next = 1

    def restore(self, meta: str | None, open_ones: dict[str, V], unwanted: dict[str, V], now: float) -> None:
        """What was open is so until it is seen to be over; numbers go on where the last engine stopped."""
        highest = max((view.id for view in (*open_ones.values(), *unwanted.values())), default=0)
        self._next = max(int(meta) if meta is not None and meta.isdigit() else 1, highest + 1)
        self._unseen.update(open_ones)
        for key in open_ones:
            self.lasting.keep(key, now)
        for key in unwanted.keys() - open_ones.keys():
            self.lasting.keep(key, now, muted=True)
        self._keys.update(open_ones)
        self._sort()

    def observe(self, now: float, found: list[F]) -> tuple[list[F], list[F], list[str]]:
        """What begins, what goes on, and what is over."""
        self.found = {finding.key: finding for finding in found}
        self._unseen -= self.found.keys()
        begun, lasting, over = self.lasting.observe(now, found)
        return (
            [finding for finding in begun if finding.key not in self._keys],
            [finding for finding in (*begun, *lasting) if finding.key in self._keys],
            [key for key in over if key in self._keys],
        )

    def went_away(self, key: str) -> str:
        return WENT_AWAY_UNSEEN if key in self._unseen else WENT_AWAY

    def number(self) -> int:
        self._next += 1
        return self._next - 1

    def put(self, key: str, view: V) -> None:
        """It is so from now on: open, or over."""
        self.unpublished[view.id] = view
        if view.closed_at is None:
            self._keys[key] = view
        elif self._keys.pop(key, None) is not None:
            self.ended.append(view)
            self.found.pop(key, None)
        self._sort()

    def key_of(self, id: int) -> str | None:
        """The key of an open one by its number."""
        return next((key for key, view in self._keys.items() if view.id == id), None)

    def view(self, key: str) -> V:
        return self._keys[key]

    def latest(self, id: int) -> V:
        """The newest view of a number that was given lately, be it open or over."""
        return next(view for view in (*self.open, *reversed(self.ended)) if view.id == id)

    def open_keys(self) -> list[str]:
        return list(self._keys)

    def why_closed(self, what: str, id: int) -> tuple[bool, str]:
        """Whether it is known at all, and what to say to one who asks for it although it is not open."""
        because = next((view.closed_because for view in self.ended if view.id == id), None)
        if because is not None:
            return True, f"{what} {id} has ended: {because.rstrip('.')}"
        if 0 < id < self._next:
            return True, f"{what} {id} has ended"
        return False, f"there is no {what} {id}"

    def counter(self) -> tuple[str, str]:
        """The number that the next one will have, as it is kept."""
        return self._meta, str(self._next)

    def take_unpublished(self) -> tuple[V, ...]:
        taken = tuple(self.unpublished.values())
        self.unpublished.clear()
        return taken

    def _sort(self) -> None:
        self.open = tuple(sorted(self._keys.values(), key=self._order))

"""Which notices become toasts, when, and which of them together. Pure: ``now`` is an argument (monotonic seconds).

- Urgent notices are shown at once. Several of one kind within ``GROUP_S`` become one toast, which takes the earlier
  one's place; the more often that happened, the longer it waits with the next time.
- The others are gathered into a digest: once it was quiet for ``DIGEST_QUIET_S``, at the latest ``DIGEST_MOST_S`` after
  the first of them.
- At most ``per_minute`` toasts appear (or take a place) in any minute; what is too much goes into the digest.
- Do not disturb: nothing is shown, and when it ends one digest tells what came meanwhile.
- What came while nobody listened (the app was closed) is told in one digest too.
- Critical is what cannot wait: an alert that is an error, and a job that Tidegate ended. It is no matter of the rate,
  and of do-not-disturb only when the person wants that (``quiet_lets_critical``, on by default: their job was ended,
  or the machine is about to fail, while they could still do something about it).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.engine.ports import Notice, NoticeKind

GROUP_S = 10.0
REPLACE_AFTER_S = 2.5
"""A group that grew takes its toast's place after this time, then after twice as long, and so on."""
DIGEST_QUIET_S, DIGEST_MOST_S = 30.0, 300.0
MINUTE_S = 60.0
NAMED = 3
"""So many of what is told together are kept and may be named; of the rest only the count."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the person set."""

    enabled: bool = True
    per_minute: int = 4
    silenced: frozenset[NoticeKind] = frozenset()
    quiet_lets_critical: bool = True


class Fate(StrEnum):
    """What becomes of a notice. It is in the inbox in any case."""

    SILENCED = "silenced"
    TOLD = "told"
    GATHERED = "gathered"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Showing:
    """A toast to be shown now. ``named`` are the first of its notices, ``counts`` how many it tells of each kind."""

    id: str
    named: tuple[Notice, ...]
    counts: tuple[tuple[NoticeKind, int], ...]
    critical: bool = False
    after_quiet: bool = False
    missed: bool = False

    @property
    def count(self) -> int:
        return sum(count for _, count in self.counts)


@dataclass(slots=True)
class _Pile:
    """Notices that are told together, however many: the first few and counts; ``first`` is the lowest number."""

    named: list[Notice] = field(default_factory=list)
    counts: dict[NoticeKind, int] = field(default_factory=dict)
    first: int | None = None

    def add(self, notice: Notice) -> None:
        if len(self.named) < NAMED:
            self.named.append(notice)
        self.counts[notice.kind] = self.counts.get(notice.kind, 0) + 1
        self.first = _lower(self.first, notice.id)

    def take_all(self, other: _Pile) -> None:
        self.named += other.named[: NAMED - len(self.named)]
        for kind, count in other.counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
        self.first = _lower(self.first, other.first)
        other.clear()

    def clear(self) -> None:
        self.named.clear()
        self.counts.clear()
        self.first = None

    def showing(self, id: str, *, critical: bool = False, after_quiet: bool = False, missed: bool = False) -> Showing:
        return Showing(id, tuple(self.named), tuple(self.counts.items()), critical, after_quiet, missed)

    def __len__(self) -> int:
        return sum(self.counts.values())


@dataclass(slots=True)
class _Group:
    """One toast that grows. ``fresh`` are those it does not tell of yet."""

    id: str
    critical: bool
    newest_at: float
    next_at: float
    told: _Pile = field(default_factory=_Pile)
    fresh: _Pile = field(default_factory=_Pile)
    wait_s: float = REPLACE_AFTER_S
    put_away: bool = False

    def takes(self, now: float) -> bool:
        return bool(self.fresh) or now - self.newest_at <= GROUP_S


class ToastPolicy:
    """``take`` each notice, then show what is ``due``; ask again at ``wake_at``."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.quiet = False
        self._ids = itertools.count(1)
        self._groups: dict[tuple[NoticeKind, bool], _Group] = {}
        self._pool = _Pile()
        self._pool_since = self._pool_newest = 0.0
        self._kept = _Pile()
        self._missed = _Pile()
        self._shown_at: deque[float] = deque()

    # --- What happens ---

    def take(self, notice: Notice, now: float, *, seen: bool = False) -> Fate:
        """``seen``: the person has it before their eyes."""
        critical = is_critical(notice)
        if not self.rules.enabled or notice.kind in self.rules.silenced or (seen and not critical):
            return Fate.SILENCED
        if self.quiet and not (critical and self.rules.quiet_lets_critical):
            self._kept.add(notice)
            return Fate.KEPT
        group = self._groups.get((notice.kind, critical))
        if group is not None and not group.takes(now):
            group = None
        if not (notice.urgent or critical) or (group is not None and group.put_away and not critical):
            self._gather(notice, now)
            return Fate.GATHERED
        if group is None or group.put_away:
            if not critical and not self._room(now):
                self._gather(notice, now)
                return Fate.GATHERED
            group = _Group(self._new_id(), critical, now, now)
            self._groups[notice.kind, critical] = group
        group.newest_at = now
        group.fresh.add(notice)
        return Fate.TOLD

    def take_missed(self, notices: Iterable[Notice]) -> None:
        """They came while nobody listened."""
        for notice in notices:
            if self.rules.enabled and notice.kind not in self.rules.silenced:
                (self._kept if self.quiet else self._missed).add(notice)

    def be_quiet(self, wanted: bool, now: float) -> None:
        """Do not disturb begins or ends."""
        self.quiet = wanted
        if wanted:
            # What was on its way waits too: a toast that comes a second later disturbs just as much.
            self._kept.take_all(self._pool)
            self._kept.take_all(self._missed)
            for group in [group for group in self._groups.values() if not self._passes(group)]:
                self._kept.take_all(group.fresh)
                group.newest_at = now - GROUP_S - 1

    def obey(self, rules: Rules) -> None:
        self.rules = rules
        if not rules.enabled:
            self._groups.clear()
            for pile in (self._pool, self._kept, self._missed):
                pile.clear()

    def put_away(self, id: str, now: float) -> None:
        """The person dismissed or used this toast: it does not come back, and what follows at once is gathered."""
        for group in self._groups.values():
            if group.id == id:
                group.put_away = True
                if self.quiet:
                    self._kept.take_all(group.fresh)
                elif group.fresh:
                    self._pool_newest = now
                    self._pool_since = self._pool_since if self._pool else now
                    self._pool.take_all(group.fresh)

    # --- What is to be shown ---

    def due(self, now: float) -> list[Showing]:
        """Everything that is to appear now; it counts as shown."""
        made: list[Showing] = []
        while self._shown_at and self._shown_at[0] <= now - MINUTE_S:
            self._shown_at.popleft()
        if not self.quiet:
            if self._kept and self._room(now):
                self._kept.take_all(self._pool)
                made.append(self._told(self._kept, now, after_quiet=True))
            if self._missed and self._room(now):
                made.append(self._told(self._missed, now, missed=True))
            if self._pool and now >= self._pool_due() and self._room(now):
                made.append(self._told(self._pool, now))
        for key, group in list(self._groups.items()):
            if group.fresh and now >= group.next_at and self._passes(group) and (group.critical or self._room(now)):
                made.append(self._grown(group, now))
            elif not group.takes(now):
                del self._groups[key]
        return made

    def wake_at(self, now: float) -> float | None:
        """When ``due`` may have something, if nothing else happens; None while nothing waits."""
        slot = self._slot_at(now)
        moments = [
            group.next_at if group.critical else max(group.next_at, slot)
            for group in self._groups.values()
            if group.fresh and self._passes(group)
        ]
        if not self.quiet and (self._kept or self._missed):
            moments.append(slot)
        if not self.quiet and self._pool:
            moments.append(max(self._pool_due(), slot))
        return min(moments, default=None)

    def waits_from(self) -> int | None:
        """The lowest number among the notices that are to be told and were not yet."""
        piles = [self._pool, self._kept, self._missed, *(group.fresh for group in self._groups.values())]
        return min((pile.first for pile in piles if pile.first is not None), default=None)

    # --- Inside ---

    def _gather(self, notice: Notice, now: float) -> None:
        if not self._pool:
            self._pool_since = now
        self._pool_newest = now
        self._pool.add(notice)

    def _pool_due(self) -> float:
        return min(self._pool_newest + DIGEST_QUIET_S, self._pool_since + DIGEST_MOST_S)

    def _passes(self, group: _Group) -> bool:
        return not self.quiet or (group.critical and self.rules.quiet_lets_critical)

    def _told(self, pile: _Pile, now: float, *, after_quiet: bool = False, missed: bool = False) -> Showing:
        made = pile.showing(self._new_id(), after_quiet=after_quiet, missed=missed)
        pile.clear()
        self._shown_at.append(now)
        return made

    def _grown(self, group: _Group, now: float) -> Showing:
        group.told.take_all(group.fresh)
        group.next_at = now + group.wait_s
        group.wait_s *= 2
        if not group.critical:
            self._shown_at.append(now)
        return group.told.showing(group.id, critical=group.critical)

    def _room(self, now: float) -> bool:
        return self._slot_at(now) <= now

    def _slot_at(self, now: float) -> float:
        most = self.rules.per_minute
        if len(self._shown_at) < most:
            return now
        return max(now, self._shown_at[-most] + MINUTE_S)

    def _new_id(self) -> str:
        return f"toast-{next(self._ids)}"


def _lower(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def is_critical(notice: Notice) -> bool:
    """What cannot wait: an alert that is an error, and a job that Tidegate ended."""
    return notice.urgent and notice.level == "error" and notice.kind in (NoticeKind.ALERT, NoticeKind.INTERVENED)

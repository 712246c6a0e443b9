"""What is known of an engine in another process: loaded once, kept current by its changes, read without waiting."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from tidegate.core.conflicts import Severity
from tidegate.core.job import JobId
from tidegate.engine.ports import Change
from tidegate.engine.views import ConflictView, HintView, JobView, SettingView, StatusView

WAITING_KEPT = 10_000
FINISHED_KEPT = 2000
SLACK = 1.1
"""So much over the bound is kept before it is cut back, because cutting back sorts."""
ACTIVE = frozenset({"starting", "running", "paused", "stopping"})
PIECE = 500
"""So many jobs are in one change: a view takes a whole one in at once."""
NOT_YET = float("inf")
MISSED = "It ended while nobody listened to the engine."
Place = tuple[bool, int, int, float, tuple[int, int]]


class Mirror:
    """Written by the thread that hears the engine, read by any. Of a very long line the head is kept."""

    def __init__(self, status: StatusView, settings: Iterable[SettingView], last: int | None) -> None:
        self._lock = threading.Lock()
        self._status = status
        self._settings = {setting.name: setting for setting in settings}
        self._conflicts: dict[int, ConflictView] = {}
        self._hints: dict[int, HintView] = {}
        self._last = last or 0
        self._active: dict[str, JobView] = {}
        self._waiting: dict[str, JobView] = {}
        self._places: dict[str, Place] = {}
        self._finished: dict[str, JobView] = {}
        self._all_finished = True

    @property
    def status(self) -> StatusView:
        return self._status

    @property
    def last(self) -> int | None:
        """The highest job number seen."""
        return self._last or None

    def settings(self) -> list[SettingView]:
        with self._lock:
            return list(self._settings.values())

    def conflicts(self) -> list[ConflictView]:
        """The open ones, the worst first."""
        with self._lock:
            return sorted(self._conflicts.values(), key=lambda each: (-_RANKS.get(each.severity, 0), each.id))

    def hints(self) -> list[HintView]:
        """The open ones, newest first."""
        with self._lock:
            return sorted(self._hints.values(), key=lambda each: -each.id)

    def note(self, number: int) -> None:
        """A job of this number was just given; it itself is still on its way here."""
        self._last = max(self._last, number)

    # --- writing -----------------------------------------------------------------------------------------------------

    def load(
        self,
        jobs: Iterable[JobView],
        all_finished: bool,
        conflicts: Iterable[ConflictView] = (),
        hints: Iterable[HintView] = (),
    ) -> None:
        """Begin with these jobs and what is open; ``all_finished``: there are no finished jobs beside them."""
        with self._lock:
            _keep_open(self._conflicts, conflicts)
            _keep_open(self._hints, hints)
            self._all_finished = all_finished
            for job in jobs:
                self._put(job)
            self._cut_back()

    def apply(self, change: Change) -> None:
        with self._lock:
            self._status = change.status or self._status
            if change.setting is not None:
                self._settings[change.setting.name] = change.setting
            _keep_open(self._conflicts, change.conflicts)
            _keep_open(self._hints, change.hints)
            for id in change.gone:
                # What left the engine's memory is in its history still.
                self._all_finished = self._all_finished and id not in self._finished
                self._drop(id)
            for job in change.jobs:
                self._put(job)
            self._cut_back()

    def differences(self, newer: Mirror) -> list[Change]:
        """What a view that shows this one has to be told to show ``newer``."""
        mine, theirs = self._by_id(), newer._by_id()
        status = newer.status
        at = status.machine.at or status.started_at
        jobs = tuple(job for id, job in theirs.items() if mine.get(id) != job)
        gone = tuple(id for id in mine if id not in theirs)
        known = {setting.name: setting for setting in self.settings()}
        changed = [setting for setting in newer.settings() if known.get(setting.name) != setting]
        conflicts = _moved({each.id: each for each in self.conflicts()}, newer.conflicts(), at)
        hints = _moved({each.id: each for each in self.hints()}, newer.hints(), at)
        pieces = [jobs[start : start + PIECE] for start in range(0, len(jobs), PIECE)]
        return [
            Change(status.event_id, at, (), gone, status),
            *(Change(status.event_id, at, piece) for piece in pieces),
            *(Change(status.event_id, at, setting=setting) for setting in changed),
            *([Change(status.event_id, at, conflicts=conflicts, hints=hints)] if conflicts or hints else []),
        ]

    def everything(self) -> Change:
        """All of it as one change."""
        status, jobs = self.status, tuple(self._by_id().values())
        at = status.machine.at or status.started_at
        return Change(
            status.event_id, at, jobs, (), status, conflicts=tuple(self.conflicts()), hints=tuple(self.hints())
        )

    def _by_id(self) -> dict[str, JobView]:
        with self._lock:
            return {**self._active, **self._waiting, **self._finished}

    def _put(self, job: JobView) -> None:
        self._drop(job.id)
        if job.status in ACTIVE:
            self._active[job.id] = job
        elif job.status == "finished":
            self._finished[job.id] = job
        else:
            self._waiting[job.id] = job
            self._places[job.id] = _place(job)
        self._last = max(self._last, int(job.id.partition(".")[0]))

    def _drop(self, id: str) -> None:
        for group in (self._active, self._waiting, self._finished):
            group.pop(id, None)
        self._places.pop(id, None)

    def _cut_back(self) -> None:
        if len(self._waiting) > WAITING_KEPT * SLACK:
            head = sorted(self._places, key=self._places.__getitem__)[:WAITING_KEPT]
            self._waiting = {id: self._waiting[id] for id in head}
            self._places = {id: self._places[id] for id in head}
        if len(self._finished) > FINISHED_KEPT * SLACK:
            newest = sorted(self._finished.values(), key=_end)[:FINISHED_KEPT]
            self._finished = {job.id: job for job in newest}
            self._all_finished = False

    # --- reading -----------------------------------------------------------------------------------------------------

    def jobs(self, finished: int | None, offset: int, limit: int | None) -> tuple[list[JobView], bool]:
        """As ``Desk.jobs``; with False when there may be more of them than are known here."""
        end = None if limit is None else offset + limit
        with self._lock:
            found, whole = sorted(self._active.values(), key=_begin), True
            counts, all_finished = self._status.counts, self._all_finished
            ended = list(self._finished.values()) if finished != 0 else []
            if end is None or len(found) < end:
                whole = len(self._waiting) >= counts.get("queued", 0) + counts.get("held", 0)
                # Asked for a handful at a time by what is always on the screen: the whole is not sorted for those.
                room = len(self._waiting) if end is None else end - len(found)
                found += [self._waiting[id] for id in heapq.nsmallest(room, self._places, key=self._places.__getitem__)]
        if (end is None or len(found) < end) and finished != 0:
            found += sorted(ended, key=_end)[:finished]
            whole = whole and (all_finished or (finished is not None and len(ended) >= finished))
        return found[offset:end], whole

    def job(self, id: JobId) -> list[JobView]:
        """The job or an array's elements, as far as they are known here."""
        name = str(id)
        with self._lock:
            groups = (self._active, self._waiting, self._finished)
            one = next((group[name] for group in groups if name in group), None)
            if one is not None:
                return [one]
            if id.index is not None:
                return []
            start = f"{name}."
            elements = [job for group in groups for key, job in group.items() if key.startswith(start)]
        return sorted(elements, key=lambda job: job.index or 0)


_RANKS = {severity.value: rank for rank, severity in enumerate(Severity)}
Advice = TypeVar("Advice", bound=ConflictView | HintView)


def _keep_open(known: dict[int, Advice], moved: Iterable[Advice]) -> None:
    for each in moved:
        known.pop(each.id, None)
        if each.closed_at is None:
            known[each.id] = each


def _moved(before: dict[int, Advice], after: Sequence[Advice], at: float) -> tuple[Advice, ...]:
    """What of ``after`` is not as before, and what of ``before`` has ended since."""
    changed = [each for each in after if before.get(each.id) != each]
    ids = {each.id for each in after}
    ended = [replace(each, closed_at=at, closed_because=MISSED) for id, each in before.items() if id not in ids]
    return (*changed, *ended)


def _number(job: JobView) -> tuple[int, int]:
    number, _, index = job.id.partition(".")
    return int(number), int(index or 0)


def _begin(job: JobView) -> tuple[float, tuple[int, int]]:
    return (NOT_YET if job.started_at is None else job.started_at, _number(job))


def _place(job: JobView) -> Place:
    """Its place in line; held jobs stand behind it."""
    return (job.status == "held", job.priority, job.rank, job.submitted_at, _number(job))


def _end(job: JobView) -> tuple[float, tuple[int, int]]:
    return (-(job.finished_at or 0.0), _number(job))

"""A journal without a disk, for simulated and tested engines: the same answers as the real one, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeVar

from tidegate.core.job import Attempt, Finished, Job, JobId
from tidegate.core.prediction import Profile
from tidegate.engine.ports import Batch, ConflictRecord, HintRecord, JobRecord, Notice, Restored, TickRecord
from tidegate.engine.views import ConflictView, HintView, MachineSample, TickView
from tidegate.journal.pending import MergedTick, same_tick

Done = Callable[[str | None], None]
Finding = TypeVar("Finding", bound=ConflictView | HintView)


@dataclass(slots=True)
class MemoryDisk:
    """What outlives an engine: give the same one to the next MemoryJournal, and it finds what the last one left."""

    records: dict[JobId, JobRecord] = field(default_factory=dict)
    attempts: dict[JobId, dict[int, Attempt]] = field(default_factory=dict)
    ticks: list[MergedTick] = field(default_factory=list)
    samples: dict[float, MachineSample] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    notices: dict[int, Notice] = field(default_factory=dict)
    conflicts: dict[int, ConflictRecord] = field(default_factory=dict)
    hints: dict[int, HintRecord] = field(default_factory=dict)
    commits: int = 0


class MemoryJournal:
    """Implements JournalPort and HistoryPort; a batch is written when it is given, and answered through ``call_soon``.

    ``fail`` makes every following write behave as on a full disk, until ``heal``.
    """

    def __init__(self, call_soon: Callable[[Callable[[], None]], None], disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self._call_soon = call_soon
        self._error: str | None = None
        self._kept: list[tuple[Batch, Done | None]] = []
        self._closed = False

    # --- JournalPort -------------------------------------------------------------------------------------------------

    def load(self, finished: int) -> Restored:
        unfinished = [record for record in self.disk.records.values() if not isinstance(record.status, Finished)]
        unfinished.sort(key=attrgetter("sequence"))
        newest = self.finished(None, finished)
        known = {job.id for job in newest}
        awaited = {dependency.job.number for record in unfinished for dependency in record.spec.after}
        older = [job for job in self.finished() if job.id.number in awaited and job.id not in known]
        jobs = (*map(self._job, unfinished), *newest, *reversed(older))
        profiles = tuple(profile for _, profile in sorted(self.disk.profiles.items()))
        conflicts = [self.disk.conflicts[id] for id in sorted(self.disk.conflicts)]
        hints = [self.disk.hints[id] for id in sorted(self.disk.hints)]
        return Restored(
            jobs,
            profiles,
            dict(self.disk.meta),
            conflicts=tuple(record for record in conflicts if record.view.closed_at is None or record.unwanted),
            hints=tuple(record for record in hints if record.view.closed_at is None or record.unwanted),
        )

    def write(self, batch: Batch, done: Done | None = None) -> None:
        error = "The journal is closed." if self._closed else self._error or self._collision(batch)
        if error is None:
            self._apply(batch)
        elif self._error is not None and not batch.durable:
            self._kept.append((batch, done))
        self._answer(done, error)

    def close(self) -> None:
        self._closed = True

    # --- the disk's moods ------------------------------------------------------------------------------------------

    def fail(self, sentence: str) -> None:
        """From now on nothing can be written: durable batches are refused, others kept."""
        self._error = sentence

    def heal(self) -> None:
        """Writing works again; what was kept is written now, in order."""
        self._error = None
        kept, self._kept = self._kept, []
        for batch, done in kept:
            self._apply(batch)
            self._answer(done, None)

    # --- HistoryPort -------------------------------------------------------------------------------------------------

    def job(self, id: JobId) -> tuple[Job, ...]:
        if id in self.disk.records:
            return (self._job(self.disk.records[id]),)
        if id.index is not None:
            return ()
        elements = [record for key, record in self.disk.records.items() if key.number == id.number]
        return tuple(self._job(record) for record in sorted(elements, key=lambda record: record.id.index or 0))

    def finished(self, before: float | None = None, limit: int | None = None) -> list[Job]:
        ended = [
            (record.status.at, record.sequence, record)
            for record in self.disk.records.values()
            if isinstance(record.status, Finished) and (before is None or record.status.at < before)
        ]
        ended.sort(key=lambda entry: entry[:2], reverse=True)
        return [self._job(record) for _, _, record in ended[:limit]]

    def ticks(self, since: float | None = None, job: JobId | None = None, limit: int = 1_000) -> list[TickView]:
        found = [
            _view(number, tick)
            for number, tick in enumerate(self.disk.ticks, 1)
            if (since is None or tick.last_at >= since) and (job is None or _names(tick.first, job))
        ]
        return found[-limit:] if limit else []

    def notices(self, before: int | None = None, limit: int = 1_000) -> list[Notice]:
        known = sorted(id for id in self.disk.notices if before is None or id < before)
        return [self.disk.notices[id] for id in reversed(known)][:limit]

    def conflicts(self, limit: int | None = None) -> list[ConflictView]:
        return _newest_ends((record.view for record in self.disk.conflicts.values()), limit)

    def hints(self, limit: int | None = None) -> list[HintView]:
        return _newest_ends((record.view for record in self.disk.hints.values()), limit)

    def samples(self, since: float, until: float) -> list[MachineSample]:
        return [self.disk.samples[at] for at in sorted(self.disk.samples) if since <= at <= until]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _answer(self, done: Done | None, error: str | None) -> None:
        if done is not None:
            self._call_soon(lambda: done(error))

    def _collision(self, batch: Batch) -> str | None:
        for record in batch.added:
            if record.id in self.disk.records:
                return f"Job {record.id} is written already."
        return None

    def _apply(self, batch: Batch) -> None:
        disk = self.disk
        disk.commits += 1
        for record in (*batch.added, *batch.changed):
            disk.records[record.id] = record
        for id, attempt in batch.attempts:
            disk.attempts.setdefault(id, {})[attempt.number] = attempt
        self._apply_ticks(batch.ticks)
        for sample in batch.samples:
            disk.samples[sample.at] = sample
        for profile in batch.profiles:
            disk.profiles[profile.key] = profile
        disk.meta.update(batch.meta)
        disk.conflicts.update((record.view.id, record) for record in batch.conflicts)
        disk.hints.update((record.view.id, record) for record in batch.hints)
        disk.notices.update((notice.id, notice) for notice in batch.notices if notice.id is not None)

    def _apply_ticks(self, ticks: Iterable[TickRecord]) -> None:
        kept = self.disk.ticks
        for tick in ticks:
            if kept and same_tick(kept[-1].first, tick):
                kept[-1].last_at = tick.at
                kept[-1].repeats += 1
            else:
                kept.append(MergedTick(tick, tick.at))

    def _job(self, record: JobRecord) -> Job:
        attempts = self.disk.attempts.get(record.id, {})
        return Job(
            id=record.id,
            spec=record.spec,
            submitted_at=record.submitted_at,
            sequence=record.sequence,
            status=record.status,
            rank=record.rank,
            attempts=tuple(attempts[number] for number in sorted(attempts)),
            bypassed=record.bypassed,
        )


def _newest_ends(views: Iterable[Finding], limit: int | None) -> list[Finding]:
    ended = [(view.closed_at, view.id, view) for view in views if view.closed_at is not None]
    return [view for _, _, view in sorted(ended, key=lambda entry: entry[:2], reverse=True)[:limit]]


def _names(tick: TickRecord, job: JobId) -> bool:
    return tick.job is not None and (tick.job == job or (job.index is None and tick.job.number == job.number))


def _view(number: int, tick: MergedTick) -> TickView:
    first = tick.first
    return TickView(
        id=number,
        at=first.at,
        kind=first.kind,
        sentence=first.sentence,
        job=None if first.job is None else str(first.job),
        mode=first.mode,
        memory_pct=first.memory_pct,
        cpu_pct=first.cpu_pct,
        counts=dict(first.counts),
        details=dict(first.details),
        repeats=tick.repeats,
    )

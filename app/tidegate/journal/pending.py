"""Batches on their way into one transaction, merged: of every row only what it is in the end is written.

Merging is what bounds the memory held while the disk is full: one entry per job and attempt, and limits on the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tidegate.core.job import Attempt, JobId
from tidegate.core.prediction import Profile
from tidegate.engine.ports import Batch, ConflictRecord, HintRecord, JobRecord, Notice, TickRecord
from tidegate.engine.views import MachineSample

KEPT_TICKS = 10_000
KEPT_SAMPLES = 3_600
KEPT_NOTICES = 1_000
KEPT_ADVICE = 1_000


@dataclass(slots=True)
class MergedTick:
    """Equal consecutive ticks as one: the first of them, when the last was, and how many."""

    first: TickRecord
    last_at: float
    repeats: int = 1


def same_tick(one: TickRecord, other: TickRecord) -> bool:
    """Equal but for the moment and the readings of that moment."""
    return (
        one.sentence == other.sentence
        and one.kind == other.kind
        and one.job == other.job
        and one.mode == other.mode
        and one.counts == other.counts
        and one.details == other.details
    )


@dataclass(slots=True)
class Pending:
    """What one transaction will write."""

    added: dict[JobId, JobRecord] = field(default_factory=dict)
    changed: dict[JobId, JobRecord] = field(default_factory=dict)
    attempts: dict[tuple[JobId, int], Attempt] = field(default_factory=dict)
    ticks: list[MergedTick] = field(default_factory=list)
    samples: dict[float, MachineSample] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    ticks_dropped: int = 0
    notices: dict[int, Notice] = field(default_factory=dict)
    conflicts: dict[int, ConflictRecord] = field(default_factory=dict)
    hints: dict[int, HintRecord] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(
            self.changed
            or self.attempts
            or self.ticks
            or self.samples
            or self.added
            or self.profiles
            or self.meta
            or self.notices
            or self.conflicts
            or self.hints
        )

    def absorb(self, batch: Batch) -> None:
        """Lay a later batch over this one."""
        for record in batch.added:
            self.added[record.id] = record
        for record in batch.changed:
            if record.id in self.added:
                self.added[record.id] = record
            else:
                self.changed[record.id] = record
        for id, attempt in batch.attempts:
            self.attempts[id, attempt.number] = attempt
        for tick in batch.ticks:
            self._absorb_tick(tick)
        for sample in batch.samples:
            self.samples[sample.at] = sample
        for profile in batch.profiles:
            self.profiles[profile.key] = profile
        self.meta.update(batch.meta)
        for notice in batch.notices:
            if notice.id is not None:
                self.notices[notice.id] = notice
        self.conflicts.update((record.view.id, record) for record in batch.conflicts)
        self.hints.update((record.view.id, record) for record in batch.hints)

    def _absorb_tick(self, tick: TickRecord) -> None:
        if self.ticks and same_tick(self.ticks[-1].first, tick):
            self.ticks[-1].last_at = tick.at
            self.ticks[-1].repeats += 1
        else:
            self.ticks.append(MergedTick(tick, tick.at))

    def bound(self) -> None:
        """Give up the oldest of everything over its limit, but never jobs and attempts."""
        excess = len(self.ticks) - KEPT_TICKS
        if excess > 0:
            self.ticks_dropped += sum(tick.repeats for tick in self.ticks[:excess])
            del self.ticks[:excess]
        for at in sorted(self.samples)[: max(0, len(self.samples) - KEPT_SAMPLES)]:
            del self.samples[at]
        for place in sorted(self.notices)[: max(0, len(self.notices) - KEPT_NOTICES)]:
            del self.notices[place]
        for number in sorted(self.conflicts)[: max(0, len(self.conflicts) - KEPT_ADVICE)]:
            del self.conflicts[number]
        for number in sorted(self.hints)[: max(0, len(self.hints) - KEPT_ADVICE)]:
            del self.hints[number]

    def copy(self) -> Pending:
        """One that can absorb more without changing this one."""
        return Pending(
            dict(self.added),
            dict(self.changed),
            dict(self.attempts),
            [MergedTick(tick.first, tick.last_at, tick.repeats) for tick in self.ticks],
            dict(self.samples),
            dict(self.profiles),
            dict(self.meta),
            self.ticks_dropped,
            dict(self.notices),
            dict(self.conflicts),
            dict(self.hints),
        )

    def pieces(self) -> Iterator[Pending]:
        """The same, row by row: what is left to do when one row spoils the whole."""
        for id, record in self.added.items():
            yield Pending(added={id: record})
        for id, record in self.changed.items():
            yield Pending(changed={id: record})
        for key, attempt in self.attempts.items():
            yield Pending(attempts={key: attempt})
        for tick in self.ticks:
            yield Pending(ticks=[tick])
        for at, sample in self.samples.items():
            yield Pending(samples={at: sample})
        for name, profile in self.profiles.items():
            yield Pending(profiles={name: profile})
        for name, value in self.meta.items():
            yield Pending(meta={name: value})
        for place, notice in self.notices.items():
            yield Pending(notices={place: notice})
        for number, conflict in self.conflicts.items():
            yield Pending(conflicts={number: conflict})
        for number, hint in self.hints.items():
            yield Pending(hints={number: hint})

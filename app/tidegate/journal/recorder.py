"""Writes one merged lot of changes in one transaction; used by the writer thread alone."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from tidegate.core.job import Finished, Job, JobId, JobSpec
from tidegate.engine.ports import JobRecord, TickRecord
from tidegate.engine.views import MachineSample
from tidegate.journal.codec import decode_sample, encode_profile, encode_sample, storable
from tidegate.journal.database import Connect, full_sync, open_for_writing
from tidegate.journal.minutes import MINUTE_S, mean_and_maximum, minute_of
from tidegate.journal.pending import MergedTick, Pending, same_tick
from tidegate.journal.retention import Retention, sweep
from tidegate.journal.tables import (
    INSERT_JOBS,
    INSERT_TICKS,
    TICK_COLUMNS,
    UPDATE_JOBS,
    UPDATE_SPECS,
    WRITE_ATTEMPTS,
    WRITE_CONFLICTS,
    WRITE_HINTS,
    WRITE_META,
    WRITE_NOTICES,
    WRITE_PROFILES,
    WRITE_SAMPLES,
    attempt_row,
    conflict_row,
    hint_row,
    job_row,
    notice_row,
    spec_row,
    state_row,
    tick_from_row,
    tick_row,
    write_rows,
)


class Recorder:
    """The open database and what has to be remembered between transactions."""

    def __init__(self, path: Path, open_connection: Connect) -> None:
        self._path = path
        self._open_connection = open_connection
        self._connection: sqlite3.Connection | None = None
        self._sync = ""
        self._full = "FULL"
        self._specs: dict[JobId, JobSpec] = {}
        self._last_tick: TickRecord | None = None
        self._open_minute: int | None = None
        self._doubtful: set[str] = set()

    def know(self, jobs: Iterable[Job]) -> None:
        """The specs that are written already, as objects: a changed job with the same object needs no new JSON."""
        self._specs.update((job.id, job.spec) for job in jobs if not isinstance(job.status, Finished))

    def commit(self, pending: Pending, durable: bool) -> None:
        """All of it or nothing; ``durable`` returns only when it survives a power cut. Raises what SQLite raises."""
        connection = self._open()
        self._set_sync(connection, self._full if durable else "NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if self._doubtful:
                self._remove_doubtful(connection)
            self._write(connection, pending)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite has already rolled back after the graver errors
                connection.execute("ROLLBACK")
            raise
        self._remember(pending)

    def doubt(self, records: Iterable[JobRecord]) -> None:
        """Their commit failed, and was said to have failed: should the disk have it all the same, it has to go."""
        self._doubtful.update(str(record.id) for record in records)

    def sweep(self, retention: Retention, now: float) -> bool:
        return sweep(self._open(), retention, now)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # --- the transaction ----------------------------------------------------------------------------------------

    def _write(self, connection: sqlite3.Connection, pending: Pending) -> None:
        write_rows(connection, INSERT_JOBS, [job_row(record) for record in pending.added.values()])
        self._write_changed(connection, pending.changed)
        write_rows(connection, WRITE_ATTEMPTS, [attempt_row(id, one) for (id, _), one in pending.attempts.items()])
        self._write_ticks(connection, pending.ticks)
        write_rows(connection, WRITE_SAMPLES, [(at, encode_sample(sample)) for at, sample in pending.samples.items()])
        self._complete_minutes(connection, pending.samples)
        write_rows(
            connection, WRITE_PROFILES, [(storable(p.key), encode_profile(p)) for p in pending.profiles.values()]
        )
        write_rows(connection, WRITE_META, [(key, storable(value)) for key, value in pending.meta.items()])
        write_rows(connection, WRITE_NOTICES, [notice_row(notice) for notice in pending.notices.values()])
        write_rows(connection, WRITE_CONFLICTS, [conflict_row(record) for record in pending.conflicts.values()])
        write_rows(connection, WRITE_HINTS, [hint_row(record) for record in pending.hints.values()])

    def _write_changed(self, connection: sqlite3.Connection, changed: dict[JobId, JobRecord]) -> None:
        touched = write_rows(connection, UPDATE_JOBS, [state_row(record) for record in changed.values()])
        new_specs = [record for id, record in changed.items() if self._specs.get(id) is not record.spec]
        write_rows(connection, UPDATE_SPECS, [spec_row(record) for record in new_specs])
        if touched != len(changed):  # a row is missing: whatever took it away, what is known now is kept
            missing = [
                record
                for id, record in changed.items()
                if connection.execute("SELECT 1 FROM jobs WHERE id = ?", (str(id),)).fetchone() is None
            ]
            write_rows(connection, INSERT_JOBS, [job_row(record) for record in missing])

    def _write_ticks(self, connection: sqlite3.Connection, ticks: list[MergedTick]) -> None:
        if ticks and self._last_tick is not None and same_tick(self._last_tick, ticks[0].first):
            merged = connection.execute(
                "UPDATE journal SET repeats = repeats + ?, last_at = ? WHERE id = (SELECT max(id) FROM journal)",
                (ticks[0].repeats, ticks[0].last_at),
            ).rowcount
            ticks = ticks[merged:]  # none, when its row has grown too old and is gone
        write_rows(connection, INSERT_TICKS, [tick_row(tick) for tick in ticks])

    def _complete_minutes(self, connection: sqlite3.Connection, samples: dict[float, MachineSample]) -> None:
        """Once a sample of another minute arrives, the minutes before it get their row."""
        if not samples:
            return
        newest = minute_of(max(samples))
        touched = {minute_of(at) for at in samples}
        if self._open_minute is not None:
            touched.add(self._open_minute)
        for minute in sorted(touched - {newest}):
            self._write_minute(connection, minute)

    def _write_minute(self, connection: sqlite3.Connection, minute: int) -> None:
        rows = connection.execute(
            "SELECT sample FROM samples WHERE at >= ? AND at < ? ORDER BY at", (minute, minute + MINUTE_S)
        ).fetchall()
        if not rows:
            return
        mean, maximum = mean_and_maximum(minute, [decode_sample(sample) for (sample,) in rows])
        connection.execute(
            "INSERT OR REPLACE INTO samples_minute (minute, samples, mean, maximum) VALUES (?, ?, ?, ?)",
            (minute, len(rows), encode_sample(mean), encode_sample(maximum)),
        )

    def _remove_doubtful(self, connection: sqlite3.Connection) -> None:
        ids = [(id,) for id in self._doubtful]
        connection.executemany("DELETE FROM attempts WHERE job = ?", ids)
        connection.executemany("DELETE FROM jobs WHERE id = ?", ids)

    def _remember(self, pending: Pending) -> None:
        """Only now, as it is written for sure."""
        self._doubtful.clear()
        for record in chain(pending.added.values(), pending.changed.values()):
            if isinstance(record.status, Finished):
                self._specs.pop(record.id, None)
            else:
                self._specs[record.id] = record.spec
        if pending.ticks:
            self._last_tick = pending.ticks[-1].first
        if pending.samples:
            self._open_minute = minute_of(max(pending.samples))

    # --- the connection -----------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = open_for_writing(self._path, self._open_connection)
            self._connection = connection
            self._full = full_sync(connection)
            self._sync = ""
            last = connection.execute(f"SELECT {TICK_COLUMNS} FROM journal ORDER BY id DESC LIMIT 1").fetchone()
            self._last_tick = None if last is None else tick_from_row(last)
            if self._open_minute is None:
                (newest,) = connection.execute("SELECT max(at) FROM samples").fetchone()
                self._open_minute = None if newest is None else minute_of(newest)
        return self._connection

    def _set_sync(self, connection: sqlite3.Connection, wanted: str) -> None:
        if wanted != self._sync:
            connection.execute(f"PRAGMA synchronous = {wanted}")
            self._sync = wanted

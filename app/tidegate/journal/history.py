"""Reads what memory no longer holds: finished jobs, the audit trail and old samples, while the writer writes."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tidegate.core.job import Job, JobId
from tidegate.engine.ports import Notice
from tidegate.engine.views import ConflictView, HintView, MachineSample, TickView
from tidegate.journal.codec import UnreadableRow, decode_sample, restored
from tidegate.journal.database import connect_read_only, format_of
from tidegate.journal.minutes import MINUTE_S
from tidegate.journal.tables import (
    CONFLICT_COLUMNS,
    HINT_COLUMNS,
    NOTICE_COLUMNS,
    TICK_COLUMNS,
    Row,
    conflict_from_row,
    hint_from_row,
    notice_from_row,
    read_jobs,
    tick_view,
)

T = TypeVar("T")

# Ends of windows and limits that were not given; both are beyond anything stored.
_ALWAYS = 1e18
_UNLIMITED = -1
_IDLE_KEPT = 4


class History:
    """Read-only, safe from any thread (engine.ports.HistoryPort); each query sees one consistent picture.

    A database that does not exist yet is an empty history. Raises sqlite3.Error when the file cannot be read.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    def job(self, id: JobId) -> tuple[Job, ...]:
        """The job as last written; for an array's number all its elements, in order."""
        if id.index is None:
            return tuple(self._jobs("WHERE number = ? ORDER BY element", (id.number,)))
        return tuple(self._jobs("WHERE number = ? AND element = ?", (id.number, id.index)))

    def finished(self, before: float | None = None, limit: int | None = None) -> list[Job]:
        """Finished jobs, newest end first, of those that ended earlier than ``before``."""
        return self._jobs(
            "WHERE finished_at IS NOT NULL AND finished_at < ? ORDER BY finished_at DESC, sequence DESC LIMIT ?",
            (_ALWAYS if before is None else before, _UNLIMITED if limit is None else limit),
        )

    def ticks(self, since: float | None = None, job: JobId | None = None, limit: int = 1_000) -> list[TickView]:
        """The newest ``limit`` ticks that were (last) seen at or after ``since``, oldest first.

        ``job``: only those that name it; a plain number names all elements of its array too.
        """
        where, parameters = ["last_at >= ?"], [-_ALWAYS if since is None else since]
        if job is not None:
            own = str(job)
            # "." is followed by "/" in ASCII: the range holds 7.0, 7.1 and so on, and uses the index.
            where.append("(job = ? OR (job > ? AND job < ?))" if job.index is None else "job = ?")
            parameters += [own, f"{own}.", f"{own}/"] if job.index is None else [own]  # type: ignore[list-item]
        query = f"SELECT id, {TICK_COLUMNS} FROM journal WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
        rows = self._rows(query, (*parameters, limit))
        return [tick_view(row[0], row[1:]) for row in reversed(rows)]

    def notices(self, before: int | None = None, limit: int = 1_000) -> list[Notice]:
        """Newest first, of those with a number below ``before``. One of a kind that came later is left out."""
        with self._connection() as connection:
            # A database that cannot be written yet may still have the first format, which knew none.
            if connection is None or format_of(connection) < 2:
                return []
            rows = connection.execute(
                f"SELECT {NOTICE_COLUMNS} FROM notices WHERE id < ? ORDER BY id DESC LIMIT ?",
                (_ALWAYS if before is None else before, limit),
            ).fetchall()
        return list(_readable(rows, notice_from_row))

    def conflicts(self, limit: int | None = None) -> list[ConflictView]:
        """Those that ended, newest end first."""
        rows = self._ended("conflicts", CONFLICT_COLUMNS, limit)
        return [record.view for record in _readable(rows, conflict_from_row)]

    def hints(self, limit: int | None = None) -> list[HintView]:
        """Those that ended, newest end first."""
        return [record.view for record in _readable(self._ended("hints", HINT_COLUMNS, limit), hint_from_row)]

    def _ended(self, table: str, columns: str, limit: int | None) -> list[Row]:
        with self._connection() as connection:
            if connection is None or format_of(connection) < 3:
                return []
            return connection.execute(
                f"SELECT {columns} FROM {table} WHERE closed_at IS NOT NULL ORDER BY closed_at DESC, id DESC LIMIT ?",
                (_UNLIMITED if limit is None else limit,),
            ).fetchall()

    def samples(self, since: float, until: float) -> list[MachineSample]:
        """Oldest first: whole minutes (mean, with the two maxima) as far as single seconds are no longer kept."""
        with self._connection() as connection:
            if connection is None:
                return []
            (oldest,) = connection.execute("SELECT min(at) FROM samples").fetchone()
            seconds_from = _ALWAYS if oldest is None else oldest
            minutes = connection.execute(
                "SELECT mean FROM samples_minute WHERE minute >= ? AND minute <= ? AND minute + ? <= ? ORDER BY minute",
                (since, until, MINUTE_S, seconds_from),
            ).fetchall()
            seconds = connection.execute(
                "SELECT sample FROM samples WHERE at >= ? AND at <= ? ORDER BY at", (since, until)
            ).fetchall()
        return [decode_sample(sample) for (sample,) in (*minutes, *seconds)]

    def meta(self, key: str) -> str | None:
        """What the engine remembers under this name; None when it does not."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return restored(rows[0][0]) if rows else None

    def close(self) -> None:
        """Close the connections that are idle; those in use close when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # --- connections ------------------------------------------------------------------------------------------------

    def _jobs(self, where: str, parameters: tuple[object, ...]) -> list[Job]:
        with self._connection() as connection:
            if connection is None:
                return []
            return [job for job in read_jobs(connection, where, parameters) if not isinstance(job, UnreadableRow)]

    def _rows(self, query: str, parameters: tuple[object, ...]) -> list[Row]:
        with self._connection() as connection:
            return [] if connection is None else connection.execute(query, parameters).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection | None]:
        """A connection for this thread alone, inside one read transaction; None while there is no database."""
        connection = self._take()
        if connection is None:
            yield None
            return
        try:
            connection.execute("BEGIN")
            yield connection
            connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def _take(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        if not os.path.exists(self._database):
            return None
        connection = connect_read_only(self._database)
        if format_of(connection) == 0:  # the writer has only just made the file
            connection.close()
            return None
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
                return
        connection.close()


def _readable(rows: list[Row], read: Callable[[Row], T]) -> Iterator[T]:
    for row in rows:
        with suppress(UnreadableRow):
            yield read(row)

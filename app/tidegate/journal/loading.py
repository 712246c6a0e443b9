"""Reads the state back when the engine starts, whatever became of the file meanwhile."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tidegate.core.job import Job
from tidegate.core.prediction import Profile
from tidegate.engine.ports import Restored
from tidegate.journal.codec import UnreadableRow, decode_profile, restored
from tidegate.journal.database import (
    Connect,
    DatabaseRefused,
    check_format,
    connect,
    connect_read_only,
    describe,
    format_of,
    is_damage,
    is_environments_fault,
    open_for_writing,
    set_aside,
)
from tidegate.journal.salvage import readable_format, salvage
from tidegate.journal.tables import (
    CONFLICT_COLUMNS,
    HINT_COLUMNS,
    Row,
    conflict_from_row,
    hint_from_row,
    read_jobs,
)

T = TypeVar("T")

# Of what is unwanted so much is remembered; older things will not come again.
UNWANTED = 500


def load(path: Path, finished: int, now: float, open_connection: Connect = connect) -> Restored:
    """Unfinished jobs in order of arrival, then the newest ``finished`` finished ones, and all that was learned.

    A damaged file is set aside and said in ``warnings``. One that cannot be written is read as it is, with a warning.
    Raises DatabaseRefused for a newer format, or when what was accepted cannot be read now.
    """
    try:
        return _load(path, finished, open_connection)
    except (sqlite3.Error, OSError) as error:
        if is_damage(error):
            return _begin_anew(path, finished, now, open_connection)
        if not is_environments_fault(error):
            raise
        return _load_unwritable(path, finished, describe(error, path))


def _load(path: Path, finished: int, open_connection: Connect) -> Restored:
    connection = open_for_writing(path, open_connection, check=True)
    try:
        return read_state(connection, finished)
    finally:
        connection.close()


def _begin_anew(path: Path, finished: int, now: float, open_connection: Connect) -> Restored:
    aside = set_aside(path, now)
    connection = open_for_writing(path, open_connection)
    try:
        unfinished = salvage(aside, connection, now) if readable_format(aside) else 0
        state = read_state(connection, finished)
    finally:
        connection.close()
    found = (
        f"{unfinished} unfinished jobs could still be read: what was queued is now held for you to decide"
        if unfinished
        else "no unfinished job could be read from it"
    )
    name = os.fsencode(path).decode(errors="replace")
    warning = (
        f"The database {name} was damaged and is kept as {os.fsencode(aside.name).decode(errors='replace')}; {found}."
    )
    return replace(state, warnings=(warning, *state.warnings))


def _load_unwritable(path: Path, finished: int, reason: str) -> Restored:
    """Writing may heal later; until then the state is needed, and it must be the newest, or none at all."""
    if not path.exists():
        return Restored(warnings=(reason,))
    wal = Path(f"{path}-wal")
    for immutable in (False, True):
        if immutable and wal.exists() and wal.stat().st_size > 0:
            break  # without its WAL the file would show an older state
        try:
            connection = connect_read_only(path, immutable)
        except sqlite3.Error:
            continue
        try:
            check_format(connection, path)
            if format_of(connection) >= 1:  # what the state needs is in every format so far
                state = read_state(connection, finished)
                return replace(state, warnings=(reason, *state.warnings))
        except sqlite3.Error:
            continue
        finally:
            connection.close()
    raise DatabaseRefused(reason)


def read_state(connection: sqlite3.Connection, finished: int) -> Restored:
    """Everything the engine needs, in one consistent picture: unfinished jobs, the newest finished ones, and those
    finished ones that unfinished jobs wait for.
    """
    connection.execute("BEGIN")
    collecting = gc.isenabled()
    gc.disable()  # there is no garbage to find among 100,000 new jobs; looking for it takes a quarter of the time
    try:
        unreadable: list[str] = []
        jobs = [
            *_sound(read_jobs(connection, "WHERE finished_at IS NULL ORDER BY sequence", ()), unreadable),
            *_sound(
                read_jobs(
                    connection,
                    "WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, sequence DESC LIMIT ?",
                    (finished,),
                ),
                unreadable,
            ),
        ]
        jobs += _sound(_awaited(connection, jobs), unreadable)
        profiles = _profiles(connection, unreadable)
        conflicts = _advice(connection, "conflicts", CONFLICT_COLUMNS, conflict_from_row, unreadable)
        hints = _advice(connection, "hints", HINT_COLUMNS, hint_from_row, unreadable)
        meta = {key: restored(value) for key, value in connection.execute("SELECT key, value FROM meta")}
    finally:
        if collecting:
            gc.enable()
        connection.execute("ROLLBACK")
    warnings = tuple(
        f"An entry of the database could not be understood and was left alone: {one}." for one in unreadable
    )
    return Restored(tuple(jobs), tuple(profiles), meta, warnings, conflicts, hints)


def _advice(
    connection: sqlite3.Connection, table: str, columns: str, read: Callable[[Row], T], unreadable: list[str]
) -> tuple[T, ...]:
    """What is open, and the newest of what is unwanted, in order of number."""
    if format_of(connection) < 3:
        return ()
    rows = connection.execute(
        f"SELECT {columns} FROM {table} WHERE closed_at IS NULL OR id IN"
        f" (SELECT id FROM {table} WHERE unwanted ORDER BY id DESC LIMIT ?) ORDER BY id",
        (UNWANTED,),
    ).fetchall()
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except UnreadableRow as error:
            unreadable.append(f"{table} {row[0]}: {error}")
    return tuple(found)


def _awaited(connection: sqlite3.Connection, jobs: list[Job]) -> Iterable[Job | UnreadableRow]:
    """Finished jobs, however old, whose ends unfinished ones depend on; without those that are among ``jobs``."""
    loaded = {job.id for job in jobs}
    numbers = {dependency.job.number for job in jobs if job.outcome is None for dependency in job.spec.after}
    if not numbers:
        return
    where = "WHERE finished_at IS NOT NULL AND number IN (SELECT value FROM json_each(?)) ORDER BY sequence"
    for found in read_jobs(connection, where, (json.dumps(sorted(numbers)),)):
        if isinstance(found, UnreadableRow) or found.id not in loaded:
            yield found


def _sound(rows: Iterable[Job | UnreadableRow], unreadable: list[str]) -> Iterable[Job]:
    for row in rows:
        if isinstance(row, UnreadableRow):
            unreadable.append(str(row))
        else:
            yield row


def _profiles(connection: sqlite3.Connection, unreadable: list[str]) -> list[Profile]:
    profiles = []
    for (runs,) in connection.execute("SELECT runs FROM profiles ORDER BY key"):
        try:
            profiles.append(decode_profile(runs))
        except UnreadableRow as error:
            unreadable.append(str(error))
    return profiles

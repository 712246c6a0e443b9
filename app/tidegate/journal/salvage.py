"""Carries over what can still be read in a damaged database, so that accepted jobs and used numbers are not lost.

A damaged file may show a job as it stood some time ago. So that nothing runs twice, a job that reads as queued comes
back held, for its user to decide; one that reads as running keeps its token, by which the helper still knows it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidegate.core.job import Finished, Held, Outcome
from tidegate.journal.codec import encode_status
from tidegate.journal.database import connect, newest_format

# Each table with the order in which its pages lie, so that both sides of a bad page are reached.
_TABLES = (
    ("meta", "key"),
    ("profiles", "key"),
    ("jobs", "rowid"),
    ("attempts", "rowid"),
    ("journal", "rowid"),
    ("notices", "id"),
    ("conflicts", "id"),
    ("hints", "id"),
)
_HELD = "it comes from a damaged database and may have run: look at its log, then release or cancel it"
_LOST = "the damaged database did not say how its run ended"


def salvage(damaged: Path, connection: sqlite3.Connection, now: float) -> int:
    """Copy readable rows into the new database; the number of unfinished jobs that came over."""
    old = connect(damaged)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table, order in _TABLES:
            _copy(old, connection, table, order)
        _settle(connection, now)
        (unfinished,) = connection.execute("SELECT count(*) FROM jobs WHERE finished_at IS NULL").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        old.close()
    return int(unfinished)


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str, order: str) -> None:
    known = set(_columns(old, table))  # in an older format some came later
    columns = [column for column in _columns(new, table) if column in known]
    if not columns:
        return
    names, marks = ", ".join(columns), ",".join("?" * len(columns))
    for direction in ("ASC", "DESC"):
        query = f"SELECT {names} FROM {table} NOT INDEXED ORDER BY {order} {direction}"
        new.executemany(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", _readable(old, query))


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _readable(old: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Rows up to the first that cannot be read."""
    try:
        yield from old.execute(query)
    except sqlite3.DatabaseError:
        return


def _settle(connection: sqlite3.Connection, now: float) -> None:
    name, state = encode_status(Held(now, _HELD))
    connection.execute("UPDATE jobs SET status = ?, state = ? WHERE status = 'queued'", (name, state))
    name, state = encode_status(Finished(now, Outcome.LOST, why=_LOST))
    connection.execute(
        "UPDATE jobs SET status = ?, state = ?, finished_at = ?, outcome = 'lost'"
        " WHERE status IN ('starting', 'running', 'paused', 'stopping') AND id NOT IN (SELECT job FROM attempts)",
        (name, state, now),
    )
    _count_on(connection, "next_job_number", "SELECT max(number) FROM jobs")
    _count_on(connection, "next_notice", "SELECT max(id) FROM notices")
    _count_on(connection, "next_conflict", "SELECT max(id) FROM conflicts")
    _count_on(connection, "next_hint", "SELECT max(id) FROM hints")


def _count_on(connection: sqlite3.Connection, key: str, highest_of: str) -> None:
    """No number that is still to be read is given a second time."""
    (highest,) = connection.execute(highest_of).fetchone()
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if highest is not None and (row is None or int(row[0]) <= highest):
        connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, str(highest + 1)))


def readable_format(damaged: Path) -> bool:
    """Whether the rows of a damaged database have a shape this version knows; a table that came later is empty."""
    old = connect(damaged)
    try:
        (version,) = old.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError:
        return False
    finally:
        old.close()
    return bool(1 <= version <= newest_format())

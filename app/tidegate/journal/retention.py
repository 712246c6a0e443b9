"""How long what is kept is kept, and the sweep that enforces it a little at a time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tidegate.journal.minutes import minute_of

DAY_S = 86_400.0
SWEPT_AT_ONCE = 2_000
MOST_NOTICES = 10_000


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages in seconds; None keeps for ever. Finished jobs count from their end.

    Of notices, and of conflicts and hints that ended, no more than ``notices_most`` are kept each, however young, and
    those not longer than notices.
    """

    samples_s: float | None = 3_600.0
    minutes_s: float | None = 30 * DAY_S
    ticks_s: float | None = 90 * DAY_S
    finished_s: float | None = None
    notices_s: float | None = 90 * DAY_S
    notices_most: int = MOST_NOTICES


def sweep(connection: sqlite3.Connection, retention: Retention, now: float) -> bool:
    """Delete some of what is too old, in one short transaction; True when there is more to do."""
    more = False
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table, column, key, age in (
            ("samples", "at", "at", retention.samples_s),
            ("samples_minute", "minute", "minute", retention.minutes_s),
            ("journal", "last_at", "id", retention.ticks_s),
            ("notices", "at", "id", retention.notices_s),
            ("conflicts", "closed_at", "id", retention.notices_s),
            ("hints", "closed_at", "id", retention.notices_s),
        ):
            if age is not None:  # whole minutes, so that seconds begin where the last minute row ends
                gone = connection.execute(
                    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {column} < ? LIMIT ?)",
                    (minute_of(now - age), SWEPT_AT_ONCE),
                ).rowcount
                more = more or gone == SWEPT_AT_ONCE
        for table, which in (
            ("notices", "1"),
            ("conflicts", "closed_at IS NOT NULL"),
            ("hints", "closed_at IS NOT NULL"),
        ):
            connection.execute(
                f"DELETE FROM {table} WHERE {which} AND id <="
                f" (SELECT id FROM {table} WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (retention.notices_most,),
            )
        if retention.finished_s is not None:
            more = _sweep_jobs(connection, now - retention.finished_s) or more
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return more


def _sweep_jobs(connection: sqlite3.Connection, before: float) -> bool:
    old = "SELECT id FROM jobs WHERE finished_at IS NOT NULL AND finished_at < ? ORDER BY finished_at, sequence LIMIT ?"
    connection.execute(f"DELETE FROM attempts WHERE job IN ({old})", (before, SWEPT_AT_ONCE))
    return (
        connection.execute(f"DELETE FROM jobs WHERE id IN ({old})", (before, SWEPT_AT_ONCE)).rowcount == SWEPT_AT_ONCE
    )

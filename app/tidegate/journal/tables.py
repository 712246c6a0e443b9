"""The rows of every table and the statements that write and read them.

Many rows go in by ONE statement: each call into SQLite gives up Python's interpreter lock, and while the engine's
thread is busy getting it back takes up to 5 ms. 512 rows by executemany took 3.4 s beside a busy thread, by two
statements 0.04 s. Statements come in a few sizes, so that they stay prepared; what is over is filled with NULL rows,
which the WHERE leaves out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from tidegate.core.job import Attempt, Finished, Job, JobId
from tidegate.engine.ports import ConflictRecord, HintRecord, JobRecord, Notice, NoticeKind, TickRecord
from tidegate.engine.views import TickView
from tidegate.journal.codec import (
    UnreadableRow,
    decode_conflict,
    decode_hint,
    decode_offers,
    decode_settlement,
    decode_spec,
    decode_status,
    encode_conflict,
    encode_hint,
    encode_offers,
    encode_settlement,
    encode_spec,
    encode_status,
    from_json,
    outcome_or_none,
    parse_job,
    restored,
    restored_or_none,
    storable,
    storable_or_none,
    to_json,
)
from tidegate.journal.database import format_of
from tidegate.journal.pending import MergedTick

Row = tuple[Any, ...]

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

JOB_COLUMNS = "id, number, element, spec, status, state, submitted_at, finished_at, outcome, sequence, rank, bypassed"
ATTEMPT_COLUMNS = (
    "job, attempt, token, intended_at, started_at, identity, ended_at, exit_code, signal, outcome, why, cpu_s,"
    " peak_memory_bytes, paused_s, reserved_bytes, devices, waited_for, strategy"
)
TICK_COLUMNS = "at, last_at, repeats, kind, sentence, job, mode, memory_pct, cpu_pct, counts, details"
NOTICE_COLUMNS = "id, at, kind, level, title, text, job, urgent, offers"
HINT_COLUMNS = "id, key, at, closed_at, unwanted, view"
CONFLICT_COLUMNS = HINT_COLUMNS + ", settlement"

# {values} is one row of marks for each row written. A NULL in the first column marks a filler.
INSERT_JOBS = f"INSERT INTO jobs ({JOB_COLUMNS}) SELECT * FROM (VALUES {{values}}) WHERE column1 IS NOT NULL"
UPDATE_JOBS = """UPDATE jobs SET status = v.column2, state = v.column3, finished_at = v.column4, outcome = v.column5,
 sequence = v.column6, rank = v.column7, bypassed = v.column8 FROM (VALUES {values}) AS v WHERE jobs.id = v.column1"""
UPDATE_SPECS = "UPDATE jobs SET spec = v.column2 FROM (VALUES {values}) AS v WHERE jobs.id = v.column1"
WRITE_ATTEMPTS = (
    f"INSERT INTO attempts ({ATTEMPT_COLUMNS}) SELECT * FROM (VALUES {{values}}) WHERE column1 IS NOT NULL"
    " ON CONFLICT (job, attempt) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ATTEMPT_COLUMNS.replace(" ", "").split(",")[2:])
)
INSERT_TICKS = f"INSERT INTO journal ({TICK_COLUMNS}) SELECT * FROM (VALUES {{values}}) WHERE column1 IS NOT NULL"
WRITE_SAMPLES = (
    "INSERT INTO samples (at, sample) SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"
    " ON CONFLICT (at) DO UPDATE SET sample = excluded.sample"
)
WRITE_PROFILES = (
    "INSERT INTO profiles (key, runs) SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"
    " ON CONFLICT (key) DO UPDATE SET runs = excluded.runs"
)
WRITE_META = (
    "INSERT INTO meta (key, value) SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


def _write_numbered(table: str, columns: str) -> str:
    """Of a number that was given twice (the first lost before it was written) the later one stays."""
    return (
        f"INSERT INTO {table} ({columns}) SELECT * FROM (VALUES {{values}}) WHERE column1 IS NOT NULL"
        " ON CONFLICT (id) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in columns.replace(" ", "").split(",")[1:])
    )


WRITE_NOTICES = _write_numbered("notices", NOTICE_COLUMNS)
WRITE_CONFLICTS = _write_numbered("conflicts", CONFLICT_COLUMNS)
WRITE_HINTS = _write_numbered("hints", HINT_COLUMNS)


@cache
def _statement(template: str, rows: int, width: int) -> str:
    marks = "(" + ",".join("?" * width) + ")"
    return template.format(values=",".join([marks] * rows))


def write_rows(connection: sqlite3.Connection, template: str, rows: Sequence[Row]) -> int:
    """Write all rows in as few statements as may be; the number of rows that were touched."""
    touched = 0
    for begin in range(0, len(rows), SIZES[-1]):
        part = rows[begin : begin + SIZES[-1]]
        width = len(part[0])
        size = next(size for size in SIZES if size >= len(part))
        values = [*chain.from_iterable(part), *(None,) * ((size - len(part)) * width)]
        touched += connection.execute(_statement(template, size, width), values).rowcount
    return touched


# --- Values to rows -------------------------------------------------------------------------------------------------


def job_row(record: JobRecord) -> Row:
    id, name, state, finished_at, outcome, sequence, rank, bypassed = state_row(record)
    number, element = record.id
    spec = encode_spec(record.spec)
    return (
        *(id, number, element, spec, name, state, record.submitted_at),
        *(finished_at, outcome, sequence, rank, bypassed),
    )


def state_row(record: JobRecord) -> Row:
    """What of a job's row may change often; the spec is not made into JSON again."""
    status = record.status
    finished = (status.at, status.outcome.value) if isinstance(status, Finished) else (None, None)
    return (str(record.id), *encode_status(status), *finished, record.sequence, record.rank, record.bypassed)


def spec_row(record: JobRecord) -> Row:
    return (str(record.id), encode_spec(record.spec))


def attempt_row(id: JobId, attempt: Attempt) -> Row:
    return (
        str(id),
        attempt.number,
        attempt.token,
        attempt.intended_at,
        attempt.started_at,
        attempt.identity,
        attempt.ended_at,
        attempt.exit_code,
        attempt.signal,
        None if attempt.outcome is None else attempt.outcome.value,
        storable_or_none(attempt.why),
        attempt.cpu_s,
        attempt.peak_memory_bytes,
        attempt.paused_s,
        attempt.reserved_bytes,
        to_json(attempt.devices),
        storable_or_none(attempt.waited_for),
        storable_or_none(attempt.strategy),
    )


def tick_row(tick: MergedTick) -> Row:
    first = tick.first
    return (
        first.at,
        tick.last_at,
        tick.repeats,
        first.kind,
        storable(first.sentence),
        None if first.job is None else str(first.job),
        first.mode,
        first.memory_pct,
        first.cpu_pct,
        to_json(first.counts),
        to_json(first.details),
    )


def notice_row(notice: Notice) -> Row:
    return (
        notice.id,
        notice.at,
        notice.kind.value,
        notice.level,
        storable(notice.title),
        storable(notice.text),
        None if notice.job is None else str(notice.job),
        int(notice.urgent),
        encode_offers(notice.offers),
    )


def conflict_row(record: ConflictRecord) -> Row:
    view, settlement = record.view, record.settlement
    return (
        *(view.id, storable(record.key), view.detected_at, view.closed_at, int(record.unwanted)),
        *(encode_conflict(view), None if settlement is None else encode_settlement(settlement)),
    )


def hint_row(record: HintRecord) -> Row:
    view = record.view
    return (view.id, storable(record.key), view.at, view.closed_at, int(record.unwanted), encode_hint(view))


# --- Rows to values -------------------------------------------------------------------------------------------------


def attempt_from_row(row: Row) -> Attempt:
    """Raises UnreadableRow."""
    try:
        return Attempt(
            number=row[1],
            token=row[2],
            intended_at=row[3],
            started_at=row[4],
            identity=row[5],
            ended_at=row[6],
            exit_code=row[7],
            signal=row[8],
            outcome=outcome_or_none(row[9]),
            why=restored_or_none(row[10]),
            cpu_s=row[11],
            peak_memory_bytes=row[12],
            paused_s=row[13],
            reserved_bytes=row[14],
            devices=tuple(from_json(row[15])),
            waited_for=restored_or_none(row[16]),
            strategy=restored_or_none(row[17]),
        )
    except (ValueError, TypeError) as error:
        raise UnreadableRow(f"attempt {row[1]} of job {row[0]}: {error}") from error


def job_from_row(row: Row, attempts: Sequence[Attempt]) -> Job:
    """Raises UnreadableRow."""
    return Job(
        id=JobId(row[1], row[2]),
        spec=decode_spec(row[3]),
        submitted_at=row[6],
        sequence=row[9],
        status=decode_status(row[4], row[5]),
        rank=row[10],
        attempts=tuple(attempts),
        bypassed=row[11],
    )


def tick_from_row(row: Row) -> TickRecord:
    """The tick a row (``TICK_COLUMNS``) was made of, to compare the next one with."""
    return TickRecord(
        at=row[0],
        kind=row[3],
        sentence=restored(row[4]),
        job=None if row[5] is None else parse_job(row[5]),
        mode=row[6],
        memory_pct=row[7],
        cpu_pct=row[8],
        counts=tuple(map(tuple, from_json(row[9]))),
        details=tuple(map(tuple, from_json(row[10]))),
    )


def tick_view(number: int, row: Row) -> TickView:
    return TickView(
        id=number,
        at=row[0],
        kind=row[3],
        sentence=restored(row[4]),
        job=row[5],
        mode=row[6],
        memory_pct=row[7],
        cpu_pct=row[8],
        counts=dict(from_json(row[9])),
        details=dict(from_json(row[10])),
        repeats=row[2],
    )


def notice_from_row(row: Row) -> Notice:
    """Raises UnreadableRow."""
    try:
        return Notice(
            at=row[1],
            title=restored(row[4]),
            text=restored(row[5]),
            job=None if row[6] is None else parse_job(row[6]),
            level=row[3],
            kind=NoticeKind(row[2]),
            urgent=bool(row[7]),
            offers=decode_offers(row[8]),
            id=row[0],
        )
    except (ValueError, TypeError) as error:
        raise UnreadableRow(f"notice {row[0]}: {error}") from error


def conflict_from_row(row: Row) -> ConflictRecord:
    """Raises UnreadableRow."""
    settlement = None if row[6] is None else decode_settlement(row[6])
    return ConflictRecord(restored(row[1]), decode_conflict(row[5]), settlement, bool(row[4]))


def hint_from_row(row: Row) -> HintRecord:
    """Raises UnreadableRow."""
    return HintRecord(restored(row[1]), decode_hint(row[5]), bool(row[4]))


def read_jobs(
    connection: sqlite3.Connection, where: str, parameters: Sequence[object]
) -> Iterator[Job | UnreadableRow]:
    """Jobs with their attempts; ``where`` follows FROM jobs. A row that is not understood comes as the error."""
    columns = ATTEMPT_COLUMNS
    if format_of(connection) < 4:  # it may only be read, so it was not brought to the newest format
        columns = columns.replace("strategy", "NULL")
    attempts = _attempts(
        connection.execute(
            f"SELECT {columns} FROM attempts WHERE job IN (SELECT id FROM jobs {where}) ORDER BY job, attempt",
            parameters,
        )
    )
    for row in connection.execute(f"SELECT {JOB_COLUMNS} FROM jobs {where}", parameters):
        own = attempts.get(row[0], ())
        if isinstance(own, UnreadableRow):
            yield own
            continue
        try:
            yield job_from_row(row, own)
        except UnreadableRow as error:
            yield UnreadableRow(f"job {row[0]}: {error}")


def _attempts(rows: Iterable[Row]) -> dict[str, list[Attempt] | UnreadableRow]:
    by_job: dict[str, list[Attempt] | UnreadableRow] = {}
    for row in rows:
        own = by_job.setdefault(row[0], [])
        if isinstance(own, list):
            try:
                own.append(attempt_from_row(row))
            except UnreadableRow as error:
                by_job[row[0]] = error
    return by_job

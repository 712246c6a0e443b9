"""Workloads: what was asked for and what it turned out to take, from a CSV file or from the history of a home."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.core.job import Attempt, Job, JobSpec, Outcome
from tidegate.core.measures import able_at, ends_by_number
from tidegate.core.resources import MIB, GpuRequest
from tidegate.journal.history import History
from tidegate.simulator.fake_runs import Behaviour

NEEDED = ("job_id", "submit_s", "duration_s")
COLUMNS = (*NEEDED, "cpus", "mem_mib", "gpus", "user", "app", "priority", "requested_s")
LONGEST_LINE = 64 * 1024
MOST_ROWS = 250_000
UNTOLD_BYTES = 64 * MIB  # what a job holds of which the workload says nothing
UNTOLD_PRIORITY = 5


class WorkloadRefused(Exception):
    """Nothing of it can be used; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class TraceJob:
    """One job of a workload: ``spec`` is what the scheduler knows of it, ``behaviour`` what happens.

    ``submit_s`` counts from the beginning of the workload. A time limit is what was requested: it is expected, and ends
    nothing.
    """

    id: str
    submit_s: float
    spec: JobSpec
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class BadRow:
    """What was left out, and why. ``line`` counts from 1 in a file; of a history it is the job's number."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs by the moment of their submission; equal moments stay in the order of the source."""

    name: str
    jobs: tuple[TraceJob, ...]
    bad_rows: tuple[BadRow, ...] = ()


# --- from a file -----------------------------------------------------------------------------------------------------


def read_csv(path: str | Path) -> Workload:
    """Read a workload file, gzipped or not; raises WorkloadRefused when there is nothing in it to use.

    Columns go by the header, in any order: job_id, submit_s, duration_s, and where they are known cpus, mem_mib, gpus,
    user, app, priority, requested_s. Further columns are ignored; an empty cell is unknown.
    """
    jobs: list[TraceJob] = []
    bad: list[BadRow] = []
    seen: set[str] = set()
    try:
        with _opened(path) as text:
            rows = csv.reader(_lines(path, text))
            places = _header(path, rows)
            width = max(places.values()) + 1
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                try:
                    job = _job(row, places, width)
                    if job.id in seen:
                        raise ValueError(f"job_id {job.id} appears a second time")
                    seen.add(job.id)
                    jobs.append(job)
                except ValueError as error:
                    bad.append(BadRow(rows.line_num, str(error)))
                if len(jobs) + len(bad) > MOST_ROWS:
                    raise WorkloadRefused(f"{path}: there are more than {MOST_ROWS:,} jobs in it.")
    except csv.Error as error:
        raise WorkloadRefused(f"{path}: line {rows.line_num} is not comma-separated text: {error}.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise WorkloadRefused(f"{path}: it looks like a gzip file, but it is damaged or cut off.") from None
    except UnicodeDecodeError:
        raise WorkloadRefused(f"{path}: this is not a text file; a workload is a CSV file, gzipped or not.") from None
    except OSError as error:
        raise WorkloadRefused(f"{path}: it cannot be read: {(error.strerror or str(error)).lower()}.") from None
    if not jobs:
        why = f"; line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise WorkloadRefused(f"{path}: there is no job in it that can be used{why}.")
    return Workload(Path(path).name, _in_order(jobs), tuple(bad))


@contextmanager
def _opened(path: str | Path) -> Iterator[io.TextIOWrapper]:
    """As text, whatever the file's name says about compression."""
    with open(path, "rb") as file:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        with io.TextIOWrapper(gzip.GzipFile(fileobj=file) if packed else file, "utf-8-sig", newline="") as text:
            yield text


def _lines(path: str | Path, text: io.TextIOWrapper) -> Iterator[str]:
    """Lines of bounded length."""
    while line := text.readline(LONGEST_LINE):
        if "\0" in line or len(line) == LONGEST_LINE:
            raise WorkloadRefused(f"{path}: this is not a text file; a workload is a CSV file, gzipped or not.")
        yield line


def _header(path: str | Path, rows: Iterator[list[str]]) -> dict[str, int]:
    """Where each column stands; the first of two that are called the same."""
    header = [cell.strip().lower() for cell in next(rows, [])]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        wanted = ", ".join(NEEDED)
        raise WorkloadRefused(
            f"{path}: its first line lacks the column {missing[0]}; a workload begins with a line that names "
            f"its columns, at least {wanted}."
        )
    return {name: header.index(name) for name in COLUMNS if name in header}


def _job(row: Sequence[str], places: dict[str, int], width: int) -> TraceJob:
    """Raises ValueError, saying what is wrong with the row."""
    if len(row) < width:
        raise ValueError(f"it has {len(row)} columns, and the header needs {width}")
    cells = {name: row[place].strip() for name, place in places.items()}
    name = cells["job_id"]
    if not name:
        raise ValueError("job_id is empty")
    submit_s, duration_s = _number(cells, "submit_s"), _number(cells, "duration_s")
    if submit_s is None or duration_s is None:
        raise ValueError(f"{'submit_s' if submit_s is None else 'duration_s'} is empty")
    cores = _number(cells, "cpus", above_zero=True)
    memory = _number(cells, "mem_mib", above_zero=True)
    memory_bytes = None if memory is None else int(memory * MIB)
    user, app = cells.get("user") or None, cells.get("app") or None
    # Runs of one user's program teach each other; of a job whose program nobody knows there is nothing to learn.
    known = app is not None and app != "-1"
    spec = JobSpec(
        command=(app,) if app is not None and known else ("job", name),
        cwd=f"/{user or ''}",
        name=app if app is not None and known else f"job {name}",
        priority=_priority(cells.get("priority", "")),
        cores=cores,
        memory_bytes=memory_bytes,
        gpu=_gpu(_number(cells, "gpus")),
        time_limit_s=_number(cells, "requested_s", above_zero=True),
        user=user,
        notify=False,
    )
    return TraceJob(name, submit_s, spec, _behaviour(spec, duration_s, memory_bytes))


def _behaviour(spec: JobSpec, duration_s: float, memory_bytes: int | None) -> Behaviour:
    """A job that takes what it asked for; of its cards the share it asked for."""
    gpu = spec.gpu
    return Behaviour(
        duration_s=duration_s,
        memory_bytes=memory_bytes or UNTOLD_BYTES,
        cores=1.0 if spec.cores is None else spec.cores,
        gpu_memory_bytes=(gpu.memory_bytes or 0) if gpu is not None else 0,
        gpu_utilisation_pct=100.0 * gpu.share if gpu is not None else 0.0,
    )


def _number(cells: dict[str, str], column: str, above_zero: bool = False) -> float | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or value > 1e12 or (above_zero and value == 0):
        raise ValueError(f"{column} is {text!r}, which is no {'number above 0' if above_zero else 'number from 0 on'}")
    return value


def _priority(text: str) -> int:
    if not text:
        return UNTOLD_PRIORITY
    if not text.isdecimal() or int(text) > 9:
        raise ValueError(f"priority is {text!r}, which is no whole number from 0 to 9")
    return int(text)


def _gpu(count: float | None) -> GpuRequest | None:
    if not count:
        return None
    if count > 1 and not count.is_integer():
        raise ValueError(f"gpus is {count:g}; above 1 it has to be a whole number")
    return GpuRequest(count)


def _in_order(jobs: Iterable[TraceJob]) -> tuple[TraceJob, ...]:
    """By submission, counted from the first of them."""
    ordered = sorted(jobs, key=lambda job: job.submit_s)
    begun = ordered[0].submit_s
    return tuple(replace(job, submit_s=job.submit_s - begun) for job in ordered) if begun else tuple(ordered)


# --- from a home -----------------------------------------------------------------------------------------------------


def read_history(database: Path, newest: int | None = None) -> Workload:
    """The jobs that ran in this home, as they were asked for and as they ran; raises WorkloadRefused when none did.

    ``newest``: of the jobs that ended last only so many.

    Each counts from when it could have started: its submission, its begin time, and the ends of what it was to follow.
    """
    history = History(database)
    try:
        finished = history.finished(limit=newest)
    finally:
        history.close()
    ends = ends_by_number(finished)
    jobs: list[TraceJob] = []
    bad: list[BadRow] = []
    for job in sorted(finished, key=lambda job: job.sequence):
        attempt = _telling_attempt(job)
        if attempt is None or attempt.started_at is None or attempt.ended_at is None:
            bad.append(BadRow(job.id.number, f"job {job.id} never ran to an end"))
            continue
        duration_s = max(0.0, attempt.ended_at - attempt.started_at - attempt.paused_s)
        jobs.append(_recorded(job, duration_s, ends))
    if not jobs:
        raise WorkloadRefused("No job has run to its end in this home yet, so there is no history to replay.")
    return Workload("history", _in_order(jobs), tuple(bad))


def _telling_attempt(job: Job) -> Attempt | None:
    """The run that tells how long it takes: the last one that came to an end of its own."""
    own = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT)
    ended = [run for run in job.attempts if run.started_at is not None and run.ended_at is not None]
    return next((run for run in reversed(ended) if run.outcome in own), None)


def _recorded(job: Job, duration_s: float, ends: dict[int, float]) -> TraceJob:
    peak = max((run.peak_memory_bytes or 0 for run in job.attempts), default=0)
    # What refers to moments or jobs of then means nothing now.
    spec = replace(
        job.spec, after=(), begin_at=None, deadline_at=None, dedupe_key=None, retries=0, array_size=None,
        array_parallel=None, notify=False,
    )  # fmt: skip
    return TraceJob(str(job.id), able_at(job, ends), spec, _behaviour(spec, duration_s, peak))

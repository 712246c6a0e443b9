"""Sharing what only one job should have at a time: output files, ports, and environments that one of them changes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from tidegate.core.advice.survey import Survey, called, ids_of, key_of, listed
from tidegate.core.advice.ways import one_at_a_time, stop, ways
from tidegate.core.conflicts import Conflict, ConflictKind, Severity
from tidegate.core.job import Job

COLLISION = ConflictKind.SCHEDULE_CONFLICT
# Two looks, between which what jobs touch has been looked up anew.
LASTS_S = 2.0
# Where an environment's code is; what else lies in its folder is somebody's own.
CODE = ("lib/", "lib64/", "bin/", "conda-meta/")

Thing = TypeVar("Thing", bound=Hashable)


def files_collide(survey: Survey) -> Iterator[Conflict]:
    """Running jobs that write the same file: high, for what both write is worth nothing. Where all only add to its
    end, nothing is lost."""
    touching = survey.touching
    overwritten = {path for _, used in touching for path in used.writes}
    pairs = ((path, job) for job, used in touching for path in (*used.writes, *used.appends) if path in overwritten)
    for jobs, paths in _shared(pairs):
        first = min(paths)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield Conflict(
            key_of("schedule", "file", first),
            COLLISION,
            Severity.HIGH,
            f"file:{first}",
            ids_of(jobs),
            f"{listed(jobs)} write the same file {first}{more}.",
            (("files", float(len(paths))),),
            ways(one_at_a_time(jobs), stop([jobs[-1]])),
            LASTS_S,
        )


def outputs_collide(survey: Survey) -> Iterator[Conflict]:
    """Running jobs that send their output to the same file, which has their lines mixed: low, for nothing is lost.
    Names with a pattern differ from job to job, and the elements of one array were sent there together."""
    pairs = (
        (path, job)
        for job in survey.alive
        for path in {job.spec.stdout_path, job.spec.stderr_path}
        if path is not None and "%" not in path and path != "/dev/null"
    )
    for jobs, paths in _shared(pairs):
        first = min(paths)
        if len({job.id.number for job in jobs}) == 1:
            continue
        yield Conflict(
            key_of("schedule", "output", first),
            COLLISION,
            Severity.LOW,
            f"file:{first}",
            ids_of(jobs),
            f"{listed(jobs)} send their output to the same file {first}.",
            (("jobs", float(len(jobs))),),
            ways(one_at_a_time(jobs)),
            LASTS_S,
        )


def ports_collide(survey: Survey) -> Iterator[Conflict]:
    """Running jobs that listen on the same port: medium; who calls there gets either of them. A paused one would keep
    the port and not answer, so one of them has to end."""
    pairs = ((port, job) for job, used in survey.touching for port in used.ports)
    for jobs, ports in _shared(pairs):
        first = min(ports)
        yield Conflict(
            key_of("schedule", "port", first),
            COLLISION,
            Severity.MEDIUM,
            f"port:{first}",
            ids_of(jobs),
            f"{listed(jobs)} listen on the same port {first}.",
            (("port", float(first)),),
            ways(stop([jobs[-1]])),
            LASTS_S,
        )


def environments_collide(survey: Survey) -> Iterator[Conflict]:
    """One job changes the virtual environment that another runs from: high. Reading one together harms nobody."""
    touching = survey.touching
    users: dict[str, list[Job]] = {}
    for job, used in touching:
        for folder in used.environments:
            users.setdefault(folder, []).append(job)
    # What Python compiles there on the way is no change.
    written = [(path, job.id) for job, used in touching for path in used.writes if "/__pycache__/" not in path]
    for folder, readers in sorted(users.items()):
        code = tuple(f"{folder.rstrip('/')}/{place}" for place in CODE)
        changing = {id for path, id in written if path.startswith(code)}
        writers = [job for job, _ in touching if job.id in changing]
        if not writers:
            continue
        readers = [job for job in readers if job is not writers[0]]
        parties = [*writers, *(job for job in readers if job.id not in changing)]
        if not readers:
            continue
        most = min(parties, key=lambda job: (job.spec.priority, job.sequence))
        # Those that only read it may go on beside each other.
        resting = parties if most.id in changing else [most, *writers]
        yield Conflict(
            key_of("schedule", "environment", folder),
            COLLISION,
            Severity.HIGH,
            f"environment:{folder}",
            ids_of(parties),
            f"{called(writers[0])} changes the environment {folder} from which {listed(readers)} "
            f"{'runs' if len(readers) == 1 else 'run'}.",
            (("writers", float(len(writers))),),
            ways(one_at_a_time(resting, most), stop([writers[0]])),
            LASTS_S,
        )


def _shared(pairs: Iterable[tuple[Thing, Job]]) -> Iterator[tuple[list[Job], list[Thing]]]:
    """The same two jobs or more, and what all they share; ``pairs`` job by job."""
    users: dict[Thing, list[Job]] = {}
    for thing, job in pairs:
        jobs = users.setdefault(thing, [])
        if not jobs or jobs[-1] is not job:
            jobs.append(job)
    things: dict[tuple[int, ...], tuple[list[Job], list[Thing]]] = {}
    for thing, jobs in users.items():
        if len(jobs) >= 2:
            things.setdefault(tuple(map(id, jobs)), (jobs, []))[1].append(thing)
    yield from things.values()

"""Hints about the queue: what blocks it, what would better run at night, limits that kill, and jobs submitted twice."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.core.advice.survey import Survey, called, ids_of, key_of, listed
from tidegate.core.conflicts import Proposal, Step
from tidegate.core.daily_hours import DailyHours
from tidegate.core.hints import Hint, HintType
from tidegate.core.job import Job, JobSpec, Outcome, Queued
from tidegate.core.machine import Mode
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import MIB
from tidegate.core.texts import format_duration, format_size

PROGRAM_SHARE = 0.10
PROGRAM_AFTER_S = 60.0

DAY = DailyHours(8 * 60, 20 * 60)
NIGHT = "22:00"
LONG_S = 3600.0
LOW_PRIORITY = 6
BUSY_BY_OTHERS_PCT = 40.0
NIGHT_AFTER_S = 300.0
A_DAY_S = 86_400.0

LIMITS = {Outcome.TIMED_OUT: "time", Outcome.OUT_OF_MEMORY: "mem-limit"}
DEATHS = 2
MORE_TIME, MORE_MEMORY = 2.0, 1.5

TWICE_AFTER_S = 5.0


def blocked_by_program(survey: Survey) -> Iterator[Hint]:
    """The first job that waits for memory could start if one program, which is not ours, were closed; not where our own
    jobs hold more than that, and give it back as they end."""
    reading, headroom = survey.reading, survey.ledger.headroom_bytes
    waits = next((each for each in survey.blocked if WaitCode.MEMORY in each.codes), None)
    if reading is None or headroom is None or waits is None or not reading.largest_others:
        return
    program, lacks = reading.largest_others[0], waits.figure.memory_bytes - headroom
    if not 0 < lacks <= program.memory_bytes or program.memory_bytes < PROGRAM_SHARE * reading.memory_total_bytes:
        return
    if program.memory_bytes < survey.ledger.reserved_bytes:
        return
    yield Hint(
        key_of("blocked_by_program", program.name),
        "blocked_by_program",
        HintType.WARNING,
        f"{program.name} holds the memory that the queue waits for",
        f"{program.name} uses {format_size(program.memory_bytes)}; {called(waits.job)} lacks {format_size(lacks)} and "
        f"could start if it were closed.",
        (waits.job.id,),
        (("program_bytes", float(program.memory_bytes)), ("lacking_bytes", float(lacks))),
        None,
        PROGRAM_AFTER_S,
    )


def better_at_night(survey: Survey) -> Iterator[Hint]:
    """Long jobs of low priority wait by day while other programs need the machine."""
    machine, now = survey.state.machine, survey.now
    others = machine.other_cpu_ema_pct or 0.0
    if DAY.ends_at(now) is None or not (machine.mode is Mode.HIGH or others >= BUSY_BY_OTHERS_PCT):
        return
    jobs = [job for job in survey.waiting if _may_wait_for_night(survey, job)]
    if not jobs:
        return
    longest = max(survey.left_s(job) or 0.0 for job in jobs)
    whom = f"job {jobs[0].id}" if len(jobs) == 1 else f"{len(jobs)} jobs"
    yield Hint(
        key_of("better_at_night"),
        "better_at_night",
        HintType.SUGGESTION,
        "Night would be better",
        f"{listed(jobs)} would run up to {format_duration(longest)}, while other programs keep this computer "
        f"{others:.0f} % busy. From {NIGHT} on nobody is in their way.",
        ids_of(jobs),
        (("longest_s", longest), ("others_pct", others), ("jobs", float(len(jobs)))),
        Proposal(
            "edit",
            f"Begin {whom} at {NIGHT}",
            tuple(Step("edit", job.id, changes=(("begin", NIGHT),)) for job in jobs),
        ),
        NIGHT_AFTER_S,
    )


def _may_wait_for_night(survey: Survey, job: Job) -> bool:
    spec = job.spec
    if spec.priority < LOW_PRIORITY or (survey.left_s(job) or 0.0) < LONG_S:
        return False
    return spec.deadline_at is None or spec.deadline_at - survey.now > A_DAY_S + (survey.left_s(job) or 0.0)


def limit_too_low(survey: Survey) -> Iterator[Hint]:
    """Runs of the same command died twice of their own limit, and none has succeeded since."""
    seen = [*survey.waiting, *survey.lately_finished]
    if not any(attempt.outcome in LIMITS for job in seen for attempt in job.attempts):
        return  # as nearly always: nothing has to be compared
    unfinished = _commands([*survey.running, *survey.waiting])
    for key, jobs in _commands(seen).items():
        for outcome, name in LIMITS.items():
            died = [job for job in jobs if _died_of(job, outcome, name)]
            deaths = sum(_deaths(job, outcome) for job in died)
            if deaths < DEATHS or _succeeded_since(jobs, died[0]):
                continue
            limit = max(_limit(job.spec, name) or 0.0 for job in died)
            later = unfinished.get(key, [])
            if any((_limit(job.spec, name) or float("inf")) > limit for job in later):
                continue  # somebody has raised it already
            yield _raise_it(key, died, deaths, limit, name, [job for job in survey.waiting if job in later])


def _commands(jobs: list[Job]) -> dict[str, list[Job]]:
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(f"{job.spec.cwd}: {' '.join(job.spec.command)}", []).append(job)
    return found


def _succeeded_since(jobs: list[Job], died: Job) -> bool:
    return any(job.outcome is Outcome.SUCCEEDED and job.sequence > died.sequence for job in jobs)


def _deaths(job: Job, outcome: Outcome) -> int:
    return sum(attempt.outcome is outcome for attempt in job.attempts)


def _limit(spec: JobSpec, name: str) -> float | None:
    return spec.time_limit_s if name == "time" else spec.memory_limit_bytes


def _died_of(job: Job, outcome: Outcome, name: str) -> bool:
    return bool(_limit(job.spec, name)) and _deaths(job, outcome) > 0


def _raise_it(key: str, died: list[Job], deaths: int, limit: float, name: str, waiting: list[Job]) -> Hint:
    if name == "time":
        seconds = int(limit * MORE_TIME)
        text, was, now_is = f"{seconds}s", format_duration(limit), format_duration(seconds)
    else:
        size = int(limit * MORE_MEMORY)
        text, was, now_is = f"{-(-size // MIB)}M", format_size(limit), format_size(size)
    edits = tuple(Step("edit", job.id, changes=((name, text),)) for job in waiting)
    newest = died[0]
    if edits:
        whom = f"job {waiting[0].id}" if len(waiting) == 1 else f"{len(waiting)} waiting jobs"
        action = Proposal("edit", f"Set {name} of {whom} to {now_is}", edits)
    else:
        steps = (Step("retry", newest.id), Step("edit", newest.id, changes=((name, text),)))
        action = Proposal("retry", f"Run job {newest.id} again with {now_is}", steps)
    return Hint(
        key_of("limit_too_low", name, key),
        "limit_too_low",
        HintType.WARNING,
        f"The {'time' if name == 'time' else 'memory'} limit of {newest.spec.name} is too low",
        f"{listed(died)} died {deaths} times of the limit of {was}.",
        ids_of([*died, *(job for job in waiting if job not in died)]),
        (("deaths", float(deaths)), ("limit", float(limit))),
        action,
    )


def submitted_twice(survey: Survey) -> Iterator[Hint]:
    """The very same job is unfinished exactly twice, from two submissions, and none like it has ended lately.

    Who submits it more often, at once, or again and again, as for a benchmark, means it. It is told where the second
    still waits; once both run it only stands in the list.
    """
    alike: dict[tuple[str, ...], list[Job]] = {}
    for job in (*survey.alive, *survey.waiting):
        if job.id.index is None:
            alike.setdefault(job.spec.command, []).append(job)
    for jobs in alike.values():
        if len(jobs) != 2 or jobs[0].spec != jobs[1].spec:
            continue
        older, newest = sorted(jobs, key=lambda job: job.sequence)
        spec = newest.spec
        if newest.submitted_at == older.submitted_at or any(job.spec == spec for job in survey.lately_finished):
            continue
        queued = isinstance(newest.status, Queued)
        yield Hint(
            key_of("submitted_twice", spec.cwd, *spec.command),
            "submitted_twice",
            HintType.SUGGESTION,
            f"{spec.name} was submitted twice",
            f"{listed([older, newest])} run the same command in {spec.cwd}.",
            ids_of([older, newest]),
            (("apart_s", newest.submitted_at - older.submitted_at),),
            Proposal("cancel", f"Cancel job {newest.id}", (Step("cancel", newest.id),)) if queued else None,
            TWICE_AFTER_S,
            told=queued,
        )

"""Schedules that collide: deadlines that cannot both be met, and begin times at which two jobs want more than there is.

Only pairs are looked at, by themselves: what a third job has to do with it is the queue's business.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations

from tidegate.core.admission import expected
from tidegate.core.advice.survey import Survey, called, ids_of, key_of
from tidegate.core.advice.ways import rest, ways
from tidegate.core.conflicts import BY_PRIORITY, Conflict, ConflictKind, Proposal, Severity, Step
from tidegate.core.job import Job, Queued
from tidegate.core.texts import format_duration, format_moment

COLLISION = ConflictKind.SCHEDULE_CONFLICT

DEADLINES_SEEN = 24
AN_HOUR_S, A_DAY_S = 3600.0, 86_400.0
# Jobs that begin so close together want to run together, however long they take.
TOGETHER_S = 300.0
# A begin time is moved by at least this much, so that a wrong guess of the duration does not bring them together again.
MARGIN_S = 60.0
LASTS_S = 10.0


def deadlines_collide(survey: Survey) -> Iterator[Conflict]:
    """Each could be met alone, but the two cannot run at once, and in neither order are both met.

    Severity: high when the sooner deadline is within an hour, else medium.
    """
    jobs = [job for job in (*survey.running, *survey.waiting) if job.spec.deadline_at is not None]
    jobs.sort(key=lambda job: (job.spec.deadline_at or 0.0, job.id))
    for one, other in combinations(jobs[:DEADLINES_SEEN], 2):
        first_s, second_s = survey.left_s(one), survey.left_s(other)
        by_one, by_other = one.spec.deadline_at, other.spec.deadline_at
        if first_s is None or second_s is None or by_one is None or by_other is None:
            continue
        now, both_s = survey.now, first_s + second_s
        alone = now + first_s <= by_one and now + second_s <= by_other
        in_turn = now + both_s <= by_other or now + both_s <= by_one
        if not alone or in_turn or not _too_much_together(survey, one, other):
            continue
        late_s = now + both_s - max(by_one, by_other)
        yield Conflict(
            key_of("schedule", "deadline", one.id, other.id),
            COLLISION,
            Severity.HIGH if by_one - now <= AN_HOUR_S else Severity.MEDIUM,
            "deadline",
            ids_of([one, other]),
            f"{called(one)} is due {format_moment(by_one, now)}, {called(other)} {format_moment(by_other, now)}; they "
            f"cannot run together, and one after the other they end {format_duration(late_s)} too late.",
            (("late_s", late_s), ("both_s", both_s)),
            ways(_one_after_the_other(one, other)),
            LASTS_S,
        )


def _one_after_the_other(one: Job, other: Job) -> tuple[Proposal, ...]:
    """The more important first, of equals the one that is due sooner; not where the other would have to be ended."""
    resting, until = (one, other) if one.spec.priority > other.spec.priority else (other, one)
    if isinstance(resting.status, Queued):
        hold = rest(BY_PRIORITY, [resting], [until])
        if isinstance(until.status, Queued):
            return (Proposal(hold.name, hold.label, (*hold.steps, Step("first", until.id)), hold.until),)
        return (hold,)
    return (rest(BY_PRIORITY, [resting], [until]),) if resting.spec.preemptible else ()


def begins_collide(survey: Survey) -> Iterator[Conflict]:
    """Both begin within five minutes, or the second while the first still runs, and together they want too much.

    Severity: medium when they begin together, else low. Elements of one array are one wish.
    """
    now = survey.now
    jobs = [job for job in survey.soon if job.spec.begin_at is not None and job.spec.begin_at - now <= A_DAY_S]
    for one, other in combinations(jobs, 2):
        at_one, at_other = one.spec.begin_at, other.spec.begin_at
        assert at_one is not None
        assert at_other is not None
        together = at_other - at_one <= TOGETHER_S
        lasts_s = survey.left_s(one)
        over = lasts_s is None or at_one + lasts_s <= at_other
        if one.id.number == other.id.number or (over and not together) or not _too_much_together(survey, one, other):
            continue
        yield Conflict(
            key_of("schedule", "begin", one.id, other.id),
            COLLISION,
            Severity.MEDIUM if together else Severity.LOW,
            "begin",
            ids_of([one, other]),
            f"{called(one)} begins {format_moment(at_one, now)} and {called(other)} {format_moment(at_other, now)}, "
            f"but together they want {_too_much_together(survey, one, other)}.",
            (("apart_s", at_other - at_one),),
            ways(_begin_later(survey, one, other)),
            LASTS_S,
        )


def _begin_later(survey: Survey, one: Job, other: Job) -> Proposal:
    """The less important begins when the other should have ended; where nobody knows when, it is held until then."""
    later, first = (one, other) if one.spec.priority > other.spec.priority else (other, one)
    lasts_s = survey.left_s(first)
    if lasts_s is None or first.spec.begin_at is None:
        return rest(BY_PRIORITY, [later], [first])
    at = math.ceil(first.spec.begin_at + lasts_s + MARGIN_S)
    step = Step("edit", later.id, changes=(("begin", datetime.fromtimestamp(at, UTC).isoformat()),))
    return Proposal(BY_PRIORITY, f"Begin job {later.id} {format_moment(at, survey.now)}", (step,))


def _too_much_together(survey: Survey, one: Job, other: Job) -> str:
    """What two jobs want that is more than the machine has; empty where they could run side by side."""
    state, ledger = survey.state, survey.ledger
    figures = [job.estimate or expected(state, job, ledger) for job in (one, other)]
    shared = set(one.spec.locks) & set(other.spec.locks)
    if shared:
        return f"the lock {min(shared)}"
    cores = sum(figure.cores for figure in figures)
    if ledger.cores and cores > ledger.cores + 1e-9:
        return f"{cores:g} of {ledger.cores:g} cores"
    line, others = ledger.memory_line_bytes, ledger.other_bytes
    if line is not None and others is not None and all(figure.known for figure in figures):
        memory = sum(figure.memory_bytes for figure in figures)
        if memory > line - others:
            return f"{memory / 2**30:.1f} GB of the {(line - others) / 2**30:.1f} GB of memory there are"
    cards = sum(job.spec.gpu.cards for job in (one, other) if job.spec.gpu is not None)
    whole = all(job.spec.gpu is not None and job.spec.gpu.share >= 1.0 for job in (one, other))
    if whole and cards > len(ledger.cards):
        return f"{cards} of {len(ledger.cards)} cards"
    return ""

"""Precedence: a more important job waits behind less important ones that hold what it lacks, for longer than it should.

Not a conflict where they end within a minute, or where it would have to wait without them too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidegate.core.advice.survey import BlockedJob, Survey, called, devices_of, ids_of, key_of, listed, script_of
from tidegate.core.advice.ways import rest, run_later, stop, take_turns, ways
from tidegate.core.conflicts import BY_PRIORITY, POLICIES, Conflict, ConflictKind, Proposal, Severity
from tidegate.core.job import Job, JobId
from tidegate.core.placement import need_of
from tidegate.core.reasons import WaitCode
from tidegate.core.texts import format_duration

# Five minutes of waiting are part of any queue's day, but not for what is far more important.
WAITED_S, FAR_MORE_WAITED_S = 300.0, 120.0
FAR_MORE = 4
# Where more would have to give way, it is the queue's length that it waits for.
HOLDERS_AT_MOST = 8
SOON_S = 60.0

# What a paused job gives up, and what only the end of it sets free.
GIVEN_UP = frozenset({WaitCode.CPU, WaitCode.WORKERS, WaitCode.GPU_BUSY})
KEPT = frozenset({WaitCode.MEMORY, WaitCode.LOCK, WaitCode.GPU_MEMORY})
LACKS = {
    WaitCode.MEMORY: "memory",
    WaitCode.CPU: "cores",
    WaitCode.WORKERS: "a free place",
    WaitCode.LOCK: "its lock",
    WaitCode.GPU_BUSY: "time on a card",
    WaitCode.GPU_MEMORY: "memory on a card",
}


def waits_behind_less_important(survey: Survey) -> Iterator[Conflict]:
    """Of jobs that wait behind the same one only the first is told, and it stays the same conflict when the next of
    that script stands there instead.

    Severity: by how much more important it is (low one step, medium up to three, high from four on, but never where
    work would have to be ended for it); critical when it would miss its deadline only for that.
    """
    seen: set[JobId] = set()
    for waiting in survey.blocked:
        holders = _in_its_way(survey, waiting)
        if not holders or not seen.isdisjoint(ids_of(holders)) or _end_soon(survey, holders):
            continue
        seen.update(ids_of(holders))
        job = waiting.job
        lacks = " and ".join(word for code, word in LACKS.items() if code in waiting.codes)
        verb = "hold" if len(holders) > 1 else "holds"
        way_out, severity = _ways(waiting, holders), _severity(survey, waiting, holders)
        gentle = way_out[0].name in POLICIES
        yield Conflict(
            key_of("priority", *script_of(job)),
            ConflictKind.PRIORITY_CONFLICT,
            severity if gentle or severity is not Severity.HIGH else Severity.MEDIUM,
            "priority",
            ids_of([job, *holders]),
            f"{called(job)}, priority {job.spec.priority}, waits for {lacks} that {listed(holders)}, "
            f"priority {_priorities(holders)}, {verb}{_how_long(survey, holders)}.",
            (
                ("priority", float(job.spec.priority)),
                ("holder_priority", float(min(one.spec.priority for one in holders))),
            ),
            way_out,
            WAITED_S if severity in (Severity.LOW, Severity.MEDIUM) else FAR_MORE_WAITED_S,
        )


def _in_its_way(survey: Survey, waiting: BlockedJob) -> list[Job]:
    """The less important jobs, least important first, without which it could start; none when others are in its way."""
    if not waiting.codes or not waiting.codes <= GIVEN_UP | KEPT:
        return []
    less = [job for job in survey.giving_way if job.spec.priority > waiting.job.spec.priority]
    needed: dict[JobId, Job] = {}
    for code in waiting.codes:
        found = _holders(survey, waiting, code, less)
        if not found:
            return []
        needed.update((job.id, job) for job in found)
    return [job for job in less if job.id in needed]


def _holders(survey: Survey, waiting: BlockedJob, code: WaitCode, less: list[Job]) -> list[Job]:
    ledger, figure, spec = survey.ledger, waiting.figure, waiting.job.spec
    match code:
        case WaitCode.WORKERS:
            return less[:1]
        case WaitCode.LOCK:
            owners = {ledger.locks[lock] for lock in spec.locks if lock in ledger.locks}
            found = [job for job in less if job.id in owners]
            return found if len(found) == len(owners) else []
        case WaitCode.MEMORY:
            missing = float(figure.memory_bytes - (ledger.headroom_bytes or 0))
            return _enough(less, missing, lambda job: survey.held(job).memory_bytes)
        case WaitCode.CPU:
            lacks = figure.cores - (ledger.cores - ledger.reserved_cores)
            return _enough(less, lacks, lambda job: survey.held(job).cores)
        case _:
            return _on_one_card(survey, waiting, code, less)


def _on_one_card(survey: Survey, waiting: BlockedJob, code: WaitCode, less: list[Job]) -> list[Job]:
    need = need_of(waiting.job.spec, waiting.figure)
    best: list[Job] = []
    for index, card in survey.ledger.cards.items():
        on_it = [job for job in less if index in devices_of(job)]
        if need is None or not on_it:
            continue
        if code is WaitCode.GPU_MEMORY:
            lacks = float((need.memory_bytes or 0) - card.free_bytes)
            found = _enough(on_it, lacks, lambda job: float(_card_need(job)[0]))
        else:
            found = _enough(on_it, need.share - card.free_share, lambda job: _card_need(job)[1])
        if found and (not best or len(found) < len(best)):
            best = found
    return best


def _card_need(job: Job) -> tuple[int, float]:
    need = need_of(job.spec, job.estimate)
    return (0, 0.0) if need is None else (need.memory_bytes or 0, need.share)


def _enough(jobs: list[Job], lacks: float, gives: Callable[[Job], float]) -> list[Job]:
    """The first of them that together give what is lacking; none where not even the most allowed do."""
    found = []
    for job in jobs[:HOLDERS_AT_MOST]:
        found.append(job)
        lacks -= gives(job)
        if lacks <= 1e-9:
            return found
    return []


def _end_soon(survey: Survey, holders: list[Job]) -> bool:
    ends = [survey.ends_at(job) for job in holders]
    return all(at is not None and at - survey.now <= SOON_S for at in ends)


def _severity(survey: Survey, waiting: BlockedJob, holders: list[Job]) -> Severity:
    spec, lasts = waiting.job.spec, waiting.figure.duration_s or waiting.job.spec.time_limit_s
    if spec.deadline_at is not None and lasts is not None:
        ends = [at for job in holders if (at := survey.ends_at(job)) is not None]
        behind = max(ends) if len(ends) == len(holders) else float("inf")
        if survey.now + lasts <= spec.deadline_at < behind + lasts:
            return Severity.CRITICAL
    steps = min(job.spec.priority for job in holders) - spec.priority
    if steps >= FAR_MORE:
        return Severity.HIGH
    return Severity.MEDIUM if steps >= 2 else Severity.LOW


def _ways(waiting: BlockedJob, holders: list[Job]) -> tuple[Proposal, ...]:
    if waiting.codes <= GIVEN_UP:
        turns = take_turns([*holders, waiting.job]) if len(holders) == 1 else ()
        return ways(rest(BY_PRIORITY, holders, [waiting.job]), turns)
    return ways(run_later(BY_PRIORITY, holders), stop(holders))


def _priorities(holders: list[Job]) -> str:
    return " and ".join(map(str, sorted({job.spec.priority for job in holders})))


def _how_long(survey: Survey, holders: list[Job]) -> str:
    ends = [at for job in holders if (at := survey.ends_at(job)) is not None]
    return f" for about {format_duration(max(ends) - survey.now)} more" if len(ends) == len(holders) else ""

"""Hints about how jobs use what they hold: too much memory asked for, idle and hot cards, too many threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from tidegate.core.advice.competition import crowded
from tidegate.core.advice.survey import (
    Survey,
    called,
    cores_of,
    devices_of,
    ids_of,
    key_of,
    least_important,
    listed,
    memory_of,
    reserved_cores,
    script_of,
)
from tidegate.core.conflicts import Proposal, Step
from tidegate.core.estimates import settled
from tidegate.core.hints import Hint, HintType
from tidegate.core.job import Job
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import MIB
from tidegate.core.texts import format_size

WORKED_S = 120.0
USED_AT_MOST = 0.4
MARGIN = 1.3
ROUNDED_TO = 64 * MIB
MODEST_AFTER_S = 30.0

IDLE_PCT = 5.0
IDLE_S = 300.0

OVERSUBSCRIBED = 2.0
THREADS_PER_CORE = 4
THREADS_AFTER_S = 60.0
# Whose share of what is wanted too much is smaller is not what the others suffer from.
PART = 0.25

HOT_C = 80.0
HOT_AFTER_S = 10.0
COOLING_S = 600.0

ON_CARDS = frozenset({WaitCode.GPU_BUSY, WaitCode.GPU_MEMORY})


def scripts(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Advice about one job is advice about all of its script."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(" ".join(script_of(job)), []).append(job)
    return found


def change(survey: Survey, job: Job, key: str, text: str, too: Callable[[Job], bool]) -> Proposal | None:
    """Edit what still waits of the same kind; None where there is nothing to edit."""
    waiting = [other for other in survey.siblings(job) if too(other)]
    if not waiting:
        return None
    steps = tuple(Step("edit", other.id, changes=((key, text),)) for other in waiting)
    whom = f"job {waiting[0].id}" if len(waiting) == 1 else f"{len(waiting)} waiting jobs"
    return Proposal("edit", f"Set {key} of {whom} to {text}", steps)


def asks_too_much(survey: Survey) -> Iterator[Hint]:
    """Settled jobs that used at most 40 % of what was declared, while another waits for memory that this would free."""
    waits = next((each for each in survey.blocked if WaitCode.MEMORY in each.codes), None)
    headroom = survey.ledger.headroom_bytes
    if waits is None or headroom is None:
        return
    for key, jobs in scripts(job for job in survey.running if _modest(survey, job)).items():
        peak = max(job.peak_memory_bytes or memory_of(job) for job in jobs)
        wanted = math.ceil(max(peak * MARGIN, 1) / ROUNDED_TO) * ROUNDED_TO
        declared = max(job.spec.memory_bytes or 0 for job in jobs)
        held = sum(survey.held(job).memory_bytes for job in jobs)
        alike = script_of(waits.job) == script_of(jobs[0])
        need = min(wanted, waits.figure.memory_bytes) if alike else waits.figure.memory_bytes
        more = (headroom + held - wanted * len(jobs)) // need
        if peak > USED_AT_MOST * declared or more < 1:
            continue
        text = f"{wanted // MIB}M"
        too = _declares_over(wanted)
        yield Hint(
            key_of("asks_too_much", key),
            "asks_too_much",
            HintType.SUGGESTION,
            f"{jobs[0].spec.name} asks for far more memory than it uses",
            f"{listed(jobs)} asked for {format_size(declared)} and used at most {format_size(peak)}. "
            f"Had {'it' if len(jobs) == 1 else 'they'} asked for {format_size(wanted)}, {more} more could run now.",
            ids_of(jobs),
            (
                ("declared_bytes", float(declared)),
                ("peak_bytes", float(peak)),
                ("suggested_bytes", float(wanted)),
                ("more_jobs", float(more)),
            ),
            change(survey, jobs[0], "mem", text, too),
            MODEST_AFTER_S,
        )


def _declares_over(wanted: int) -> Callable[[Job], bool]:
    return lambda job: (job.spec.memory_bytes or 0) > wanted


def _modest(survey: Survey, job: Job) -> bool:
    started = job.attempts[-1].started_at
    declared, peak = job.spec.memory_bytes, job.peak_memory_bytes
    return (
        declared is not None
        and peak is not None
        and peak <= USED_AT_MOST * declared
        and started is not None
        and survey.now - started - job.attempts[-1].paused_s >= WORKED_S
        and settled(job, survey.state.policy, survey.now)
    )


def card_idle(survey: Survey) -> Iterator[Hint]:
    """A running job that holds cards and has not used any of them for five minutes."""
    reading = survey.reading
    if reading is None or not reading.gpus:
        return
    shown = {card.index: card.utilisation_pct for card in reading.gpus if card.utilisation_pct is not None}
    alone = _holders_alone(survey)
    wanted = any(each.codes & ON_CARDS for each in survey.blocked)
    for job in survey.running:
        cards = devices_of(job)
        own = dict(job.usage.gpu_utilisation_pct) if job.usage is not None else {}
        busy = [own.get(index, shown.get(index) if index in alone else None) for index in cards]
        if not cards or any(pct is None or pct >= IDLE_PCT for pct in busy):
            continue
        which = f"GPU {cards[0]}" if len(cards) == 1 else f"GPUs {', '.join(map(str, cards))}"
        for_whom = "another job waits for a card" if wanted else "others could have it meanwhile"
        yield Hint(
            key_of("card_idle", job.id),
            "card_idle",
            HintType.WARNING if wanted else HintType.SUGGESTION,
            f"{job.spec.name} holds {which} and does not use {'it' if len(cards) == 1 else 'them'}",
            f"{called(job)} has {which}, busy {max(pct or 0.0 for pct in busy):.0f} % for at least 5 min; {for_whom}.",
            (job.id,),
            (("utilisation_pct", max(pct or 0.0 for pct in busy)), ("cards", float(len(cards)))),
            Proposal("pause", f"Pause job {job.id}", (Step("pause", job.id),)),
            IDLE_S,
            told=wanted,
        )


def _holders_alone(survey: Survey) -> set[int]:
    """Cards that one job of ours has to itself: what they show is its doing, or others'."""
    count: dict[int, int] = {}
    for job in survey.alive:
        for index in devices_of(job):
            count[index] = count.get(index, 0) + 1
    return {index for index, holders in count.items() if holders == 1}


def threads_oversubscribed(survey: Survey) -> Iterator[Hint]:
    """Running jobs that use at least twice the cores they were let in with, or far more threads than there are cores
    while they use more than their share; where there are enough for all, nobody minds."""
    reading, crowd = survey.reading, crowded(survey)
    if reading is None or crowd is None:
        return
    for key, jobs in scripts(job for job in survey.running if _too_many(job, reading.cores)).items():
        if sum(map(cores_of, jobs)) - sum(map(reserved_cores, jobs)) < PART * (crowd.wanted_cores - reading.cores):
            continue
        job = max(jobs, key=cores_of)
        used, reserved = cores_of(job), reserved_cores(job)
        threads = job.usage.threads if job.usage is not None else None
        wanted = min(reading.cores, max(1, round(used)))
        with_threads = f" with {threads} threads" if threads is not None else ""
        yield Hint(
            key_of("threads_oversubscribed", key),
            "threads_oversubscribed",
            HintType.WARNING,
            f"{job.spec.name} uses more cores than it asked for",
            f"{called(job)} uses {used:.1f} cores{with_threads}, and was let in with {reserved:g}. Submit it with "
            f"--cpus {wanted}, or set OMP_NUM_THREADS={max(1, int(reserved))} so that it keeps to its share.",
            ids_of(jobs),
            (
                ("used_cores", used),
                ("reserved_cores", reserved),
                *((("threads", float(threads)),) if threads is not None else ()),
            ),
            change(survey, job, "cpus", str(wanted), _reserves_under(wanted)),
            THREADS_AFTER_S,
            told=len(crowd.jobs) < 2,  # else the conflict tells of it
        )


def _reserves_under(wanted: int) -> Callable[[Job], bool]:
    return lambda job: (job.spec.cores or 1.0) < wanted


def _too_many(job: Job, cores: int) -> bool:
    used, reserved = cores_of(job), reserved_cores(job)
    threads = job.usage.threads if job.usage is not None else None
    crowd = threads is not None and threads > THREADS_PER_CORE * cores and used > 1.25 * reserved
    return (used >= OVERSUBSCRIBED * reserved and used >= reserved + 1.0) or crowd


def card_hot(survey: Survey) -> Iterator[Hint]:
    """A card over 80 C; it takes no new job over 90 C (D6)."""
    for card in survey.reading.gpus if survey.reading is not None else ():
        heat = card.temperature_c
        if heat is None or heat <= HOT_C or card.lost:
            continue
        jobs = [job for job in survey.running if card.index in devices_of(job)]
        by_whom = f"; {listed(jobs)} {'works' if len(jobs) == 1 else 'work'} on it" if jobs else ""
        action = None
        if jobs:
            weakest = least_important(jobs)
            step = Step("pause", weakest.id, seconds=COOLING_S)
            action = Proposal("pause", f"Pause job {weakest.id} for 10 min", (step,))
        yield Hint(
            key_of("card_hot", card.index),
            "card_hot",
            HintType.WARNING,
            f"GPU {card.index} is hot",
            f"GPU {card.index} is at {heat:.0f} °C{by_whom}. From {survey.state.policy.gpu_stop_temperature_c:.0f} °C "
            "on it takes no new job.",
            ids_of(jobs),
            (("temperature_c", heat),),
            action,
            HOT_AFTER_S,
            told=False,
        )

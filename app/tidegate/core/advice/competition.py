"""Competition for memory, cores and cards: running jobs that together press on what there is.

Waiting for room is what a queue is for, and no conflict. It becomes one where what runs wants more than there is, or
holds more than it promised while another waits for just that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.core.advice.survey import (
    Survey,
    called,
    cores_of,
    devices_of,
    ids_of,
    key_of,
    listed,
    memory_of,
    overdrawn_bytes,
    promised_bytes,
    reserved_cores,
)
from tidegate.core.advice.ways import give_back, give_way, put_first, run_later, stop, take_turns, ways
from tidegate.core.conflicts import BY_PRIORITY, FAIR_SHARE, Conflict, ConflictKind, Proposal, Severity
from tidegate.core.job import Job, Running
from tidegate.core.machine import GpuReading
from tidegate.core.reasons import WaitCode
from tidegate.core.texts import format_duration, format_size

COMPETITION = ConflictKind.RESOURCE_COMPETITION

HORIZON_S = 1800.0
HIGH_WITHIN_S, CRITICAL_WITHIN_S = 300.0, 60.0
# Who brings less than this share of the growth is not what the machine suffers from.
GROWTH_SHARE = 0.05
# A job of this share of the memory takes part although it does not grow.
LARGE_SHARE = 0.10
MEMORY_AFTER_S = 10.0
OVERDRAWN_AFTER_S = 30.0

BUSY_PCT = 90.0
CROWDED, VERY_CROWDED = 1.5, 3.0
CORES_AFTER_S = 60.0

CARD_BUSY_PCT, CARD_FULL_PCT, PARTY_PCT = 95.0, 99.0, 15.0
CARD_MEMORY_AFTER_S, CARD_TIME_AFTER_S = 5.0, 120.0


def memory_runs_out(survey: Survey) -> Iterator[Conflict]:
    """Measured use and its growth cross the emergency line before the first of them ends.

    A job grows up to its promise, and without end once it is beyond it or never made one; but nobody is expected to
    grow for longer than it has run, for most only grow while they load their data. Severity: critical when that is
    less than a minute away, high below 5 min, medium up to half an hour.
    """
    line, others = survey.ledger.memory_line_bytes, survey.ledger.other_bytes
    if line is None or others is None or len(survey.alive) < 2:
        return
    use = _Use(survey)
    if others + use.after(HORIZON_S) <= line:
        return
    ends = [at - survey.now for job in survey.running if (at := survey.ends_at(job)) is not None]
    until_s = min([HORIZON_S, *(left for left in ends if left > 0)])
    if others + use.after(until_s) <= line:
        return
    early, late = 0.0, until_s
    for _ in range(12):
        middle = (early + late) / 2
        early, late = (early, middle) if others + use.after(middle) > line else (middle, late)
    growing, parties = _who_grows(survey, late, line)
    if not growing or len(parties) < 2:
        return
    severity = Severity.MEDIUM
    if late < HIGH_WITHIN_S:
        severity = Severity.CRITICAL if late < CRITICAL_WITHIN_S else Severity.HIGH
    when = f"in about {format_duration(max(1.0, late))}" if late >= 1.0 else "now"
    growth = sum(_growth(job) for job in growing)
    yield Conflict(
        key_of("competition", "memory"),
        COMPETITION,
        severity,
        "memory",
        ids_of(parties),
        f"{listed(parties)} together use up the memory {when}: they grow by {format_size(60 * growth)} a minute.",
        (("crosses_in_s", late), ("growth_bytes_s", growth), ("line_bytes", float(line))),
        ways(give_way(parties, growing), give_back(_most_overdrawn(growing), parties)),
        MEMORY_AFTER_S,
    )


def _growth(job: Job) -> float:
    return max(0.0, job.growth_bytes_s) if isinstance(job.status, Running) else 0.0


class _Use:
    """Bytes that jobs will use by then, as far as can be told from now."""

    def __init__(self, survey: Survey) -> None:
        self._now = sum(map(memory_of, survey.alive))
        self._growing = [(growth, _room(survey, job, growth)) for job in survey.alive if (growth := _growth(job))]

    def after(self, seconds: float) -> float:
        return self._now + sum(min(growth * seconds, room) for growth, room in self._growing)


def _room(survey: Survey, job: Job, growth: float) -> float:
    """How much it may still grow: up to its promise; once it is there or where it made none, as long as it has run."""
    promised, begun = promised_bytes(job), job.attempts[-1].started_at
    left = 0 if promised is None else promised - memory_of(job)
    as_before = growth * (survey.now - begun - job.attempts[-1].paused_s) if begun is not None else 0.0
    return min(as_before, left) if left > 0 else as_before


def _who_grows(survey: Survey, within_s: float, line: int) -> tuple[list[Job], list[Job]]:
    """Those that bring the growth, and all who take part: beside one alone also the largest of the others."""
    growths = {job.id: _growth(job) for job in survey.running}
    more = {job.id: min(growths[job.id] * within_s, _room(survey, job, growths[job.id])) for job in survey.running}
    total = sum(more.values())
    growing = [job for job in survey.running if more[job.id] > GROWTH_SHARE * total]
    if len(growing) != 1:
        return growing, growing
    others = [job for job in survey.alive if job is not growing[0] and memory_of(job) >= LARGE_SHARE * line]
    return growing, [*growing, *sorted(others, key=memory_of)[-1:]]


def _most_overdrawn(jobs: Sequence[Job]) -> Job | None:
    found = max(jobs, key=overdrawn_bytes, default=None)
    return found if found is not None and overdrawn_bytes(found) else None


def memory_overdrawn(survey: Survey) -> Iterator[Conflict]:
    """The first job that waits for memory would have it if others kept to what they promised.

    Severity: high when all of those are less important than it, low when all are more important, else medium.
    """
    lacking = next((each for each in survey.blocked if WaitCode.MEMORY in each.codes), None)
    headroom = survey.ledger.headroom_bytes
    if lacking is None or headroom is None:
        return
    lacks = lacking.figure.memory_bytes - headroom
    over = [job for job in survey.alive if overdrawn_bytes(job)]
    beyond = sum(map(overdrawn_bytes, over))
    if lacks <= 0 or beyond < lacks:
        return
    waits, priority = lacking.job, lacking.job.spec.priority
    severity = Severity.MEDIUM
    if all(job.spec.priority > priority for job in over):
        severity = Severity.HIGH
    elif all(job.spec.priority < priority for job in over):
        severity = Severity.LOW
    largest = max(over, key=overdrawn_bytes)
    weaker = [job for job in over if job.spec.priority > priority]
    by_priority = run_later(BY_PRIORITY, weaker) if sum(map(overdrawn_bytes, weaker)) >= lacks else ()
    yield Conflict(
        key_of("competition", "memory", waits.id),
        COMPETITION,
        severity,
        "memory",
        ids_of([waits, *over]),
        f"{called(waits)} waits for {format_size(lacks)} of memory that {listed(over)} took beyond what was promised.",
        (("lacking_bytes", float(lacks)), ("beyond_bytes", float(beyond))),
        ways(by_priority or put_first(waits), run_later(FAIR_SHARE, [largest]), stop([largest])),
        OVERDRAWN_AFTER_S,
    )


@dataclass(frozen=True, slots=True)
class Crowd:
    """Jobs of ours that keep the processor full, how many cores they use, and how many are wanted by all."""

    jobs: list[Job]
    ours_cores: float
    wanted_cores: float


def crowded(survey: Survey) -> Crowd | None:
    """More is wanted than there is: what was measured of ours and others, or the load, is over 1.5 times the cores."""
    reading = survey.reading
    if reading is None or reading.cpu_pct is None or reading.cpu_pct < BUSY_PCT:
        return None
    parties = [job for job in survey.running if cores_of(job) >= 0.5]
    ours = sum(map(cores_of, parties))
    wanted = max(ours + (reading.other_cpu_cores or 0.0), reading.load[0] if reading.load is not None else 0.0)
    # Where others keep it busy, nothing that is done to ours would help much.
    return None if wanted < CROWDED * reading.cores or ours < reading.cores / 2 else Crowd(parties, ours, wanted)


def cores_crowded(survey: Survey) -> Iterator[Conflict]:
    """At least two jobs of ours keep the processor full. Severity: medium, high from three times the cores on."""
    crowd, reading = crowded(survey), survey.reading
    if reading is None or crowd is None or len(crowd.jobs) < 2:
        return
    parties, wanted = crowd.jobs, crowd.wanted_cores
    greedy = max(parties, key=lambda job: cores_of(job) - reserved_cores(job))
    more = greedy if cores_of(greedy) > reserved_cores(greedy) else None
    yield Conflict(
        key_of("competition", "cores"),
        COMPETITION,
        Severity.HIGH if wanted >= VERY_CROWDED * reading.cores else Severity.MEDIUM,
        "cores",
        ids_of(parties),
        f"{listed(parties)} want {wanted:.1f} of the {reading.cores} cores and slow each other down.",
        (("wanted_cores", wanted), ("ours_cores", crowd.ours_cores), ("cores", float(reading.cores))),
        ways(*_on_shares(parties, more)),
        CORES_AFTER_S,
    )


def _on_shares(parties: Sequence[Job], greedy: Job | None) -> Iterator[Sequence[Proposal]]:
    """Of what a paused job gives up. Among equals turns are the fairest, so they are proposed."""
    equal = len({job.spec.priority for job in parties}) == 1
    if equal:
        yield take_turns(parties)
    yield give_way(parties)
    yield give_back(greedy, parties)
    if not equal:
        yield take_turns(parties)


def cards_crowded(survey: Survey) -> Iterator[Conflict]:
    """Two jobs or more on one card want more memory or time than it has."""
    reading = survey.reading
    if reading is None:
        return
    for card in reading.gpus:
        holders = [job for job in survey.alive if card.index in devices_of(job)]
        if len(holders) >= 2 and not card.lost:
            yield from _card_memory(survey, card, holders)
            yield from _card_time(card, [job for job in holders if isinstance(job.status, Running)])


def _card_memory(survey: Survey, card: GpuReading, holders: list[Job]) -> Iterator[Conflict]:
    """More than was promised, so that all together get past the emergency line: critical once they are there."""
    total, used = card.memory_total_bytes, card.memory_used_bytes
    if total is None or used is None:
        return
    measured = {job.id: _on_card(job, card.index) for job in holders}
    promised = {job.id: _card_promise(job) for job in holders}
    over = [job for job in holders if measured[job.id] > promised[job.id]]
    line = total * survey.state.policy.gpu_memory_emergency_pct / 100.0
    others = max(0, used - sum(measured.values()))
    wanted = others + sum(max(measured[job.id], promised[job.id]) for job in holders)
    if not over or wanted <= line:
        return
    greedy = max(over, key=lambda job: measured[job.id] - promised[job.id])
    weakest = max(holders, key=lambda job: (job.spec.priority, job.sequence))
    yield Conflict(
        key_of("competition", "gpu", card.index, "memory"),
        COMPETITION,
        Severity.CRITICAL if used >= line else Severity.HIGH,
        f"gpu:{card.index}",
        ids_of(holders),
        f"{listed(holders)} want {format_size(wanted)} of the {format_size(total)} of memory on GPU {card.index}.",
        (("wanted_bytes", float(wanted)), ("used_bytes", float(used)), ("total_bytes", float(total))),
        ways(run_later(BY_PRIORITY, [weakest]) or give_way(holders), give_back(greedy, holders), stop([greedy])),
        CARD_MEMORY_AFTER_S,
    )


def _card_time(card: GpuReading, holders: list[Job]) -> Iterator[Conflict]:
    """They keep the card busy all the time, each with a part of it: medium when nothing is left, else low."""
    busy = {job.id: _busy(job, card.index) for job in holders}
    parties = [job for job in holders if busy[job.id] >= PARTY_PCT]
    total = sum(busy[job.id] for job in parties)
    if len(parties) < 2 or total < CARD_BUSY_PCT:
        return
    greedy = max(parties, key=lambda job: busy[job.id] - 100.0 * _card_share(job))
    more = greedy if busy[greedy.id] > 100.0 * _card_share(greedy) else None
    yield Conflict(
        key_of("competition", "gpu", card.index, "time"),
        COMPETITION,
        Severity.MEDIUM if total >= CARD_FULL_PCT else Severity.LOW,
        f"gpu:{card.index}",
        ids_of(parties),
        f"{listed(parties)} keep GPU {card.index} busy {total:.0f} % of the time and slow each other down.",
        (("utilisation_pct", total),),
        ways(*_on_shares(parties, more)),
        CARD_TIME_AFTER_S,
    )


def _on_card(job: Job, index: int) -> int:
    return dict(job.usage.gpu_memory_bytes).get(index, 0) if job.usage is not None else 0


def _busy(job: Job, index: int) -> float:
    return dict(job.usage.gpu_utilisation_pct).get(index, 0.0) if job.usage is not None else 0.0


def _card_promise(job: Job) -> int:
    """What it was let onto the card with; nothing where nobody knew."""
    card = job.estimate.card if job.estimate is not None else None
    return (card.memory_bytes or 0) if card is not None else 0


def _card_share(job: Job) -> float:
    card = job.estimate.card if job.estimate is not None else None
    return card.share if card is not None else 1.0

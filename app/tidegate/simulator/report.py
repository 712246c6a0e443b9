"""What a simulation came to: the measures of D8, how full the machine was, and a record that is equal byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from tidegate.core.job import Attempt, Job, JobId
from tidegate.core.measures import Measures, measure
from tidegate.simulator.fake_machine import FakeMachine
from tidegate.simulator.memory_journal import MemoryJournal
from tidegate.simulator.workload import TraceJob


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job of the workload that was not taken, and why."""

    job: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """``unfinished`` jobs never came to an end. Utilisation is of the whole makespan, in percent; a card is used while
    it has a job, whatever that does there (None: there are no cards).

    ``switched_off``: why it was not this strategy that ordered them, since it raised; None where all went well.

    ``jobs`` are the jobs by the workload's names, as they ended; their moments are seconds since the beginning.
    """

    strategy: str
    measures: Measures
    unfinished: int
    cores_used_pct: float
    memory_used_pct: float
    cards_used_pct: float | None
    killed_by_kernel: int
    refused: tuple[Refusal, ...]
    jobs: tuple[tuple[str, Job], ...]
    begun_at: float
    switched_off: str | None = None

    def as_json(self) -> dict[str, object]:
        """For programs: every measure, without the single jobs."""
        return {
            "strategy": self.strategy,
            **asdict(self.measures),
            "switched_off": self.switched_off,
            "unfinished": self.unfinished,
            "refused": len(self.refused),
            "killed_by_kernel": self.killed_by_kernel,
            "cores_used_pct": self.cores_used_pct,
            "memory_used_pct": self.memory_used_pct,
            "cards_used_pct": self.cards_used_pct,
        }


def report(
    strategy: str,
    known: Mapping[JobId, TraceJob],
    journal: MemoryJournal,
    machine: FakeMachine,
    begun_at: float,
    refused: Sequence[Refusal],
    switched_off: str | None = None,
) -> Report:
    """From what was written down."""
    jobs = [(trace.id, journal.job(id)[0]) for id, trace in known.items()]
    measures = measure((job for _, job in jobs), machine.pauses)
    core_s = sum(run.cpu_s or 0.0 for _, job in jobs for run in job.attempts)
    span_s = measures.makespan_s or 1.0
    return Report(
        strategy=strategy,
        measures=measures,
        unfinished=sum(job.outcome is None for _, job in jobs),
        cores_used_pct=100.0 * core_s / (machine.cores * span_s),
        memory_used_pct=100.0 * machine.byte_s / (machine.memory_bytes * span_s),
        cards_used_pct=100.0 * _used_card_s(jobs) / (len(machine.gpus) * span_s) if machine.gpus else None,
        killed_by_kernel=len(machine.killed_by_kernel),
        refused=tuple(refused),
        jobs=tuple(jobs),
        begun_at=begun_at,
        switched_off=switched_off,
    )


def _used_card_s(jobs: Iterable[tuple[str, Job]]) -> float:
    """Seconds in which a card had a job, of all cards together."""
    used_s, until = 0.0, dict[int, float]()
    runs = [run for _, job in jobs for run in job.attempts if run.devices]
    for begun, run in sorted(((run.started_at or run.intended_at, run) for run in runs), key=lambda each: each[0]):
        ended = begun if run.ended_at is None else run.ended_at
        for card in run.devices:
            used_s += max(0.0, ended - max(begun, until.get(card, begun)))
            until[card] = max(ended, until.get(card, ended))
    return used_s


def export(facts: Mapping[str, object], reports: Iterable[Report]) -> str:
    """The canonical record: a line of JSON for the scenario, one for each result, and one for each of its jobs."""
    lines = [dict(facts)]
    for each in reports:
        lines.append(each.as_json())
        lines += [_job_row(name, job, each.begun_at) for name, job in each.jobs]
        lines += [{"job": one.job, "refused": one.sentence} for one in each.refused]
    return "".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in lines)


def _job_row(name: str, job: Job, begun_at: float) -> dict[str, object]:
    return {
        "job": name,
        "id": str(job.id),
        "submitted_s": round(job.submitted_at - begun_at, 6),
        "status": job.status_name,
        "outcome": job.outcome.value if job.outcome is not None else None,
        "bypassed": job.bypassed,
        "runs": [_run_row(run, begun_at) for run in job.attempts],
    }


def _run_row(run: Attempt, begun_at: float) -> dict[str, object]:
    def since(moment: float | None) -> float | None:
        return None if moment is None else round(moment - begun_at, 6)

    return {
        "started_s": since(run.started_at),
        "ended_s": since(run.ended_at),
        "outcome": run.outcome.value if run.outcome is not None else None,
        "paused_s": round(run.paused_s, 6),
        "peak_memory_bytes": run.peak_memory_bytes,
        "cards": list(run.devices),
        "why": run.why,
        "waited_for": run.waited_for,
    }

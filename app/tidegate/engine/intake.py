"""Intake: submissions become jobs. Committed first (fsync), then applied, then answered (D10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tidegate.core import events as e
from tidegate.core.actions import Start
from tidegate.core.job import Held, Job, JobId, JobSpec, Queued
from tidegate.core.planner import plan
from tidegate.core.transitions import apply
from tidegate.core.verdicts import never_fits
from tidegate.engine.engine import Engine
from tidegate.engine.ports import Batch, EngineUnwilling, JobRecord, Submission, Submitted
from tidegate.engine.restart import META_NEXT_NUMBER, META_NEXT_SEQUENCE

PREVIEW_NUMBER = 10**15 - 1


def check_intake(engine: Engine, submissions: Sequence[Submission]) -> None:
    """Raise EngineUnwilling when nothing can be accepted now."""
    if engine.state.journal_error is not None:
        raise EngineUnwilling(f"nothing can be accepted: the journal cannot be written ({engine.state.journal_error})")
    wanted = sum(len(s.array_indices) if s.array_indices else 1 for s in submissions)
    most = engine.state.policy.max_queued
    if engine.state.queued_count + wanted > most:
        raise EngineUnwilling(
            f"{engine.state.queued_count} jobs wait already and {wanted} more would be over max_queued = {most}"
        )


def refusal(engine: Engine, submission: Submission, known: Callable[[JobId], bool]) -> str | None:
    """Why this one is not taken; None when it is."""
    sentence = never_fits(engine.state, submission.spec)
    if sentence is not None:
        return sentence
    for dependency in submission.spec.after:
        if not known(dependency.job):
            return f"it is to run after job {dependency.job}, and there is no such job"
    return None


def accept(
    engine: Engine,
    submissions: Sequence[Submission],
    known: Callable[[JobId], bool],
    done: Callable[[list[Submitted] | EngineUnwilling], None],
) -> None:
    """Give numbers, commit, apply, answer through ``done``. One refusal refuses the whole request: nothing is added."""
    refusals = [refusal(engine, submission, known) for submission in submissions]
    if any(refusals):
        warnings = [submission.warnings for submission in submissions]
        done([Submitted(None, why, notes) for why, notes in zip(refusals, warnings, strict=True)])
        return
    now = engine.clock.now()
    events: list[e.JobSubmitted] = []
    answers: list[Submitted] = []
    for submission in submissions:
        number = engine.next_number
        engine.next_number += 1
        for id in _ids(number, submission):
            events.append(e.JobSubmitted(now, id, submission.spec, engine.next_sequence, submission.held))
            engine.next_sequence += 1
        answers.append(Submitted(JobId(number), None, submission.warnings))

    def committed(error: str | None) -> None:
        if error is not None:
            engine.writer.journal_failed(error)
            done(EngineUnwilling(f"not accepted: {error}"))
            return
        for event in events:
            engine.record(event)
            if engine.state.jobs[event.id].outcome is None:
                # Its row was just written; only a change from here on is news to the journal.
                engine.store.unsaved.pop(event.id, None)
        done(answers)
        engine.tick()

    records = tuple(_record(event) for event in events)
    counters = ((META_NEXT_NUMBER, str(engine.next_number)), (META_NEXT_SEQUENCE, str(engine.next_sequence)))
    engine.journal.write(Batch(added=records, meta=counters, durable=True), committed)


def _ids(number: int, submission: Submission) -> list[JobId]:
    if submission.array_indices is None:
        return [JobId(number)]
    return [JobId(number, index) for index in submission.array_indices]


def _record(event: e.JobSubmitted) -> JobRecord:
    status = Held(event.at) if event.held else Queued(event.at)
    return JobRecord(event.id, event.spec, event.at, event.sequence, 0, status, 0)


def preview(engine: Engine, submission: Submission) -> tuple[Job, bool, str]:
    """What the real planner would do with it now, on a bounded copy of State (D3): the job, started?, and why not."""
    now = engine.clock.now()
    fork = engine.state.fork()
    index = submission.array_indices[0] if submission.array_indices else None
    id = JobId(PREVIEW_NUMBER, index)
    spec: JobSpec = replace(submission.spec, after=tuple(d for d in submission.spec.after if d.job in fork.jobs))
    apply(fork, e.JobSubmitted(now, id, spec, engine.next_sequence, submission.held))
    decided = plan(fork, now)
    starts = any(isinstance(action, Start) and action.id == id for action in decided.actions)
    waits = decided.waits[id] if not starts else ()
    sentence = waits[0].sentence if waits else "starts at once"
    return fork.jobs[id], starts, sentence

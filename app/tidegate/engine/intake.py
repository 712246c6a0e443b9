"""Intake: submissions become jobs. Committed first (fsync), then applied, then answered (D10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidegate.core import events as e
from tidegate.core.actions import Start
from tidegate.core.job import Finished, Held, Job, JobId, Queued
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
    waiting = engine.state.queued_count + engine.accepting.jobs
    if waiting + wanted > most:
        raise EngineUnwilling(f"{waiting} jobs wait already and {wanted} more would be over max_queued = {most}")


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
    keys: dict[str, int] = {}
    for submission in submissions:
        key = submission.spec.dedupe_key
        same = _unfinished(engine, key)
        if key is not None and same is not None:
            note = f"job {same} has the key {key!r} and is unfinished, so nothing was added"
            answers.append(Submitted(JobId(same), None, (*submission.warnings, note)))
            continue
        number = engine.next_number
        engine.next_number += 1
        if key is not None:
            keys[key] = engine.accepting.keys[key] = number
        for id in _ids(number, submission):
            events.append(e.JobSubmitted(now, id, submission.spec, engine.next_sequence, submission.held))
            engine.next_sequence += 1
        answers.append(Submitted(JobId(number), None, submission.warnings))
    engine.accepting.jobs += len(events)

    def committed(error: str | None) -> None:
        engine.accepting.jobs -= len(events)
        for key in keys:
            del engine.accepting.keys[key]
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

    # An answer with the number of another submission waits for the disk too: batches are written in order, and one
    # that could not be written fails the next as well.
    records = tuple(_record(event) for event in events)
    counters = ((META_NEXT_NUMBER, str(engine.next_number)), (META_NEXT_SEQUENCE, str(engine.next_sequence)))
    engine.journal.write(Batch(added=records, meta=counters, durable=True), committed)


def _unfinished(engine: Engine, key: str | None) -> int | None:
    """The number of the unfinished job with this dedupe key, also of one that is just being written."""
    if key is None:
        return None
    return engine.state.keys.get(key, engine.accepting.keys.get(key))


def _ids(number: int, submission: Submission) -> list[JobId]:
    if submission.array_indices is None:
        return [JobId(number)]
    return [JobId(number, index) for index in submission.array_indices]


def _record(event: e.JobSubmitted) -> JobRecord:
    status = Held(event.at) if event.held else Queued(event.at)
    return JobRecord(event.id, event.spec, event.at, event.sequence, 0, status, 0)


def why_not_now(engine: Engine, job: Job, now: float) -> str | None:
    """What the planner would say to this held job, released and put first, on a copy of State; None: it starts."""
    fork = engine.state.fork()
    fork.bring(engine.state, [dependency.job for dependency in job.spec.after])
    for event in (e.JobRestored(now, job), e.JobMovedFirst(now, job.id), e.JobReleased(now, job.id)):
        apply(fork, event)
    tried = fork.jobs[job.id]
    if isinstance(tried.status, Finished):
        return tried.status.why or "it could never run"
    decided = plan(fork, now)
    if any(isinstance(action, Start) and action.id == job.id for action in decided.actions):
        return None
    waits = decided.waits[job.id]
    return waits[0].sentence if waits else "it cannot start yet"


def preview(engine: Engine, submission: Submission) -> tuple[Job, bool, str]:
    """What the real planner would do with it now, on a bounded copy of State (D3): the job, started?, and why not."""
    now = engine.clock.now()
    fork = engine.state.fork()
    fork.bring(engine.state, [dependency.job for dependency in submission.spec.after])
    index = submission.array_indices[0] if submission.array_indices else None
    id = JobId(PREVIEW_NUMBER, index)
    apply(fork, e.JobSubmitted(now, id, submission.spec, engine.next_sequence, submission.held))
    job = fork.jobs[id]
    if isinstance(job.status, Finished):
        return job, False, job.status.why or "it could never run"
    decided = plan(fork, now)
    starts = any(isinstance(action, Start) and action.id == id for action in decided.actions)
    waits = decided.waits[id] if not starts else ()
    sentence = waits[0].sentence if waits else "starts at once"
    return job, starts, sentence

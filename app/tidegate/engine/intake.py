"""Intake: submissions become jobs. Committed first (fsync), then applied, then answered (D10)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tidegate.core import events as e
from tidegate.core.actions import Start
from tidegate.core.forecast import Span, deadline_outlook_of, deadline_sentence, forecasting
from tidegate.core.job import Finished, Held, Job, JobId, Queued
from tidegate.core.planner import plan
from tidegate.core.texts import format_moment
from tidegate.core.transitions import apply
from tidegate.core.verdicts import never_fits
from tidegate.engine.ports import Batch, EngineUnwilling, JobRecord, Submission, Submitted
from tidegate.engine.restart import META_NEXT_NUMBER, META_NEXT_SEQUENCE

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

T = TypeVar("T")

PREVIEW_NUMBER = 10**15 - 1
MOST_TOLD = 20  # jobs of one request whose deadlines get a sentence each
SLICE = 500  # jobs, for some ten milliseconds


def check_intake(engine: Engine, submissions: Sequence[Submission]) -> None:
    """Raise EngineUnwilling when nothing can be accepted now."""
    if engine.state.journal_error is not None:
        raise EngineUnwilling(f"nothing can be accepted: the journal cannot be written ({engine.state.journal_error})")
    wanted = _jobs_in(submissions)
    most = engine.state.policy.max_queued
    waiting = engine.state.queued_count + engine.accepting.jobs
    if waiting + wanted > most:
        raise EngineUnwilling(f"{waiting} jobs wait already and {wanted} more would be over max_queued = {most}")


def _jobs_in(submissions: Sequence[Submission]) -> int:
    return sum(1 if each.array_indices is None else len(each.array_indices) for each in submissions)


def refusal(engine: Engine, submission: Submission, known: Callable[[JobId], bool]) -> str | None:
    """Why this one is not taken; None when it is."""
    sentence = never_fits(engine.state, submission.spec)
    if sentence is not None:
        return sentence
    deadline, now = submission.spec.deadline_at, engine.clock.now()
    if deadline is not None and deadline <= now:
        return f"its deadline, {format_moment(deadline, now)}, lies in the past, so it could never be met"
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
    """Give numbers, commit, apply, answer through ``done``. One refusal refuses the whole request: nothing is added.

    A hundred thousand jobs take seconds; between slices of them the engine does whatever else is due.
    """
    _go_on(engine, _accepting(engine, submissions, known, done))


def _go_on(engine: Engine, steps: Generator[None, None, None]) -> None:
    """Do the next slice, and see to it that the one after it is done too; what is on disk outlives an engine that
    leaves meanwhile."""
    if engine.closed:
        return
    try:
        next(steps)
    except StopIteration:
        return
    engine.clock.call_at(engine.clock.now(), lambda: _go_on(engine, steps))


def _accepting(
    engine: Engine,
    submissions: Sequence[Submission],
    known: Callable[[JobId], bool],
    done: Callable[[list[Submitted] | EngineUnwilling], None],
) -> Generator[None, None, None]:
    # Counted from here on, for others may be accepted between the slices.
    engine.accepting.jobs += _jobs_in(submissions)
    refusals: list[str | None] = []
    for some in _slices(submissions):
        refusals += [refusal(engine, submission, known) for submission in some]
        if len(refusals) < len(submissions):
            yield
    if any(refusals):
        engine.accepting.jobs -= _jobs_in(submissions)
        warnings = [submission.warnings for submission in submissions]
        done([Submitted(None, why, notes) for why, notes in zip(refusals, warnings, strict=True)])
        return
    now = engine.clock.now()
    events: list[e.JobSubmitted] = []
    records: list[JobRecord] = []
    answers: list[Submitted] = []
    keys: dict[str, int] = {}
    for some in _slices(submissions):
        if answers:
            yield
        accepted = len(events)
        for submission in some:
            answers.append(_numbered(engine, submission, now, keys, events))
        records += [_record(event) for event in events[accepted:]]
    engine.accepting.jobs -= _jobs_in(submissions) - len(events)  # less those whose key another one has

    def free_keys() -> None:
        for key in keys:
            del engine.accepting.keys[key]

    def applied() -> None:
        free_keys()
        done(answers)

    def committed(error: str | None) -> None:
        if error is not None:
            engine.accepting.jobs -= len(events)
            free_keys()
            engine.writer.journal_failed(error)
            done(EngineUnwilling(f"not accepted: {error}"))
            return
        _go_on(engine, _applying(engine, events, applied))

    # An answer with the number of another submission waits for the disk too: batches are written in order, and one
    # that could not be written fails the next as well.
    counters = ((META_NEXT_NUMBER, str(engine.next_number)), (META_NEXT_SEQUENCE, str(engine.next_sequence)))
    engine.journal.write(Batch(added=tuple(records), meta=counters, durable=True), committed)


def _numbered(
    engine: Engine, submission: Submission, now: float, keys: dict[str, int], events: list[e.JobSubmitted]
) -> Submitted:
    """Give it its number, unless a job of its dedupe key is unfinished."""
    key = submission.spec.dedupe_key
    same = _unfinished(engine, key)
    if key is not None and same is not None:
        note = f"job {same} has the key {key!r} and is unfinished, so nothing was added"
        return Submitted(JobId(same), None, (*submission.warnings, note))
    number = engine.next_number
    engine.next_number += 1
    if key is not None:
        keys[key] = engine.accepting.keys[key] = number
    for id in _ids(number, submission):
        events.append(e.JobSubmitted(now, id, submission.spec, engine.next_sequence, submission.held))
        engine.next_sequence += 1
    return Submitted(JobId(number), None, submission.warnings)


def _applying(
    engine: Engine, events: Sequence[e.JobSubmitted], applied: Callable[[], None]
) -> Generator[None, None, None]:
    """They are on disk: now they are in line."""
    for number, some in enumerate(_slices(events)):
        if number:
            engine.tick()
            yield
        for event in some:
            engine.record(event)
            if engine.state.jobs[event.id].outcome is None:
                # Its row was just written; only a change from here on is news to the journal.
                engine.store.unsaved.pop(event.id, None)
        engine.accepting.jobs -= len(some)
    applied()
    engine.tick()


def _slices(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    return (whole[begin : begin + SLICE] for begin in range(0, len(whole), SLICE))


def with_outlooks(
    engine: Engine, submissions: Sequence[Submission], answers: list[Submitted]
) -> Callable[[], list[Submitted]] | None:
    """The answers with a word on each deadline, whether it should be made; None where nobody named any.

    The fork of State is made here; what this gives plans far ahead, so that it is for a thread.
    """
    now, state = engine.clock.now(), engine.state
    open_of: dict[JobId, list[JobId]] = {}
    for submission, answer in zip(submissions, answers, strict=True):
        if submission.spec.deadline_at is not None and answer.id is not None and not submission.held:
            elements = [id for id in state.elements(answer.id.number) if id in state.jobs]
            open_of[answer.id] = [id for id in elements if state.jobs[id].outcome is None]
    if not any(open_of.values()):
        return None
    look_ahead = forecasting(state, now, wanted=[id for ids in open_of.values() for id in ids])

    def told() -> list[Submitted]:
        spans = look_ahead()
        if len(open_of) > MOST_TOLD:
            return _told_in_one(submissions, answers, open_of, spans, now)
        found: list[Submitted] = []
        for submission, answer in zip(submissions, answers, strict=True):
            deadline_at = submission.spec.deadline_at
            ids = open_of.get(answer.id) if answer.id is not None else None
            if deadline_at is not None and ids:
                sentence, missed = deadline_sentence(deadline_at, [spans.get(id) for id in ids], now)
                said = (f"job {answer.id} {sentence}",)
                if missed:
                    answer = replace(answer, warnings=answer.warnings + said)
                else:
                    answer = replace(answer, notes=answer.notes + said)
            found.append(answer)
        return found

    return told


def _told_in_one(
    submissions: Sequence[Submission],
    answers: list[Submitted],
    open_of: Mapping[JobId, list[JobId]],
    spans: Mapping[JobId, Span],
    now: float,
) -> list[Submitted]:
    """Nobody reads ten thousand sentences: one for them all, with the first that will be late."""
    late: list[str] = []
    unknown = 0
    for submission, answer in zip(submissions, answers, strict=True):
        ids = open_of.get(answer.id) if answer.id is not None else None
        if submission.spec.deadline_at is not None and ids:
            ends = [spans.get(id) for id in ids]
            sentence, missed = deadline_sentence(submission.spec.deadline_at, ends, now)
            if missed:
                late.append(f"job {answer.id} {sentence}")
            unknown += not missed and any(end is None or end.end_at is None for end in ends)
    first = f" (the first: {late[0]})" if late else ""
    note = (
        f"of {len(open_of)} jobs {len(late)} will not make their deadline{first}, "
        f"{len(open_of) - len(late) - unknown} should, and of {unknown} it cannot be said yet"
    )
    return [replace(answers[0], warnings=(*answers[0].warnings, note)), *answers[1:]]


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


def preview(engine: Engine, submission: Submission) -> tuple[Job, bool, str, Callable[[], tuple[str, bool]] | None]:
    """What the real planner would do with it now, on a bounded copy of State (D3): the job, started?, why not, and
    (for a thread: it plans far ahead) whether it should make its deadline."""
    now = engine.clock.now()
    fork = engine.state.fork()
    fork.bring(engine.state, [dependency.job for dependency in submission.spec.after])
    index = submission.array_indices[0] if submission.array_indices else None
    id = JobId(PREVIEW_NUMBER, index)
    apply(fork, e.JobSubmitted(now, id, submission.spec, engine.next_sequence, submission.held))
    job = fork.jobs[id]
    if isinstance(job.status, Finished):
        return job, False, job.status.why or "it could never run", None
    outlook = deadline_outlook_of(fork, id, now)
    decided = plan(fork, now)
    starts = any(isinstance(action, Start) and action.id == id for action in decided.actions)
    waits = decided.waits[id] if not starts else ()
    sentence = waits[0].sentence if waits else "starts at once"
    return job, starts, sentence, outlook

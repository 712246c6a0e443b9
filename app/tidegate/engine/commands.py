"""Commands: which jobs one means, carrying it out for each of them, and the answer when it is so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tidegate.core import events as e
from tidegate.core.actions import Pause
from tidegate.core.conflicts import Step
from tidegate.core.job import (
    Finished,
    Held,
    Job,
    JobId,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    Starting,
    Stopping,
)
from tidegate.core.texts import format_moment
from tidegate.engine.ports import Answer, Batch, Command, CommandResult, Verb
from tidegate.engine.restart import META_INTAKE, intake_text
from tidegate.engine.verbs import VERBS, Asked, Done, Instead, Verdict, requeue

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

CONFIRM_S = 5.0

LIVE = (Starting, Running, Paused, Stopping)
# Which of the jobs a verb means when it is asked of all of them, or of an array.
FITS: dict[Verb, tuple[type, ...]] = {
    Verb.PAUSE: (Starting, Running, Paused),
    Verb.RESUME: (Paused,),
    Verb.HOLD: (Queued,),
    Verb.RELEASE: (Held,),
    Verb.CANCEL: (Queued, Held, *LIVE),
    Verb.KILL: (Queued, Held, *LIVE),
    Verb.RETRY: (Finished,),
    Verb.FIRST: (Queued, Held),
    Verb.START: (Queued, Held),
    Verb.EDIT: (Queued, Held),
}
OF_ALL = frozenset({Verb.HOLD, Verb.RELEASE, Verb.CANCEL, Verb.KILL, Verb.RETRY})
# Done from the last to the first: who is put first last stands first, and who waits for another ends before it does.
BACKWARDS = frozenset({Verb.FIRST, Verb.CANCEL, Verb.KILL})


async def run_command(engine: Engine, command: Command) -> list[CommandResult]:
    """Carry a command out and wait until it is so; one result per job, in the order asked for."""
    if command.ids is None and command.verb in (Verb.PAUSE, Verb.RESUME):
        return await _whole_queue(engine, command)
    ids = _chosen(engine, command)
    if not ids and command.ids is None:
        return [CommandResult(None, Answer.DONE, "there is no job to do this to")]
    asked = Asked(engine, command)
    results = {id: _carry_out(asked, id) for id in (reversed(ids) if command.verb in BACKWARDS else ids)}
    engine.tick()
    if any(result.answer is Answer.DONE for result in results.values()):
        await _until_so(asked)
    return [_confirmed(asked, results[id]) for id in ids]


async def run_steps(engine: Engine, steps: Sequence[Step], why: str | None = None) -> list[CommandResult]:
    """Carry out what a proposal says, in order and with nothing decided in between; answered when it is so.

    ``why``: what they are for, where a job that rests is to say so.
    """
    done = [_take(engine, step, why, answered=True) for step in steps]
    engine.tick()
    if any(result.answer is Answer.DONE for _, result in done):
        await _until_so(*(asked for asked, _ in done))
    return [_confirmed(asked, result) for asked, result in done]


def do_steps(engine: Engine, steps: Sequence[Step], why: str | None = None) -> list[CommandResult]:
    """The same where nobody waits for an answer; the next tick follows at once."""
    results = [_take(engine, step, why, answered=False)[1] for step in steps]
    engine.tick()
    return results


def _take(engine: Engine, step: Step, why: str | None, answered: bool) -> tuple[Asked, CommandResult]:
    again = step.verb == "requeue"
    verb = Verb.RETRY if again else Verb(step.verb)
    command = Command(verb, (step.job,), step.seconds, changes=dict(step.changes))
    asked = Asked(engine, command, answered=answered, why=why)
    return asked, _carry_out(asked, step.job, requeue if again else VERBS[verb])


def _chosen(engine: Engine, command: Command) -> list[JobId]:
    """The jobs that a command means, each once. The number of an array means the elements that the verb fits."""
    jobs = engine.state.jobs
    if command.ids is None:
        return [id for id, job in jobs.items() if _fits(command.verb, job)] if command.verb in OF_ALL else []
    ids: dict[JobId, None] = {}
    for id in command.ids:
        elements = engine.state.elements(id.number) if id.index is None and id not in jobs else []
        fitting = [element for element in elements if _fits(command.verb, jobs[element])]
        if elements and not fitting:
            # What a verb says of one stands for all; but an array that succeeded is run again as a whole.
            fitting = elements if command.verb is Verb.RETRY else elements[:1]
        ids.update(dict.fromkeys(fitting or [id]))
    return list(ids)


def _fits(verb: Verb, job: Job) -> bool:
    return isinstance(job.status, FITS[verb]) and not (verb is Verb.RETRY and job.outcome is Outcome.SUCCEEDED)


def _carry_out(asked: Asked, id: JobId, verb: Callable[[Asked, Job], Verdict] | None = None) -> CommandResult:
    job = asked.engine.state.jobs.get(id)
    if job is None:
        return CommandResult(id, Answer.UNKNOWN, f"there is no job {id}")
    verdict = (verb or VERBS[asked.command.verb])(asked, job)
    if isinstance(verdict, Done):
        return CommandResult(id, Answer.DONE, verdict.sentence)
    if isinstance(verdict, Instead):
        return CommandResult(id, Answer.REFUSED, verdict.sentence, verdict.offer)
    return CommandResult(id, Answer.REFUSED, verdict)


def _confirmed(asked: Asked, result: CommandResult) -> CommandResult:
    """What to answer now that it was waited for."""
    future = asked.waiting.get(result.id) if result.id is not None else None
    if future is None:
        return result
    verb = asked.command.verb.value
    if not future.done():
        return CommandResult(result.id, Answer.DONE, f"job {result.id} was told to {verb} and has not answered yet")
    why = future.result()
    if why is not None:
        return CommandResult(result.id, Answer.REFUSED, f"could not {verb} job {result.id}: {why}")
    return result


async def _until_so(*asked: Asked) -> None:
    """Wait, not for ever, until the helper has done it and until it is written down."""
    awaited: list[asyncio.Future[str | None] | asyncio.Future[None]] = [
        future for each in asked for future in each.waiting.values()
    ]
    awaited.append(_written(asked[0].engine))
    await asyncio.wait(awaited, timeout=CONFIRM_S)


def _written(engine: Engine) -> asyncio.Future[None]:
    """Done when all that was decided so far is on disk (or cannot be written): what was answered outlives a crash."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    batch = Batch(meta=(("commanded_at", repr(engine.clock.now())),), durable=True)
    engine.journal.write(batch, lambda _error: None if future.done() else future.set_result(None))
    return future


async def _whole_queue(engine: Engine, command: Command) -> list[CommandResult]:
    """Pause or resume everything: nothing starts, and unless it only drains, what runs is frozen (D11)."""
    now = engine.clock.now()
    asked = Asked(engine, command)
    if command.verb is Verb.RESUME:
        # The jobs that were paused with the queue go on by themselves: the planner sees that it is open.
        event = e.IntakeChanged(now, True)
        said = "the queue goes on"
    else:
        until = None if command.seconds is None else now + command.seconds
        why = "only running jobs are finished" if command.drain else "paused by you"
        event = e.IntakeChanged(now, False, until, command.drain, command.gpu, why)
        what = "jobs with a GPU" if command.gpu else "the queue"
        said = f"paused {what}" + (f" until {format_moment(until, now)}" if until is not None else "")
        if command.drain:
            said = "nothing new starts; what runs is finished"
    engine.record(event)
    engine.journal.write(Batch(meta=((META_INTAKE, intake_text(event)),)))
    for job in list(engine.state.active.values()):
        if not engine.state.intake.freezes(job.spec):
            continue
        if isinstance(job.status, Running):
            asked.wait_for(job, "pause")
            engine.hands.pause(job, Pause(job.id, PauseReason.QUEUE, "the queue was paused", event.until), now)
        elif isinstance(job.status, Starting):
            asked.wait_for(job, "pause")  # it is paused as soon as it has started
    engine.tick()
    await _until_so(asked)
    return [CommandResult(None, Answer.DONE, said)]

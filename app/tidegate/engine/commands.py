"""Commands: what is asked of jobs or of the whole queue, one function per verb, answered when it is so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tidegate.core import events as e
from tidegate.core.actions import Kill, Pause, Terminate
from tidegate.core.job import (
    Finished,
    Held,
    Job,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    Starting,
    Stopping,
)
from tidegate.core.texts import format_moment
from tidegate.core.verdicts import never_fits
from tidegate.engine.engine import Engine
from tidegate.engine.ports import Answer, Batch, Command, CommandResult, Verb
from tidegate.engine.restart import META_INTAKE, intake_text

CONFIRM_S = 5.0

LIVE = (Starting, Running, Paused, Stopping)
# Which jobs a verb means when it is asked for all of them.
FITS: dict[Verb, tuple[type, ...]] = {
    Verb.HOLD: (Queued,),
    Verb.RELEASE: (Held,),
    Verb.CANCEL: (Queued, Held, *LIVE),
    Verb.KILL: (Queued, Held, *LIVE),
    Verb.RETRY: (Finished,),
}


async def run_command(engine: Engine, command: Command) -> list[CommandResult]:
    """Carry a command out and wait until it is so; one result per job, in the order asked for."""
    if command.ids is None and command.verb in (Verb.PAUSE, Verb.RESUME):
        return await _whole_queue(engine, command)
    if command.ids is None:
        kinds = FITS.get(command.verb, ())
        ids = [id for id, job in engine.state.jobs.items() if isinstance(job.status, kinds)]
        if command.verb is Verb.RETRY:
            ids = [id for id in ids if engine.state.jobs[id].outcome is not Outcome.SUCCEEDED]
        if not ids:
            return [CommandResult(None, Answer.DONE, "there is no job to do this to")]
    else:
        ids = []
        for id in command.ids:
            ids += engine.state.elements(id.number) if id not in engine.state.jobs and id.index is None else [id]
            if id not in engine.state.jobs and not engine.state.elements(id.number):
                ids.append(id)
    results: list[CommandResult] = []
    waiting: list[Awaitable[None]] = []
    for id in dict.fromkeys(ids):
        job = engine.state.jobs.get(id)
        if job is None:
            results.append(CommandResult(id, Answer.UNKNOWN, f"there is no job {id}"))
            continue
        answer = _VERBS[command.verb](engine, job, command, waiting)
        if isinstance(answer, str):
            results.append(CommandResult(id, Answer.REFUSED, answer))
        else:
            results.append(CommandResult(id, Answer.DONE, answer[0]))
    engine.tick()
    if waiting:
        await asyncio.wait([asyncio.ensure_future(item) for item in waiting], timeout=CONFIRM_S)
    return results


Said = tuple[str]
Verdict = Said | str  # a one-tuple is done, with what to say; a bare sentence is a refusal


def _is(job: Job) -> str:
    if isinstance(job.status, Finished):
        return f"job {job.id} has already ended ({job.status.outcome.value.replace('_', ' ')})"
    return f"job {job.id} is {job.status_name}"


def _confirmation(engine: Engine, job: Job, kind: str) -> Awaitable[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def confirmed(_why: str | None) -> None:
        if not future.done():
            future.set_result(None)

    engine.runs.when_confirmed(job.attempts[-1].token, kind, confirmed)
    return future


def _pause(engine: Engine, job: Job, command: Command, waiting: list[Awaitable[None]]) -> Verdict:
    now = engine.clock.now()
    until = None if command.seconds is None else now + command.seconds
    said = f"paused job {job.id}" + (f" until {format_moment(until, now)}" if until is not None else "")
    if isinstance(job.status, Running):
        waiting.append(_confirmation(engine, job, "pause"))
        engine.hands.pause(job, Pause(job.id, PauseReason.USER, "paused by you", until), now)
        return (said,)
    if isinstance(job.status, Paused):
        engine.record(e.JobPaused(now, job.id, PauseReason.USER, until))
        return (said,)
    if isinstance(job.status, Queued):
        return f"{_is(job)} and not running; `tidegate hold {job.id}` keeps it from starting"
    return f"{_is(job)}; only a running job can be paused"


def _resume(engine: Engine, job: Job, _command: Command, waiting: list[Awaitable[None]]) -> Verdict:
    if isinstance(job.status, Paused):
        waiting.append(_confirmation(engine, job, "resume"))
        engine.record(e.JobResumeWanted(engine.clock.now(), job.id))
        engine.tick()
        if engine.state.jobs[job.id].status_name == "paused":
            waiting.pop()
            return (f"job {job.id} goes on as soon as there is room for it",)
        return (f"resumed job {job.id}",)
    if isinstance(job.status, Running):
        return (f"job {job.id} is running",)
    return f"{_is(job)}; only a paused job can be resumed"


def _hold(engine: Engine, job: Job, _command: Command, _waiting: list[Awaitable[None]]) -> Verdict:
    if isinstance(job.status, Held):
        return (f"job {job.id} is on hold",)
    if not isinstance(job.status, Queued):
        return f"{_is(job)}; only a waiting job can be held (a running one can be paused)"
    engine.record(e.JobHeld(engine.clock.now(), job.id))
    return (f"job {job.id} is on hold",)


def _release(engine: Engine, job: Job, _command: Command, _waiting: list[Awaitable[None]]) -> Verdict:
    if not isinstance(job.status, Held):
        return f"{_is(job)} and not on hold"
    engine.record(e.JobReleased(engine.clock.now(), job.id))
    return (f"released job {job.id}",)


def _end(engine: Engine, job: Job, outcome: Outcome, waiting: list[Awaitable[None]]) -> Verdict:
    now = engine.clock.now()
    word = outcome.value
    if isinstance(job.status, Finished):
        return _is(job)
    if isinstance(job.status, Queued | Held):
        engine.record(e.JobCancelled(now, job.id, outcome, f"{word} by you"))
        return (f"{word} job {job.id}",)
    if outcome is Outcome.CANCELLED:
        grace = engine.state.policy.kill_timeout_s
        if not (isinstance(job.status, Stopping) and job.status.kill_at is None):
            engine.hands.stop(job, Terminate(job.id, outcome, "cancelled by you", grace), now)
    else:
        engine.hands.stop(job, Kill(job.id, outcome, "killed by you"), now)
        waiting.append(_ended(engine, job))
    return (f"{word} job {job.id}",)


def _ended(engine: Engine, job: Job) -> Awaitable[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(_job: Job) -> None:
        if not future.done():
            future.set_result(None)

    engine.runs.when_finished(job.id, ended)
    return future


def _cancel(engine: Engine, job: Job, _command: Command, waiting: list[Awaitable[None]]) -> Verdict:
    return _end(engine, job, Outcome.CANCELLED, waiting)


def _kill(engine: Engine, job: Job, _command: Command, waiting: list[Awaitable[None]]) -> Verdict:
    return _end(engine, job, Outcome.KILLED, waiting)


def _retry(engine: Engine, job: Job, _command: Command, _waiting: list[Awaitable[None]]) -> Verdict:
    if not isinstance(job.status, Finished):
        return f"{_is(job)}; only a finished job can be run again"
    engine.record(e.JobRetried(engine.clock.now(), job.id))
    return (f"job {job.id} runs again",)


def _first(engine: Engine, job: Job, _command: Command, _waiting: list[Awaitable[None]]) -> Verdict:
    if not isinstance(job.status, Queued | Held):
        return f"{_is(job)}; only a waiting job can be put first"
    engine.record(e.JobMovedFirst(engine.clock.now(), job.id))
    return (f"job {job.id} is first among priority {job.spec.priority}",)


def _start(engine: Engine, job: Job, command: Command, _waiting: list[Awaitable[None]]) -> Verdict:
    if not isinstance(job.status, Queued | Held):
        return f"{_is(job)}; only a waiting job can be started"
    now = engine.clock.now()
    if command.force:
        engine.record(e.JobForced(now, job.id))
        engine.tick()
    else:
        if isinstance(job.status, Held):
            engine.record(e.JobReleased(now, job.id))
        engine.record(e.JobMovedFirst(now, job.id))
        engine.tick()
    if engine.state.jobs[job.id].status_name == "queued":
        waits = engine.plan.waits[job.id] if engine.plan is not None else ()
        sentence = waits[0].sentence if waits else "it starts as soon as it can"
        return f"job {job.id} waits: {sentence}"
    return (f"started job {job.id}",)


def _edit(engine: Engine, job: Job, command: Command, _waiting: list[Awaitable[None]]) -> Verdict:
    if not isinstance(job.status, Queued | Held):
        return f"{_is(job)}; only a waiting job can be changed"
    changed = engine.edit(job.spec, command.changes)
    if isinstance(changed, str):
        return changed
    refusal = never_fits(engine.state, changed)
    if refusal is not None:
        return refusal
    engine.record(e.JobEdited(engine.clock.now(), job.id, changed))
    return (f"changed job {job.id}",)


_VERBS: dict[Verb, Callable[[Engine, Job, Command, list[Awaitable[None]]], Verdict]] = {
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.HOLD: _hold,
    Verb.RELEASE: _release,
    Verb.CANCEL: _cancel,
    Verb.KILL: _kill,
    Verb.RETRY: _retry,
    Verb.FIRST: _first,
    Verb.START: _start,
    Verb.EDIT: _edit,
}


async def _whole_queue(engine: Engine, command: Command) -> list[CommandResult]:
    """Pause or resume everything: nothing starts, and unless it only drains, what runs is frozen (D11)."""
    now = engine.clock.now()
    waiting: list[Awaitable[None]] = []
    if command.verb is Verb.PAUSE:
        until = None if command.seconds is None else now + command.seconds
        what = "jobs with a GPU" if command.gpu else "the queue"
        why = "only running jobs are finished" if command.drain else "paused by you"
        event = e.IntakeChanged(now, False, until, command.drain, command.gpu, why)
        if not command.drain:
            for job in list(engine.state.active.values()):
                if isinstance(job.status, Running) and (job.spec.gpu is not None or not command.gpu):
                    waiting.append(_confirmation(engine, job, "pause"))
                    engine.hands.pause(job, Pause(job.id, PauseReason.QUEUE, "the queue was paused", until), now)
        said = f"paused {what}" + (f" until {format_moment(until, now)}" if until is not None else "")
        if command.drain:
            said = "nothing new starts; what runs is finished"
    else:
        event = e.IntakeChanged(now, True)
        for job in list(engine.state.active.values()):
            if isinstance(job.status, Paused) and job.status.reason is PauseReason.QUEUE:
                engine.record(e.JobResumeWanted(now, job.id))
        said = "the queue goes on"
    engine.record(event)
    engine.journal.write(Batch(meta=((META_INTAKE, intake_text(event)),)))
    engine.tick()
    if waiting:
        await asyncio.wait([asyncio.ensure_future(item) for item in waiting], timeout=CONFIRM_S)
    return [CommandResult(None, Answer.DONE, said)]

"""Verbs: what is asked of one job, one function each; it answers what was done, or the sentence why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.core import events as e
from tidegate.core.actions import Kill, Pause, Terminate
from tidegate.core.dependencies import broken, cycle
from tidegate.core.job import (
    Dependency,
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
from tidegate.core.places import skipped_because
from tidegate.core.state import State
from tidegate.core.texts import format_moment
from tidegate.core.verdicts import never_fits
from tidegate.engine.intake import why_not_now
from tidegate.engine.ports import Command, Verb

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine


@dataclass(slots=True)
class Asked:
    """One command while it is carried out. ``waiting``: what has to come true before it is answered, job by job.

    ``answered`` False: nobody waits for it. ``why``: what a pause or a hold is for, if not just for itself.
    """

    engine: Engine
    command: Command
    waiting: dict[JobId, asyncio.Future[str | None]] = field(default_factory=dict)
    answered: bool = True
    why: str | None = None

    def wait_for(self, job: Job, kind: str) -> None:
        """Answer only when the helper has paused or resumed it; the future gets the reason why not."""
        if not self.answered:
            return
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def confirmed(why: str | None) -> None:
            if not future.done():
                future.set_result(why)

        self.engine.runs.when_confirmed(job.attempts[-1].token, kind, confirmed)
        self.waiting[job.id] = future

    def wait_for_end(self, job: Job) -> None:
        if not self.answered:
            return
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.engine.runs.when_finished(job.id, lambda _job: None if future.done() else future.set_result(None))
        self.waiting[job.id] = future


@dataclass(frozen=True, slots=True)
class Done:
    """It is so; what to say."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Instead:
    """It is not so, and why; but ``offer`` may be asked for."""

    sentence: str
    offer: Verb


Verdict = Done | Instead | str  # a bare sentence is a refusal


def _is(job: Job) -> str:
    if isinstance(job.status, Finished):
        return f"job {job.id} has already ended ({job.status.outcome.value.replace('_', ' ')})"
    return f"job {job.id} is {job.status_name}"


def _skipped(job: Job) -> str:
    """What to say of a job that was let go and can never run."""
    assert isinstance(job.status, Finished)
    return f"job {job.id} was skipped: {job.status.why}"


def pause(asked: Asked, job: Job) -> Verdict:
    engine, now = asked.engine, asked.engine.clock.now()
    until = None if asked.command.seconds is None else now + asked.command.seconds
    said = Done(f"paused job {job.id}" + (f" until {format_moment(until, now)}" if until is not None else ""))
    action = Pause(job.id, PauseReason.USER, asked.why, until)
    match job.status:
        case Running():
            asked.wait_for(job, "pause")
            engine.hands.pause(job, action, now)
            return said
        case Starting():
            asked.wait_for(job, "pause")
            engine.runs.pause_when_started(action)
            return said
        case Paused():
            engine.record(e.JobPaused(now, job.id, PauseReason.USER, until, asked.why))
            return said
        case Queued():
            return f"{_is(job)} and not running; `tidegate hold {job.id}` keeps it from starting"
        case _:
            return f"{_is(job)}; only a running job can be paused"


def resume(asked: Asked, job: Job) -> Verdict:
    engine = asked.engine
    if isinstance(job.status, Running | Starting):
        engine.runs.pause_no_more(job.id)
        return Done(f"job {job.id} is {job.status_name}")
    if not isinstance(job.status, Paused):
        return f"{_is(job)}; only a paused job can be resumed"
    asked.wait_for(job, "resume")
    engine.record(e.JobResumeWanted(engine.clock.now(), job.id))
    engine.tick()
    if engine.state.jobs[job.id].status_name == "paused":
        asked.waiting.pop(job.id, None)
        return Done(f"job {job.id} goes on as soon as there is room for it")
    return Done(f"resumed job {job.id}")


def hold(asked: Asked, job: Job) -> Verdict:
    if isinstance(job.status, Held):
        return Done(f"job {job.id} is on hold")
    if not isinstance(job.status, Queued):
        return f"{_is(job)}; only a waiting job can be held (a running one can be paused)"
    asked.engine.record(e.JobHeld(asked.engine.clock.now(), job.id, asked.why))
    return Done(f"job {job.id} is on hold")


def release(asked: Asked, job: Job) -> Verdict:
    if not isinstance(job.status, Held):
        return f"{_is(job)} and not on hold"
    asked.engine.record(e.JobReleased(asked.engine.clock.now(), job.id))
    return Done(f"released job {job.id}") if job.outcome is None else _skipped(job)


def cancel(asked: Asked, job: Job) -> Verdict:
    engine, now = asked.engine, asked.engine.clock.now()
    status, why = job.status, "cancelled by you"
    said = Done(f"cancelled job {job.id}")
    if isinstance(status, Finished):
        return _is(job)
    if isinstance(status, Queued | Held):
        engine.record(e.JobCancelled(now, job.id, Outcome.CANCELLED, why))
        return said
    grace_s = engine.state.policy.kill_timeout_s
    if isinstance(status, Stopping):
        if status.outcome is not None:
            return said  # it ends for good already, and its grace runs
        if status.kill_at is None:
            engine.hands.stop(job, Kill(job.id, Outcome.CANCELLED, why), now)
            return said
        grace_s = max(0.0, status.kill_at - now)
    engine.hands.stop(job, Terminate(job.id, Outcome.CANCELLED, why, grace_s), now)
    return said


def kill(asked: Asked, job: Job) -> Verdict:
    engine, now = asked.engine, asked.engine.clock.now()
    why = "killed by you"
    if isinstance(job.status, Finished):
        return _is(job)
    if isinstance(job.status, Queued | Held):
        engine.record(e.JobCancelled(now, job.id, Outcome.KILLED, why))
    else:
        engine.hands.stop(job, Kill(job.id, Outcome.KILLED, why), now)
        asked.wait_for_end(job)
    return Done(f"killed job {job.id}")


def retry(asked: Asked, job: Job) -> Verdict:
    engine = asked.engine
    if not isinstance(job.status, Finished):
        return f"{_is(job)}; only a finished job can be run again"
    dependency = broken(engine.state, job)
    if dependency is not None:
        return f"job {job.id} cannot run: {skipped_because(dependency)}; retry job {dependency.job} first"
    engine.record(e.JobRetried(engine.clock.now(), job.id))
    return Done(f"job {job.id} runs again")


def requeue(asked: Asked, job: Job) -> Verdict:
    """Stop it, to run again later: no verb of its own, but what a conflict may be settled by."""
    engine, now = asked.engine, asked.engine.clock.now()
    if not isinstance(job.status, Running | Paused):
        return f"{_is(job)}; only a running job can make room"
    if not job.spec.may_rerun:
        return f"job {job.id} may not be run again: it was not submitted with retries or --on-preempt requeue"
    why = "requeued: it makes room for another job"
    engine.hands.stop(job, Terminate(job.id, None, why, engine.state.policy.kill_timeout_s), now)
    return Done(f"stopped job {job.id}; it runs again later")


def first(asked: Asked, job: Job) -> Verdict:
    if not isinstance(job.status, Queued | Held):
        return f"{_is(job)}; only a waiting job can be put first"
    asked.engine.record(e.JobMovedFirst(asked.engine.clock.now(), job.id))
    return Done(f"job {job.id} is first among priority {job.spec.priority}")


def start(asked: Asked, job: Job) -> Verdict:
    engine, now = asked.engine, asked.engine.clock.now()
    if not isinstance(job.status, Queued | Held):
        return f"{_is(job)}; only a waiting job can be started"
    if asked.command.force:
        engine.record(e.JobForced(now, job.id))
    elif isinstance(job.status, Held):
        return _start_held(engine, job, now)
    if job.outcome is not None:
        return _skipped(job)
    if not asked.command.force:
        engine.record(e.JobMovedFirst(now, job.id))
    engine.tick()
    if not isinstance(job.status, Queued):
        return Done(f"started job {job.id}")
    sentence = _why_queued(engine, job)
    if job.id in engine.state.forced:
        return Done(f"job {job.id} starts as soon as it may: {sentence}")
    return f"job {job.id} waits: {sentence}"


def _why_queued(engine: Engine, job: Job) -> str:
    waits = engine.plan.waits[job.id] if engine.plan is not None else ()
    return waits[0].sentence if waits else "it starts as soon as it can"


def _start_held(engine: Engine, job: Job, now: float) -> Verdict:
    """At once or not at all: who held it back did not ask for a place in line, so that is only offered."""
    dependency = broken(engine.state, job)
    if dependency is not None:
        return f"job {job.id} stays on hold: {skipped_because(dependency)}"
    why = why_not_now(engine, job, now)
    if why is None:
        engine.record(e.JobReleased(now, job.id))
        engine.record(e.JobMovedFirst(now, job.id))
        engine.tick()
        if not isinstance(job.status, Queued):
            return Done(f"started job {job.id}")
        # A reading taken at the last moment said otherwise.
        why = _why_queued(engine, job)
        engine.record(e.JobHeld(now, job.id))
    return Instead(f"job {job.id} stays on hold: {why}; release it to let it join the queue", Verb.RELEASE)


def _cannot_wait(state: State, id: JobId, after: Sequence[Dependency]) -> str | None:
    """Why a job cannot wait for these others; None when it can."""
    for dependency in after:
        if not state.knows(dependency.job):
            return f"it is to run after job {dependency.job}, and no such job waits, runs or has ended lately"
    way = cycle(state, id, after)
    if way is None:
        return None
    if not way:
        return f"job {id} cannot run after itself"
    chain = ", which runs after job ".join(str(other) for other in [*way, id])
    return f"job {id} cannot run after job {chain}: neither could ever start"


def edit(asked: Asked, job: Job) -> Verdict:
    engine = asked.engine
    if not isinstance(job.status, Queued | Held):
        return f"{_is(job)}; only a waiting job can be changed"
    changed = engine.edit(job.spec, asked.command.changes)
    if isinstance(changed, str):
        return changed
    refusal = never_fits(engine.state, changed, job.spec)
    if refusal is None and changed.after != job.spec.after:
        refusal = _cannot_wait(engine.state, job.id, changed.after)
    if refusal is not None:
        return refusal
    engine.record(e.JobEdited(engine.clock.now(), job.id, changed))
    return Done(f"changed job {job.id}") if job.outcome is None else _skipped(job)


VERBS: dict[Verb, Callable[[Asked, Job], Verdict]] = {
    Verb.PAUSE: pause,
    Verb.RESUME: resume,
    Verb.HOLD: hold,
    Verb.RELEASE: release,
    Verb.CANCEL: cancel,
    Verb.KILL: kill,
    Verb.RETRY: retry,
    Verb.FIRST: first,
    Verb.START: start,
    Verb.EDIT: edit,
}

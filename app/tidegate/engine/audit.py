"""Audit: what an event means in words, for the journal (D10). What a person should hear of is said by ``notices``."""

from __future__ import annotations

from tidegate.core import events as e
from tidegate.core.job import JobId, Outcome, Queued
from tidegate.core.state import State
from tidegate.core.texts import format_duration, format_size
from tidegate.engine.ports import TickRecord


def record(state: State, event: e.Event) -> TickRecord | None:
    """The row for an event just applied; None for those that are not kept (live samples are not journaled)."""
    sentence = _sentence(state, event)
    if sentence is None:
        return None
    return row(state, event.at, _kind(event), sentence, getattr(event, "id", None))


def row(state: State, at: float, kind: str, sentence: str, job: JobId | None = None) -> TickRecord:
    """A row of the audit trail as the machine stands now."""
    machine = state.machine
    reading = machine.reading
    return TickRecord(
        at=at,
        kind=kind,
        sentence=sentence,
        job=job,
        mode=machine.mode.value,
        memory_pct=reading.memory_used_pct if reading is not None else None,
        cpu_pct=reading.cpu_pct if reading is not None else None,
        counts=(("active", len(state.active)), ("queued", state.queued_count)),
    )


_KINDS: dict[type, str] = {
    e.JobSubmitted: "submitted",
    e.JobHeld: "held",
    e.JobReleased: "released",
    e.JobEdited: "edited",
    e.JobMovedFirst: "moved_first",
    e.JobForced: "forced",
    e.JobBlocked: "blocked",
    e.JobStarting: "admitted",
    e.JobStarted: "started",
    e.JobStartFailed: "start_failed",
    e.JobStartRevoked: "start_revoked",
    e.JobPaused: "paused",
    e.JobResumeWanted: "resume_wanted",
    e.JobResumed: "resumed",
    e.JobStopping: "stopping",
    e.JobExited: "ended",
    e.JobLost: "lost",
    e.JobCancelled: "cancelled",
    e.JobRetried: "retried",
    e.ModeChanged: "mode",
    e.IntakeChanged: "intake",
    e.PolicyChanged: "settings",
    e.StrategyChosen: "strategy",
    e.ActionRejected: "rejected",
    e.ClockRebased: "clock",
    e.JournalHealthChanged: "journal",
}


def _kind(event: e.Event) -> str:
    return _KINDS.get(type(event), type(event).__name__)


def _named(state: State, id: JobId) -> str:
    job = state.jobs.get(id)
    return f"{job.spec.name} (job {id})" if job is not None else f"job {id}"


def _sentence(state: State, event: e.Event) -> str | None:  # one table of words, read from top to bottom
    match event:
        case e.JobSubmitted():
            return f"Submitted {_named(state, event.id)}."
        case e.JobHeld():
            return f"{_named(state, event.id)} is on hold."
        case e.JobReleased():
            return f"{_named(state, event.id)} was released."
        case e.JobEdited():
            return f"{_named(state, event.id)} was changed."
        case e.JobMovedFirst():
            return f"{_named(state, event.id)} was put first."
        case e.JobForced():
            return f"{_named(state, event.id)} starts on your word, without admission."
        case e.JobBlocked():
            return f"{_named(state, event.id)} waits: {event.reason.sentence}."
        case e.JobStarting():
            need = format_size(event.estimate.memory_bytes)
            cards = f", GPU {', '.join(map(str, event.devices))}" if event.devices else ""
            return f"Admitted {_named(state, event.id)}: {need} ({event.estimate.source.value}){cards}."
        case e.JobStartFailed():
            return f"{_named(state, event.id)} could not be started: {event.error}"
        case e.JobStartRevoked():
            return f"{_named(state, event.id)} was not started after all: {event.why}."
        case e.JobPaused():
            return f"Paused {_named(state, event.id)} ({event.reason.value})."
        case e.JobResumed():
            return f"Resumed {_named(state, event.id)}."
        case e.JobStopping():
            return f"Told {_named(state, event.id)} to end: {event.why}."
        case e.JobExited():
            return _ended(state, event)
        case e.JobLost() if state.jobs[event.id].outcome is not Outcome.LOST:
            return f"{_named(state, event.id)} ended as it was told to; how is not known: {event.why}."
        case e.JobLost():
            return f"{_named(state, event.id)} was lost: {event.why}."
        case e.JobCancelled():
            return f"{_named(state, event.id)} was {event.outcome.value}: {event.why}."
        case e.JobRetried():
            return f"{_named(state, event.id)} runs again."
        case e.ModeChanged():
            causes = "; ".join(event.causes)
            return f"Mode {event.mode.value}{': ' + causes if causes else ''}."
        case e.IntakeChanged():
            return "The queue goes on." if event.open else f"The queue stopped: {event.why}."
        case e.PolicyChanged():
            return "Settings were changed."
        case e.StrategyChosen():
            return f"The strategy is {event.strategy} now: {event.why}."
        case e.ActionRejected():
            return f"Did not {event.action} {_named(state, event.id)}: {event.why}."
        case e.ClockRebased():
            return f"The clock moved by {format_duration(event.jump_s)} (sleep, or it was set)."
        case e.JournalHealthChanged():
            return "The journal can be written again." if event.error is None else f"Journal: {event.error}"
        case _:
            return None


def _ended(state: State, event: e.JobExited) -> str:
    job = state.jobs[event.id]
    code = f"exit {event.exit_code}" if event.exit_code is not None else f"signal {event.signal}"
    attempt = job.attempts[-1]
    ran = ""
    if attempt.started_at is not None:
        ran = f" after {format_duration(max(0.0, event.at - attempt.started_at))}"
    if isinstance(job.status, Queued):
        return f"{_named(state, event.id)} ended ({code}){ran} and waits to run again."
    word = job.outcome.value.replace("_", " ") if job.outcome is not None else "ended"
    return f"{_named(state, event.id)} {word} ({code}){ran}."

"""Notices: what a person should hear of, and in which words; made of the facts just applied, like the audit trail.

What Tidegate did to a job, and that one was lost, is told of every job; how runs ended only of jobs that want it
(``notify``). A failed run that is tried again by itself is not told: only the last failure is news.
"""

from __future__ import annotations

from tidegate.core import events as e
from tidegate.core.alerts import AlertEnded, AlertEvent, AlertRaised, Severity
from tidegate.core.job import Finished, Job, JobId, Outcome, Paused, PauseReason, Stopping
from tidegate.core.state import State
from tidegate.core.texts import format_duration, format_size
from tidegate.engine.exits import exit_sentence
from tidegate.engine.ports import Command, HelperLost, Notice, NoticeKind, NoticeOffer, RunActionFailed, Verb

NOTIFY_AFTER_S = 60.0


def notice(state: State, event: e.Event, notify_after_s: float = NOTIFY_AFTER_S) -> Notice | None:
    """What a person should hear of a fact just applied; None for most. A success is told from this duration on."""
    match event:
        case e.JobExited():
            return _ended(state.jobs[event.id], event, notify_after_s)
        case e.JobStartFailed():
            job = state.jobs[event.id]
            return _failed(job, event.at, f"{job.spec.name} could not start", as_sentence(event.error))
        case e.JobLost() if state.jobs[event.id].outcome is Outcome.LOST:
            return _lost(state.jobs[event.id], event)
        case e.JobPaused():
            return _paused(state, state.jobs[event.id], event)
        case e.JobResumed(thaw=True):
            return _thawed(state.jobs[event.id], event.at)
        case e.JobStopping(unasked=True, outcome=None | Outcome.KILLED):
            return _stopped(state.jobs[event.id], event)
        case e.JournalHealthChanged():
            return _journal(event)
        case _:
            return None


# --- ends ------------------------------------------------------------------------------------------------------------


def _ended(job: Job, event: e.JobExited, notify_after_s: float) -> Notice | None:
    status, name = job.status, job.spec.name
    if not isinstance(status, Finished):
        return None
    started = job.attempts[-1].started_at
    ran_s = max(0.0, event.at - started) if started is not None else 0.0
    why = status.why
    match status.outcome:
        case Outcome.SUCCEEDED if ran_s >= notify_after_s and job.spec.notify:
            text = f"It ran for {format_duration(ran_s)}."
            return Notice(event.at, f"{name} finished", text, job.id, "success", NoticeKind.ENDED, urgent=False)
        case Outcome.FAILED:
            return _failed(job, event.at, f"{name} failed", _exit_text(job, event, ran_s))
        case Outcome.TIMED_OUT:
            text = f"It {why}, and was ended." if why else f"It was ended after {format_duration(ran_s)}."
            return _failed(job, event.at, f"{name} ran out of time", text)
        case Outcome.OUT_OF_MEMORY:
            text = f"It {why}, and was ended" if why else "It was ended"
            return _failed(job, event.at, f"{name} ran out of memory", f"{text} after {format_duration(ran_s)}.")
        case _:
            return None


def _exit_text(job: Job, event: e.JobExited, ran_s: float) -> str:
    when = f"after {format_duration(ran_s)}" if ran_s >= 0.05 else "at once"
    runs = f", in run {len(job.attempts)}" if len(job.attempts) > 1 else ""
    return exit_sentence(event.exit_code, event.signal, when + runs)


def _failed(job: Job, at: float, title: str, text: str) -> Notice | None:
    if not job.spec.notify:
        return None
    return Notice(at, title, text, job.id, "error", NoticeKind.FAILED, offers=(run_again(job.id),))


def _lost(job: Job, event: e.JobLost) -> Notice:
    text = f"{as_sentence(event.why)} Look at its log before you run it again."
    offers = (run_again(job.id),)
    return Notice(event.at, f"{job.spec.name} was lost", text, job.id, "error", NoticeKind.FAILED, offers=offers)


# --- what was done to a job ------------------------------------------------------------------------------------------


def _paused(state: State, job: Job, event: e.JobPaused) -> Notice | None:
    name, offers = job.spec.name, (NoticeOffer("Resume", Command(Verb.RESUME, (job.id,))),)
    match event.reason:
        case PauseReason.MEMORY:
            title, text = f"Paused {name} for memory", _resumes_when(state)
            return Notice(event.at, title, text, job.id, "warning", NoticeKind.INTERVENED, offers=offers)
        case PauseReason.GPU:
            title, text = f"Paused {name} for GPU memory", "It resumes when its card has room again."
            return Notice(event.at, title, text, job.id, "warning", NoticeKind.INTERVENED, offers=offers)
        case PauseReason.SCHEDULING if state.section_of(job.spec.queue).strategy.rotates:
            return None  # turns come and go: that is what its queue is for
        case PauseReason.SCHEDULING:
            because = f"It {job.status.why}. " if isinstance(job.status, Paused) and job.status.why else ""
            title, text = f"Paused {name} for another job", f"{because}It goes on by itself when its turn comes again."
            return Notice(event.at, title, text, job.id, "info", NoticeKind.INTERVENED, urgent=False, offers=offers)
        case _:
            return None  # its user did that


def _resumes_when(state: State) -> str:
    """The line under which the guard thaws (D7.4), said as what has to be free."""
    reading, policy = state.machine.reading, state.policy
    if reading is None or policy.memory_high_pct is None:
        return "It resumes when there is room again."
    free_pct = 100.0 - policy.memory_high_pct + policy.mode_hysteresis_pct
    return f"It resumes when {format_size(reading.memory_total_bytes * free_pct / 100.0)} are free."


def _thawed(job: Job, at: float) -> Notice | None:
    if not job.thaws or job.thaws[-1] != at or isinstance(job.status, Paused):
        return None  # its user asked for it
    text = f"There is memory for it again. It stood still for {format_duration(job.attempts[-1].paused_s)}."
    title = f"{job.spec.name} goes on"
    return Notice(at, title, text, job.id, "info", NoticeKind.INTERVENED, urgent=False)


def _stopped(job: Job, event: e.JobStopping) -> Notice | None:
    if not isinstance(job.status, Stopping) or job.status.since != event.at:
        return None  # it had been told to end before; this only says it louder
    name, why = job.spec.name, as_sentence(event.why.removeprefix("requeued: "))
    if event.outcome is None:
        title, text = f"Stopped {name}; it runs again later", f"{why} It is back in its queue."
        return Notice(event.at, title, text, job.id, "warning", NoticeKind.INTERVENED)
    why = as_sentence(event.why.removeprefix("ended to save the machine: "))
    title, text = f"Ended {name} to save the machine", f"{why} What it had done since its last save may be gone."
    offers = (run_again(job.id),)
    return Notice(event.at, title, text, job.id, "error", NoticeKind.INTERVENED, offers=offers)


# --- engine trouble --------------------------------------------------------------------------------------------------


def _journal(event: e.JournalHealthChanged) -> Notice:
    if event.error is None:
        text = "Jobs are accepted and started again; nothing that was accepted is missing."
        return Notice(event.at, "The journal can be written again", text, None, "info", urgent=False)
    text = f"{as_sentence(event.error)} Running jobs go on; nothing new is accepted or started."
    return Notice(event.at, "The journal cannot be written", text, None, "error")


def helper_lost(event: HelperLost) -> Notice:
    """The line to the process helper broke."""
    text = f"{as_sentence(event.why)} Running jobs go on; Tidegate looks for them and tells which were lost, if any."
    return Notice(event.at, "The process helper was lost", text, None, "warning", urgent=False)


def action_failed(job: Job, event: RunActionFailed) -> Notice:
    """A pause, resume or stop did not work, or what was killed is still there."""
    name = job.spec.name
    if event.action in ("terminate", "kill"):
        title, text = f"{name} does not end", f"{as_sentence(event.why)} It is watched on and tried again."
    else:
        title, text = f"Could not {event.action} {name}", as_sentence(event.why)
    return Notice(event.at, title, text, job.id, "error")


def warned(at: float, warning: str) -> Notice:
    """What was found wrong when the engine started."""
    return Notice(at, "Tidegate started with a warning", warning, None, "warning", urgent=False)


# --- alerts ----------------------------------------------------------------------------------------------------------

_LEVELS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "error"}


def alert_notice(event: AlertEvent) -> Notice | None:
    """An alert began or is over; None where its subject just left, which is no news."""
    match event:
        case AlertRaised():
            urgent, level = event.severity is Severity.CRITICAL, _LEVELS[event.severity]
            return Notice(event.at, event.title, event.text, event.job, level, NoticeKind.ALERT, urgent)
        case AlertEnded(gone=False):
            return Notice(event.at, event.title, event.text, None, "info", NoticeKind.ALERT, urgent=False)
        case _:
            return None


# --- words -----------------------------------------------------------------------------------------------------------


def run_again(id: JobId) -> NoticeOffer:
    return NoticeOffer("Run again", Command(Verb.RETRY, (id,)))


def as_sentence(text: str) -> str:
    """With a capital at its beginning and a stop at its end; a path or a name in front keeps its letters."""
    text = text.strip()
    first, _, _ = text.partition(" ")
    if first.isalpha() and first.islower():
        text = text[0].upper() + text[1:]
    return text if not text or text[-1] in ".?:" else text + "."

"""Runs: what the process helper reports becomes facts about jobs, and whoever waits for it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tidegate.core import events as e
from tidegate.core.actions import Pause
from tidegate.core.job import Finished, Job, JobId, Outcome, Paused, PauseReason, Running, RunRef, Starting, Stopping
from tidegate.core.transitions import IllegalMove
from tidegate.engine import notices
from tidegate.engine.ports import (
    HelperLost,
    ProcessEvent,
    RunActionFailed,
    RunEnd,
    RunExited,
    RunLost,
    RunPaused,
    RunResumed,
    RunRevoked,
    RunStarted,
    RunStartFailed,
)

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

log = logging.getLogger(__name__)


class Runs:
    """Knows which job a run token belongs to, and who waits for a pause, a resume or an end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tokens: dict[str, JobId] = {}
        self._confirmations: dict[tuple[str, str], list[Callable[[str | None], None]]] = {}
        self._finished: dict[JobId, list[Callable[[Job], None]]] = {}
        self._pauses: dict[JobId, Pause] = {}

    # --- tokens ------------------------------------------------------------------------------------------------------

    def register(self, token: str, id: JobId) -> None:
        """A run by this token belongs to this job."""
        self._tokens[token] = id

    def drop(self, token: str) -> None:
        """This run will never be."""
        id = self._tokens.pop(token, None)
        if id is not None:
            self._pauses.pop(id, None)
        for kind in ("pause", "resume"):
            self._confirm(token, kind, "it was not started")

    def job_of(self, token: str) -> JobId | None:
        return self._tokens.get(token)

    # --- reports -----------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[ProcessEvent]) -> None:
        """Apply each report; one that cannot be is said and passed over."""
        # A moment's job begins and ends in one batch: its end tells when it began, too.
        ended = {event.token for event in batch if isinstance(event, RunExited)}
        for event in batch:
            if isinstance(event, RunStarted) and event.token in ended:
                continue
            try:
                self._handle(event)
            except IllegalMove:
                log.exception("a run reported something that cannot be: %r", event)

    def _handle(self, event: ProcessEvent) -> None:
        engine = self._engine
        if isinstance(event, HelperLost):
            log.warning("the process helper was lost: %s", event.why)
            engine.telling.tell(notices.helper_lost(event))
            return
        id = self._tokens.get(event.token)
        job = engine.state.jobs.get(id) if id is not None else None
        if id is None or job is None or not job.attempts or job.attempts[-1].token != event.token:
            if isinstance(event, RunEnd):
                engine.writer.note_ended(event.token)
            return
        match event:
            case RunStarted():
                self.record_start(job, event.run, event.at)
            case RunStartFailed():
                engine.record(e.JobStartFailed(event.at, id, event.token, event.error))
                self._forget(event.token)
            case RunExited():
                self._record_exit(id, job, event)
            case RunLost():
                engine.record(e.JobLost(event.at, id, event.why))
                self._forget(event.token)
            case RunRevoked():
                self.drop(event.token)
                why = "it was called back before a place was free"
                engine.record(e.JobStartRevoked(event.at, id, event.token, why))
                engine.writer.note_ended(event.token)
            case RunPaused():
                self._confirm(event.token, "pause", None)
            case RunResumed():
                self._confirm(event.token, "resume", None)
            case RunActionFailed():
                self._record_failed_action(id, event)

    def _record_exit(self, id: JobId, job: Job, event: RunExited) -> None:
        engine = self._engine
        engine.note_reaped(event.cpu_s, event.token)
        at = max(event.at, job.attempts[-1].intended_at)
        if event.started_at is not None:
            engine.alarms.note_start(job.status, event.started_at)  # where its start was not told apart from its end
        engine.record(
            e.JobExited(
                at,
                id,
                event.token,
                event.exit_code,
                event.signal,
                event.cpu_s,
                event.peak_memory_bytes,
                event.started_at,
                event.identity,
            )
        )
        engine.relay.note_end(job)
        if job.outcome is Outcome.SUCCEEDED:
            engine.writer.note_lesson(engine.state.profile(job))
        self._forget(event.token)

    def _forget(self, token: str) -> None:
        id = self._tokens.pop(token, None)
        if id is not None:
            self._pauses.pop(id, None)
        self._engine.writer.note_ended(token)
        for kind in ("pause", "resume"):
            self._confirm(token, kind, "the job has ended")

    # --- while it is being started -----------------------------------------------------------------------------------

    def pause_when_started(self, action: Pause) -> None:
        """There is no process to stop yet: do it as soon as there is one."""
        self._pauses[action.id] = action

    def pause_no_more(self, id: JobId) -> None:
        self._pauses.pop(id, None)

    def record_start(self, job: Job, run: RunRef, at: float) -> None:
        """It runs; what was asked of it while there was no process to tell is done now."""
        engine, before = self._engine, job.status
        if isinstance(before, Running | Paused):
            return  # known already: the helper said it twice
        engine.record(e.JobStarted(at, job.id, run))
        engine.alarms.note_start(before, at)
        now = engine.clock.now()
        wish = self._pauses.pop(job.id, None)
        match job.status:
            case Stopping(kill_at=None):
                engine.executor.kill(job)
            case Stopping(kill_at=float(kill_at)):
                engine.executor.terminate(job, max(0.0, kill_at - now))
            case Running() if wish is not None:
                engine.hands.pause(job, wish, now)
            case Running() if isinstance(before, Starting) and self._paused_since(job, before.since):
                until = engine.state.intake.until
                engine.hands.pause(job, Pause(job.id, PauseReason.QUEUE, "the queue was paused", until), now)
            case _:
                pass

    def _paused_since(self, job: Job, moment: float) -> bool:
        """The queue was paused while this job was already being started."""
        intake = self._engine.state.intake
        return intake.freezes(job.spec) and intake.since is not None and intake.since >= moment

    def _record_failed_action(self, id: JobId, event: RunActionFailed) -> None:
        engine = self._engine
        log.warning("job %s: could not %s: %s", id, event.action, event.why)
        engine.record(e.ActionRejected(event.at, id, event.action, event.why))
        job = engine.state.jobs[id]
        if event.action == "pause" and isinstance(job.status, Paused):
            engine.record(e.JobResumed(engine.clock.now(), id))
        elif event.action == "resume" and isinstance(job.status, Running):
            engine.record(e.JobPaused(engine.clock.now(), id, PauseReason.USER))
        engine.telling.tell(notices.action_failed(job, event))
        self._confirm(event.token, event.action, event.why)

    # --- waiting for things to be so ---------------------------------------------------------------------------------

    def when_confirmed(self, token: str, kind: str, callback: Callable[[str | None], None]) -> None:
        """Call back with None when the helper has done it, or with the reason why not."""
        self._confirmations.setdefault((token, kind), []).append(callback)

    def _confirm(self, token: str, kind: str, why: str | None) -> None:
        for callback in self._confirmations.pop((token, kind), ()):
            callback(why)

    def when_finished(self, id: JobId, callback: Callable[[Job], None]) -> Callable[[], None]:
        """Call back once the job has ended (at once when it has); the returned function takes the wish back."""
        job = self._engine.state.jobs.get(id)
        if job is not None and isinstance(job.status, Finished):
            callback(job)
            return lambda: None
        waiting = self._finished.setdefault(id, [])
        waiting.append(callback)

        def take_back() -> None:
            if callback in waiting:
                waiting.remove(callback)
            if not waiting and self._finished.get(id) is waiting:
                del self._finished[id]

        return take_back

    def tell_finished(self, job: Job) -> None:
        """Answer everybody who waited for this job's end."""
        for callback in self._finished.pop(job.id, ()):
            callback(job)

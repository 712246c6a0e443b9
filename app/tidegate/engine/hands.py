"""The hands: what guard and planner decided is checked once more on a fresh reading, noted as a fact, and done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from tidegate.core import events as e
from tidegate.core.actions import Action, Kill, Pause, Resume, Start, Terminate
from tidegate.core.admission import Ledger, open_ledger, still_fits
from tidegate.core.job import Job, JobId, Paused, Queued, Running, Starting, Stopping

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine


class Hands:
    """Carries actions out for the engine: the fact first, then the word to the executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def carry_out(self, actions: Sequence[Action], now: float) -> None:
        """Do all of it, in order; what is no longer possible is passed over."""
        ledger: Ledger | None = None
        for action in actions:
            job = self._engine.state.jobs.get(action.id)
            if job is None:
                continue
            match action:
                case Start():
                    # Where memory has no line a fresh reading decides nothing.
                    if ledger is None and self._engine.state.policy.memory_emergency_pct is not None:
                        fresh = self._engine.sensors.available_memory_bytes()
                        ledger = open_ledger(self._engine.state, now, fresh)
                    self._start(action, job, ledger, now)
                case Pause():
                    self.pause(job, action, now)
                case Resume():
                    self.resume(job, action.thaw, now)
                case Terminate() | Kill():
                    self.stop(job, action, now, unasked=True)
                case _:
                    assert_never(action)

    def _start(self, action: Start, job: Job, ledger: Ledger | None, now: float) -> None:
        """Start it if a fresh reading still agrees (D3: ``still_valid``)."""
        engine = self._engine
        forced = job.id in engine.state.forced
        fits = forced or ledger is None or still_fits(action.estimate, ledger)
        if not isinstance(job.status, Queued) or not fits:
            engine.record(e.ActionRejected(now, job.id, "start", "there is less memory than a moment ago"))
            return
        if ledger is not None:
            ledger.take(job, action.estimate, action.devices)
        self.begin(job, action, now)

    def begin(self, job: Job, action: Start, now: float, behind: JobId | None = None) -> None:
        """Give it a run token and have its intent written; ``behind`` is the job whose place it is to take."""
        engine = self._engine
        token = engine.new_token()
        engine.runs.register(token, job.id)
        number = job.attempts[-1].number + 1 if job.attempts else 1
        figure, cards = action.estimate, action.devices
        engine.record(
            e.JobStarting(now, job.id, number, token, figure, cards, action.bypassed, action.waited_for, behind)
        )
        engine.writer.note_intent(job.id)

    def pause(self, job: Job, action: Pause, now: float) -> None:
        """Stop a running job's processes; a job already paused only changes its reason."""
        if not isinstance(job.status, Running):
            return
        self._engine.record(e.JobPaused(now, job.id, action.reason, action.resume_at, action.why))
        self._engine.executor.pause(job)

    def resume(self, job: Job, thaw: bool, now: float) -> None:
        if not isinstance(job.status, Paused):
            return
        self._engine.record(e.JobResumed(now, job.id, thaw))
        self._engine.executor.resume(job)

    def stop(self, job: Job, action: Terminate | Kill, now: float, unasked: bool = False) -> None:
        """End a job's processes, with or without grace; what the end is called was decided before."""
        if not isinstance(job.status, Starting | Running | Paused | Stopping):
            return
        was_starting = isinstance(job.status, Starting)
        waited_behind = self._engine.state.waits_behind(job)
        kill_at = now + action.grace_s if isinstance(action, Terminate) else None
        self._engine.record(e.JobStopping(now, job.id, action.outcome, action.why, kill_at, unasked))
        if waited_behind:
            self._engine.executor.revoke([job])
        if was_starting:
            return
        if isinstance(action, Terminate):
            self._engine.executor.terminate(job, action.grace_s)
        else:
            self._engine.executor.kill(job)

"""Reading: State as views, from any thread, beside an engine that changes it meanwhile; never a lock on its way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from tidegate.core.forecast import deadline_outlook
from tidegate.core.job import Finished, Held, Job, JobId
from tidegate.core.reasons import WaitReason
from tidegate.core.state import AUTO
from tidegate.core.strategies.order import in_order
from tidegate.engine.engine import Engine
from tidegate.engine.picture import intake_view, job_view, machine_view
from tidegate.engine.ports import HistoryPort
from tidegate.engine.queues import by_card, by_queue
from tidegate.engine.views import JobView, LogChunk, MachineSample, QueueStatusView, StatusView

T = TypeVar("T")

# What a read can stumble over when State moves under it: a dict that grew, a job that left, a status that changed.
STUMBLES = (RuntimeError, LookupError, AssertionError, AttributeError, TypeError)
TRIES = 100
PAUSE_S = 0.0005


class Reading:
    """Makes views of jobs and machine. Parts of a job are frozen and replaced whole, so that no view is torn."""

    def __init__(
        self,
        engine: Engine,
        history: HistoryPort,
        *,
        version: str,
        kind: str,
        pid_of: Callable[[str | None], int | None],
        log_path: Callable[[str, int], str],
    ) -> None:
        self._engine = engine
        self._history = history
        self._version = version
        self._kind = kind
        self._pid_of = pid_of
        self._log_path = log_path
        self._started_at = engine.clock.now()
        self._engines_thread = threading.get_ident()

    def steady(self, read: Callable[[], T]) -> T:
        """Read State; from another thread again, after a moment, when the engine changed it in the middle."""
        if threading.get_ident() == self._engines_thread:
            return read()
        for _ in range(TRIES):
            try:
                return read()
            except STUMBLES:
                time.sleep(PAUSE_S)
        return read()

    # --- the whole ---------------------------------------------------------------------------------------------------

    def status(self) -> StatusView:
        return self.steady(self._status)

    def _status(self) -> StatusView:
        state = self._engine.state
        now = self._engine.clock.now()
        machine = state.machine
        return StatusView(
            mode=machine.mode.value,
            mode_since=machine.mode_since,
            mode_causes=machine.mode_causes,
            machine=machine_view(state, now),
            counts=state.counts(),
            intake=intake_view(state),
            strategy=state.policy.strategy,
            version=self._version,
            kind=self._kind,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=max(0.0, now - self._started_at),
            journal_error=state.journal_error,
            warnings=(*self._engine.warnings, *self._engine.strategist.warnings),
            event_id=self._engine.store.event_id,
            alerts=self._engine.alarms.views,
            auto=self._engine.strategist.auto if state.policy.strategy == AUTO else None,
        )

    def queue_status(self, by: str) -> QueueStatusView:
        engine = self._engine
        if by != "card":
            return self.steady(lambda: by_queue(engine.state, engine.clock.now()))
        waits = {} if engine.plan is None else engine.plan.waits
        return self.steady(lambda: by_card(engine.state, waits, engine.clock.now()))

    def samples(self, since: float) -> list[MachineSample]:
        recent = self.steady(lambda: [sample for sample in list(self._engine.store.samples) if sample.at >= since])
        oldest = recent[0].at if recent else self._engine.clock.now()
        if since < oldest - 5.0:
            return self._history.samples(since, oldest) + recent
        return recent

    # --- jobs --------------------------------------------------------------------------------------------------------

    def view(self, job: Job, now: float) -> JobView:
        return self.steady(lambda: self._view(job, now))

    def plain_view(self, job: Job) -> JobView:
        """A job that is not in State (of a preview): without reasons."""
        return job_view(self._engine.state, job, (), self._engine.clock.now(), self._pid_of, self._log_path)

    def _view(self, job: Job, now: float) -> JobView:
        engine = self._engine
        waits: tuple[WaitReason, ...] = ()
        if engine.plan is not None and not isinstance(job.status, Finished):
            waits = engine.plan.waits[job.id]
        return job_view(engine.state, job, waits, now, self._pid_of, self._log_path)

    def jobs(self, finished: int | None, offset: int, limit: int | None) -> list[JobView]:
        end = None if limit is None else offset + limit
        found = self.steady(lambda: self._unfinished(end))
        if (end is None or len(found) < end) and finished != 0:
            known = {job.id for job in found}
            ended = self._finished(finished if end is None else min(finished or end, end))
            found += [job for job in ended if job.id not in known]
        now = self._engine.clock.now()
        return [self.view(job, now) for job in found[offset:end]]

    def _unfinished(self, end: int | None) -> list[Job]:
        """Active, then waiting in order, then held; each once, though some may have moved on while this was read."""
        state = self._engine.state
        found = {job.id: job for job in list(state.active.values())}
        if end is None or len(found) < end:
            wanted = state.queued_count if end is None else end - len(found)
            now = self._engine.clock.now()
            found.update((id, state.jobs[id]) for id in islice(in_order(state, now), wanted))
        if end is None or len(found) < end:
            found.update(dict(state.parked))
            found.update((job.id, job) for job in list(state.jobs.values()) if isinstance(job.status, Held))
        return list(found.values())

    def _finished(self, count: int | None) -> list[Job]:
        """The newest finished jobs: those in memory, and older ones from the history."""
        state = self._engine.state
        newest = self.steady(lambda: list(state.finished_order))
        newest.reverse()
        recent = [job for id in newest if (job := state.jobs.get(id)) is not None]
        if count is not None and len(recent) >= count:
            return recent[:count]
        known = {job.id for job in recent}
        older = self._history.finished(None, None if count is None else count)
        missing = [job for job in older if job.id not in known and job.id not in state.jobs]
        return (recent + missing)[:count]

    def job(self, id: JobId) -> list[JobView]:
        views = [self.view(job, self._engine.clock.now()) for job in self.find(id)]
        if any(view.deadline_at is not None and view.outcome is None for view in views):
            outlook = self.steady(lambda: deadline_outlook(self._engine.state, id, self._engine.clock.now()))
            views = [view if outlook is None else replace(view, outlook=outlook[0]) for view in views]
        return views

    def find(self, id: JobId) -> list[Job]:
        """The job, or an array's elements in order, from memory and history; empty when unknown."""
        state = self._engine.state
        found = state.jobs.get(id)
        if found is not None:
            return [found]
        elements = []
        if id.index is None:
            elements = [job for item in self.steady(lambda: state.elements(id.number)) if (job := state.jobs.get(item))]
        known = {job.id for job in elements}
        elements += [job for job in self._history.job(id) if job.id not in known]
        return sorted(elements, key=lambda job: job.id)


def read_log(
    path: str, offset: int, limit: int, ended: bool, dropped: tuple[int, int] | None, attempt: int = 1
) -> LogChunk:
    """A piece of a file; a missing one is empty (the job has not started, or its log was deleted)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return LogChunk(b"", 0, 0, 0, None, ended, path, attempt)
    try:
        size = os.fstat(handle).st_size
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        if dropped is not None and dropped[0] <= start < dropped[1]:
            start = dropped[1]
        until = start + limit
        if dropped is not None and start < dropped[0]:
            until = min(until, dropped[0])
        data = os.pread(handle, max(0, until - start), start)
    finally:
        os.close(handle)
    return LogChunk(data, start, start + len(data), size, dropped, ended, path, attempt)

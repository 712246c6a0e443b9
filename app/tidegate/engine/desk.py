"""LocalDesk: the engine of this process as views, the API and agents see it (the Protocol ``Desk`` of the ports)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from tidegate.core import events as e
from tidegate.core.job import Job, JobId
from tidegate.core.policy import Policy
from tidegate.core.strategies.order import in_order
from tidegate.engine import intake
from tidegate.engine.commands import run_command
from tidegate.engine.engine import Engine
from tidegate.engine.evaluation import recent_jobs, strategies_view
from tidegate.engine.listeners import Listeners
from tidegate.engine.ports import (
    Change,
    Command,
    CommandResult,
    EngineUnwilling,
    HistoryPort,
    Notice,
    Preview,
    SettingsPort,
    Submission,
    Submitted,
)
from tidegate.engine.reading import Reading, read_log
from tidegate.engine.views import (
    ConflictView,
    HintView,
    JobView,
    LogChunk,
    MachineSample,
    QueueStatusView,
    SettingView,
    StatusView,
    StrategiesView,
    TickView,
)

T = TypeVar("T")
Finding = TypeVar("Finding", bound=ConflictView | HintView)

PUBLISH_EVERY_S = 0.04
REFRESHED_WAITING = 100


class LocalDesk:
    """Reads picture the State from any thread.

    Everything that changes something runs on the engine's loop, whichever loop it is awaited from.
    """

    def __init__(
        self,
        engine: Engine,
        history: HistoryPort,
        *,
        loop: asyncio.AbstractEventLoop,
        version: str,
        kind: str,
        pid_of: Callable[[str | None], int | None],
        log_path: Callable[[str, int], str],
        dropped: Callable[[str], tuple[int, int] | None],
        shut_down: Callable[[bool], Awaitable[None]],
        settings: SettingsPort,
    ) -> None:
        self._engine = engine
        self._history = history
        self._loop = loop
        self._reading = Reading(engine, history, version=version, kind=kind, pid_of=pid_of, log_path=log_path)
        self._log_path = log_path
        self._dropped = dropped
        self._shut_down = shut_down
        self._settings = settings
        self._listeners = Listeners()
        self._pending_notices: list[Notice] = []
        self._pending_sample: MachineSample | None = None
        self._publishing = False
        self._last_published = 0.0
        engine.published = self._on_published

    # --- reading -----------------------------------------------------------------------------------------------------

    def status(self) -> StatusView:
        return self._reading.status()

    def jobs(self, *, finished: int | None = 0, offset: int = 0, limit: int | None = None) -> list[JobView]:
        return self._reading.jobs(finished, offset, limit)

    def job(self, id: JobId) -> list[JobView]:
        return self._reading.job(id)

    def last_number(self) -> int | None:
        return self._engine.next_number - 1 or None

    def queue_status(self, by: str = "queue") -> QueueStatusView:
        return self._reading.queue_status(by)

    def samples(self, since: float) -> list[MachineSample]:
        return self._reading.samples(since)

    def ticks(self, since: float | None, job: JobId | None, limit: int) -> list[TickView]:
        return self._history.ticks(since, job, limit)

    def notices(self, before: int | None, limit: int) -> list[Notice]:
        kept = {notice.id: notice for notice in self._history.notices(before, limit)}
        # The newest may not be on disk yet, and are not for as long as it cannot be written.
        recent = self._reading.steady(lambda: list(self._engine.telling.recent))
        kept.update((notice.id, notice) for notice in recent if before is None or (notice.id or 0) < before)
        return sorted(kept.values(), key=lambda notice: notice.id or 0, reverse=True)[:limit]

    def conflicts(self, *, closed: bool = False, limit: int | None = None) -> list[ConflictView]:
        advisor = self._engine.advisor
        if not closed:
            return list(advisor.conflicts[:limit])
        recent = self._reading.steady(lambda: advisor.closed_conflicts)
        return _newest(recent, self._history.conflicts(limit), limit)

    def hints(self, *, closed: bool = False, limit: int | None = None) -> list[HintView]:
        advisor = self._engine.advisor
        if not closed:
            return list(advisor.hints[:limit])
        recent = self._reading.steady(lambda: advisor.closed_hints)
        return _newest(recent, self._history.hints(limit), limit)

    def strategies(self) -> StrategiesView:
        engine = self._engine
        jobs = recent_jobs(self._history, engine.clock.now())
        return self._reading.steady(lambda: strategies_view(engine.state, engine.strategist.auto, jobs))

    def settings(self) -> list[SettingView]:
        return self._settings.all()

    def read_log(self, id: JobId, attempt: int | None, offset: int, limit: int) -> LogChunk:
        found = self._reading.find(id)
        if not found:
            raise KeyError(str(id))
        attempts, ended = found[0].attempts, found[0].outcome is not None
        current = attempts[-1].number if attempts else None
        number = attempt if attempt is not None else (current or 1)
        if number > (current or 1):
            raise KeyError(f"{id} attempt {number}")
        path = self._log_path(str(found[0].id), number)
        # Asked before the file is read: an end that comes later is seen at the next call, and no output is missed.
        ended = ended or (current is not None and number < current)
        return read_log(path, offset, limit, ended, self._dropped(path), number)

    # --- watching ----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def changes(self, after: int | None) -> AsyncIterator[Change]:
        if after is None:
            return self._listeners.stream(None)
        return self._listeners.stream(lambda: self._on_engine(lambda: self._missed(after)))

    async def _missed(self, after: int) -> Change:
        """What moved since an event id; everything in memory when that is too long ago to know."""
        store, now = self._engine.store, self._engine.clock.now()
        ids = store.changed_since(after) if after <= store.event_id else None
        jobs = [store.state.jobs[id] for id in (store.state.jobs if ids is None else ids) if id in store.state.jobs]
        views = tuple(self._reading.view(job, now) for job in jobs)
        conflicts, hints = self._engine.advisor.recent()
        return Change(store.event_id, now, views, (), self.status(), conflicts=conflicts, hints=hints)

    def _on_published(self, notices: Sequence[Notice], sample: MachineSample | None) -> None:
        self._pending_notices += notices
        if sample is not None:
            self._pending_sample = sample
        if self._publishing:
            return
        now = self._engine.clock.now()
        wait = self._last_published + PUBLISH_EVERY_S - now
        if wait <= 0:
            self._publish()
        else:
            # First call at once, later ones collapse into the newest.
            self._publishing = True
            self._engine.clock.call_at(now + wait, self._publish)

    def _publish(self) -> None:
        self._publishing = False
        now = self._last_published = self._engine.clock.now()
        event_id, ids, gone = self._engine.store.take_unpublished()
        conflicts, hints = self._engine.advisor.take_unpublished()
        notices, self._pending_notices = self._pending_notices, []
        sample, self._pending_sample = self._pending_sample, None
        if not self._listeners:
            return
        state = self._engine.state
        moved = dict.fromkeys(ids)
        if sample is not None:
            # Usage and reasons move with every reading, although the jobs themselves do not.
            moved.update(dict.fromkeys(state.active))
            moved.update(dict.fromkeys(islice(in_order(state, now), REFRESHED_WAITING)))
        views = tuple(self._reading.view(state.jobs[id], now) for id in moved if id in state.jobs)
        names = tuple(str(id) for id in gone)
        change = Change(event_id, now, views, names, self.status(), sample, conflicts=conflicts, hints=hints)
        self._listeners.tell(change, *(Change(event_id, now, notice=notice) for notice in notices))

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _on_engine(self, make: Callable[[], Awaitable[T]]) -> T:
        if asyncio.get_running_loop() is self._loop:
            return await make()

        async def run() -> T:
            return await make()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        return await self._on_engine(lambda: self._submit(submissions))

    async def _submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        intake.check_intake(self._engine, submissions)
        known = await self._known_elsewhere(submissions)
        future: asyncio.Future[list[Submitted]] = self._loop.create_future()

        def done(answer: list[Submitted] | EngineUnwilling) -> None:
            if future.done():
                return
            if isinstance(answer, EngineUnwilling):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        state = self._engine.state

        def is_known(id: JobId) -> bool:
            return state.knows(id) or id in known

        intake.accept(self._engine, submissions, is_known, done)
        answers = await future
        told = intake.with_outlooks(self._engine, submissions, answers)
        return answers if told is None else await self._loop.run_in_executor(None, told)

    async def _known_elsewhere(self, submissions: Sequence[Submission]) -> set[JobId]:
        """Dependencies that are no longer in memory but in the history (asked in a thread: it reads the disk)."""
        state = self._engine.state
        wanted = {d.job for s in submissions for d in s.spec.after}
        missing = [id for id in wanted if not state.knows(id)]
        if not missing:
            return set()
        found = await self._loop.run_in_executor(None, lambda: [self._history.job(id) for id in missing])
        known: set[JobId] = set()
        for id, jobs in zip(missing, found, strict=True):
            self._recall(jobs)
            if jobs:
                known.add(id)
        return known

    def _recall(self, jobs: Sequence[Job]) -> None:
        """Take jobs that have left memory back into it, as they ended."""
        for job in jobs:
            if job.id not in self._engine.state.jobs and job.outcome is not None:
                self._engine.store.apply(e.JobRestored(self._engine.clock.now(), job))
                self._engine.store.unsaved.pop(job.id, None)

    async def preview(self, submission: Submission) -> Preview:
        return await self._on_engine(lambda: self._preview(submission))

    async def _preview(self, submission: Submission) -> Preview:
        known = await self._known_elsewhere([submission])
        state = self._engine.state

        def is_known(id: JobId) -> bool:
            return state.knows(id) or id in known

        why = intake.refusal(self._engine, submission, is_known)
        if why is not None:
            return Preview(False, why, why, None)
        job, starts, sentence, look_ahead = intake.preview(self._engine, submission)
        view = self._reading.plain_view(job)
        if look_ahead is not None:
            outlook, _ = await self._loop.run_in_executor(None, look_ahead)
            view = replace(view, outlook=outlook)
        return Preview(starts, None, sentence, view)

    async def command(self, command: Command) -> list[CommandResult]:
        return await self._on_engine(lambda: self._command(command))

    async def _command(self, command: Command) -> list[CommandResult]:
        state = self._engine.state
        for id in command.ids or ():
            if not state.knows(id):
                self._recall(await self._loop.run_in_executor(None, self._history.job, id))
        return await run_command(self._engine, command)

    async def resolve_conflict(self, id: int, way: str | None = None) -> CommandResult:
        return await self._on_engine(lambda: self._engine.advisor.resolve(id, way))

    async def apply_hint(self, id: int) -> CommandResult:
        return await self._on_engine(lambda: self._engine.advisor.apply(id))

    async def dismiss_hint(self, id: int) -> CommandResult:
        return await self._on_engine(lambda: self._engine.advisor.dismiss(id))

    async def wait(self, ids: Sequence[JobId], timeout_s: float | None, any_one: bool = False) -> list[JobView] | None:
        return await self._on_engine(lambda: self._wait(ids, timeout_s, any_one))

    async def _wait(self, ids: Sequence[JobId], timeout_s: float | None, any_one: bool) -> list[JobView] | None:
        if not ids:
            return []
        state = self._engine.state
        futures = []
        for id in ids:
            elements = state.elements(id.number) if id.index is None else []
            inner = [id] if id in state.jobs else elements  # none in memory: it has ended
            futures.append(asyncio.gather(*(self._end_of(item) for item in inner)))
        mode = asyncio.FIRST_COMPLETED if any_one else asyncio.ALL_COMPLETED
        _done, pending = await asyncio.wait(futures, timeout=timeout_s, return_when=mode)
        ended = [id for id, future in zip(ids, futures, strict=True) if future.done()]
        for future in pending:
            future.cancel()
        if not ended or (pending and not any_one):
            return None
        return [view for id in (ended[:1] if any_one else ids) for view in self.job(id)]

    def _end_of(self, id: JobId) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        forget = self._engine.runs.when_finished(id, lambda _job: None if future.done() else future.set_result(None))
        # Who gives up waiting leaves nothing behind.
        future.add_done_callback(lambda _future: forget())
        return future

    async def change_setting(self, name: str, text: str | None) -> SettingView:
        [view] = await self._on_engine(lambda: self._write_settings(lambda: [self._settings.change(name, text)]))
        return view

    async def change_settings(self, texts: Mapping[str, str]) -> list[SettingView]:
        return await self._on_engine(lambda: self._write_settings(lambda: self._settings.change_all(texts)))

    async def reset_settings(self, names: Sequence[str] | None) -> list[SettingView]:
        return await self._on_engine(lambda: self._write_settings(lambda: self._settings.reset(names)))

    async def _write_settings(self, write: Callable[[], list[SettingView]]) -> list[SettingView]:
        before = self._settings.all()
        views = await self._loop.run_in_executor(None, write)
        self._publish_settings(views, before)
        return views

    def _publish_settings(self, asked: Sequence[SettingView], before: Sequence[SettingView]) -> None:
        """What was asked for, and what else holds now: somebody may have edited the file by hand meanwhile."""
        names = {view.name for view in asked}
        earlier = {view.name: view for view in before}
        others = [view for view in self._settings.all() if view != earlier.get(view.name)]
        for view in (*asked, *(view for view in others if view.name not in names)):
            self._listeners.tell(Change(self._engine.store.event_id, self._engine.clock.now(), setting=view))

    async def set_policy(self, policy: Policy) -> None:
        async def change() -> None:
            self._engine.record(e.PolicyChanged(self._engine.clock.now(), policy))
            self._engine.tick()

        await self._on_engine(change)

    async def shutdown(self, stop_jobs: bool) -> None:
        await self._on_engine(lambda: self._shut_down(stop_jobs))


def _newest(recent: Sequence[Finding], kept: Sequence[Finding], limit: int | None) -> list[Finding]:
    """Closed ones, newest first; the newest may not be on disk yet."""
    known = {finding.id for finding in recent}
    found = [*recent, *(finding for finding in kept if finding.id not in known)]
    return sorted(found, key=lambda finding: (finding.closed_at or 0.0, finding.id), reverse=True)[:limit]

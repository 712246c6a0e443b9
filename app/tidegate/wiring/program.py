"""The live program: one engine with its keeper, journal, sensors and API, built out of real parts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import tidegate
from tidegate.engine.lock import HomeLock
from tidegate.paths import Paths, boot_id

if TYPE_CHECKING:
    from tidegate.api.server import ApiThread
    from tidegate.core.job import JobSpec
    from tidegate.engine.desk import LocalDesk
    from tidegate.engine.engine import Engine
    from tidegate.engine.ports import Notice
    from tidegate.execution.keeper_client import KeeperProcesses
    from tidegate.journal.history import History
    from tidegate.journal.journal import Journal
    from tidegate.journal.retention import Retention
    from tidegate.monitor.gpu import GpuReader
    from tidegate.settings import Settings
    from tidegate.submission.request import MachineFacts

log = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.0005
PARTS = (
    "tidegate.engine.desk",
    "tidegate.execution.executor",
    "tidegate.execution.keeper_client",
    "tidegate.journal.history",
    "tidegate.journal.journal",
    "tidegate.monitor.sampler",
    "tidegate.submission.edit",
)
"""What takes long to import: a quarter of a second, which the tray's icon does not wait for."""


class LoopQueue:
    """Calls from other threads, run on the engine's loop in one go: qasync is slow with many ready callbacks (D15)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._lock = threading.Lock()

    def call_soon(self, call: Callable[[], None]) -> None:
        """Safe from any thread; after the loop has closed nothing happens."""
        with self._lock:
            self._calls.append(call)
            if self._scheduled:
                return
            self._scheduled = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        with self._lock:
            calls = list(self._calls)
            self._calls.clear()
            self._scheduled = False
        for call in calls:
            try:
                call()
            except Exception:
                log.exception("a call into the engine failed")


class LogNotifier:
    """Notices in the program's log; windows get theirs from the change stream."""

    def notify(self, notice: Notice) -> None:
        about = "" if notice.job is None else f"job {notice.job}: "
        log.info("told (%s): %s%s. %s", notice.level, about, notice.title, notice.text)


class Program:
    """One live engine with its API, on the loop that ``open`` is awaited on. ``kind``: gui, serve or auto."""

    def __init__(self, paths: Paths, settings: Settings, kind: str, overrides: Mapping[str, str]) -> None:
        self.paths = paths
        self.settings = settings
        self.kind = kind
        self.overrides = overrides
        self.ended: asyncio.Event | None = None
        self._lock = HomeLock(paths.lock_file)
        self._engine: Engine | None = None
        self._desk: LocalDesk | None = None
        self._api: ApiThread | None = None
        self._gpus: GpuReader | None = None
        self._processes: KeeperProcesses | None = None
        self._journal: Journal | None = None
        self._history: History | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[None] | None = None
        self._leave: Callable[[bool], object] = self._begin_closing

    def acquire(self) -> None:
        """Become the one engine of this home and machine; raises LockHeld when there is another."""
        self.paths.create()
        self._lock.acquire(self.kind)

    async def open(self) -> LocalDesk:
        """Restore, connect to the keeper, sample, and serve the API."""
        self._loop = loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        # On a thread: meanwhile the loop answers the panel, which asks what the icon looks like.
        await loop.run_in_executor(None, lambda: [importlib.import_module(name) for name in PARTS])
        from tidegate.core.job import RunRef
        from tidegate.core.state import State
        from tidegate.engine.clock import LiveClock
        from tidegate.engine.desk import LocalDesk
        from tidegate.engine.engine import Engine
        from tidegate.engine.store import Store
        from tidegate.execution.executor import Executor
        from tidegate.execution.keeper_client import KeeperProcesses
        from tidegate.execution.processes import dropped_range, pid_of
        from tidegate.journal.history import History
        from tidegate.journal.journal import Journal
        from tidegate.monitor.gpu import GpuReader
        from tidegate.monitor.sampler import Sampler
        from tidegate.plugins import KnownStrategies
        from tidegate.wiring.live_settings import LiveSettings
        from tidegate.wiring.rehearsal import LiveRehearsal

        calls = LoopQueue(loop)
        clock = LiveClock(loop)
        paths, settings = self.paths, self.settings
        policy = settings.policy()
        self._processes = processes = KeeperProcesses(
            paths.keeper_socket,
            paths.keeper_spool,
            paths.keeper_log,
            paths.environments_dir,
            clock.now,
            boot_id(),
            kill_timeout_s=policy.kill_timeout_s,
            stuck_timeout_s=policy.stuck_timeout_s,
        )
        self._gpus = GpuReader()
        rehearsal = LiveRehearsal(calls.call_soon, self.overrides)
        sensors = Sampler(
            clock.now,
            calls.call_soon,
            self._gpus,
            lambda: _own_pids(processes.pid, rehearsal.pid),
            own_folder=str(paths.job_logs_dir),
        )
        store = Store(State(policy, KnownStrategies()))

        log_path = paths.job_log_name
        executor = Executor(processes, log_path, lambda: self.settings.job_log_cap_bytes, self._card_uuid)
        self._journal = Journal(
            paths.database, calls.call_soon, on_health=self._journal_health, retention=_retention(settings)
        )
        self._engine = engine = Engine(
            store,
            clock=clock,
            sensors=sensors,
            processes=processes,
            executor=executor,
            journal=self._journal,
            notifier=LogNotifier(),
            new_token=lambda: secrets.token_hex(16),
            sample_interval_s=settings.sample_interval_s,
            finished_in_memory=settings.finished_in_memory,
        )
        engine.edit = self._edited
        engine.notify_after_s = settings.notify_after_s
        engine.alarms.set_policy(settings.alert_policy())
        engine.advisor.set_policy(settings.advice_policy())
        engine.strategist.rehearsal = rehearsal
        self._history = History(paths.database)
        await engine.open()
        self._desk = LocalDesk(
            engine,
            self._history,
            loop=loop,
            version=tidegate.__version__,
            kind=self.kind,
            pid_of=lambda identity: pid_of(RunRef("", identity)),
            log_path=log_path,
            dropped=dropped_range,
            shut_down=self._asked_to_leave,
            settings=LiveSettings(lambda: self.settings, self.apply_settings, paths, self.overrides),
        )
        self._start_api()
        keep_the_loop_quick()
        return self._desk

    def _start_api(self) -> None:
        from tidegate.api.server import ApiContext, ApiThread

        assert self._desk is not None
        # Homes of tests and demos stand beside the real one, so there the port is any free one unless it was asked for.
        anywhere = bool(os.environ.get("TIDEGATE_HOME")) and self.settings.source("api_port") == "default"
        port = None if anywhere else self.settings.api_port
        context = ApiContext(
            paths=self.paths,
            settings=lambda: self.settings,
            facts=self.facts,
            kind=self.kind,
            port=port,
            version=tidegate.__version__,
        )
        self._api = ApiThread(self._desk, context)
        endpoint = self._api.start()
        log.info("listening on %s:%d and %s", endpoint.host, endpoint.port, endpoint.socket)

    def _journal_health(self, error: str | None) -> None:
        if error is not None and self._engine is not None:
            self._engine.writer.journal_failed(error)

    def _card_uuid(self, index: int) -> str | None:
        reading = self._engine.state.machine.reading if self._engine is not None else None
        cards = reading.gpus if reading is not None else ()
        return next((card.uuid for card in cards if card.index == index), None)

    def _edited(self, spec: JobSpec, changes: Mapping[str, str]) -> JobSpec | str:
        from tidegate.submission.edit import edited

        assert self._engine is not None
        return edited(spec, changes, self.facts(), self._engine.clock.now())

    def facts(self) -> MachineFacts:
        """What this machine can give at most; safe from any thread."""
        from tidegate.submission.request import GpuFact, MachineFacts

        reading = self._engine.state.machine.reading if self._engine is not None else None
        if self._engine is None or reading is None:
            return facts_without_engine(self.settings)
        line = self._engine.state.policy.memory_line_bytes(reading.memory_total_bytes)
        gpus = tuple(GpuFact(card.index, card.name, card.memory_total_bytes) for card in reading.gpus)
        return MachineFacts(reading.cores, reading.memory_total_bytes, line, gpus)

    def apply_settings(self, settings: Settings) -> None:
        """Take changed settings over, live; safe from any thread."""
        self.settings = settings
        logging.getLogger("tidegate").setLevel(settings.log_level.upper())
        if self._desk is None or self._loop is None or self._engine is None:
            return
        policy = settings.policy()
        asyncio.run_coroutine_threadsafe(self._desk.set_policy(policy), self._loop)
        self._loop.call_soon_threadsafe(self._engine.set_interval, settings.sample_interval_s)
        self._loop.call_soon_threadsafe(self._engine.alarms.set_policy, settings.alert_policy())
        self._loop.call_soon_threadsafe(self._engine.advisor.set_policy, settings.advice_policy())
        self._engine.notify_after_s = settings.notify_after_s
        if self._processes is not None:
            kill_s, stuck_s = policy.kill_timeout_s, policy.stuck_timeout_s
            self._loop.call_soon_threadsafe(self._processes.set_timeouts, kill_s, stuck_s)
        if self._journal is not None:
            self._journal.retention = _retention(settings)

    async def _asked_to_leave(self, stop_jobs: bool) -> None:
        # The answer must still go out through the API that is about to close.
        assert self._loop is not None
        self._loop.call_later(0.05, self._leave, stop_jobs)

    def told_to_leave(self, leave: Callable[[bool], None]) -> None:
        """Whoever runs this program ends it in its own order, and closes it then."""
        self._leave = leave

    def _begin_closing(self, stop_jobs: bool) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(stop_jobs))
        return self._closing

    async def close(self, stop_jobs: bool = False) -> None:
        """State saved, API closed; keeper and jobs go on unless they are to be stopped. Done once, by the first."""
        await asyncio.shield(self._begin_closing(stop_jobs))

    async def _close(self, stop_jobs: bool) -> None:
        api, self._api = self._api, None
        if api is not None:
            await asyncio.get_running_loop().run_in_executor(None, api.stop)
        if self._engine is not None:
            await self._engine.close(stop_jobs)
        if self._gpus is not None:
            self._gpus.stop()
        if self._history is not None:
            self._history.close()
        self._lock.release()
        if self.ended is not None:
            self.ended.set()


def _retention(settings: Settings) -> Retention:
    from tidegate.journal.retention import Retention

    return Retention(
        samples_s=settings.samples_kept_s,
        minutes_s=settings.minutes_kept_s,
        ticks_s=settings.journal_kept_s,
        finished_s=settings.finished_kept_s,
        notices_s=settings.journal_kept_s,
    )


def keep_the_loop_quick() -> None:
    """While the API pictures thousands of jobs, the engine's thread gets its turn within a millisecond.

    And a collection of garbage, which stops every thread, does not walk what lives as long as the program: measured
    beside such an API, the longest stall of the engine's loop fell from 73 to 27 ms, the usual one from 5 to 1.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()


def _own_pids(*others: int | None) -> list[int]:
    """Ours, and those of our helpers that there are."""
    return [os.getpid(), *(pid for pid in others if pid is not None)]


def facts_without_engine(settings: Settings) -> MachineFacts:
    from tidegate.monitor.host import HostReader
    from tidegate.submission.request import MachineFacts

    host = HostReader()
    host.close()
    total = host.memory_total_bytes
    return MachineFacts(host.cores, total, settings.policy().memory_line_bytes(total))

"""Wiring: the one place that builds the live program out of real parts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import logging.handlers
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tidegate
from tidegate.core.job import JobSpec, RunRef
from tidegate.core.state import State
from tidegate.engine.clock import LiveClock
from tidegate.engine.desk import LocalDesk
from tidegate.engine.engine import Engine
from tidegate.engine.lock import EngineLock, LockHeld
from tidegate.engine.ports import Notice
from tidegate.engine.store import Store
from tidegate.execution.executor import Executor
from tidegate.execution.keeper_client import KeeperProcesses, KeeperUnavailable
from tidegate.execution.processes import dropped_range, pid_of
from tidegate.journal.database import DatabaseRefused
from tidegate.journal.history import History
from tidegate.journal.journal import Journal
from tidegate.journal.retention import Retention
from tidegate.monitor.gpu import GpuReader
from tidegate.monitor.sampler import Sampler
from tidegate.paths import Paths, PathsError, boot_id, find_paths
from tidegate.settings import Settings, SettingsError, load
from tidegate.submission.edit import edited
from tidegate.submission.request import GpuFact, MachineFacts

if TYPE_CHECKING:
    from tidegate.api.server import ApiThread

log = logging.getLogger(__name__)

LOG_BYTES = 5 * 1024 * 1024
LOG_FILES = 3
TAKE_OVER_S = 10.0
SWITCH_INTERVAL_S = 0.0005
LEAVE_WITHIN_S = 1.2
"""After a signal the engine is gone within 2 s, whatever hangs (D1)."""
REFUSALS = (DatabaseRefused, KeeperUnavailable)


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
        log.info("job %s: %s (%s)", notice.job, notice.title, notice.text)


class Program:
    """One live engine with its API, on the loop that ``open`` is awaited on. ``kind``: gui, serve or auto."""

    def __init__(self, paths: Paths, settings: Settings, kind: str, overrides: Mapping[str, str]) -> None:
        self.paths = paths
        self.settings = settings
        self.kind = kind
        self.overrides = overrides
        self.ended: asyncio.Event | None = None
        self._lock = EngineLock(paths.lock_file)
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
        sensors = Sampler(clock.now, calls.call_soon, self._gpus, lambda: _own_pids(processes))
        store = Store(State(policy))

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
        )
        self._start_api()
        _keep_the_engine_quick()
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
            apply_settings=self.apply_settings,
            facts=self.facts,
            kind=self.kind,
            port=port,
            version=tidegate.__version__,
            overrides=self.overrides,
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
        assert self._engine is not None
        return edited(spec, changes, self.facts(), self._engine.clock.now())

    def facts(self) -> MachineFacts:
        """What this machine can give at most; safe from any thread."""
        reading = self._engine.state.machine.reading if self._engine is not None else None
        if self._engine is None or reading is None:
            return _facts_without_engine(self.settings)
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
        if self._processes is not None:
            self._processes.kill_timeout_s = policy.kill_timeout_s
            self._processes.stuck_timeout_s = policy.stuck_timeout_s
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
    return Retention(
        samples_s=settings.samples_kept_s,
        minutes_s=settings.minutes_kept_s,
        ticks_s=settings.journal_kept_s,
        finished_s=settings.finished_kept_s,
    )


def _keep_the_engine_quick() -> None:
    """While the API pictures thousands of jobs, the engine's thread gets its turn within a millisecond.

    And a collection of garbage, which stops every thread, does not walk what lives as long as the program: measured
    beside such an API, the longest stall of the engine's loop fell from 73 to 27 ms, the usual one from 5 to 1.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()


def _own_pids(processes: KeeperProcesses) -> list[int]:
    return [os.getpid()] if processes.pid is None else [os.getpid(), processes.pid]


def _facts_without_engine(settings: Settings) -> MachineFacts:
    from tidegate.monitor.host import HostReader

    host = HostReader()
    host.close()
    total = host.memory_total_bytes
    return MachineFacts(host.cores, total, settings.policy().memory_line_bytes(total))


def set_up_logging(paths: Paths, settings: Settings, foreground: bool) -> None:
    """The program's own log: a rotated file, and in the foreground the terminal too."""
    root = logging.getLogger("tidegate")
    root.setLevel(settings.log_level.upper())
    form = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            paths.log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", errors="surrogateescape"
        )
    ]
    if foreground:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(form)
        root.addHandler(handler)


def _prepare(kind: str, overrides: Mapping[str, str], foreground: bool) -> Program | int:
    """Folders, settings, lock and log; an exit code after one clear sentence when one of them cannot be had."""
    try:
        paths = find_paths()
        paths.create()
        settings = load(paths, overrides=overrides)
        program = Program(paths, settings, kind, overrides)
        _acquire(program, kind)
    except PathsError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 1
    except SettingsError as error:
        for sentence in error.errors:
            print(f"tidegate: {sentence}", file=sys.stderr)
        return 1
    except LockHeld as held:
        print(f"tidegate: {held}", file=sys.stderr)
        return 0 if kind == "auto" else 1
    set_up_logging(paths, settings, foreground)
    return program


def _acquire(program: Program, kind: str) -> None:
    """Take the lock; raises LockHeld.

    The tray application takes over from an engine in the background (D1). An engine in the background waits for one
    that is just leaving, and yields to one that answers: several verbs may have started one each.
    """
    deadline = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            program.acquire()
            return
        except LockHeld as held:
            if time.monotonic() > deadline or not _leaves_soon(program.paths, kind, held.kind):
                raise
        time.sleep(0.05)


def _leaves_soon(paths: Paths, kind: str, holder: str) -> bool:
    from tidegate.api.client import ApiError, Client, NoEngine

    client = Client(paths)
    if kind == "gui" and holder == "auto":
        # Not reached when it is just starting or leaving; then it is asked again, or is gone.
        with contextlib.suppress(NoEngine, ApiError):
            client.post("/shutdown", {"stop_jobs": False})
        return True
    return kind == "auto" and not client.alive()


def serve(*, auto: bool, overrides: dict[str, str]) -> int:
    """The engine without a window, until SIGTERM, SIGINT or ``tidegate shutdown``; returns the exit code."""
    program = _prepare("auto" if auto else "serve", overrides, foreground=not auto)
    if isinstance(program, int):
        return program
    return asyncio.run(_serve(program))


async def _serve(program: Program) -> int:
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    try:
        await program.open()
    except REFUSALS as refusal:
        await program.close()
        return _refused(refusal)
    except Exception as error:
        log.exception("the engine could not start")
        print(f"tidegate: the engine could not start: {error}", file=sys.stderr)
        await program.close()
        return 1
    assert program.ended is not None
    waits = [asyncio.ensure_future(leave.wait()), asyncio.ensure_future(program.ended.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if not program.ended.is_set():
        try:
            await asyncio.wait_for(program.close(), LEAVE_WITHIN_S)
        except TimeoutError:
            log.warning("not everything was closed within %.1f s; leaving, jobs go on under the keeper", LEAVE_WITHIN_S)
    for wait in waits:
        wait.cancel()
    return 0


def _refused(refusal: Exception) -> int:
    """What a person has to decide, said once: the terminal's own log lines would only repeat it."""
    root = logging.getLogger("tidegate")
    for handler in [handler for handler in root.handlers if type(handler) is logging.StreamHandler]:
        root.removeHandler(handler)
    log.error("%s", refusal)
    print(f"tidegate: {refusal}", file=sys.stderr)
    return 1


def gui(files: Sequence[str], overrides: dict[str, str], *, hidden: bool = False) -> int:
    """The tray application, ``hidden`` without its window; returns the exit code."""
    from tidegate.desktop.display import display_problem

    problem = display_problem(os.environ)
    if problem is not None:
        print(f"tidegate: {problem} `tidegate serve` runs without one.", file=sys.stderr)
        return 1
    program = _prepare("gui", overrides, foreground=False)
    if isinstance(program, int):
        return program
    from tidegate.gui.application import run

    try:
        return run(
            program.open,
            program.close,
            paths=program.paths,
            settings=program.settings,
            files=files,
            facts=program.facts,
            told_to_leave=program.told_to_leave,
            show_window=not hidden,
        )
    except REFUSALS as refusal:
        return _refused(refusal)


def demo(*, exit_when_done: bool, screenshot: str | None) -> int:
    """The real application in a throw-away home with eight scripts to run; returns the exit code (D11)."""
    from tidegate.desktop.virtual_display import DisplayUnavailable, virtual_display

    home = tempfile.mkdtemp(prefix="tidegate-demo-")
    picture = Path(screenshot) if screenshot else Path(tempfile.gettempdir()) / f"tidegate-demo-{os.getpid()}.png"
    if " " in str(picture):
        picture = Path("/tmp") / picture.name.replace(" ", "-")
    os.environ["TIDEGATE_HOME"] = home
    try:
        with virtual_display() as started:
            return _demo(exit_when_done or started, picture.absolute())
    except DisplayUnavailable as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _demo(exit_when_done: bool, picture: Path) -> int:
    program = _prepare("gui", {}, foreground=False)
    if isinstance(program, int):
        return program
    from tidegate.gui.application import run
    from tidegate.gui.demo import Demo

    running = picture.with_name(f"{picture.stem}-running.png")
    session = Demo(program.paths, program.facts, exit_when_done, running, picture)

    async def close(_stop_jobs: bool) -> None:
        # The home is thrown away, so nothing of it may go on.
        await program.close(stop_jobs=True)

    code = run(
        program.open,
        close,
        program.paths,
        program.settings,
        session=session,
        facts=program.facts,
        told_to_leave=program.told_to_leave,
    )
    if code == 0 and exit_when_done:
        print(f"Screenshot while running: {running}", file=sys.stderr)
        print(picture)
    return code

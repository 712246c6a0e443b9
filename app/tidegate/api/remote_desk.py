"""RemoteDesk: an engine in another process as a window sees it; over the same Protocol ``Desk`` as one in its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from typing import Any, TypeVar

from tidegate.api.client import ApiError, Client, NoEngine
from tidegate.api.decoding import decoder
from tidegate.api.following import Follower, get_jobs
from tidegate.api.mirror import Mirror
from tidegate.core.job import JobId
from tidegate.core.policy import Policy
from tidegate.engine.listeners import Listeners
from tidegate.engine.ports import (
    Answer,
    Change,
    Command,
    CommandResult,
    EngineUnwilling,
    Notice,
    Preview,
    SettingRefused,
    Submission,
    Submitted,
)
from tidegate.engine.views import (
    AutoView,
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
from tidegate.paths import Paths

T = TypeVar("T")
log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 120.0
HOLD_S = 5.0
THREADS = 4
ANSWERS = {"unknown": Answer.UNKNOWN, "refused": Answer.REFUSED, "usage": Answer.REFUSED}
"""What the kind of a failure means where one thing was asked of one conflict or hint."""
GONE = "The engine this window was attached to has ended. Nothing can be asked of it until an engine runs again."


class RemoteDesk:
    """Reads come from a mirror and never wait, but for those of history and logs, which belong on a thread.

    Listeners are called on the loop that ``open`` was awaited on.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._client = Client(paths)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._listeners = Listeners()
        self._watchers: tuple[Callable[[bool], None], ...] = ()
        self._online = False
        self._follower = Follower(self._client, self._deliver, self._tell)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="remote-desk")

    # --- the engine comes and goes -----------------------------------------------------------------------------------

    async def open(self, within_s: float = 10.0) -> None:
        """Load what there is and follow it from then on; raises NoEngine when none answers in time."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        loaded: asyncio.Future[None] = self._loop.create_future()

        def tell(online: bool) -> None:
            if online and not loaded.done():
                loaded.set_result(None)

        end = self.watch(tell)
        self._follower.start()
        try:
            async with asyncio.timeout(within_s):
                await loaded
        except TimeoutError:
            await self.close()
            silent = "The engine of this home does not answer; see its log, or: tidegate doctor"
            raise NoEngine(self.remark or silent) from None
        finally:
            end()

    async def close(self) -> None:
        """Stop listening; the engine goes on."""
        self._listeners, self._watchers = Listeners(), ()
        self._follower.stop()
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.get_running_loop().run_in_executor(None, self._follower.join, 1.0)

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]:
        """``watcher`` is called with False when the engine is gone (or is so now) and with True when it is back."""
        self._watchers = (*self._watchers, watcher)
        if not self._online:
            self._on_loop(lambda: watcher(False))

        def end() -> None:
            self._watchers = tuple(item for item in self._watchers if item is not watcher)

        return end

    @property
    def remark(self) -> str | None:
        """What a person should know of an engine that answers (it is of another version); watchers hear of it."""
        return self._follower.remark

    def _deliver(self, change: Change) -> None:
        self._on_loop(lambda: self._listeners.tell(change))

    def _tell(self, online: bool) -> None:
        self._on_loop(lambda: self._take_online(online))

    def _take_online(self, online: bool) -> None:
        self._online = online
        for watcher in self._watchers:
            watcher(online)

    def _on_loop(self, call: Callable[[], object]) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended before us
            self._loop.call_soon_threadsafe(call)

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def _known(self) -> Mirror:
        mirror = self._follower.mirror
        assert mirror is not None, "open comes first"
        return mirror

    @property
    def _may_wait(self) -> bool:
        """On the loop's own thread nothing may be asked of another process."""
        return threading.get_ident() != self._loop_thread

    def status(self) -> StatusView:
        return self._known.status

    def jobs(self, *, finished: int | None = 0, offset: int = 0, limit: int | None = None) -> list[JobView]:
        """Of more jobs than the mirror holds, the loop's own thread is given those that it does."""
        found, whole = self._known.jobs(finished, offset, limit)
        if whole or not self._may_wait:
            return found
        query = {"all": True if finished is None else None, "finished": finished, "offset": offset, "limit": limit}
        return self._answered(lambda: get_jobs(self._client, **query), found)

    def job(self, id: JobId) -> list[JobView]:
        """The loop's own thread is not given what has left the engine's memory."""
        found = self._known.job(id)
        # Of an array some elements may be known and others not.
        if not self._may_wait or (found and (id.index is not None or found[0].index is None)):
            return found
        return self._answered(lambda: self._get_job(id), found)

    def _get_job(self, id: JobId) -> list[JobView]:
        try:
            answer = self._client.get(f"/jobs/{id}")
        except ApiError as error:
            if error.kind != "unknown":
                raise
            return []
        return list(map(decoder(JobView), answer.get("jobs", [answer])))

    def _answered(self, ask: Callable[[], list[T]], otherwise: list[T]) -> list[T]:
        """What the engine answers; without an engine, what is known here."""
        try:
            return ask()
        except (NoEngine, ApiError) as error:
            log.info("%s", error)
            return otherwise

    def last_number(self) -> int | None:
        return self._known.last

    def queue_status(self, by: str = "queue") -> QueueStatusView:
        """Without an engine, and for the loop's own thread, nothing of either."""
        nothing = QueueStatusView(by)
        if not self._may_wait:
            return nothing
        asked = self._answered(lambda: [decoder(QueueStatusView)(self._client.get("/queue-status", by=by))], [nothing])
        return asked[0]

    def samples(self, since: float) -> list[MachineSample]:
        return self._list("/samples", "samples", MachineSample, since=since)

    def ticks(self, since: float | None, job: JobId | None, limit: int) -> list[TickView]:
        return self._list("/journal", "ticks", TickView, since=since, job=job, limit=limit)

    def notices(self, before: int | None, limit: int) -> list[Notice]:
        return self._list("/notices", "notices", Notice, before=before, limit=limit)

    def conflicts(self, *, closed: bool = False, limit: int | None = None) -> list[ConflictView]:
        if closed:
            return self._list("/conflicts", "conflicts", ConflictView, closed=True, limit=limit)
        return self._known.conflicts()[:limit]

    def hints(self, *, closed: bool = False, limit: int | None = None) -> list[HintView]:
        if closed:
            return self._list("/hints", "hints", HintView, closed=True, limit=limit)
        return self._known.hints()[:limit]

    def _list(self, path: str, name: str, kind: type[T], **query: object) -> list[T]:
        return self._answered(lambda: list(map(decoder(kind), self._client.get(path, **query)[name])), [])

    def strategies(self) -> StrategiesView:
        """Without an engine, and for the loop's own thread, nothing of them."""
        nothing = StrategiesView("", "", AutoView(""))
        if not self._may_wait:
            return nothing
        return self._answered(lambda: [decoder(StrategiesView)(self._client.get("/strategies"))], [nothing])[0]

    def settings(self) -> list[SettingView]:
        return self._known.settings()

    def read_log(self, id: JobId, attempt: int | None, offset: int, limit: int) -> LogChunk:
        """Without an engine from the file itself: it may grow on, and only the engine knows what was dropped of it."""
        try:
            piece = self._client.read_log(str(id), attempt, offset, limit, marks=False)
        except NoEngine:
            return self._read_file(id, attempt, offset, limit)
        except ApiError as error:
            if error.kind == "unknown":
                raise KeyError(str(id)) from error
            raise EngineUnwilling(error.sentence) from error
        number = piece.attempt or 1
        path = self._paths.job_log_name(str(id), number)
        return LogChunk(
            piece.data, piece.offset, piece.next_offset, piece.size, piece.dropped, piece.ended, path, number
        )

    def _read_file(self, id: JobId, attempt: int | None, offset: int, limit: int) -> LogChunk:
        from tidegate.engine.reading import read_log

        found = self._known.job(id)
        if not found:
            raise KeyError(str(id))
        number = attempt or max(1, found[0].attempts)
        path = self._paths.job_log_name(found[0].id, number)
        return read_log(path, offset, limit, found[0].status == "finished", None, number)

    # --- watching ----------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def changes(self, after: int | None) -> AsyncIterator[Change]:
        """After an event id comes everything that is known; then what changes."""
        return self._listeners.stream(None if after is None else self._everything)

    async def _everything(self) -> Change:
        return self._known.everything()

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _ask(self, call: Callable[[], T]) -> T:
        """Carry ``call`` out on a thread; a refusal and an absent engine become EngineUnwilling."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except NoEngine as error:
            log.info("%s", error)
            raise EngineUnwilling(GONE) from error
        except ApiError as error:
            raise EngineUnwilling(error.sentence) from error

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        # On the thread: a thousand of them take longer than the window's loop may.
        def post() -> list[Submitted]:
            body = {"submissions": [asdict(each) for each in submissions]}
            answer = self._client.post("/submissions", body, ANSWER_WITHIN_S)
            return list(map(decoder(Submitted), answer["jobs"]))

        answers = await self._ask(post)
        for each in answers:
            self._known.note(each.id.number if each.id is not None else 0)
        return answers

    async def preview(self, submission: Submission) -> Preview:
        body = {"submissions": [asdict(submission)]}
        answer = await self._ask(lambda: self._client.post("/submissions/preview", body, ANSWER_WITHIN_S))
        return decoder(Preview)(answer["jobs"][0])

    async def command(self, command: Command) -> list[CommandResult]:
        body = {each.name: getattr(command, each.name) for each in fields(command) if each.name != "verb"}
        body["ids"] = None if command.ids is None else [str(id) for id in command.ids]
        body["changes"] = dict(command.changes)
        answer = await self._ask(lambda: self._client.post(f"/actions/{command.verb}", body, ANSWER_WITHIN_S))
        return list(map(decoder(CommandResult), answer["results"]))

    async def resolve_conflict(self, id: int, way: str | None = None) -> CommandResult:
        return await self._settle_advice(f"/conflicts/{id}/resolve", {"way": way})

    async def apply_hint(self, id: int) -> CommandResult:
        return await self._settle_advice(f"/hints/{id}/apply")

    async def dismiss_hint(self, id: int) -> CommandResult:
        return await self._settle_advice(f"/hints/{id}/dismiss")

    async def _settle_advice(self, path: str, body: object = None) -> CommandResult:
        def post() -> CommandResult:
            try:
                answer = self._client.post(path, {} if body is None else body, ANSWER_WITHIN_S)
            except ApiError as error:
                if error.kind not in ANSWERS:
                    raise
                return CommandResult(None, ANSWERS[error.kind], error.sentence)
            return decoder(CommandResult)(answer["results"][0])

        return await self._ask(post)

    async def wait(self, ids: Sequence[JobId], timeout_s: float | None, any_one: bool = False) -> list[JobView] | None:
        """On a thread of its own, for it may take for ever; whoever gives up leaves it behind for some seconds."""
        if not ids:
            return []
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[JobView] | None] = loop.create_future()
        given_up = threading.Event()
        future.add_done_callback(lambda _future: given_up.set())

        def run() -> None:
            try:
                ended = self._wait([str(id) for id in ids], timeout_s, any_one, given_up)
            except (NoEngine, ApiError) as error:
                self._settle(loop, future, EngineUnwilling(GONE if isinstance(error, NoEngine) else error.sentence))
            else:
                self._settle(loop, future, ended)

        threading.Thread(target=run, name="tidegate-wait", daemon=True).start()
        return await future

    def _wait(
        self, ids: list[str], timeout_s: float | None, any_one: bool, given_up: threading.Event
    ) -> list[JobView] | None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not given_up.is_set() and not self._follower.closing:
            hold_s = HOLD_S if deadline is None else min(HOLD_S, max(0.0, deadline - time.monotonic()))
            body = {"ids": ids, "timeout_s": hold_s, "any_one": any_one}
            try:
                answer = self._client.patiently(lambda body=body: self._client.post("/wait", body))  # type: ignore[misc]
            except ApiError as error:
                if error.kind == "unknown":
                    return []
                raise
            if not answer["timed_out"]:
                return list(map(decoder(JobView), answer["jobs"]))
            if deadline is not None and time.monotonic() >= deadline:
                break
        return None

    def _settle(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], result: T | Exception) -> None:
        def set_it() -> None:
            if future.done():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(set_it)

    async def change_setting(self, name: str, text: str | None) -> SettingView:
        answer = await self._change("PUT", "/config", {"name": name, "value": text})
        return decoder(SettingView)(answer["setting"])

    async def change_settings(self, texts: Mapping[str, str]) -> list[SettingView]:
        answer = await self._change("PATCH", "/config", {"values": dict(texts)})
        return list(map(decoder(SettingView), answer["settings"]))

    async def reset_settings(self, names: Sequence[str] | None) -> list[SettingView]:
        body = {"names": None if names is None else list(names)}
        answer = await self._change("POST", "/config/reset", body)
        return list(map(decoder(SettingView), answer["settings"]))

    async def _change(self, method: str, path: str, body: object) -> dict[str, Any]:
        def change() -> dict[str, Any]:
            try:
                return self._client.request(method, path, body)[1]
            except ApiError as error:
                if error.kind != "usage":
                    raise
                raise SettingRefused(error.sentence) from None

        return await self._ask(change)

    async def set_policy(self, policy: Policy) -> None:  # noqa: ARG002
        """An engine in another process takes its policy from its settings only."""
        raise EngineUnwilling("The policy of another process's engine is changed through its settings.")

    async def shutdown(self, stop_jobs: bool) -> None:
        await self._ask(lambda: self._client.post("/shutdown", {"stop_jobs": stop_jobs}))

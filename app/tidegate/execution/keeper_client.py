"""The engine's side of the keeper: ``Processes`` over a unix socket on the engine's own event loop.

Nothing here waits: calls append to a buffer that is sent at once where the socket takes it, and events come back in
batches. When the connection breaks, the keeper is started again where needed, and every run is accounted for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tidegate.core.job import RunRef
from tidegate.engine.ports import (
    HelperLost,
    KnownRun,
    ProcessEvent,
    Reconnected,
    RunActionFailed,
    RunEnd,
    RunExited,
    RunLost,
    RunPaused,
    RunResumed,
    RunRevoked,
    RunStarted,
    RunStartFailed,
    StartRequest,
)
from tidegate.execution import PROTOCOL
from tidegate.execution.keeper_tree import TOKEN_VARIABLE
from tidegate.execution.processes import ProcessIdentity

_log = logging.getLogger(__name__)
_ANSWER_TIMEOUT_S = 10.0
_SPAWN_TIMEOUT_S = 3.0
_LOOK_AGAIN_S = 0.003
_RETRY_S = 1.0
_TRIES = 5
_ACK_DELAY_S = 0.05
_RECEIVE = 1 << 18
_NO_TRACE = "the process helper died, and no trace of this run was found afterwards"


class KeeperUnavailable(Exception):
    """The keeper cannot be started or does not answer; the text is one sentence."""


class _BrokenOff(KeeperUnavailable):
    """The connection ended before the answer to our hello."""


class KeeperProcesses:
    """Starts, signals and reaps local runs through the keeper. Use from the event loop's thread only."""

    def __init__(
        self,
        paths_socket: Path,
        spool: Path,
        log: Path,
        environments_dir: Path,
        clock: Callable[[], float],
        boot_id: str,
        *,
        kill_timeout_s: float = 10.0,
        stuck_timeout_s: float = 30.0,
    ) -> None:
        self.kill_timeout_s = kill_timeout_s
        self.stuck_timeout_s = stuck_timeout_s
        self.pid: int | None = None
        self._socket_path = paths_socket
        self._spool = spool
        self._log_path = log
        self._environments_dir = str(environments_dir)
        self._clock = clock
        self._boot_id = boot_id
        self._deliver: Callable[[Sequence[ProcessEvent]], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sock: socket.socket | None = None
        self._unread = b""
        self._unsent = bytearray()
        self._writing = False
        self._later: list[dict[str, object]] = []  # asked for while there was no connection
        self._acks: list[str] = []
        self._ack_timer: asyncio.TimerHandle | None = None
        self._runs: dict[str, str] = {}  # token -> "starting" | "running" | "paused"
        self._told: set[str] = set()  # ends delivered but not acknowledged
        self._early: list[list[Any]] = []  # events that came in one piece with the answer to our hello
        self._hello: asyncio.Future[dict[str, Any]] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._closing = False

    # --- connecting -------------------------------------------------------------------------------------------

    async def connect(self, deliver: Callable[[Sequence[ProcessEvent]], None], tokens: Iterable[str]) -> Reconnected:
        """Connect (starting the keeper if none lives); raises KeeperUnavailable."""
        if not hasattr(socket, "AF_UNIX"):
            raise KeeperUnavailable("Jobs cannot be started here: the process helper needs Linux or another Unix.")
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._closing = False
        answer = await self._open(tokens)
        alive: list[KnownRun] = []
        for token, pid, created, started_at, paused in answer["alive"]:
            self._runs[token] = "paused" if paused else "running"
            alive.append(KnownRun(token, RunRef(token, self._identity(pid, created)), started_at, paused))
        ended: list[RunEnd] = []
        for line in answer["ended"]:
            event = self._event(line)
            if isinstance(event, RunExited | RunStartFailed | RunRevoked):
                ended.append(event)
                self._told.add(event.token)
            elif isinstance(event, RunLost):
                _log.info("run %s is lost: %s", event.token, event.why)
                self.acknowledge((event.token,))
        self._loop.call_soon(self._release_early)  # after our caller has seen what we return
        self._send_later()
        return Reconnected(tuple(alive), tuple(ended), answer.get("since"))

    async def _open(self, tokens: Iterable[str]) -> dict[str, Any]:
        """A connection and the keeper's answer; tried again at once when we reached a keeper that was just ending."""
        wanted = list(tokens)
        for _ in range(_TRIES - 1):
            try:
                return await self._greet(wanted)
            except _BrokenOff as error:
                _log.info("%s", error)
        return await self._greet(wanted)

    async def _greet(self, tokens: list[str]) -> dict[str, Any]:
        sock = await self._reach()
        loop = self._running_loop()
        self._sock, self._unread, self._unsent, self._writing = sock, b"", bytearray(), False
        self._early.clear()
        self._hello = loop.create_future()
        self._gone = loop.create_future()
        loop.add_reader(sock.fileno(), self._readable)
        self._say({"hello": PROTOCOL, "tokens": tokens, "stuck_timeout_s": self.stuck_timeout_s})
        try:
            answer = await asyncio.wait_for(self._hello, _ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            self._disconnect()
            raise KeeperUnavailable(f"The process helper does not answer on {self._socket_path}.") from error
        finally:
            self._hello = None
        self.pid = answer["pid"]
        return answer

    async def _reach(self) -> socket.socket:
        """A connected socket; starts a keeper when nobody listens, again when it lost a race with one that left."""
        deadline = self._running_loop().time() + _ANSWER_TIMEOUT_S
        while True:
            sock = self._try_socket()
            if sock is not None:
                return sock
            starter = self._start_keeper()
            give_up = self._running_loop().time() + _SPAWN_TIMEOUT_S
            while sock is None and self._running_loop().time() < give_up:
                await asyncio.sleep(_LOOK_AGAIN_S)
                sock = self._try_socket()
            if starter.poll() is None:
                starter.kill()  # it should have detached itself long ago
            starter.wait()
            if sock is not None:
                return sock
            if self._running_loop().time() > deadline:
                raise KeeperUnavailable(f"The process helper does not start; its log is {self._log_path}.")

    def _try_socket(self) -> socket.socket | None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(str(self._socket_path))
        except OSError:
            sock.close()
            return None
        return sock

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        """Start it detached: it forks itself away from us, so neither our end nor a Ctrl-C reaches it."""
        program = str(Path(__file__).resolve().with_name("keeper.py"))
        command = [sys.executable, "-X", "utf8", "-I", "-S", program]
        command += ["--socket", str(self._socket_path), "--spool", str(self._spool)]
        command += ["--log", str(self._log_path), "--boot-id", self._boot_id]
        # Even where a job started us the keeper is no part of that job's run, and this is how it would be found.
        env = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE.decode()}
        nothing = subprocess.DEVNULL
        try:
            return subprocess.Popen(
                command, stdin=nothing, stdout=nothing, stderr=nothing, env=env, start_new_session=True
            )
        except OSError as error:
            raise KeeperUnavailable(f"The process helper cannot be started: {error.strerror}.") from error

    async def _reconnect(self) -> None:
        """After the connection broke: the same keeper again, or a new one, and an account of every run."""
        said = False
        while not self._closing:
            unsent = self._unsent_starts()
            try:
                answer = await self._open([token for token in self._runs if token not in unsent])
            except KeeperUnavailable as error:
                if not said:
                    _log.error("%s It is tried again every second.", error)
                said = True
                await asyncio.sleep(_RETRY_S)
                continue
            # Others may have been asked for while it was opened.
            self._account(answer, self._unsent_starts())
            self._release_early()
            self._send_later()
            return

    def _unsent_starts(self) -> set[str]:
        """Runs that no keeper has been asked for yet."""
        return {str(request["token"]) for message in self._later for request in _list(message.get("start"))}

    def _account(self, answer: dict[str, Any], unsent: set[str]) -> None:
        """Turn the keeper's answer into events for what we did not hear of."""
        events: list[ProcessEvent] = []
        found: set[str] = set()
        now = self._clock()
        for token, pid, created, started_at, paused in answer["alive"]:
            found.add(token)
            before = self._runs.get(token, "starting")
            if before == "starting":
                events.append(RunStarted(token, started_at, RunRef(token, self._identity(pid, created))))
            if paused and before != "paused":
                events.append(RunPaused(token, now))
            elif not paused and before == "paused":
                events.append(RunResumed(token, now))
            self._runs[token] = "paused" if paused else "running"
        for line in answer["ended"]:
            found.add(line[1])
            events.extend(self._take(line))
        for token in [token for token in self._runs if token not in found and token not in unsent]:
            del self._runs[token]
            events.append(RunLost(token, now, _NO_TRACE))
        self._hand_over(events)

    # --- what the engine asks ---------------------------------------------------------------------------------

    def start(self, requests: Sequence[StartRequest]) -> None:
        for request in requests:
            self._runs[request.token] = "starting"
        self._ask({"start": [self._request(request) for request in requests]})

    def revoke(self, tokens: Sequence[str]) -> None:
        self._ask({"revoke": list(tokens)})

    def pause(self, token: str) -> None:
        self._ask({"pause": [token]})

    def resume(self, token: str) -> None:
        self._ask({"resume": [token]})

    def terminate(self, token: str, grace_s: float) -> None:
        self._ask({"terminate": [[token, grace_s]]})

    def kill(self, token: str) -> None:
        self._ask({"kill": [token]})

    def acknowledge(self, tokens: Sequence[str]) -> None:
        self._acks.extend(tokens)
        self._told.difference_update(tokens)
        if self._ack_timer is None and self._loop is not None:
            self._ack_timer = self._loop.call_later(_ACK_DELAY_S, self._send_acks)

    async def close(self, stop_jobs: bool) -> None:
        """Leave. With ``stop_jobs`` all runs are ended within ``kill_timeout_s``, and the keeper too."""
        self._closing = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.gather(self._reconnecting, return_exceptions=True)
            self._reconnecting = None
        if self._ack_timer is not None:
            self._ack_timer.cancel()
        self._send_acks()
        if self._sock is not None and self._gone is not None:
            if stop_jobs:
                self._say({"close": {"grace_s": max(self.kill_timeout_s - 2.0, self.kill_timeout_s / 2)}})
                await asyncio.wait([self._gone], timeout=self.kill_timeout_s + 2.0)
            elif self._unsent:
                await asyncio.wait([self._gone], timeout=0.2)
        self._disconnect()

    def _request(self, request: StartRequest) -> dict[str, object]:
        environment = request.environment
        return {
            "token": request.token,
            "job": request.job,
            "attempt": request.attempt,
            "command": request.command,
            "cwd": request.cwd,
            "env_file": None if environment is None else f"{self._environments_dir}/{environment}.env",
            "extra": request.extra_environment,
            "log": request.log_path,
            "cap": request.log_cap_bytes,
            "out": request.stdout_path,
            "err": request.stderr_path,
            "behind": request.behind,
        }

    # --- the socket -------------------------------------------------------------------------------------------

    def set_timeouts(self, kill_s: float, stuck_s: float) -> None:
        """They hold at once, also for runs that are being ended."""
        self.kill_timeout_s = kill_s
        if stuck_s != self.stuck_timeout_s:
            self.stuck_timeout_s = stuck_s
            if self._sock is not None:
                self._ask({"stuck_timeout_s": stuck_s})

    def _ask(self, message: dict[str, object]) -> None:
        if self._sock is None or self._hello is not None:
            self._later.append(message)
        else:
            self._say(message)

    def _send_later(self) -> None:
        later, self._later = self._later, []
        for message in later:
            self._say(message)

    def _say(self, message: dict[str, object]) -> None:
        self._unsent += json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
        if not self._writing:
            self._writable()

    def _send_acks(self) -> None:
        self._ack_timer = None
        if self._acks:
            acks, self._acks = self._acks, []
            self._ask({"ack": acks})

    def _writable(self) -> None:
        sock, loop = self._sock, self._running_loop()
        if sock is None:
            return
        try:
            while self._unsent:
                del self._unsent[: sock.send(self._unsent)]
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                loop.add_writer(sock.fileno(), self._writable)
            return
        except OSError:
            return  # the reader hears of it as well and handles it
        if self._writing:
            self._writing = False
            loop.remove_writer(sock.fileno())

    def _readable(self) -> None:
        sock = self._sock
        if sock is None:
            return
        try:
            data = sock.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            self._handle_loss(error.strerror or str(error))
            return
        if not data:
            self._handle_loss("the process helper ended")
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        self._release_early()
        events: list[ProcessEvent] = []
        for line in lines:
            events.extend(self._handle_line(line))
        self._hand_over(events)

    def _handle_line(self, line: bytes) -> list[ProcessEvent]:
        message = json.loads(line)
        if "events" in message:
            if self._hello is not None:
                self._early.extend(message["events"])
                return []
            return [event for item in message["events"] for event in self._take(item)]
        if "hello" in message and self._hello is not None and not self._hello.done():
            self._hello.set_result(message)
        elif "refused" in message and self._hello is not None and not self._hello.done():
            self._hello.set_exception(KeeperUnavailable(f"The process helper cannot be used: {message['refused']}."))
        elif "replaced" in message:
            self._closing = True
            return [HelperLost(self._clock(), message["replaced"])]
        return []

    def _handle_loss(self, why: str) -> None:
        hello = self._hello
        self._disconnect()
        if hello is not None:
            if not hello.done():
                hello.set_exception(_BrokenOff(f"The process helper broke off: {why}."))
            return
        if self._closing:
            return
        _log.info("connection to the process helper lost: %s", why)
        self._hand_over([HelperLost(self._clock(), why)])
        self._reconnecting = self._running_loop().create_task(self._reconnect())

    def _disconnect(self) -> None:
        sock, self._sock, self.pid = self._sock, None, None
        if sock is None:
            return
        loop = self._running_loop()
        loop.remove_reader(sock.fileno())
        loop.remove_writer(sock.fileno())
        sock.close()
        self._writing = False
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise KeeperUnavailable("The process helper is not connected.")
        return self._loop

    # --- events -----------------------------------------------------------------------------------------------

    def _hand_over(self, events: list[ProcessEvent]) -> None:
        if events and self._deliver is not None:
            self._deliver(events)

    def _release_early(self) -> None:
        if self._hello is None and self._early:
            early, self._early = self._early, []
            self._hand_over([event for line in early for event in self._take(line)])

    def _take(self, line: list[Any]) -> list[ProcessEvent]:
        """One event of the keeper, noted; none when this end was delivered before."""
        event = self._event(line)
        match event:
            case RunStarted() | RunResumed():
                self._runs[event.token] = "running"
            case RunPaused():
                self._runs[event.token] = "paused"
            case RunExited() | RunStartFailed() | RunLost() | RunRevoked():
                self._runs.pop(event.token, None)
                if event.token in self._told:
                    return []
                self._told.add(event.token)
        return [event]

    def _event(self, line: list[Any]) -> ProcessEvent:
        kind, token, at = line[0], line[1], line[2]
        match kind:
            case "started":
                return RunStarted(token, at, RunRef(token, self._identity(line[3], line[4])))
            case "start_failed":
                return RunStartFailed(token, at, line[3])
            case "exited":
                code, number, cpu_s, peak, started_at, pid, created = line[3:10]
                return RunExited(token, at, code, number, cpu_s, peak, started_at, self._identity(pid, created))
            case "paused":
                return RunPaused(token, at)
            case "resumed":
                return RunResumed(token, at)
            case "lost":
                return RunLost(token, at, line[3])
            case "revoked":
                return RunRevoked(token, at)
            case "action_failed":
                return RunActionFailed(token, at, line[3], line[4])
        raise ValueError(f"unknown event {kind!r} from the process helper")

    def _identity(self, pid: int, created: float) -> str:
        return str(ProcessIdentity(self._boot_id, pid, created))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

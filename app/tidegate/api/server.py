"""The API thread: an own asyncio loop with uvicorn on a loopback port and a Unix socket at once.

FastAPI and uvicorn take a third of a second to import and 28 MiB; the thread does that itself while callers already
queue at the listening sockets, and in the tray application only when the first one calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tidegate.api.context import Api, ApiContext, Endpoint
from tidegate.api.listeners import (
    ApiStartError,
    identity,
    listen_tcp,
    listen_unix,
    remove_own,
    token,
    write_endpoint,
)
from tidegate.engine.ports import Desk

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

__all__ = ["ApiContext", "ApiStartError", "ApiThread", "Endpoint"]

STREAMS_END_WITHIN_S = 0.4
STOP_WITHIN_S = 1.0
LOADING_TRIES, LOAD_AGAIN_S = 4, 0.25
log = logging.getLogger(__name__)

_building = threading.Lock()
"""FastAPI turns a warning filter off and on while it reads routes; two threads at once would mix that up."""


class ApiThread:
    """Serves a desk over HTTP from its own thread."""

    def __init__(self, desk: Desk, context: ApiContext) -> None:
        self._desk = desk
        self._context = context
        self._thread: threading.Thread | None = None
        self._sockets: list[socket.socket] = []
        self._own_files: list[tuple[str, tuple[int, int] | None]] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._stop_asked = False
        self.serving = threading.Event()
        """Set once requests are answered; callers before that wait in line at the socket."""
        self.failure: str | None = None
        """Why the API does not answer, in one sentence, if it broke after ``start``."""

    @property
    def alive(self) -> bool:
        """True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Endpoint:
        """Open port and socket, write token and endpoint file, begin to serve. Raises ApiStartError."""
        paths = self._context.paths
        secret = token(paths.token_name)
        try:
            unix = listen_unix(paths.socket_name)
            if unix is not None:
                self._sockets.append(unix)
                self._own_files.append((paths.socket_name, identity(paths.socket_name)))
            tcp = listen_tcp(self._context.port)
            self._sockets.append(tcp)
            host, port = tcp.getsockname()
            endpoint = Endpoint(host, port, None if unix is None else paths.socket_name)
            self._write_endpoint(endpoint)
        except ApiStartError:
            self._leave()
            raise
        self._thread = threading.Thread(target=self._run, args=(secret,), name="tidegate-api", daemon=True)
        self._thread.start()
        return endpoint

    def stop(self) -> None:
        """Close everything, within a second even when streams are open. Safe to call twice, from any thread."""
        with self._lock:
            self._stop_asked = True
            if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._leave()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_WITHIN_S)
            if self._thread.is_alive():
                # One that is still loading has promised nothing to anybody.
                level = logging.WARNING if self.serving.is_set() else logging.INFO
                log.log(level, "the API thread is still busy after %g s and is left behind", STOP_WITHIN_S)

    def _write_endpoint(self, endpoint: Endpoint) -> None:
        name = self._context.paths.endpoint_name
        facts = {
            "pid": os.getpid(),
            "kind": self._context.kind,
            "version": self._context.version,
            "host": endpoint.host,
            "port": endpoint.port,
            "socket": endpoint.socket,
            "started_at": time.time(),
        }
        write_endpoint(name, facts)
        self._own_files.append((name, identity(name)))

    def _leave(self) -> None:
        """Take our files away, so that nobody calls; the thread closes the sockets itself once it runs."""
        for name, own in self._own_files:
            remove_own(name, own)
        self._own_files = []
        if self._thread is None:
            for sock in self._sockets:
                sock.close()
            self._sockets = []

    def _run(self, secret: str) -> None:
        try:
            asyncio.run(self._serve(secret))
        except Exception as error:
            self.failure = f"The API ended by itself ({type(error).__name__}: {error}); jobs are not affected."
            log.critical(self.failure, exc_info=error)
        finally:
            for sock in self._sockets:
                sock.close()

    async def _serve(self, secret: str) -> None:
        stopping = asyncio.Event()
        with self._lock:
            self._loop, self._stopping = asyncio.get_running_loop(), stopping
            if self._stop_asked:
                return
        if self._context.patient:
            await self._somebody(stopping)
            if stopping.is_set():
                return
        make_application = await _load()
        with _building:
            if self._is_asked_to_stop():  # while it was loading, when this loop could not hear of it
                return
            application = make_application(Api(self._desk, self._context, stopping), secret)
        await _make_server(application, stopping, self.serving).serve(sockets=self._sockets)

    def _is_asked_to_stop(self) -> bool:
        with self._lock:
            return self._stop_asked

    async def _somebody(self, stopping: asyncio.Event) -> None:
        """Until a caller stands in line, or the end comes first."""
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        for sock in self._sockets:
            loop.add_reader(sock, called.set)
        waits = [asyncio.ensure_future(event.wait()) for event in (called, stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for sock in self._sockets:
            loop.remove_reader(sock)


async def _load() -> Callable[[Api, str], ASGIApp]:
    """Import what takes long, again if that fails.

    While other threads import too, Python 3.11 may take their locks for a deadlock and hand out a half-made module
    (seen once in hundreds of starts, on a busy machine); what failed so is whole the next time.
    """
    for turn in range(LOADING_TRIES):
        try:
            import uvicorn  # noqa: F401

            from tidegate.api.application import make_application

            return make_application
        except ImportError as error:
            if turn == LOADING_TRIES - 1:
                raise
            log.info("the API is loaded once more: %s", error)
            await asyncio.sleep(LOAD_AGAIN_S)
    raise AssertionError("unreachable")


def _make_server(application: ASGIApp, stopping: asyncio.Event, serving: threading.Event) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """uvicorn without its own signal handlers (the program has its own) and without its ten wake-ups a second."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def main_loop(self) -> None:
            await self.on_tick(0)
            serving.set()
            await stopping.wait()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            # What is still open belongs to clients that do not read: their last bytes are given up.
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)

    config = uvicorn.Config(
        application,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        lifespan="off",
        interface="asgi3",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=64 * 1024,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=2048,
        timeout_keep_alive=30,
    )
    config.timeout_graceful_shutdown = STREAMS_END_WITHIN_S  # type: ignore[assignment]
    return Server(config)

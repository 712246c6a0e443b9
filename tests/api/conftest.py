"""A real API thread over a FakeDesk, in a throw-away home, with a client on its Unix socket and raw calls over TCP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.fake_desk import FakeDesk
from support.until import until
from tidegate.api.client import Client
from tidegate.api.server import ApiContext, ApiThread, Endpoint
from tidegate.paths import Paths
from tidegate.settings import Settings, load
from tidegate.submission.request import MachineFacts
from tidegate.wiring.live_settings import LiveSettings

GIB = 1024**3
FACTS = MachineFacts(cores=8, memory_total_bytes=32 * GIB, memory_line_bytes=28 * GIB)


@dataclass
class Served:
    """A running API and everything a test wants to know of it."""

    desk: FakeDesk
    paths: Paths
    thread: ApiThread
    endpoint: Endpoint
    client: Client
    applied: list[Settings] = field(default_factory=list)

    @property
    def token(self) -> str:
        return self.paths.token_file.read_text().strip()

    def tcp(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """One call over TCP with exactly these headers (``_`` stands for ``-``); status, headers, JSON."""
        connection = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port, timeout=10)
        try:
            data = None if body is None else json.dumps(body).encode()
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if data is not None:
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(answer.read())
        finally:
            connection.close()

    def with_token(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        status, _, found = self.tcp(method, path, body, Authorization=f"Bearer {self.token}")
        return status, found


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def serve(paths: Paths, desk: FakeDesk) -> Iterator[Callable[..., Served]]:
    """Start an API; what it serves is stopped at the end of the test."""
    running: list[ApiThread] = []

    def start(
        port: int | None = None, desk: FakeDesk = desk, paths: Paths = paths, ready: bool = True, kind: str = "test"
    ) -> Served:
        current = [load(paths, {})]
        applied: list[Settings] = []

        def apply(settings: Settings) -> None:
            current[0] = settings
            applied.append(settings)

        desk.kept_settings = LiveSettings(lambda: current[0], apply, paths, {})
        context = ApiContext(paths, lambda: current[0], lambda: FACTS, kind, port, "0.1.0")
        thread = ApiThread(desk, context)
        endpoint = thread.start()
        running.append(thread)
        assert not ready or thread.serving.wait(30), thread.failure
        return Served(desk, paths, thread, endpoint, Client(paths), applied)

    yield start
    for thread in running:
        thread.stop()
    until(lambda: not any(thread.alive for thread in running))


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()

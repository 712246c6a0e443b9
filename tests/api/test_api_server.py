"""The API thread itself: where it listens, what it leaves, and that it stops within a second whatever is open."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.conftest import Served
from support.fake_desk import FakeDesk
from support.until import until
from tidegate.api import server
from tidegate.api.application import make_application
from tidegate.api.client import ApiError, Client, NoEngine
from tidegate.api.listeners import ApiStartError, token
from tidegate.paths import Paths


def test_it_says_where_it_is(served: Served) -> None:
    found = json.loads(served.paths.endpoint_file.read_text())
    assert found == {
        "pid": os.getpid(),
        "kind": "test",
        "version": "0.1.0",
        "host": "127.0.0.1",
        "port": served.endpoint.port,
        "socket": served.paths.socket_name,
        "started_at": pytest.approx(time.time(), abs=60),
    }
    assert served.endpoint.socket == served.paths.socket_name


def test_the_wanted_port_is_taken_when_it_is_free(serve: Callable[..., Served]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert serve(port=port).endpoint.port == port


def test_a_port_in_use_is_no_obstacle(serve: Callable[..., Served], caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        served = serve(port=other.getsockname()[1])
        assert served.endpoint.port != other.getsockname()[1]
        assert served.tcp("GET", "/health")[0] == 200
    assert "is not free" in caplog.text


def test_only_loopback_is_opened(served: Served) -> None:
    assert served.endpoint.host == "127.0.0.1"


def test_the_token_is_made_once(serve: Callable[..., Served]) -> None:
    first = serve()
    before = first.token
    assert len(before) >= 43
    first.thread.stop()
    assert serve().token == before


def test_a_useless_token_file_is_replaced_and_closed(paths: Paths) -> None:
    paths.token_file.write_text("short\n")
    made = token(paths.token_name)
    assert len(made) >= 43
    assert token(paths.token_name) == made
    paths.token_file.chmod(0o644)
    assert token(paths.token_name) == made
    assert paths.token_file.stat().st_mode & 0o777 == 0o600
    paths.token_file.write_bytes(b"\xff" * 50)
    assert token(paths.token_name) != made


def test_a_stale_socket_is_replaced(serve: Callable[..., Served], paths: Paths) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(paths.socket_name)
    stale.close()
    assert os.path.exists(paths.socket_name)
    assert serve().client.alive()


def test_a_socket_somebody_listens_on_is_left_alone(serve: Callable[..., Served], paths: Paths) -> None:
    first = serve()
    with pytest.raises(ApiStartError, match="Another engine already listens"):
        serve()
    assert first.client.alive()
    assert paths.endpoint_file.exists()


def test_a_folder_in_the_way_is_said(serve: Callable[..., Served], paths: Paths) -> None:
    Path(paths.socket_name).mkdir()
    with pytest.raises(ApiStartError, match="a folder lies in its place"):
        serve()


def test_nothing_is_left_behind(served: Served) -> None:
    assert served.client.alive()
    served.thread.stop()
    assert not os.path.exists(served.paths.socket_name)
    assert not served.paths.endpoint_file.exists()
    assert not served.thread.alive
    with pytest.raises(NoEngine, match="No engine is running"):
        served.client.get("/status")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((served.endpoint.host, served.endpoint.port), timeout=2)
    served.thread.stop()


def test_files_of_the_next_engine_are_not_removed(serve: Callable[..., Served], paths: Paths) -> None:
    first = serve()
    os.unlink(paths.socket_name)
    second = serve()
    first.thread.stop()
    assert os.path.exists(paths.socket_name)
    assert paths.endpoint_file.exists()
    assert second.client.alive()


def test_it_may_be_stopped_before_it_ever_served(serve: Callable[..., Served]) -> None:
    served = serve(ready=False)
    began = time.monotonic()
    served.thread.stop()
    assert time.monotonic() - began < 1.5
    until(lambda: not served.thread.alive)


def test_it_stops_within_a_second_with_everything_open(served: Served) -> None:
    desk, client = served.desk, served.client
    desk.add()
    desk.start("1")
    desk.write_log("1", b"x")
    events = client.stream("/events")
    next(events)
    log = client.stream("/jobs/1/log?follow=1")
    next(log)
    ends: list[object] = []

    def ask() -> None:
        try:
            ends.append(client.post("/wait", {"ids": ["1"]}))
        except (ApiError, NoEngine) as error:
            ends.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    silent = socket.create_connection((served.endpoint.host, served.endpoint.port))
    until(lambda: desk.listeners == 2)
    began = time.monotonic()
    served.thread.stop()
    assert time.monotonic() - began < 1.0
    until(lambda: not served.thread.alive)
    waiting.join(10)
    assert isinstance(ends[0], ApiError)
    assert ends[0].kind == "closing"
    assert desk.listeners == 0
    silent.close()


def test_a_client_that_never_reads_cannot_hold_it(served: Served) -> None:
    served.desk.add()
    served.desk.write_log("1", bytes(32 * 1024 * 1024))
    with socket.socket(socket.AF_UNIX) as lazy:
        lazy.connect(served.paths.socket_name)
        lazy.sendall(b"GET /api/v1/jobs/1/log?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert lazy.recv(100)
        began = time.monotonic()
        served.thread.stop()
        assert time.monotonic() - began < 1.2
        until(lambda: not served.thread.alive)


def test_it_takes_no_signal_handlers(served: Served) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    assert served.client.alive()
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_broken_application_is_said_and_harms_nobody(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import tidegate.api.application

    def broken(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(tidegate.api.application, "make_application", broken)
    served = serve(ready=False)
    until(lambda: served.thread.failure)
    assert "no such thing" in (served.thread.failure or "")
    with pytest.raises(NoEngine):
        served.client.get("/status")


def test_the_desk_is_asked_on_the_api_loop_not_the_callers(serve: Callable[..., Served]) -> None:
    threads: set[str] = set()

    class Watching(FakeDesk):
        async def wait(self, *args: object, **kwargs: object) -> list[object]:  # type: ignore[override]
            threads.add(threading.current_thread().name)
            await asyncio.sleep(0)
            return []

    served = serve(desk=Watching())
    served.desk.add()
    Client(served.paths).post("/wait", {"ids": ["1"]})
    assert threads == {"tidegate-api"}


@pytest.mark.skipif(sys.platform == "win32", reason="there the API loads at once")
@pytest.mark.parametrize("way", ["socket", "port"])
def test_in_the_tray_it_loads_for_its_first_caller(serve: Callable[..., Served], way: str) -> None:
    served = serve(kind="gui", ready=False)
    assert not served.thread.serving.wait(0.2)
    assert served.client.alive() if way == "socket" else served.tcp("GET", "/health")[0] == 200
    assert served.thread.serving.is_set()


def test_in_the_tray_it_ends_although_nobody_ever_called(serve: Callable[..., Served]) -> None:
    served = serve(kind="gui", ready=False)
    served.thread.stop()
    assert not served.thread.alive
    assert not served.thread.serving.is_set()


@pytest.mark.skipif(sys.platform == "win32", reason="there the API loads at once")
def test_fifty_first_callers_are_all_answered(serve: Callable[..., Served]) -> None:
    served = serve(kind="gui", ready=False)
    with ThreadPoolExecutor(50) as callers:
        assert all(callers.map(lambda _: served.client.request("GET", "/health")[0] == 200, range(50)))


@pytest.mark.skipif(sys.platform == "win32", reason="there the API loads at once")
def test_one_that_is_told_to_stop_while_it_loads_serves_nothing(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr("tidegate.api.application.make_application", lambda *_: made.append(_))
    monkeypatch.setattr(server, "STOP_WITHIN_S", 0.05)
    with server._building:  # as long as this is held it is loading
        served = serve(kind="gui", ready=False)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(served.paths.socket_name)
            served.thread.stop()
            assert not served.paths.socket.exists()
    until(lambda: not served.thread.alive)
    assert (made, served.thread.failure, served.thread.serving.is_set()) == ([], None, False)


def test_an_import_that_another_thread_disturbs_is_done_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "LOAD_AGAIN_S", 0.01)
    caplog.set_level("INFO", "tidegate.api.server")

    async def load() -> object:
        with monkeypatch.context() as disturbed:
            disturbed.setitem(sys.modules, "tidegate.api.application", None)
            loading = asyncio.ensure_future(server._load())
            await asyncio.sleep(0)
        return await loading

    assert asyncio.run(load()) is make_application
    assert "loaded once more" in caplog.text

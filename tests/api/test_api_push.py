"""Push: changes over server-sent events and WebSocket, heartbeats, resuming, and leaving nothing behind."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect, unix_connect

from api.conftest import Served
from support.fake_desk import FakeDesk
from support.until import until
from tidegate.api.client import ApiError, Client


def collect(served: Served, count: int, after: str | int | None = None) -> Callable[[], list[dict[str, Any]]]:
    """Gather ``count`` events in a thread; the returned function waits for them."""
    found: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: found.extend(itertools.islice(served.client.events(after), count)), daemon=True
    )
    before = served.desk.listeners
    thread.start()
    until(lambda: served.desk.listeners > before or not thread.is_alive())

    def finish() -> list[dict[str, Any]]:
        thread.join(10)
        assert not thread.is_alive(), f"only {found} arrived"
        until(lambda: served.desk.listeners == before)
        return found

    return finish


def test_changes_arrive_with_ids_and_only_what_changed(served: Served) -> None:
    events = collect(served, 4)
    served.desk.add(name="caf\udce9")
    served.desk.set_status(mode="HIGH")
    served.desk.notify("Paused", "Memory was short.", "1", "warning")
    served.desk.forget("1")
    job, status, notice, gone = events()
    assert [change["event_id"] for change in (job, status, notice, gone)] == [1, 2, 3, 4]
    assert job["jobs"][0]["name"] == "caf\udce9"
    assert "status" not in job
    assert status["status"]["mode"] == "HIGH"
    assert notice["notice"]["job"] == "1"
    assert gone["gone"] == ["1"]


def test_a_client_resumes_after_the_last_event_it_saw(served: Served) -> None:
    events = collect(served, 1)
    for _ in range(4):
        served.desk.add()
    [first] = events()
    [missed] = collect(served, 1, after=first["cursor"])()
    assert missed["event_id"] == 4
    assert [job["id"] for job in missed["jobs"]] == ["2", "3", "4"]
    assert missed["status"]["counts"]["queued"] == 4
    [missed] = collect(served, 1, after=3)()
    assert [job["id"] for job in missed["jobs"]] == ["4"]


def test_a_cursor_from_another_engine_is_said(served: Served) -> None:
    for cursor in ("5000", "1700000000000-0"):
        before = served.desk.add().id
        events = collect(served, 2, after=cursor)
        after = served.desk.add().id
        reset, change = events()
        assert reset == {"reset": True}
        assert [job["id"] for job in change["jobs"]] == [after] != [before]


@pytest.mark.parametrize("cursor", ["x", "1-x", "x-1", "-", "²", "--1"])
def test_a_cursor_that_was_never_given_is_refused(served: Served, cursor: str) -> None:
    with pytest.raises(ApiError) as caught:
        served.client.get("/events", after=cursor)
    assert (caught.value.kind, caught.value.field) == ("usage", "after")


def test_the_stream_is_plain_server_sent_events(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.api.push.HEARTBEAT_S", 0.05)
    stream = served.client.stream("/events")
    text = b""
    while b"heartbeat" not in text:
        text += next(stream)
    served.desk.sample(at=7.0)
    while b"data" not in text or not text.endswith(b"\n\n"):
        text += next(stream)
    assert text.startswith(b"retry: 1000\n\n: heartbeat\n\n")
    assert b"-1\nevent: change\ndata: {" in text
    stream.close()  # type: ignore[attr-defined]


def test_a_client_that_leaves_leaves_no_subscription(served: Served) -> None:
    stream = served.client.stream("/events")
    next(stream)
    until(lambda: served.desk.listeners == 1)
    stream.close()  # type: ignore[attr-defined]
    until(lambda: served.desk.listeners == 0)


def test_a_burst_arrives_whole_and_in_order(served: Served) -> None:
    events = collect(served, 500)
    for _ in range(500):
        served.desk.sample()
    assert [change["event_id"] for change in events()] == list(range(1, 501))


def socket_of(served: Served, way: str, query: str = "") -> Any:
    address = f"ws://127.0.0.1:{served.endpoint.port}/api/v1/ws{query}"
    if way == "unix":
        return unix_connect(served.paths.socket_name, address)
    return connect(address, additional_headers={"Authorization": f"Bearer {served.token}"})


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_a_websocket_gets_the_same(served: Served, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.api.push.HEARTBEAT_S", 0.05)
    with socket_of(served, way) as line:
        assert json.loads(line.recv(10)) == {"heartbeat": True}
        served.desk.add(name="first")
        messages: Iterator[Any] = (json.loads(line.recv(10)) for _ in itertools.count())
        change = next(message for message in messages if "event_id" in message)
        assert change["jobs"][0]["name"] == "first"
    until(lambda: served.desk.listeners == 0)


def test_a_websocket_resumes(served: Served) -> None:
    for _ in range(3):
        served.desk.add()
    with socket_of(served, "unix", "?after=1") as line:
        assert [job["id"] for job in json.loads(line.recv(10))["jobs"]] == ["2", "3"]
    with socket_of(served, "unix", "?after=77") as line:
        assert json.loads(line.recv(10)) == {"reset": True}


def test_a_client_goes_on_with_the_engine_that_takes_over(serve: Callable[..., Served]) -> None:
    first = serve()
    seen: list[dict[str, Any]] = []

    def listen() -> None:
        for event in Client(first.paths).events():
            seen.append(event)
            if len(seen) == 3:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    until(lambda: first.desk.listeners)
    for _ in range(2):
        first.desk.sample()
    until(lambda: len(seen) == 2)
    first.thread.stop()
    serve(desk=FakeDesk())
    thread.join(10)
    assert seen[2] == {"reset": True}


def test_a_websocket_is_told_when_the_server_stops(served: Served) -> None:
    with socket_of(served, "tcp") as line:
        until(lambda: served.desk.listeners == 1)
        served.thread.stop()
        with pytest.raises(ConnectionClosed) as caught:
            line.recv(10)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012

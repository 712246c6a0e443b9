"""The door: token, Host and Origin over TCP, nothing of it on the Unix socket, for HTTP and WebSocket alike."""

from __future__ import annotations

import os
import stat

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.conftest import Served

STATUS = "/api/v1/status"


def test_tcp_needs_the_token(served: Served) -> None:
    status, headers, found = served.tcp("GET", STATUS)
    assert (status, found["error"]["kind"]) == (401, "unauthorised")
    assert headers["www-authenticate"] == "Bearer"
    for wrong in ("Bearer", "Bearer ", "Bearer nope", f"Basic {served.token}", f"Bearer {served.token}x", served.token):
        assert served.tcp("GET", STATUS, Authorization=wrong)[0] == 401
    assert served.with_token("GET", STATUS)[0] == 200
    assert served.tcp("GET", STATUS, authorization=f"bearer {served.token}")[0] == 200


def test_a_refused_submit_never_reaches_the_desk(served: Served) -> None:
    body = {"jobs": [{"command": ["true"]}], "cwd": "/", "environment": {"PATH": os.environ["PATH"]}}
    assert served.tcp("POST", "/api/v1/jobs", body)[0] == 401
    assert served.desk.submitted == []
    assert served.with_token("POST", "/api/v1/jobs", body)[0] == 200
    assert len(served.desk.submitted) == 1


@pytest.mark.parametrize("path", ["/health", "/ready", "/api/v1/health", "/api/v1/ready"])
def test_health_needs_no_token_but_a_local_host(served: Served, path: str) -> None:
    assert served.tcp("GET", path)[0] == 200
    assert served.tcp("GET", path, Host="evil.example")[0] == 403


def test_only_loopback_names_are_heard(served: Served) -> None:
    port = served.endpoint.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", "LOCALHOST", "127.0.0.1:9000"):
        assert served.tcp("GET", STATUS, Host=host, Authorization=f"Bearer {served.token}")[0] == 200
    for host in (
        "rebound.example",
        f"rebound.example:{port}",
        "127.0.0.1.example",
        "localhost.example",
        "localhost:80:80",
        "localhost:x",
        "127.0.0.2",
        "0.0.0.0",
        f"user@localhost:{port}",
        "",
    ):
        status, _, found = served.tcp("GET", STATUS, Host=host, Authorization=f"Bearer {served.token}")
        assert (status, found["error"]["kind"]) == (403, "forbidden"), host


def test_only_our_own_origin_is_heard(served: Served) -> None:
    port = served.endpoint.port
    host = f"127.0.0.1:{port}"

    def status(origin: str) -> int:
        return served.tcp("GET", STATUS, Host=host, Origin=origin, Authorization=f"Bearer {served.token}")[0]

    assert status(f"http://{host}") == 200
    for origin in (
        "http://evil.example",
        "null",
        f"https://{host}",
        "http://127.0.0.1",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port + 1}",
        "",
    ):
        assert status(origin) == 403, origin


def test_two_of_a_header_match_nothing(served: Served) -> None:
    import http.client
    import json

    connection = http.client.HTTPConnection(served.endpoint.host, served.endpoint.port, timeout=10)
    connection.putrequest("GET", STATUS)
    connection.putheader("Authorization", f"Bearer {served.token}")
    connection.putheader("Authorization", f"Bearer {served.token}")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 401
    assert json.loads(answer.read())["error"]["kind"] == "unauthorised"
    connection.close()


def test_the_unix_socket_needs_no_token_and_is_private(served: Served) -> None:
    assert served.client.get("/status")["mode"] == "NORMAL"
    assert stat.S_IMODE(os.stat(served.paths.socket_name).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(served.paths.token_name).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(served.paths.endpoint_name).st_mode) == 0o600


def test_a_websocket_is_judged_like_a_request(served: Served) -> None:
    url = f"ws://127.0.0.1:{served.endpoint.port}/api/v1/ws"
    own = {"Authorization": f"Bearer {served.token}"}
    with pytest.raises(InvalidStatus) as caught:
        connect(url)
    assert caught.value.response.status_code == 401
    assert b"Authorization" in caught.value.response.body
    with pytest.raises(InvalidStatus) as caught:
        connect(url, additional_headers=own, origin="http://evil.example")  # type: ignore[arg-type]
    assert caught.value.response.status_code == 403
    with connect(url, additional_headers=own):
        pass
    assert served.client.alive()


def test_chunked_bodies_are_bounded_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import http.client
    import json

    monkeypatch.setattr("tidegate.api.security.MAX_BODY_BYTES", 100_000)
    connection = http.client.HTTPConnection(served.endpoint.host, served.endpoint.port, timeout=10)
    headers = {"Authorization": f"Bearer {served.token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/wait", iter([b" " * 50_000] * 3), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    assert "too large" in json.loads(answer.read())["error"]["sentence"]
    connection.close()

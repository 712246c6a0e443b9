"""The client's own parts: its JSON, its errors, its patience, starting an engine, and how little it imports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tidegate
from api.conftest import Served
from support.fake_desk import FakeDesk
from support.until import until
from tidegate.api import client as client_module
from tidegate.api.client import ApiError, Client, Disconnected, NoEngine, start_engine, with_query
from tidegate.api.wire import _connect_tcp, parse_json, to_json
from tidegate.paths import Paths, find_paths

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(anything)
def test_json_there_and_back(value: object) -> None:
    assert parse_json(to_json(value).encode("ascii")) == value
    assert json.loads(to_json(value)) == value


@given(st.binary())
def test_any_bytes_survive_as_json(name: bytes) -> None:
    assert os.fsencode(parse_json(to_json(os.fsdecode(name)).encode("ascii"))) == name


@pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b"{} x", b"<html>", b"nul"])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not JSON|Expecting|delimiter|enclosed|Illegal"):
        parse_json(text)


def test_json_may_be_spaced() -> None:
    assert parse_json(b' {"a": [1, 2.5, true, null]}\n') == {"a": [1, 2.5, True, None]}


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes cannot be sent as JSON"):
        to_json({"a": b"x"})


def test_queries_are_quoted() -> None:
    assert with_query("/x", {"a": None, "b": True, "c": "a b&c", "d": 1.5}) == "/x?b=1&c=a%20b%26c&d=1.5"
    assert with_query("/x", {}) == "/x"


def test_importing_it_loads_nothing_slow(tmp_path: Path) -> None:
    program = "import sys; before = set(sys.modules); import tidegate.api.client; print(*set(sys.modules) - before)"
    app = Path(tidegate.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {os.fspath(app)!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(done.stdout.split()) & {"json", "socket", "re", "enum", "dataclasses", "pathlib", "http", "typing"}


def test_no_engine_is_one_sentence(paths: Paths) -> None:
    client = Client(paths)
    assert not client.alive()
    with pytest.raises(NoEngine) as caught:
        client.get("/status")
    assert str(caught.value) == "No engine is running; start one with: tidegate serve"
    with pytest.raises(NoEngine):
        _connect_tcp(paths, 1.0)


def test_tcp_is_the_way_where_there_are_no_unix_sockets(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.api.wire._connect", _connect_tcp)
    assert served.client.get("/status")["mode"] == "NORMAL"


class Odd:
    """A server on the engine's socket that says what a test wants, once per call."""

    def __init__(self, paths: Paths, *answers: bytes | None) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.bind(paths.socket_name)
        self._line.listen()
        self._answers = answers
        self._release = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            caller, _ = self._line.accept()
            with caller:
                caller.recv(65536)
                if answer is None:
                    self._release.wait(10)
                else:
                    caller.sendall(answer)

    def close(self) -> None:
        self._release.set()
        self._thread.join(10)
        self._line.close()


def test_an_engine_that_hangs_up_is_noticed(paths: Paths) -> None:
    odd = Odd(paths, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")
    for _ in range(2):
        with pytest.raises(Disconnected):
            Client(paths).get("/status")
    odd.close()


def test_an_engine_that_hangs_is_noticed(paths: Paths) -> None:
    odd = Odd(paths, None)
    with pytest.raises(NoEngine, match="does not answer"):
        Client(paths, timeout_s=0.1).get("/status")
    odd.close()


def test_a_stranger_on_the_socket_is_an_error_not_a_crash(paths: Paths) -> None:
    page = b"<html>sorry</html>"
    odd = Odd(paths, b"HTTP/1.1 502 Bad\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
    with pytest.raises(ApiError) as caught:
        Client(paths).get("/status")
    assert (caught.value.status, caught.value.kind) == (502, "internal")
    assert "sorry" in caught.value.sentence
    odd.close()


def test_chunks_may_be_cut_anywhere(paths: Paths) -> None:
    whole = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4;x=y\r\n": 1\r\n1\r\n}\r\n0\r\n\r\n'
    line = socket.socket(socket.AF_UNIX)
    line.bind(paths.socket_name)
    line.listen()

    def serve() -> None:
        caller, _ = line.accept()
        with caller:
            caller.recv(65536)
            for byte in whole:
                caller.sendall(bytes([byte]))

    thread = threading.Thread(target=serve)
    thread.start()
    assert Client(paths).get("/status") == {"a": 1}
    thread.join(10)
    line.close()


def test_waiting_survives_an_engine_that_is_replaced(serve: Callable[..., Served]) -> None:
    first = serve()
    first.desk.add()
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(Client(first.paths).wait(["1"])))
    waiting.start()
    until(lambda: first.desk.listeners)
    first.thread.stop()
    second = serve(desk=FakeDesk())
    second.desk.add()
    second.desk.finish("1", "failed", 4)
    waiting.join(15)
    assert [job["exit_code"] for job in found[0]] == [4]  # type: ignore[attr-defined]


def test_following_survives_an_engine_that_is_replaced(serve: Callable[..., Served]) -> None:
    first, second_desk = serve(), FakeDesk()
    for desk in (first.desk, second_desk):
        desk.add()
        desk.write_log("1", b"one\n")
    pieces: list[bytes] = []
    following = threading.Thread(target=lambda: pieces.extend(Client(first.paths).follow_log("1")))
    following.start()
    until(lambda: b"".join(pieces) == b"one\n")
    first.thread.stop()
    second_desk.write_log("1", b"two\n")
    second_desk.finish("1")
    serve(desk=second_desk)
    following.join(15)
    assert b"".join(pieces) == b"one\ntwo\n"


def test_patience_has_an_end(paths: Paths) -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise NoEngine("gone")

    with pytest.raises(NoEngine):
        Client(paths).patiently(call, patience_s=0.25)
    assert len(calls) >= 2


def test_a_refusal_is_not_tried_again(served: Served) -> None:
    with pytest.raises(ApiError):
        served.client.wait(["99"])


PROGRAM = """
import os, socket, sys
name = os.path.join(os.environ["TIDEGATE_HOME"], "run", "api.sock")
assert sys.argv[1:] == ["serve", "--auto"], sys.argv
line = socket.socket(socket.AF_UNIX)
line.bind(name)
line.listen()
while True:
    caller, _ = line.accept()
    asked = caller.recv(65536)
    caller.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    caller.close()
    if b"/leave" in asked:
        break
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """Puts a small stand-in in the place of ``python -m tidegate``; gives the environment that finds it."""

    def install(text: str) -> dict[str, str]:
        (tmp_path / "tidegate.py").write_text(text)
        return {**os.environ, "PYTHONPATH": os.fspath(tmp_path)}

    return install


def test_starting_an_engine_waits_until_it_answers(
    home: Path, paths: Paths, program: Callable[[str], dict[str, str]]
) -> None:
    client = start_engine(paths, {**program(PROGRAM), "TIDEGATE_HOME": os.fspath(home)})
    assert client.alive()
    client.get("/leave")
    until(lambda: client_module._started[-1].poll() is not None)  # type: ignore[attr-defined]


def test_an_engine_that_cannot_start_says_why(paths: Paths, program: Callable[[str], dict[str, str]]) -> None:
    with pytest.raises(NoEngine, match="could not be started: the config is unreadable"):
        start_engine(paths, program("import sys; sys.exit('the config is unreadable')"))


def test_scripts_can_submit_and_wait(
    served: Served, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_HOME", os.fspath(home))
    assert find_paths() == served.paths
    (tmp_path / "job.sh").write_text("echo hi\n")
    served.desk.start_at_once = True
    assert tidegate.submit(tmp_path / "job.sh", "arg", mem="2G", mem_limit="3G", label=["a", "b"]) == "1"
    assert tidegate.submit(["echo", "hi"], cpus=1) == "2"
    first, second = served.desk.submitted
    assert first.spec.memory_limit_bytes == 3 * 1024**3
    assert first.spec.labels == ("a", "b")
    assert second.spec.command[-1] == "hi"
    assert [job["outcome"] for job in tidegate.wait(1, "2", timeout_s=5) or []] == ["succeeded", "succeeded"]
    changes = tidegate.subscribe(after=0)
    assert [job["id"] for job in next(changes)["jobs"]] == ["1", "2"]
    changes.close()  # type: ignore[attr-defined]

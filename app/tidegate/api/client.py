"""What talks to a running engine: the CLI, scripts and agents, over HTTP on the engine's Unix socket.

Standard library and ``paths`` only, and quick to import, because every CLI verb pays for it.
"""

from __future__ import annotations

import os
import sys
import time

from tidegate.api.wire import Answer, Disconnected, NoEngine, exchange, parse_json, to_json

SUBMITTED_A_SECOND = 500.0  # at least, however busy the machine
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from tidegate.paths import Paths

    T = TypeVar("T")
    JobDict = dict[str, Any]
    SubmitOptions = Mapping[str, "str | Sequence[str]"]

__all__ = ["ApiError", "Client", "Disconnected", "LogPiece", "NoEngine", "start_engine", "submit", "subscribe", "wait"]

API = "/api/v1"
PATIENCE_S = 30.0
"""How long ``run``, ``wait`` and ``logs -f`` look for an engine that is being replaced (D1)."""
HOLD_S = 20.0
"""How long one waiting request is held by the engine before it is asked again."""
START_TIMEOUT_S = 10.0
RUN_TOKEN = "TIDEGATE_RUN_TOKEN"


class ApiError(Exception):
    """The engine refused. ``kind`` is usage, refused, unwilling, unknown, closing, ...; ``sentence`` is for people."""

    def __init__(self, status: int, kind: str, sentence: str, field: str | None = None, value: object = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.sentence = sentence
        self.field = field
        self.value = value


class LogPiece:
    """Bytes of a job's log; ask for ``next_offset`` next. ``ended``: the job is over and this is the last of it.

    ``attempt`` is whose log it is; None from an engine that does not say.
    """

    __slots__ = ("attempt", "data", "dropped", "ended", "next_offset", "offset", "size")

    def __init__(self, data: bytes, headers: Mapping[str, str]) -> None:
        self.data = data
        self.offset = int(headers["x-tidegate-offset"])
        self.next_offset = int(headers["x-tidegate-next-offset"])
        self.size = int(headers["x-tidegate-size"])
        first, _, last = headers.get("x-tidegate-dropped", "").partition("-")
        self.dropped: tuple[int, int] | None = (int(first), int(last)) if last else None
        self.ended = headers.get("x-tidegate-ended") == "1"
        attempt = headers.get("x-tidegate-attempt")
        self.attempt = int(attempt) if attempt else None


class EventStream:
    """Changes as they come over one connection; ``{"reset": true}`` means that some were missed."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for kind, data in _server_sent(self._answer.pieces()):
            if kind == "reset":
                yield {"reset": True}
            elif kind == "change":
                yield parse_json(data)

    def abort(self) -> None:
        """From another thread: whoever iterates is told that the connection broke."""
        self._answer.abort()


class Client:
    """A client of the engine of one home. Every call opens its own connection, so it may be used from any thread."""

    def __init__(self, paths: Paths, timeout_s: float = 30.0) -> None:
        self.paths = paths
        self.timeout_s = timeout_s

    # --- plain requests

    def request(
        self, method: str, path: str, body: object = None, timeout_s: float | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One call below /api/v1, e.g. ``request("GET", "/status")``; status and the JSON object of the answer.

        Raises NoEngine when nobody answers and ApiError for an answer of 400 and above.
        """
        answer = self._send(method, path, body, {}, timeout_s)
        return answer.status, parse_json(answer.read())

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """The JSON object at ``path``; query values that are None are left out."""
        return self.request("GET", with_query(path, query))[1]

    def post(self, path: str, body: object, timeout_s: float | None = None) -> dict[str, Any]:
        return self.request("POST", path, body, timeout_s)[1]

    def stream(self, path: str, silence_s: float | None = None) -> Iterator[bytes]:
        """The body of a GET piece by piece, as the engine sends it; ``silence_s`` bounds the wait for each."""
        return self._send("GET", path, None, {}, silence_s, for_ever=silence_s is None).pieces()

    def alive(self) -> bool:
        """True when an engine answers."""
        try:
            self.request("GET", "/health", timeout_s=2.0)
        except NoEngine:
            return False
        return True

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        headers: dict[str, str],
        timeout_s: float | None,
        for_ever: bool = False,
    ) -> Answer:
        data = None if body is None else to_json(body).encode("ascii")
        wait_s = None if for_ever else self.timeout_s if timeout_s is None else timeout_s
        answer = exchange(self.paths, method, API + path, data, headers, wait_s)
        if answer.status >= 400:
            raise _error_of(answer)
        return answer

    # --- jobs

    def submit(
        self,
        jobs: Sequence[Mapping[str, object]],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        options: SubmitOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Submit entries ``{"script", "args"}``, ``{"command": [...]}`` or ``{"line": ...}``, all or none.

        ``options`` are D11's, as typed: ``{"mem": "8G", "label": ["a", "b"]}``. Gives id and warnings of each.
        """
        body = {
            "jobs": [dict(entry) for entry in jobs],
            "cwd": os.getcwd() if cwd is None else cwd,
            "environment": dict(os.environ if environment is None else environment),
            "options": dict(options or {}),
        }
        # A hundred thousand of them take a while, and whoever gave up would not know what was taken.
        patience_s = self.timeout_s + len(jobs) / SUBMITTED_A_SECOND
        answered: list[dict[str, Any]] = self.post("/jobs", body, patience_s)["jobs"]
        return answered

    def act(self, verb: str, ids: Iterable[str] | None, **fields: object) -> list[dict[str, Any]]:
        """``pause``, ``cancel``, ... these jobs (None: the queue, or all); waits until it is so."""
        body = {"ids": None if ids is None else list(ids), **fields}
        results: list[dict[str, Any]] = self.post(f"/actions/{verb}", body, timeout_s=120.0)["results"]
        return results

    def wait(self, ids: Sequence[str], timeout_s: float | None = None, any_one: bool = False) -> list[JobDict] | None:
        """The jobs once they have finished (``any_one``: the first that does), or None when time ran out.

        Survives an engine that is being replaced, for 30 s.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = HOLD_S if deadline is None else min(HOLD_S, max(0.0, deadline - time.monotonic()))
            body = {"ids": list(ids), "timeout_s": left, "any_one": any_one}
            answer = self.patiently(lambda body=body: self.post("/wait", body, HOLD_S + 30.0))  # type: ignore[misc]
            if not answer["timed_out"]:
                jobs: list[JobDict] = answer["jobs"]
                return jobs
            if deadline is not None and time.monotonic() >= deadline:
                return None

    # --- logs

    def read_log(
        self,
        id: str,
        attempt: int | None = None,
        offset: int = 0,
        limit: int | None = None,
        wait_s: float = 0.0,
        offset_attempt: int | None = None,
        marks: bool = True,
    ) -> LogPiece:
        """A piece of a job's log from ``offset`` (negative: from the end); held up to ``wait_s`` while there is none.

        Where a capped log gave its middle back, one line in square brackets says so in its place. Of the newest
        attempt's log when ``attempt`` is None: whoever follows names in ``offset_attempt`` the attempt of the last
        piece, and is given the rest of that log first, then the next attempt's from its beginning. Without ``marks``
        the bytes come as they lie in the file, at once.
        """
        query = {
            "attempt": attempt,
            "offset": offset,
            "limit": limit,
            "wait_s": wait_s,
            "offset_attempt": offset_attempt,
            "marks": None if marks else False,
        }
        path = with_query(f"/jobs/{id}/log", query)
        answer = self._send("GET", path, None, {}, self.timeout_s + wait_s)
        return LogPiece(answer.read(), answer.headers)

    def follow_log(self, id: str, attempt: int | None = None, offset: int = 0) -> Iterator[bytes]:
        """The log as it grows, until the job has finished and all is read; survives an engine being replaced.

        Where the job runs again one line in square brackets names the attempt.
        """
        ended, seen, line_open = False, None, False
        while not ended:
            piece = self.patiently(
                lambda at=offset, of=seen: self.read_log(id, attempt, at, None, HOLD_S, of)  # type: ignore[misc]
            )
            offset, ended = piece.next_offset, piece.ended
            if seen is not None and piece.attempt not in (None, seen):
                yield (b"\n" if line_open else b"") + b"[tidegate: attempt %d]\n" % piece.attempt
                line_open = False
            seen = piece.attempt if attempt is None else None
            if piece.data:
                line_open = not piece.data.endswith(b"\n")
                yield piece.data

    # --- push

    def events(self, after: str | int | None = None) -> Iterator[dict[str, Any]]:
        """Changes as the engine publishes them, resuming after a change's ``cursor``; ends 30 s after the last engine.

        A ``{"reset": true}`` among them means: some were missed, load everything anew.
        """
        while True:
            stream = self.patiently(lambda at=after: self.listen(at))  # type: ignore[misc]
            try:
                for change in stream:
                    after = change.get("cursor")
                    yield change
            except NoEngine:
                continue

    def listen(self, after: str | int | None = None, silence_s: float = 45.0) -> EventStream:
        """The same over one connection. Raises NoEngine; so does the stream when the engine leaves or falls silent."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        return EventStream(self._send("GET", "/events", None, headers, silence_s))

    # --- engines that come and go

    def patiently(self, call: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
        """``call()``, tried again while no engine answers, for ``patience_s`` after the last time one did."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return call()
            except NoEngine:
                if time.monotonic() >= deadline:
                    raise
            except ApiError as error:
                if error.kind != "closing" or time.monotonic() >= deadline:
                    raise
            time.sleep(0.1)


def with_query(path: str, query: Mapping[str, object]) -> str:
    """``path?name=value&...`` without the values that are None; True and False become 1 and 0."""
    pairs = [f"{name}={_quoted(value)}" for name, value in query.items() if value is not None]
    return path + ("?" + "&".join(pairs) if pairs else "")


def _quoted(value: object) -> str:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if text.replace(".", "").replace("-", "").replace("_", "").isalnum() and text.isascii():
        return text
    from urllib.parse import quote

    return quote(text, safe="", errors="surrogateescape")


def _error_of(answer: Answer) -> ApiError:
    """The refusal in an answer, whoever wrote it."""
    data = answer.read()
    try:
        error = parse_json(data)["error"]
        return ApiError(answer.status, error["kind"], error["sentence"], error.get("field"), error.get("value"))
    except (ValueError, KeyError, TypeError):
        text = data.decode("utf-8", "replace").strip()[:200]
        return ApiError(answer.status, "internal", f"The engine answered with HTTP {answer.status}: {text}")


def _server_sent(pieces: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Events of an SSE stream as (name, data); comments such as heartbeats are left out."""
    buffer = b""
    for piece in pieces:
        buffer += piece
        while b"\n\n" in buffer:
            block, _, buffer = buffer.partition(b"\n\n")
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line[1:])
            if b"data" in fields:
                yield fields.get(b"event", b"message").decode(), fields[b"data"]


# --- starting an engine ----------------------------------------------------------------------------------------------

_started: list[object] = []
"""Engines this process started: kept, so that a forgotten child handle does not warn."""


def start_engine(paths: Paths, environ: Mapping[str, str] | None = None) -> Client:
    """Start ``tidegate serve --auto`` in the background and wait until it is ready.

    Raises NoEngine with what it said when it ends at once or is not ready within 10 s.
    """
    import subprocess

    paths.create()
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "tidegate"]
    said = os.path.join(os.path.dirname(os.fspath(paths.log_file)), "serve.log")
    detached = {"creationflags": 0x00000008 | 0x00000200} if sys.platform == "win32" else {"start_new_session": True}
    # An engine that a job starts is no part of that job: it must not be taken for one of its processes.
    given = os.environ if environ is None else environ
    variables = {name: value for name, value in given.items() if name != RUN_TOKEN}
    with open(said, "ab") as output:
        engine = subprocess.Popen(
            [*program, "serve", "--auto"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=variables,
            cwd=os.fspath(paths.data_dir),
            **detached,
        )
    _started.append(engine)
    client = Client(paths)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not client.alive():
        # Another one may have won the race for the lock: then ours ends and that one answers.
        if engine.poll() not in (None, 0) and not client.alive():
            raise NoEngine(f"The engine could not be started: {_last_line(said) or 'it ended at once'}")
        if time.monotonic() > deadline:
            raise NoEngine(f"The engine was started but is not ready after 10 s; it writes to {said}")
        time.sleep(0.02)
    return client


def _last_line(name: str) -> str:
    with open(name, "rb") as file:
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("tidegate: ") if lines else ""


# --- for scripts: tidegate.submit(...), tidegate.wait(...), tidegate.subscribe(...) ----------------------------------


def _client(start: bool) -> Client:
    from tidegate.paths import find_paths

    client = Client(find_paths())
    return client if not start or client.alive() else start_engine(client.paths)


def submit(
    what: str | os.PathLike[str] | Sequence[str], *args: str, start: bool = True, **options: str | int | Sequence[str]
) -> str:
    """Submit a script (with ``args``) or a command given as a list; gives its id.

    Options are those of ``tidegate submit``: ``submit("train.py", mem="8G", gpu=1, time_="2h", mem_limit="9G")``.
    Raises ApiError when it is refused, and NoEngine when none runs and none could be started.
    """
    if isinstance(what, (str, os.PathLike)):
        entry: dict[str, object] = {"script": os.fspath(what), "args": list(args)}
    else:
        entry = {"command": [*what, *args]}
    raw = {
        name.rstrip("_").replace("_", "-"): [str(item) for item in value]
        if isinstance(value, (list, tuple))
        else str(value)
        for name, value in options.items()
    }
    return str(_client(start).submit([entry], options=raw)[0]["id"])


def wait(*ids: str | int, timeout_s: float | None = None, any_one: bool = False) -> list[JobDict] | None:
    """The jobs once they have finished, as in ``tidegate list --json``; None when ``timeout_s`` ran out."""
    return _client(start=False).wait([str(each) for each in ids], timeout_s, any_one)


def subscribe(after: str | int | None = None) -> Iterator[dict[str, Any]]:
    """Changes as they happen, one dict each: ``event_id``, ``cursor``, ``at``, and of ``jobs``, ``gone``, ``status``,
    ``sample`` and ``notice`` what changed. ``after`` is the ``cursor`` of an earlier one.
    """
    return _client(start=False).events(after)

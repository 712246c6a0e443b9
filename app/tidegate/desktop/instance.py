"""One tray application per home: the door at which it takes over what a second start of it was given.

A line of JSON each way, in three steps: the first start says hello, the second hands over, the first says what came
of it. What hangs never says hello, so nothing is handed to it that it might act upon much later.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import secrets
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

HELLO = {"tidegate": 1}
LONGEST_LINE_BYTES = 16 * 1024 * 1024
PATIENCE_S = 10.0
"""How long a caller may take to say what it wants."""
ANSWER_WITHIN_S = 60.0
LEAVE_WITHIN_S = 0.25
BACKLOG = 64
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HandOver:
    """What a second start was given. ``files`` are absolute; ``environment`` is what jobs made of them run with.

    ``activation``: what the desktop gave it to show that a person asked for the window just now.
    """

    files: tuple[str, ...] = ()
    show_window: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    activation: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """How many jobs were made of it, and one sentence for each file that became none."""

    jobs: int = 0
    refused: tuple[str, ...] = ()


class NobodyThere(Exception):
    """Nobody takes anything at this door: it is not open yet, or not any more. Nothing was handed over."""


class NoHello(Exception):
    """Somebody holds the door but does not react. Nothing was handed over."""


class NoAnswer(Exception):
    """It was handed over, and then nothing more was heard."""


Receive = Callable[[HandOver], Awaitable[Received]]


class Door:
    """The first start's side. ``listen`` at once, so that callers queue; ``open`` when there is a loop to answer."""

    def __init__(self, path: Path, *, over_tcp: bool = sys.platform == "win32") -> None:
        """``path`` is a socket below a folder that only its owner can enter, or the file that says where it is.

        Whoever makes a door holds the lock of the home: what lies at ``path`` is left over. Over TCP (for Windows,
        never run there) the file holds a token too.
        """
        self._path = path
        self._over_tcp = over_tcp
        self._token = secrets.token_urlsafe(32) if over_tcp else ""
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._receive: Receive | None = None
        self._answering: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """Raises OSError when the socket cannot be made."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._socket = self._tcp() if self._over_tcp else self._unix()
        self._socket.setblocking(False)

    def _unix(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(os.fspath(self._path))
        os.chmod(self._path, 0o600)
        made.listen(BACKLOG)
        return made

    def _tcp(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.bind((LOOPBACK, 0))
        made.listen(BACKLOG)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump({"port": made.getsockname()[1], "token": self._token}, file)
        return made

    async def open(self, receive: Receive) -> None:
        """Answer callers from now on, each with what ``receive`` made of what it handed over."""
        assert self._socket is not None, "listen comes first"
        self._receive = receive
        start = asyncio.start_server if self._over_tcp else asyncio.start_unix_server
        self._server = await start(self._on_caller, sock=self._socket, limit=LONGEST_LINE_BYTES)

    async def close(self) -> None:
        """Take nothing more; who was promised an answer still gets it, if it comes soon."""
        self.shut()
        if self._answering:
            await asyncio.wait(self._answering, timeout=LEAVE_WITHIN_S)
        for task in self._answering:
            task.cancel()

    def shut(self) -> None:
        """Close the door; harmless when it is closed."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self._socket = self._server = None

    async def _on_caller(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            if self._over_tcp or is_same_user(writer.get_extra_info("socket")):
                await self._answer(reader, writer)
        except asyncio.CancelledError:
            # By ``close``. Not passed on: asyncio's streams of Python 3.11 print a traceback for it.
            log.info("a caller at the window's door goes without its answer: the window ends")
        except (ConnectionError, TimeoutError) as error:
            log.info("a caller at the window's door was let go: %r", error)
        finally:
            self._answering.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._receive is not None
        writer.write(_line(HELLO))
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await reader.readline()
            if not line.endswith(b"\n"):
                return
            handed = _read(line, self._token)
        except (ValueError, RecursionError) as error:
            log.warning("what a caller handed over cannot be read: %s", error)
            writer.write(_line({"error": "What was handed over cannot be read; are the two of one version?"}))
            await writer.drain()
            return
        try:
            received = await self._receive(handed)
        except Exception as error:
            log.exception("what was handed over could not be taken")
            writer.write(_line({"error": f"It could not be taken: {error}"}))
        else:
            writer.write(_line({"jobs": received.jobs, "refused": received.refused}))
        await writer.drain()


def hand_over(
    path: Path, handed: HandOver, hello_within_s: float, *, over_tcp: bool = sys.platform == "win32"
) -> Received:
    """Give it to the application that listens at ``path``. Raises NobodyThere, NoHello or NoAnswer."""
    caller, token = _call(path, hello_within_s, over_tcp)
    with caller:
        try:
            hello = _read_line(caller, hello_within_s)
        except TimeoutError:
            raise NoHello from None
        except OSError:
            hello = b""
        if not hello:
            raise NobodyThere
        try:
            caller.settimeout(ANSWER_WITHIN_S)
            caller.sendall(_line(_written(handed) | {"token": token}))
            return _read_answer(_read_line(caller, ANSWER_WITHIN_S))
        except (OSError, ValueError, RecursionError) as error:
            raise NoAnswer from error


def _call(path: Path, within_s: float, over_tcp: bool) -> tuple[socket.socket, str]:
    token = ""
    family, address = (socket.AF_INET if over_tcp else socket.AF_UNIX), os.fspath(path)
    caller = socket.socket(family, socket.SOCK_STREAM)
    caller.settimeout(within_s)
    try:
        if over_tcp:
            told = json.loads(path.read_bytes())
            token = told["token"]
            caller.connect((LOOPBACK, int(told["port"])))
        else:
            caller.connect(address)
    except (BlockingIOError, TimeoutError):  # its line of callers is full
        caller.close()
        raise NoHello from None
    except (OSError, ValueError, KeyError, TypeError):
        caller.close()
        raise NobodyThere from None
    return caller, token


def _read_line(caller: socket.socket, within_s: float) -> bytes:
    """One line, or nothing when the other side left before its end. Raises TimeoutError."""
    deadline = time.monotonic() + within_s
    found = bytearray()
    while not found.endswith(b"\n"):
        caller.settimeout(max(0.001, deadline - time.monotonic()))
        piece = caller.recv(65536)
        if not piece:
            return b""
        found += piece
    return bytes(found)


def is_same_user(connected: socket.socket) -> bool:
    """Whether the other side runs as the user that we run as; where nobody can tell, the folder's mode decides."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    form = struct.Struct("3i")
    _pid, user, _group = form.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return bool(user == os.getuid())


# --- Lines -----------------------------------------------------------------------------------------------------------


def _line(value: object) -> bytes:
    # ASCII: names whose bytes are no text travel as escaped lone surrogates.
    return json.dumps(value).encode("ascii") + b"\n"


def _written(handed: HandOver) -> dict[str, object]:
    return {
        "files": handed.files,
        "show_window": handed.show_window,
        "environment": dict(handed.environment),
        "activation": dict(handed.activation),
    }


def _read(line: bytes, token: str) -> HandOver:
    """Raises ValueError for anything that is not what ``_written`` writes."""
    found = json.loads(line)
    if not isinstance(found, dict) or not hmac.compare_digest(str(found.get("token", "")).encode(), token.encode()):
        raise ValueError("no object, or not from this home")
    return HandOver(
        tuple(_strings(found.get("files"))),
        found.get("show_window") is True,
        _variables(found.get("environment")),
        _variables(found.get("activation")),
    )


def _read_answer(line: bytes) -> Received:
    """Raises ValueError for anything that is no answer; the other side may be of another version."""
    answer = json.loads(line or b"null")
    if not isinstance(answer, dict):
        raise ValueError("no object")
    if "error" in answer:
        return Received(0, (str(answer["error"]),))
    jobs = answer.get("jobs")
    if not isinstance(jobs, int):
        raise ValueError("no number of jobs")
    return Received(jobs, tuple(_strings(answer.get("refused"))))


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r:.80} is no list of text")
    return value


def _variables(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.80} is no object")
    return dict(zip(value, _strings(list(value.values())), strict=True))

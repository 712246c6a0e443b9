"""The client's end of the line: one HTTP/1.1 exchange over the engine's socket, and JSON, both without slow imports.

``socket`` and ``json`` would cost the CLI 15 ms before it says anything, so their C halves are used directly.
"""

from __future__ import annotations

import _socket  # the C half of ``socket``: the rest of that module is enums and selectors
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tidegate.paths import Paths

PIECE_BYTES = 65536
NO_ENGINE = "No engine is running; start one with: tidegate serve"


class NoEngine(Exception):
    """Nobody answers at the engine's address; the text is one sentence for the user."""


class Disconnected(NoEngine):
    """The engine went away in the middle of an answer: it ended, or another one takes over."""


class Answer:
    """A response whose headers have been read; the body is read by ``read`` or piece by piece by ``pieces``."""

    __slots__ = ("_buffer", "_sock", "headers", "status")

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock
        self._buffer = b""
        while True:
            head = self._read_until(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            self.status = int(lines[0].split(" ", 2)[1])
            if self.status >= 200:
                break
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def read(self) -> bytes:
        """The whole body; the connection is closed afterwards."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Raises Disconnected when it breaks off before its end."""
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                yield from self._chunks()
            elif "content-length" in self.headers:
                yield from self._exactly(int(self.headers["content-length"]))
        finally:
            self.close()

    def close(self) -> None:
        self._sock.close()

    def abort(self) -> None:
        """From another thread: whoever reads finds the connection broken."""
        try:  # noqa: SIM105 - contextlib is slow to import for a CLI
            self._sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self._read_until(b"\r\n").split(b";")[0], 16)
            yield from self._exactly(size)
            self._read_until(b"\r\n")
            if size == 0:
                return

    def _exactly(self, left: int) -> Iterator[bytes]:
        while left:
            if not self._buffer:
                self._fill()
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece

    def _read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._fill()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _fill(self) -> None:
        try:
            data = self._sock.recv(PIECE_BYTES)
        except TimeoutError:
            raise NoEngine("The engine is there but does not answer; see its log, or: tidegate doctor") from None
        except OSError as error:
            raise Disconnected(f"The connection to the engine broke: {_reason(error)}.") from error
        if not data:
            raise Disconnected("The engine ended the connection before it had answered.")
        self._buffer += data


def exchange(
    paths: Paths, method: str, target: str, body: bytes | None, headers: dict[str, str], timeout_s: float | None
) -> Answer:
    """Send one request and read the head of its answer. ``timeout_s`` bounds every single wait; None is for ever."""
    sock, token = _connect(paths, timeout_s)
    try:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        try:
            sock.sendall(head + body if body else head)
        except (BrokenPipeError, ConnectionResetError):
            pass  # An engine that refuses a body closes early; what it said is still there to be read.
        except TimeoutError:
            raise NoEngine("The engine is there but takes nothing; see its log, or: tidegate doctor") from None
        return Answer(sock)
    except BaseException:
        sock.close()
        raise


def _connect(paths: Paths, timeout_s: float | None) -> tuple[_socket.socket, str | None]:
    """A connected socket, and the token it needs (None on the Unix socket)."""
    if hasattr(_socket, "AF_UNIX") and sys.platform != "win32":
        return _connect_unix(paths.socket_name, timeout_s), None
    return _connect_tcp(paths, timeout_s)


def _connect_unix(name: str, timeout_s: float | None) -> _socket.socket:
    deadline = time.monotonic() + (5.0 if timeout_s is None else timeout_s)
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    while True:
        try:
            sock.connect(name)
            return sock
        except BlockingIOError:  # The engine's line of callers is full for a moment.
            if time.monotonic() > deadline:
                sock.close()
                raise NoEngine("The engine is there but takes no calls; see its log, or: tidegate doctor") from None
            time.sleep(0.01)
        except OSError as error:
            sock.close()
            if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
                raise NoEngine(NO_ENGINE) from None
            raise NoEngine(f"The engine's socket {name} cannot be used: {_reason(error)}.") from error


def _connect_tcp(paths: Paths, timeout_s: float | None) -> tuple[_socket.socket, str]:
    try:
        with open(paths.endpoint_name, "rb") as file:
            endpoint = parse_json(file.read())
        with open(paths.token_name, encoding="ascii") as file:
            token = file.read().strip()
    except FileNotFoundError:
        raise NoEngine(NO_ENGINE) from None
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect((endpoint["host"], endpoint["port"]))
    except OSError:
        sock.close()
        raise NoEngine(NO_ENGINE) from None
    return sock, token


def _reason(error: OSError) -> str:
    return (error.strerror or os.fsdecode(str(error))).lower()


# --- JSON ------------------------------------------------------------------------------------------------------------

try:
    from _json import encode_basestring_ascii, make_scanner

    class _Grammar:
        """What the C scanner asks of its decoder."""

        strict = False
        object_hook = object_pairs_hook = None
        parse_float, parse_int, parse_constant = float, int, float
        memo: dict[str, str] = {}  # noqa: RUF012 - part of the scanner's interface

    _scan = make_scanner(_Grammar())  # type: ignore[arg-type]

    def parse_json(data: bytes) -> Any:
        """What the engine sent; lone surrogates survive. Raises ValueError for anything that is not JSON."""
        text = data.decode("utf-8", "surrogatepass").strip()
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            raise ValueError(f"not JSON: {text[:80]!r}") from None
        if end != len(text):
            raise ValueError(f"not JSON: {text[:80]!r}")
        return value

except ImportError:  # pragma: no cover - a Python without the C accelerator
    from json.encoder import encode_basestring_ascii

    def parse_json(data: bytes) -> Any:
        import json

        return json.loads(data.decode("utf-8", "surrogatepass"))


def to_json(value: object) -> str:
    """ASCII JSON, in which undecodable bytes of names travel as lone surrogates; raises TypeError for other types."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{encode_basestring_ascii(k)}:{to_json(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([to_json(item) for item in value]) + "]"
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")

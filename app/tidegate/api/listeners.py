"""The places where the API is reached: its port, its Unix socket, the token, and the file that names them."""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import socket
import stat
import sys

LOOPBACK = "127.0.0.1"
BACKLOG = 2048
MIN_TOKEN_CHARACTERS = 32
log = logging.getLogger(__name__)


class ApiStartError(Exception):
    """The API cannot be reached where it should be; the text is one sentence."""


def listen_tcp(port: int | None) -> socket.socket:
    """A listening loopback socket on ``port``, or on any free one when that is None or taken."""
    for wanted in (0,) if port is None else (port, 0):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform == "win32":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                # A port left in TIME_WAIT by the engine before us is free; one that somebody listens on is not.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((LOOPBACK, wanted))
            sock.listen(BACKLOG)
            sock.setblocking(False)
            return sock
        except (OSError, OverflowError) as error:
            sock.close()
            if wanted == 0:
                raise ApiStartError(f"No port of {LOOPBACK} can be opened: {error}.") from error
            log.warning("port %s of %s is not free (%s); another one is used", wanted, LOOPBACK, error)
    raise AssertionError("unreachable")


def listen_unix(path: str) -> socket.socket | None:
    """A listening Unix socket that only its owner may use; None where the platform has none.

    A socket file nobody listens on is replaced. Raises ApiStartError when somebody does.
    """
    if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
        return None
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o600)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ApiStartError(f"The socket {path} cannot be made: {(error.strerror or str(error)).lower()}.") from error
    return sock


def _remove_stale(path: str) -> None:
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(kind):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            reached = probe.connect_ex(path)
        # A full line of callers (EAGAIN, or no answer in time) means that somebody is there.
        if reached not in (errno.ECONNREFUSED, errno.ENOENT):
            raise ApiStartError(f"Another engine already listens at {path}.")
    elif stat.S_ISDIR(kind):
        raise ApiStartError(f"The socket {path} cannot be made: a folder lies in its place.")
    os.unlink(path)


def identity(path: str) -> tuple[int, int] | None:
    """Which file lies at ``path`` now, to tell ours from one that another engine has put there since."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_own(path: str, own: tuple[int, int] | None) -> None:
    """Remove the file at ``path`` if it is still ours."""
    if own is not None and identity(path) == own:
        try:
            os.unlink(path)
        except OSError as error:
            log.warning("%s cannot be removed: %s", path, error)


def token(path: str) -> str:
    """The bearer token in ``path``; made once, 32 random bytes, readable by its owner alone."""
    try:
        with open(path, encoding="ascii") as file:
            found = file.read().strip()
        os.chmod(path, 0o600)
        if len(found) >= MIN_TOKEN_CHARACTERS and found.isascii() and found.isprintable():
            return found
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    except OSError as error:
        raise ApiStartError(f"The token file {path} cannot be read: {(error.strerror or '').lower()}.") from error
    made = secrets.token_urlsafe(32)
    write_private(path, made + "\n")
    return made


def write_private(path: str, text: str) -> None:
    """Write a file of mode 0600 in one piece: a reader sees the old content or the new, never half."""
    partial = f"{path}.{os.getpid()}.partial"
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as error:
        raise ApiStartError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from error


def write_endpoint(path: str, facts: dict[str, object]) -> None:
    write_private(path, json.dumps(facts) + "\n")

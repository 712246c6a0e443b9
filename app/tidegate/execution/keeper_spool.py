"""The keeper's spool: every start and exit as one JSON line, appended before it is reported, read by the next keeper.

No fsync: it must survive kill -9, and after a power cut the jobs are gone too (D1). Standard library only.

Lines (arrays, the first element names the kind):
  ["spool", version, boot_id]                                        the first line of a file
  ["start", token, at, job, attempt, pid, start, created, log, cap]  a process exists
  ["exited" | "start_failed" | "lost" | "revoked", token, ...]       an end, exactly as it is reported
  ["ack", [token, ...]]                                              the app has these ends; they may be forgotten
A keeper that leaves in order puts ``<spool>.left`` beside it: then the next one knows all that this one knew.
"""

from __future__ import annotations

import json
import os
import time

VERSION = 1
ENDS = ("exited", "start_failed", "lost", "revoked")
_REWRITE_BYTES = 1 << 20
_encoder = json.JSONEncoder(separators=(",", ":"))

Line = list[object]


class Spool:
    """Appends lines; a line that cannot be written (full disk) is kept and goes out with the next one."""

    def __init__(self, path: str, boot_id: str) -> None:
        self.path = path
        self.error: str | None = None
        self._boot_id = boot_id
        self._unwritten = b""
        self._fd = -1
        self._size = 0
        self._limit = _REWRITE_BYTES

    def read(self) -> tuple[dict[str, Line], dict[str, Line], str]:
        """Starts without an end and unacknowledged ends, by token, and the boot they were written in."""
        starts: dict[str, Line] = {}
        ends: dict[str, Line] = {}
        boot_id = self._boot_id
        try:
            with open(self.path, "rb") as stream:
                content = stream.read()
        except FileNotFoundError:
            return starts, ends, boot_id
        for raw in content.splitlines():
            try:
                line = json.loads(raw)
                kind, token = line[0], line[1]
            except (ValueError, LookupError, TypeError):
                continue  # the piece of a line that a full disk or a kill left behind
            if kind == "spool":
                boot_id = line[2]
            elif kind == "start":
                starts[token] = line
            elif kind in ENDS:
                starts.pop(token, None)
                ends[token] = line
            elif kind == "ack":
                for name in token:
                    ends.pop(name, None)
        return starts, ends, boot_id

    def take_over(self) -> float:
        """Since when (Unix seconds) every start in this home is known here: now, or as said by one that left in order.

        Its word is taken once: a keeper that dies leaves none.
        """
        now, since = time.time(), ""
        try:
            with open(self.path + ".left", "rb") as stream:
                since = stream.read(64).decode("ascii", "replace")
            os.unlink(self.path + ".left")
        except OSError:
            return now
        try:
            return min(float(since), now) if since.endswith("\n") else now
        except ValueError:
            return now

    def leave(self, since: float) -> None:
        """Nothing was started that is not written down: say so to the next keeper, unless that is not true."""
        if self.error is not None or self._unwritten:
            return
        try:
            fd = os.open(self.path + ".left", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError:
            return  # then the next one knows less, which is said to the app
        try:
            os.write(fd, f"{since!r}\n".encode("ascii"))
        except OSError:
            return
        finally:
            os.close(fd)

    def rewrite(self, lines: list[Line]) -> None:
        """Replace the file by these lines (atomically); the old file stays when there is no room."""
        text = b"".join(_encode(line) for line in [["spool", VERSION, self._boot_id], *lines])
        fresh = self.path + ".new"
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            try:
                if os.write(fd, text) != len(text):
                    raise OSError(28, "no space left on device")
                os.replace(fresh, self.path)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            self.error = str(error)
            if self._fd < 0:
                self._open_old()
            return
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._unwritten, self.error = fd, len(text), b"", None
        self._limit = max(_REWRITE_BYTES, 4 * self._size)

    def append(self, line: Line) -> None:
        """One write(2). What cannot be written stays in memory and is tried again with the next line."""
        text = self._unwritten + _encode(line)
        try:
            written = os.write(self._fd, text)
        except OSError as error:
            self._unwritten, self.error = text, str(error)
            return
        self._size += written
        self._unwritten = text[written:]
        self.error = "the disk is full" if self._unwritten else None

    @property
    def wants_rewrite(self) -> bool:
        return self._size > self._limit

    def _open_old(self) -> None:
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            self.error = str(error)


def _encode(line: Line) -> bytes:
    return _encoder.encode(line).encode("ascii") + b"\n"

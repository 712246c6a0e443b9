"""The locks of a home, one for its engine and one for its window; the kernel frees them when their holder dies."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO


class LockHeld(Exception):
    """Somebody else has it; the text is one sentence. ``kind`` is gui, serve, auto ... as it said, or unknown."""

    def __init__(self, pid: int | None, kind: str) -> None:
        who = "the tray application" if kind == "gui" else "an engine"
        where = f" (process {pid})" if pid is not None else ""
        super().__init__(f"{who} already runs for this home{where}; `tidegate shutdown` ends it, its jobs go on.")
        self.pid = pid
        self.kind = kind


class HomeLock:
    """An advisory lock on a file that says who holds it; freed by the kernel also after ``kill -9``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self, kind: str) -> None:
        """Take the lock without waiting; raises LockHeld."""
        handle = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        try:
            _lock(handle.fileno())
        except OSError:
            held = _holder(handle)
            handle.close()
            raise held from None
        self._file = handle
        self.say(kind)

    def say(self, kind: str) -> None:
        """Tell who asks for it what the holder is, or is doing now."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            json.dump({"pid": os.getpid(), "kind": kind}, self._file)
            self._file.flush()

    def release(self) -> None:
        """Give it back; harmless when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    FAR_BEHIND = 1 << 30

    def _lock(handle: int) -> None:
        # Far behind what is written: there a locked byte could not be read by those who want to know the holder.
        os.lseek(handle, FAR_BEHIND, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(handle: IO[str]) -> LockHeld:
    try:
        said = json.load(handle)
        return LockHeld(int(said["pid"]), str(said["kind"]))
    except (ValueError, KeyError, TypeError):
        return LockHeld(None, "unknown")

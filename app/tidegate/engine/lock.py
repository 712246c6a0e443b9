"""The lock that makes one engine per home and machine; the kernel frees it when its holder dies, also by kill -9."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class LockHeld(Exception):
    """Another engine serves this home; the text is one sentence. ``kind`` is gui, serve, auto or unknown."""

    def __init__(self, pid: int | None, kind: str) -> None:
        who = "the tray application" if kind == "gui" else "an engine"
        where = f" (process {pid})" if pid is not None else ""
        super().__init__(f"{who} already runs for this home{where}; `tidegate shutdown` ends it, its jobs go on.")
        self.pid = pid
        self.kind = kind


class EngineLock:
    """An advisory lock on a file that says who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self, kind: str) -> None:
        """Take the lock without waiting; raises LockHeld."""
        handle = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held = _holder(handle)
            handle.close()
            raise held from None
        handle.seek(0)
        handle.truncate()
        json.dump({"pid": os.getpid(), "kind": kind}, handle)
        handle.flush()
        self._file = handle

    def release(self) -> None:
        """Give it back; harmless when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _holder(handle: IO[str]) -> LockHeld:
    try:
        said = json.load(handle)
        return LockHeld(int(said["pid"]), str(said["kind"]))
    except (ValueError, KeyError, TypeError):
        return LockHeld(None, "unknown")

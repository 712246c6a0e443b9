"""Keeps each captured environment once, under its content hash, where only its owner can read it (D5)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path


def encode(environ: Mapping[str, str]) -> bytes:
    """``KEY=VALUE`` entries joined by NUL, sorted by name so that equal environments have equal bytes."""
    return os.fsencode("\0".join([f"{name}={value}" for name, value in sorted(environ.items())]))


def decode(content: bytes) -> dict[str, str]:
    """The inverse of ``encode``."""
    entries = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in entries}


def store(directory: Path, environ: Mapping[str, str]) -> str:
    """Write ``<directory>/<sha256>.env`` (0600, atomic) unless it is there, and return the hash.

    Raises OSError when the folder cannot be written.
    """
    content = encode(environ)
    # Many jobs share an environment; interned, they also share the string that names it.
    digest = sys.intern(hashlib.sha256(content).hexdigest())
    target = os.path.join(directory, f"{digest}.env")
    if not os.path.exists(target):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        _write_atomically(target, content)
    return digest


def _write_atomically(target: str, content: bytes) -> None:
    # mkstemp opens with 0600, so the variables are never readable by others, not even for a moment.
    handle, partial = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def load(directory: Path, digest: str) -> dict[str, str]:
    """The variables stored under a hash. Raises OSError when they are not there."""
    with open(os.path.join(directory, f"{digest}.env"), "rb") as file:
        return decode(file.read())

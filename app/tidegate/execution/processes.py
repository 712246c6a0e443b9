"""Local processes as runs: their identity text, whether they still live, their trees, and what a log has lost."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import psutil

from tidegate.core.job import RunRef

# Create times are computed from the boot time, which the kernel rounds and clock corrections move.
_SAME_START_S = 2.0


class ProcessIdentity(NamedTuple):
    """A local process is never a bare pid (D4). ``create_time`` is in Unix seconds, as psutil gives it."""

    boot_id: str
    pid: int
    create_time: float

    def __str__(self) -> str:
        return f"{self.boot_id}:{self.pid}:{self.create_time!r}"

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity:
        """Read ``boot_id:pid:create_time``; raises ValueError for anything else."""
        try:
            boot_id, pid, create_time = text.rsplit(":", 2)
            return cls(boot_id, int(pid), float(create_time))
        except ValueError:
            raise ValueError(f"{text!r} is not the identity of a local process (boot_id:pid:create_time)") from None


def identity_of(run: RunRef) -> ProcessIdentity | None:
    """The local process behind a run; None when it has none yet or is of another kind."""
    if run.identity is None:
        return None
    try:
        return ProcessIdentity.parse(run.identity)
    except ValueError:
        return None


def pid_of(run: RunRef) -> int | None:
    """The process id of a run's main process, for showing; check the identity before acting on it."""
    identity = identity_of(run)
    return None if identity is None else identity.pid


def is_alive(identity: ProcessIdentity, boot_id: str) -> bool:
    """Whether exactly this process still lives; ``boot_id`` is that of now."""
    return _process(identity, boot_id) is not None


def tree_of(identity: ProcessIdentity, boot_id: str) -> list[int]:
    """Pids of a living process and all its descendants, itself first; empty when it is gone."""
    process = _process(identity, boot_id)
    if process is None:
        return []
    try:
        return [process.pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.Error:
        return [process.pid]


def _process(identity: ProcessIdentity, boot_id: str) -> psutil.Process | None:
    if identity.boot_id != boot_id:
        return None
    try:
        process = psutil.Process(identity.pid)
        if abs(process.create_time() - identity.create_time) > _SAME_START_S:
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def dropped_range(log_path: str | Path) -> tuple[int, int] | None:
    """Offsets [from, to) of a log whose bytes were given back to the disk by the cap (D5); None: all is there."""
    try:
        start, _, end = Path(f"{log_path}.dropped").read_text("ascii").strip().partition("-")
        return (int(start), int(end)) if int(end) > int(start) else None
    except (OSError, ValueError):
        return None

"""Caps a job's log while the job writes it: head and tail stay, the middle is given back to the disk (D5).

The file keeps its length, so the job goes on appending; the dropped range stands in ``<log>.dropped`` as "from-to".
Standard library only; where the system cannot punch holes the log is left as it is.
"""

from __future__ import annotations

import ctypes
import os

_KEEP_SIZE_AND_PUNCH_HOLE = 0x01 | 0x02
_BLOCK = 4096
_SLOWEST_S = 0.5
_FASTEST_S = 0.02


class CappedLog:
    """One log file. At most ``cap`` bytes stay on disk, plus what is written between two looks."""

    __slots__ = ("_from", "_head", "_looked_at", "_size", "_tail", "_to", "cap", "due", "failure", "path")

    def __init__(self, path: str, cap: int, now: float) -> None:
        self.path = path
        self.cap = cap
        self.due = now + _SLOWEST_S
        self.failure: str | None = None
        self._head = _round_up(cap // 4)
        self._tail = cap // 2
        self._from = self._to = 0
        self._size = 0
        self._looked_at = now

    def look(self, now: float) -> str | None:
        """Give the middle back when the log is over its cap; sets when to look again, sooner if it grows fast.

        Returns a sentence, once, when the log turns out not to be cappable.
        """
        try:
            size = os.stat(self.path).st_size
        except OSError:
            self.due = now + _SLOWEST_S
            return None
        rate = (size - self._size) / max(now - self._looked_at, 0.001)
        self._size, self._looked_at = size, now
        if self.cap > 0 and self.failure is None and size - (self._to - self._from) > self.cap:
            self._drop_middle(size)
        room = self.cap - (size - (self._to - self._from))
        wait = room / (2 * rate) if rate > 0 else _SLOWEST_S
        self.due = now + min(max(wait, _FASTEST_S), _SLOWEST_S)
        return self.failure

    def _drop_middle(self, size: int) -> None:
        start = self._to or self._head
        end = (size - self._tail) // _BLOCK * _BLOCK
        if end <= start:
            return
        try:
            self._say(self._head, end)
            fd = os.open(self.path, os.O_WRONLY)
            try:
                punch_hole(fd, start, end - start)
            finally:
                os.close(fd)
        except OSError as error:
            self.failure = f"the log {self.path} cannot be capped: {error.strerror or error}"
            self._take_back()
            return
        self._from, self._to = self._head, end

    def _say(self, start: int, end: int) -> None:
        """Written before the hole is made: a viewer may miss bytes that are still there, never show zeros."""
        fresh = self.path + ".dropped.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, f"{start}-{end}\n".encode("ascii"))
        finally:
            os.close(fd)
        os.replace(fresh, self.path + ".dropped")

    def _take_back(self) -> None:
        try:
            if self._to:
                self._say(self._from, self._to)
            else:
                os.unlink(self.path + ".dropped")
        except OSError:
            return  # no side file was made, or the disk is full: the range said is then too large, never too small


def punch_hole(fd: int, start: int, length: int) -> None:
    """Free the blocks of a range, keeping the file's length. Raises OSError where that cannot be done."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if call is None:
        raise OSError(95, "this system cannot punch holes into files")
    if call(fd, _KEEP_SIZE_AND_PUNCH_HOLE, ctypes.c_int64(start), ctypes.c_int64(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _round_up(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK

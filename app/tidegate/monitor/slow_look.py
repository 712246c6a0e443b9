"""A look that may take long, or hang on a dead file server or a stuck process: in a thread of its own, bite by bite."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tidegate.monitor.faults import Faults

BITE_S = 0.002
REST_S = 0.1  # between two bites, so that a long look is never felt
COST_RATIO = 100  # and looks take no more than 1/100 of a core
HANGS_AFTER_S = 60.0

T = TypeVar("T")


class SlowLook(Generic[T]):
    """``look`` does a little of its work each time it yields, and keeps what it found where others read it."""

    def __init__(
        self,
        kind: str,
        look: Callable[[T], Iterator[None]],
        every_s: float,
        faults: Faults,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._look = look
        self._every_s = every_s
        self._faults = faults
        self._monotonic = monotonic
        self._due = self._began = monotonic()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._subjects: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def offer(self, subject: T) -> None:
        """Look at this if the last look has ended and began ``every_s`` ago; never waits. One thread only offers."""
        now = self._monotonic()
        if self._busy or now < self._due or self._stopped.is_set():
            return
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._kind, daemon=True)
            thread.start()
            self._thread = thread
        self._busy, self._began, self._due = True, now, now + self._every_s
        self._subjects.put(subject)

    @property
    def hangs(self) -> bool:
        """True when what was found last is no longer worth telling."""
        return self._busy and self._monotonic() - self._began > HANGS_AFTER_S

    def stop(self, timeout_s: float = 0.2) -> None:
        """Leave; a thread that hangs is left behind."""
        self._stopped.set()
        self._subjects.put(None)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        for subject in iter(self._subjects.get, None):
            before_s = time.thread_time()
            self._faults.attempt(self._kind, lambda subject=subject: self._bite_by_bite(subject))  # type: ignore[misc]
            self._due = max(self._due, self._monotonic() + COST_RATIO * (time.thread_time() - before_s))
            self._busy = False

    def _bite_by_bite(self, subject: T) -> None:
        until = self._monotonic() + BITE_S
        for _ in self._look(subject):
            if self._monotonic() >= until:
                if self._stopped.wait(REST_S):
                    return
                until = self._monotonic() + BITE_S

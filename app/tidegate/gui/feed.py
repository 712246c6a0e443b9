"""A Desk's change stream as Qt signals on the window's thread: batched, collapsed to the newest, free when unseen."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, Qt, Signal

from tidegate.engine.ports import Change, Desk
from tidegate.engine.views import JobView
from tidegate.gui.throttle import Throttle

BATCH_MS = 80


class Feed(QObject):
    """``jobs_changed(list[JobView], list[str])``; the others carry a StatusView, MachineSample, Notice, SettingView.

    ``advised()``: conflicts or hints moved; what is open now is asked of the desk.

    While ``watch_jobs(False)`` changes of jobs are dropped, not kept; whoever turns it on again takes a snapshot first.
    Those of jobs that somebody follows come all the same.
    """

    jobs_changed = Signal(object, object)
    status_changed = Signal(object)
    sampled = Signal(object)
    noticed = Signal(object)
    setting_changed = Signal(object)
    advised = Signal()
    _arrived = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._pending: deque[Change] = deque()
        self._announced = False
        self._watch_jobs = False
        self._followed: Counter[str] = Counter()
        self._unsubscribe: Callable[[], None] | None = None
        self._throttle = Throttle(BATCH_MS, self._deliver, self)
        # Queued: the listener runs inside the engine's own tick, where no view may spend time.
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        self._unsubscribe = self._desk.subscribe(self._receive)

    def stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._throttle.stop()
        self._pending.clear()

    def watch_jobs(self, wanted: bool) -> None:
        self._watch_jobs = wanted

    def follow(self, ids: Iterable[str]) -> None:
        """Deliver the changes of these jobs (an array's elements too); each call is ended by an ``unfollow``."""
        self._followed.update(ids)

    def unfollow(self, ids: Iterable[str]) -> None:
        self._followed.subtract(ids)
        self._followed = +self._followed

    def _wanted(self, id: str) -> bool:
        return self._watch_jobs or id in self._followed or id.partition(".")[0] in self._followed

    def _receive(self, change: Change) -> None:
        """Called by the desk, possibly on another thread: only note it and ring the bell."""
        self._pending.append(change)
        if not self._announced:
            self._announced = True
            self._arrived.emit()

    def _on_arrived(self) -> None:
        self._announced = False
        self._throttle.call()

    def _deliver(self) -> None:
        jobs: dict[str, JobView] = {}
        gone: list[str] = []
        status = None
        samples = []
        advised = False
        while self._pending:
            change = self._pending.popleft()
            if self._watch_jobs or self._followed:
                for job in change.jobs:
                    if self._wanted(job.id):
                        jobs[job.id] = job
                for id in change.gone:
                    if self._wanted(id):
                        jobs.pop(id, None)
                        gone.append(id)
            status = change.status or status
            advised = advised or bool(change.conflicts or change.hints)
            if change.sample is not None:
                samples.append(change.sample)
            if change.notice is not None:
                self.noticed.emit(change.notice)
            if change.setting is not None:
                self.setting_changed.emit(change.setting)
        if advised:
            self.advised.emit()
        if jobs or gone:
            self.jobs_changed.emit(list(jobs.values()), gone)
        for sample in samples:
            self.sampled.emit(sample)
        if status is not None:
            self.status_changed.emit(status)

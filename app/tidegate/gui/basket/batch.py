"""One drop: its files become jobs, which are followed whether or not the window is there, and can be taken back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QObject, Signal

from tidegate.core.job import JobId
from tidegate.engine.ports import Answer, Command, Desk, EngineUnwilling, Verb
from tidegate.engine.views import JobView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.submit.submitter import Submitter

FAILED = ("failed", "timed_out", "out_of_memory", "lost")
SENTENCES_SHOWN = 3


def _tr(text: str) -> str:
    return QCoreApplication.translate("basket", text)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a drop's jobs stand where."""

    running: int = 0
    paused: int = 0
    waiting: int = 0
    failed: int = 0
    cancelled: int = 0
    done: int = 0

    @property
    def live(self) -> int:
        return self.running + self.paused + self.waiting

    @property
    def ended(self) -> int:
        return self.failed + self.cancelled + self.done


def tally(jobs: Iterable[JobView]) -> Tally:
    counts = dict.fromkeys(("running", "paused", "waiting", "failed", "cancelled", "done"), 0)
    for job in jobs:
        counts[_standing(job)] += 1
    return Tally(**counts)


def _standing(job: JobView) -> str:
    if job.status == "finished":
        if job.outcome == "succeeded":
            return "done"
        return "failed" if job.outcome in FAILED else "cancelled"
    return {"queued": "waiting", "held": "waiting", "paused": "paused"}.get(job.status, "running")


def tally_line(found: Tally, refused: int = 0) -> str:
    """``2 running · 3 waiting``; what needs a look comes first."""
    if not found.live and not found.failed and not refused:
        if not found.cancelled:
            return _tr("all done")
        if not found.done:
            return _tr("cancelled")
    parts = (
        (found.failed, _tr("{count} failed")),
        (found.running, _tr("{count} running")),
        (found.paused, _tr("{count} paused")),
        (found.waiting, _tr("{count} waiting")),
        (found.done, _tr("{count} done")),
        (found.cancelled, _tr("{count} cancelled")),
        (refused, _tr("{count} refused")),
    )
    return " · ".join(text.format(count=count) for count, text in parts if count)


def one_line(job: JobView, now: float) -> str:
    """A drop of one job: its state, and the reason where there is one."""
    word = words.status_word(job).word
    why = "" if job.status == "running" else words.why(job, now)
    return f"{word} · {why}" if why else word


class Batch(QObject):
    """``changed()`` whenever what its card says may have changed."""

    changed = Signal()

    def __init__(
        self, files: Sequence[str], commands: Commands, feed: Feed, submitter: Submitter, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.files = tuple(files)
        self.ids: tuple[str, ...] = ()
        self.refused: tuple[str, ...] = ()
        self.jobs: dict[str, JobView] = {}
        self.reading = True
        self.undone = False
        self._closed = self._following = False
        self._commands, self._feed, self._submitter = commands, feed, submitter

    def start(self) -> None:
        """Submit at once, with what is detected: the person walks away."""
        self._feed.jobs_changed.connect(self._on_jobs)
        self._commands.run(self._hand_in())

    def close(self) -> None:
        """Its card is gone; the jobs stay."""
        if not self._closed:
            self._closed = True
            self._feed.jobs_changed.disconnect(self._on_jobs)
            self._feed.unfollow(self.ids if self._following else ())

    @property
    def title(self) -> str:
        """``train.py``, or ``5 scripts``."""
        if len(self.files) == 1:
            return words.printable(os.path.basename(self.files[0]) or self.files[0])
        return _tr("{count} scripts").format(count=len(self.files))

    @property
    def tally(self) -> Tally:
        return tally(self.jobs.values())

    @property
    def can_undo(self) -> bool:
        """While none of them has finished; what has run cannot be taken back."""
        found = self.tally
        return bool(found.live) and not found.ended and not self.undone

    @property
    def well_ended(self) -> bool:
        """Nothing left that a person would want to read."""
        found = self.tally
        return bool(found.ended) and not found.live and not found.failed and not self.refused

    def undo(self) -> None:
        if self.can_undo:
            self.undone = True
            self.changed.emit()
            self._commands.run(self._take_back())

    # --- Inside ---

    async def _hand_in(self) -> None:
        try:
            taken = await self._submitter.hand_in(self.files)
        except EngineUnwilling as error:
            self.refused = (str(error),)
        else:
            self.ids, self.refused = taken.ids, taken.refused
            await self._begin_to_follow()
        finally:
            self.reading = False
            self._say_changed()

    async def _begin_to_follow(self) -> None:
        """Followed first and looked up then, so that no change falls in between."""
        if self._closed or not self.ids:
            return
        self._following = True
        self._feed.follow(self.ids)
        for job in await asyncio.to_thread(_look_up, self._commands.desk, self.ids):
            self.jobs.setdefault(job.id, job)

    async def _take_back(self) -> None:
        ids = tuple(JobId.parse(id) for id in self.ids)
        try:
            results = await self._commands.desk.command(Command(Verb.CANCEL, ids))
        except EngineUnwilling as error:
            self.refused += (str(error),)
        else:
            refused = dict.fromkeys(each.sentence for each in results if each.answer is not Answer.DONE)
            self.refused += tuple(refused)
        finally:
            self.undone = False
            self._say_changed()

    def _say_changed(self) -> None:
        if not self._closed:
            self.changed.emit()

    def _on_jobs(self, changed: Sequence[JobView], _gone: Sequence[str]) -> None:
        """One that left memory keeps its last state here."""
        if self._closed or not self.ids:
            return
        mine = [job for job in changed if job.id in self.ids or job.id.partition(".")[0] in self.ids]
        if mine:
            self.jobs.update((job.id, job) for job in mine)
            self.changed.emit()


def _look_up(desk: Desk, ids: Sequence[str]) -> list[JobView]:
    return [job for id in ids for job in desk.job(JobId.parse(id))]


def refusals(sentences: Sequence[str]) -> str:
    """A few sentences, a line each; of the rest how many."""
    shown = list(sentences[:SENTENCES_SHOWN])
    if len(sentences) > len(shown):
        shown.append(_tr("{count} more were refused.").format(count=len(sentences) - len(shown)))
    return "\n".join(words.printable(sentence) for sentence in shown)

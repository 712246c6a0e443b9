"""Which jobs the words above the table mean: every word in name, command, label or id. Pure data, no Qt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate.engine.views import JobView
from tidegate.gui import words

PIECE = 100


class JobMatch:
    """``#7`` is the job of this number, or its array's elements; other words may stand anywhere, capital or not.

    What it was found to mean it knows again, until the job has changed.
    """

    def __init__(self, text: str) -> None:
        self._words = text.casefold().split()
        self._known: dict[str, tuple[JobView, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self._words)

    def __call__(self, job: JobView) -> bool:
        if not self._words:
            return True
        known = self._known.get(job.id)
        if known is None or known[0] is not job:
            known = self._known[job.id] = job, self._means(job)
        return known[1]

    def look_at(self, jobs: Sequence[JobView]) -> Iterator[None]:
        """Know them beforehand, a piece with every step."""
        for first in range(0, len(jobs) if self else 0, PIECE):
            for job in jobs[first : first + PIECE]:
                self(job)
            yield

    def _means(self, job: JobView) -> bool:
        text = "\n".join((words.title(job), *job.command, *job.labels, job.queue)).casefold()
        return all(_fits(word, job.id, text) for word in self._words)


def _fits(word: str, id: str, text: str) -> bool:
    number = word.removeprefix("#")
    if id == number or id.startswith(f"{number}."):
        return True
    return not word.startswith("#") and word in text

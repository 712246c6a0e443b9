"""Which jobs the words above the table mean: every word in name, command, label or id. Pure data, no Qt."""

from __future__ import annotations

from tidegate.engine.views import JobView
from tidegate.gui import words


class JobMatch:
    """``#7`` is the job of this number, or its array's elements; other words may stand anywhere, capital or not."""

    def __init__(self, text: str) -> None:
        self._words = text.casefold().split()

    def __bool__(self) -> bool:
        return bool(self._words)

    def __call__(self, job: JobView) -> bool:
        if not self._words:
            return True
        text = "\n".join((words.title(job), *job.command, *job.labels, job.queue)).casefold()
        return all(_fits(word, job.id, text) for word in self._words)


def _fits(word: str, id: str, text: str) -> bool:
    number = word.removeprefix("#")
    if id == number or id.startswith(f"{number}."):
        return True
    return not word.startswith("#") and word in text

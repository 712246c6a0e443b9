"""One look into a history that is closed again at once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from contracts.journal_contract import ids
from tidegate.core.job import JobId
from tidegate.journal.history import History


def kept(database: Path, number: int) -> list[str]:
    """The ids written under this number."""
    with closing(History(database)) as history:
        return ids(history.job(JobId(number)))

"""A journal in a folder of its own, closed at the end whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.journal.journal import Journal


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "tidegate.db"


@pytest.fixture
def open_journal(database: Path) -> Iterator[Callable[..., Journal]]:
    """Open a journal (keywords as the class has them); answers are given on the writer's thread."""
    opened: list[Journal] = []

    def open_one(path: Path = database, **options: Any) -> Journal:
        journal = Journal(path, lambda callback: callback(), **options)
        opened.append(journal)
        return journal

    yield open_one
    for journal in opened:
        journal.close()

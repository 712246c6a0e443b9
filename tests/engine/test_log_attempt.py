"""Which attempt's log the desk reads, and that its answer names it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.test_desk_threads import a_desk
from support.world import World
from tidegate.core.job import JobId
from tidegate.engine.desk import LocalDesk
from tidegate.engine.reading import read_log


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalDesk]:
    loop = asyncio.new_event_loop()
    made = a_desk(World(), loop)
    monkeypatch.setattr(made, "_log_path", lambda job, attempt: os.fspath(tmp_path / f"{job}-{attempt}.log"))
    yield made
    loop.close()


def knows(desk: LocalDesk, monkeypatch: pytest.MonkeyPatch, attempts: int, outcome: str | None = None) -> None:
    numbers = [SimpleNamespace(number=number) for number in range(1, attempts + 1)]
    job = SimpleNamespace(id=JobId(1), attempts=numbers, outcome=outcome)
    monkeypatch.setattr(desk._reading, "find", lambda wanted: [job] if wanted == JobId(1) else [])


def test_the_newest_attempt_is_read_and_named(desk, monkeypatch, tmp_path: Path) -> None:
    knows(desk, monkeypatch, 2)
    (tmp_path / "1-1.log").write_bytes(b"first")
    (tmp_path / "1-2.log").write_bytes(b"second")
    newest, first = desk.read_log(JobId(1), None, 0, 100), desk.read_log(JobId(1), 1, 0, 100)
    assert (newest.data, newest.attempt, newest.ended) == (b"second", 2, False)
    assert (first.data, first.attempt, first.ended) == (b"first", 1, True)


def test_a_job_that_has_not_started_has_an_empty_first_log(desk, monkeypatch) -> None:
    knows(desk, monkeypatch, 0)
    for attempt in (None, 1):
        chunk = desk.read_log(JobId(1), attempt, 0, 100)
        assert (chunk.data, chunk.size, chunk.attempt, chunk.ended) == (b"", 0, 1, False)


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_an_attempt_that_never_was_is_unknown(desk, monkeypatch, attempts: int) -> None:
    knows(desk, monkeypatch, attempts)
    with pytest.raises(KeyError):
        desk.read_log(JobId(1), max(1, attempts) + 1, 0, 100)
    with pytest.raises(KeyError):
        desk.read_log(JobId(2), None, 0, 100)


def test_a_file_that_is_not_there_still_names_the_attempt(tmp_path: Path) -> None:
    assert read_log(os.fspath(tmp_path / "no"), 5, 10, True, None, 3).attempt == 3

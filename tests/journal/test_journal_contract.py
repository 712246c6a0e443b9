"""The journal contract, on the SQLite journal and on the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.journal_contract import JournalContract, a_record
from tidegate.core.job import JobId
from tidegate.engine.ports import Batch
from tidegate.journal.history import History
from tidegate.journal.journal import Journal
from tidegate.simulator.memory_journal import MemoryDisk, MemoryJournal


def at_once(callback: Callable[[], None]) -> None:
    callback()


class SqliteWorld:
    def __init__(self, folder: Path) -> None:
        self.database = folder / "tidegate.db"
        self._opened: list[Journal | History] = []

    def open(self) -> Journal:
        journal = Journal(self.database, at_once)
        self._opened.append(journal)
        return journal

    def history(self) -> History:
        history = History(self.database)
        self._opened.append(history)
        return history

    def close(self) -> None:
        for each in self._opened:
            each.close()


class MemoryWorld:
    def __init__(self) -> None:
        self.disk = MemoryDisk()

    def open(self) -> MemoryJournal:
        return MemoryJournal(at_once, self.disk)

    def history(self) -> MemoryJournal:
        return MemoryJournal(at_once, self.disk)


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[SqliteWorld]:
        world = SqliteWorld(tmp_path)
        yield world
        world.close()


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()


def test_the_one_in_memory_can_play_a_full_disk() -> None:
    journal = MemoryJournal(at_once)
    answers: list[tuple[str, str | None]] = []
    journal.fail("The disk is full.")
    journal.write(Batch(added=(a_record(1),), durable=True), lambda error: answers.append(("durable", error)))
    journal.write(Batch(added=(a_record(2),)), lambda error: answers.append(("kept", error)))
    assert answers == [("durable", "The disk is full."), ("kept", "The disk is full.")]
    assert journal.disk.records == {}
    journal.heal()
    assert answers[2:] == [("kept", None)]
    assert list(journal.disk.records) == [JobId(2)]

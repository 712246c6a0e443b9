"""Full, read-only, locked and missing: running work goes on, nothing accepted is lost, and it heals by itself."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.journal_contract import (
    SPEC,
    a_conflict,
    a_hint,
    a_notice,
    a_record,
    a_sample,
    a_tick,
    an_attempt,
    ids,
    written,
)
from journal.reading import kept
from support.until import until
from tidegate.core.job import JobId, Running, RunRef
from tidegate.engine.ports import Batch
from tidegate.journal import database as database_module
from tidegate.journal.database import DatabaseRefused, connect
from tidegate.journal.journal import Journal
from tidegate.journal.pending import KEPT_ADVICE, KEPT_NOTICES, KEPT_SAMPLES, KEPT_TICKS, Pending

OpenJournal = Callable[..., Journal]

# The journal logs what goes wrong here; the tests look at what users and engine are told instead.
pytestmark = pytest.mark.usefixtures("caplog")


class SmallDisk:
    """Opens connections whose database may not grow beyond ``pages``: SQLite itself answers SQLITE_FULL."""

    def __init__(self) -> None:
        self.pages = 1 << 30

    def connect(self, path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute(f"PRAGMA max_page_count = {self.pages}")
        return connection


def many(first: int, count: int) -> tuple[object, ...]:
    return tuple(a_record(number) for number in range(first, first + count))


@pytest.fixture
def disk() -> SmallDisk:
    return SmallDisk()


class TestFullDisk:
    @pytest.fixture
    def health(self) -> list[str | None]:
        return []

    @pytest.fixture
    def journal(self, open_journal: OpenJournal, disk: SmallDisk, health: list[str | None], database: Path) -> Journal:
        """One accepted job, and then a disk with no page left."""
        journal = open_journal(open_connection=disk.connect, on_health=health.append)
        journal.load(10)
        assert written(journal, Batch(added=(a_record(1),), durable=True)) is None
        journal.close()
        disk.pages = 1
        journal = open_journal(open_connection=disk.connect, on_health=health.append)
        journal.load(10)
        return journal

    def fill(self, journal: Journal) -> str:
        answer = written(journal, Batch(added=many(100, 200), durable=True))  # type: ignore[arg-type]
        assert answer is not None
        return answer

    def test_what_was_to_be_accepted_is_refused_with_the_reason(self, journal: Journal, database: Path) -> None:
        answer = self.fill(journal)
        assert answer == f"The disk that holds {database} is full: free some space, and it goes on by itself."

    def test_it_heals_by_itself_and_only_the_refused_is_missing(
        self, journal: Journal, disk: SmallDisk, health: list[str | None], open_journal: OpenJournal
    ) -> None:
        sentence = self.fill(journal)
        answers: list[str | None] = []
        ticks = tuple(
            a_tick(float(at), f"Something long enough to need a page of its own {at}" * 9) for at in range(80)
        )
        running = a_record(1, status=Running(5.0, RunRef("t1", "b:1:2.0")))
        journal.write(Batch(changed=(running,), attempts=((JobId(1), an_attempt()),), ticks=ticks), answers.append)
        until(lambda: answers == [sentence])
        disk.pages = 1 << 30
        until(lambda: answers == [sentence, None])
        assert health == [sentence, None]
        assert written(journal, Batch(added=(a_record(2),), durable=True)) is None
        journal.close()
        state = open_journal().load(10)
        assert ids(state) == ["1", "2"]
        assert (state.jobs[0].status, state.jobs[0].attempts) == (running.status, (an_attempt(),))

    def test_it_is_found_well_again_though_nothing_waits(
        self, journal: Journal, disk: SmallDisk, health: list[str | None]
    ) -> None:
        self.fill(journal)
        disk.pages = 1 << 30
        until(lambda: health[-1] is None)

    def test_later_changes_do_not_overtake_kept_ones(
        self, journal: Journal, disk: SmallDisk, open_journal: OpenJournal
    ) -> None:
        self.fill(journal)
        journal.write(Batch(added=many(10, 200)))  # type: ignore[arg-type]
        for rank in range(50):
            journal.write(Batch(changed=(a_record(10, rank=rank),)))
        disk.pages = 1 << 30
        assert written(journal, Batch(changed=(a_record(10, rank=99),), durable=True)) is None
        journal.close()
        jobs = {job.id.number: job for job in open_journal().load(10).jobs}
        assert (len(jobs), jobs[10].rank) == (201, 99)

    def test_what_cannot_be_written_by_the_end_is_said(
        self, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.fill(journal)
        journal.write(Batch(added=many(10, 200)))  # type: ignore[arg-type]
        journal.close()
        assert "could not be written before the end" in caplog.text


def test_waiting_changes_are_merged_and_bounded() -> None:
    pending = Pending()
    for at in range(KEPT_TICKS + 500):
        pending.absorb(
            Batch(
                changed=(a_record(at % 3, rank=at),),
                attempts=((JobId(at % 3), an_attempt(1, "t", cpu_s=float(at))),),
                ticks=(a_tick(float(at), f"tick {at // 2 * 2 if at < 1000 else at}"),),
                samples=(a_sample(float(at)),),
                meta=(("next_job_number", str(at)),),
                notices=(a_notice(at),),
                conflicts=(a_conflict(at),),
                hints=(a_hint(at),),
            )
        )
    pending.bound()
    newest = list(range(KEPT_TICKS + 500 - KEPT_ADVICE, KEPT_TICKS + 500))
    assert sorted(pending.conflicts) == sorted(pending.hints) == newest
    assert sorted(pending.notices) == list(range(KEPT_TICKS + 500 - KEPT_NOTICES, KEPT_TICKS + 500)), "the newest"
    assert (len(pending.changed), len(pending.attempts), len(pending.meta)) == (3, 3, 1)
    assert (len(pending.ticks), len(pending.samples)) == (KEPT_TICKS, KEPT_SAMPLES)
    assert pending.ticks_dropped == 0
    pending.absorb(Batch(ticks=(a_tick(0.0, "another"),)))
    pending.bound()
    assert pending.ticks_dropped == 2, "the oldest row stood for two equal ticks"
    assert min(pending.samples) == KEPT_TICKS + 500 - KEPT_SAMPLES


class TestMissingFolder:
    def test_the_state_is_empty_with_a_reason_and_work_is_kept_until_the_folder_is_there(
        self, tmp_path: Path, open_journal: OpenJournal
    ) -> None:
        path = tmp_path / "not yet" / "tidegate.db"
        journal = open_journal(path)
        (warning,) = journal.load(10).warnings
        assert str(path) in warning
        answers: list[str | None] = []
        journal.write(Batch(added=(a_record(1),)), answers.append)
        until(lambda: answers)
        assert answers[0] is not None
        assert written(journal, Batch(added=(a_record(2),), durable=True)) is not None
        path.parent.mkdir()
        until(lambda: answers[-1] is None)
        assert kept(path, 1) == ["1"]
        assert kept(path, 2) == []


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
class TestReadOnlyFolder:
    """Root may write anywhere, so the test takes another user's rights for a moment when it is root."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp())
        yield folder
        shutil.rmtree(folder)

    @pytest.fixture
    def as_a_user(self, folder: Path, open_journal: OpenJournal) -> Iterator[Path]:
        path = folder / "tidegate.db"
        journal = open_journal(path)
        journal.load(10)
        written(journal, Batch(added=(a_record(1),), durable=True))
        journal.close()
        root = os.geteuid() == 0
        if root:
            os.chown(path, 65534, 65534)
            os.chown(folder, 65534, 65534)
            os.setegid(65534)
            os.seteuid(65534)
        folder.chmod(0o500)
        path.chmod(0o400)
        yield path
        folder.chmod(0o700)
        if root:
            os.seteuid(0)
            os.setegid(0)

    def test_the_state_is_read_new_work_refused_and_it_heals(self, as_a_user: Path, open_journal: OpenJournal) -> None:
        journal = open_journal(as_a_user)
        state = journal.load(10)
        assert ids(state) == ["1"]
        assert len(state.warnings) == 1
        answer = written(journal, Batch(added=(a_record(2),), durable=True))
        assert answer is not None
        assert str(as_a_user) in answer
        as_a_user.parent.chmod(0o700)
        as_a_user.chmod(0o600)
        assert written(journal, Batch(added=(a_record(3),), durable=True)) is None
        journal.close()
        assert ids(open_journal(as_a_user).load(10)) == ["1", "3"]

    def test_what_cannot_be_read_for_sure_is_refused(self, as_a_user: Path, open_journal: OpenJournal) -> None:
        as_a_user.parent.chmod(0o700)
        Path(f"{as_a_user}-wal").write_bytes(b"x" * 100)
        as_a_user.chmod(0o000)
        with pytest.raises(DatabaseRefused):
            open_journal(as_a_user).load(10)


class TestLocked:
    def test_it_says_so_and_goes_on_when_the_lock_is_gone(self, open_journal: OpenJournal, database: Path) -> None:
        def impatient(path: Path) -> sqlite3.Connection:
            connection = connect(path)
            connection.execute("PRAGMA busy_timeout = 20")
            return connection

        journal = open_journal(open_connection=impatient)
        journal.load(10)
        assert written(journal, Batch(added=(a_record(1),), durable=True)) is None
        other = connect(database)
        other.execute("BEGIN IMMEDIATE")
        answer = written(journal, Batch(added=(a_record(2),), durable=True))
        assert answer is not None
        assert "locked by another program" in answer
        answers: list[str | None] = []
        journal.write(Batch(changed=(a_record(1, rank=7),)), answers.append)
        until(lambda: answers)
        other.execute("ROLLBACK")
        other.close()
        until(lambda: answers[-1] is None)


class TestOurOwnMistake:
    def test_one_bad_batch_does_not_cost_the_others(
        self, open_journal: OpenJournal, caplog: pytest.LogCaptureFixture
    ) -> None:
        journal = open_journal(linger_s=0.3)
        journal.load(10)
        answers: dict[str, str | None] = {}

        def write(name: str, batch: Batch) -> None:
            journal.write(batch, lambda error: answers.__setitem__(name, error))

        write("good", Batch(added=(a_record(1), a_record(2)), attempts=((JobId(1), an_attempt(1, "same")),)))
        write("bad", Batch(changed=(a_record(2, rank=5),), attempts=((JobId(2), an_attempt(1, "same")),)))
        write("later", Batch(changed=(a_record(1, rank=4),)))
        until(lambda: len(answers) == 3)
        assert answers["good"] is None
        assert answers["later"] is None
        assert "UNIQUE constraint failed: attempts.token" in str(answers["bad"])
        journal.close()
        one, two = open_journal().load(10).jobs
        assert (one.rank, two.rank, two.attempts) == (4, 5, ()), "the good row of the bad batch is written all the same"

    def test_a_failing_answer_does_not_cost_the_others(
        self, open_journal: OpenJournal, caplog: pytest.LogCaptureFixture
    ) -> None:
        journal = open_journal()
        journal.load(10)

        def fail(error: str | None) -> None:
            raise ValueError("a bug in the engine")

        journal.write(Batch(added=(a_record(1),)), fail)
        assert written(journal, Batch(added=(a_record(2),), durable=True)) is None
        assert "a bug in the engine" in caplog.text

    def test_a_row_that_went_missing_is_written_again(self, open_journal: OpenJournal, database: Path) -> None:
        journal = open_journal()
        journal.load(10)
        written(journal, Batch(added=(a_record(1), a_record(2)), durable=True))
        other = connect(database)
        other.execute("DELETE FROM jobs WHERE id = '1'")
        other.close()
        assert written(journal, Batch(changed=(a_record(1, rank=3), a_record(2, rank=4)))) is None
        journal.close()
        assert [(job.spec, job.rank) for job in open_journal().load(10).jobs] == [(SPEC, 3), (SPEC, 4)]


def test_answers_of_one_commit_come_by_one_call(database: Path) -> None:
    calls: list[Callable[[], None]] = []
    journal = Journal(database, calls.append, linger_s=1.0)
    journal.load(10)
    answers: list[int] = []
    for number in range(1, 51):
        batch = Batch(added=(a_record(number),), durable=number == 50)
        journal.write(batch, lambda _, number=number: answers.append(number))  # type: ignore[misc]
    until(lambda: calls)
    journal.close()
    assert answers == [], "nothing is answered on the writer's own thread"
    (call,) = calls
    call()
    assert answers == list(range(1, 51))


def test_an_engine_that_is_gone_is_no_error(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    def closed_loop(callback: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    journal = Journal(database, closed_loop)
    journal.load(10)
    journal.write(Batch(added=(a_record(1),)), lambda _: None)
    journal.close()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert kept(database, 1) == ["1"]


def test_a_refused_job_the_disk_has_after_all_is_removed(open_journal: OpenJournal, database: Path) -> None:
    """The error may come after the bytes are down: what was said to be refused must not run at the next start."""

    class FailsAfterCommit(sqlite3.Connection):
        armed = False

        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:  # type: ignore[override]
            cursor = super().execute(sql, *parameters)  # type: ignore[arg-type]
            if sql == "COMMIT" and FailsAfterCommit.armed:
                FailsAfterCommit.armed = False
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
                raise error
            return cursor

    def fragile(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=FailsAfterCommit)

    journal = open_journal(open_connection=fragile)
    journal.load(10)
    written(journal, Batch(meta=(("a", "b"),), durable=True))
    FailsAfterCommit.armed = True
    batch = Batch(added=(a_record(1),), durable=True)
    assert "SQLITE_IOERR_FSYNC" in str(written(journal, batch))
    assert written(journal, batch) is None, "its number is free to be used again"
    FailsAfterCommit.armed = True
    written(journal, Batch(added=(a_record(2),), durable=True))
    until(lambda: kept(database, 2) == [])
    journal.close()
    assert ids(open_journal().load(10)) == ["1"]


def test_without_wal_on_a_network_file_system(
    open_journal: OpenJournal, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "is_network_file_system", lambda _: True)
    journal = open_journal()
    journal.load(10)
    assert written(journal, Batch(added=(a_record(1),), durable=True)) is None
    assert not Path(f"{database}-wal").exists()
    assert kept(database, 1) == ["1"]
    assert written(journal, Batch(changed=(a_record(1, rank=2),))) is None

"""The file itself: rights, formats old and new, damage, and where it lies."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from contracts.journal_contract import (
    a_conflict,
    a_hint,
    a_notice,
    a_record,
    a_tick,
    an_attempt,
    an_ended_record,
    ids,
    written,
)
from journal.make_golden import GOLDEN_V1, GOLDEN_V2, GOLDEN_V3, GOLDEN_V4, fill_v1, fill_v2, fill_v3, fill_v4
from journal.reading import kept
from tidegate.core.job import Finished, Held, JobId, Outcome, Queued, Running, RunRef
from tidegate.engine.ports import Batch
from tidegate.journal.database import DatabaseRefused, connect, newest_format, open_for_writing
from tidegate.journal.history import History
from tidegate.journal.journal import Journal
from tidegate.journal.mounts import is_network_file_system
from tidegate.simulator.memory_journal import MemoryJournal

OpenJournal = Callable[..., Journal]


def test_only_its_owner_can_read_it(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal()
    journal.load(10)
    written(journal, Batch(added=(a_record(1),), durable=True))
    for path in database.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    journal.close()
    database.chmod(0o644)
    open_journal().load(10)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_an_orderly_end_leaves_one_file(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal()
    journal.load(10)
    written(journal, Batch(added=(a_record(1),), durable=True))
    journal.close()
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_a_name_in_any_bytes(open_journal: OpenJournal, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9 %41?#")
    folder.mkdir()
    journal = open_journal(folder / "tidegate.db")
    journal.load(10)
    assert written(journal, Batch(added=(a_record(1),), durable=True)) is None
    assert kept(folder / "tidegate.db", 1) == ["1"]


# --- formats --------------------------------------------------------------------------------------------------------


def test_a_newer_database_is_refused_and_left_alone(open_journal: OpenJournal, database: Path) -> None:
    connection = open_for_writing(database)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = database.read_bytes()
    with pytest.raises(DatabaseRefused) as refusal:
        open_journal().load(10)
    assert str(refusal.value) == (
        f"The database {database} was written by a newer Tidegate (format 999, this one reads up to "
        f"{newest_format()}): update Tidegate, or move the file away to begin a new one."
    )
    assert database.read_bytes() == before


def test_the_first_format_opens_for_ever(open_journal: OpenJournal, database: Path) -> None:
    """The golden file was written by the first version; what it says must never change."""
    shutil.copy(GOLDEN_V1, database)
    expected = MemoryJournal(lambda callback: callback())
    fill_v1(expected)
    journal = open_journal()
    state, known = journal.load(10), expected.load(10)
    assert state.warnings == ()
    assert state.jobs == known.jobs
    assert set(state.profiles) == set(known.profiles)
    assert dict(state.meta) == dict(known.meta)
    with closing(History(database)) as history:
        assert history.finished(None, None) == expected.finished(None, None)
        assert history.ticks(None, None, 100) == expected.ticks(None, None, 100)
        assert history.samples(0.0, 1e12)[-2:] == expected.samples(0.0, 1e12)[-2:]
    assert written(journal, Batch(added=(a_record(500),), durable=True)) is None
    connection = connect(database)
    assert connection.execute("PRAGMA user_version").fetchone() == (newest_format(),)
    connection.close()


def test_the_second_format_opens_for_ever(open_journal: OpenJournal, database: Path) -> None:
    """It brought the inbox."""
    shutil.copy(GOLDEN_V2, database)
    expected = MemoryJournal(lambda callback: callback())
    fill_v2(expected)
    journal = open_journal()
    state, known = journal.load(10), expected.load(10)
    assert (state.jobs, dict(state.meta), state.warnings) == (known.jobs, dict(known.meta), ())
    with closing(History(database)) as history:
        assert history.notices(None, 100) == expected.notices(None, 100)
        assert history.ticks(None, None, 100) == expected.ticks(None, None, 100)
    assert written(journal, Batch(notices=(a_notice(500),))) is None


def test_the_third_format_opens_for_ever(open_journal: OpenJournal, database: Path) -> None:
    """It brought conflicts and hints."""
    shutil.copy(GOLDEN_V3, database)
    expected = MemoryJournal(lambda callback: callback())
    fill_v3(expected)
    journal = open_journal()
    state, known = journal.load(10), expected.load(10)
    assert (state.jobs, dict(state.meta), state.warnings) == (known.jobs, dict(known.meta), ())
    assert (state.conflicts, state.hints) == (known.conflicts, known.hints)
    with closing(History(database)) as history:
        assert history.conflicts(None) == expected.conflicts(None)
        assert history.hints(None) == expected.hints(None)
        assert history.notices(None, 100) == expected.notices(None, 100)
    assert written(journal, Batch(conflicts=(a_conflict(9),))) is None


def test_the_fourth_format_opens_for_ever(open_journal: OpenJournal, database: Path) -> None:
    """It brought the strategy that let a run start."""
    shutil.copy(GOLDEN_V4, database)
    expected = MemoryJournal(lambda callback: callback())
    fill_v4(expected)
    state, known = open_journal().load(10), expected.load(10)
    assert (state.jobs, state.conflicts, state.warnings) == (known.jobs, known.conflicts, ())
    with closing(History(database)) as history:
        assert history.finished(None, None) == expected.finished(None, None)
        assert [attempt.strategy for job in history.job(JobId(8)) for attempt in job.attempts] == ["hybrid"]


def test_advice_that_cannot_be_understood_costs_only_itself(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal()
    journal.load(10)
    written(journal, Batch(conflicts=(a_conflict(1), a_conflict(2)), hints=(a_hint(1, closed_at=9.0),)))
    journal.close()
    with closing(connect(database)) as connection:
        connection.execute("UPDATE conflicts SET view = '{}' WHERE id = 1")
        connection.execute("UPDATE hints SET view = 'rubbish'")
    state = open_journal().load(10)
    assert [record.view.id for record in state.conflicts] == [2]
    assert "conflicts 1" in state.warnings[0]
    with closing(History(database)) as history:
        assert history.hints() == []


def test_a_first_format_gets_its_inbox_and_is_read_without_one_until_then(
    open_journal: OpenJournal, database: Path
) -> None:
    shutil.copy(GOLDEN_V1, database)
    with closing(History(database)) as history:
        assert history.notices(None, 10) == []
        assert (history.conflicts(), history.hints()) == ([], [])
        assert {run.strategy for job in history.finished() for run in job.attempts} == {None}
    journal = open_journal()
    journal.load(10)
    assert written(journal, Batch(notices=(a_notice(1),))) is None
    with closing(History(database)) as history:
        assert history.notices(None, 10) == [a_notice(1)]


def test_a_first_format_that_is_damaged_is_salvaged_by_a_later_version(
    open_journal: OpenJournal, database: Path
) -> None:
    shutil.copy(GOLDEN_V1, database)
    damage(database, "profiles")
    Path(f"{database}-wal").write_bytes(b"after an unclean end the file is looked through before it is migrated")
    state = open_journal().load(10)
    assert "was damaged and is kept as" in state.warnings[0]
    assert "unfinished jobs could still be read" in state.warnings[0]
    assert state.jobs


def test_a_notice_of_a_kind_that_came_later_is_left_out(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal()
    journal.load(10)
    written(journal, Batch(notices=(a_notice(1), a_notice(2), a_notice(3))))
    journal.close()
    with closing(connect(database)) as connection:
        connection.execute("UPDATE notices SET kind = 'dream' WHERE id = 1")
        connection.execute("UPDATE notices SET offers = '[{}]' WHERE id = 2")
    with closing(History(database)) as history:
        assert [notice.id for notice in history.notices(None, 10)] == [3]


def test_a_failed_migration_leaves_the_old_format(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_for_writing(database).close()
    newest = newest_format()
    broken = [(newest, ""), (newest + 1, "CREATE TABLE more (x); CREATE TABLE more (x);")]
    monkeypatch.setattr("tidegate.journal.database.migrations", lambda: broken)
    with pytest.raises(sqlite3.OperationalError):
        open_for_writing(database)
    connection = connect(database)
    assert connection.execute("PRAGMA user_version").fetchone() == (newest,)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").fetchone() == (0,)
    connection.close()


def test_an_entry_that_cannot_be_understood_costs_only_itself(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal()
    journal.load(10)
    written(journal, Batch(added=(a_record(1), a_record(2), a_record(3)), durable=True))
    journal.close()
    connection = connect(database)
    connection.execute("UPDATE jobs SET status = 'dreaming' WHERE id = '2'")
    connection.close()
    state = open_journal().load(10)
    assert ids(state) == ["1", "3"]
    (warning,) = state.warnings
    assert "job 2" in warning
    assert "dreaming" in warning


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"this is no database at all" * 50, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_rubbish_is_set_aside_and_said(open_journal: OpenJournal, database: Path, content: bytes) -> None:
    database.write_bytes(content)
    journal = open_journal(clock=lambda: 1_700_000_000.0)
    (warning,) = journal.load(10).warnings
    (aside,) = database.parent.glob("tidegate.db.damaged-*")
    assert aside.read_bytes() == content
    assert str(database) in warning
    assert aside.name in warning
    assert written(journal, Batch(added=(a_record(1),), durable=True)) is None


def test_an_empty_file_is_a_new_database(open_journal: OpenJournal, database: Path) -> None:
    database.touch()
    assert open_journal().load(10).warnings == ()


def damage(database: Path, table: str) -> None:
    """Overwrite the root pages of one table, as a failing disk might."""
    connection = connect(database)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def test_what_a_damaged_database_still_says_is_carried_over(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal(clock=lambda: 5000.0)
    journal.load(10)
    running = a_record(2, status=Running(5.0, RunRef("t2", "b:1:2.0")))
    unknown = a_record(3, status=Running(5.0, RunRef("t3", "b:1:2.0")))
    batch = Batch(
        added=(a_record(1), running, unknown, an_ended_record(4, 50.0)),
        attempts=((JobId(2), an_attempt(1, "t2")),),
        meta=(("next_job_number", "5"),),
        ticks=(a_tick(1.0),),
        notices=(a_notice(6),),
        conflicts=(a_conflict(4),),
        hints=(a_hint(8),),
        durable=True,
    )
    assert written(journal, batch) is None
    journal.close()
    damage(database, "profiles")
    damage(database, "jobs_open")
    journal = open_journal(clock=lambda: 5000.0)
    state = journal.load(10)
    (warning,) = state.warnings
    assert "2 unfinished jobs could still be read" in warning
    jobs = {job.id.number: job for job in state.jobs}
    assert isinstance(jobs[1].status, Held), "it may have run since: nothing runs twice"
    assert (jobs[2].status, jobs[2].attempts) == (running.status, (an_attempt(1, "t2"),))
    assert isinstance(jobs[3].status, Finished)
    assert jobs[3].status.outcome is Outcome.LOST
    assert jobs[4].status == Finished(50.0, Outcome.SUCCEEDED, 0)
    assert state.meta["next_job_number"] == "5"
    assert [state.meta[f"next_{what}"] for what in ("notice", "conflict", "hint")] == ["7", "5", "9"]
    assert (state.conflicts, state.hints) == ((a_conflict(4),), (a_hint(8),))
    with closing(History(database)) as history:
        assert history.notices(None, 10) == [a_notice(6)]
    assert written(journal, Batch(changed=(a_record(1, status=Queued(6000.0)),), durable=True)) is None


def test_numbers_are_not_used_again_though_the_counter_is_lost(open_journal: OpenJournal, database: Path) -> None:
    journal = open_journal()
    journal.load(10)
    records = tuple(a_record(number) for number in range(1, 2001))
    written(journal, Batch(added=records, meta=(("next_job_number", "2001"),), durable=True))
    journal.close()
    damage(database, "meta")
    size = database.stat().st_size
    with database.open("r+b") as file:  # and one page amid the jobs
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096)
    state = open_journal().load(10)
    assert int(state.meta["next_job_number"]) == 2001
    assert 1000 < len(state.jobs) < 2001, "jobs on both sides of the bad page are found"


def test_two_damaged_databases_in_one_second_are_both_kept(open_journal: OpenJournal, database: Path) -> None:
    for content in (b"one" * 500, b"two" * 500):
        database.write_bytes(content)
        Path(f"{database}-wal").write_bytes(b"its wal")
        open_journal(clock=lambda: 1_700_000_000.0).load(10)
    kept = {path.read_bytes()[:3] for path in database.parent.glob("*.damaged-*[0-9]")}
    assert kept == {b"one", b"two"}


# --- where it lies --------------------------------------------------------------------------------------------------

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /home rw shared:1 - nfs4 server:/home rw
41 40 0:41 / /home/local rw - xfs /dev/vdb rw
42 27 0:42 / /mnt/my\\040share rw - fuse.sshfs me@host: rw
43 27 0:43 / /mnt/gone rw - cifs //x/y rw
44 27 0:44 / /mnt/gone rw - ext4 /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/var/lib", False),
        ("/home/anna/.local", True),
        ("/home/local/anna", False),
        ("/homework", False),
        ("/mnt/my share/x", True),
        ("/mnt/gone", False),
    ],
)
def test_which_folders_come_over_the_network(folder: str, network: bool) -> None:
    assert is_network_file_system(Path(folder) / "tidegate.db", MOUNTS) is network

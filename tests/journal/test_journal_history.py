"""What is read back beside the writer: minutes, what has grown too old, and readers in other processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.journal_contract import (
    a_conflict,
    a_hint,
    a_notice,
    a_record,
    a_sample,
    a_tick,
    an_attempt,
    an_ended_record,
    ids,
    written,
)
from support.until import until
from tidegate.core.job import Finished, JobId, Outcome, Starting
from tidegate.engine.ports import Batch
from tidegate.journal.database import connect
from tidegate.journal.history import History
from tidegate.journal.journal import Journal
from tidegate.journal.minutes import mean_and_maximum
from tidegate.journal.retention import DAY_S, Retention, sweep

OpenJournal = Callable[..., Journal]
MINUTE = 1_700_000_040.0  # a multiple of 60


@pytest.fixture
def history(database: Path) -> Iterator[History]:
    history = History(database)
    yield history
    history.close()


@pytest.fixture
def journal(open_journal: OpenJournal) -> Journal:
    journal = open_journal()
    journal.load(10)
    return journal


def swept(database: Path, retention: Retention, now: float) -> None:
    connection = connect(database)
    while sweep(connection, retention, now):
        pass
    connection.close()


# --- minutes --------------------------------------------------------------------------------------------------------


def test_mean_and_maximum_leave_out_what_is_unknown() -> None:
    samples = [
        a_sample(
            MINUTE, cpu_pct=10.0, memory_used_bytes=100, running=1, mode="NORMAL", cards=((0, 50.0, 10, None, 5.0),)
        ),
        a_sample(MINUTE + 1, cpu_pct=None, memory_used_bytes=301, running=4, mode="EMERGENCY", cards=()),
        a_sample(MINUTE + 2, cpu_pct=40.0, memory_used_bytes=None, running=1, mode="NORMAL", swap_used_bytes=None),
    ]
    samples[2] = replace(samples[2], cards=((0, None, 30, None, 7.0), (1, 1.0, None, None, None)))
    mean, maximum = mean_and_maximum(int(MINUTE), samples)
    assert (mean.at, mean.mode, maximum.mode) == (MINUTE, "NORMAL", "EMERGENCY")
    assert (mean.cpu_pct, maximum.cpu_pct, mean.cpu_max_pct) == (25.0, 40.0, 40.0)
    assert (mean.memory_used_bytes, mean.memory_max_bytes) == (200, 301)
    assert (mean.running, maximum.running) == (2, 4)
    assert mean.memory_other_bytes is None
    assert mean.cards == ((0, 50.0, 20, None, 6.0), (1, 1.0, None, None, None))
    assert maximum.cards == ((0, 50.0, 30, None, 7.0), (1, 1.0, None, None, None))


def test_a_minute_is_written_when_the_next_begins_also_after_a_restart(
    journal: Journal, open_journal: OpenJournal, database: Path, history: History
) -> None:
    for second in range(40):
        journal.write(Batch(samples=(a_sample(MINUTE + second, cpu_pct=10.0),)))
    journal.close()
    journal = open_journal()
    journal.load(10)
    for second in range(40, 61):
        journal.write(Batch(samples=(a_sample(MINUTE + second, cpu_pct=70.0),)))
    assert written(journal, Batch()) is None
    swept(database, Retention(samples_s=0.0), MINUTE + 3600)
    (minute,) = history.samples(0.0, 1e12)
    assert minute.at == MINUTE
    assert minute.cpu_pct == pytest.approx((40 * 10.0 + 20 * 70.0) / 60)
    assert minute.cpu_max_pct == 70.0


def test_seconds_take_over_where_minutes_end(journal: Journal, database: Path, history: History) -> None:
    samples = tuple(a_sample(MINUTE + second) for second in range(200))
    assert written(journal, Batch(samples=samples)) is None
    swept(database, Retention(samples_s=100.0), MINUTE + 200)
    moments = [sample.at for sample in history.samples(0.0, 1e12)]
    assert moments == [MINUTE, *(MINUTE + second for second in range(60, 200))], "no gap, and no moment twice"
    assert [sample.at for sample in history.samples(MINUTE + 61, MINUTE + 62)] == [MINUTE + 61, MINUTE + 62]


# --- retention ------------------------------------------------------------------------------------------------------


def test_what_is_too_old_goes(journal: Journal, database: Path, history: History) -> None:
    now = MINUTE + 100 * DAY_S
    ended = [an_ended_record(number, now - number * DAY_S) for number in range(1, 6)]
    old_but_waiting = a_record(9)
    batch = Batch(
        added=(*ended, old_but_waiting),
        attempts=tuple((record.id, an_attempt(1, f"t{record.id}")) for record in ended),
        ticks=(a_tick(now - 95 * DAY_S, "old"), a_tick(now - 85 * DAY_S, "young")),
        samples=tuple(a_sample(now - 40 * DAY_S + second) for second in range(130)),
    )
    assert written(journal, batch) is None
    swept(database, Retention(), now)
    assert ids(history.finished()) == ["1", "2", "3", "4", "5"], "finished jobs are kept unless a person wants it so"
    assert [tick.sentence for tick in history.ticks()] == ["young"]
    assert history.samples(0.0, 1e12) == []
    swept(database, Retention(finished_s=3.5 * DAY_S), now)
    assert ids(history.finished()) == ["1", "2", "3"]
    assert ids(history.job(JobId(9))) == ["9"]
    connection = connect(database)
    assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (3,)
    connection.close()


def test_old_notices_go_and_never_more_are_kept_than_the_most(
    journal: Journal, database: Path, history: History
) -> None:
    now = MINUTE + 100 * DAY_S
    ages = (95, 91, 89, 50, 40, 1)
    written(journal, Batch(notices=tuple(a_notice(n, now - days * DAY_S) for n, days in enumerate(ages, 1))))
    swept(database, Retention(notices_s=None), now)
    assert len(history.notices()) == 6
    swept(database, Retention(), now)
    assert [notice.id for notice in history.notices()] == [6, 5, 4, 3]
    swept(database, Retention(notices_most=2), now)
    assert [notice.id for notice in history.notices()] == [6, 5]
    swept(database, Retention(notices_most=2), now)
    assert [notice.id for notice in history.notices()] == [6, 5]


def test_ended_conflicts_and_hints_go_like_notices_and_open_ones_stay(
    journal: Journal, database: Path, history: History
) -> None:
    now = MINUTE + 100 * DAY_S
    ages = (None, 95, 89, 40, 1)
    closed = [None if days is None else now - days * DAY_S for days in ages]
    conflicts = tuple(a_conflict(n, detected_at=1.0, closed_at=at) for n, at in enumerate(closed, 1))
    hints = tuple(a_hint(n, at=1.0, closed_at=at) for n, at in enumerate(closed, 1))
    written(journal, Batch(conflicts=conflicts, hints=hints))
    swept(database, Retention(), now)
    assert [view.id for view in history.conflicts()] == [view.id for view in history.hints()] == [5, 4, 3]
    swept(database, Retention(notices_most=2), now)
    assert [view.id for view in history.conflicts()] == [view.id for view in history.hints()] == [5, 4]
    connection = connect(database)
    for table in ("conflicts", "hints"):
        assert connection.execute(f"SELECT id FROM {table} WHERE closed_at IS NULL").fetchall() == [(1,)]
    connection.close()


def test_the_writer_sweeps_by_itself(
    open_journal: OpenJournal, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.journal.journal.SWEEP_EVERY_S", 0.2)
    journal = open_journal(clock=lambda: MINUTE + 4000.0)
    journal.load(10)
    written(journal, Batch(samples=(a_sample(MINUTE), a_sample(MINUTE + 3990)), ticks=(a_tick(MINUTE, "kept"),)))
    until(lambda: [sample.at for sample in history.samples(MINUTE + 1, 1e12)] == [MINUTE + 3990])
    assert [sample.at for sample in history.samples(0, 1e12)] == [MINUTE, MINUTE + 3990], "the old one as its minute"
    journal.retention = Retention(ticks_s=60.0)
    until(lambda: history.ticks() == [])
    assert written(journal, Batch(ticks=(a_tick(MINUTE + 4000, "kept"),))) is None
    assert [tick.sentence for tick in history.ticks()] == ["kept"], "a tick is not merged with a row that is gone"


# --- readers beside the writer --------------------------------------------------------------------------------------


def test_nothing_written_yet_is_an_empty_history(history: History, database: Path) -> None:
    assert (history.job(JobId(1)), history.finished(), history.ticks(), history.samples(0, 1e12)) == ((), [], [], [])
    assert not database.exists(), "reading makes no file"
    database.touch()
    assert history.finished() == []


READER = """
import sys
from pathlib import Path
from tidegate.core.job import Finished
from tidegate.journal.history import History
history = History(Path(sys.argv[1]))
looks = torn = seen = 0
while seen < int(sys.argv[2]):
    jobs = history.finished()
    assert len(jobs) >= seen, "went back in time"
    seen = len(jobs)
    torn += sum(1 for job in jobs if job.attempt is None or job.attempt.ended_at is None)
    looks += 1
    print("looked", flush=True)
print(looks, torn)
"""


def test_two_processes_and_two_threads_read_while_it_writes(journal: Journal, database: Path, history: History) -> None:
    count = 100
    written(journal, Batch(added=tuple(a_record(number) for number in range(1, count + 1)), durable=True))
    command = [sys.executable, "-c", READER, str(database), str(count)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "app")}
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "looked\n"
    torn: list[int] = []

    def look() -> None:
        while len(jobs := history.finished()) < count:
            torn.extend(job.id.number for job in jobs if job.attempt is None or job.attempt.ended_at is None)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, count + 1):
        starting = a_record(number, status=Starting(1.0, 1, f"t{number}"))
        attempt = an_attempt(1, f"t{number}")
        assert written(journal, Batch(changed=(starting,), attempts=((starting.id, attempt),), durable=True)) is None
        ended = replace(starting, status=Finished(2.0, Outcome.SUCCEEDED, 0))
        journal.write(Batch(changed=(ended,), attempts=((ended.id, replace(attempt, ended_at=2.0)),)))
    for thread in threads:
        thread.join(30)
    assert torn == []
    for reader in readers:
        output, errors = reader.communicate(timeout=30)
        assert reader.returncode == 0, errors
        looks, torn_there = map(int, output.splitlines()[-1].split())
        assert looks > 1
        assert torn_there == 0, "a job and its attempt are one transaction"

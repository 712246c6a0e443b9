"""kill -9 of the whole process: whatever was acknowledged is there, and what belongs together is there together."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tidegate.core.job import JobId, Queued, Starting
from tidegate.journal.journal import Journal

WRITER = """
import sys, threading
from pathlib import Path
from contracts.journal_contract import a_record, a_tick, an_attempt
from tidegate.core.job import Starting
from tidegate.engine.ports import Batch
from tidegate.journal.journal import Journal

journal = Journal(Path(sys.argv[1]), lambda callback: callback())
first = 1 + max((job.id.number for job in journal.load(0).jobs), default=0)
room = threading.Semaphore(8)

def acknowledge(number, error):
    assert error is None, error
    print(number, flush=True)
    room.release()

for number in range(first, first + 1_000_000):
    room.acquire()
    starting = a_record(number, status=Starting(2.0, 1, f"t{number}"))
    journal.write(Batch(added=(a_record(number),), meta=(("next_job_number", str(number + 1)),), durable=True))
    journal.write(Batch(ticks=(a_tick(1.0, f"Job {number} was admitted."),)))
    journal.write(
        Batch(changed=(starting,), attempts=((starting.id, an_attempt(1, f"t{number}")),), durable=True),
        lambda error, number=number: acknowledge(number, error),
    )
"""


def test_what_was_acknowledged_survives_kill_9(database: Path) -> None:
    root = Path(__file__).parents[2]
    acknowledged: set[int] = set()
    for after in (1, 40, 150):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(database)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": f"{root / 'app'}:{root / 'tests'}"},
        )
        assert writer.stdout is not None
        for _ in range(after):
            acknowledged.add(int(writer.stdout.readline()))
        writer.send_signal(signal.SIGKILL)
        acknowledged.update(int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n"))
        writer.stdout.close()
        assert writer.wait(10) == -signal.SIGKILL

        journal = Journal(database, lambda callback: callback())
        state = journal.load(0)
        journal.close()
        assert state.warnings == ()
        jobs = {job.id.number: job for job in state.jobs}
        assert acknowledged <= jobs.keys()
        assert int(state.meta["next_job_number"]) == max(jobs) + 1
        for number, job in jobs.items():
            if number in acknowledged:
                assert job.status == Starting(2.0, 1, f"t{number}")
            assert isinstance(job.status, Starting) == bool(job.attempts), f"{JobId(number)} is torn"
            assert isinstance(job.status, Starting | Queued)
    assert len(acknowledged) >= 191

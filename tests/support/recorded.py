"""A home's history as the journal writes it: jobs that ran at given moments, without having run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from support.until import until
from tidegate.core.job import Attempt, Finished, JobId, JobSpec, Outcome
from tidegate.engine.ports import Batch, JobRecord
from tidegate.journal.journal import Journal


def record(
    database: Path,
    runs: Sequence[tuple[float, float, float]],
    *,
    strategy: str | None = None,
    meta: tuple[tuple[str, str], ...] = (),
) -> None:
    """Jobs of one core that succeeded: (submitted, started, ended), in Unix seconds."""
    records, attempts = [], []
    for number, (submitted, started, ended) in enumerate(runs, 1):
        spec = JobSpec(command=("work",), cwd="/", name="work", cores=1.0, memory_bytes=1 << 20, notify=False)
        status = Finished(ended, Outcome.SUCCEEDED, exit_code=0)
        records.append(JobRecord(JobId(number), spec, submitted, number, 0, status, 0))
        run = Attempt(
            *(1, f"t{number}", started, started, None, ended, 0), outcome=Outcome.SUCCEEDED, strategy=strategy
        )
        attempts.append((JobId(number), run))
    with closing(Journal(database, lambda call: call())) as journal:
        journal.load(0)
        answers: list[str | None] = []
        journal.write(Batch(added=tuple(records), attempts=tuple(attempts), meta=meta, durable=True), answers.append)
        until(lambda: answers == [None])

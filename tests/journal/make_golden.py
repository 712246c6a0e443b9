"""Writes tests/data/golden-vN.db, each once and by the first version of its format: what it says never changes.

From the third on a file is the one before it, migrated, with what its format brought.
Run by hand from the repository root: PYTHONPATH=app:tests python -m journal.make_golden
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contracts.journal_contract import a_sample
from tidegate.core.job import (
    AfterCondition,
    Attempt,
    Dependency,
    Finished,
    Held,
    JobId,
    JobKind,
    JobSpec,
    OnPreempt,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    RunRef,
    Starting,
    Status,
    Stopping,
)
from tidegate.core.prediction import Profile
from tidegate.core.resources import GpuRequest
from tidegate.engine.ports import (
    Batch,
    Command,
    ConflictRecord,
    HintRecord,
    JobRecord,
    JournalPort,
    Notice,
    NoticeKind,
    NoticeOffer,
    Settlement,
    TickRecord,
    Verb,
)
from tidegate.engine.views import ConflictView, HintView, WayView
from tidegate.journal import database
from tidegate.journal.journal import Journal

DATA = Path(__file__).parent.parent / "data"
GOLDEN_V1 = DATA / "golden-v1.db"
GOLDEN_V2 = DATA / "golden-v2.db"
GOLDEN_V3 = DATA / "golden-v3.db"
GOLDEN_V4 = DATA / "golden-v4.db"

FULL = JobSpec(
    command=("python3", "-u", "träin.py", "--data", "caf\udce9"),
    cwd="/home/anna/\udcff/work",
    name="träin",
    environment="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    extra_environment=(("SEED", "7"), ("RAW", "\udc80")),
    kind=JobKind.PYTHON,
    script="/home/anna/work/train.py",
    queue="batch",
    priority=2,
    cores=1.5,
    memory_bytes=8 << 30,
    memory_limit_bytes=9 << 30,
    gpu=GpuRequest(0.5, 4 << 30, "nvidia", "V100"),
    device="0,1",
    time_limit_s=5400.0,
    begin_at=1_700_000_100.5,
    deadline_at=1_700_100_000.0,
    after=(Dependency(JobId(1), AfterCondition.ANY), Dependency(JobId(8, 2), AfterCondition.OK)),
    array_size=10,
    array_parallel=2,
    retries=3,
    labels=("thesis", "night"),
    locks=("disk",),
    dedupe_key="train-7",
    preemptible=False,
    on_preempt=OnPreempt.REQUEUE,
    checkpoint_signal=10,
    checkpoint_grace_s=45.0,
    notify=False,
    slurm_names=True,
    stdout_path="/home/anna/out.txt",
    stderr_path="/home/anna/err.txt",
)
PLAIN = JobSpec(command=("true",), cwd="/tmp", name="true")
RUN = RunRef("token-run", "boot:4711:1700000000.25")

STATUSES: tuple[Status, ...] = (
    Queued(1_700_000_001.0),
    Held(1_700_000_002.0, "held by you"),
    Starting(1_700_000_003.0, 1, "token-3"),
    Running(1_700_000_004.0, RUN),
    Paused(1_700_000_005.0, RUN, PauseReason.MEMORY, True, 1_700_000_900.0),
    Stopping(1_700_000_006.0, RUN, Outcome.CANCELLED, "cancelled by you", 1_700_000_016.0),
    *(Finished(1_700_000_100.0 + n, outcome, n or None, 9, "söme why") for n, outcome in enumerate(Outcome)),
)


def _record(number: int, index: int | None, spec: JobSpec, status: Status, sequence: int) -> JobRecord:
    return JobRecord(
        JobId(number, index), spec, 1_700_000_000.0 + sequence, sequence, -sequence % 3, status, sequence % 2
    )


def fill_v1(journal: JournalPort) -> None:
    """One of everything the first format knows."""
    plain = tuple(_record(n, None, PLAIN, status, n) for n, status in enumerate(STATUSES, 1))
    array = tuple(_record(40, index, FULL, Queued(1_700_000_050.0), 40 + index) for index in (1, 2, 3))
    attempts = (
        (
            JobId(4),
            Attempt(1, "token-4a", 1.5, 2.5, "boot:1:1.0", 3.5, 1, None, Outcome.FAILED, "söme \udcff why", 0.25),
        ),
        (JobId(4), Attempt(2, "token-run", 4.5, 5.5, RUN.identity, peak_memory_bytes=5, paused_s=2.5, devices=(0, 1))),
        (JobId(7), Attempt(1, "token-7", 6.5, reserved_bytes=1 << 30, waited_for="MEMORY: 2 GB free")),
    )
    tick = TickRecord(10.0, "mode", "Mode HIGH.", None, "HIGH", 88.5, 12.25, (("queued", 3),), (("cause", "memory"),))
    ticks = (tick, TickRecord(12.0, "mode", *(tick.sentence, None, "HIGH", 89.0, 12.0, tick.counts, tick.details)))
    about_a_job = TickRecord(13.0, "started", "Job 40.2 started.", JobId(40, 2))
    journal.write(
        Batch(
            added=plain + array,
            attempts=attempts,
            ticks=(*ticks, about_a_job),
            samples=tuple(a_sample(1_700_000_000.0 + second) for second in range(70)),
            profiles=(Profile("/tmp\x00true", (1, 2, 3), (0.5, 1.0, 1.5)), Profile("/\udcff\x00x")),
            meta=(("next_job_number", "41"), ("odd", "\udc80")),
            durable=True,
        )
    )


def fill_v2(journal: JournalPort) -> None:
    """The same, and what the second format brought: notices."""
    fill_v1(journal)
    again = NoticeOffer("Run again", Command(Verb.RETRY, (JobId(7, 3), JobId(8))))
    full = NoticeOffer("Söme \udcff", Command(Verb.EDIT, None, 60.5, True, True, True, {"name": "caf\udce9"}))
    kinds = tuple(
        Notice(1_700_000_200.0 + n, f"{kind} \udcff", "söme text", kind=kind, id=n)
        for n, kind in enumerate(sorted(NoticeKind), 1)
    )
    about_a_job = Notice(
        1_700_000_300.5, "träin failed", "", JobId(40, 2), "error", NoticeKind.FAILED, False, (again, full), id=90
    )
    journal.write(Batch(notices=(*kinds, about_a_job), meta=(("next_notice", "91"),), durable=True))


def fill_v3(journal: JournalPort) -> None:
    """The same, and what the third format brought: conflicts and hints."""
    fill_v2(journal)
    fill_advice(journal)


def fill_advice(journal: JournalPort) -> None:
    """One of each: open and being settled, over, and unwanted."""
    conflict = ConflictView(
        id=1,
        kind="schedule_conflict",
        severity="high",
        resource="file:/data/caf\udce9.csv",
        jobs=("4", "40.2"),
        sentence="träin (job 4) and x (job 40.2) write the same file.",
        detected_at=1_700_000_400.5,
        ways=(WayView("by_priority", "Pause job 40.2"), WayView("leave", "Leave it as it is")),
        numbers={"files": 2.0},
    )
    over = {"closed_at": 1_700_000_500.0, "closed_because": "It went away by itself.", "ways": ()}
    hint = HintView(
        id=1,
        type="suggestion",
        code="asks_too_much",
        title="träin asks for far more memory than it uses",
        message="It asked for 8 GB and used at most 1 GB.",
        jobs=("4",),
        at=1_700_000_410.0,
        action=WayView("edit", "Set mem of job 40.2 to 1344M"),
        numbers={"declared_bytes": 8.0 * 2**30},
    )
    done = {"closed_at": 1_700_000_510.0, "closed_because": "You dismissed it.", "action": None}
    settlement = Settlement("time_slicing", (JobId(40, 2),), (JobId(40, 2), JobId(4)), True, 1_700_000_450.5)
    journal.write(
        Batch(
            conflicts=(
                ConflictRecord("schedule/file//data/caf\udce9.csv", conflict, settlement),
                ConflictRecord("competition/cores", replace(conflict, id=2, resource="cores", **over)),
                ConflictRecord("priority/7", replace(conflict, id=3, **over), None, True),
            ),
            hints=(
                HintRecord("asks_too_much//: träin", hint),
                HintRecord("card_idle/4", replace(hint, id=2, code="card_idle", **done), True),
            ),
            meta=(("next_conflict", "4"), ("next_hint", "3")),
            durable=True,
        )
    )


def fill_v4(journal: JournalPort) -> None:
    """The same, and what the fourth format brought: which strategy let a run start."""
    fill_v3(journal)
    fill_strategy(journal)


def fill_strategy(journal: JournalPort) -> None:
    ended = Attempt(1, "token-8", 7.5, 8.5, "boot:1:8.0", 9.5, 0, None, Outcome.SUCCEEDED, strategy="hybrid")
    journal.write(Batch(attempts=((JobId(8), ended),), durable=True))


def make(path: Path, before: Path, format: int, fill: Callable[[JournalPort], None]) -> None:
    """The file before it with all migrations up to ``format``, and what that one brought."""
    if path.exists():
        raise SystemExit(f"{path} exists; a golden file is never written again")
    shutil.copy(before, path)
    known = [(number, text) for number, text in database.migrations() if number <= format]
    database.migrations = lambda: known
    golden = Journal(path, lambda callback: callback())
    golden.load(0)
    fill(golden)
    golden.close()


if __name__ == "__main__":
    make(GOLDEN_V4, GOLDEN_V3, 4, fill_strategy)

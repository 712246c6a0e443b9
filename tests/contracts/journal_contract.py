"""What every journal has to do, whatever it writes to: the suite runs on the SQLite one and on the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from support.until import until
from tidegate.core.job import (
    Attempt,
    Dependency,
    Finished,
    Held,
    Job,
    JobId,
    JobSpec,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    RunRef,
    Starting,
    Status,
)
from tidegate.core.prediction import Profile
from tidegate.engine.ports import (
    Batch,
    Command,
    ConflictRecord,
    HintRecord,
    HistoryPort,
    JobRecord,
    JournalPort,
    Notice,
    NoticeKind,
    NoticeOffer,
    Restored,
    Settlement,
    TickRecord,
    Verb,
)
from tidegate.engine.views import ConflictView, HintView, MachineSample, WayView

SPEC = JobSpec(command=("python3", "train.py", "--rate", "0.1"), cwd="/home/anna/work", name="train", priority=3)


class JournalWorld(Protocol):
    """One place to write to; ``open`` gives a journal on it, as a new engine would get it."""

    def open(self) -> JournalPort: ...

    def history(self) -> HistoryPort: ...


def a_record(
    number: int = 1,
    index: int | None = None,
    *,
    status: Status | None = None,
    spec: JobSpec = SPEC,
    rank: int = 0,
    sequence: int | None = None,
) -> JobRecord:
    return JobRecord(
        id=JobId(number, index),
        spec=spec,
        submitted_at=1000.0 + number,
        sequence=number if sequence is None else sequence,
        rank=rank,
        status=status or Queued(1000.0 + number),
        bypassed=0,
    )


def an_ended_record(number: int, at: float, outcome: Outcome = Outcome.SUCCEEDED) -> JobRecord:
    return a_record(number, status=Finished(at, outcome, exit_code=0))


def an_attempt(number: int = 1, token: str = "t1", **more: object) -> Attempt:
    return Attempt(number=number, token=token, intended_at=1010.0, **more)  # type: ignore[arg-type]


def a_tick(at: float, sentence: str = "Job 1 started.", job: JobId | None = None, **more: object) -> TickRecord:
    return TickRecord(at=at, kind="started", sentence=sentence, job=job, **more)  # type: ignore[arg-type]


def a_sample(at: float, **more: object) -> MachineSample:
    values: dict[str, object] = {
        "mode": "NORMAL",
        "cpu_pct": 12.5,
        "memory_total_bytes": 8 << 30,
        "memory_used_bytes": 3 << 30,
        "memory_other_bytes": None,
        "swap_used_bytes": 0,
        "reserved_bytes": 1 << 30,
        "running": 2,
        "queued": 5,
        "jobs": (("7", 1 << 20, 0.5), ("8.3", None, None)),
        "cards": ((0, 55.0, 2 << 30, 61.0, None),),
    }
    return MachineSample(at=at, **(values | more))  # type: ignore[arg-type]


def a_notice(id: int | None, at: float = 50.0, **fields: object) -> Notice:
    values: dict[str, object] = {"title": "train failed", "text": "Exit code 1 after 2 min."}
    return Notice(at=at, id=id, **(values | fields))  # type: ignore[arg-type]


def a_conflict(id: int, key: str = "competition/memory", **more: object) -> ConflictRecord:
    view = ConflictView(
        id, "resource_competition", "high", "memory", ("7", "8.3"), "Both grow.", 50.0, numbers={"crosses_in_s": 9.5}
    )
    own = {name: more.pop(name) for name in ("settlement", "unwanted") if name in more}
    return ConflictRecord(key, replace(view, **more), **own)  # type: ignore[arg-type]


def a_hint(id: int, key: str = "card_idle/7", unwanted: bool = False, **more: object) -> HintRecord:
    view = HintView(id, "warning", "card_idle", "An idle card", "It is idle.", ("7",), 60.0)
    return HintRecord(key, replace(view, **more), unwanted)  # type: ignore[arg-type]


def written(journal: JournalPort, batch: Batch) -> str | None:
    """Write, wait for the answer, and hand it back."""
    answers: list[str | None] = []
    journal.write(batch, answers.append)
    until(lambda: answers)
    return answers[0]


def ids(jobs: Restored | list[Job] | tuple[Job, ...]) -> list[str]:
    return [str(job.id) for job in (jobs.jobs if isinstance(jobs, Restored) else jobs)]


class JournalContract:
    """Subclasses give the fixture ``world``."""

    @pytest.fixture
    def journal(self, world: JournalWorld) -> JournalPort:
        journal = world.open()
        journal.load(finished=10)
        return journal

    @pytest.fixture
    def reopened(self, world: JournalWorld, journal: JournalPort) -> Callable[..., Restored]:
        """Close the journal and load the state as the next engine would."""

        def reopen(finished: int = 10) -> Restored:
            journal.close()
            return world.open().load(finished)

        return reopen

    # --- state comes back ---------------------------------------------------------------------------------------

    def test_an_empty_place_is_an_empty_state(self, world: JournalWorld) -> None:
        state = world.open().load(finished=10)
        assert (state.jobs, state.profiles, dict(state.meta), state.warnings) == ((), (), {}, ())

    def test_a_job_comes_back_as_it_was(self, journal: JournalPort, reopened: Callable[..., Restored]) -> None:
        record = a_record(7, 3, rank=-2, status=Paused(5.5, RunRef("tok", "b:1:2.5"), PauseReason.MEMORY, True, 9.0))
        assert written(journal, Batch(added=(record,), durable=True)) is None
        (job,) = reopened().jobs
        assert (job.id, job.spec, job.status, job.rank) == (JobId(7, 3), SPEC, record.status, -2)
        assert (job.submitted_at, job.sequence, job.bypassed, job.attempts) == (1007.0, 7, 0, ())

    def test_the_last_change_counts(self, journal: JournalPort, reopened: Callable[..., Restored]) -> None:
        written(journal, Batch(added=(a_record(1), a_record(2)), durable=True))
        journal.write(Batch(changed=(a_record(1, status=Starting(2.0, 1, "t1")),)))
        journal.write(Batch(changed=(a_record(1, status=Running(3.0, RunRef("t1", "id"))),)))
        written(journal, Batch(changed=(a_record(2, rank=-5),)))
        one, two = reopened().jobs
        assert one.status == Running(3.0, RunRef("t1", "id"))
        assert two.rank == -5

    def test_added_and_changed_in_one_batch_is_the_change(
        self, journal: JournalPort, reopened: Callable[..., Restored]
    ) -> None:
        written(journal, Batch(added=(a_record(1),), changed=(an_ended_record(1, 50.0),)))
        assert reopened().jobs[0].status == Finished(50.0, Outcome.SUCCEEDED, 0)

    def test_an_edited_spec_is_written(self, journal: JournalPort, reopened: Callable[..., Restored]) -> None:
        written(journal, Batch(added=(a_record(1),), durable=True))
        edited = JobSpec(command=("sh", "-c", "true"), cwd="/", name="other", memory_bytes=5)
        written(journal, Batch(changed=(a_record(1, spec=edited),)))
        assert reopened().jobs[0].spec == edited

    def test_attempts_come_back_in_order(self, journal: JournalPort, reopened: Callable[..., Restored]) -> None:
        first = an_attempt(
            1, "t1", started_at=2.0, ended_at=3.0, outcome=Outcome.OUT_OF_MEMORY, signal=9, why="too big"
        )
        second = an_attempt(2, "t2")
        ended = an_attempt(2, "t2", started_at=4.0, identity="b:7:1.0", devices=(1, 3), reserved_bytes=9, paused_s=1.5)
        ended = replace(ended, strategy="m\udcff")
        batch = Batch(added=(a_record(1),), attempts=((JobId(1), first), (JobId(1), second)), durable=True)
        assert written(journal, batch) is None
        written(journal, Batch(attempts=((JobId(1), ended),)))
        assert reopened().jobs[0].attempts == (first, ended)

    def test_unfinished_in_order_of_arrival_then_the_newest_finished(
        self, journal: JournalPort, reopened: Callable[..., Restored]
    ) -> None:
        ended = [an_ended_record(number, 100.0 - number) for number in range(1, 6)]
        open_ones = [a_record(number, sequence=20 - number) for number in (6, 7, 8)]
        written(journal, Batch(added=(*ended, *open_ones), durable=True))
        assert ids(reopened(finished=3)) == ["8", "7", "6", "1", "2", "3"]

    def test_an_old_end_that_a_job_waits_for_is_loaded_too(
        self, journal: JournalPort, reopened: Callable[..., Restored]
    ) -> None:
        waiting = replace(SPEC, after=(Dependency(JobId(1)), Dependency(JobId(2))))
        ended = [
            an_ended_record(1, 10.0, Outcome.FAILED),
            a_record(2, 1, status=Finished(11.0, Outcome.FAILED), sequence=2),
            *(an_ended_record(number, 20.0 + number) for number in range(3, 6)),
        ]
        records = (*ended, a_record(9, status=Held(30.0), spec=waiting))
        assert written(journal, Batch(added=records)) is None
        assert sorted(ids(reopened(finished=1))) == ["1", "2.1", "5", "9"]
        assert sorted(ids(reopened(finished=10))) == ["1", "2.1", "3", "4", "5", "9"]

    def test_profiles_and_meta_come_back(self, journal: JournalPort, reopened: Callable[..., Restored]) -> None:
        profile = Profile("/w\x00python3\x00\udcff.py", (1, 2), (0.5, 1.5))
        written(journal, Batch(profiles=(profile, Profile("b")), meta=(("next_job_number", "5"), ("a", "\udc80é"))))
        written(journal, Batch(profiles=(Profile("b", (3,), (4.0,)),), meta=(("next_job_number", "9"),)))
        state = reopened()
        assert {one.key: one for one in state.profiles} == {profile.key: profile, "b": Profile("b", (3,), (4.0,))}
        assert (state.meta["next_job_number"], state.meta["a"]) == ("9", "\udc80é")

    def test_everything_queued_is_written_at_the_end(
        self, journal: JournalPort, reopened: Callable[..., Restored]
    ) -> None:
        for number in range(1, 101):
            journal.write(Batch(added=(a_record(number),)))
        assert len(reopened().jobs) == 100

    # --- answers ------------------------------------------------------------------------------------------------

    def test_answers_come_in_the_order_given(self, journal: JournalPort) -> None:
        order: list[tuple[int, str | None]] = []
        for number in range(1, 41):
            batch = Batch(added=(a_record(number),), durable=number % 7 == 0)
            journal.write(batch, lambda error, number=number: order.append((number, error)))  # type: ignore[misc]
        until(lambda: len(order) == 40)
        assert order == [(number, None) for number in range(1, 41)]

    def test_a_number_used_twice_is_refused_and_changes_nothing(
        self, journal: JournalPort, reopened: Callable[..., Restored], caplog: pytest.LogCaptureFixture
    ) -> None:
        written(journal, Batch(added=(a_record(1),), durable=True))
        other = JobSpec(command=("x",), cwd="/", name="impostor")
        answer = written(journal, Batch(added=(a_record(1, spec=other), a_record(2)), durable=True))
        assert answer is not None
        assert written(journal, Batch(added=(a_record(3),), durable=True)) is None
        state = reopened()
        assert ids(state) == ["1", "3"]
        assert state.jobs[0].spec == SPEC

    def test_after_the_end_nothing_is_taken(self, journal: JournalPort) -> None:
        journal.close()
        assert written(journal, Batch(added=(a_record(1),), durable=True)) == "The journal is closed."

    # --- history ------------------------------------------------------------------------------------------------

    def test_history_gives_a_job_and_an_arrays_elements(self, world: JournalWorld, journal: JournalPort) -> None:
        elements = tuple(a_record(8, index) for index in (10, 2, 1))
        attempt = an_attempt(1, "t8")
        written(journal, Batch(added=(an_ended_record(7, 5.0), *elements), attempts=((JobId(8, 2), attempt),)))
        history = world.history()
        assert ids(history.job(JobId(7))) == ["7"]
        assert ids(history.job(JobId(8))) == ["8.1", "8.2", "8.10"]
        assert history.job(JobId(8, 2))[0].attempts == (attempt,)
        assert history.job(JobId(8, 3)) == ()
        assert history.job(JobId(9)) == ()

    def test_history_gives_the_newest_ends_first(self, world: JournalWorld, journal: JournalPort) -> None:
        ends = {1: 50.0, 2: 90.0, 3: 70.0, 4: 70.0}
        written(journal, Batch(added=tuple(an_ended_record(number, at) for number, at in ends.items())))
        written(journal, Batch(added=(a_record(9),)))
        history = world.history()
        assert ids(history.finished(None, None)) == ["2", "4", "3", "1"]
        assert ids(history.finished(90.0, 2)) == ["4", "3"]

    def test_a_retried_job_is_no_longer_finished(self, world: JournalWorld, journal: JournalPort) -> None:
        written(journal, Batch(added=(an_ended_record(1, 50.0),)))
        written(journal, Batch(changed=(a_record(1),)))
        assert world.history().finished(None, None) == []
        assert world.history().job(JobId(1))[0].spec == SPEC

    def test_equal_ticks_in_a_row_are_one(self, world: JournalWorld, journal: JournalPort) -> None:
        journal.write(Batch(ticks=(a_tick(1.0, "A", memory_pct=50.0), a_tick(2.0, "A", memory_pct=51.0))))
        written(journal, Batch(ticks=(a_tick(3.0, "A"), a_tick(4.0, "B"), a_tick(5.0, "A", counts=(("queued", 2),)))))
        written(journal, Batch(ticks=(a_tick(6.0, "A", counts=(("queued", 2),), details=(("why", "x"),)),)))
        ticks = world.history().ticks(None, None, 10)
        assert [(tick.sentence, tick.at, tick.repeats) for tick in ticks] == [
            ("A", 1.0, 3),
            ("B", 4.0, 1),
            ("A", 5.0, 1),
            ("A", 6.0, 1),
        ]
        assert (ticks[2].counts, ticks[3].details, ticks[0].memory_pct) == ({"queued": 2}, {"why": "x"}, 50.0)

    def test_ticks_of_a_job_and_since_a_moment(self, world: JournalWorld, journal: JournalPort) -> None:
        about = (JobId(7), JobId(7, 3), JobId(71), None, JobId(7, 12))
        ticks = tuple(a_tick(float(at), f"S{at}", job) for at, job in enumerate(about, 1))
        written(journal, Batch(ticks=ticks))
        history = world.history()

        def sentences(since: float | None, job: JobId | None, limit: int = 10) -> list[str]:
            return [tick.sentence for tick in history.ticks(since, job, limit)]

        assert sentences(None, JobId(7)) == ["S1", "S2", "S5"]
        assert sentences(None, JobId(7, 3)) == ["S2"]
        assert sentences(2.0, JobId(7)) == ["S2", "S5"]
        assert sentences(None, None, 2) == ["S4", "S5"]

    def test_samples_come_back_in_order(self, world: JournalWorld, journal: JournalPort) -> None:
        samples = tuple(a_sample(1000.0 + second, cpu_pct=float(second)) for second in range(5))
        written(journal, Batch(samples=samples[3:]))
        written(journal, Batch(samples=samples[:3]))
        assert world.history().samples(1001.0, 1003.0) == list(samples[1:4])

    # --- notices ------------------------------------------------------------------------------------------------

    def test_a_notice_comes_back_as_it_was(self, world: JournalWorld, journal: JournalPort) -> None:
        again = NoticeOffer("Run again", Command(Verb.RETRY, (JobId(7, 3), JobId(8))))
        odd = NoticeOffer("\udcff", Command(Verb.PAUSE, None, 60.5, True, True, True, {"name": "caf\udce9"}))
        plain = a_notice(1)
        full = a_notice(
            2,
            51.5,
            title="caf\udce9 failed",
            text="söme \udcff why",
            job=JobId(7, 3),
            level="error",
            kind=NoticeKind.FAILED,
            urgent=False,
            offers=(again, odd),
        )
        assert written(journal, Batch(notices=(plain, full))) is None
        assert world.history().notices(None, 10) == [full, plain]

    def test_notices_are_read_newest_first_from_a_number_on(self, world: JournalWorld, journal: JournalPort) -> None:
        journal.write(Batch(notices=tuple(a_notice(number) for number in (1, 2, 3))))
        written(journal, Batch(notices=(a_notice(4), a_notice(5))))
        history = world.history()
        assert [notice.id for notice in history.notices(None, 2)] == [5, 4]
        assert [notice.id for notice in history.notices(4, 2)] == [3, 2]
        assert [notice.id for notice in history.notices(2, 10)] == [1]
        assert history.notices(1, 10) == []

    def test_of_a_number_given_twice_the_later_counts(self, world: JournalWorld, journal: JournalPort) -> None:
        written(journal, Batch(notices=(a_notice(1, title="lost before it was written"), a_notice(2))))
        written(journal, Batch(notices=(a_notice(1, title="the next engine's"),)))
        assert [notice.title for notice in world.history().notices(None, 9)] == ["train failed", "the next engine's"]

    # --- advice -------------------------------------------------------------------------------------------------

    def test_open_conflicts_and_hints_come_back_as_they_were(
        self, journal: JournalPort, reopened: Callable[..., Restored]
    ) -> None:
        turns = Settlement("time_slicing", (JobId(7),), (JobId(7), JobId(8, 3)), True, 61.5)
        ways = (WayView("by_priority", "Pause job 7"), WayView("leave", "Leave \udcff"))
        conflict = a_conflict(1, "file/caf\udce9", settlement=turns, ways=ways)
        hint = a_hint(1, action=WayView("pause", "Pause job 7"), numbers={"utilisation_pct": 0.5})
        assert written(journal, Batch(conflicts=(conflict, a_conflict(2)), hints=(hint,))) is None
        state = reopened()
        assert (state.conflicts, state.hints) == ((conflict, a_conflict(2)), (hint,))

    def test_of_those_that_ended_only_the_unwanted_are_restored_and_all_are_history(
        self, world: JournalWorld, journal: JournalPort, reopened: Callable[..., Restored]
    ) -> None:
        over = {"closed_at": 70.0, "closed_because": "It went away by itself."}
        later = {"closed_at": 80.0, "closed_because": "You left it as it is."}
        written(journal, Batch(conflicts=(a_conflict(1), a_conflict(2), a_conflict(3)), hints=(a_hint(1), a_hint(2))))
        ended = (a_conflict(1, unwanted=True, **later), a_conflict(2, **over))
        dismissed = a_hint(2, unwanted=True, **later)
        written(journal, Batch(conflicts=ended, hints=(dismissed,)))
        history = world.history()
        assert history.conflicts(None) == [record.view for record in ended]
        assert history.conflicts(1) == [ended[0].view]
        assert history.hints(None) == [dismissed.view]
        state = reopened()
        assert state.conflicts == (ended[0], a_conflict(3))
        assert state.hints == (a_hint(1), dismissed)

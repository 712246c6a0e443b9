"""What every ``Desk`` has to do: the suite runs on the engine in the process and on the same engine behind its API."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support.kept_settings import KeptSettings
from support.until import eventually, until
from support.world import World, a_job
from tidegate.core.job import AfterCondition, Dependency, JobId, Touches
from tidegate.core.machine import GpuReading
from tidegate.core.resources import GpuRequest
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.engine.desk import LocalDesk
from tidegate.engine.ports import (
    Answer,
    Change,
    Command,
    Desk,
    EngineUnwilling,
    NoticeKind,
    ResolveConflict,
    SettingRefused,
    Submission,
    Verb,
)
from tidegate.engine.views import JobView, SettingView

STEP_S = 0.05
"""Virtual time that passes at every turn of the loop."""


@dataclass
class DeskWorld:
    """A real engine on a fake machine whose time runs by itself, and the desk that is looked at."""

    world: World
    logs: Path
    shutdowns: list[bool] = field(default_factory=list)
    settings: KeptSettings = field(default_factory=KeptSettings)

    def run(self, open_desk: OpenDesk, story: Callable[[Desk], Awaitable[None]]) -> None:
        asyncio.run(self._run(open_desk, story))

    async def _run(self, open_desk: OpenDesk, story: Callable[[Desk], Awaitable[None]]) -> None:
        local = LocalDesk(
            self.world.engine,
            self.world.journal,
            loop=asyncio.get_running_loop(),
            version="0",
            kind="test",
            pid_of=lambda _identity: None,
            log_path=self.log_path,
            dropped=lambda _path: None,
            shut_down=self._shut_down,
            settings=self.settings,
        )
        pump = asyncio.ensure_future(self._let_time_pass())
        try:
            async with asyncio.timeout(30), open_desk(local) as desk:
                await story(desk)
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    def log_path(self, job: str, attempt: int) -> str:
        return str(self.logs / f"{job}-a{attempt}.log")

    async def _shut_down(self, stop_jobs: bool) -> None:
        self.shutdowns.append(stop_jobs)

    async def _let_time_pass(self) -> None:
        while True:
            self.world.advance(STEP_S)
            await asyncio.sleep(0.002)

    def a(
        self, name: str = "job", *, lasting: float = 3600.0, writes: str | None = None, **fields: object
    ) -> Submission:
        made = self.world.submission(a_job(name).needing("64M").on_cores(1.0).lasting(lasting).having(**fields))
        if writes is not None:
            key = made.spec.command[0]
            self.world.behaviours[key] = replace(self.world.behaviours[key], touches=Touches((writes,)))
        return made


OpenDesk = Callable[[LocalDesk], AbstractAsyncContextManager[Desk]]


@contextlib.asynccontextmanager
async def itself(local: LocalDesk) -> AsyncIterator[Desk]:
    yield local


def listed(desk: Desk, **asked: object) -> list[tuple[str, str]]:
    return [(job.id, job.status) for job in desk.jobs(**asked)]  # type: ignore[arg-type]


def heard_open(heard: list[Change], what: str) -> list[bool]:
    """Of every conflict or hint that was told, whether it was open then."""
    return [each.closed_at is None for change in heard for each in getattr(change, what)]


async def becomes(desk: Desk, id: str, status: str) -> JobView:
    await eventually(lambda: any(job.status == status for job in desk.job(JobId.parse(id))))
    return desk.job(JobId.parse(id))[0]


class DeskContract:
    """Subclasses give the fixture ``open_desk``."""

    @pytest.fixture
    def it(self, tmp_path: Path) -> DeskWorld:
        return DeskWorld(World(cores=2), tmp_path)

    # --- submitting --------------------------------------------------------------------------------------------------

    def test_jobs_are_taken_in_order_and_stand_in_line(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            assert desk.last_number() is None
            answers = await desk.submit([it.a("one"), it.a("two"), it.a("three"), it.a("four", priority=1)])
            assert [str(answer.id) for answer in answers] == ["1", "2", "3", "4"]
            await becomes(desk, "4", "running")
            # The most important one took a place first, the first of the others the second one.
            await eventually(lambda: desk.status().counts["running"] == 2)
            waiting = [id for id, status in listed(desk) if status == "queued"]
            await eventually(lambda: len(desk.jobs()) == 4)
            assert [status for _, status in listed(desk)] == ["running", "running", "queued", "queued"]
            assert waiting == sorted(waiting)
            assert listed(desk, limit=2) == listed(desk)[:2]
            assert listed(desk, offset=1, limit=2) == listed(desk)[1:3]
            assert desk.last_number() == 4
            assert desk.jobs()[2].waits[0].sentence

        it.run(open_desk, story)

    def test_a_specification_arrives_as_it_was(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            plain = it.a("näme \udcff", priority=7, labels=("a", "b"), preemptible=False, time_limit_s=60.0)
            spec = replace(
                plain.spec,
                command=(*plain.spec.command, "--x", "\udce9\U0001f600"),
                cwd="/tmp/\udcfe",
                environment="0" * 64,
                extra_environment=(("A", "\udcff"),),
                gpu=GpuRequest(0.5, 1 << 30, "nvidia", "V100"),
                after=(Dependency(JobId(1), AfterCondition.ANY),),
                begin_at=it.world.clock.now() + 1e6,
                locks=("lock",),
                retries=2,
            )
            await desk.submit([it.a("first", held=True)])
            await desk.submit([Submission(spec, held=True, warnings=("mind this",))])
            assert it.world.job(JobId(2)).spec == spec
            view = await becomes(desk, "2", "held")
            assert (view.name, view.command, view.cwd) == (spec.name, spec.command, spec.cwd)
            assert (view.labels, view.priority, view.preemptible) == (("a", "b"), 7, False)

        # Without a card the job could never run, which is refused.
        card = GpuReading(0, "GPU-0", "Tesla V100", 16 << 30, 0, 0.0, 40.0, 30.0)
        it.world = World(cores=2, gpus=(card,))
        it.run(open_desk, story)

    def test_queues_and_cards_are_seen_with_who_waits(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            await desk.submit([it.a("train", gpu=GpuRequest(1, 1 << 30)), it.a("late", gpu=GpuRequest(1, 1 << 30))])
            await becomes(desk, "1", "running")
            seen = await asyncio.to_thread(desk.queue_status, "card")
            [card] = seen.cards
            assert (card.card.uuid, [user.name for user in card.users], card.waiting_count) == ("GPU-0", ["train"], 1)
            assert [(job.id, job.code) for job in card.waiting] == [("2", "gpu_busy")]
            queues = (await asyncio.to_thread(desk.queue_status)).queues
            assert [(queue.name, queue.running, queue.waiting) for queue in queues] == [
                ("realtime", 0, 0),
                ("default", 1, 1),
                ("batch", 0, 0),
            ]

        card = GpuReading(0, "GPU-0", "Tesla V100", 16 << 30, 0, 0.0, 40.0, 30.0)
        it.world = World(cores=2, gpus=(card,))
        it.run(open_desk, story)

    def test_strategies_are_seen_with_where_they_are_in_use_and_how_they_did(
        self, it: DeskWorld, open_desk: OpenDesk
    ) -> None:
        async def story(desk: Desk) -> None:
            await desk.submit([it.a("done", lasting=1.0), it.a("late")])
            await becomes(desk, "1", "finished")
            assert (await becomes(desk, "1", "finished")).attempt_list[0].strategy == "priority_based"
            seen = await asyncio.to_thread(desk.strategies)
            assert (seen.setting, seen.in_use, seen.jobs) == ("priority_based", "priority_based", 1)
            assert seen.auto.strategy == "priority_based"
            assert seen.since is not None
            by_name = {each.name: each for each in seen.strategies}
            assert set(BUILT_IN) <= set(by_name)
            assert all(each.description and each.installed for each in seen.strategies)
            first, other = by_name["priority_based"], by_name["fair_sharing"]
            assert (first.queues, other.queues) == (("realtime", "default", "batch"), ())
            assert (first.switched_off, other.measures) == (None, None)
            assert first.measures is not None
            assert (first.measures.jobs, first.measures.success_rate) == (1, 1.0)

        it.run(open_desk, story)

    def test_what_can_never_run_refuses_the_whole_request(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            too_much = it.a("huge", cores=1000.0)
            fine, refused = await desk.submit([it.a(), too_much])
            assert (fine.id, fine.refused, refused.id) == (None, None, None)
            assert refused.refused is not None
            assert "1000" in refused.refused
            preview = await desk.preview(too_much)
            assert (preview.would_start, preview.job) == (False, None)
            assert preview.refused == refused.refused
            assert (desk.jobs(), desk.last_number()) == ([], None)

        it.run(open_desk, story)

    def test_nothing_is_taken_while_nothing_can_be_written(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            it.world.journal.fail("The disk is full.")
            with pytest.raises(EngineUnwilling, match="disk is full"):
                await desk.submit([it.a()])
            await eventually(lambda: desk.status().journal_error)
            it.world.journal.heal()
            await eventually(lambda: desk.status().journal_error is None)
            assert (await desk.submit([it.a()]))[0].id is not None

        it.run(open_desk, story)

    def test_an_array_is_one_id_with_elements(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            (answer,) = await desk.submit([it.a("many", array=(3, 1, 10))])
            assert answer.id == JobId(1)
            await eventually(lambda: len(desk.job(JobId(1))) == 3)
            assert [job.id for job in desk.job(JobId(1))] == ["1.1", "1.3", "1.10"]
            assert [job.index for job in desk.job(JobId(1, 3))] == [3]
            assert desk.job(JobId(1, 2)) == []
            assert desk.job(JobId(2)) == []

        it.run(open_desk, story)

    def test_a_preview_keeps_nothing(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            preview = await desk.preview(it.a("tried"))
            assert (preview.would_start, preview.refused) == (True, None)
            assert preview.sentence
            assert preview.job is not None
            assert preview.job.name == "tried"
            await desk.submit([it.a(), it.a()])
            await eventually(lambda: desk.status().counts["running"] == 2)
            assert not (await desk.preview(it.a("late"))).would_start
            assert len(desk.jobs()) == 2

        it.run(open_desk, story)

    # --- commands ----------------------------------------------------------------------------------------------------

    def test_commands_are_answered_when_they_are_done(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            await desk.submit([it.a(), it.a(held=True)])
            await becomes(desk, "1", "running")
            (paused,) = await desk.command(Command(Verb.PAUSE, (JobId(1),)))
            assert (paused.id, paused.answer) == (JobId(1), Answer.DONE)
            assert it.world.status(JobId(1)) == "paused"
            await becomes(desk, "1", "paused")
            released, unknown = await desk.command(Command(Verb.RELEASE, (JobId(2), JobId(7))))
            assert released.answer is Answer.DONE
            assert (unknown.id, unknown.answer) == (JobId(7), Answer.UNKNOWN)
            (refused,) = await desk.command(Command(Verb.RELEASE, (JobId(1),)))
            assert refused.answer is Answer.REFUSED
            assert refused.sentence
            (killed,) = await desk.command(Command(Verb.KILL, (JobId(1),)))
            assert killed.answer is Answer.DONE
            assert (await becomes(desk, "1", "finished")).outcome == "killed"

        it.run(open_desk, story)

    def test_an_edit_carries_its_changes(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        def edit(spec, changes):  # type: ignore[no-untyped-def]
            return replace(spec, name=changes["name"]) if "name" in changes else "That cannot be changed."

        async def story(desk: Desk) -> None:
            it.world.engine.edit = edit
            await desk.submit([it.a(held=True)])
            (done,) = await desk.command(Command(Verb.EDIT, (JobId(1),), changes={"name": "nêw \udcff"}))
            assert done.answer is Answer.DONE
            assert it.world.job(JobId(1)).spec.name == "nêw \udcff"
            (refused,) = await desk.command(Command(Verb.EDIT, (JobId(1),), changes={"colour": "red"}))
            assert refused.answer is Answer.REFUSED
            assert "cannot be changed" in refused.sentence

        it.run(open_desk, story)

    def test_the_whole_queue_pauses_for_a_time(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            assert desk.status().intake.open
            await desk.command(Command(Verb.PAUSE, None, seconds=900.0, drain=True))
            await eventually(lambda: not desk.status().intake.open)
            intake = desk.status().intake
            assert intake.drain
            assert intake.until is not None
            await desk.command(Command(Verb.RESUME, None))
            await eventually(lambda: desk.status().intake.open)

        it.run(open_desk, story)

    def test_waiting_for_the_end(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            await desk.submit([it.a(lasting=2.0), it.a()])
            assert await desk.wait([], None) == []
            assert await desk.wait([JobId(1), JobId(2)], 0.01) is None
            first = await desk.wait([JobId(2), JobId(1)], 20.0, any_one=True)
            assert first is not None
            assert [(job.id, job.outcome) for job in first] == [("1", "succeeded")]
            await desk.command(Command(Verb.CANCEL, (JobId(2),)))
            both = await desk.wait([JobId(2), JobId(1)], 20.0)
            assert both is not None
            assert [job.id for job in both] == ["2", "1"]

        it.run(open_desk, story)

    def test_shutting_down_is_passed_on(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            await desk.shutdown(True)
            await eventually(lambda: it.shutdowns == [True])

        it.run(open_desk, story)

    # --- watching ----------------------------------------------------------------------------------------------------

    def test_listeners_hear_jobs_status_and_samples_in_order(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            heard: list[Change] = []
            threads = set()

            def listen(change: Change) -> None:
                threads.add(threading.get_ident())
                heard.append(change)

            end = desk.subscribe(listen)
            await desk.submit([it.a(lasting=1.0)])

            def seen() -> list[str]:
                statuses = [job.status for change in heard for job in change.jobs if job.id == "1"]
                return [status for at, status in enumerate(statuses) if at == 0 or statuses[at - 1] != status]

            await eventually(lambda: seen()[-1:] == ["finished"])
            assert seen() == [name for name in ("queued", "starting", "running", "finished") if name in seen()]
            await eventually(lambda: any(change.sample is not None for change in heard))
            assert any(change.status is not None and change.status.counts["finished"] == 1 for change in heard)
            numbers = [change.event_id for change in heard]
            assert numbers == sorted(numbers)
            assert threads == {threading.get_ident()}
            end()
            count = len(heard)
            await desk.submit([it.a(lasting=1.0)])
            await becomes(desk, "2", "finished")
            assert len(heard) == count

        it.run(open_desk, story)

    def test_changes_come_as_a_stream_with_what_was_missed(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            await desk.submit([it.a(held=True)])
            await becomes(desk, "1", "held")
            stream = desk.changes(0)
            missed = await anext(stream)
            assert [job.id for job in missed.jobs] == ["1"]
            assert missed.status is not None
            await desk.submit([it.a(held=True)])
            async for change in stream:
                if any(job.id == "2" for job in change.jobs):
                    break
            await stream.aclose()  # type: ignore[attr-defined]

        it.run(open_desk, story)

    def test_what_leaves_memory_is_gone_and_still_in_the_history(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        it.world.engine.finished_in_memory = 2

        async def story(desk: Desk) -> None:
            gone: list[str] = []
            desk.subscribe(lambda change: gone.extend(change.gone))
            for _ in range(4):
                await desk.submit([it.a(lasting=0.1)])
                await desk.wait([JobId(desk.last_number() or 1)], 20.0)
            await eventually(lambda: gone)
            assert gone[0] == "1"
            # On a thread: the history lies on a disk, or with another process.
            (job,) = await asyncio.to_thread(desk.job, JobId(1))
            assert job.outcome == "succeeded"
            every = await asyncio.to_thread(lambda: desk.jobs(finished=None))
            assert [job.id for job in every] == ["4", "3", "2", "1"]
            assert [job.id for job in desk.jobs(finished=1)] == ["4"]
            assert desk.jobs() == []

        it.run(open_desk, story)

    # --- reading -----------------------------------------------------------------------------------------------------

    def test_curves_trail_and_notices(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            began = it.world.clock.now()
            submission = it.world.submission(a_job("bad").failing(3).lasting(0.5))
            await desk.submit([submission])
            await desk.wait([JobId(1)], 20.0)
            await asyncio.to_thread(until, lambda: desk.samples(began))
            samples = await asyncio.to_thread(desk.samples, began)
            assert all(sample.memory_total_bytes for sample in samples)

            def trail() -> list[str]:
                return [tick.sentence for tick in desk.ticks(None, JobId(1), 100)]

            await asyncio.to_thread(until, lambda: any("1" in sentence for sentence in trail()))
            assert await asyncio.to_thread(desk.ticks, it.world.clock.now() + 10, None, 100) == []
            await asyncio.to_thread(until, lambda: desk.notices(None, 10))
            notice = (await asyncio.to_thread(desk.notices, None, 10))[-1]
            assert notice.job == JobId(1)
            assert notice.id is not None
            assert await asyncio.to_thread(desk.notices, notice.id, 10) == []

        it.run(open_desk, story)

    def test_a_log_is_read_in_pieces(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            await desk.submit([it.a()])
            await becomes(desk, "1", "running")
            path = Path(it.log_path("1", 1))
            path.write_bytes(bytes(range(256)))
            chunk = await asyncio.to_thread(desk.read_log, JobId(1), None, 10, 20)
            assert (chunk.data, chunk.offset, chunk.next_offset) == (bytes(range(10, 30)), 10, 30)
            assert (chunk.size, chunk.dropped, chunk.ended, chunk.attempt) == (256, None, False, 1)
            chunk = await asyncio.to_thread(desk.read_log, JobId(1), 1, -6, 100)
            assert (chunk.data, chunk.offset) == (bytes(range(250, 256)), 250)
            for asked in ((JobId(9), None), (JobId(1), 2)):
                with pytest.raises(KeyError):
                    await asyncio.to_thread(desk.read_log, *asked, 0, 10)

        it.run(open_desk, story)

    # --- conflicts and hints -----------------------------------------------------------------------------------------

    def test_a_conflict_is_found_told_settled_and_kept_with_how_it_ended(
        self, it: DeskWorld, open_desk: OpenDesk
    ) -> None:
        async def story(desk: Desk) -> None:
            heard: list[Change] = []
            desk.subscribe(heard.append)
            await desk.submit([it.a("one", writes="/data/x.csv"), it.a("two", writes="/data/x.csv")])
            await eventually(lambda: desk.conflicts())
            [found] = desk.conflicts()
            assert (found.resource, found.jobs, found.closed_at) == ("file:/data/x.csv", ("1", "2"), None)
            assert desk.conflicts(limit=1) == [found]
            assert await asyncio.to_thread(desk.conflicts, closed=True) == []
            await eventually(lambda: any(found.id == each.id for change in heard for each in change.conflicts))
            await eventually(lambda: any(change.notice is not None for change in heard))
            [notice] = [change.notice for change in heard if change.notice is not None]
            assert (notice.kind, notice.offers[0].command) == (
                NoticeKind.CONFLICT,
                ResolveConflict(found.id, found.ways[0].name),
            )
            assert await asyncio.to_thread(desk.notices, None, 10) == [notice]
            result = await desk.resolve_conflict(found.id)
            assert result.answer is Answer.DONE, result.sentence
            await becomes(desk, "2", "paused")
            await desk.command(Command(Verb.CANCEL, (JobId(1),)))
            await becomes(desk, "2", "running")
            await eventually(lambda: desk.conflicts() == [])
            [ended] = await asyncio.to_thread(desk.conflicts, closed=True)
            assert (ended.id, ended.jobs, ended.ways) == (found.id, found.jobs, ())
            assert ended.closed_because
            await eventually(lambda: heard_open(heard, "conflicts")[-1:] == [False])
            assert heard_open(heard, "conflicts")[0]
            refused = await desk.resolve_conflict(found.id)
            assert (refused.answer, "has ended" in refused.sentence) == (Answer.REFUSED, True)

        it.run(open_desk, story)

    def test_a_hint_is_given_and_dismissed_for_good(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            heard: list[Change] = []
            desk.subscribe(heard.append)
            twice = it.a("same")
            await desk.submit([twice])
            await desk.submit([it.a("between")])
            await desk.submit([replace(twice)])
            await eventually(lambda: desk.hints())
            [hint] = desk.hints()
            assert hint.code == "submitted_twice"
            assert (await desk.dismiss_hint(hint.id)).answer is Answer.DONE
            await eventually(lambda: desk.hints() == [])
            [ended] = await asyncio.to_thread(desk.hints, closed=True)
            assert (ended.id, ended.action, bool(ended.closed_because)) == (hint.id, None, True)
            await eventually(lambda: heard_open(heard, "hints")[-1:] == [False])
            assert heard_open(heard, "hints")[0]
            assert (await desk.apply_hint(hint.id)).answer is Answer.REFUSED

        it.run(open_desk, story)

    def test_what_is_unknown_of_them_is_said(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            for result in (await desk.resolve_conflict(9), await desk.apply_hint(9), await desk.dismiss_hint(9)):
                assert (result.answer, "9" in result.sentence) == (Answer.UNKNOWN, True)
            await desk.submit([it.a("one", writes="/data/x.csv"), it.a("two", writes="/data/x.csv")])
            await eventually(lambda: desk.conflicts())
            [found] = desk.conflicts()
            refused = await desk.resolve_conflict(found.id, "pray")
            assert refused.answer is Answer.REFUSED
            assert all(way.name in refused.sentence for way in found.ways)
            assert [each.id for each in desk.conflicts()] == [found.id]

        it.run(open_desk, story)

    # --- settings ----------------------------------------------------------------------------------------------------

    def test_settings_are_read_changed_and_put_back(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        async def story(desk: Desk) -> None:
            def value() -> object:
                return next(setting for setting in desk.settings() if setting.name == "memory_high_pct").value

            assert desk.settings() == it.settings.all()
            default = value()
            told: list[str] = []
            desk.subscribe(lambda change: told.append(change.setting.text) if change.setting is not None else None)
            view = await desk.change_setting("memory_high_pct", "70")
            assert view.value == 70
            await eventually(lambda: value() == 70)
            assert told == ["70"]
            for name, text in (("memory_high_pct", "99"), ("no_such", "1")):
                with pytest.raises(SettingRefused):
                    await desk.change_setting(name, text)
            assert (await desk.change_setting("memory_high_pct", None)).value == default
            await eventually(lambda: value() == default)
            both = {"memory_high_pct": "60", "memory_emergency_pct": "70"}
            assert [each.value for each in await desk.change_settings(both)] == [60, 70]
            with pytest.raises(SettingRefused):
                await desk.change_settings({"memory_emergency_pct": "95", "memory_high_pct": "99"})
            await eventually(lambda: value() == 60)
            views = await desk.reset_settings(["memory_emergency_pct"])
            views = await desk.reset_settings(["memory_high_pct"])
            assert [(each.name, each.value) for each in views] == [("memory_high_pct", default)]
            await eventually(lambda: value() == default)

        it.run(open_desk, story)

    def test_what_changed_beside_it_is_told_too(self, it: DeskWorld, open_desk: OpenDesk) -> None:
        """The file was edited by hand while the engine ran: with the next change all of it holds."""
        change = it.settings.change

        def change_and_read_the_file(name: str, text: str | None) -> SettingView:
            change("window_scheme", "dark")
            return change(name, text)

        it.settings.change = change_and_read_the_file  # type: ignore[method-assign]

        async def story(desk: Desk) -> None:
            told: list[str] = []
            desk.subscribe(lambda change: told.append(change.setting.name) if change.setting is not None else None)
            await desk.change_setting("memory_high_pct", "70")
            await eventually(lambda: told == ["memory_high_pct", "window_scheme"])

        it.run(open_desk, story)

"""The desk contract on the engine in this process and on the same one behind its API; and what only the latter has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

import tidegate
from api.conftest import Served
from contracts.desk_contract import DeskContract, OpenDesk, itself
from support.fake_desk import FakeDesk
from support.gui_desk import a_busy_desk
from support.until import eventually, until
from tidegate.api import following, mirror
from tidegate.api.client import NoEngine
from tidegate.api.decoding import decoder
from tidegate.api.remote_desk import RemoteDesk
from tidegate.api.server import ApiContext, ApiThread
from tidegate.api.wire import exchange
from tidegate.core.job import JobId, JobSpec
from tidegate.core.resources import GpuRequest
from tidegate.engine.desk import LocalDesk
from tidegate.engine.ports import Change, Command, Desk, EngineUnwilling, NoticeOffer, Submission, Verb
from tidegate.engine.views import JobView, StatusView
from tidegate.paths import Paths
from tidegate.settings import load
from tidegate.submission.request import MachineFacts

A_SUBMISSION = Submission(
    JobSpec(("true", "\udcff"), "/tmp", "näme", gpu=GpuRequest(1.0), labels=("a",)), held=True, array_indices=(1, 2)
)


def context(paths: Paths) -> ApiContext:
    facts = MachineFacts(cores=2, memory_total_bytes=16 << 30, memory_line_bytes=14 << 30)
    return ApiContext(paths, lambda: load(paths, {}), lambda: facts, "test", None, "0")


class TestLocalDesk(DeskContract):
    @pytest.fixture
    def open_desk(self) -> OpenDesk:
        return itself


class TestRemoteDesk(DeskContract):
    @pytest.fixture
    def open_desk(self, paths: Paths) -> OpenDesk:
        @contextlib.asynccontextmanager
        async def behind_its_api(local: LocalDesk) -> AsyncIterator[Desk]:
            api = ApiThread(local, context(paths))
            api.start()
            remote = RemoteDesk(paths)
            try:
                await remote.open()
                yield remote
            finally:
                await remote.close()
                await asyncio.to_thread(api.stop)

        return behind_its_api


# --- what only an engine in another process does ----------------------------------------------------------------------


class Engine:
    """A pretended engine behind a real API, which can go and come back."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.desk = FakeDesk()
        self._api: ApiThread | None = None

    def start(self, desk: FakeDesk | None = None) -> None:
        self.desk = desk or self.desk
        self._api = ApiThread(self.desk, context(self.paths))
        self._api.start()

    def stop(self) -> None:
        if self._api is not None:
            self._api.stop()
            self._api = None


@pytest.fixture
def engine(paths: Paths) -> Iterator[Engine]:
    found = Engine(paths)
    found.start()
    yield found
    found.stop()


def attached(engine: Engine, story: Callable[[RemoteDesk], Awaitable[None]]) -> None:
    async def run() -> None:
        desk = RemoteDesk(engine.paths)
        await desk.open()
        try:
            async with asyncio.timeout(30):
                await story(desk)
        finally:
            await desk.close()

    asyncio.run(run())


def test_without_an_engine_it_does_not_open(paths: Paths) -> None:
    async def run() -> None:
        with pytest.raises(NoEngine, match="does not answer"):
            await RemoteDesk(paths).open(within_s=0.5)

    asyncio.run(run())
    until(lambda: not [each for each in threading.enumerate() if each.name == "tidegate-remote"])


def test_every_view_is_what_the_engine_has(paths: Paths) -> None:
    engine = Engine(paths)
    engine.start(a_busy_desk())
    engine.desk.notify("title", "text", "1", "error", offers=(NoticeOffer("Again", Command(Verb.RETRY, (JobId(1),))),))

    async def story(desk: RemoteDesk) -> None:
        assert sorted(desk.jobs(finished=100), key=_id) == sorted(engine.desk.jobs(finished=100), key=_id)
        machine, counts = desk.status().machine, desk.status().counts
        assert (machine, counts) == (engine.desk.status().machine, engine.desk.status().counts)
        assert await asyncio.to_thread(desk.samples, 0.0) == engine.desk.samples(0.0)
        assert await asyncio.to_thread(desk.notices, None, 5) == engine.desk.notices(None, 5)
        assert desk.settings() == engine.desk.settings()

    attached(engine, story)
    engine.stop()


def _id(job: JobView) -> str:
    return job.id


def test_the_engine_goes_and_another_one_comes(engine: Engine) -> None:
    engine.desk.add("1", status="running")
    engine.desk.add("2")

    async def story(desk: RemoteDesk) -> None:
        told: list[bool] = []
        changes: list[Change] = []
        desk.watch(told.append)
        desk.subscribe(changes.append)
        await asyncio.to_thread(engine.stop)
        await eventually(lambda: told == [False])
        # What was known stays to be seen; what is asked is refused with a sentence.
        assert [job.id for job in desk.jobs()] == ["1", "2"]
        for asked in (desk.command(Command(Verb.PAUSE, None)), desk.submit([A_SUBMISSION]), desk.preview(A_SUBMISSION)):
            with pytest.raises(EngineUnwilling, match=r"engine .* has ended"):
                await asked
        with pytest.raises(EngineUnwilling):
            await desk.change_setting("memory_high_pct", "70")
        assert await asyncio.to_thread(desk.job, JobId(9)) == []
        assert await asyncio.to_thread(desk.samples, 0.0) == []

        other = FakeDesk()
        other.add("1", status="finished", outcome="succeeded", finished_at=5.0)
        other.add("3")
        await other.change_setting("memory_high_pct", "70")
        engine.start(other)
        await eventually(lambda: told == [False, True])
        assert [job.id for job in desk.jobs(finished=9)] == ["3", "1"]
        # Views that heard all changes know the same.
        seen = {job.id: job.status for change in changes for job in change.jobs}
        assert seen == {"1": "finished", "3": "queued"}
        assert [id for change in changes for id in change.gone] == ["2"]
        assert [change.setting.text for change in changes if change.setting is not None] == ["70"]
        assert desk.last_number() == 3

    attached(engine, story)


def test_whoever_watches_late_hears_that_the_engine_is_gone(engine: Engine) -> None:
    async def story(desk: RemoteDesk) -> None:
        first: list[bool] = []
        desk.watch(first.append)
        await asyncio.to_thread(engine.stop)
        await eventually(lambda: first)
        late: list[bool] = []
        desk.watch(late.append)
        await eventually(lambda: late == [False])

    attached(engine, story)


def test_on_the_windows_thread_nothing_waits_for_the_engine(engine: Engine) -> None:
    engine.desk.add("1")
    engine.desk.add("2", status="finished", finished_at=1.0)

    async def story(desk: RemoteDesk) -> None:
        with engine.desk._lock:  # the engine answers nobody now
            began = time.monotonic()
            assert [job.id for job in desk.jobs(limit=5)] == ["1"]
            assert desk.job(JobId(2))[0].status == "finished"
            assert desk.job(JobId(77)) == []
            assert len(desk.jobs(finished=None)) == 2
            assert desk.status().counts
            assert desk.settings()
            assert desk.last_number() == 2
            assert time.monotonic() - began < 0.5

    attached(engine, story)


def test_ten_thousand_jobs_are_there_soon_and_hold_nobody_up(engine: Engine) -> None:
    engine.desk.add_many(10_000)
    stalls: list[float] = []

    async def beat() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            stalls.append(time.thread_time() - before)

    async def run() -> None:
        heart = asyncio.ensure_future(beat())
        desk = RemoteDesk(engine.paths)
        await desk.open()
        assert len(desk.jobs()) == 10_000
        assert [job.id for job in desk.jobs(limit=3)] == ["1", "2", "3"]
        heart.cancel()
        await desk.close()

    asyncio.run(run())
    # The loop's own time, as others use this machine's cores too; a parse of the whole would take several times that.
    assert max(stalls) < 0.1


def test_of_a_long_line_the_head_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "WAITING_KEPT", 20)
    monkeypatch.setattr(following, "JOBS_AT_MOST", 30)
    monkeypatch.setattr(mirror, "FINISHED_KEPT", 10)
    monkeypatch.setattr(following, "FINISHED_KEPT", 10)
    engine.desk.add_many(100)
    for number in range(101, 131):
        engine.desk.add(str(number), status="finished", finished_at=float(number))

    async def story(desk: RemoteDesk) -> None:
        assert [job.id for job in desk.jobs(limit=20)] == [str(number) for number in range(1, 21)]
        assert len(desk.jobs()) == 20
        assert [job.id for job in desk.jobs(finished=10)[20:]] == [str(number) for number in range(130, 120, -1)]
        assert len(await asyncio.to_thread(lambda: desk.jobs(finished=None))) == 130
        assert len(await asyncio.to_thread(desk.jobs)) == 100
        engine.desk.add_many(5, priority=0)
        await eventually(lambda: [job.id for job in desk.jobs(limit=5)] == ["131", "132", "133", "134", "135"])
        assert len(desk._known._waiting) <= 22

    attached(engine, story)


def test_a_notice_of_an_unknown_kind_does_not_end_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    odd = {"kind": "prophecy", "at": 1.0, "title": "t", "text": "x"}
    change = following.read_change({"event_id": 3, "cursor": "1-3", "at": 1.0, "gone": ["7"], "notice": odd})
    assert (change.event_id, change.gone, change.jobs, change.notice) == (3, ("7",), (), None)
    assert "prophecy" in caplog.text


# --- an engine of another version -------------------------------------------------------------------------------------


def test_an_engine_of_another_version_is_followed_and_said(engine: Engine) -> None:
    engine.desk.set_status(version="9.9")

    async def story(desk: RemoteDesk) -> None:
        assert desk.status().version == "9.9"
        await eventually(lambda: desk.remark)
        assert str(desk.remark).startswith(f"The engine is Tidegate 9.9 and this window {tidegate.__version__}; some")
        other = FakeDesk()
        other.set_status(version=tidegate.__version__)
        told: list[bool] = []
        desk.watch(told.append)
        await asyncio.to_thread(engine.stop)
        engine.start(other)
        await eventually(lambda: told == [False, True])
        assert desk.remark is None

    attached(engine, story)


def test_one_that_cannot_be_understood_is_said_instead_of_awaited(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine.desk.set_status(version="9.9")

    def other(*_: object, **__: object) -> None:
        raise KeyError("jobs")

    monkeypatch.setattr(following, "get_jobs", other)

    async def run() -> None:
        with pytest.raises(NoEngine, match=r"Tidegate 9\.9 and this window .* do not understand each other"):
            await RemoteDesk(engine.paths).open(within_s=0.5)

    asyncio.run(run())
    assert "could not be followed" in caplog.text


def test_what_an_older_engine_does_not_send_is_nothing_of_its_kind() -> None:
    status = decoder(StatusView)({"mode": "NORMAL", "machine": {"cores": 4}, "later": [1]})
    assert (status.mode, status.machine.cores, status.machine.cards) == ("NORMAL", 4, ())
    assert (status.counts, status.intake.why, status.warnings, status.pid) == ({}, None, (), 0)
    job = decoder(JobView)({"id": "7"})
    assert (job.name, job.command, job.waits, job.usage.gpu_memory_bytes, job.outcome) == ("", (), (), {}, None)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_objects_are_read_as_they_arrive(size: int) -> None:
    jobs = [{"id": str(number), "name": 'nä{me}]["', "more": [{"a": {}}]} for number in range(20)]
    data = json.dumps({"jobs": jobs}, ensure_ascii=False, separators=(",", ":")).encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(following.objects_in(pieces)) == jobs
    assert list(following.objects_in([b'{"jobs":[]}'])) == []


# --- the door for understood submissions ------------------------------------------------------------------------------


def test_understood_submissions_come_over_the_socket_only(serve: Callable[..., Served]) -> None:
    served = serve()
    body = {"submissions": [asdict(A_SUBMISSION)]}
    status, said = served.with_token("POST", "/api/v1/submissions", body)
    assert (status, said["error"]["kind"]) == (403, "forbidden")
    assert served.desk.submitted == []
    assert served.client.post("/submissions", body)["jobs"] == [
        {"id": "1", "warnings": [], "notes": [], "refused": None}
    ]
    assert served.desk.submitted == [A_SUBMISSION]


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ("text", "object"),
        ({}, "needs its field spec"),
        ({"spec": {"command": ["ls"], "cwd": "/"}}, "needs its field name"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "memory_bytes": 10**400}}, "memory_bytes"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "begin_at": math.nan}}, "begin_at"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "time_limit_s": math.inf}}, "time_limit_s"),
        ({"spec": {"command": "ls", "cwd": "/", "name": "n"}}, "command"),
        ({"spec": {"command": ["ls"], "cwd": 7, "name": "n"}}, "cwd"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "memory_bytes": "1G"}}, "memory_bytes"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "retries": True}}, "retries"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "kind": "odd"}}, "kind"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "after": [[[1, 2, 3], "ok"]]}}, "after"),
        ({"spec": {"command": ["l\0s"], "cwd": "/", "name": "n"}}, "NUL"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n", "colour": 1}}, "colour"),
        ({"spec": {"command": ["ls"], "cwd": "/", "name": "n"}, "array_indices": ["1"]}, "array_indices"),
    ],
)
def test_a_submission_of_another_shape_is_refused(serve: Callable[..., Served], entry: object, word: str) -> None:
    served = serve()
    for path in ("/submissions", "/submissions/preview"):
        status, said = over_the_socket(served, path, json.dumps({"submissions": [entry]}).encode())
        assert (status, said["error"]["kind"]) == (422, "usage")
        assert word in said["error"]["sentence"]
        assert "__init__" not in said["error"]["sentence"]
    assert served.desk.submitted == []


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\0", b"9" * 5000, b"[" * 200_000, b'{"submissions":' + b"[" * 990 + b"]" * 990 + b"}"]
)
def test_a_body_that_cannot_be_read_is_refused_with_a_sentence(serve: Callable[..., Served], body: bytes) -> None:
    served = serve()
    status, said = over_the_socket(served, "/submissions", body)
    assert (status, said["error"]["kind"]) == (422, "usage")
    assert said["error"]["sentence"].startswith(("The body of the request could not be read", "submissions[0]"))


def over_the_socket(served: Served, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """These very bytes, which no client of ours would send."""
    answer = exchange(served.paths, "POST", f"/api/v1{path}", body, {}, 10.0)
    return answer.status, json.loads(answer.read())

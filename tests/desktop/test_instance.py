"""The door between two starts of the application: what is handed over, by whom, and what is not believed."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.until import eventually
from tidegate.desktop import instance
from tidegate.desktop.instance import Door, HandOver, NoAnswer, NobodyThere, NoHello, Received, hand_over, is_same_user

GIVEN = HandOver(("/a/one.sh", "/a/\udcff two.sh"), False, {"PATH": "/bin", "ODD": "\udcfe"}, {"TOKEN": "t"})
SOON_S = 5.0


@pytest.fixture(params=[False, True], ids=["socket", "tcp"])
def over_tcp(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def path(home: Path) -> Path:
    return home / "gui.sock"


class Taken:
    """What came through the door, and what is said to it."""

    def __init__(self) -> None:
        self.handed: list[HandOver] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.error: Exception | None = None

    async def receive(self, handed: HandOver) -> Received:
        self.handed.append(handed)
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return Received(len(handed.files), ("ä sentence",))


def behind(door: Door, story: Callable[[Taken], Awaitable[None]]) -> None:
    async def run() -> None:
        taken = Taken()
        door.listen()
        await door.open(taken.receive)
        try:
            async with asyncio.timeout(20):
                await story(taken)
        finally:
            await door.close()

    asyncio.run(run())


def test_all_of_it_arrives_and_is_answered(path: Path, over_tcp: bool) -> None:
    async def story(taken: Taken) -> None:
        said = await asyncio.to_thread(hand_over, path, GIVEN, SOON_S, over_tcp=over_tcp)
        assert taken.handed == [GIVEN]
        assert said == Received(2, ("ä sentence",))

    behind(Door(path, over_tcp=over_tcp), story)
    assert not path.exists()


def test_callers_before_the_loop_runs_wait_in_line(path: Path, over_tcp: bool) -> None:
    door = Door(path, over_tcp=over_tcp)
    door.listen()
    said: list[Received] = []
    calls = [
        threading.Thread(target=lambda: said.append(hand_over(path, GIVEN, SOON_S, over_tcp=over_tcp)))
        for _ in range(6)
    ]
    for call in calls:
        call.start()

    async def run() -> None:
        taken = Taken()
        await door.open(taken.receive)
        await eventually(lambda: len(said) == 6)
        assert taken.handed == [GIVEN] * 6
        await door.close()

    asyncio.run(run())
    for call in calls:
        call.join()


def test_nobody_there(path: Path, over_tcp: bool) -> None:
    with pytest.raises(NobodyThere):
        hand_over(path, GIVEN, SOON_S, over_tcp=over_tcp)
    door = Door(path, over_tcp=over_tcp)
    door.listen()
    left_behind = path.read_bytes() if over_tcp else None
    door.shut()
    if left_behind is not None:
        path.write_bytes(left_behind)
    with pytest.raises(NobodyThere):
        hand_over(path, GIVEN, SOON_S, over_tcp=over_tcp)
    door.shut()


def test_what_lies_at_the_doors_place_is_replaced(path: Path, over_tcp: bool) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with pytest.raises(NobodyThere):
        hand_over(path, GIVEN, SOON_S)

    async def story(taken: Taken) -> None:
        await asyncio.to_thread(hand_over, path, GIVEN, SOON_S, over_tcp=over_tcp)
        assert taken.handed == [GIVEN]
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        assert mode == 0o600

    behind(Door(path, over_tcp=over_tcp), story)


def test_what_hangs_is_handed_nothing(path: Path) -> None:
    door = Door(path, over_tcp=False)
    door.listen()
    with pytest.raises(NoHello):
        hand_over(path, GIVEN, 0.2)

    async def run() -> None:
        # It wakes up: the caller is long gone, and with it what it had.
        taken = Taken()
        await door.open(taken.receive)
        await asyncio.to_thread(hand_over, path, HandOver(("/later",)), SOON_S)
        assert taken.handed == [HandOver(("/later",))]
        await door.close()

    asyncio.run(run())


def test_one_that_leaves_before_its_answer_is_not_believed_to_have_done_it(path: Path) -> None:
    async def story(taken: Taken) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
        taken.go_on.clear()
        call = asyncio.ensure_future(asyncio.to_thread(hand_over, path, GIVEN, SOON_S))
        await eventually(lambda: taken.handed)
        door.shut()
        await door.close()
        with pytest.raises(NoAnswer):
            await call

    said: list[object] = []
    door = Door(path, over_tcp=False)
    behind(door, story)
    assert said == []


@pytest.mark.parametrize(
    "answer", [b"", b"{}\n", b'{"jobs": "x", "refused": []}\n', b'{"jobs": 1}\n', b"[" * 200_000 + b"\n"]
)
def test_an_answer_of_another_version_is_no_answer(path: Path, answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"tidegate": 2}\n')
        await reader.readline()
        writer.write(answer)
        writer.close()

    async def run() -> None:
        async with await asyncio.start_unix_server(other, path):
            with pytest.raises(NoAnswer):
                await asyncio.to_thread(hand_over, path, GIVEN, SOON_S, over_tcp=False)

    asyncio.run(run())


def test_who_was_promised_an_answer_gets_it_while_the_door_closes(path: Path) -> None:
    async def story(taken: Taken) -> None:
        taken.go_on.clear()
        call = asyncio.ensure_future(asyncio.to_thread(hand_over, path, GIVEN, SOON_S))
        await eventually(lambda: taken.handed)
        closing = asyncio.ensure_future(door.close())
        await eventually(lambda: not path.exists())
        taken.go_on.set()
        assert (await call).jobs == 2
        await closing

    door = Door(path, over_tcp=False)
    behind(door, story)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"[" * 200_000 + b"\n",
        b"null\n",
        b'{"token": ""}\n',
        b'{"token": "", "files": "one", "environment": {}, "activation": {}}\n',
        b'{"token": "", "files": [1], "environment": {}, "activation": {}}\n',
        b'{"token": "", "files": [], "environment": {"a": 1}, "activation": {}}\n',
        b'{"token": "wrong", "files": [], "environment": {}, "activation": {}}\n',
    ],
)
def test_junk_is_answered_and_does_no_harm(path: Path, line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def story(taken: Taken) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        assert json.loads(await reader.readline()) == {"tidegate": 1}
        writer.write(line)
        assert "cannot be read" in json.loads(await reader.readline())["error"]
        assert await reader.read() == b""
        writer.close()
        await asyncio.to_thread(hand_over, path, GIVEN, SOON_S)
        assert taken.handed == [GIVEN]

    behind(Door(path, over_tcp=False), story)
    assert "cannot be read" in caplog.text


def test_a_line_without_end_is_cut_short(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(instance, "LONGEST_LINE_BYTES", 1000)

    async def story(taken: Taken) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.readline()
        writer.write(b"x" * 5000)
        assert "error" in json.loads(await reader.readline())
        writer.close()
        assert taken.handed == []

    behind(Door(path, over_tcp=False), story)
    assert "cannot be read" in caplog.text


def test_who_says_nothing_holds_nobody_up_and_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "PATIENCE_S", 0.3)

    async def story(taken: Taken) -> None:
        silent, writer = await asyncio.open_unix_connection(path)
        await silent.readline()
        half, other = await asyncio.open_unix_connection(path)
        await half.readline()
        other.write(b'{"half": ')
        other.write_eof()
        assert (await asyncio.to_thread(hand_over, path, GIVEN, SOON_S)).jobs == 2
        assert await half.read() == b""
        assert await silent.read() == b""
        writer.close()
        other.close()
        assert taken.handed == [GIVEN]

    behind(Door(path, over_tcp=False), story)


def test_a_failure_inside_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(taken: Taken) -> None:
        taken.error = RuntimeError("no room")
        said = await asyncio.to_thread(hand_over, path, GIVEN, SOON_S)
        assert said == Received(0, ("It could not be taken: no room",))

    behind(Door(path, over_tcp=False), story)
    assert "could not be taken" in caplog.text


def test_over_tcp_the_token_is_asked_for(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(taken: Taken) -> None:
        told = json.loads(path.read_text())
        path.write_text(json.dumps(told | {"token": "x"}))
        said = await asyncio.to_thread(hand_over, path, GIVEN, SOON_S, over_tcp=True)
        assert said.jobs == 0
        assert "cannot be read" in said.refused[0]
        assert taken.handed == []

    behind(Door(path, over_tcp=True), story)
    assert "not from this home" in caplog.text


def test_only_the_same_user_is_let_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = socket.socketpair()
    with left, right:
        assert is_same_user(left)
        user = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: user + 1)
        assert not is_same_user(left)

    async def story(taken: Taken) -> None:
        with pytest.raises(NobodyThere):
            await asyncio.to_thread(hand_over, path, GIVEN, SOON_S)
        assert taken.handed == []

    behind(Door(path, over_tcp=False), story)

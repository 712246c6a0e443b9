"""The window on another process's engine, and what a second start of the program brings to the one that is there."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QMessageBox

from support.fake_desk import FakeDesk
from support.fake_toaster import FakeToaster
from support.until import eventually
from tidegate.desktop.instance import Door, HandOver, Received, hand_over
from tidegate.engine.ports import NoticeKind
from tidegate.gui.entrance import Entrance, activated_by
from tidegate.gui.shell import Ending, Shell
from tidegate.paths import Paths

IGNORED = pytest.mark.qt_log_ignore("This plugin does not support")


class Link:
    """An engine of another process, which comes and goes as the test says."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[bool], None]] = []
        self.begin_anew: list[bool] = []
        self.remark: str | None = None

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def say(self, online: bool) -> None:
        for watcher in self.watchers:
            watcher(online)

    def start_engine_here(self, hidden: bool) -> None:
        self.begin_anew.append(hidden)


@pytest.fixture
def link() -> Iterator[Link]:
    made = Link()
    yield made
    assert made.watchers == []  # the application has closed by then


@pytest.fixture
def open_attached(link: Link, open_shell: Callable[..., Shell]) -> Callable[[], Shell]:
    return lambda: open_shell(link=link)


def menu_of(shell: Shell) -> list[str]:
    return [action.text() for action in shell.tray.menu.actions()]


def test_without_its_engine_the_window_says_so_and_offers_one(run, open_attached, desk: FakeDesk, link: Link) -> None:  # type: ignore[no-untyped-def]
    async def story() -> None:
        shell = open_attached()
        shell.window.show()
        arrived: list[object] = []
        shell.feed.status_changed.connect(arrived.append)
        desk.set_status(mode="HIGH")
        link.say(False)
        # A status that was on its way does not bring the engine back.
        await eventually(lambda: arrived)
        assert any("Start an engine" in text for text in menu_of(shell))
        strip = shell.window.strip
        assert "has ended" in shell.window.messages.text
        assert strip.pill.accessibleName() == "Mode: NO ENGINE"
        assert not strip.pause.isEnabled()
        assert not strip.submit.isEnabled()
        link.say(True)
        desk.set_status(mode="NORMAL")
        await eventually(lambda: strip.pill.accessibleName() == "Mode: NORMAL")
        assert strip.pause.isEnabled()
        assert shell.window.messages.text == ""
        await eventually(lambda: not any("Start an engine" in text for text in menu_of(shell)))

    run(story())


@pytest.mark.parametrize("hidden", [True, False])
def test_an_engine_here_begins_the_program_anew(run, open_attached, link: Link, hidden: bool) -> None:  # type: ignore[no-untyped-def]
    async def story() -> None:
        shell = open_attached()
        if not hidden:
            shell.window.show()
        link.say(False)
        shell.tray.start_engine_wanted.emit()
        assert link.begin_anew == [hidden]
        assert shell.ending.result() == Ending(0)

    run(story())


def test_a_window_made_later_says_it_too(run, open_attached, link: Link) -> None:  # type: ignore[no-untyped-def]
    async def story() -> None:
        shell = open_attached()
        link.say(False)
        shell.window.show()
        assert "has ended" in shell.window.messages.text

    run(story())


def test_an_engine_of_another_version_is_said_as_long_as_it_is_there(run, open_attached, link: Link) -> None:  # type: ignore[no-untyped-def]
    async def story() -> None:
        shell = open_attached()
        shell.window.show()
        link.remark = "Another version; some of it may be missing here."
        link.say(True)
        assert shell.window.messages.text == link.remark
        assert shell.window.strip.submit.isEnabled()
        link.remark = "Another version; they do not understand each other."
        link.say(False)
        assert shell.window.messages.text == link.remark
        assert shell.window.strip.pill.accessibleName() == "Mode: NO ENGINE"
        link.remark = None
        link.say(False)
        assert "has ended" in shell.window.messages.text
        link.say(True)
        assert shell.window.messages.text == ""

    run(story())


def test_what_came_while_the_engine_was_away_is_counted_and_told_when_it_is_back(  # type: ignore[no-untyped-def]
    run, open_attached, desk: FakeDesk, link: Link, toaster: FakeToaster
) -> None:
    async def story() -> None:
        shell = open_attached()
        await shell.outside.settle()
        shell.feed.stop()
        link.say(False)
        for name in ("a.sh", "b.sh"):
            desk.notify(f"{name} failed", "Exit 2.", level="error", kind=NoticeKind.FAILED)
        shell.feed.start()
        link.say(True)
        await eventually(lambda: toaster.shown)
        assert [(toast.title, toast.text) for toast in toaster.shown] == [("2 jobs failed", "Meanwhile: a.sh and b.sh")]
        assert shell.tray.facts.unread == 2

    run(story())


@IGNORED
def test_quitting_asks_nothing_about_jobs_that_are_not_ours(run, open_attached, desk: FakeDesk, link: Link) -> None:  # type: ignore[no-untyped-def]
    desk.add("1", status="running")

    async def story() -> None:
        shell = open_attached()
        shell.ask_to_quit()
        # Nobody but the shell holds it: there is no window.
        (box,) = [each for each in QApplication.topLevelWidgets() if isinstance(each, QMessageBox)]
        assert "goes on" in box.text()
        assert [button.text().replace("&", "") for button in box.buttons()] == ["Quit", "Cancel"]
        box.defaultButton().click()
        assert shell.ending.result() == Ending(0, stop_jobs=False)

    run(story())


def test_without_jobs_or_engine_quitting_asks_nothing(run, open_attached, desk: FakeDesk, link: Link) -> None:  # type: ignore[no-untyped-def]
    async def story() -> None:
        shell = open_attached()
        desk.add("1", status="running")
        link.say(False)
        shell.ask_to_quit()
        assert shell.ending.done()

    run(story())


# --- a second start --------------------------------------------------------------------------------------------------


@IGNORED
def test_files_of_a_second_start_become_jobs_and_the_window_comes_forward(  # type: ignore[no-untyped-def]
    run, open_shell, desk: FakeDesk, tmp_path: Path
) -> None:
    script = tmp_path / "a.sh"
    script.write_text("true\n")

    async def story() -> None:
        shell = open_shell()
        given = HandOver((str(script), str(tmp_path / "none.sh")), False, {"PATH": os.environ["PATH"], "MARK": "1"})
        received = await shell.receive(given)
        assert received.jobs == 1
        assert "none.sh" in received.refused[0]
        assert "window" not in shell.__dict__
        assert await shell.receive(HandOver()) == Received()
        assert shell.window.isVisible()
        [submission] = desk.submitted
        assert submission.spec.script == str(script)

    run(story())


def test_callers_wait_for_the_window_and_are_told_when_it_never_comes(run, paths: Paths) -> None:  # type: ignore[no-untyped-def]
    async def story() -> None:
        door = Door(paths.gui_socket)
        door.listen()
        entrance = Entrance(door)
        await entrance.open()
        call = asyncio.ensure_future(asyncio.to_thread(hand_over, paths.gui_socket, HandOver(("/x",)), 5.0))
        await eventually(lambda: door._answering)

        async def receive(handed: HandOver) -> Received:
            return Received(len(handed.files))

        entrance.lead_to(receive)
        assert await call == Received(1)
        await entrance.close()

        door = Door(paths.gui_socket)
        door.listen()
        entrance = Entrance(door)
        arrived: list[HandOver] = []
        take = entrance._take

        async def noticed(handed: HandOver) -> Received:
            arrived.append(handed)
            return await take(handed)

        entrance._take = noticed  # type: ignore[method-assign]
        await entrance.open()
        call = asyncio.ensure_future(asyncio.to_thread(hand_over, paths.gui_socket, HandOver(("/x",)), 5.0))
        await eventually(lambda: arrived)
        await entrance.close()
        assert "ended before" in (await call).refused[0]
        await Entrance(None).close()

    run(story())


def test_the_desktops_token_is_there_for_the_moment_only() -> None:
    name = "XDG_ACTIVATION_TOKEN"
    with activated_by(HandOver(activation={name: "a token"})):
        assert _variable_of_the_process(name) == "a token"
        assert name not in os.environ
    assert _variable_of_the_process(name) is None
    with activated_by(HandOver()):
        assert _variable_of_the_process(name) is None


def _variable_of_the_process(name: str) -> str | None:
    """As Qt sees it, not as Python remembers it."""
    found: bytes | None = _libc.getenv(name.encode())
    return None if found is None else found.decode()


_libc = ctypes.CDLL(None)
_libc.getenv.restype = ctypes.c_char_p

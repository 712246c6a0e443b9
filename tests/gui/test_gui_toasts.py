"""From a notice of the engine to the screen and back: the presenter, the ways a toast can take, and do not disturb."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from support.fake_desk import FakeDesk
from support.fake_toaster import FakeToaster
from support.until import eventually
from tidegate.core.job import JobId
from tidegate.desktop.notifications import Toast, ToastFailed
from tidegate.engine.ports import Command, NoticeKind, NoticeOffer, Verb
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.preferences import Preferences
from tidegate.gui.remembered import Remembered
from tidegate.gui.shell import Shell
from tidegate.gui.toasts import chain as chain_module
from tidegate.gui.toasts.chain import TRIED_AGAIN_S, LogToaster, ToasterChain
from tidegate.gui.toasts.presenter import ToastPresenter
from tidegate.gui.toasts.quiet import Quiet
from tidegate.gui.toasts.tray_toaster import TrayToaster
from tidegate.paths import Paths

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")
FAILED = {"level": "error", "kind": NoticeKind.FAILED}
AGAIN = NoticeOffer("Run again", Command(Verb.RETRY, (JobId(1),)))
Run = Callable[..., object]


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """A presenter between a pretended engine and a pretended desktop; wall and monotonic time as the test says."""

    desk: FakeDesk
    paths: Paths
    seen: bool = False
    wall: Clock = field(default_factory=lambda: Clock(time.time()))
    steady: Clock = field(default_factory=lambda: Clock(5000.0))

    def open(self) -> None:
        self.toaster = FakeToaster()
        self.feed = Feed(self.desk)
        self.preferences = Preferences(self.desk, self.feed)
        self.remembered = Remembered(self.paths.window_file)
        self.commands = Commands(self.desk)
        self.quiet = Quiet(self.preferences, self.remembered, clock=self.wall)
        self.presenter = ToastPresenter(
            self.feed,
            self.commands,
            self.preferences,
            self.quiet,
            self.remembered,
            self.toaster,
            lambda _notice: self.seen,
            clock=self.steady,
        )
        self.heard: list[tuple[str, object]] = []
        for name in ("job_wanted", "log_wanted", "inbox_wanted"):
            getattr(self.presenter, name).connect(lambda value, name=name: self.heard.append((name, value)))
        self.commands.failed.connect(lambda sentence: self.heard.append(("failed", sentence)))
        self.feed.start()

    def close(self) -> None:
        self.presenter.stop()
        self.quiet.stop()
        self.feed.stop()
        self.remembered.close()

    async def shows(self, count: int) -> list[Toast]:
        await eventually(lambda: len(self.toaster.shown) == count)
        return self.toaster.shown

    async def passes(self, seconds: float) -> None:
        """Time goes on; what is due by then is shown."""
        self.steady.now += seconds
        self.wall.now += seconds
        self.quiet.look()
        self.presenter._show_due()
        await self.presenter.settle()

    async def hears(self, title: str, job: str | None = "1", **fields: object) -> None:
        """The engine told something, and the presenter has it."""
        got: list[object] = []
        connection = self.feed.noticed.connect(got.append)
        self.desk.notify(title, "Exit 2 after 4 s.", job, **fields)  # type: ignore[arg-type]
        await eventually(lambda: got)
        self.feed.noticed.disconnect(connection)
        await self.presenter.settle()


@pytest.fixture
def rig(run: Run, desk: FakeDesk, paths: Paths) -> Iterator[Rig]:
    made = Rig(desk, paths)

    async def open_it() -> None:
        desk.add("1", status="finished", outcome="failed")
        made.open()

    run(open_it())
    yield made
    made.close()


# --- Presenter ---


def test_a_failure_appears_and_its_buttons_do_what_they_say(run: Run, rig: Rig) -> None:
    async def story() -> None:
        await rig.hears("train.py failed", offers=(AGAIN,), **FAILED)
        [toast] = rig.toaster.shown
        assert (toast.title, [button.label for button in toast.buttons]) == (
            "train.py failed",
            ["Open log", "Run again"],
        )
        rig.toaster.press(toast.id, "Run again")
        await eventually(lambda: rig.desk.commands)
        assert rig.desk.commands == [AGAIN.command]
        await rig.passes(60)
        await rig.hears("train.py failed", offers=(AGAIN,), **FAILED)
        rig.toaster.press(rig.toaster.shown[1].id, "Open log")
        await rig.passes(60)
        await rig.hears("train.py failed", offers=(AGAIN,), **FAILED)
        rig.toaster.click(rig.toaster.shown[2].id)
        assert rig.heard == [("log_wanted", "1"), ("job_wanted", "1")]
        assert rig.desk.commands == [AGAIN.command]

    run(story())


def test_what_a_button_asked_for_and_was_refused_is_said(run: Run, rig: Rig) -> None:
    async def story() -> None:
        resume = NoticeOffer("Resume", Command(Verb.RESUME, (JobId(1),)))
        await rig.hears("Paused train.py", level="warning", kind=NoticeKind.INTERVENED, offers=(resume,))
        rig.toaster.press(rig.toaster.shown[0].id, "Resume")
        await eventually(lambda: rig.heard)
        [(name, sentence)] = rig.heard
        assert name == "failed"
        assert "Job 1 is finished" in str(sentence)

    run(story())


def test_many_failures_are_one_toast_in_the_same_place(run: Run, rig: Rig) -> None:
    async def story() -> None:
        for i in range(12):
            await rig.hears(f"job{i}.sh failed", **FAILED)
        assert len(rig.toaster.shown) == 1
        await rig.passes(3)
        assert [toast.title for toast in rig.toaster.screen.values()] == ["12 jobs failed"]
        rig.toaster.press(rig.toaster.shown[-1].id, "Show all")
        assert rig.heard == [("inbox_wanted", None)]

    run(story())


def test_the_timer_brings_a_toast_that_was_put_off(run: Run, rig: Rig) -> None:
    async def story() -> None:
        await rig.hears("a.sh failed", **FAILED)
        rig.presenter.policy._groups[NoticeKind.FAILED, False].next_at = rig.steady.now + 0.05
        await rig.hears("b.sh failed", **FAILED)
        assert len(rig.toaster.shown) == 1
        rig.steady.now += 0.06
        [_, grown] = await rig.shows(2)
        assert grown.title == "2 jobs failed"

    run(story())


def test_what_is_before_the_persons_eyes_makes_no_toast(run: Run, rig: Rig) -> None:
    async def story() -> None:
        rig.seen = True
        await rig.hears("a.sh failed", **FAILED)
        rig.seen = False
        await rig.hears("b.sh failed", **FAILED)
        assert [toast.title for toast in rig.toaster.shown] == ["b.sh failed"]

    run(story())


def test_settings_hold_at_once(run: Run, rig: Rig) -> None:
    async def story() -> None:
        changed: list[str] = []
        rig.preferences.changed.connect(changed.append)
        await rig.desk.change_setting("toasts_failures", "false")
        await eventually(lambda: changed)
        await rig.hears("a.sh failed", **FAILED)
        await rig.hears("too hot", None, level="warning", kind=NoticeKind.ALERT)
        assert [toast.title for toast in rig.toaster.shown] == ["too hot"]
        await rig.desk.change_setting("toasts_enabled", "false")
        await eventually(lambda: len(changed) == 2)
        await rig.passes(60)
        await rig.hears("too hot", None, level="error", kind=NoticeKind.ALERT)
        assert len(rig.toaster.shown) == 1

    run(story())


def test_a_toast_that_nobody_can_show_is_said_in_the_log_and_the_next_one_comes(
    run: Run, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        rig.toaster.broken = "no desktop here"
        with caplog.at_level(logging.WARNING):
            await rig.hears("a.sh failed", **FAILED)
        assert "no desktop here" in caplog.text
        rig.toaster.broken = None
        await rig.passes(60)
        await rig.hears("b.sh failed", **FAILED)
        assert [toast.title for toast in rig.toaster.shown] == ["b.sh failed"]

    run(story())


# --- Do not disturb ---


def test_nothing_is_shown_until_it_ends_and_then_one_digest(run: Run, rig: Rig) -> None:
    async def story() -> None:
        rig.quiet.begin(3600)
        for i in range(3):
            await rig.hears(f"job{i}.sh failed", **FAILED)
            await rig.passes(600)
        assert rig.toaster.shown == []
        await rig.passes(1801)
        [toast] = rig.toaster.shown
        assert toast.title == "3 jobs failed"
        assert toast.text == "Kept while notifications were off: job0.sh, job1.sh and job2.sh"

    run(story())


def test_it_lasts_over_a_restart(run: Run, rig: Rig) -> None:
    async def story() -> None:
        rig.quiet.begin(None)
        assert math.isinf(rig.quiet.until or 0)
        rig.close()
        rig.open()
        assert math.isinf(rig.quiet.until or 0)
        await rig.hears("a.sh failed", **FAILED)
        assert rig.toaster.shown == []
        rig.quiet.end()
        await rig.shows(1)
        rig.close()
        json.loads(rig.paths.window_file.read_text())
        rig.open()
        assert rig.quiet.until is None

    run(story())


def test_quiet_hours_come_every_day_and_may_be_waived_for_a_night(run: Run, rig: Rig) -> None:
    def local(day: int, hour: int) -> float:
        return time.mktime((2026, 11, day, hour, 0, 0, 0, 0, -1))

    async def story() -> None:
        changed: list[str] = []
        rig.preferences.changed.connect(changed.append)
        rig.wall.now = local(20, 21)
        await rig.desk.change_setting("toasts_quiet_hours", "22-7")
        await eventually(lambda: changed)
        assert rig.quiet.until is None
        for now, until in ((local(20, 23), local(21, 7)), (local(21, 6), local(21, 7)), (local(21, 8), None)):
            rig.wall.now = now
            assert rig.quiet.until == until
        rig.wall.now = local(21, 23)
        rig.quiet.end()
        assert rig.quiet.until is None
        rig.wall.now = local(22, 6)
        assert rig.quiet.until is None
        rig.wall.now = local(22, 22)
        assert rig.quiet.until == local(23, 7)
        assert rig.quiet.sentence() == "Notifications are off until tomorrow 07:00."

    run(story())


# --- The ways a toast can take ---


def test_the_next_way_is_taken_and_the_first_tried_again_later(
    run: Run, qapp: QApplication, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        clock = Clock(0.0)
        first, second = FakeToaster(), FakeToaster()
        ways = ToasterChain((first, second, LogToaster()), clock)
        first.broken = "no session bus"
        for i in range(3):
            await ways.show(Toast(f"t{i}", f"toast {i}"))
        assert first.asked == 1, "it is left in peace for a while"
        assert [toast.title for toast in second.shown] == ["toast 0", "toast 1", "toast 2"]
        assert caplog.text.count("no session bus") == 1
        second.broken = "no tray"
        with caplog.at_level(logging.INFO):
            await ways.show(Toast("t3", "toast 3", "why"))
        assert "toast 3: why" in caplog.text
        first.broken = None
        clock.now = TRIED_AGAIN_S + 1
        await ways.show(Toast("t4", "toast 4"))
        assert [toast.title for toast in first.shown] == ["toast 4"]
        await ways.withdraw("t4")
        assert first.screen == {}

    run(story())


def test_one_that_hangs_is_passed_over_in_time(
    run: Run, qapp: QApplication, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        monkeypatch.setattr(chain_module, "WITHIN_S", 0.05)
        first, second = FakeToaster(), FakeToaster()
        first.hangs = True
        ways = ToasterChain((first, second))
        await asyncio.wait_for(ways.show(Toast("t", "title")), 1.0)
        assert [toast.title for toast in second.shown] == ["title"]
        assert "no answer" in caplog.text

    assert chain_module.WITHIN_S <= 2.0
    run(story())


class FakeIcon(QObject):
    messageClicked = Signal()  # noqa: N815 - Qt's name

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    def showMessage(self, title: str, text: str, _icon: object, _ms: int) -> None:
        self.said.append((title, text))


def test_the_trays_own_message_is_a_way_while_there_is_an_icon(
    run: Run, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(QSystemTrayIcon, "supportsMessages", lambda: True)
        icons: list[FakeIcon] = []
        toaster = TrayToaster(lambda: icons[0] if icons else None)  # type: ignore[return-value,arg-type]
        with pytest.raises(ToastFailed):
            await toaster.show(Toast("t", "title"))
        icons.append(FakeIcon())
        clicked: list[str] = []
        toaster.events.clicked = clicked.append
        await toaster.show(Toast("t1", "one", "why"))
        await toaster.show(Toast("t2", "two", "why"))
        assert icons[0].said == [("one", "why"), ("two", "why")]
        icons[0].messageClicked.emit()
        assert clicked == ["t2"]

    run(story())


# --- In the application ---


def test_a_toasts_button_opens_the_log_in_a_window_that_was_not_there(
    run: Run, open_shell: Callable[..., Shell], desk: FakeDesk, toaster: FakeToaster
) -> None:
    async def story() -> None:
        desk.add("1", status="finished", outcome="failed")
        shell = open_shell()
        desk.notify("job-1 failed", "Exit 2.", "1", offers=(AGAIN,), **FAILED)
        await eventually(lambda: toaster.shown)
        assert shell._made_window is None
        assert shell.telling.unread.count == 1
        toaster.press(toaster.shown[0].id, "Open log")
        assert shell.telling.unread.count == 0
        await eventually(lambda: shell.window.queue.details.job_id == "1")
        assert shell.window.isVisible()
        desk.notify("note", "why", None)
        await eventually(lambda: len(toaster.shown) == 2)
        toaster.click(toaster.shown[1].id)
        assert shell.window.inbox is not None
        await eventually(lambda: shell.window.inbox.list.chosen() is not None)
        assert shell.window.inbox.list.chosen().title == "note"

    run(story())


def test_what_came_while_the_app_was_away_is_told_once_and_in_one(
    run: Run, open_shell: Callable[..., Shell], desk: FakeDesk, toaster: FakeToaster
) -> None:
    async def story() -> None:
        for name in ("a.sh", "b.sh"):
            desk.notify(f"{name} failed", "Exit 2.", **FAILED)
        shell = open_shell()
        await eventually(lambda: toaster.shown)
        assert [(toast.title, toast.text) for toast in toaster.shown] == [("2 jobs failed", "Meanwhile: a.sh and b.sh")]
        assert shell.telling.unread.count == 2
        # The rate counts this one too.
        desk.notify("c.sh failed", "Exit 2.", **FAILED)
        await eventually(lambda: len(toaster.shown) == 2)
        shell.remembered.write()
        again = open_shell()
        await eventually(lambda: again.telling.unread.count == 3)
        await again.outside.settle()
        await again.telling.presenter.settle()
        assert len(toaster.shown) == 2, "what was told is not told at every start"

    run(story())


def test_what_do_not_disturb_kept_is_told_after_a_restart_too(run: Run, rig: Rig) -> None:
    async def story() -> None:
        rig.quiet.begin(3600)
        for name in ("a.sh", "b.sh"):
            await rig.hears(f"{name} failed", **FAILED)
        rig.close()
        rig.open()
        rig.presenter.take_missed(rig.desk.notices(None, 9)[::-1], 2)
        await rig.passes(60)
        assert rig.toaster.shown == []
        await rig.passes(3600)
        assert [toast.title for toast in rig.toaster.shown] == ["2 jobs failed"]
        rig.close()
        rig.open()
        rig.presenter.take_missed(rig.desk.notices(None, 9)[::-1], 2)
        await rig.passes(60)
        assert rig.toaster.shown == []
        # The journal was set aside: its numbers begin anew.
        rig.presenter.take_missed(rig.desk.notices(None, 9)[1:], 1)
        await rig.passes(60)
        assert [toast.title for toast in rig.toaster.shown] == ["a.sh failed"]

    run(story())


def test_the_tray_turns_do_not_disturb_on_and_off(run: Run, open_shell: Callable[..., Shell]) -> None:
    async def story() -> None:
        shell = open_shell()
        shell.tray.quiet_wanted.emit(3600.0)
        assert shell.telling.quiet.until == pytest.approx(time.time() + 3600, abs=5)
        assert shell.tray.facts.quiet_until == shell.telling.quiet.until
        shell.tray.quiet_wanted.emit(None)
        assert math.isinf(shell.telling.quiet.until or 0)
        shell.tray.quiet_wanted.emit(False)
        assert shell.telling.quiet.until is None
        assert shell.tray.facts.quiet_until is None

    run(story())


def test_the_notifiers_library_is_not_loaded_before_the_first_toast(run: Run, open_shell: Callable[..., Shell]) -> None:
    async def story() -> None:
        open_shell()
        await asyncio.sleep(0)

    before = {name for name in sys.modules if name.partition(".")[0] in ("desktop_notifier", "dbus_fast")}
    run(story())
    after = {name for name in sys.modules if name.partition(".")[0] in ("desktop_notifier", "dbus_fast")}
    assert after == before

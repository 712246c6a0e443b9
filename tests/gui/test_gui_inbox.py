"""The inbox as a person uses it: what was told, by day; filters, keys, menus; what is read and what is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication, QShortcut
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from support.fake_desk import FakeDesk
from support.until import eventually
from tidegate.core.job import JobId
from tidegate.engine.ports import Command, Notice, NoticeKind, NoticeOffer, Verb
from tidegate.gui.commands import Commands
from tidegate.gui.inbox import page as inbox_page
from tidegate.gui.inbox.model import PAGE, InboxModel
from tidegate.gui.inbox.page import InboxPage
from tidegate.gui.inbox.unread import shown
from tidegate.gui.inbox.words import NoticeFilter, day_label
from tidegate.gui.shell import Shell

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")
Run = Callable[..., object]
Open = Callable[..., Shell]
AGAIN = NoticeOffer("Run again", Command(Verb.RETRY, (JobId(1),)))
FAILED = {"level": "error", "kind": NoticeKind.FAILED}


def fill(desk: FakeDesk, count: int, every_s: float = 60.0) -> None:
    """One notice after the other, the last one now."""
    now = desk.clock()
    clock = desk.clock
    for i in range(count):
        desk.clock = lambda i=i: now - (count - 1 - i) * every_s  # type: ignore[misc]
        desk.notify(f"notice {i + 1}", "why", kind=NoticeKind.HINT if i % 50 == 0 else NoticeKind.ENGINE)
    desk.clock = clock


def titles(model: InboxModel) -> list[str]:
    rows = (model.row(model.index(row, 0)) for row in range(model.rowCount()))
    return [row.title if isinstance(row, Notice) else "-" for row in rows if row is not None]


async def opened(shell: Shell) -> InboxPage:
    """The page, with what the history has."""
    shell.window.show()
    shell.window.show_page("inbox")
    page = shell.window.inbox
    assert page is not None
    await eventually(lambda: not page.model.reading)
    return page


def choose(page: InboxPage, title: str) -> None:
    row = titles(page.model).index(title)
    page.list.setCurrentIndex(page.model.index(row, 0))


# --- Rows ---


def test_notices_are_newest_first_below_their_days(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        noon = time.mktime((*time.localtime()[:3], 0, 0, 5, 0, 0, -1))
        for ago, title in ((90000, "older"), (10, "yesterday"), (0, "today")):
            desk.clock = lambda ago=ago: noon - ago  # type: ignore[misc]
            desk.notify(title, "why")
        page = await opened(open_shell())
        assert titles(page.model) == ["-", "today", "-", "yesterday", "-", "older"]
        labels = [page.model.index(row, 0).data() for row in (0, 2)]
        assert labels == ["Today", "Yesterday"]

    run(story())


def test_days_are_named_as_people_do() -> None:
    today = date(2026, 1, 2)
    assert [day_label(day, today) for day in (today, date(2026, 1, 1), date(2025, 12, 30))] == [
        "Today",
        "Yesterday",
        "30 December 2025",
    ]
    assert day_label(date(2026, 3, 4), date(2026, 11, 22)) == "Wednesday, 4 March"


def test_a_notice_that_comes_is_the_first_row_and_stands_there_once(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        page = await opened(open_shell())
        assert page._stack.currentWidget() is page._empty
        desk.notify("one", "why")
        desk.notify("two", "why")
        await eventually(lambda: titles(page.model) == ["-", "two", "one"])
        assert page._stack.currentWidget() is page.list
        page.model.reload()
        await eventually(lambda: not page.model.reading)
        page.model.add(desk.notices(None, 1)[0])
        assert titles(page.model) == ["-", "two", "one"]

    run(story())


def test_the_history_is_read_page_by_page(run: Run, qapp: QApplication, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, 2 * PAGE + 10, every_s=0.0)
        model = InboxModel(Commands(desk))
        model.reload()
        await eventually(lambda: model.rowCount())
        assert model.rowCount() == PAGE + 1
        for rows in (2 * PAGE + 1, 2 * PAGE + 11):
            assert model.canFetchMore(QModelIndex())
            model.fetchMore(QModelIndex())
            await eventually(lambda rows=rows: model.rowCount() == rows)  # type: ignore[misc]
        assert not model.canFetchMore(QModelIndex())
        assert titles(model)[1:] == [f"notice {i}" for i in range(2 * PAGE + 10, 0, -1)]

    run(story())


def test_a_filter_reads_on_until_it_has_something_to_show(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, 420, every_s=0.0)
        page = await opened(open_shell())
        page.set_filter(NoticeFilter.ADVICE)
        hints = [f"notice {i}" for i in range(401, 0, -50)]
        await eventually(lambda: titles(page.model) == ["-", *hints])
        page.set_filter(NoticeFilter.FAILURES)
        await eventually(lambda: page.model.empty)
        assert page._stack.currentWidget() is page._empty
        assert page._empty._title.text() == "Nothing has failed"

    run(story())


def test_what_an_older_page_brings_does_not_repeat_its_day(run: Run, qapp: QApplication, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, PAGE + 5, every_s=0.0)
        model = InboxModel(Commands(desk))
        model.reload()
        await eventually(lambda: model.rowCount())
        model.fetchMore(QModelIndex())
        await eventually(lambda: model.rowCount() > PAGE + 1)
        assert titles(model).count("-") == 1

    run(story())


def test_ten_thousand_notices_do_not_hold_the_window_up(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        page = await opened(open_shell())
        notices = [Notice(1e9 + i, f"notice {i}", "why " * 20, id=i) for i in range(10_000, 0, -1)]
        page.model._more = False
        began = time.perf_counter()
        page.model._take_newest(notices)
        QApplication.sendPostedEvents()
        page.list.grab()
        assert time.perf_counter() - began < 1.0
        began = time.perf_counter()
        page.model.add(Notice(1e9 + 10_001, "newest", "why", id=10_001))
        page.list.grab()
        assert time.perf_counter() - began < 0.5

    run(story())


# --- What can be done about one ---


def test_the_chosen_one_is_told_in_full_with_its_actions(
    run: Run, open_shell: Open, desk: FakeDesk, qtbot: QtBot
) -> None:
    async def story() -> None:
        desk.add("1", status="finished", outcome="failed")
        desk.notify("train.py failed", "Exit 2 after 4 s.", "1", offers=(AGAIN,), **FAILED)
        shell = open_shell()
        page = await opened(shell)
        assert page.panel.isHidden()
        choose(page, "train.py failed")
        assert page.panel.isVisible()
        assert page.panel._text.text() == "Exit 2 after 4 s."
        assert [button.text() for button in page.panel.buttons] == ["Open log", "Run again", "Show job"]
        page.panel.buttons[1].click()
        await eventually(lambda: desk.commands)
        assert desk.commands == [AGAIN.command]
        page.panel.buttons[0].click()
        await eventually(lambda: shell.window.queue.details.job_id == "1")
        assert shell.window._pages.currentWidget() is shell.window.queue

    run(story())


def test_keys_walk_over_the_days_and_enter_does_the_first_thing(
    run: Run, open_shell: Open, desk: FakeDesk, qtbot: QtBot
) -> None:
    async def story() -> None:
        desk.add("1", status="finished", outcome="failed")
        fill(desk, 2, every_s=100_000.0)
        desk.notify("train.py failed", "Exit 2.", "1", level="warning", kind=NoticeKind.INTERVENED, offers=(AGAIN,))
        page = await opened(open_shell())
        page.list.setFocus()
        qtbot.keyClick(page.list, Qt.Key.Key_Home)
        assert (page.list.chosen() or fail()).title == "train.py failed"
        qtbot.keyClick(page.list, Qt.Key.Key_Down)
        qtbot.keyClick(page.list, Qt.Key.Key_Down)
        assert (page.list.chosen() or fail()).title == "notice 1"
        qtbot.keyClick(page.list, Qt.Key.Key_Home)
        qtbot.keyClick(page.list, Qt.Key.Key_Return)
        await eventually(lambda: desk.commands)
        assert desk.commands == [AGAIN.command]
        qtbot.keyClick(page.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        page._copy()
        assert QGuiApplication.clipboard().text().splitlines()[1:] == ["train.py failed", "Exit 2."]
        page._close_panel()
        assert page.panel.isHidden()

    run(story())


def fail() -> Notice:
    raise AssertionError("nothing is chosen")


def test_the_context_menu_has_all_of_it(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.add("1", status="finished", outcome="failed")
        notice = desk.notify("train.py failed", "Exit 2.", "1", offers=(AGAIN,), **FAILED)
        page = await opened(open_shell())
        menu = page.menu(notice)
        words = [action.text() for action in menu.actions() if not action.isSeparator()]
        assert words == ["Open log", "Run again", "Show job", "Copy"]
        menu.actions()[1].trigger()
        await eventually(lambda: desk.commands)
        menu.deleteLater()

    run(story())


def test_the_choice_stays_when_the_history_is_read_again(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, 5)
        shell = open_shell()
        page = await opened(shell)
        choose(page, "notice 3")
        shell.window.show_page("queue")
        desk.notify("notice 6", "why")
        shell.window.show_page("inbox")
        await eventually(lambda: "notice 6" in titles(page.model))
        assert (page.list.chosen() or fail()).title == "notice 3"

    run(story())


# --- Read and unread ---


def test_what_came_meanwhile_is_counted_and_read_after_a_moment(
    run: Run, open_shell: Open, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_page, "READ_AFTER_MS", 20)

    async def story() -> None:
        fill(desk, 3)
        shell = open_shell()
        unread = shell.telling.unread
        await eventually(lambda: unread.count == 3)
        badge = shell.window.rail._badges["inbox"]
        button = shell.window.rail.buttons["inbox"]
        assert (badge.text(), button.accessibleName()) == ("3", "Inbox, 3 not read yet")
        assert shell.tray.facts.unread == 3
        page = await opened(shell)
        await eventually(lambda: unread.count == 0)
        assert badge.isHidden()
        assert button.accessibleName() == ""
        assert shell.tray.facts.unread == 0
        assert page.list.delegate.read_up_to == 0, "what is new stays marked while one looks at it"
        shell.window.show_page("queue")
        desk.notify("one more", "why")
        await eventually(lambda: unread.count == 1)
        shell.remembered.write()
        other = open_shell()
        await eventually(lambda: other.telling.unread.count == 1)

    run(story())


def test_one_that_comes_while_the_history_is_read_counts_once(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, 2)
        unread = open_shell().telling.unread
        desk.notify("in both", "why")
        await eventually(lambda: unread.count == 3)
        unread._on_notice(desk.notices(None, 1)[0])
        assert unread.count == 3
        unread.start()
        desk.notify("after it was asked for", "why")
        await eventually(lambda: unread.count == 4 and not unread._commands._running)
        assert unread.count == 4

    run(story())


def test_the_count_says_many_when_it_is_many() -> None:
    assert [shown(count) for count in (1, 99, 100)] == ["1", "99", "99+"]


def test_a_new_journal_begins_unread_anew(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        shell = open_shell()
        await shell.commands.settle()
        shell.telling.unread.mark_read(5000)
        fill(desk, 2)
        shell.telling.unread.start()
        await eventually(lambda: shell.telling.unread.count == 2)

    run(story())


def test_what_was_seen_elsewhere_is_read_one_by_one(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, 4)
        unread = open_shell().telling.unread
        await eventually(lambda: unread.count == 4)
        for id, count, up_to in ((2, 3, 0), (2, 3, 0), (1, 2, 2), (4, 1, 2)):
            unread.mark_seen(id)
            assert (unread.count, unread.read_up_to) == (count, up_to)
        unread.start()
        await eventually(lambda: not unread._commands._running)
        assert unread.count == 1

    run(story())


def test_everything_can_be_marked_read_at_once(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        fill(desk, 3)
        shell = open_shell()
        page = await opened(shell)
        await eventually(lambda: shell.telling.unread.count == 3)
        assert page.head.label.text() == "3 not read yet."
        page.head.read_button.click()
        assert shell.telling.unread.count == 0
        assert page.head.label.text() == "Everything is read."
        assert not page.head.read_button.isEnabled()

    run(story())


# --- Do not disturb ---


def test_do_not_disturb_is_at_hand(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        shell = open_shell()
        page = await opened(shell)
        menu = page.head.menu()
        menu.actions()[0].trigger()
        menu.deleteLater()
        assert shell.telling.quiet.active
        assert page.head.label.text().startswith("Notifications are off until ")
        assert page.head.quiet_button.text() == "Turn notifications on"
        page.head.quiet_button.click()
        assert not shell.telling.quiet.active
        assert page.head.quiet_button.text() == "Do not disturb…"

    run(story())


def test_a_notice_is_before_ones_eyes_in_the_inbox_and_in_its_jobs_panel(
    run: Run, open_shell: Open, desk: FakeDesk, qtbot: QtBot
) -> None:
    async def story() -> None:
        for id in ("1", "2"):
            desk.add(id, status="finished", outcome="failed")
        shell = open_shell()
        page = await opened(shell)
        window = shell.window
        window.activateWindow()
        await eventually(window.isActiveWindow)
        first, second = (Notice(1.0, "failed", "why", JobId(number)) for number in (1, 2))
        assert window.shows(first)
        window.open_job("1")
        await eventually(lambda: window.queue.details.job_id == "1")
        assert [window.shows(notice) for notice in (first, second, Notice(1.0, "hot", "why"))] == [True, False, False]
        window.hide()
        assert not window.shows(first)
        assert page.isHidden()

    run(story())


def test_alt_and_a_number_still_reach_every_page(run: Run, open_shell: Open) -> None:
    async def story() -> None:
        shell = open_shell()
        await opened(shell)
        names = list(shell.window.rail.buttons)
        assert "inbox" in names
        shortcuts = {each.key().toString(): each for each in shell.window.rail.findChildren(QShortcut)}
        for place, name in enumerate(names, 1):
            shortcuts[f"Alt+{place}"].activated.emit()
            assert shell.window._pages.currentWidget() is shell.window._made[name]
            await shell.commands.settle()

    run(story())

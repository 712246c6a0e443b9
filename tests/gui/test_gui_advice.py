"""Conflicts and hints as a person meets them: the list in the inbox, marks on jobs, toasts with working buttons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from support.fake_desk import FakeDesk
from support.fake_toaster import FakeToaster
from support.until import eventually
from tidegate.engine.ports import ApplyHint, NoticeKind, NoticeOffer, ResolveConflict
from tidegate.engine.views import ConflictView, HintView, WayView
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.inbox.advice_row import AdviceRow
from tidegate.gui.inbox.advice_view import AdviceView
from tidegate.gui.inbox.advice_words import about_line, label, resource_words, summary
from tidegate.gui.inbox.unread import Unread
from tidegate.gui.inbox.words import NoticeFilter
from tidegate.gui.jobs.table import Column
from tidegate.gui.remembered import Remembered
from tidegate.gui.shell import Shell
from tidegate.paths import Paths

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")
Run = Callable[..., object]
Open = Callable[..., Shell]


async def opened(shell: Shell) -> AdviceView:
    """The inbox, at what is open."""
    shell.window.show()
    shell.window.show_page("inbox")
    page = shell.window.inbox
    assert page is not None
    page.set_filter(NoticeFilter.ADVICE)
    await eventually(lambda: not page.model.reading)
    return page.advice


def shown(view: AdviceView) -> list[tuple[type, int]]:
    """As they stand below one another."""
    return [key for key, _ in sorted(view.rows.items(), key=lambda item: view._column.indexOf(item[1]))]


def conflict_row(view: AdviceView, id: int = 1) -> AdviceRow:
    return view.rows[ConflictView, id]


def test_the_worst_come_first_or_the_newest_as_the_person_likes(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        for id, severity, at in ((1, "low", 30.0), (2, "critical", 10.0), (3, "medium", 20.0)):
            desk.conflict(id, severity=severity, detected_at=at)
        desk.hint(1)
        shell = open_shell()
        view = await opened(shell)
        hint = (HintView, 1)
        assert shown(view) == [(ConflictView, 2), (ConflictView, 3), (ConflictView, 1), hint]
        view.set_newest_first(True)
        assert shown(view) == [(ConflictView, 1), (ConflictView, 3), (ConflictView, 2), hint]
        assert (shell.window.inbox or fail())._tabs[NoticeFilter.ADVICE].text() == "Hints and conflicts · 4"
        assert view._summary.text() == "3 conflicts and 1 hint open"
        again = AdviceView(shell.commands, shell.window.advice, shell.theme, shell.remembered)
        assert again.order.currentText() == "Newest first"
        again.deleteLater()

    run(story())


def test_a_press_carries_out_the_proposed_way_and_the_row_goes(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.conflict(1)
        desk.conflict(2)
        view = await opened(open_shell())
        row = conflict_row(view)
        assert [button.text() for button in row.buttons] == ["Pause eval.py", "Cancel eval.py"]
        row.buttons[0].click()
        assert not row.buttons[0].isEnabled()
        await eventually(lambda: shown(view) == [(ConflictView, 2)])
        assert desk.errands == [ResolveConflict(1, "pause_later")]

    run(story())


def test_the_other_ways_are_in_a_menu(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.conflict(1, ways=tuple(WayView(name, f"{name} R&D") for name in ("a", "b", "c")))
        desk.conflict(2, ways=())
        desk.conflict(
            3, ways=(WayView("stop", "Stop job 2"), WayView("leave", "Leave it as it is")), severity="critical"
        )
        view = await opened(open_shell())
        assert [conflict_row(view, id).buttons[0].property("role") for id in (3, 1)] == ["", ""]
        assert conflict_row(view, 2).buttons == []
        row = conflict_row(view)
        assert [button.text() for button in row.buttons] == ["a R&&D", "Other ways…"]
        menu = row.menu()
        assert [action.text() for action in menu.actions()] == ["b R&&D", "c R&&D"]
        menu.actions()[1].trigger()
        menu.deleteLater()
        await eventually(lambda: desk.errands == [ResolveConflict(1, "c")])

    run(story())


def test_a_hint_is_applied_or_dismissed(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.hint(1)
        desk.hint(2, action=None)
        view = await opened(open_shell())
        assert [button.text() for button in view.rows[HintView, 1].buttons] == ["Ask for 2 GB", "Dismiss"]
        [dismiss] = view.rows[HintView, 2].buttons
        dismiss.click()
        await eventually(lambda: shown(view) == [(HintView, 1)])
        view.rows[HintView, 1].buttons[0].click()
        await eventually(lambda: shown(view) == [])
        assert desk.errands == [ApplyHint(1)]
        assert view._stack.currentWidget() is view._empty
        assert view._empty._title.text() == "No hints and no conflicts"

    run(story())


def test_a_refusal_is_said_and_may_be_asked_again(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.conflict(1)
        desk.stubborn = "eval.py is about to end"
        shell = open_shell()
        view = await opened(shell)
        row = conflict_row(view)
        row.buttons[0].click()
        await eventually(lambda: shell.window.messages.text == "eval.py is about to end.")
        await eventually(row.buttons[0].isEnabled)
        assert shown(view) == [(ConflictView, 1)]

    run(story())


def test_moving_figures_leave_buttons_and_focus_alone(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.conflict(1, resource="memory", sentence="a.py and b.py want 61 GB")
        desk.conflict(2, severity="low")
        view = await opened(open_shell())
        row, button = conflict_row(view), conflict_row(view).buttons[0]
        button.setFocus()
        desk.conflict(1, resource="memory", sentence="a.py and b.py want 62 GB", severity="critical")
        await eventually(lambda: row._head.text() == "a.py and b.py want 62 GB.")
        assert conflict_row(view) is row
        assert row.buttons[0] is button
        assert view.window().focusWidget() is button

    run(story())


def test_the_links_lead_to_the_jobs(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        for id in ("1", "2"):
            desk.add(id)
        desk.conflict(1)
        shell = open_shell()
        row = conflict_row(await opened(shell))
        assert 'href="job:2"' in row._line.text()
        row._line.linkActivated.emit("job:2")
        await eventually(lambda: shell.window.queue.details.job_id == "2")
        assert shell.window._pages.currentWidget() is shell.window.queue

    run(story())


def test_what_ended_says_how_and_offers_nothing(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.conflict(1)
        desk.hint(1)
        desk.end_conflict(1, "job 2 has finished")
        desk.end_hint(1)
        view = await opened(open_shell())
        assert shown(view) == []
        view.show_ended(True)
        await eventually(lambda: len(view.rows) == 2)
        row = conflict_row(view)
        assert (row._ended.text(), row.buttons) == ("Job 2 has finished.", [])
        assert view.order.isHidden()
        assert view._summary.text() == "1 conflict and 1 hint that ended"
        desk.hint(2)
        desk.end_hint(2)
        await eventually(lambda: len(view.rows) == 3)
        view.show_ended(False)
        assert shown(view) == []

    run(story())


# --- Marks on jobs ---


def test_a_job_in_a_conflict_wears_a_mark_and_its_panel_leads_there(
    run: Run, open_shell: Open, desk: FakeDesk, qtbot: QtBot
) -> None:
    async def story() -> None:
        desk.add("1")
        desk.conflict(1, severity="low")
        desk.conflict(2, severity="high", sentence="both listen on port 8080", jobs=("1", "9"))
        shell = open_shell()
        window = shell.window
        window.show()
        window.show_page("queue")
        model = window.queue.model
        await eventually(lambda: model.rowCount() == 1)
        cell = model.index(0, Column.JOB)
        assert model.data(cell, Qt.ItemDataRole.ToolTipRole) == "python3 train.py\nBoth listen on port 8080."
        assert "Both listen on port 8080." in model.data(cell, Qt.ItemDataRole.AccessibleTextRole)
        with_mark = window.queue.list.viewport().grab().toImage()
        window.open_job("1")
        link = window.queue.details.in_conflict
        assert link.isVisible()
        assert link.toolTip() == "Both listen on port 8080."
        link.click()
        view = (window.inbox or fail()).advice
        await eventually(view.isVisible)
        assert window.focusWidget() is conflict_row(view, 2).buttons[0]
        desk.end_conflict(2)
        desk.end_conflict(1)
        await eventually(lambda: not model.conflicts)
        assert link.isHidden()
        window.show_page("queue")
        window.queue._close_details()
        assert window.queue.list.viewport().grab().toImage() != with_mark

    run(story())


# --- Toasts ---


PAUSE = NoticeOffer("Pause eval.py", ResolveConflict(1, "pause_later"))
LOWER = NoticeOffer("Ask for 2 GB", ApplyHint(1))
STOP = NoticeOffer("Stop job 2", ResolveConflict(1, "stop"))
CONFLICT = {"kind": NoticeKind.CONFLICT, "level": "warning", "offers": (PAUSE, STOP)}


def test_a_conflicts_toast_has_a_button_that_resolves_it(
    run: Run, open_shell: Open, desk: FakeDesk, toaster: FakeToaster
) -> None:
    async def story() -> None:
        shell = open_shell()
        desk.conflict(1)
        desk.notify("Two jobs write the same file", "train.py and eval.py.", **CONFLICT)
        await eventually(lambda: toaster.shown)
        [toast] = toaster.shown
        assert [button.label for button in toast.buttons] == ["Pause eval.py", "Show conflict"]
        toaster.press(toast.id, "Pause eval.py")
        await eventually(lambda: desk.conflicts() == [])
        assert desk.errands == [ResolveConflict(1, "pause_later")]
        assert "window" not in shell.__dict__  # nothing was refused: nothing comes forward

    run(story())


def test_a_button_that_comes_too_late_brings_the_window_to_say_so(
    run: Run, open_shell: Open, desk: FakeDesk, toaster: FakeToaster
) -> None:
    async def story() -> None:
        shell = open_shell()
        desk.conflict(1)
        desk.notify("Two jobs write the same file", "", **CONFLICT)
        await eventually(lambda: toaster.shown)
        desk.end_conflict(1, "job 2 has finished")
        toaster.press(toaster.shown[0].id, "Pause eval.py")
        await eventually(lambda: "window" in shell.__dict__ and shell.window.isVisible())
        assert "job 2 has finished" in shell.window.messages.text

    run(story())


def test_a_click_on_the_toast_shows_the_conflict_with_all_its_ways(
    run: Run, open_shell: Open, desk: FakeDesk, toaster: FakeToaster
) -> None:
    async def story() -> None:
        shell = open_shell()
        desk.conflict(1)
        desk.notify("Two jobs write the same file", "", "1", **CONFLICT)
        await eventually(lambda: toaster.shown)
        toaster.click(toaster.shown[0].id)
        view = (shell.window.inbox or fail()).advice
        await eventually(view.isVisible)
        assert shell.window.focusWidget() is conflict_row(view).buttons[0]

    run(story())


def test_a_mild_hint_waits_for_the_digest_and_is_applied_from_there(
    run: Run, open_shell: Open, desk: FakeDesk, toaster: FakeToaster
) -> None:
    async def story() -> None:
        shell = open_shell()
        presenter = shell.telling.presenter
        now = [presenter._clock()]
        presenter._clock = lambda: now[0]
        desk.hint(1)
        desk.notify("train.py asks for too much", "8 GB for 1.1.", kind=NoticeKind.HINT, urgent=False, offers=(LOWER,))
        await eventually(lambda: presenter.policy.wake_at(now[0]) is not None)
        await asyncio.sleep(0)
        assert toaster.shown == []
        now[0] += 31.0
        presenter._show_due()
        await eventually(lambda: toaster.shown)
        toaster.press(toaster.shown[0].id, "Ask for 2 GB")
        await eventually(lambda: desk.hints() == [])
        assert desk.errands == [ApplyHint(1)]

    run(story())


def test_the_inbox_offers_what_the_toast_did(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        desk.conflict(1)
        notice = desk.notify("Two jobs write the same file", "", **CONFLICT)
        shell = open_shell()
        shell.window.show()
        shell.window.open_notice(notice.id)
        page = shell.window.inbox or fail()
        await eventually(page.panel.isVisible)
        page.panel.buttons[0].click()
        await eventually(lambda: desk.errands == [ResolveConflict(1, "pause_later")])
        page.set_filter(NoticeFilter.ADVICE)
        assert page.panel.isHidden()

    run(story())


def test_what_a_toast_settled_is_not_told_again_by_the_next_application(
    run: Run, desk: FakeDesk, paths: Paths, qapp: object
) -> None:
    async def story() -> None:
        desk.notify("a mild hint", "", kind=NoticeKind.HINT, urgent=False)
        desk.notify("Two jobs write the same file", "", **CONFLICT)
        feed, commands = Feed(desk), Commands(desk)
        for expected, used in (([1, 2], 2), ([1], 1), ([], None)):
            remembered = Remembered(paths.window_file)
            unread = Unread(commands, feed, remembered)
            found: list[int | None] = []
            unread.found.connect(lambda notices, _newest, found=found: found.extend(each.id for each in notices))
            await commands.run(unread._count())
            assert found == expected
            if used is not None:
                unread.mark_seen(used)
            remembered.write()
        assert unread.read_up_to == 2

    run(story())


# --- Words ---


def test_resources_are_called_as_people_do() -> None:
    assert [resource_words(each) for each in ("gpu:0", "file:/a/{b}", "port:80", "new:{kind}", "memory")] == [
        "card 0",
        "file /a/{b}",
        "port 80",
        "new:{kind}",
        "memory",
    ]


def test_what_names_hold_is_never_markup(desk: FakeDesk) -> None:
    found = desk.conflict(1, resource="file:/a/<b>\udcff", sentence="x", jobs=("1",))
    line = about_line(found, 2000.0, "#000000")
    assert "&lt;b&gt;\ufffd" in line
    assert label("Pause R&D " + "x" * 60).startswith("Pause R&&D xxx")
    assert summary(0, 0, False) == ""


def fail() -> NoReturn:
    raise AssertionError("it is not there")

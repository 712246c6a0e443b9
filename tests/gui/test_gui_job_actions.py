"""What one can do to jobs: every verb for every status by key, menu and button sends exactly its command."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QDesktopServices, QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox, QPushButton

from support.until import eventually
from tidegate.core.job import JobId
from tidegate.engine.ports import Command, Verb
from tidegate.gui.jobs.actions import JobActions

pytestmark = pytest.mark.qt_log_ignore(
    r"^This plugin does not support (raise\(\)|propagateSizeHints\(\)|grabbing the keyboard)"
)

STATUSES = ("queued", "held", "starting", "running", "paused", "stopping", "finished")
WAITING, STARTED = ("queued", "held"), ("starting", "running")
ACTIVE = (*STARTED, "paused", "stopping")
VERBS = {
    "pause": (Verb.PAUSE, {}, STARTED),
    "pause-1800": (Verb.PAUSE, {"seconds": 1800.0}, (*STARTED, "paused")),
    "pause-3600": (Verb.PAUSE, {"seconds": 3600.0}, (*STARTED, "paused")),
    "pause-10800": (Verb.PAUSE, {"seconds": 10800.0}, (*STARTED, "paused")),
    "resume": (Verb.RESUME, {}, ("paused",)),
    "start": (Verb.START, {}, WAITING),
    "force": (Verb.START, {"force": True}, WAITING),
    "first": (Verb.FIRST, {}, WAITING),
    "hold": (Verb.HOLD, {}, ("queued",)),
    "release": (Verb.RELEASE, {}, ("held",)),
    "retry": (Verb.RETRY, {}, ("finished",)),
    "cancel": (Verb.CANCEL, {}, (*WAITING, *ACTIVE)),
    "kill": (Verb.KILL, {}, ACTIVE),
}


@pytest.fixture
def with_queue(run, open_shell):
    """Runs a test with the Queue page once the jobs are in."""

    def go(test):
        async def body() -> None:
            shell = open_shell()
            shell.window.show()
            await eventually(lambda: shell.window.queue.model.rowCount() == len(shell.desk.jobs(finished=None)))
            await test(shell.window.queue)
            await shell.commands.settle()

        run(body())

    return go


@pytest.fixture
def sent(desk, monkeypatch):
    """What was asked, without anything coming of it."""
    asked: list[Command] = []

    async def command(each: Command):
        asked.append(each)
        return []

    monkeypatch.setattr(desk, "command", command)
    return asked


def press(widget, action) -> None:
    combination = action.shortcut()[0]
    QTest.keyClick(widget, combination.key(), combination.keyboardModifiers())


def add_each_status(desk) -> None:
    for number, status in enumerate(STATUSES, 1):
        ended = {"finished_at": 9.0, "outcome": "failed"} if status == "finished" else {}
        started = {"started_at": float(number)} if status in ACTIVE else {}
        desk.add(str(number), status=status, **started, **ended)


def entries(menu: QMenu) -> dict[str, object]:
    """Every entry by its text, those of submenus too."""
    found = {}
    for action in menu.actions():
        if action.menu() is not None:
            found |= entries(action.menu())
        elif not action.isSeparator():
            found[action.text()] = action
    return found


def test_every_verb_by_key_and_menu_for_every_status(desk, with_queue, sent):
    add_each_status(desk)

    async def test(queue) -> None:
        actions: JobActions = queue.list.actions_of_jobs
        queue.list.setFocus()
        for (name, (verb, options, fits)), (number, status) in itertools.product(VERBS.items(), enumerate(STATUSES, 1)):
            queue.list.choose(str(number))
            expected = [Command(verb, (JobId(number),), **options)] if status in fits else []
            sent.clear()
            press(queue.list, actions.actions[name])
            await eventually(lambda expected=expected: sent == expected)
            sent.clear()
            menu = actions.menu()
            offered = actions.actions[name] in entries(menu).values()
            # One that only follows another in a submenu is shown there with it.
            assert offered == (status in fits), (name, status)
            if offered:
                actions.actions[name].trigger()
            await eventually(lambda expected=expected: sent == expected)
            menu.deleteLater()

    with_queue(test)


def test_of_several_jobs_each_verb_takes_those_it_fits(desk, with_queue, sent):
    add_each_status(desk)

    async def test(queue) -> None:
        queue.list.selectAll()
        for name in ("pause", "resume", "start", "force", "first", "hold", "release", "retry"):
            verb, options, fits = VERBS[name]
            sent.clear()
            queue.list.actions_of_jobs.do(name)
            await eventually(lambda: sent)
            wanted = {JobId(number) for number, status in enumerate(STATUSES, 1) if status in fits}
            assert [(each.verb, set(each.ids or ()), each.force) for each in sent] == [
                (verb, wanted, bool(options.get("force")))
            ]

    with_queue(test)


@pytest.mark.parametrize("verb", ["cancel", "kill"])
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_ending_several_running_jobs_asks_once(desk, with_queue, sent, verb: str, answer: str):
    add_each_status(desk)

    async def test(queue) -> None:
        queue.list.selectAll()
        queue.list.actions_of_jobs.do(verb)
        [box] = [each for each in QApplication.topLevelWidgets() if isinstance(each, QMessageBox) and each.isVisible()]
        assert "4 running jobs?" in box.text()
        assert ("2 waiting jobs leave the line" in box.informativeText()) == (verb == "cancel")
        assert sent == []
        buttons = {each.text(): each for each in box.buttons()}
        count = 6 if verb == "cancel" else 4
        label = f"{verb.capitalize()} {count} jobs" if answer == "yes" else "Keep them"
        assert box.defaultButton().text() == "Keep them"
        buttons[label].click()
        if answer == "yes":
            await eventually(lambda: sent)
            assert [(each.verb.value, len(each.ids or ())) for each in sent] == [(verb, count)]
        await eventually(lambda: not [each for each in QApplication.topLevelWidgets() if isinstance(each, QMessageBox)])
        assert len(sent) == (answer == "yes")

    with_queue(test)


def test_one_running_job_is_ended_without_a_question(desk, with_queue, sent):
    add_each_status(desk)

    async def test(queue) -> None:
        queue.list.choose("4")
        queue.list.choose_all(["1", "2", "4"])
        queue.list.actions_of_jobs.do("cancel")
        await eventually(lambda: sent)
        assert set(sent[0].ids or ()) == {JobId(1), JobId(2), JobId(4)}

    with_queue(test)


def test_the_menu_says_how_many_it_fits_and_shows_the_keys(desk, with_queue):
    add_each_status(desk)

    async def test(queue) -> None:
        queue.list.selectAll()
        actions = queue.list.actions_of_jobs
        texts = entries(actions.menu())
        assert "&Pause (2 of 7)" in texts
        assert "Cop&y command" in texts
        assert "&Edit…" not in texts
        assert texts["&Cancel (6 of 7)"].shortcut() == QKeySequence("Del")
        force = actions.actions["force"]
        assert "never the guard" in force.toolTip()
        keys = [action.shortcut().toString() for action in actions.actions.values()]
        assert len(set(keys)) == len(keys)
        assert all(keys)

    with_queue(test)


def shown_menu() -> QMenu | None:
    popup = QApplication.activePopupWidget()
    return popup if isinstance(popup, QMenu) else None


@pytest.mark.parametrize("way", ["menu key", "shift f10", "context event", "mouse"])
def test_the_context_menu_opens_at_the_row(desk, with_queue, way: str):
    add_each_status(desk)

    async def test(queue) -> None:
        jobs = queue.list
        jobs.setFocus()
        jobs.choose("1")
        row = jobs.viewport().mapToGlobal(jobs.visualRect(jobs.currentIndex()).bottomLeft())
        if way == "menu key":
            QTest.keyClick(jobs, Qt.Key.Key_Menu)
        elif way == "shift f10":
            QTest.keyClick(jobs, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
        else:
            keyboard = way == "context event"
            reason = QContextMenuEvent.Reason.Keyboard if keyboard else QContextMenuEvent.Reason.Mouse
            place = QPoint(3, 3) if keyboard else jobs.viewport().mapFromGlobal(row) - QPoint(0, 5)
            event = QContextMenuEvent(reason, place, jobs.viewport().mapToGlobal(place))
            QApplication.sendEvent(jobs.viewport(), event)
        await eventually(shown_menu)
        menu = shown_menu()
        assert abs(menu.y() - row.y()) <= 8
        assert "&Hold" in entries(menu)
        # Some desktops tell of the key twice; that is still one menu.
        jobs._open_menu_at_row()
        menus = [each for each in QApplication.topLevelWidgets() if isinstance(each, QMenu) and each.isVisible()]
        assert menus == [menu]
        menu.close()
        await eventually(lambda: jobs._menu is None)

    with_queue(test)


@pytest.fixture
def opened(monkeypatch):
    urls: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: urls.append(url.toLocalFile()) or True)
    return urls


def test_folders_are_opened_and_a_missing_one_is_said(desk, with_queue, opened, tmp_path):
    desk.add("1", status="running", started_at=1.0, cwd=str(tmp_path), log_path=str(tmp_path / "logs" / "1.log"))

    async def test(queue) -> None:
        queue.list.choose("1")
        messages = queue.window().messages
        queue.list.actions_of_jobs.do("folder")
        assert opened == [str(tmp_path)]
        queue.list.actions_of_jobs.do("log-folder")
        assert opened == [str(tmp_path)]
        await eventually(lambda: "does not exist any more" in messages.text)
        (tmp_path / "logs").mkdir()
        queue.list.actions_of_jobs.do("log-folder")
        assert opened == [str(tmp_path), str(tmp_path / "logs")]

    with_queue(test)


def test_copies_and_the_log(desk, with_queue):
    desk.add("1", command=("echo", "a b"))
    desk.add("2.3", command=("true",))

    async def test(queue) -> None:
        queue.list.selectAll()
        queue.list.actions_of_jobs.do("copy")
        assert QGuiApplication.clipboard().text() == "echo 'a b'\ntrue"
        queue.list.actions_of_jobs.do("copy-id")
        assert QGuiApplication.clipboard().text() == "1 2.3"
        queue.list.actions_of_jobs.do("log")
        assert queue.details.isHidden()
        queue.list.choose("2.3")
        queue.list.actions_of_jobs.do("log")
        assert queue.details.job_id == "2.3"

    with_queue(test)


def test_editing_opens_for_one_waiting_job(desk, with_queue, monkeypatch):
    from tidegate.gui.submit.edit_dialog import EditDialog

    add_each_status(desk)
    asked: list[str] = []
    monkeypatch.setattr(EditDialog, "open_for", lambda job, *_: asked.append(job.id))

    async def test(queue) -> None:
        queue.list.setFocus()
        for number, status in enumerate(STATUSES, 1):
            queue.list.choose(str(number))
            asked.clear()
            QTest.keyClick(queue.list, Qt.Key.Key_F2)
            assert asked == ([str(number)] if status in WAITING else [])

    with_queue(test)


# --- Bar above the table ----------------------------------------------------------------------------------------------


def visible_buttons(bar) -> list[str]:
    return [each.text() for each in bar.findChildren(QPushButton) if each.isVisible()]


def test_several_chosen_jobs_have_a_bar(desk, with_queue, sent):
    add_each_status(desk)

    async def test(queue) -> None:
        bar = queue.selection_bar
        queue.list.choose("1")
        assert not bar.isVisible()
        queue.list.choose_all(["1", "2"])
        assert bar.isVisible()
        assert bar.label.text() == "2 chosen"
        assert visible_buttons(bar) == ["Release", "Start now", "Cancel", "More", "Clear"]
        bar.buttons["start"].click()
        await eventually(lambda: sent)
        assert [(each.verb, set(each.ids or ())) for each in sent] == [(Verb.START, {JobId(1), JobId(2)})]
        desk.change("2", status="finished", outcome="cancelled", finished_at=5.0)
        await eventually(lambda: visible_buttons(bar) == ["Start now", "Hold", "Cancel", "More", "Clear"])
        QTest.keyClick(queue.list, Qt.Key.Key_Escape)
        assert not bar.isVisible()
        assert queue.filter_field.isVisible()

    with_queue(test)

"""Every page and dialog by key alone, and heard: what takes the focus has a name, and Tab goes as the eye does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractButton, QComboBox, QWidget

from support.fake_desk import FakeDesk
from support.until import eventually
from tidegate.gui.quit_dialog import ask_to_quit
from tidegate.gui.shell import Shell
from tidegate.gui.submit.edit_dialog import EditDialog
from tidegate.gui.submit.folder_offer import open_folder_offer
from tidegate.submission.folder import scripts_in

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")


LINE_PX = 36


def focusable(root: QWidget) -> list[QWidget]:
    """Where Tab stops, as it is seen now."""
    found = [
        each
        for each in root.findChildren(QWidget)
        if each.isVisibleTo(root) and each.isEnabled() and each.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    # The parts of a control are not met by themselves.
    return [each for each in found if not isinstance(each.parent(), QComboBox) and each.focusProxy() is None]


def unnamed(root: QWidget) -> list[str]:
    return [f"{type(each).__name__} {each.objectName()}" for each in focusable(root) if not _name(each)]


def _name(control: QWidget) -> str:
    if control.accessibleName():
        return control.accessibleName()
    return control.text() if isinstance(control, QAbstractButton) else ""


def by_tab(root: QWidget) -> list[QWidget]:
    """Where Tab stops inside ``root``, in its order from the first that is seen."""
    wanted = set(focusable(root))
    stops = []
    at = root.nextInFocusChain()
    while at is not root:
        if at in wanted:
            stops.append(at)
        at = at.nextInFocusChain()
    return stops


def where(root: QWidget, control: QWidget) -> tuple[int, int]:
    """Its line, by the middle of what stands there first, and its place in it."""
    middle = control.mapTo(root, QPoint(0, min(control.height(), LINE_PX) // 2))
    return middle.y(), middle.x()


def upwards(root: QWidget, stops: list[QWidget], line_px: int = 12) -> list[str]:
    """The steps of Tab that go up the page, or back in a line."""
    wrong = []
    for one, other in itertools.pairwise(stops):
        (y, x), (next_y, next_x) = where(root, one), where(root, other)
        if next_y < y - line_px or (abs(next_y - y) <= line_px and next_x < x):
            wrong.append(f"{_name(one)} -> {_name(other)}")
    return wrong


@pytest.fixture
def told(run: Callable[..., Any], open_shell: Callable[..., Shell], desk: FakeDesk) -> Callable[..., None]:
    """Runs a story on a shown window with a running, a waiting and a finished job."""

    def go(story: Callable[[Shell], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            desk.add("1", name="train.py")
            desk.start("1")
            desk.write_log("1", b"epoch 1\n")
            desk.add("2", name="later.sh")
            desk.add("3", name="over.sh")
            desk.start("3")
            desk.finish("3")
            shell = open_shell()
            shell.window.resize(1280, 820)
            shell.window.show()
            await shell.commands.settle()
            await story(shell)
            await shell.commands.settle()

        run(whole())

    return go


@pytest.mark.parametrize("page", ["queue", "tide", "inbox", "settings"])
def test_on_every_page_what_takes_the_focus_has_a_name(told: Callable[..., None], desk: FakeDesk, page: str) -> None:
    async def story(shell: Shell) -> None:
        if page == "inbox":
            desk.notify("failure", "train.py failed", job="1")
        shell.window.show_page(page)
        if page == "queue":
            shell.window.open_job("1")
        if shell.window.settings is not None:
            shell.window.settings.body.finish()
        await shell.commands.settle()
        assert len(focusable(shell.window)) > 6
        assert unnamed(shell.window) == []

    told(story)


def test_in_every_dialog_what_takes_the_focus_has_a_name_and_tab_goes_as_the_eye_does(
    told: Callable[..., None], desk: FakeDesk, tmp_path: Path
) -> None:
    scripts = []
    for name in ("one.py", "two.sh"):
        (tmp_path / name).write_text("echo\n")
        scripts.append(str(tmp_path / name))

    async def story(shell: Shell) -> None:
        submit = shell.submitter.ask((), shell.window)
        submit.form.more_button.setChecked(True)
        several = shell.submitter._make_dialog(shell.window)
        several.form.source.add(scripts)
        several.show()
        edit = EditDialog.open_for(desk.jobs()[1], shell.commands, shell.theme, shell.window)
        folder = open_folder_offer([scripts_in(str(tmp_path))], shell.window, lambda _files: None)
        quits = ask_to_quit(desk.status(), shell.window, lambda _stop: None)
        assert quits is not None
        for dialog, least in ((submit, 15), (several, 10), (edit, 9), (folder, 4), (quits, 3)):
            assert unnamed(dialog) == [], dialog.windowTitle()
            stops = by_tab(dialog)
            assert len(stops) >= least, dialog.windowTitle()
            assert upwards(dialog, stops) == [], dialog.windowTitle()
            dialog.reject()

    told(story)


def test_on_the_settings_page_tab_goes_from_the_top_to_the_bottom(told: Callable[..., None]) -> None:
    async def story(shell: Shell) -> None:
        shell.window.show_page("settings")
        page = shell.window.settings
        assert page is not None
        page.body.finish()
        await shell.commands.settle()
        page.autostart.switch.setEnabled(True)
        changed = {"window_scheme": "dark", "toasts_enabled": "false", "memory_high_pct": "80", "log_level": "debug"}
        for name, text in changed.items():
            await shell.commands.desk.change_setting(name, text)
        await eventually(lambda: all(page.body.rows[name]._reset is not None for name in changed))
        page.body._column.activate()
        stops = by_tab(page.body._body)
        assert len(stops) > 60
        assert upwards(page.body._body, stops) == []

    told(story)

"""The submit dialog on a pretended engine: what it understands, says and sends, and that nothing typed is lost."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton

from support.fake_desk import a_job_view
from support.until import eventually
from tidegate.core.job import Dependency, JobId
from tidegate.engine.ports import Preview
from tidegate.engine.views import EstimateView
from tidegate.gui.submit.dialog import FOLDER, SubmitDialog

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")


@pytest.fixture
def with_dialog(run, open_shell):
    """Runs ``test(shell, dialog)`` with the dialog open and empty."""

    def go(test) -> None:
        async def body() -> None:
            shell = open_shell()
            shell.window.show()
            dialog = shell.submitter.ask((), shell.window)
            await test(shell, dialog)
            if shell.submitter._dialog is not None:
                shell.submitter._dialog.reject()
            await shell.commands.settle()

        run(body())

    return go


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text("#!/usr/bin/env python3\n# tidegate: mem=8G priority=2\n# tidegate: meme=3\nprint(1)\n")
    return str(path)


async def looked(dialog: SubmitDialog) -> None:
    """What is typed now was understood and shown."""
    before = dialog.seen
    dialog.look_now()
    await eventually(lambda: dialog.seen is not before)


def type_into(field, text: str) -> None:
    field.clear()
    QTest.keyClicks(field, text)


def said(dialog: SubmitDialog) -> str:
    return dialog.form.facts.text


# --- What it understands ---


def test_an_empty_dialog_offers_nothing_to_submit(desk, with_dialog):
    async def test(shell, dialog) -> None:
        assert not dialog.submit_button.isEnabled()
        assert dialog.form.source.field.hasFocus() or QApplication.focusWidget() is None
        dialog.submit()
        await shell.commands.settle()
        assert desk.submitted == []
        assert not QApplication.activeModalWidget()

    with_dialog(test)


def test_a_script_shows_what_was_found_what_it_needs_and_what_happens_now(with_dialog, script):
    async def test(_shell, dialog) -> None:
        type_into(dialog.form.source.field, script)
        await eventually(lambda: "Now" in said(dialog))  # by itself, a moment after the last key
        assert "Runs with: " in said(dialog)
        assert "python" in said(dialog)
        assert "In the file: train.py, line 2: tidegate: mem=8G priority=2" in said(dialog)
        assert "train.py, line 3: unknown directive meme" in said(dialog)
        assert "Counts with: 8 GB of memory (declared), 1 core" in said(dialog)
        assert "Now: It would start at once" in said(dialog)
        assert dialog.form.fields.control("mem").placeholderText() == "8 GB, declared"
        assert dialog.form.fields.control("priority").currentText() == "2 · in the file"
        assert dialog.form.folder.field.placeholderText() == os.path.dirname(script)
        assert dialog.submit_button.isEnabled()

    with_dialog(test)


def test_a_command_line_needs_no_arguments_field_and_a_script_does(desk, with_dialog, script):
    async def test(_shell, dialog) -> None:
        dialog.set_command("python3 -c 'print(1)'")
        await looked(dialog)
        assert dialog.form.arguments.isHidden() or not dialog.form.arguments.isVisible()
        dialog.form.source.set_text(script)
        await looked(dialog)
        assert dialog.form.arguments.isVisible()
        dialog.form.arguments.setText("--epochs '90 or so'")
        dialog.submit()
        await eventually(lambda: desk.submitted)
        assert desk.submitted[0].spec.command[-2:] == ("--epochs", "90 or so")

    with_dialog(test)


@pytest.mark.parametrize(
    ("typed", "command", "in_home"),
    [
        ("{script}", None, False),
        ("{script} --epochs 90", ("--epochs", "90"), False),
        ("python3 -m this", ("python3", "-m", "this"), True),
        ("make all | tee log", ("make all | tee log",), True),
        ("A=1 python3 -m this", ("A=1 python3 -m this",), True),
        ("cd build", ("cd build",), True),
    ],
)
def test_what_is_typed_is_a_script_a_command_or_a_line(desk, with_dialog, script, typed, command, in_home):
    async def test(_shell, dialog) -> None:
        dialog.set_command(typed.format(script=script))
        await looked(dialog)
        dialog.submit()
        await eventually(lambda: desk.submitted)
        spec = desk.submitted[0].spec
        assert (spec.script == script) == typed.startswith("{script}")
        if command is not None:
            assert spec.command[-len(command) :] == command
        assert spec.cwd == (str(Path.home()) if in_home else os.path.dirname(script))

    with_dialog(test)


def test_the_same_words_as_a_dry_run_say_what_happens(desk, with_dialog):
    async def preview(submission):
        view = a_job_view("9", estimate=EstimateView(3 * 1024**3, "learned", 4.0, None, 720.0))
        return Preview(False, None, "needs 3 GB, 1 GB free · after train.py", view)

    desk.preview = preview

    async def test(_shell, dialog) -> None:
        dialog.set_command("python3 -m this")
        await looked(dialog)
        assert "Counts with: 3 GB of memory (learned from earlier runs), 4 cores, usually 12 min" in said(dialog)
        assert "Now: Waits: needs 3 GB, 1 GB free · after train.py" in said(dialog)
        assert dialog.submit_button.isEnabled()

    with_dialog(test)


def test_a_late_answer_to_earlier_words_is_dropped(desk, with_dialog):
    gates: dict[str, asyncio.Event] = {}
    plain = desk.preview

    async def slow(submission):
        await gates.setdefault(submission.spec.name, asyncio.Event()).wait()
        return replace(await plain(submission), sentence=f"about {submission.spec.name}")

    desk.preview = slow

    async def test(_shell, dialog) -> None:
        dialog.set_command("echo first")
        await eventually(lambda: "echo first" in gates)
        dialog.set_command("echo second")
        await eventually(lambda: "echo second" in gates)
        gates["echo second"].set()
        await eventually(lambda: "About echo second" in said(dialog))
        gates["echo first"].set()
        await asyncio.sleep(0)
        await _shell_settled(_shell)
        assert "About echo second" in said(dialog)

    async def _shell_settled(shell) -> None:
        await shell.commands.settle()

    with_dialog(test)


# --- Refusals ---


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("mem", "8", "mem=8 cannot be read: a size needs its unit: say 8G or 8M."),
        ("mem", "900G", "so the job could never run"),
        ("gpu", "1", "this machine has no graphics card"),
        ("cpus", "64", "this machine has 8"),
        ("time", "soon", "time=soon cannot be read"),
        ("after", "seven", "after=seven cannot be read"),
        ("begin", "later", "begin=later cannot be read"),
        ("retries", "-1", "retries=-1 cannot be read"),
    ],
)
def test_a_refusal_stands_beside_its_field_and_goes_when_it_is_mended(with_dialog, script, field, text, sentence):
    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        part = dialog.form.fields if field in dialog.form.fields.names() else dialog.form.more
        part.set_text(field, text)
        await looked(dialog)
        row = part._rows[field]
        assert row.refusal.isVisible()
        assert sentence in row.refusal.text()
        assert part.control(field).property("invalid")
        assert not dialog.submit_button.isEnabled()
        part.set_text(field, "")
        await looked(dialog)
        assert not row.refusal.isVisible()
        assert not part.control(field).property("invalid")
        assert dialog.submit_button.isEnabled()

    with_dialog(test)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("{folder}/trian.py", "did you mean"),
        ("{folder}", "is a folder"),
        ("pyton train.py", "There is no program pyton on the PATH."),
    ],
)
def test_what_cannot_run_is_said_under_what_to_run(with_dialog, script, typed, sentence):
    async def test(_shell, dialog) -> None:
        dialog.set_command(typed.format(folder=os.path.dirname(script)))
        await looked(dialog)
        assert sentence in dialog.form.source.refusal.text()
        assert dialog.form.source.refusal.isVisible()
        assert not dialog.submit_button.isEnabled()

    with_dialog(test)


def test_a_folder_that_is_not_there_and_quotes_that_do_not_match(with_dialog, script):
    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        dialog.form.folder.field.setText("/no/such/folder")
        await looked(dialog)
        assert "does not exist" in dialog.form.place_refusal.text()
        dialog.form.folder.field.clear()
        dialog.form.arguments.setText("'a")
        await looked(dialog)
        assert dialog.form.place_refusal.text() == "The quotes in the arguments do not match."
        assert dialog.form.arguments.property("invalid")

    with_dialog(test)


def test_a_directive_that_cannot_be_read_names_its_line_beside_the_field(with_dialog, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("# tidegate: mem=8\n")

    async def test(_shell, dialog) -> None:
        await dialog.take_in([str(bad)])
        await looked(dialog)
        assert dialog.form.fields._rows["mem"].refusal.text().startswith("bad.py, line 1: mem=8 cannot be read")
        dialog.form.fields.set_text("mem", "8G")  # what is typed beats the file
        await looked(dialog)
        assert dialog.submit_button.isEnabled()

    with_dialog(test)


def test_the_engines_refusal_is_the_outcome(desk, with_dialog):
    desk.refuse = "it is to run after job 7, and there is no such job"

    async def test(_shell, dialog) -> None:
        dialog.set_command("true")
        await looked(dialog)
        assert "Now: It is to run after job 7, and there is no such job" in said(dialog)
        assert not dialog.submit_button.isEnabled()

    with_dialog(test)


def test_whether_it_should_make_its_deadline_is_said_before_it_is_submitted(desk, with_dialog, script):
    async def preview(_submission):
        late = a_job_view("?", outlook="will not make its deadline: about 40 min late")
        return Preview(True, None, "starts at once", late)

    desk.preview = preview

    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        await looked(dialog)
        assert "Will not make its deadline: about 40 min late" in said(dialog)

    with_dialog(test)


# --- Submitting ---


def test_everything_written_reaches_the_engine_and_the_window_says_the_number(desk, with_dialog, script):
    desk.add("1")

    async def test(shell, dialog) -> None:
        await dialog.take_in([script])
        for name, text in {"mem": "2G", "gpu": "none", "priority": "7"}.items():
            dialog.form.fields.set_text(name, text)
        values = {"name": "mine", "cpus": "2", "time": "2h", "after": "1", "begin": "now+2h", "retries": "3"}
        values |= {"queue": "batch", "deadline": "now+9h", "retry-delay": "30s"}
        for name, text in values.items():
            dialog.form.more.set_text(name, text)
        dialog.hold.setChecked(True)
        await eventually(dialog.isActiveWindow)
        QTest.keyClick(dialog.form.fields.control("mem"), Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        await eventually(lambda: desk.submitted)
        await eventually(lambda: "Submitted as job 2." in shell.window.messages.text)
        [submission] = desk.submitted
        spec = submission.spec
        assert submission.held
        assert (spec.memory_bytes, spec.gpu, spec.priority) == (2 * 1024**3, None, 7)
        assert (spec.name, spec.cores, spec.time_limit_s, spec.retries) == ("mine", 2.0, 7200.0, 3)
        assert (spec.queue, spec.retry_delay_s) == ("batch", 30.0)
        assert spec.deadline_at is not None
        assert spec.begin_at is not None
        assert spec.deadline_at > spec.begin_at
        assert spec.after == (Dependency(JobId(1)),)
        assert spec.environment is not None, "the environment was written down"
        assert shell.submitter._dialog is None
        assert shell.remembered.get(FOLDER, "") == os.path.dirname(script)

    with_dialog(test)


def test_what_is_not_written_is_left_to_the_file(desk, with_dialog, script):
    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        await looked(dialog)
        QTest.mouseClick(dialog.submit_button, Qt.MouseButton.LeftButton)
        await eventually(lambda: desk.submitted)
        assert desk.submitted[0].spec.priority == 2
        assert desk.submitted[0].spec.memory_bytes == 8 * 1024**3

    with_dialog(test)


def test_an_unwilling_engine_leaves_everything_as_it_was_typed(desk, with_dialog):
    async def test(shell, dialog) -> None:
        desk.unwilling = "the disk is full"
        dialog.set_command("python3 -m this")
        dialog.form.fields.set_text("mem", "2G")
        await looked(dialog)
        dialog.submit()
        await eventually(lambda: "The disk is full." in said(dialog))
        assert dialog.isVisible()
        assert (dialog.form.source.text, dialog.form.fields.text("mem")) == ("python3 -m this", "2G")
        assert dialog.submit_button.isEnabled(), "one may try again"
        assert shell.window.messages.text == ""
        desk.unwilling = None
        dialog.submit()
        await eventually(lambda: desk.submitted)

    with_dialog(test)


def test_ctrl_enter_right_after_the_last_key_is_refused_with_the_newest_words(desk, with_dialog):
    async def test(_shell, dialog) -> None:
        dialog.set_command("true")
        await looked(dialog)
        dialog.form.fields.set_text("mem", "8")
        dialog.submit()
        await eventually(lambda: dialog.form.fields._rows["mem"].refusal.isVisible())
        assert desk.submitted == []
        assert dialog.isVisible()

    with_dialog(test)


def test_escape_closes_and_submits_nothing(desk, with_dialog, script):
    async def test(shell, dialog) -> None:
        await dialog.take_in([script])
        QTest.keyClick(dialog.form.source.field, Qt.Key.Key_Escape)
        await eventually(lambda: shell.submitter._dialog is None)
        await shell.commands.settle()
        assert desk.submitted == []
        assert shell.window.isVisible()

    with_dialog(test)


def test_closed_while_it_submits_the_window_still_says_what_came_of_it(desk, with_dialog):
    gate = asyncio.Event()
    plain = desk.submit

    async def slow(submissions):
        await gate.wait()
        return await plain(submissions)

    desk.submit = slow

    async def test(shell, dialog) -> None:
        dialog.set_command("true")
        await looked(dialog)
        dialog.submit()
        dialog.reject()
        gate.set()
        await eventually(lambda: "Submitted as job 1." in shell.window.messages.text)

    with_dialog(test)


# --- Several scripts ---


def scripts(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).write_text("#!/bin/sh\ntrue\n")
    return [str(folder / name) for name in names]


def test_several_scripts_are_a_list_that_can_be_shortened(desk, with_dialog, tmp_path):
    files = scripts(tmp_path, "a.sh", "b.sh", "c.sh")

    async def test(_shell, dialog) -> None:
        await dialog.take_in(files)
        dialog.form.fields.set_text("mem", "1G")
        await looked(dialog)
        assert dialog.form.source.list.isVisible()
        assert dialog.submit_button.text() == "Submit 3"
        assert "Now: A.sh" not in said(dialog)
        assert "Now: a.sh: it would start at once; the others as there is room" in said(dialog)
        assert "Counts with: 1 GB of memory (declared), 1 core, each" in said(dialog)
        assert not dialog.form.more.control("name").isEnabled()
        dialog.form.source.list.setCurrentRow(1)
        QTest.keyClick(dialog.form.source.list, Qt.Key.Key_Delete)
        assert dialog.form.source.files == (files[0], files[2])
        dialog.submit()
        await eventually(lambda: len(desk.submitted) == 2)
        assert {submission.spec.memory_bytes for submission in desk.submitted} == {1024**3}
        assert [submission.spec.script for submission in desk.submitted] == [files[0], files[2]]

    with_dialog(test)


def test_of_several_the_one_that_cannot_run_is_named_and_can_be_removed(with_dialog, tmp_path):
    files = scripts(tmp_path, "a.sh", "b.sh")
    odd = tmp_path / "odd.xyz"
    odd.write_text("nothing")

    async def test(_shell, dialog) -> None:
        await dialog.take_in([*files, str(odd)])
        await looked(dialog)
        assert dialog.form.source.refusal.text().startswith("odd.xyz cannot be run")
        assert dialog.form.source.refusal.text().endswith("Remove it to submit the others.")
        assert "odd.xyz cannot be run" in dialog.form.source.list.item(2).toolTip()
        assert not dialog.submit_button.isEnabled()
        dialog.form.source.list.setCurrentRow(2)
        dialog.form.source.remove_chosen()
        await looked(dialog)
        assert not dialog.form.source.refusal.isVisible()
        assert dialog.submit_button.isEnabled()

    with_dialog(test)


def test_one_left_of_several_stands_in_the_field_again(with_dialog, tmp_path):
    files = scripts(tmp_path, "a.sh", "b.sh")

    async def test(_shell, dialog) -> None:
        await dialog.take_in(files)
        dialog.form.source.list.setCurrentRow(0)
        dialog.form.source.remove_chosen()
        assert dialog.form.source.files == ()
        assert dialog.form.source.text == files[1]
        assert dialog.form.source.field.isVisible()

    with_dialog(test)


def test_files_dropped_on_the_dialog_are_copied_into_it_and_folders_give_their_scripts(with_dialog, tmp_path):
    files = scripts(tmp_path, "a.sh", "b.sh")

    async def test(_shell, dialog) -> None:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(tmp_path))])
        where, buttons, keys = QPointF(20, 20), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        both = Qt.DropAction.MoveAction | Qt.DropAction.CopyAction
        enter = QDragEnterEvent(where.toPoint(), both, mime, buttons, keys)
        QApplication.sendEvent(dialog, enter)
        event = QDropEvent(where, both, mime, buttons, keys)
        QApplication.sendEvent(dialog, event)
        assert event.dropAction() == Qt.DropAction.CopyAction
        await eventually(lambda: dialog.form.source.files == tuple(files))

    with_dialog(test)


# --- Ways in ---


def test_every_way_in_opens_the_one_dialog_and_blocks_nothing(with_dialog, script):
    async def test(shell, dialog) -> None:
        shell.window.strip.submit.click()
        assert shell.submitter._dialog is dialog
        assert shell.submitter.ask([script], shell.window) is dialog
        await eventually(lambda: dialog.form.source.text == script)
        dialog.reject()
        for way in (shell.tray.submit_wanted.emit, shell.window.queue.submit_wanted.emit):
            way()
            opened = shell.submitter._dialog
            assert opened is not None
            assert opened.isVisible()
            opened.reject()
            assert shell.submitter._dialog is None
        assert not QApplication.activeModalWidget()

    with_dialog(test)


def test_a_copied_command_or_file_is_pasted_into_it(with_dialog, script):
    async def test(shell, dialog) -> None:
        dialog.reject()
        QGuiApplication.clipboard().setText("$ cd build\n\n$ python3 train.py \\\n--epochs 3\n")
        shell.window._paste()
        opened = shell.submitter._dialog
        assert opened is not None
        assert opened.form.source.text == "cd build; python3 train.py  --epochs 3"
        opened.reject()
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(script)])
        QGuiApplication.clipboard().setMimeData(mime)
        shell.window._paste()
        last = shell.submitter._dialog
        assert last is not None
        await eventually(lambda: last.form.source.text == script)
        QGuiApplication.clipboard().clear()

    with_dialog(test)


def test_every_control_has_a_name_and_is_reached_by_key(with_dialog, script):
    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        dialog.form.more_button.setChecked(True)
        await looked(dialog)
        controls = [each for each in dialog.findChildren(QLineEdit) if each.isVisible()]
        assert len(controls) >= 10
        assert all(each.accessibleName() for each in controls)
        assert all(each.text() or each.accessibleName() for each in dialog.findChildren(QPushButton))
        reached = set()
        at = dialog.form.source.field
        for _ in range(60):
            reached.add(at)
            at = at.nextInFocusChain()
        wanted = {*controls, dialog.form.fields.control("priority"), dialog.hold, dialog.cancel, dialog.submit_button}
        assert wanted <= reached

    with_dialog(test)


def test_more_opens_by_itself_when_a_field_in_it_is_refused(with_dialog, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("# tidegate: time=soon\n")

    async def test(_shell, dialog) -> None:
        assert not dialog.form.more.isVisible()
        await dialog.take_in([str(bad)])
        await looked(dialog)
        assert dialog.form.more.isVisible()
        assert "bad.py, line 1: time=soon" in dialog.form.more._rows["time"].refusal.text()

    with_dialog(test)


# --- Names and words that are hard to keep ---


@pytest.mark.parametrize("name", [b"caf\xe9.sh", b"end.sh ", b"two\nlines.sh", b"two words.sh"])
def test_a_script_of_any_name_stays_the_same_file(desk, with_dialog, tmp_path, name):
    odd, other = os.fsencode(tmp_path) + b"/" + name, os.fsencode(tmp_path) + b"/other.sh"
    for path in (odd, other):
        with open(path, "wb") as file:
            file.write(b"#!/bin/sh\n")
    odd_path, other_path = os.fsdecode(odd), os.fsdecode(other)

    async def test(_shell, dialog) -> None:
        await dialog.take_in([odd_path])
        await looked(dialog)
        assert dialog.seen.understanding.problems == ()
        assert dialog.seen.understanding.jobs[0].spec.script == odd_path
        await dialog.take_in([other_path])
        assert dialog.form.source.files == (odd_path, other_path)
        dialog.form.source.list.setCurrentRow(1)
        dialog.form.source.remove_chosen()
        dialog.submit()
        await eventually(lambda: desk.submitted)
        assert desk.submitted[0].spec.script == odd_path

    with_dialog(test)


def test_a_script_that_went_after_it_was_chosen_is_named_whole(desk, with_dialog, tmp_path):
    script = tmp_path / "two words.sh"
    script.write_text("echo\n")

    async def test(_shell, dialog) -> None:
        await dialog.take_in([str(script)])
        await looked(dialog)
        script.unlink()
        dialog.submit()
        await eventually(lambda: dialog.form.source.refusal.text() == f"There is no file {script}.")
        assert not desk.submitted
        assert dialog.isVisible()

    with_dialog(test)


def test_all_that_is_wrong_is_said_at_once(with_dialog, script):
    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        for name, text in {"mem": "8", "gpu": "3"}.items():
            dialog.form.fields.set_text(name, text)
        for name, text in {"begin": "yesterday", "after": "x", "retries": "9" * 5000}.items():
            dialog.form.more.set_text(name, text)
        await looked(dialog)
        wrong = {problem.field for problem in dialog.seen.understanding.problems}
        assert wrong == {"mem", "gpu", "begin", "after", "retries"}
        first, second = dialog.form.fields._rows["mem"].refusal, dialog.form.more._rows["begin"].refusal
        assert "mem=8 cannot be read" in first.text()
        assert "no graphics card" in first.text()
        assert "begin=yesterday" in second.text()
        assert "after=x" in second.text()
        assert len(second.text()) < 600
        for name in ("mem", "gpu"):
            assert dialog.form.fields.control(name).property("invalid")
            dialog.form.fields.set_text(name, "")
        await looked(dialog)
        assert first.text() == ""
        assert not dialog.form.fields.control("mem").property("invalid")

    with_dialog(test)


def test_a_command_too_long_for_the_field_is_refused_instead_of_cut_off(desk, with_dialog):
    async def test(_shell, dialog) -> None:
        dialog.set_command("echo " + "word " * 40_000)
        await looked(dialog)
        assert "save this as a script" in dialog.form.source.refusal.text()
        dialog.submit()
        await eventually(lambda: not dialog._busy)
        assert not desk.submitted

    with_dialog(test)


def test_after_an_error_of_ours_it_may_be_tried_again(desk, with_dialog, script, caplog):
    async def test(_shell, dialog) -> None:
        await dialog.take_in([script])
        await looked(dialog)
        plain = desk.submit

        async def fails(_submissions):
            raise ZeroDivisionError

        desk.submit = fails
        dialog.submit()
        await eventually(lambda: "a command from the window failed" in caplog.text)
        desk.submit = plain
        assert dialog.submit_button.isEnabled()
        dialog.submit()
        await eventually(lambda: desk.submitted)

    with_dialog(test)


def test_growing_it_keeps_its_buttons_on_the_screen(with_dialog, script):
    async def test(_shell, dialog) -> None:
        room = dialog.screen().availableGeometry()
        dialog.move(room.x(), room.bottom() - dialog.height())
        before = dialog.height()
        await dialog.take_in([script])
        dialog.form.more_button.setChecked(True)
        await eventually(lambda: dialog.height() > before)
        await eventually(lambda: dialog.frameGeometry().bottom() <= room.bottom())

    with_dialog(test)


def test_a_refused_word_leaves_what_the_file_says_to_be_seen(with_dialog, script):
    async def test(_shell, dialog) -> None:
        dialog.form.fields.set_text("gpu", "3")
        await dialog.take_in([script])
        await looked(dialog)
        assert "train.py, line 2" in said(dialog)
        assert dialog.form.folder.field.placeholderText() == os.path.dirname(script)
        assert not dialog.submit_button.isEnabled()

    with_dialog(test)


def test_another_python_of_the_settings_holds_in_an_open_dialog(desk, with_dialog, tmp_path):
    bare = tmp_path / "bare.py"
    bare.write_text("print(1)\n")
    python = tmp_path / "python3"
    python.symlink_to(sys.executable)

    async def test(shell, dialog) -> None:
        await dialog.take_in([str(bare)])
        await looked(dialog)
        await desk.change_setting("python", str(python))
        await eventually(lambda: shell.submitter.python == str(python))
        await looked(dialog)
        assert dialog.seen.understanding.jobs[0].spec.command[0] == str(python)

    with_dialog(test)

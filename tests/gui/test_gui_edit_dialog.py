"""The edit dialog on a pretended engine: only what changed is sent, and every refusal is said where it belongs."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from support.until import eventually
from tidegate.core.job import JobId
from tidegate.engine.ports import Answer, Command, CommandResult, Verb
from tidegate.engine.views import EstimateView, GpuView
from tidegate.gui.submit.edit_dialog import EditDialog, current, unreadable

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")
GIB = 1024**3


@pytest.fixture
def with_edit(run, desk, open_shell):
    """Runs ``test(shell, dialog)`` with the dialog open on job 1."""

    def go(test, **fields) -> None:
        async def body() -> None:
            job = desk.add("1", **{"status": "held", "name": "train.py", **fields})
            shell = open_shell()
            shell.window.show()
            dialog = EditDialog.open_for(job, shell.commands, shell.theme, shell.window)
            gone = []
            dialog.destroyed.connect(lambda: gone.append(True))
            await test(shell, dialog)
            await shell.commands.settle()
            if not gone:
                dialog.reject()

        run(body())

    return go


def changed(desk) -> list[dict[str, str]]:
    return [dict(command.changes) for command in desk.commands if command.verb is Verb.EDIT]


def test_it_shows_what_holds_and_sends_nothing_while_nothing_changed(desk, with_edit):
    async def test(shell, dialog) -> None:
        assert dialog.windowTitle() == "Change job 1"
        assert {name: dialog.fields.text(name) for name in ("mem", "gpu", "priority", "name", "cpus", "time")} == {
            "mem": "8G",
            "gpu": "8G,0.5(nvidia,V100)",
            "priority": "2",
            "name": "train.py",
            "cpus": "4",
            "time": "90m",
        }
        assert dialog.changes == {}
        dialog.check()
        assert not dialog.save_button.isEnabled()
        dialog.save()
        await shell.commands.settle()
        assert desk.commands == []
        assert not QApplication.activeModalWidget()

    gpu = GpuView(0.5, 8 * GIB, "nvidia", "V100", text="8G,0.5(nvidia,V100)")
    with_edit(test, priority=2, time_limit_s=5400.0, estimate=EstimateView(8 * GIB, "declared", 4.0, gpu))


def test_what_was_said_of_time_is_taken_back_with_none(desk, with_edit):
    async def test(_shell, dialog) -> None:
        assert dialog.fields.text("deadline")
        for text, sentence in (("", "Say none to take it back."), ("none", "")):
            dialog.fields.set_text("deadline", text)
            dialog.check()
            assert dialog.fields._rows["deadline"].refusal.text() == sentence
        assert dialog.changes == {"deadline": "none"}
        assert dialog.save_button.isEnabled()

    with_edit(test, deadline_at=time.time() + 5000)


def test_what_was_shown_reads_back_as_the_same(desk):
    gpu = GpuView(2.0, None, None, "RTX 3090", text="2(RTX 3090)")
    begin = time.time() + 100000.0
    estimate = EstimateView(8 * GIB + 1, "declared", 0.5, gpu)
    job = desk.add("1", time_limit_s=90061.0, begin_at=begin, estimate=estimate)
    found = current(job)
    assert unreadable(found) is None
    assert found["mem"] == f"{8 * GIB + 1}B"
    assert found["time"] == "90061s"
    assert "mem" not in current(desk.add("2", estimate=EstimateView(GIB, "learned", 1.0)))


def test_only_what_changed_is_sent_and_it_closes(desk, with_edit):
    async def test(shell, dialog) -> None:
        dialog.fields.set_text("mem", "2G")
        dialog.fields.set_text("priority", "1")
        dialog.check()
        assert dialog.save_button.isEnabled()
        QTest.mouseClick(dialog.save_button, Qt.MouseButton.LeftButton)
        await eventually(lambda: desk.commands)
        assert desk.commands == [Command(Verb.EDIT, (JobId(1),), changes={"mem": "2G", "priority": "1"})]
        await eventually(lambda: not shell.window.findChildren(EditDialog))

    with_edit(test)


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("mem", "8", "mem=8 cannot be read: a size needs its unit: say 8G or 8M."),
        ("gpu", "many", "gpu=many cannot be read"),
        ("name", "", "Once it was said it cannot be left empty"),
        ("time", "soon", "time=soon cannot be read"),
        ("retries", "often", "retries=often cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field_as_it_is_typed(desk, with_edit, field, text, sentence):
    async def test(shell, dialog) -> None:
        before = dialog.fields.text(field)
        dialog.fields.set_text(field, text)
        row = dialog.fields._rows[field]
        await eventually(lambda: row.refusal.isVisible())
        assert sentence in row.refusal.text()
        assert not dialog.save_button.isEnabled()
        dialog.save()
        await shell.commands.settle()
        assert desk.commands == []
        dialog.fields.set_text(field, before)
        await eventually(lambda: not row.refusal.isVisible())

    with_edit(test)


def test_a_job_that_started_meanwhile_is_refused_and_nothing_typed_is_lost(desk, with_edit):
    async def test(shell, dialog) -> None:
        sentence = "job 1 is running; only a waiting job can be changed"

        async def refuse(_command):
            return [CommandResult(JobId(1), Answer.REFUSED, sentence)]

        desk.command = refuse
        dialog.fields.set_text("mem", "2G")
        dialog.save()
        await eventually(lambda: dialog.refusal.isVisible())
        assert dialog.refusal.text() == "Job 1 is running; only a waiting job can be changed"
        assert dialog.fields.text("mem") == "2G"
        assert dialog.save_button.isEnabled()
        assert shell.window.messages.text == ""

    with_edit(test)


def test_what_the_engine_cannot_grant_stands_beside_its_field(desk, with_edit):
    async def test(_shell, dialog) -> None:
        async def refuse(_command):
            return [CommandResult(JobId(1), Answer.REFUSED, "mem=2G cannot be granted: jobs have less.")]

        desk.command = refuse
        dialog.fields.set_text("mem", "2G")
        dialog.save()
        await eventually(lambda: dialog.fields._rows["mem"].refusal.isVisible())
        assert dialog.fields._rows["mem"].refusal.text() == "mem=2G cannot be granted: jobs have less."
        assert not dialog.refusal.isVisible()

    with_edit(test)


def test_escape_changes_nothing(desk, with_edit):
    async def test(shell, dialog) -> None:
        dialog.fields.set_text("mem", "2G")
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        await eventually(lambda: not shell.window.findChildren(EditDialog))
        await shell.commands.settle()
        assert changed(desk) == []

    with_edit(test)


def test_of_one_job_there_is_one_dialog(desk, with_edit):
    async def test(shell, dialog) -> None:
        again = EditDialog.open_for(desk.jobs()[0], shell.commands, shell.theme, shell.window)
        assert again is dialog
        other = EditDialog.open_for(desk.add("2", status="held"), shell.commands, shell.theme, shell.window)
        assert other is not dialog
        other.reject()

    with_edit(test)


def test_the_queues_that_exist_are_offered_and_so_is_its_own_that_was_taken_away(desk, with_edit):
    desk.kept_settings.change_all({"queues.render.order": "5"})

    async def test(shell, dialog) -> None:
        queue = dialog.fields.control("queue")
        assert [queue.itemText(n) for n in range(queue.count())] == ["realtime", "default", "batch", "render", "old"]
        assert queue.currentText() == "old"
        dialog.fields.set_text("queue", "render")
        dialog.check()
        dialog.save()
        await shell.commands.settle()
        assert changed(desk) == [{"queue": "render"}]

    with_edit(test, queue="old")

"""A refused *Start now* in the window: the sentence says why, and its button lets the job join the queue."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from support.until import eventually
from tidegate.core.job import JobId
from tidegate.engine.ports import Answer, Command, CommandResult, Verb

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")


def refusing(desk, *results: CommandResult) -> list[Command]:
    """Start is refused so; everything else reaches the pretended engine."""
    plain, asked = desk.command, []

    async def command(command: Command) -> list[CommandResult]:
        asked.append(command)
        return list(results) if command.verb is Verb.START else await plain(command)

    desk.command = command
    return asked


def test_what_is_busy_is_said_and_join_the_queue_releases(run, desk, open_shell):
    sentence = "job 1 stays on hold: needs a GPU · GPU 0 is used by train.py (job 3)"
    asked = refusing(desk, CommandResult(JobId(1), Answer.REFUSED, sentence, Verb.RELEASE))
    desk.add("1", status="held")

    async def body() -> None:
        shell = open_shell()
        shell.window.show()
        shell.commands.send(Verb.START, ["1"])
        await eventually(lambda: shell.window.messages.text)
        assert shell.window.messages.text == "J" + sentence[1:] + "."
        [join] = [
            button for button in shell.window.messages.findChildren(QPushButton) if button.text() == "Join the queue"
        ]
        shell.window.queue.filter_field.setFocus()
        QTest.mouseClick(join, Qt.MouseButton.LeftButton)
        # The focus does not jump to another button when the message goes.
        assert not isinstance(shell.window.focusWidget(), QPushButton)
        await eventually(lambda: desk.job(JobId(1))[0].status == "queued")
        assert asked[-1] == Command(Verb.RELEASE, (JobId(1),))
        assert shell.window.messages.text == ""

    run(body())


def test_refusals_that_offer_different_things_offer_nothing(run, desk, open_shell):
    refusing(
        desk,
        CommandResult(JobId(1), Answer.REFUSED, "job 1 stays on hold", Verb.RELEASE),
        CommandResult(JobId(2), Answer.REFUSED, "job 2 is running"),
    )

    async def body() -> None:
        shell = open_shell()
        shell.window.show()
        shell.commands.send(Verb.START, ["1", "2"])
        await eventually(lambda: shell.window.messages.text)
        assert shell.window.messages.text == "Job 1 stays on hold. Job 2 is running."
        texts = [button.text() for button in shell.window.messages.findChildren(QPushButton)]
        assert "Join the queue" not in texts

    run(body())

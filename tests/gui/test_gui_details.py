"""A job's panel: what it says in every status, its buttons, the runs and their logs, and the words above the table."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QPushButton

from support.fake_desk import a_job_view
from support.until import eventually
from tidegate.engine.ports import Command, Verb
from tidegate.engine.views import AttemptView, EstimateView, GpuView, UsageView, WaitView
from tidegate.gui.jobs.match import JobMatch
from tidegate.gui.panel.job_facts import facts_of, reason, why_of

pytestmark = pytest.mark.qt_log_ignore(
    r"^This plugin does not support (raise\(\)|propagateSizeHints\(\)|grabbing the keyboard)"
)
GIB = 1024**3
NOW = time.mktime((2026, 3, 4, 14, 0, 0, 0, 0, -1))


def a_run(number: int, outcome: str | None = "failed", code: int | None = 1, took: float | None = 240.0) -> AttemptView:
    started = NOW - 10_000 + number * 1000
    ended = None if took is None else started + took
    return AttemptView(number, started, started, ended, outcome, code, None, 60.0, 11 * GIB, 0.0, (), None, None)


@pytest.fixture
def with_queue(run, open_shell):
    def go(test):
        async def body() -> None:
            shell = open_shell()
            shell.window.show()
            await eventually(lambda: shell.window.queue.model.rowCount() == len(shell.desk.jobs(finished=None)))
            await test(shell.window.queue)
            await shell.commands.settle()

        run(body())

    return go


# --- Words ------------------------------------------------------------------------------------------------------------


def test_a_reason_has_its_numbers_and_when_it_may_end() -> None:
    wait = WaitView("memory", "needs 12.5 GB", {"needed_bytes": 12.5 * GIB, "free_bytes": 5.5 * GIB}, NOW + 1320)
    line = reason(wait, NOW)
    assert line.text == "needs 12.5 GB (free 5.5 GB) · about 14:22"
    assert line.hint == "2026-03-04 14:22:00"
    assert reason(WaitView("held", "held by you"), NOW).text == "held by you"
    odd = WaitView("x", "slow", {"load_pct": 81.2, "wait_s": 90.0, "jobs": 3.0})
    assert reason(odd, NOW).text == "slow (load 81 %, wait 1 min 30 s, jobs 3)"


def test_every_reason_is_said() -> None:
    job = a_job_view(waits=tuple(WaitView("x", f"reason {n}") for n in range(5)))
    [fact] = why_of(job, NOW)
    assert [line.text for line in fact.lines] == [f"reason {n}" for n in range(5)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "paused", "why": "paused for memory", "waits": ()}, "paused for memory"),
        ({"status": "finished", "outcome": "failed", "exit_code": 3, "waits": ()}, "exit 3"),
        ({"status": "finished", "outcome": "succeeded", "waits": ()}, ""),
        ({"status": "stopping", "why": "cancelled by you", "waits": ()}, "cancelled by you"),
        ({"status": "running", "waits": ()}, ""),
    ],
)
def test_why_in_each_status(fields: dict, said: str) -> None:
    found = why_of(a_job_view(**fields), NOW)
    assert [line.text for fact in found for line in fact.lines] == ([said] if said else [])


def test_facts_keep_figures_together_and_leave_out_what_is_unknown() -> None:
    job = a_job_view(
        status="running",
        started_at=NOW - 60,
        submitted_at=NOW - 90,
        estimate=EstimateView(2 * GIB, "declared", 4.0),
        usage=UsageView(GIB, None, None, None, 1),
        labels=("night",),
    )
    facts = {fact.label: fact.lines[0] for fact in facts_of(job, NOW)}
    assert facts["Asks for"].text.replace("\u00a0", " ") == "2 GB of memory, as declared · 4 cores · priority 5"
    assert "4\u00a0cores" in facts["Asks for"].text
    assert facts["Uses"].text.replace("\u00a0", " ") == "1 GB of memory now · 1 process"
    assert facts["Times"].text.replace("\u00a0", " ") == "submitted 13:58 · started 13:59"
    assert facts["Times"].hint == "submitted 2026-03-04 13:58:30\nstarted 2026-03-04 13:59:00"
    assert facts["Labels"].text == "night"
    assert "Queue" not in facts


def test_the_panel_says_which_cards_it_asks_for_and_what_it_does_to_those_it_has() -> None:
    gpu = GpuView(0.5, 8 * GIB, model="V100", text="8G,0.5(V100)")
    usage = UsageView(GIB, None, None, None, 1, gpu_memory_bytes={"0": 3 * GIB}, gpu_utilisation_pct={"0": 41.6})
    job = a_job_view(status="running", estimate=EstimateView(GIB, "declared", 1.0, gpu), usage=usage)
    facts = {fact.label: fact.lines[0].text.replace("\u00a0", " ") for fact in facts_of(job, NOW)}
    assert "0.5 of a GPU (V100) with 8 GB" in facts["Asks for"]
    assert "3 GB on GPU 0 · 42 % of GPU 0" in facts["Uses"]


# --- The panel --------------------------------------------------------------------------------------------------------


def shown_buttons(details) -> list[str]:
    return [name for name, button in details.buttons.items() if not button.isHidden()]


def test_its_buttons_fit_the_status_and_send_one_command(desk, with_queue, monkeypatch):
    expected = {
        "queued": ["start", "hold", "cancel"],
        "held": ["release", "start", "cancel"],
        "starting": ["pause", "cancel"],
        "running": ["pause", "cancel"],
        "paused": ["resume", "cancel"],
        "stopping": ["kill"],
        "finished": ["retry"],
    }
    desk.add("1")
    sent: list[Command] = []

    async def command(each: Command):
        sent.append(each)
        return []

    monkeypatch.setattr(desk, "command", command)

    async def test(queue) -> None:
        queue.open_job("1")
        for status, names in expected.items():
            desk.change("1", status=status, finished_at=3.0 if status == "finished" else None)
            await eventually(lambda names=names: shown_buttons(queue.details) == names)
            for name in names:
                sent.clear()
                queue.details.buttons[name].click()
                await eventually(lambda name=name: [each.verb for each in sent] == [Verb(name)])
                assert [str(id) for id in sent[0].ids or ()] == ["1"]

    with_queue(test)


def test_more_has_everything_that_fits(desk, with_queue):
    desk.add("1", status="held")

    async def test(queue) -> None:
        queue.open_job("1")
        queue.details.more.click()
        [menu] = [each for each in queue.details.findChildren(QMenu) if each.isVisible()]
        texts = [action.text().replace("&", "") for action in menu.actions() if action.text()]
        assert "Start without asking for room" in texts
        assert "Edit…" in texts
        assert "Pause" not in texts
        menu.close()

    with_queue(test)


def test_keys_of_the_table_do_nothing_in_the_panel(desk, with_queue):
    desk.add("1", status="running", started_at=1.0, attempts=1)
    desk.write_log("1", b"text\n")

    async def test(queue) -> None:
        queue.open_job("1")
        queue.details.log.setFocus()
        QTest.keyClick(queue.details.log, Qt.Key.Key_Delete)
        QTest.keyClick(queue.details.log, Qt.Key.Key_P)
        QTest.keyClick(queue.details.log, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
        assert queue.details.log_panel.find_bar.isVisible()
        QTest.keyClick(queue.details.log_panel.find_bar.field, Qt.Key.Key_P)
        assert queue.details.log_panel.find_bar.field.text() == "p"
        QTest.keyClick(queue.details.log_panel.find_bar.field, Qt.Key.Key_Escape)
        assert queue.details.log_panel.find_bar.isHidden()
        assert queue.details.isVisible()
        QTest.keyClick(queue.details.log, Qt.Key.Key_Escape)
        assert queue.details.isHidden()
        assert queue.list.hasFocus()
        assert desk.commands == []

    with_queue(test)


def test_facts_are_shown_and_the_command_is_copied_as_it_is(desk, with_queue):
    command = ("python3", "/a/very/long/path/" + "x" * 300, "--name", "a b")
    desk.add("1", command=command)

    async def test(queue) -> None:
        queue.open_job("1")
        details = queue.details
        assert f"python3 {command[1]} --name 'a b'" in details.facts.text()
        assert "It is next in line." in details.why.text()
        [copy, _] = [each for each in details.facts.findChildren(QPushButton) if each.text() == "Copy"]
        assert copy.accessibleName() == "Copy command"
        copy.click()
        assert QGuiApplication.clipboard().text() == f"python3 {command[1]} --name 'a b'"
        desk.change("1", status="held", waits=(WaitView("held", "held by you"),))
        await eventually(lambda: "held by you" in details.why.text())
        assert "next in line" not in details.why.text()

    with_queue(test)


# --- Runs -------------------------------------------------------------------------------------------------------------


def cells(details) -> list[list[str]]:
    table = details.attempts
    return [
        [table.item(row, column).text() for column in range(table.columnCount())] for row in range(table.rowCount())
    ]


def test_each_run_has_a_row_and_its_own_log(desk, with_queue):
    runs = (a_run(1), a_run(2, "out_of_memory", None), a_run(3, None, None, None))
    desk.add("1", status="running", started_at=NOW - 7000, attempts=3, attempt_list=runs, waits=())
    for number in (1, 2, 3):
        desk.write_log("1", b"of run %d\n" % number, attempt=number)

    async def test(queue) -> None:
        queue.open_job("1")
        details = queue.details
        shown = cells(details)
        assert [row[0] for row in shown] == ["3", "2", "1"]
        assert [row[1] for row in shown] == ["Running", "Out of memory", "Failed, exit 1"]
        assert shown[2][3:] == ["4 min", "peak 11 GB"]
        await eventually(lambda: details.log.toPlainText() == "of run 3\n")
        details.attempts.setFocus()
        QTest.keyClick(details.attempts, Qt.Key.Key_Down)
        await eventually(lambda: details.log.toPlainText() == "of run 2\n")
        # The chosen run stays chosen while the job goes on, and when it runs once more.
        later = (*runs[:2], a_run(3), a_run(4, None, None, None))
        desk.change("1", attempts=4, attempt_list=later)
        await eventually(lambda: details.attempts.rowCount() == 4)
        assert details.attempts.wanted == 2
        assert details.log.toPlainText() == "of run 2\n"
        details.attempts.selectRow(0)
        await eventually(lambda: details.log.attempt == 4)

    with_queue(test)


@pytest.mark.parametrize("width", [900, 1280])
def test_how_a_run_went_is_never_cut(desk, with_queue, width):
    runs = (a_run(1, "out_of_memory", None), a_run(2, code=127))
    desk.add("1", status="finished", outcome="failed", attempts=2, attempt_list=runs, waits=())
    desk.write_log("1", b"x" * 3_000_000, attempt=2)

    async def test(queue) -> None:
        queue.window().resize(width, 600)
        queue.open_job("1")
        await eventually(lambda: queue.details.log_panel.state.text() != "")
        queue.details.log_panel.state.setText("200 MB · 140 MB in the middle were dropped")
        QApplication.processEvents()
        attempts = queue.details.attempts
        for row in range(2):
            item = attempts.item(row, 1)
            place = attempts.visualItemRect(item)
            assert place.width() >= attempts.sizeHintForIndex(attempts.indexFromItem(item)).width()
            assert place.right() < attempts.viewport().width()

    with_queue(test)


def test_a_job_that_runs_again_goes_on_in_the_new_log(desk, with_queue):
    desk.add("1", status="running", started_at=NOW, attempts=1, attempt_list=(a_run(1, None, None, None),), waits=())
    desk.write_log("1", b"a log of some length, longer than the next\n")

    async def test(queue) -> None:
        queue.open_job("1")
        log = queue.details.log
        await eventually(lambda: log.toPlainText().endswith("next\n"))
        desk.end_log("1")
        desk.change("1", status="queued", attempt_list=(a_run(1),))
        desk.write_log("1", b"short\n", attempt=2)
        desk.change("1", status="running", attempts=2, attempt_list=(a_run(1), a_run(2, None, None, None)))
        expected = "a log of some length, longer than the next\n— attempt 2 —\nshort\n"
        await eventually(lambda: log.toPlainText() == expected)

    with_queue(test)


def test_a_job_without_runs_says_where_its_output_will_be(desk, with_queue):
    desk.add("1")

    async def test(queue) -> None:
        queue.open_job("1")
        assert queue.details.attempts.isHidden()
        assert queue.details.log.placeholderText() == "Its output appears here once it runs."
        desk.start("1")
        await eventually(lambda: queue.details.log.placeholderText() == "Nothing was written yet.")

    with_queue(test)


# --- Words above the table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("TRAIN", True),
        ("train epochs", True),
        ("train absent", False),
        ("night", True),
        ("#7", True),
        ("7", True),
        ("#7.3", True),
        ("#3", False),
        ("#", False),
    ],
)
def test_words_mean_jobs(text: str, fits: bool) -> None:
    job = a_job_view("7.3", name="Train.py", command=("python3", "Train.py", "--epochs"), labels=("nightly",))
    assert JobMatch(text)(job) == fits


def test_the_table_is_narrowed_by_words(desk, with_queue):
    for number, name in enumerate(("alpha", "beta", "alphabet", "gamma"), 1):
        desk.add(str(number), name=name)

    async def test(queue) -> None:
        rows = lambda: [queue.model.job_at(row).name for row in range(queue.model.rowCount())]  # noqa: E731
        queue.list.setFocus()
        QTest.keyClick(queue.list, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
        assert queue.filter_field.hasFocus()
        QTest.keyClicks(queue.filter_field, "alpha")
        await eventually(lambda: rows() == ["alpha", "alphabet"])
        desk.add("5", name="alpha too")
        desk.add("6", name="delta")
        desk.change("1", name="omega")
        await eventually(lambda: rows() == ["alphabet", "alpha too"])
        desk.change("4", name="alpha four")
        await eventually(lambda: rows() == ["alphabet", "alpha four", "alpha too"])
        queue.open_job("2")
        assert queue.filter_field.text() == ""
        assert len(rows()) == 6
        QTest.keyClick(queue.list, Qt.Key.Key_Escape)
        queue.filter_field.setText("nothing like it")
        await eventually(lambda: rows() == [])
        assert queue._empty.isVisible()
        queue.filter_field.setFocus()
        QTest.keyClick(queue.filter_field, Qt.Key.Key_Escape)
        assert len(rows()) == 6
        assert queue.list.hasFocus()

    with_queue(test)

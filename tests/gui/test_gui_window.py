"""The window on a pretended engine: what it shows, what it sends, how it closes. No dialog ever blocks the loop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QSystemTrayIcon

from support.gui_desk import a_busy_desk
from support.until import eventually
from tidegate.engine.ports import Command, Verb
from tidegate.gui.jobs.book import Filter
from tidegate.gui.shell import Ending
from tidegate.gui.submit.folder_offer import FolderOffer
from tidegate.gui.tide.bands import Metric
from tidegate.gui.tide.page import LEAST_SPAN_S
from tidegate.gui.window import first_place

# What a platform without a screen cannot do.
pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")


def commands_of(desk) -> list[tuple[str, list[str] | None]]:
    return [(c.verb.value, None if c.ids is None else [str(id) for id in c.ids]) for c in desk.commands]


@pytest.fixture
def with_window(run, desk, open_shell):
    """Runs ``test(shell)`` with the window shown and loaded."""

    def go(test) -> None:
        async def body() -> None:
            shell = open_shell()
            shell.window.show()
            await eventually(lambda: len(shell.window.book) == len(desk.jobs(finished=None)))
            await test(shell)

        run(body())

    return go


def test_the_window_shows_what_was_there_and_what_comes(desk, with_window):
    desk.add("1", name="early.py")

    async def test(shell) -> None:
        desk.add("2", name="late.py")
        desk.start("2")
        await eventually(lambda: shell.window.queue.model.rowCount() == 2)
        assert shell.window.queue.model.job_at(0).name == "late.py"
        await eventually(lambda: shell.window.queue._tabs[Filter.ACTIVE].text() == "Active  1")

    with_window(test)


def test_a_hidden_window_takes_nothing_in_and_catches_up(desk, with_window):
    async def test(shell) -> None:
        shell.window.hide()
        desk.add_many(500)
        desk.set_status(mode="HIGH")
        await eventually(lambda: shell.tray.facts.state == "high")
        assert shell.window.queue.model.rowCount() == 0
        shell.window.come_forward()
        await eventually(lambda: shell.window.queue.model.rowCount() == 500)

    with_window(test)


def test_every_action_is_sent_for_the_jobs_it_fits(desk, with_window):
    desk.add("1", status="running", started_at=1.0)
    desk.add("2", status="paused", started_at=2.0)
    desk.add("3")
    desk.add("4", status="held")
    desk.add("5", status="finished", outcome="failed", finished_at=3.0)

    async def test(shell) -> None:
        jobs = shell.window.queue.list
        for verb, wanted in (
            ("first", ["3", "4"]),
            ("hold", ["3"]),
            ("pause", ["1"]),
            ("resume", ["2"]),
            ("start", ["4"]),
            ("retry", ["5"]),
            ("cancel", ["2", "3", "4"]),
        ):
            for id, status in (("1", "running"), ("2", "paused"), ("3", "queued"), ("4", "held"), ("5", "finished")):
                desk.change(id, status=status)
            if verb == "cancel":  # several running ones would be asked about first
                desk.change("1", status="finished")
            if verb == "start":
                desk.change("3", status="finished")
            await eventually(lambda: all(shell.window.book.jobs[j.id] == j for j in desk.jobs(finished=None)))
            jobs.selectAll()
            desk.commands.clear()
            jobs.actions_of_jobs.actions[verb].trigger()
            await eventually(lambda: desk.commands)
            assert commands_of(desk) == [(verb, wanted)]

    with_window(test)


def test_keys_work_in_the_table(desk, with_window):
    desk.add("1", status="running", started_at=1.0, command=("python3", "a b.py"))

    async def test(shell) -> None:
        jobs = shell.window.queue.list
        jobs.setFocus()
        jobs.selectRow(0)
        QTest.keyClick(jobs, Qt.Key.Key_P)
        await eventually(lambda: commands_of(desk) == [("pause", ["1"])])
        QTest.keyClick(jobs, Qt.Key.Key_Delete)
        await eventually(lambda: commands_of(desk)[-1] == ("cancel", ["1"]))
        jobs.actions_of_jobs.actions["copy"].trigger()
        assert QGuiApplication.clipboard().text() == "python3 'a b.py'"

    with_window(test)


def test_the_menu_offers_what_fits_and_does_not_block(desk, with_window):
    desk.add("1", status="held")

    async def test(shell) -> None:
        jobs = shell.window.queue.list
        jobs.selectRow(0)
        menu = jobs.actions_of_jobs.menu()
        texts = [action.text() for action in menu.actions() if action.text()]
        assert texts == [
            "&Start now",
            "Start without &asking for room",
            "Put &first",
            "Re&lease",
            "&Edit…",
            "&Cancel",
            "&Open log",
            "Open fol&der",
            "Cop&y command",
            "Copy &id",
        ]
        menu.deleteLater()

    with_window(test)


def test_a_refusal_is_said_in_the_window(desk, with_window):
    desk.add("1", status="finished", outcome="succeeded", finished_at=1.0)

    async def test(shell) -> None:
        shell.commands.send(Verb.CANCEL, ["1"])
        await eventually(lambda: "has already finished" in shell.window.messages.text)
        assert not QApplication.activeModalWidget()
        shell.window.messages.clear()
        assert shell.window.messages.text == ""

    with_window(test)


def test_a_bug_in_a_command_is_said_and_logged(desk, with_window, caplog):
    async def fail(_command: Command) -> None:
        raise RuntimeError("wire cut")

    desk.command = fail

    async def test(shell) -> None:
        shell.window.strip.pause.click()
        await eventually(lambda: "wire cut" in shell.window.messages.text)

    with_window(test)
    assert "a command from the window failed" in caplog.text


def test_selection_and_details_survive_a_reset(desk, with_window):
    desk.add_many(200)

    async def test(shell) -> None:
        queue = shell.window.queue
        queue.open_job("150")
        assert queue.details.isVisible()
        for n in range(1, 101):
            desk.start(str(n))
        await eventually(lambda: queue.model.row_of("1") == 0 or shell.window.book.jobs["100"].status == "running")
        assert [job.id for job in queue.list.chosen()] == ["150"]
        desk.change("150", why="changed", status="held")
        await eventually(lambda: queue.details._status.text().startswith("Held"))

    with_window(test)


def test_the_log_is_followed_and_made_readable(desk, with_window):
    desk.add("1", status="running", started_at=1.0, attempts=1)
    desk.write_log("1", b"\x1b[32mgreen\x1b[0m\n 10%\r 50%\r100%\nna\xc3")

    async def test(shell) -> None:
        shell.window.open_job("1")
        log = shell.window.queue.details.log
        await eventually(lambda: log.toPlainText() == "green\n100%\nna")
        desk.write_log("1", b"\xafve\n")
        desk.end_log("1")
        await eventually(lambda: log.toPlainText() == "green\n100%\nna\u00efve\n")
        await eventually(lambda: not log._timer.isActive())

    with_window(test)


# --- Drop and submit ------------------------------------------------------------------------------------------------


def drop(window, *urls: QUrl) -> QDropEvent:
    mime = QMimeData()
    mime.setUrls(list(urls))
    both = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
    keys = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(400, 400), both, mime, Qt.MouseButton.LeftButton, keys)
    enter.setDropAction(Qt.DropAction.MoveAction)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    assert enter.dropAction() == Qt.DropAction.CopyAction
    event = QDropEvent(QPointF(400, 400), both, mime, Qt.MouseButton.LeftButton, keys)
    event.setDropAction(Qt.DropAction.MoveAction)
    QApplication.sendEvent(window, event)
    return event


def test_dropped_files_are_submitted_as_copies(desk, with_window, tmp_path: Path):
    files = [tmp_path / "one.py", tmp_path / "two.sh"]
    for file in files:
        file.write_text("#!/bin/sh\n")

    async def test(shell) -> None:
        event = drop(shell.window, *(QUrl.fromLocalFile(str(file)) for file in files))
        assert event.dropAction() == Qt.DropAction.CopyAction
        await eventually(lambda: len(desk.submitted) == 2)
        assert [each.spec.script for each in desk.submitted] == [str(file) for file in files]
        assert {each.spec.cwd for each in desk.submitted} == {str(tmp_path)}
        await eventually(lambda: shell.window.messages.text == "2 jobs submitted.")
        await eventually(lambda: shell.window.queue.model.rowCount() == 2)

    with_window(test)


def test_missing_files_links_and_empty_folders_get_a_sentence_and_the_rest_runs(desk, with_window, tmp_path: Path):
    good, empty = tmp_path / "good.py", tmp_path / "empty"
    good.write_text("print()\n")
    empty.mkdir()

    async def test(shell) -> None:
        urls = [QUrl.fromLocalFile(str(path)) for path in (good, tmp_path / "missing.py")]
        drop(shell.window, *urls)
        await eventually(lambda: "missing.py" in shell.window.messages.text)
        assert len(desk.submitted) == 1
        drop(shell.window, QUrl.fromLocalFile(str(empty)))
        await eventually(lambda: "empty has no scripts directly in it" in shell.window.messages.text)
        drop(shell.window, QUrl("https://example.org/a.py"))
        assert shell.window.messages.text == "Only files on this computer can be submitted."
        assert not QApplication.activeModalWidget()

    with_window(test)


def test_the_scripts_of_a_dropped_folder_are_offered_in_a_dialog(desk, with_window, tmp_path: Path):
    for name in ("a.py", "b.py", "data.csv"):
        (tmp_path / name).write_text("print()\n")

    async def test(shell) -> None:
        drop(shell.window, QUrl.fromLocalFile(str(tmp_path)))
        await eventually(lambda: shell.window.findChild(FolderOffer) is not None)
        offer = shell.window.findChild(FolderOffer)
        assert not desk.submitted
        offer.list.item(0).setCheckState(Qt.CheckState.Unchecked)
        offer.submit.click()
        await eventually(lambda: [each.spec.script for each in desk.submitted] == [str(tmp_path / "b.py")])
        await eventually(lambda: shell.window.messages.text == "Submitted as job 1.")

    with_window(test)


def test_an_unwilling_engine_is_said_in_the_window(desk, with_window, tmp_path: Path):
    desk.unwilling = "The disk is full; nothing new is accepted until there is room."
    script = tmp_path / "a.py"
    script.write_text("print()\n")

    async def test(shell) -> None:
        shell.submitter.submit([str(script)])
        await eventually(lambda: shell.window.messages.text == desk.unwilling)

    with_window(test)


def test_choosing_files_does_not_block_the_loop(with_window):
    async def test(shell) -> None:
        dialog = shell.submitter.choose(shell.window)
        assert dialog.isVisible()
        await asyncio.sleep(0)
        dialog.reject()

    with_window(test)


# --- Look -----------------------------------------------------------------------------------------------------------


def test_the_window_follows_light_and_dark_live(with_window, theme):
    async def test(shell) -> None:
        seen = []
        for scheme, name in ((Qt.ColorScheme.Dark, "#14181d"), (Qt.ColorScheme.Light, "#f6f7f9")):
            # The offscreen platform has no scheme of its own; this is what a desktop's change comes in as.
            QGuiApplication.styleHints().colorSchemeChanged.emit(scheme)
            await eventually(lambda name=name: theme.colour("window").name() == name)
            await asyncio.sleep(0.05)
            image: QImage = shell.window.grab().toImage()
            seen.append(image.pixelColor(image.width() - 4, image.height() - 4).name())
        assert seen == ["#14181d", "#f6f7f9"]

    with_window(test)


def test_mode_and_pause_are_shown_by_word_and_shape(desk, with_window):
    async def test(shell) -> None:
        strip = shell.window.strip
        for mode, state in (("HIGH", "high"), ("EMERGENCY", "emergency"), ("NORMAL", "normal")):
            desk.set_status(mode=mode)
            await eventually(lambda state=state: strip.pill._state == state)
            assert strip.pill.accessibleName() == f"Mode: {mode}"
        strip.pause.click()
        await eventually(lambda: strip.pill._state == "paused")
        assert strip.pause.text() == "Resume"
        assert shell.window.messages.text == "Everything is paused, and nothing new starts until you resume."
        strip.pause.click()
        await eventually(lambda: strip.pill._state == "normal")
        assert shell.window.messages.text == ""
        assert commands_of(desk) == [("pause", None), ("resume", None)]

    with_window(test)


def test_nothing_is_cut_off_at_the_smallest_size(run, open_shell):
    async def body() -> None:
        shell = open_shell(a_busy_desk())
        window = shell.window
        window.resize(900, 600)
        window.show()
        window.show_page("tide")
        await eventually(lambda: len(window.book) == 11)
        await eventually(lambda: window.tide.chart._picture is not None and window.tide.chart.complete)
        assert window.width() == 900
        strip = window.strip
        assert strip.submit.geometry().right() <= strip.width() - 16
        assert strip.pause.geometry().right() < strip.submit.geometry().left()
        assert strip._cpu.geometry().right() < strip.pause.geometry().left()
        columns = window.tide.list.horizontalHeader()
        assert columns.length() <= window.tide.list.viewport().width()

    run(body())


# --- Tide -----------------------------------------------------------------------------------------------------------


def test_the_tide_shows_each_job_and_a_click_opens_it(run, open_shell):
    async def body() -> None:
        shell = open_shell(a_busy_desk())
        window = shell.window
        window.show()
        window.show_page("tide")
        window.tide.set_span(3600.0)
        chart = window.tide.chart
        await eventually(lambda: chart._picture is not None and len(chart._picture.bands) == 6 and chart.complete)
        plot = chart._plot()
        point = QPointF(plot.right() - 40, chart._y(20 * 1024**3, chart._picture, plot))
        assert chart.band_at(point).id == "1"
        assert chart.words_at(point).startswith("train_vit.py --epochs 90\n13.")
        assert {line.name for line in chart._picture.lines} == {"high 85 %", "emergency 92 %"}
        assert chart._picture.paused["2"]
        QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=point.toPoint())
        assert window.queue.isVisible()
        assert window.queue.details.job_id == "1"

    run(body())


def test_the_axis_begins_a_little_before_the_first_reading(run, desk, open_shell):
    now = time.time()
    for second in range(25):
        desk.sample(at=now - 24 + second, jobs=(("1", 2**30, 1.0),), reserved_bytes=2**31)

    async def body() -> None:
        shell = open_shell()
        window = shell.window
        window.show()
        window.show_page("tide")
        window.tide._clock = lambda: now
        chart = window.tide.chart
        await eventually(lambda: chart._picture is not None and len(chart._picture.bands) == 3 and chart.complete)
        assert chart._picture.span_s == LEAST_SPAN_S
        assert len(chart._picture.bands[0].times) >= 24
        plot = chart._plot()
        assert plot.left() < chart._x(now - 24, chart._picture, plot) < plot.left() + plot.width() / 3
        above = QPointF(plot.right() - 40, chart._y(chart._picture.bands[-1].upper[0] - 1, chart._picture, plot))
        assert chart.words_at(above).startswith("reserved for running jobs, not used yet\n1 GB at ")
        QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=above.toPoint())
        assert window.tide.isVisible()
        # Later the chosen range is full, and no finer than it can be drawn.
        window.tide._clock = lambda: now + 900.0
        desk.sample(at=now + 900.0)
        await eventually(lambda: chart._picture.span_s == 900.0)
        assert window.tide._series.step_s == 2.5

    run(body())


def test_samples_that_come_while_the_page_is_seen_are_added(desk, with_window):
    desk.add("1", status="running", started_at=1.0)

    async def test(shell) -> None:
        shell.window.show_page("tide")
        await asyncio.sleep(0.05)
        for _ in range(3):
            desk.sample(jobs=(("1", 2**30, 1.0),))
        await eventually(lambda: shell.window.tide.chart._picture is not None)
        await eventually(lambda: "1" in {band.id for band in shell.window.tide.chart._picture.bands})

    with_window(test)


def test_swap_has_its_own_picture_where_there_is_swap(desk, with_window):
    async def test(shell) -> None:
        shell.window.show_page("tide")
        tide = shell.window.tide
        tide.set_metric(Metric("swap"))
        desk.set_status(machine=replace(desk.status().machine, swap_used_bytes=2**30))
        desk.sample()
        await eventually(lambda: tide.chart.picture is not None and tide.chart.picture.top == 8 * 2**30)
        picture = tide.chart.picture
        assert [(band.id, band.upper[-1]) for band in picture.bands] == [("", 2**30)]
        assert [line.tone for line in picture.lines] == ["danger"]
        desk.set_status(machine=replace(desk.status().machine, swap_total_bytes=0, swap_used_bytes=0))
        await eventually(lambda: Metric("swap") not in tide._tabs)
        assert tide._metric == Metric("memory")

    with_window(test)


# --- The first place --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("available", "size"),
    [
        (QRect(0, 0, 1920, 1080), (1280, 820)),
        (QRect(0, 32, 1280, 768), (1264, 720)),
        (QRect(2000, 40, 1366, 728), (1280, 680)),
        (QRect(0, 0, 800, 480), (900, 600)),
    ],
)
def test_the_window_opens_within_the_screen_where_that_is_possible(available, size):
    place = first_place(available)
    assert (place.width(), place.height()) == size
    if size != (900, 600):
        assert available.contains(place.adjusted(-5, -28, 5, 5))
        assert abs(place.center().x() - available.center().x()) <= 1


# --- Tray, closing and quitting -------------------------------------------------------------------------------------


def test_closing_keeps_the_tray_where_there_is_one(desk, with_window, monkeypatch):
    async def test(shell) -> None:
        monkeypatch.setattr(type(shell.tray), "available", property(lambda _self: True))
        shell.window.close()
        assert not shell.window.isVisible()
        assert not shell.ending.done()
        shell.tray.open_wanted.emit()
        assert shell.window.isVisible()

    with_window(test)


def test_a_click_on_the_icon_hides_a_window_in_front_and_brings_any_other_forward(desk, with_window, monkeypatch):
    async def test(shell) -> None:
        window = shell.window
        monkeypatch.setattr(type(window), "isActiveWindow", lambda _self: False)
        shell.tray._on_activated(QSystemTrayIcon.ActivationReason.Trigger)
        assert window.isVisible()
        monkeypatch.setattr(type(window), "isActiveWindow", lambda _self: True)
        shell.tray._on_activated(QSystemTrayIcon.ActivationReason.Trigger)
        assert not window.isVisible()
        shell.tray._on_activated(QSystemTrayIcon.ActivationReason.DoubleClick)
        assert window.isVisible()

    with_window(test)


def test_a_panel_that_takes_the_focus_before_it_tells_of_a_click_still_hides_the_window(with_window, monkeypatch):
    async def test(shell) -> None:
        window = shell.window
        monkeypatch.setattr(type(window), "isActiveWindow", lambda _self: False)
        window.changeEvent(QEvent(QEvent.Type.ActivationChange))
        shell.tray.toggle_wanted.emit()
        assert not window.isVisible()
        window._left_at -= 1.0
        shell.tray.toggle_wanted.emit()
        assert window.isVisible()
        shell.tray.toggle_wanted.emit()
        assert window.isVisible()

    with_window(test)


def test_without_a_tray_closing_an_idle_window_quits(with_window):
    async def test(shell) -> None:
        assert not shell.tray.available
        shell.window.close()
        assert shell.ending.result() == Ending(0, stop_jobs=False)

    with_window(test)


@pytest.mark.parametrize(("answer", "stop_jobs"), [("&Keep jobs running", False), ("&Stop jobs", True)])
def test_quitting_with_work_asks_without_a_nested_loop(desk, with_window, answer, stop_jobs):
    desk.add("1", status="running", started_at=1.0)
    desk.add("2")

    async def test(shell) -> None:
        shell.window.close()
        assert shell.window.isVisible()
        box = shell.window.findChild(QMessageBox)
        assert box.text() == "One job is still running."
        await asyncio.sleep(0)  # the loop turns while the question stands
        assert not shell.ending.done()
        next(button for button in box.buttons() if button.text() == answer).click()
        await eventually(shell.ending.done)
        assert shell.ending.result() == Ending(0, stop_jobs)

    with_window(test)


def test_cancelling_the_question_changes_nothing(desk, with_window):
    desk.add("1")

    async def test(shell) -> None:
        shell.ask_to_quit()
        box = shell.window.findChild(QMessageBox)
        assert box.text() == "One job is still waiting."
        box.reject()
        await asyncio.sleep(0.02)
        assert not shell.ending.done()

    with_window(test)


def test_qt_signals_survive_thousands_of_emissions(qapp):
    """A PySide release lost references to None and True after some hundred emissions and killed the process."""
    from PySide6.QtCore import QObject, Signal

    class Bell(QObject):
        rung = Signal(object, bool)

    heard: list[object] = []
    bell = Bell()
    bell.rung.connect(lambda thing, flag: heard.append((thing, flag)))
    for _ in range(5000):
        bell.rung.emit(None, True)
    assert heard.count((None, True)) == 5000

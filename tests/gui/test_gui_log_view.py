"""The log of a job on screen: followed, read upwards, searched, kept small, and going on with the next attempt."""

from __future__ import annotations

import gc
import threading

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QVBoxLayout, QWidget

from support.until import eventually
from tidegate.gui.commands import Commands
from tidegate.gui.log import paper as log_paper
from tidegate.gui.log import view as log_view
from tidegate.gui.log.find import LogFind
from tidegate.gui.log.pages import Onward, before, begin_at
from tidegate.gui.log.paint import LEAST_CONTRAST, LogPaint, contrast
from tidegate.gui.log.panel import LogPanel
from tidegate.gui.log.search import ERRORS, Hit, LogSearch, words_pattern
from tidegate.gui.log.text import Style
from tidegate.gui.log.view import LogView
from tidegate.gui.remembered import Remembered

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


SCHEMES = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}


def numbered(count: int, first: int = 0) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(first, first + count))


@pytest.fixture
def panel(qapp, run, desk, theme, tmp_path):
    """Runs a test with a shown log panel on the pretended engine."""

    def go(test):
        async def body() -> None:
            owner = QWidget()
            commands = Commands(desk, owner)
            made = LogPanel(commands, theme, Remembered(tmp_path / "window.json", owner), owner)
            QVBoxLayout(owner).addWidget(made)
            owner.resize(600, 400)
            owner.show()
            try:
                await test(made)
                await eventually(lambda: not made.view.busy)
            finally:
                owner.hide()
                made.find_bar.forget()
                await commands.settle()
                owner.deleteLater()

        run(body())

    yield go
    # What is left of the widgets must go on this thread.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


def at_bottom(view: LogView) -> bool:
    return view.verticalScrollBar().value() == view.verticalScrollBar().maximum()


def wheel_up(view: LogView, lines: int) -> None:
    view.verticalScrollBar().setValue(view.verticalScrollBar().value() - lines)


# --- Following ------------------------------------------------------------------------------------------------------


def test_it_follows_until_one_scrolls_up_and_again_at_the_bottom(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", numbered(500))

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText().endswith("line 000499\n"))
        assert at_bottom(view)
        wheel_up(view, 50)
        assert not view.following
        assert not made.follow.isChecked()
        stood = view.verticalScrollBar().value()
        desk.write_log("1", numbered(20, 500))
        await eventually(lambda: "line 000519" in view.toPlainText())
        assert view.verticalScrollBar().value() == stood
        view.verticalScrollBar().setValue(view.verticalScrollBar().maximum())
        assert made.follow.isChecked()
        desk.write_log("1", numbered(20, 520))
        await eventually(lambda: "line 000539" in view.toPlainText())
        assert at_bottom(view)
        wheel_up(view, 50)
        made.follow.setChecked(True)
        assert at_bottom(view)

    panel(test)


def test_chosen_text_is_not_scrolled_away(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", numbered(200))

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: len(view.keys) == 200)
        view.selectAll()
        stood = view.verticalScrollBar().value()
        desk.write_log("1", numbered(50, 200))
        await eventually(lambda: len(view.keys) == 250)
        assert view.verticalScrollBar().value() == stood
        assert not at_bottom(view)

    panel(test)


def test_a_running_line_is_replaced_by_what_it_becomes(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", b"begin\n 10%")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText() == "begin\n 10%")
        desk.write_log("1", b"\r 20%\x1b[")
        await eventually(lambda: view.toPlainText() == "begin\n 20%")
        desk.write_log("1", b"31m red\xe2\x82")
        await eventually(lambda: view.toPlainText() == "begin\n 20% red")
        desk.write_log("1", b"\xac\nend\n")
        await eventually(lambda: view.toPlainText() == "begin\n 20% red€\nend\n")

    panel(test)


def test_bars_that_are_drawn_again_above_the_last_line_stay_what_they_are(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", b"begin\nbar 1:  0%\nbar 2:  0%\n")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText() == "begin\nbar 1:  0%\nbar 2:  0%\n")
        desk.write_log("1", b"\x1b[2A\r\x1b[Kbar 1: 50%")
        await eventually(lambda: view.toPlainText() == "begin\nbar 1: 50%\nbar 2:  0%\n")
        made.find_bar.open_bar()
        type_in(made.find_bar, "bar 2")
        await eventually(lambda: made.find_bar.count.text() == "1 of 1")
        assert view.textCursor().blockNumber() == 2
        desk.write_log("1", b"\n\x1b[Kbar 2: 10%\nend\n")
        await eventually(lambda: view.toPlainText() == "begin\nbar 1: 50%\nbar 2: 10%\nend\n")
        assert view.keys == sorted(view.keys)

    panel(test)


def test_no_blank_line_lies_below_the_last_one(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", numbered(300))

    async def test(made: LogPanel) -> None:
        view = made.view
        height = view.fontMetrics().lineSpacing()
        last = lambda: view.document().findBlockByNumber(len(view.keys) - 1)  # noqa: E731
        below = lambda: (  # noqa: E731
            view.viewport().height() - view.blockBoundingGeometry(last()).translated(view.contentOffset()).bottom()
        )
        view.show_log("1", 1)
        await eventually(lambda: len(view.keys) == 300)
        assert 0 <= below() < 1.5 * height
        desk.write_log("1", b"an open line")
        await eventually(lambda: view.toPlainText().endswith("000299\nan open line"))
        assert below() >= height
        desk.write_log("1", b"\nits end\n")
        await eventually(lambda: view.toPlainText().endswith("an open line\nits end\n"))
        assert 0 <= below() < 1.5 * height

    panel(test)


def test_the_switch_for_long_lines_is_remembered(desk, panel, theme, tmp_path):
    async def test(made: LogPanel) -> None:
        made.wrap.click()
        remembered = made._remembered
        remembered.write()
        again = LogPanel(made._commands, theme, Remembered(tmp_path / "window.json", made), made)
        assert not again.wrap.isChecked()
        assert again.view.lineWrapMode() == LogView.LineWrapMode.NoWrap

    panel(test)


# --- Up and down a long log -----------------------------------------------------------------------------------------


def test_earlier_output_is_read_when_one_goes_up_and_the_place_stays(desk, panel):
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", numbered(20_000))
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText().endswith("line 019999\n"))
        assert len(view.keys) < 6000
        before_text = view.toPlainText()
        top = before_text.partition("\n")[0]
        view.verticalScrollBar().setValue(0)
        await eventually(lambda: not view.toPlainText().startswith(top))
        await eventually(lambda: not view.busy)
        assert "line 010000\n" in view.toPlainText()
        shown = view.firstVisibleBlock().text()
        assert shown == top
        assert not view.following

    panel(test)


def test_memory_is_bounded_and_the_whole_log_can_be_reached(desk, panel, monkeypatch):
    monkeypatch.setattr(log_paper, "LINES_KEPT", 1000)
    monkeypatch.setattr(log_view, "PAGE_BYTES", 4096)
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", numbered(5000))
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText().endswith("line 004999\n"))
        most = 0
        for _ in range(400):
            if view.toPlainText().startswith("line 000000"):
                break
            top = view.keys[0]
            view.verticalScrollBar().setValue(view.verticalScrollBar().minimum() + 1)
            await eventually(lambda top=top: not view.busy and view.keys[0] != top)
            most = max(most, len(view.keys))
        assert view.toPlainText().startswith("line 000000\nline 000001\n")
        assert most <= 1000 + 4096 // 12
        # And down again, though the end was given up meanwhile.
        assert not view.toPlainText().endswith("line 004999\n")
        for _ in range(400):
            if view.toPlainText().endswith("line 004999\n"):
                break
            end = view.keys[-1]
            view.verticalScrollBar().setValue(view.verticalScrollBar().maximum())
            await eventually(lambda end=end: not view.busy and view.keys[-1] != end)
            assert len(view.keys) <= 1000 + 4096 // 12
        lines = view.toPlainText().split()
        assert lines[-1] == "004999"
        numbers = [int(each) for each in lines[1::2]]
        assert numbers == list(range(numbers[0], 5000))

    panel(test)


def test_keys_go_to_the_very_beginning_and_to_the_end(desk, panel):
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", numbered(60_000))
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText().endswith("line 059999\n"))
        QTest.keyClick(view, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
        await eventually(lambda: view.toPlainText().startswith("line 000000"))
        assert view.firstVisibleBlock().text() == "line 000000"
        QTest.keyClick(view, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
        await eventually(lambda: view.toPlainText().endswith("line 059999\n"))
        await eventually(lambda: at_bottom(view))

    panel(test)


def test_a_dropped_middle_is_said_in_its_place(desk, panel):
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", b"head\n" * 3 + b"x" * 200_000 + b"\ntail\n")
    desk.drop_log("1", 15, 200_016)
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        made.view.show_log("1", 1)
        expected = "head\nhead\nhead\n… 195 KB were dropped here …\ntail\n"
        await eventually(lambda: made.view.toPlainText() == expected)
        assert "195 KB in the middle were dropped" in made.state.text()
        made.view.go_to_start()
        await eventually(lambda: made.view.toPlainText() == expected)

    panel(test)


def test_a_megabyte_without_a_line_end_neither_stalls_nor_changes_when_copied(desk, panel):
    desk.add("1", status="finished", attempts=1)
    text = b"".join(b"%07d," % number for number in range(131_072))
    desk.write_log("1", text)
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText().endswith("0131071,"))
        assert all(block <= 2001 for block in map(len, view.toPlainText().split("\n")))
        view.selectAll()
        view.copy()
        copied = QGuiApplication.clipboard().text()
        assert "\n" not in copied
        assert text.decode().endswith(copied)

    panel(test)


def test_another_job_in_the_middle_of_reading_shows_only_its_own_log(desk, panel):
    for id in ("1", "2"):
        desk.add(id, status="running", attempts=1)
    desk.write_log("1", b"of the first job\n" * 50_000)
    desk.write_log("2", b"of the second\n")
    desk.drop_log("2", 0, 3)

    async def test(made: LogPanel) -> None:
        for _ in range(5):
            made.view.show_log("1", 1)
            made.view.show_log("2", 1)
        await eventually(lambda: made.view.toPlainText().endswith("the second\n"))
        assert "first" not in made.view.toPlainText()

    panel(test)


def test_a_log_that_cannot_be_read_is_said_and_tried_again(desk, panel, monkeypatch):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", b"text\n")
    read, broken = desk.read_log, threading.Event()
    broken.set()

    def read_log(*arguments):
        if broken.is_set():
            raise PermissionError(13, "Permission denied")
        return read(*arguments)

    monkeypatch.setattr(desk, "read_log", read_log)

    async def test(made: LogPanel) -> None:
        made.view.show_log("1", 1)
        await eventually(lambda: made.state.text() == "The log cannot be read: Permission denied")
        broken.clear()
        await eventually(lambda: made.view.toPlainText() == "text\n")

    panel(test)


# --- Attempts -------------------------------------------------------------------------------------------------------


def test_the_next_attempt_follows_where_the_last_one_ended(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", b"a long line of the first attempt\n" * 3 + b"unfinished")

    async def test(made: LogPanel) -> None:
        made.show_log("1", 1, newest=True)
        await eventually(lambda: made.view.toPlainText().endswith("unfinished"))
        desk.write_log("1", b" end\n")
        desk.end_log("1")
        desk.change("1", attempts=2)
        desk.write_log("1", b"x\n", attempt=2)
        made.show_log("1", 2, newest=True)
        first = "a long line of the first attempt\n" * 3 + "unfinished end\n"
        await eventually(lambda: made.view.toPlainText() == first + "— attempt 2 —\nx\n")
        desk.write_log("1", b"y\n", attempt=2)
        await eventually(lambda: made.view.toPlainText().endswith("x\ny\n"))
        assert made.view.attempt == 2
        made.show_log("1", 1, newest=False)
        await eventually(lambda: made.view.toPlainText() == first)

    panel(test)


def test_an_attempt_that_ended_within_a_line_leaves_it_as_it_is(desk, panel):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", b"no end")
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        made.show_log("1", 1, newest=True)
        await eventually(lambda: made.view.toPlainText() == "no end")
        desk.change("1", attempts=3)
        desk.end_log("1", 2)
        desk.write_log("1", b"third\n", attempt=3)
        made.show_log("1", 3, newest=True)
        await eventually(lambda: made.view.toPlainText() == "no end\n— attempt 2 —\n— attempt 3 —\nthird\n")
        assert made.view.keys == sorted(made.view.keys)

    panel(test)


# --- Searching ------------------------------------------------------------------------------------------------------


def type_in(bar: LogFind, text: str) -> None:
    bar.open_bar()
    bar.field.clear()
    QTest.keyClicks(bar.field, text)
    QTest.keyClick(bar.field, Qt.Key.Key_Return)


def test_the_whole_log_is_searched_and_stepped_through(desk, panel):
    desk.add("1", status="running", attempts=1)
    log = numbered(30_000).replace(b"line 000007", b"Needle \x1b[31mone needle\x1b[0m")
    desk.write_log("1", log.replace(b"line 029000", b"NEEDLE three"))

    async def test(made: LogPanel) -> None:
        view, bar = made.view, made.find_bar
        view.show_log("1", 1)
        await eventually(lambda: view.toPlainText().endswith("line 029999\n"))
        type_in(bar, "needle")
        await eventually(lambda: bar.count.text() == "3 of 3")
        assert "NEEDLE three" in view.toPlainText()
        bar.next()
        await eventually(lambda: bar.count.text() == "1 of 3")
        await eventually(lambda: "Needle one needle" in view.toPlainText() and not view.busy)
        await eventually(
            lambda: [each.cursor.selectedText() for each in view.extraSelections()] == ["Needle", "needle"]
        )
        current = [each.format.background().color() for each in view.extraSelections()]
        bar.next()
        assert bar.count.text() == "2 of 3"
        assert [each.format.background().color() for each in view.extraSelections()] == current[::-1]
        bar.previous()
        bar.previous()
        assert bar.count.text() == "3 of 3"
        assert not view.following
        desk.write_log("1", b"a needle more\n")
        made.follow.setChecked(True)
        await eventually(lambda: bar.count.text() == "3 of 4")
        QTest.keyClick(bar.field, Qt.Key.Key_Escape)
        assert bar.isHidden()
        assert view.extraSelections() == []

    panel(test)


def test_what_is_not_there_is_said_and_errors_are_found_by_themselves(desk, panel):
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", b"fine\n" * 400 + b"ValueError: no\n" + b"fine\n" * 400)
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        view, bar = made.view, made.find_bar
        view.show_log("1", 1)
        await eventually(lambda: len(view.keys) == 801)
        type_in(bar, "absent")
        await eventually(lambda: bar.count.text() == "Not found")
        bar.find_errors()
        await eventually(lambda: bar.count.text() == "1 of 1")
        assert view.textCursor().block().text() == "ValueError: no"
        assert not view.following

    panel(test)


def test_a_search_is_given_up_when_another_begins(desk, panel, monkeypatch):
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", numbered(1000))
    desk.end_log("1")
    first_may_go_on = threading.Event()
    searches: list[LogSearch] = []
    take = LogSearch._take

    def slow(self, *arguments):
        searches.append(self)
        if self is searches[0]:
            first_may_go_on.wait(20)
        take(self, *arguments)

    monkeypatch.setattr(LogSearch, "_take", slow)

    async def test(made: LogPanel) -> None:
        made.view.show_log("1", 1)
        await eventually(lambda: len(made.view.keys) == 1000)
        type_in(made.find_bar, "line")
        await eventually(lambda: searches)
        type_in(made.find_bar, "000500")
        assert searches[0].stopped
        first_may_go_on.set()
        await eventually(lambda: made.find_bar.count.text() == "1 of 1")

    panel(test)


@pytest.mark.parametrize(
    "log",
    [
        b"one\nTwo one\n\nthree ONE",
        b"\x1b[31mo\x1b[0mne\nzero\rone \none",
        b"\xff one\none\xff one\n",
        b"y" * 1998 + b"one one\n" + b"one\n",
        "één one\nöne one\n".encode(),
    ],
)
def test_searching_finds_what_the_lines_show(desk, log: bytes):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", log)
    read = lambda offset, limit: desk.read_log(_job("1"), 1, offset, limit)  # noqa: E731
    pattern = words_pattern("one")
    page = Onward(read, 0).next(10**6)
    shown = [*page.lines, *page.open]
    expected = [Hit(line.at, nth) for line in shown for nth, _ in enumerate(pattern.finditer(line.text))]
    search = LogSearch(read, pattern)
    search.run()
    search.run()
    assert search.hits == expected
    assert expected


def test_very_many_hits_are_capped(desk):
    desk.add("1", status="running", attempts=1)
    desk.write_log("1", b"error error\n" * 20_000)
    search = LogSearch(lambda offset, limit: desk.read_log(_job("1"), 1, offset, limit), ERRORS)
    search.run()
    assert (len(search.hits), search.full) == (10_000, True)
    assert search.hits == sorted(search.hits)


def _job(id: str):
    from tidegate.core.job import JobId

    return JobId.parse(id)


def test_pages_upwards_and_onwards_meet(desk):
    desk.add("1", status="finished", attempts=1)
    log = numbered(300) + b"z" * 5000 + b"\n" + numbered(300, 300)
    desk.write_log("1", log)
    read = lambda offset, limit: desk.read_log(_job("1"), 1, offset, limit)  # noqa: E731
    onward, page = begin_at(read, -700, 700)
    lines = list(page.lines)
    top = page.top
    while top > 0:
        above = before(read, top, 700, None)
        assert above.top < top
        top = above.top
        lines = [*above.lines, *lines]
    while not (page := onward.next(700)).complete:
        lines += page.lines
    text = "".join(line.text + ("\n" if not line.text.startswith("z") else "") for line in lines)
    assert text.replace("z", "") == log.decode().replace("z" * 5000 + "\n", "")
    assert sum(line.text.count("z") for line in lines) == 5000


# --- Colours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read(theme, scheme: str):
    theme.follow(SCHEMES[scheme])
    paint = LogPaint(theme)
    paper = QColor(theme.tokens.window)
    styles = [Style(foreground=n) for n in range(256)]
    styles += [Style(foreground=(r, g, 128)) for r in range(0, 256, 51) for g in range(0, 256, 51)]
    for style in styles:
        assert contrast(paint.format(style).foreground().color(), paper) >= LEAST_CONTRAST, style
    for n in range(16):
        form = paint.format(Style(background=n))
        assert contrast(form.foreground().color(), form.background().color()) >= 3.0, n
    turned = paint.format(Style(inverse=True))
    assert turned.background().color() == QColor(theme.tokens.text)
    assert turned.foreground().color() == paper


def test_a_change_of_scheme_recolours_the_log_where_it_stands(desk, panel, theme):
    theme.follow(SCHEMES["light"])
    desk.add("1", status="finished", attempts=1)
    desk.write_log("1", b"\x1b[32mgreen\x1b[0m\n" * 3000)
    desk.end_log("1")

    async def test(made: LogPanel) -> None:
        view = made.view
        view.show_log("1", 1)
        await eventually(lambda: len(view.keys) == 3000)

        def colour() -> QColor:
            cursor = view.cursorForPosition(view.viewport().rect().topLeft())
            cursor.movePosition(cursor.MoveOperation.NextCharacter)
            return cursor.charFormat().foreground().color()

        light = colour()
        wheel_up(view, 1000)
        stood = view.key_in_sight()
        theme.follow(SCHEMES["dark"])
        await eventually(lambda: view.keys and not view.busy and colour() != light)
        assert view.key_in_sight() == stood

    panel(test)

"""The tray: an icon for every state and style, a menu that says and asks what is right, and keeps still while open."""

from __future__ import annotations

import itertools
import math
import os
import time
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QShortcut
from PySide6.QtWidgets import QApplication, QMenu, QPushButton, QSystemTrayIcon

from support.fake_desk import FakeDesk, a_job_view, a_machine_view
from support.until import eventually
from tidegate.core.job import JobId
from tidegate.engine.ports import Command, Verb
from tidegate.engine.views import IntakeView
from tidegate.gui.commands import Commands
from tidegate.gui.moments import tomorrow_morning
from tidegate.gui.tray import host as tray_host
from tidegate.gui.tray import tray as tray_module
from tidegate.gui.tray.facts import TrayFacts, state_line, tooltip
from tidegate.gui.tray.icons import SIZES, STATES, fitted, tray_icon, tray_style
from tidegate.gui.tray.menu import literal, literal_over_dbus
from tidegate.gui.tray.plan import Ask, PauseUntil, QuietUntil, Wish, plan_menu
from tidegate.gui.tray.tray import Tray

pytestmark = pytest.mark.qt_log_ignore(
    r"^This plugin does not support (raise\(\)|propagateSizeHints\(\)|grabbing the keyboard)$"
)
NOW = datetime(2026, 11, 24, 14, 0).timestamp()
OPEN = IntakeView(True, None, False, False, None)
PAUSED = IntakeView(False, None, False, False, "paused by you")


def a_status(**fields: object):
    return replace(FakeDesk(lambda: NOW).status(), **fields)


def labels(plan) -> list[list[str]]:
    """The entries' labels by group, without empty groups."""
    return [[entry.label for entry in group] for group in plan.groups if group]


def entry(plan, label: str):
    found = [each for group in plan.groups for each in group if each.label.startswith(label)]
    assert len(found) == 1, labels(plan)
    return found[0]


def action(menu: QMenu, *path: str):
    """The action whose labels begin so."""
    *above, last = path
    for label in above:
        menu = action(menu, label).menu()
    return next(each for each in menu.actions() if each.text().startswith(last))


def texts(menu: QMenu) -> list[str]:
    return [each.text() for each in menu.actions() if not each.isSeparator()]


# --- Icons ----------------------------------------------------------------------------------------------------------


def drawn(state: str, style: str, pixels: int) -> QImage:
    return tray_icon(state, style).pixmap(pixels, pixels).toImage()


def mask(image: QImage) -> set[tuple[int, int]]:
    """The pixels that are mostly covered: what is left of a drawing without any colour."""
    size = image.width()
    return {(x, y) for x, y in itertools.product(range(size), repeat=2) if image.pixelColor(x, y).alpha() > 127}


@pytest.mark.parametrize("pixels", [16, 22, 24])
def test_every_state_has_a_shape_of_its_own_in_one_colour(qapp, pixels):
    masks = {state: mask(drawn(state, "dark", pixels)) for state in STATES}
    for one, other in itertools.combinations(STATES, 2):
        # Nobody counts single pixels: a part of the square as large as a quarter of its side, squared, at least.
        assert len(masks[one] ^ masks[other]) >= (pixels / 4) ** 2 * 1.25, (one, other)


def contrast(one, other) -> float:
    """The ratio of WCAG 2.2, 1 to 21."""

    def light(colour) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.getRgbF()[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    bright, dim = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("state", STATES)
def test_the_sign_stands_out_from_its_own_tile_so_that_no_panel_matters(qapp, state):
    image = drawn(state, "colour", 64)
    symbol = mask(drawn(state, "dark", 64))
    tile = image.pixelColor(32, 2)
    signs = [
        image.pixelColor(x, y)
        for x, y in symbol
        if image.pixelColor(x, y).alpha() == 255 and image.pixelColor(x, y).name() == "#ffffff"
    ]
    assert len(signs) > 64 * 64 * 0.06
    assert contrast(signs[0], tile) >= 3.0
    water = image.pixelColor(32, 60)
    assert contrast(water, tile) >= 1.4
    assert water != tile


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("style", "colour"), [("light", "#f2f4f7"), ("dark", "#24282e"), ("template", "#000000")])
def test_a_symbol_has_one_colour_and_nothing_behind_it(qapp, state, style, colour):
    image = drawn(state, style, 32)
    seen = {
        image.pixelColor(x, y).name()
        for x, y in itertools.product(range(32), repeat=2)
        if image.pixelColor(x, y).alpha() == 255
    }
    assert seen == {colour}
    assert image.pixelColor(0, 0).alpha() == 0
    assert tray_icon(state, style).isMask() == (style == "template")


@pytest.mark.parametrize("pixels", SIZES)
def test_water_is_under_every_sign(qapp, pixels):
    for state in STATES:
        rows = {y for _x, y in mask(drawn(state, "light", pixels))}
        lowest = max(rows)
        assert lowest >= pixels * 0.8
        assert len([x for x, y in mask(drawn(state, "light", pixels)) if y in (lowest, lowest - 1)]) >= pixels * 0.4


@pytest.mark.parametrize("pixels", SIZES)
def test_bars_stand_on_whole_pixels_and_the_same_on_both_sides(pixels):
    bars = b"".join(b'<rect x="%d" y="2" width="2" height="8"/>' % x for x in (2, 12))
    edges = []
    for part in fitted(bars, pixels).decode().split("<rect ")[1:]:
        x, y, width, height = (float(value) * pixels / 16 for value in part.split('"')[1:8:2])
        for number in (x, y, width, height):
            assert number == pytest.approx(round(number), abs=1e-3)
        edges.append((round(x), round(x + width)))
    (left, left_end), (right, right_end) = edges
    assert (left, left_end) == (pixels - right_end, pixels - right)
    assert left_end > left


@pytest.mark.parametrize(
    ("wanted", "platform", "desktop", "style"),
    [
        ("auto", "linux", "XFCE", "colour"),
        ("auto", "linux", "KDE", "colour"),
        ("auto", "linux", "GNOME", "light"),
        ("auto", "linux", "ubuntu:GNOME", "light"),
        ("auto", "linux", "Budgie:GNOME", "colour"),
        ("auto", "linux", "GNOME-Classic:GNOME", "colour"),
        ("auto", "linux", "", "colour"),
        ("auto", "win32", "", "colour"),
        ("auto", "darwin", "", "template"),
        ("dark", "darwin", "", "template"),
        ("colour", "darwin", "", "colour"),
        ("colour", "linux", "GNOME", "colour"),
        ("dark", "linux", "GNOME", "dark"),
        ("light", "win32", "", "light"),
    ],
)
def test_auto_is_in_colour_but_where_the_desktop_wants_symbols(wanted, platform, desktop, style):
    assert tray_style(wanted, platform, desktop) == style


# --- Words ----------------------------------------------------------------------------------------------------------


def facts(**fields: object) -> TrayFacts:
    return TrayFacts(status=fields.pop("status", a_status(counts={"running": 2, "queued": 1})), **fields)


@pytest.mark.parametrize(
    ("intake", "mode", "said", "icon"),
    [
        (OPEN, "NORMAL", "Normal", "normal"),
        (OPEN, "HIGH", "High", "high"),
        (OPEN, "EMERGENCY", "Emergency", "emergency"),
        (PAUSED, "EMERGENCY", "Paused", "paused"),
        (replace(PAUSED, until=NOW + 1800), "NORMAL", "Paused until 14:30", "paused"),
        (replace(PAUSED, until=NOW + 86400), "NORMAL", "Paused until tomorrow 14:00", "paused"),
        (replace(PAUSED, drain=True), "NORMAL", "Starts nothing new", "paused"),
        (replace(PAUSED, gpu_only=True), "HIGH", "High · GPU paused", "high"),
        (replace(PAUSED, gpu_only=True, until=NOW + 60), "NORMAL", "Normal · GPU paused until 14:01", "normal"),
    ],
)
def test_the_state_is_told_in_words_with_its_end(intake, mode, said, icon):
    told = facts(status=a_status(intake=intake, mode=mode, counts={"running": 2, "queued": 1}))
    assert state_line(told, NOW) == f"{said} · 2 running · 1 waiting"
    assert told.state == icon
    lines = tooltip(told, NOW).split("\n")
    assert lines[0] == f"Tidegate: {said[0].lower()}{said[1:]}"
    assert lines[1:] == ["2 running · 1 waiting", "17 GB free for jobs · CPU 25 %"]


def test_the_tooltip_stays_three_short_lines():
    told = facts(unread=12, status=a_status(machine=a_machine_view(cpu_pct=None, memory_headroom_bytes=-5)))
    lines = tooltip(told, NOW).split("\n")
    assert lines == ["Tidegate: normal · 12 new", "nothing runs or waits", "0 B free for jobs"]
    assert max(map(len, lines)) <= 48


def test_without_an_engine_it_says_so_and_why():
    told = TrayFacts(offline="The engine of this folder has ended.")
    assert told.state == "offline"
    assert tooltip(told, NOW) == "Tidegate: no engine\nThe engine of this folder has ended."
    two = TrayFacts(offline="The engine of v1.5 has ended. Running jobs go on.")
    assert state_line(two, NOW) == "The engine of v1.5 has ended."
    assert tooltip(two, NOW) == "Tidegate: no engine\nThe engine of v1.5 has ended.\nRunning jobs go on."
    assert tooltip(TrayFacts(), NOW) == "Tidegate: starting…"


# --- The plan -------------------------------------------------------------------------------------------------------


def test_the_whole_menu():
    jobs = tuple(a_job_view(str(n), name=f"job {n}", status="running") for n in range(1, 6))
    plan = plan_menu(facts(jobs=jobs, unread=3, status=a_status(counts={"running": 7})), NOW)
    assert plan.line == "Normal · 7 running · 0 waiting"
    assert labels(plan) == [
        ["Open Tidegate"],
        [*(f"job {n} · running" for n in range(1, 6)), "2 more…"],
        ["Pause", "Pause GPU only", "Start nothing new"],
        ["Submit…", "Drop basket", "Do not disturb"],
        ["Inbox: 3 new", "Settings…"],
        ["Quit…"],
    ]
    assert [each.label for each in entry(plan, "job 1").below] == ["Open log", "Pause", "Stop"]
    pauses = plan.groups[2][0].below
    assert [(each.label, each.asks) for each in pauses] == [
        ("for 30 min", Command(Verb.PAUSE, None, seconds=1800.0)),
        ("for 1 h", Command(Verb.PAUSE, None, seconds=3600.0)),
        ("for 3 h", Command(Verb.PAUSE, None, seconds=10800.0)),
        ("until tomorrow 08:00", PauseUntil(tomorrow_morning(NOW))),
        ("until I resume", Command(Verb.PAUSE, None)),
    ]
    assert labels(plan_menu(facts(), NOW, with_open=False))[0] == ["Pause", "Pause GPU only", "Start nothing new"]


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("running", [("Open log", True), ("Pause", True), ("Stop", True)]),
        ("paused", [("Open log", True), ("Resume", True), ("Stop", True)]),
        ("starting", [("Open log", True), ("Pause", False), ("Stop", True)]),
        ("stopping", [("Open log", True), ("Pause", False), ("Stop", False)]),
    ],
)
def test_a_job_offers_what_fits_its_status(status, offered):
    plan = plan_menu(facts(jobs=(a_job_view("7.3", name="x", status=status),)), NOW)
    below = entry(plan, "x [3]").below
    assert [(each.label, each.enabled) for each in below] == offered
    assert below[0].asks == Ask(Wish.LOG, ("7.3",))
    wanted = {"Pause": Verb.PAUSE, "Resume": Verb.RESUME}[below[1].label]
    assert below[1].asks == Command(wanted, (JobId(7, 3),))
    assert below[2].asks == Command(Verb.CANCEL, (JobId(7, 3),))


RESUME = Command(Verb.RESUME, None)
GPU, DRAIN = Command(Verb.PAUSE, None, gpu=True), Command(Verb.PAUSE, None, drain=True)


@pytest.mark.parametrize(
    ("intake", "first", "gpu", "drain"),
    [
        (OPEN, "Pause", (False, True, GPU), (False, True, DRAIN)),
        (PAUSED, "Resume", (False, False, GPU), (False, False, DRAIN)),
        (replace(PAUSED, gpu_only=True), "Pause", (True, True, RESUME), (False, True, DRAIN)),
        (replace(PAUSED, drain=True), "Pause", (False, True, GPU), (True, True, RESUME)),
    ],
)
def test_what_was_paused_can_be_taken_back_where_it_was_asked(intake, first, gpu, drain):
    plan = plan_menu(facts(status=a_status(intake=intake)), NOW)
    group = next(group for group in plan.groups if any(each.label == "Pause GPU only" for each in group))
    assert group[0].label == first
    assert group[0].asks == (RESUME if first == "Resume" else None)
    assert [(each.checked, each.enabled, each.asks) for each in group[1:]] == [gpu, drain]


def test_without_a_card_there_is_no_gpu_to_pause_but_one_that_was_can_be_resumed():
    bare = a_machine_view(cards=())
    assert not entry(plan_menu(facts(status=a_status(machine=bare)), NOW), "Pause GPU only").enabled
    lost = a_status(machine=bare, intake=replace(PAUSED, gpu_only=True))
    assert entry(plan_menu(facts(status=lost), NOW), "Pause GPU only").enabled


def test_do_not_disturb_is_one_entry_that_also_takes_it_back():
    off = entry(plan_menu(facts(), NOW), "Do not disturb")
    assert [(each.label, each.asks) for each in off.below] == [
        ("for 1 h", Ask(Wish.QUIET, (3600.0,))),
        ("until tomorrow 08:00", QuietUntil(tomorrow_morning(NOW))),
        ("until I turn it off", Ask(Wish.QUIET, (None,))),
    ]
    for until, label in ((NOW + 3600, "Do not disturb until 15:00"), (math.inf, "Do not disturb")):
        on = entry(plan_menu(facts(quiet_until=until), NOW), "Do not disturb")
        assert (on.label, on.checked, on.asks, on.below) == (label, True, Ask(Wish.QUIET, (False,)), ())


def test_without_an_engine_only_what_works_is_offered():
    assert labels(plan_menu(TrayFacts(), NOW)) == [["Quit…"]]
    plan = plan_menu(TrayFacts(offline="The engine has ended."), NOW)
    assert plan.line == "The engine has ended."
    assert labels(plan) == [["Open Tidegate"], ["Start an engine here"], ["Quit…"]]
    assert len(plan_menu(TrayFacts(offline="a long sentence " * 20), NOW).line) <= 72


# --- Tomorrow -------------------------------------------------------------------------------------------------------


@pytest.fixture
def zone(monkeypatch):
    def use(name: str) -> ZoneInfo:
        monkeypatch.setenv("TZ", name)
        time.tzset()
        return ZoneInfo(name)

    yield use
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed here")
@pytest.mark.parametrize(
    ("name", "at", "morning"),
    [
        ("Europe/Berlin", "2026-11-24 14:00", "2026-11-25 08:00"),
        ("Europe/Berlin", "2026-11-24 23:59", "2026-11-25 08:00"),
        ("Europe/Berlin", "2026-11-25 02:30", "2026-11-25 08:00"),  # still up: the morning that is coming
        ("Europe/Berlin", "2026-11-25 05:00", "2026-11-26 08:00"),
        ("Europe/Berlin", "2026-12-31 20:00", "2027-01-01 08:00"),
        ("Europe/Berlin", "2028-02-28 20:00", "2028-02-29 08:00"),
        ("Europe/Berlin", "2026-10-24 20:00", "2026-10-25 08:00"),  # the night with an hour more
        ("Europe/Berlin", "2026-03-28 20:00", "2026-03-29 08:00"),  # and the one with an hour less
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 08:00"),
        ("Asia/Kathmandu", "2026-06-01 12:00", "2026-06-02 08:00"),
    ],
)
def test_tomorrow_is_the_morning_after_the_next_sleep(zone, name, at, morning):
    place = zone(name)
    now = datetime.fromisoformat(at).replace(tzinfo=place).timestamp()
    assert datetime.fromtimestamp(tomorrow_morning(now), place) == datetime.fromisoformat(morning).replace(tzinfo=place)


# --- The tray itself ------------------------------------------------------------------------------------------------


@pytest.fixture
def with_tray(run, desk, open_shell):
    """Runs ``test(shell)`` with the application's inside around ``desk``, without a window."""

    def go(test) -> None:
        async def body() -> None:
            await test(open_shell())

        run(body())

    return go


def test_names_in_the_menu_are_shown_as_they_are():
    assert literal("a_b & c & d") == "a_b && c && d"
    # Qt makes "a__b _& c & d" of it, and a host draws what was meant.
    assert literal_over_dbus("a_b & c & d") == "a__b && c & d"


def test_what_is_chosen_reaches_the_engine(desk, with_tray):
    desk.add("1", name="a&b.py", status="running", started_at=1.0)

    async def test(shell) -> None:
        menu = shell.tray.menu
        assert texts(menu)[:3] == ["Open Tidegate", "Normal · 1 running · 0 waiting", "a&&b.py · running"]
        for path, command in (
            (("a&&b.py", "Pause"), Command(Verb.PAUSE, (JobId(1),))),
            (("a&&b.py", "Stop"), Command(Verb.CANCEL, (JobId(1),))),
            (("Start nothing new",), DRAIN),
            (("Pause", "until I resume"), Command(Verb.PAUSE, None)),
        ):
            shell.tray._update()
            asked = len(desk.commands)
            action(menu, *path).trigger()
            await eventually(lambda asked=asked: len(desk.commands) > asked)
            assert desk.commands[-1] == command

    with_tray(test)


def test_what_is_refused_from_the_menu_brings_the_window_with_the_reason(desk, with_tray):
    desk.add("1", name="a.py", status="running", started_at=1.0)

    async def test(shell) -> None:
        shell.tray._update()
        stop = action(shell.tray.menu, "a.py", "Pause")
        desk.change("1", status="finished", outcome="succeeded")
        stop.trigger()
        await eventually(lambda: "window" in shell.__dict__)
        assert shell.window.isVisible()
        assert "Job 1 is finished" in shell.window.messages.text

    with_tray(test)


def test_an_offer_instead_of_what_was_refused_comes_with_it(desk, with_tray):
    async def test(shell) -> None:
        shell.outside.refused.emit("The card is busy.", Command(Verb.RELEASE, (JobId(1),)))
        assert shell.window.isVisible()
        assert shell.window.messages.text == "The card is busy."
        [button] = [b for b in shell.window.messages.findChildren(QPushButton) if b.text() == "Join the queue"]
        button.click()
        await eventually(lambda: desk.commands)
        assert desk.commands == [Command(Verb.RELEASE, (JobId(1),))]

    with_tray(test)


def test_files_that_a_start_without_window_cannot_submit_are_said(desk, with_tray, tmp_path):
    async def test(shell) -> None:
        shell.submit([str(tmp_path / "none.sh")])
        await eventually(lambda: "window" in shell.__dict__)
        assert "none.sh" in shell.window.messages.text
        assert shell.window.isVisible()

    with_tray(test)


def test_a_pause_until_tomorrow_is_as_long_as_it_is_until_then(desk, with_tray):
    async def test(shell) -> None:
        before = time.time()
        action(shell.tray.menu, "Pause", "until tomorrow" if time.localtime().tm_hour >= 4 else "until 08:00").trigger()
        await eventually(lambda: desk.commands)
        lasts = tomorrow_morning(before) - before
        assert desk.commands[0].seconds == pytest.approx(lasts, abs=60.0)

    with_tray(test)


def test_every_wish_has_its_signal(desk, run):
    desk.add("1", name="one", status="running", started_at=1.0)

    async def test() -> None:
        tray = Tray()
        tray.connect_desk(Commands(desk))
        heard: list[tuple[object, ...]] = []
        for name in ("open", "submit", "inbox", "settings", "quit", "log", "quiet"):
            signal = getattr(tray, f"{name}_wanted")
            signal.connect(lambda *values, name=name: heard.append((name, *values)))
        tray.basket_toggled.connect(lambda on: heard.append(("basket", on)))
        for path, said in (
            (("Open Tidegate",), ("open",)),
            (("one", "Open log"), ("log", "1")),
            (("Submit",), ("submit",)),
            (("Drop basket",), ("basket", True)),
            (("Do not disturb", "for 1 h"), ("quiet", 3600.0)),
            (("Do not disturb", "until I turn"), ("quiet", None)),
            (("Inbox",), ("inbox",)),
            (("Settings",), ("settings",)),
            (("Quit",), ("quit",)),
        ):
            heard.clear()
            action(tray.menu, *path).trigger()
            assert heard == [said]
        tray.set_quiet(math.inf)
        action(tray.menu, "Do not disturb").trigger()
        assert heard[1:] == [("quiet", False)]
        tray.hide()

    run(test())


def test_a_tick_moves_when_it_has_come_true_and_not_before(desk, run):
    async def test() -> None:
        tray = Tray()
        tray.connect_desk(Commands(desk))
        action(tray.menu, "Drop basket").trigger()
        assert not action(tray.menu, "Drop basket").isChecked()
        tray.set_basket(True)
        assert action(tray.menu, "Drop basket").isChecked()
        tray.hide()

    run(test())


def test_an_open_menu_keeps_still_and_catches_up_when_it_has_closed(desk, with_tray, monkeypatch):
    async def test(shell) -> None:
        tray = shell.tray
        tray.menu.popup(tray.menu.pos())
        before = tray.menu.actions()
        desk.add("1", name="new one", status="running", started_at=1.0)
        desk.set_status()
        await eventually(lambda: tray.facts.status.counts["running"] == 1)
        tray._update()
        assert tray.menu.actions() == before
        assert "new one · running" not in texts(tray.menu)
        tray.menu.hide()
        await eventually(lambda: "new one · running" in texts(tray.menu))

    with_tray(test)


def test_a_menu_that_a_panel_draws_keeps_still_from_its_opening_to_a_moment_after_its_closing(desk, with_tray):
    async def test(shell) -> None:
        tray = shell.tray
        tray._over_dbus = True
        tray.menu.aboutToShow.emit()
        before = tray.menu.actions()
        desk.add("1", name="new_one", status="running", started_at=1.0)
        desk.set_status()
        await eventually(lambda: tray.facts.status.counts["running"] == 1)
        tray._update()
        tray.menu.aboutToHide.emit()
        tray._update()
        # The click that closed it may come after it.
        assert tray.menu.actions() == before
        await eventually(lambda: "new__one · running" in texts(tray.menu))

    with_tray(test)


def test_a_panel_that_never_says_that_the_menu_closed_is_not_waited_for_for_ever(desk, with_tray, monkeypatch):
    async def test(shell) -> None:
        tray = shell.tray
        tray._over_dbus = True
        monkeypatch.setattr(tray_module, "OPEN_FOR_MS", 100)
        tray.menu.aboutToShow.emit()
        desk.add("1", name="later", status="running", started_at=1.0)
        desk.set_status()
        await eventually(lambda: tray.facts.status.counts["running"] == 1)
        assert "later · running" not in texts(tray.menu)
        await eventually(lambda: "later · running" in texts(tray.menu))

    with_tray(test)


def test_a_menu_that_opens_is_never_what_was_true_when_it_last_opened(desk, with_tray):
    async def test(shell) -> None:
        tray = shell.tray
        tray._over_dbus = True
        tray.menu.aboutToShow.emit()
        tray.set_unread(2)
        assert "Inbox" in texts(tray.menu)
        tray.menu.aboutToShow.emit()
        assert "Inbox: 2 new" in texts(tray.menu)
        action(tray.menu, "Start nothing new").trigger()
        tray.set_unread(0)
        # What was clicked has closed it.
        await eventually(lambda: "Inbox" in texts(tray.menu))
        tray.menu.aboutToShow.emit()
        tray.show_offline("The engine has ended.")
        assert "Start an engine here" in texts(tray.menu)

    with_tray(test)


def test_only_the_line_is_written_anew_while_the_rest_stands(desk, with_tray):
    async def test(shell) -> None:
        before = shell.tray.menu.actions()
        desk.add_many(3)
        desk.set_status()
        await eventually(lambda: texts(shell.tray.menu)[1] == "Normal · 0 running · 3 waiting")
        assert shell.tray.menu.actions() == before

    with_tray(test)


def test_menus_that_are_made_anew_leave_nothing_behind(desk, with_tray):
    desk.add("1", name="0", status="running", started_at=1.0)

    async def test(shell) -> None:
        tray = shell.tray
        counts = []
        for number in range(1, 6):
            desk.change("1", name=str(number))
            tray._update()
            assert texts(tray.menu)[2] == f"{number} · running"
            QApplication.sendPostedEvents(None, 52)  # DeferredDelete
            counts.append(len(tray.menu.findChildren(QObject)))
        assert counts[-1] == counts[0]

    with_tray(test)


def test_an_engine_that_goes_away_and_comes_back(desk, with_tray):
    async def test(shell) -> None:
        tray = shell.tray
        asked: list[None] = []
        tray.start_engine_wanted.connect(lambda: asked.append(None))
        tray.show_offline("The engine has ended.")
        assert tray.facts.state == "offline"
        assert texts(tray.menu) == ["Open Tidegate", "The engine has ended.", "Start an engine here", "Quit…"]
        action(tray.menu, "Start an engine").trigger()
        assert asked == [None]
        tray.show_offline(None)
        assert texts(tray.menu) == ["Starting…", "Quit…"]
        tray.show_status(desk.status())
        assert tray.facts.state == "normal"
        assert "Submit…" in texts(tray.menu)

    with_tray(test)


class FakeIcon(QObject):
    """A QSystemTrayIcon that keeps what it was told."""

    activated = Signal(QSystemTrayIcon.ActivationReason)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.icons: list[object] = []
        self.tips: list[str] = []

    def setIcon(self, icon: object) -> None:
        self.icons.append(icon)

    def setToolTip(self, text: str) -> None:
        self.tips.append(text)

    def setContextMenu(self, _menu: QMenu) -> None:
        pass

    def show(self) -> None:
        pass

    def hide(self) -> None:
        pass


@pytest.fixture
def fake_icon(monkeypatch):
    monkeypatch.setattr(tray_module, "QSystemTrayIcon", FakeIcon)
    monkeypatch.setattr(tray_module.TrayHost, "over_dbus", lambda _self: False)


def test_the_icon_follows_state_and_setting_and_is_told_each_once(desk, with_tray, fake_icon):
    async def test(shell) -> None:
        tray = shell.tray
        tray._show_icon()
        icon = tray.icon
        assert icon.icons == [tray_icon("normal", "colour")]
        desk.set_status(mode="HIGH")
        await eventually(lambda: icon.icons[-1] is tray_icon("high", "colour"))
        told = len(icon.tips)
        desk.set_status(mode="HIGH")
        tray._update()
        assert len(icon.icons) == 2
        assert len(icon.tips) == told
        await desk.change_setting("tray_icon", "dark")
        await eventually(lambda: icon.icons[-1] is tray_icon("high", "dark"))
        tray.show_offline("Gone.")
        assert icon.icons[-1] is tray_icon("offline", "dark")
        assert icon.tips[-1] == "Tidegate: no engine\nGone."

    os.environ.pop("XDG_CURRENT_DESKTOP", None)
    with_tray(test)


def test_before_the_engine_is_there_it_says_so(qapp, fake_icon):
    tray = Tray()
    tray._show_icon()
    assert tray.icon.icons == [tray_icon("offline", "colour")]
    assert tray.icon.tips == ["Tidegate: starting…"]
    assert texts(tray.menu) == ["Starting…", "Quit…"]
    tray.hide()


@pytest.fixture
def panel(monkeypatch):
    """Whether a panel is there that shows icons, for whoever asks."""
    there = {"is": False}
    monkeypatch.setattr(tray_host.TrayHost, "present", lambda _self: there["is"])
    monkeypatch.setattr(tray_host, "LOOK_EVERY_MS", 10)
    monkeypatch.setattr(tray_host, "LOOK_LATER_MS", 20)
    return there


def test_a_panel_that_comes_late_gets_the_icon(desk, with_tray, fake_icon, panel):
    async def test(shell) -> None:
        tray = shell.tray
        tray.show()
        assert not tray.available
        panel["is"] = True
        await eventually(lambda: tray.available)
        assert tray.icon.icons == [tray_icon("normal", "colour")]

    with_tray(test)


def test_without_a_panel_a_window_takes_its_place_once_and_a_panel_may_still_come(
    desk, with_tray, fake_icon, panel, monkeypatch
):
    monkeypatch.setattr(tray_host, "LOOK_FOR_S", 0.0)

    async def test(shell) -> None:
        tray = shell.tray
        told: list[None] = []
        tray.missed.connect(shell.show_without_tray)
        tray.missed.connect(lambda: told.append(None))
        tray.show()
        await eventually(lambda: told)
        assert shell.window.isMinimized()
        assert not tray.available
        panel["is"] = True
        await eventually(lambda: tray.available)
        assert told == [None]

    with_tray(test)


# --- The window's menu ----------------------------------------------------------------------------------------------


def test_the_window_has_the_same_menu_by_button_and_key(desk, with_tray):
    desk.add("1", name="a&b.py", status="running", started_at=1.0)

    async def test(shell) -> None:
        shell.window.show()
        button = shell.window.rail.menu
        assert button.accessibleName() == "Menu"
        button.click()
        assert button.menu_shown.isVisible()
        shown = [text.partition("\t")[0] for text in texts(button.menu_shown)]
        assert shown == texts(shell.tray.menu)[1:]
        assert "Drop basket\tCtrl+B" in texts(button.menu_shown)
        asked = len(desk.commands)
        action(button.menu_shown, "a&&b.py", "Pause").trigger()
        await eventually(lambda: len(desk.commands) > asked)
        assert desk.commands[-1] == Command(Verb.PAUSE, (JobId(1),))
        button.menu_shown.hide()
        keys = {key.key().toString(): key for key in shell.window.findChildren(QShortcut)}
        keys["F10"].activated.emit()
        assert button.menu_shown.isVisible()
        button.menu_shown.hide()

    with_tray(test)


def test_the_windows_menu_keeps_still_while_it_is_open(desk, with_tray):
    async def test(shell) -> None:
        shell.window.show()
        menu = shell.window.rail.menu.menu_shown
        shell.window.rail.menu.open_menu()
        before = menu.actions()
        desk.add("1", name="new one", status="running", started_at=1.0)
        desk.set_status()
        await eventually(lambda: "new one · running" in texts(shell.tray.menu))
        assert menu.actions() == before
        menu.hide()
        shell.window.rail.menu.open_menu()
        assert "new one · running" in texts(menu)
        menu.hide()

    with_tray(test)

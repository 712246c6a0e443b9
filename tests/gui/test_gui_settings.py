"""The Settings page: a control for every declared setting, changed live, refused beside the field, found, restored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox

from support.fake_desk import GIB, FakeDesk
from support.kept_settings import KeptSettings
from support.until import eventually
from tidegate.desktop.autostart import Autostart, AutostartFailed, NoAutostart
from tidegate.engine.ports import SettingRefused
from tidegate.gui.settings.control import ChoiceControl, FieldControl, SwitchControl
from tidegate.gui.settings.page import SettingsPage
from tidegate.gui.settings.row import SettingRow
from tidegate.gui.shell import Shell
from tidegate.settings import SETTINGS, Kind, find_setting

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")

QUEUES = ["fair_sharing", "batch", "default", "none"]
TEXTS = ["/usr/bin/python3", *QUEUES, "ada=20", "false", "shortest_first.unknown_s=60"]
"""Values of settings that are a text."""
Run = Callable[[Coroutine[Any, Any, Any]], Any]
Open = Callable[..., Shell]


class FakeAutostart:
    """A login's list in memory."""

    problem: str | None = None

    def __init__(self) -> None:
        self.command: list[str] | None = None
        self.broken: str | None = None

    def enabled(self) -> bool:
        return self.command is not None

    def enable(self, command: Sequence[str], /) -> None:
        if self.broken:
            raise AutostartFailed(self.broken)
        self.command = list(command)

    def disable(self) -> None:
        self.command = None


@pytest.fixture
def autostart(monkeypatch: pytest.MonkeyPatch) -> list[Autostart]:
    """What the page finds; a test may put another there."""
    found: list[Autostart] = [FakeAutostart()]
    monkeypatch.setattr("tidegate.desktop.autostart.find_autostart", lambda _environ: found[0])
    return found


@pytest.fixture
def opened(run: Run, open_shell: Open, desk: FakeDesk, autostart: list[Autostart]) -> Callable[..., Any]:
    """Runs a story (a coroutine that takes the page and the desk) on a shown Settings page."""

    def tell(story: Callable[[SettingsPage, FakeDesk], Coroutine[Any, Any, None]], desk: FakeDesk = desk) -> None:
        async def whole() -> None:
            shell = open_shell(desk)
            shell.window.show()
            shell.window.show_page("settings")
            page = shell.window.settings
            assert page is not None
            await shell.commands.settle()
            page.body.finish()
            await story(page, desk)

        run(whole())

    return tell


def value(desk: FakeDesk, name: str) -> object:
    return next(view.value for view in desk.settings() if view.name == name)


def write(row: SettingRow, text: str, key: Qt.Key | None = Qt.Key.Key_Return) -> None:
    """What a person does with the row's control to have ``text``."""
    control = row.control
    if isinstance(control, SwitchControl):
        if control.text() != text:
            QTest.mouseClick(control.switch, Qt.MouseButton.LeftButton)
    elif isinstance(control, ChoiceControl):
        control.box.setCurrentIndex(control.box.findData(text))
        control.box.activated.emit(control.box.currentIndex())
    else:
        control.field.setText(text)
        if key is not None:
            QTest.keyClick(control.field, key)


def said(row: SettingRow) -> str:
    return row.sentence.text().replace("\N{NO-BREAK SPACE}", " ")


def note(row: SettingRow) -> str:
    return row.note.text() if row.note is not None and not row.note.isHidden() else ""


def test_every_setting_has_a_control_of_its_kind_with_its_value(opened) -> None:
    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        assert set(page.body.rows) == {setting.name for setting in SETTINGS}
        for setting in SETTINGS:
            row = page.body.rows[setting.name]
            wanted = {Kind.BOOL: SwitchControl, Kind.CHOICE: ChoiceControl}.get(setting.kind, FieldControl)
            assert type(row.control) is wanted, setting.name
            assert row.control.text() == setting.show(setting.default), setting.name
            assert row.label.text() == row.control.widget.accessibleName() == setting.label
            assert setting.help in said(row)
            assert setting.help in row.control.widget.accessibleDescription().replace("\N{NO-BREAK SPACE}", " ")
            if isinstance(row.control, FieldControl):
                behind = row.control.field.unit.text() if row.control.field.unit is not None else ""
                assert behind == ("" if setting.kind in (Kind.SIZE, Kind.SECONDS) else setting.unit)
            if isinstance(row.control, ChoiceControl):
                box = row.control.box
                assert [box.itemData(index) for index in range(box.count())] == [
                    *(["auto"] if setting.automatic else []),
                    *setting.choices,
                ]

    opened(story)


def another(setting: Any) -> str:
    """Another value than the default, accepted together with all other defaults."""
    if setting.kind is Kind.BOOL:
        return "false" if setting.default else "true"
    if setting.kind is Kind.CHOICE:
        return next(choice for choice in setting.choices if choice != setting.default)
    kept = KeptSettings()
    tried = {Kind.SIZE: ["3G", "128M"], Kind.SECONDS: ["7s", "2m", "3h"], Kind.TEXT: TEXTS}
    for text in tried.get(setting.kind, ["2", "84", "5", "93", "96", "40", "0.5", "8000", "21:00-07:00"]):
        try:
            if kept.change(setting.name, text).value != setting.default:
                return text
        except SettingRefused:
            continue
    raise AssertionError(f"no other value is known for {setting.name}")


def test_every_setting_is_changed_and_brought_back(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        for setting in SETTINGS:
            row, text = page.body.rows[setting.name], another(setting)
            write(row, text)
            await eventually(lambda: value(desk, setting.name) == setting.parse(text))  # noqa: B023
            await eventually(lambda: row.view.source == "config.toml")  # noqa: B023
            assert note(row) == ("Applies when Tidegate is started again." if setting.needs_restart else "")
            assert row._reset is not None
            assert not row._reset.isHidden()
            row._reset.click()
            await eventually(lambda: row.view.source == "default")  # noqa: B023
            assert row.control.text() == setting.show(setting.default), setting.name
            assert row._reset.isHidden()
            assert note(row) == ""

    opened(story)


def test_what_is_refused_stays_in_the_field_with_a_sentence_beside_it(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row = page.body.rows["memory_emergency_pct"]
        write(row, "80")
        await eventually(lambda: note(row) != "")
        assert note(row) == (
            "“Memory: high line” (85) must be below “Memory: emergency line” (80). 92 % stays in force."
        )
        assert row.control.text() == "80"
        assert row.control.widget.property("invalid") is True
        assert value(desk, "memory_emergency_pct") == 92.0
        # What stood in its way is moved, and Enter asks again.
        write(page.body.rows["memory_high_pct"], "70")
        await eventually(lambda: value(desk, "memory_high_pct") == 70.0)
        assert row.control.text() == "80"
        QTest.keyClick(row.control.widget, Qt.Key.Key_Return)
        await eventually(lambda: value(desk, "memory_emergency_pct") == 80.0)
        await eventually(lambda: note(row) == "")
        assert row.control.widget.property("invalid") is False

    opened(story)


def test_escape_brings_back_what_holds(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row = page.body.rows["kill_timeout"]
        write(row, "soon")
        await eventually(lambda: note(row) != "")
        assert note(row).startswith('"soon" is not accepted; write a time')
        QTest.keyClick(row.control.widget, Qt.Key.Key_Escape)
        assert row.control.text() == "10s"
        assert note(row) == ""
        assert value(desk, "kill_timeout") == 10.0

    opened(story)


def test_leaving_the_field_decides_and_asks_once(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        asked = []
        row = page.body.rows["job_log_cap"]
        row.wanted.connect(lambda name, text: asked.append((name, text)))
        row.control.widget.setFocus()
        await eventually(row.control.widget.hasFocus)
        write(row, "128M", key=None)
        assert asked == []
        page.search.setFocus()
        await eventually(lambda: value(desk, "job_log_cap") == 128 * 1024**2)
        row.control.widget.setFocus()
        write(row, "lots")
        await eventually(lambda: note(row) != "")
        page.search.setFocus()
        await asyncio.sleep(0)
        assert asked == [("job_log_cap", "128M"), ("job_log_cap", "lots")]

    opened(story)


def test_a_value_written_otherwise_is_shown_as_it_is_kept(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row = page.body.rows["job_log_cap"]
        write(row, "0.5 GiB")
        await eventually(lambda: value(desk, "job_log_cap") == GIB // 2)
        await eventually(lambda: row.control.text() == "512M")

    opened(story)


def test_an_empty_field_is_auto_and_says_what_that_means_here(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row = page.body.rows["max_workers"]
        assert isinstance(row.control, FieldControl)
        assert row.control.field.text() == ""
        assert row.control.field.placeholderText() == "auto"
        assert "Auto: as many as there are cores; 8 here." in said(row)
        write(row, "3")
        await eventually(lambda: value(desk, "max_workers") == 3)
        await eventually(lambda: "Auto" not in said(row))
        write(row, "")
        await eventually(lambda: value(desk, "max_workers") is None)
        assert "1.6 GB here." in said(page.body.rows["reserve_memory"])

    opened(story)


def test_percentages_are_said_in_what_they_come_to(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row = page.body.rows["memory_high_pct"]
        assert said(row).endswith("85 % is 27.2 GB of this machine's 32 GB.")
        assert said(page.body.rows["cpu_high_pct"]).endswith("80 % is 6.4 of 8 cores.")
        assert said(page.body.rows["gpu_free_pct"]).endswith("20 % is 4.8 GB of 24 GB.")
        write(row, "50")
        await eventually(lambda: said(row).endswith("50 % is 16 GB of this machine's 32 GB."))
        machine = desk.status().machine
        small = replace(machine.cards[0], index=1, memory_total_bytes=8 * GIB)
        desk.set_status(machine=replace(machine, cards=(machine.cards[0], small), swap_total_bytes=0))
        await eventually(
            lambda: said(page.body.rows["gpu_free_pct"]).endswith("20 % is 4.8 GB on GPU 0, 1.6 GB on GPU 1.")
        )
        assert said(page.body.rows["swap_emergency_pct"]).endswith("This machine has no swap.")
        desk.set_status(machine=replace(machine, cards=()))
        await eventually(lambda: said(page.body.rows["gpu_free_pct"]).endswith("no graphics card."))

    opened(story)


def test_a_change_made_elsewhere_appears_and_what_is_being_typed_stays(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row, other = page.body.rows["memory_high_pct"], page.body.rows["gpu_guard"]
        await desk.change_setting("memory_high_pct", "60")
        await desk.change_setting("gpu_guard", "no")
        await eventually(lambda: row.control.text() == "60" and other.control.text() == "false")
        write(row, "6", key=None)
        await desk.change_setting("memory_high_pct", "61")
        await eventually(lambda: row.view.text == "61")
        assert row.control.text() == "6"
        QTest.keyClick(row.control.widget, Qt.Key.Key_Escape)
        assert row.control.text() == "61"

    opened(story)


def test_a_refusal_says_what_holds_now_also_after_another_changed_it(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        row = page.body.rows["memory_emergency_pct"]
        write(row, "80")
        await eventually(lambda: note(row).endswith("92 % stays in force."))
        await desk.change_setting("memory_emergency_pct", "97")
        await eventually(lambda: note(row).endswith("97 % stays in force."))
        assert row.control.text() == "80"
        assert note(row) in row.control.widget.accessibleDescription()

    opened(story)


def test_a_restore_that_is_refused_names_settings_as_the_page_does(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        async def refuse(_names: object) -> None:
            raise SettingRefused("/home/api_port/config.toml: cpu_high_pct (96) must be below cpu_hard_pct (95).")

        said: list[str] = []
        page.failed.connect(said.append)
        desk.reset_settings = refuse  # type: ignore[assignment, method-assign]
        await page._restore(["cpu_hard_pct"])
        high, hard = page.body.rows["cpu_high_pct"].view.label, page.body.rows["cpu_hard_pct"].view.label
        assert said == [f"/home/api_port/config.toml: “{high}” (96) must be below “{hard}” (95)."]

    opened(story)


def test_what_the_environment_sets_cannot_be_changed_here_and_says_why(opened) -> None:
    desk = FakeDesk()
    desk.kept_settings = KeptSettings({"TIDEGATE_MACHINE_MEMORY_HIGH_PCT": "70"})

    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        row = page.body.rows["memory_high_pct"]
        assert not row.control.widget.isEnabled()
        assert row.control.text() == "70"
        assert "TIDEGATE_MACHINE_MEMORY_HIGH_PCT" in note(row)
        assert row._reset is None
        assert not page.restore_all.isEnabled()

    opened(story, desk)


def test_what_was_changed_before_the_page_was_opened_is_said_too(
    run: Run, open_shell: Open, desk: FakeDesk, autostart: list[Autostart]
) -> None:
    async def story() -> None:
        shell = open_shell()
        shell.window.show()
        await desk.change_setting("api_port", "7300")
        await eventually(lambda: shell.preferences.setting("api_port").value == 7300)
        shell.window.show_page("settings")
        page = shell.window.settings
        assert page is not None
        assert "api_port" not in page.body.rows
        # The sections that are not made yet follow by themselves.
        await eventually(lambda: set(page.body.rows) == {setting.name for setting in SETTINGS})
        assert page.body.rows["api_port"].control.text() == "7300"
        assert note(page.body.rows["api_port"]) == "Applies when Tidegate is started again."
        assert page.restore_all.isEnabled()

    run(story())


# --- finding


def test_search_narrows_as_one_types_and_says_when_nothing_fits(opened) -> None:
    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        def shown() -> set[str]:
            return {name for name, row in page.body.rows.items() if row.isVisibleTo(page)}

        page.search.setText("SWAP")
        assert "swap_emergency_pct" in shown()
        assert "api_port" not in shown()
        page.search.setText("psi_memory")
        assert shown() == {"psi_memory_stop_pct"}
        assert [name for name, button in page.body.section_buttons.items() if not button.isHidden()] == ["machine"]
        page.search.setText("log in")
        assert page.autostart.isVisibleTo(page)
        page.search.setText("teapot")
        assert shown() == set()
        assert page.nothing.isVisibleTo(page)
        assert not page.body.area.isVisibleTo(page)
        page.nothing.wanted.emit()
        assert shown() == set(page.body.rows)
        assert page.nothing.isHidden()

    opened(story)


WORDS = st.lists(
    st.sampled_from([word for setting in SETTINGS for word in f"{setting.label} {setting.help}".split()]),
    min_size=1,
    max_size=3,
)


@given(WORDS)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_every_word_that_is_sought_is_in_what_is_shown(qapp: QApplication, words: list[str]) -> None:
    from tidegate.gui.settings.words import matches

    wanted = [word.casefold() for word in words]
    for view in KeptSettings().all():
        said = " ".join((view.label, view.help, view.name)).casefold()
        if all(word in said for word in wanted):
            assert matches(view, wanted), view.name
    assert not matches(view, [*wanted, "teapot"])


def test_ctrl_f_searches_and_escape_ends_it(opened) -> None:
    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        window = page.window()
        window.activateWindow()
        QTest.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
        await eventually(page.search.hasFocus)
        QTest.keyClicks(page.search, "port")
        assert page.body.rows["api_port"].isVisibleTo(page)
        assert not page.body.rows["gpu_guard"].isVisibleTo(page)
        QTest.keyClick(page.search, Qt.Key.Key_Escape)
        assert page.search.text() == ""

    opened(story)


def test_the_list_of_sections_leads_and_follows(opened) -> None:
    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        QApplication.sendPostedEvents()
        page.body.section_buttons["jobs"].click()
        bar = page.body.area.verticalScrollBar()
        jobs = next(card for card in page.body.cards if card.section == "jobs")
        await eventually(lambda: bar.value() in (jobs.y(), bar.maximum()) and bar.value() > 0)
        assert page.body.section_buttons["jobs"].isChecked()
        bar.setValue(0)
        assert page.body.section_buttons["window"].isChecked()

    opened(story)


def test_a_wheel_that_passes_over_changes_nothing(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        box = page.body.rows["log_level"].control.widget
        event = QWheelEvent(
            QPointF(5, 5),
            QPointF(5, 5),
            QPoint(0, -120),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(box, event)
        await asyncio.sleep(0)
        assert page.body.rows["log_level"].control.text() == "info"
        assert value(desk, "log_level") == "info"

    opened(story)


# --- restoring


def answer(page: SettingsPage, word: str) -> None:
    box = page.question
    assert isinstance(box, QMessageBox)
    next(button for button in box.buttons() if button.text() == word).click()


def test_a_section_is_restored_after_one_question_that_says_what_changes(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        for name, text in (("memory_emergency_pct", "98"), ("memory_high_pct", "95"), ("api_port", "7300")):
            await desk.change_setting(name, text)
        machine = next(card for card in page.body.cards if card.section == "machine")
        await eventually(lambda: machine.changed_names() == ["memory_high_pct", "memory_emergency_pct"])
        machine._restore.click()
        assert page.question is not None
        assert page.question.text() == "2 settings go back to their defaults."
        assert "Memory: high line: 95 % → 85 %" in page.question.informativeText()
        answer(page, "Cancel")
        assert value(desk, "memory_high_pct") == 95.0
        await eventually(lambda: page.question is None)
        machine._restore.click()
        answer(page, "Restore")
        await eventually(lambda: value(desk, "memory_high_pct") == 85.0)
        assert value(desk, "memory_emergency_pct") == 92.0
        assert value(desk, "api_port") == 7300
        await eventually(lambda: machine._restore.isHidden())
        assert page.body.rows["memory_high_pct"].control.text() == "85"

    opened(story)


def test_all_are_restored_and_refused_typing_goes_too(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        assert not page.restore_all.isEnabled()
        write(page.body.rows["max_workers"], "3")
        write(page.body.rows["gpu_guard"], "false")
        await eventually(lambda: page.restore_all.isEnabled() and value(desk, "gpu_guard") is False)
        page.restore_all.click()
        answer(page, "Restore")
        await eventually(lambda: {view.source for view in desk.settings()} == {"default"})
        await eventually(lambda: not page.restore_all.isEnabled())
        assert page.body.rows["gpu_guard"].control.text() == "true"

    opened(story)


# --- any typing


SOME = ["memory_high_pct", "memory_emergency_pct", "reserve_memory", "kill_timeout", "max_workers", "min_workers"]
TYPED = st.lists(
    st.tuples(
        st.sampled_from(SOME),
        st.one_of(
            st.sampled_from(["1", "90", "2G", "64M", "10s", "auto", "", "95 %", "0"]),
            st.text("0123456789.%GMsx -é", max_size=6),
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(TYPED)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_whatever_is_typed_applies_or_stays_with_a_sentence(
    run: Run, open_shell: Open, autostart: list[Autostart], typed: list[tuple[str, str]]
) -> None:
    desk = FakeDesk()

    async def story() -> None:
        shell = open_shell(desk)
        shell.window.show()
        shell.window.show_page("settings")
        page = shell.window.settings
        assert page is not None
        page.body.finish()
        for name, text in typed:
            row = page.body.rows[name]
            before = value(desk, name)
            write(row, text)
            await shell.commands.settle()
            setting = find_setting(name)
            assert setting is not None
            if note(row):
                assert value(desk, name) == before
                assert isinstance(row.control, FieldControl)
                assert row.control.field.text() == text
                assert "stays in force" in note(row)
                QTest.keyClick(row.control.field, Qt.Key.Key_Escape)
            else:
                assert value(desk, name) == setting.parse(row.control.text())
            assert row.control.text() == setting.show(value(desk, name))  # type: ignore[arg-type]
        shell.window.hide()

    run(story())


# --- the login


def test_autostart_is_off_until_asked_and_read_anew(opened, autostart: list[Autostart]) -> None:
    login = autostart[0]
    assert isinstance(login, FakeAutostart)

    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        switch = page.autostart.switch
        await eventually(switch.isEnabled)
        assert not switch.isChecked()
        assert page.body.cards[0].section == "window"
        QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
        await eventually(lambda: login.command is not None)
        assert login.command is not None
        assert login.command[-1] == "--hidden"
        # Another program took it out; the page is looked at again.
        await eventually(switch.isChecked)
        login.command = None
        page.hide()
        page.show()
        await eventually(lambda: not switch.isChecked())
        login.broken = "The folder cannot be written: read-only file system."
        QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
        await eventually(lambda: page.autostart.note is not None and page.autostart.note.text() == login.broken)
        assert not switch.isChecked()

    opened(story)


def test_a_home_of_its_own_cannot_start_at_login(opened, autostart: list[Autostart]) -> None:
    autostart[0] = NoAutostart("This Tidegate has a home of its own.")

    async def story(page: SettingsPage, _desk: FakeDesk) -> None:
        await eventually(lambda: page.autostart.note is not None)
        assert page.autostart.note is not None
        assert page.autostart.note.text() == "This Tidegate has a home of its own."
        assert not page.autostart.switch.isEnabled()

    opened(story)


# --- settings that act in the window


def test_the_window_follows_its_settings_live(run: Run, open_shell: Open, desk: FakeDesk) -> None:
    async def story() -> None:
        shell = open_shell()
        shell.window.show()
        shell.window.show_page("tide")
        tide = shell.window.tide
        assert tide is not None
        await desk.change_setting("gpu_memory_high_pct", "50")
        await desk.change_setting("cpu_high_pct", "40")
        await eventually(lambda: tide._gpu_lines == (50.0, 95.0) and tide._cpu_high_pct == 40.0)
        asked: list[str] = []
        shell.theme.prefer = asked.append  # type: ignore[method-assign]
        await desk.change_setting("python", "/opt/python/bin/python3")
        await eventually(lambda: shell.submitter.python == "/opt/python/bin/python3")
        await desk.change_setting("window_scheme", "dark")
        await eventually(lambda: asked == ["dark"])

    run(story())


def test_the_theme_can_be_held_light_or_dark(theme) -> None:
    hints = QGuiApplication.styleHints()
    for word, scheme in (("dark", Qt.ColorScheme.Dark), ("light", Qt.ColorScheme.Light)):
        theme.prefer(word)
        if hints.colorScheme() != scheme:
            theme.follow(scheme)  # the offscreen platform has no scheme to change
        assert theme.tokens.dark is (word == "dark")


def test_ctrl_comma_opens_the_page(run: Run, open_shell: Open, autostart: list[Autostart]) -> None:
    async def story() -> None:
        shell = open_shell()
        window = shell.window
        window.show()
        window.activateWindow()
        await eventually(window.isActiveWindow)
        QTest.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
        assert window.settings is not None
        assert window.settings.isVisible()

    run(story())


# --- Queues ---


def test_queues_have_their_titles_and_one_that_is_added_elsewhere_appears_and_goes_again(opened) -> None:
    async def story(page: SettingsPage, desk: FakeDesk) -> None:
        page.body.finish()
        assert page.body.section_buttons["queues.batch"].text() == "Queue: batch"
        assert not any(section.startswith("queues.render") for section in page.body.section_buttons)
        await desk.change_settings({"queues.render.max_running": "2", "queues.render.order": "5"})
        await eventually(lambda: "queues.render" in page.body.section_buttons)
        page.body.go_to("queues.render")
        card = next(card for card in page.body.cards if card.section == "queues.render")
        keys = ["order", "strategy", "max_running", "memory", "cards", "backfill", "preempts"]
        assert list(card.rows) == [f"queues.render.{key}" for key in keys]
        assert card.title.text() == "Queue: render"
        assert "tidegate queue remove" in " ".join(label.text() for label in card.findChildren(QLabel))
        assert not page.restore_all.isEnabled(), "restoring defaults takes no queue away"
        row = page.body.rows["queues.render.max_running"]
        assert row.view.value == 2
        page.body.wanted.emit("queues.render.cards", "1")
        await eventually(lambda: page.body.rows["queues.render.cards"].view.value == 1)
        await desk.reset_settings([f"queues.render.{key}" for key in ("order", "max_running", "cards")])
        await eventually(lambda: page.body.section_buttons["queues.render"].isHidden())
        assert card.isHidden()
        await desk.change_settings({"queues.render.order": "7"})
        await eventually(lambda: not page.body.section_buttons["queues.render"].isHidden())

    opened(story)

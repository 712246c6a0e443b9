"""The settings page's sections: a list of them at the left, their cards at the right, made while a person looks."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from tidegate.engine.views import MachineView, SettingView
from tidegate.gui.preferences import Preferences
from tidegate.gui.settings import words
from tidegate.gui.settings.autostart_row import AutostartRow
from tidegate.gui.settings.card import SettingsCard
from tidegate.gui.settings.row import SettingRow
from tidegate.gui.theme import Theme
from tidegate.settings.queue_settings import BUILT_IN_SETTINGS, PREFIX

FIRST = ("window", "toasts", "alerts")
"""What a person looks for most stands above what the scheduler is told."""
QUEUE_KEYS = [setting.key for setting in BUILT_IN_SETTINGS if setting.section == f"{PREFIX}default"]
AT_ONCE = 2
"""Sections made before the page is seen; the others follow one by one, so that nobody waits for the last."""
SECTIONS_PX = 160
NEAR_TOP_PX = 72


class SettingsBody(QWidget):
    """``wanted(name, text)`` for one setting, ``restore_wanted(list[str])`` for a section's changed ones."""

    wanted = Signal(str, object)
    restore_wanted = Signal(list)

    def __init__(self, preferences: Preferences, theme: Theme, machine: MachineView, parent: QWidget) -> None:
        super().__init__(parent)
        self._preferences, self._theme, self._machine = preferences, theme, machine
        self._sections = _sections(preferences.all())
        self._left = list(self._sections)
        self.section_buttons: dict[str, QPushButton] = {}
        self.cards: list[SettingsCard] = []
        self.rows: dict[str, SettingRow] = {}
        self._maker = QTimer(self)
        self._maker.setInterval(0)
        self._maker.timeout.connect(self._make_next)
        across = QHBoxLayout(self)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(16)
        self.area = QScrollArea(self)
        across.addWidget(self._section_list(), 0, Qt.AlignmentFlag.AlignTop)
        across.addWidget(self.area, 1)
        self._fill_area()
        self.area.verticalScrollBar().valueChanged.connect(self._on_scrolled)

    # --- What the page asks ---

    def put_first(self, row: AutostartRow) -> None:
        self.cards[0].put_first(row)

    def show_machine(self, machine: MachineView) -> None:
        self._machine = machine
        for row in self.rows.values():
            row.show_machine(machine)

    def take(self, name: str) -> None:
        """A setting has another value now, or is new: somebody added a queue, or took one away."""
        view = self._preferences.setting(name)
        if view.section not in self._sections:
            if not words.is_there(view.section, [view]):
                return
            self._sections.append(view.section)
            self._left.append(view.section)
            self._buttons_column.addWidget(self._section_button(view.section))
            if self.isVisible():
                self._maker.start()
        card = next((card for card in self.cards if card.section == view.section), None)
        if card is not None:
            if name not in self.rows:
                self._take_row(card.add(view))
            there = words.is_there(view.section, self._views(view.section))
            card.setVisible(there)
            self.section_buttons[view.section].setVisible(there)
        if name in self.rows:
            self.rows[name].take(view, self._preferences.waits_for_restart(view))
            self.refresh(name)

    def refresh(self, name: str) -> None:
        """What is said about a value that has changed."""
        self.rows[name].show_machine(self._machine)
        for card in self.cards:
            card.show_changed()

    def search(self, wanted: list[str]) -> bool:
        """Show what matches; whether anything does."""
        self.finish()
        body = self._body
        body.setUpdatesEnabled(False)
        for card in self.cards:
            self.section_buttons[card.section].setVisible(card.search(wanted))
        body.setUpdatesEnabled(True)
        self.area.verticalScrollBar().setValue(0)
        first = next((card for card in self.cards if not card.isHidden()), None)
        if first is not None:
            self.section_buttons[first.section].setChecked(True)
        return first is not None

    def go_to(self, section: str) -> None:
        self.finish()
        # The new cards have their places after a layout only.
        self._column.activate()
        card = next(card for card in self.cards if card.section == section)
        self.area.verticalScrollBar().setValue(card.y())
        # The last sections may be too short to reach the top; the chosen one is still the chosen one.
        self.section_buttons[section].setChecked(True)

    def finish(self) -> None:
        """Make at once what is not made yet."""
        while self._left:
            self._make_next()

    # --- Seen and unseen ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._left:
            self._maker.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._maker.stop()

    # --- Building ---

    def _section_list(self) -> QWidget:
        holder = QWidget(self)
        holder.setFixedWidth(SECTIONS_PX)
        column = self._buttons_column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._group = QButtonGroup(holder)
        for section in self._sections:
            column.addWidget(self._section_button(section))
        self.section_buttons[self._sections[0]].setChecked(True)
        return holder

    def _section_button(self, section: str) -> QPushButton:
        button = self.section_buttons[section] = QPushButton(words.section_title(section))
        button.setProperty("role", "page")
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _checked=False: self.go_to(section))
        self._group.addButton(button)
        return button

    def _fill_area(self) -> None:
        """From the outside in: a widget that gets another parent is dressed anew, with all it holds."""
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._body = QWidget()
        self._body.setObjectName("page")
        self.area.setWidget(self._body)
        self._column = QVBoxLayout(self._body)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(16)
        self._column.addStretch(1)
        for _ in range(AT_ONCE):
            self._make_next()

    def _make_next(self) -> None:
        if not self._left:
            self._maker.stop()
            return
        section = self._left.pop(0)
        # As they are now: a section that is made later may have been changed meanwhile.
        card = SettingsCard(section, self._views(section), self._theme, self._body)
        card.restore_wanted.connect(self.restore_wanted)
        for row in card.rows.values():
            self._take_row(row)
        self.cards.append(card)
        self._column.insertWidget(len(self.cards) - 1, card)

    def _take_row(self, row: SettingRow) -> None:
        row.wanted.connect(self.wanted)
        row.take(row.view, self._preferences.waits_for_restart(row.view))
        row.show_machine(self._machine)
        self.rows[row.view.name] = row

    def _views(self, section: str) -> list[SettingView]:
        return sorted((view for view in self._preferences.all() if view.section == section), key=_place_in_queue)

    def _on_scrolled(self, top: int) -> None:
        shown = [card for card in self.cards if not card.isHidden()]
        current = next((card for card in shown if card.geometry().bottom() > top + NEAR_TOP_PX), None)
        if current is not None:
            self.section_buttons[current.section].setChecked(True)


def _place_in_queue(view: SettingView) -> int:
    """Those of a queue that was added meanwhile came as they were changed; others are as they are declared."""
    return QUEUE_KEYS.index(view.key) if view.section.startswith(PREFIX) else 0


def _sections(views: Sequence[SettingView]) -> list[str]:
    """Sections, a person's own first, the others as they are declared."""
    found: dict[str, list[SettingView]] = {}
    for view in views:
        found.setdefault(view.section, []).append(view)
    place = {name: number for number, name in enumerate(FIRST)}
    there = [section for section, settings in found.items() if words.is_there(section, settings)]
    return sorted(there, key=lambda section: place.get(section, len(FIRST)))

"""One section of the settings page: its title, what it is about, its rows, and a way back to the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tidegate.engine.views import SettingView
from tidegate.gui.settings import words
from tidegate.gui.settings.autostart_row import AutostartRow
from tidegate.gui.settings.row import SettingRow
from tidegate.gui.theme import Theme, font


class SettingsCard(QFrame):
    """``restore_wanted(list[str])`` with the names of the section's changed settings."""

    restore_wanted = Signal(list)

    def __init__(self, section: str, views: Sequence[SettingView], theme: Theme, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.section = section
        self.first: AutostartRow | None = None
        self.setProperty("role", "card")
        self.title = QLabel(words.section_title(section), self)
        self.title.setFont(font(14, QFont.Weight.DemiBold))
        text = QLabel(words.section_text(section), self)
        text.setProperty("role", "muted")
        text.setFont(font(12))
        text.setWordWrap(True)
        self._restore = QPushButton(self.tr("Restore defaults"), self)
        self._restore.setProperty("role", "inline")
        self._restore.setAccessibleName(self.tr("Restore the defaults of {title}").format(title=self.title.text()))
        self._restore.clicked.connect(lambda _checked=False: self.restore_wanted.emit(self.changed_names()))
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self._restore)
        top = QVBoxLayout()
        top.setContentsMargins(16, 14, 16, 10)
        top.setSpacing(2)
        top.addLayout(head)
        top.addWidget(text)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(1, 1, 1, 6)
        self._column.setSpacing(0)
        self._column.addLayout(top)
        self.rows: dict[str, SettingRow] = {}
        self._theme = theme
        for view in views:
            self.add(view)
        self.show_changed()

    def add(self, view: SettingView) -> SettingRow:
        row = self.rows[view.name] = SettingRow(view, self._theme, self)
        self._column.addWidget(row)
        return row

    def put_first(self, row: AutostartRow) -> None:
        """What belongs here and is no setting stands above those that are."""
        self.first = row
        self._column.insertWidget(1, row)
        # Tab goes in the order in which controls were made, unless told.
        QWidget.setTabOrder(self._restore, row.switch)

    def changed_names(self) -> list[str]:
        return [name for name, row in self.rows.items() if words.changed(row.view)]

    def show_changed(self) -> None:
        self._restore.setVisible(bool(self.changed_names()))

    def search(self, wanted: list[str]) -> bool:
        """Show what matches; whether anything does."""
        shown = []
        for row, fits in self._fitting(wanted):
            row.setVisible(fits)
            shown.append(fits)
        self.setVisible(any(shown))
        return any(shown)

    def _fitting(self, wanted: list[str]) -> Iterator[tuple[QFrame, bool]]:
        if self.first is not None:
            yield self.first, self.first.matches(wanted)
        for row in self.rows.values():
            yield row, words.matches(row.view, wanted)

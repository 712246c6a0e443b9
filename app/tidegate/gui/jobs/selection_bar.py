"""Stands above the table while several jobs are chosen: how many, and what one most likely wants done with them all."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from tidegate.gui.jobs.actions import JobActions
from tidegate.gui.theme import font

OFFERED = ("pause", "resume", "release", "start", "hold", "retry", "cancel")
MOST = 3


class SelectionBar(QWidget):
    """``cleared()`` when nothing is to be chosen any more."""

    cleared = Signal()

    def __init__(self, actions: JobActions) -> None:
        super().__init__()
        self._actions = actions
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.label = QLabel()
        self.label.setFont(font(13, QFont.Weight.Medium))
        row.addStretch(1)
        row.addWidget(self.label)
        row.addSpacing(8)
        self.buttons = {name: self._verb_button(row, name) for name in OFFERED}
        self.more = self._button(row, self.tr("More"))
        self.more.setAccessibleName(self.tr("More that can be done with the chosen jobs"))
        self.more.clicked.connect(lambda _checked=False: self._open_more())
        self._button(row, self.tr("Clear")).clicked.connect(lambda _checked=False: self.cleared.emit())

    def show_count(self, count: int) -> None:
        """Call when the chosen jobs are others or have changed."""
        self.label.setText(self.tr("{count} chosen").format(count=count))
        counts = self._actions.fit_counts()
        fitting = [name for name in OFFERED if counts[name]]
        # The last one is what ends them, and stays in its place.
        shown = fitting[: MOST - 1] + fitting[-1:] if len(fitting) > MOST else fitting
        for name, button in self.buttons.items():
            button.setVisible(name in shown)

    def _verb_button(self, row: QHBoxLayout, name: str) -> QPushButton:
        button = self._button(row, self._actions.label(name))
        button.setToolTip(self._actions.known[name].hint)
        button.clicked.connect(lambda _checked=False: self._actions.do(name))
        return button

    def _button(self, row: QHBoxLayout, label: str) -> QPushButton:
        button = QPushButton(label)
        button.setProperty("role", "quiet")
        row.addWidget(button)
        return button

    def _open_more(self) -> None:
        self._actions.menu().popup(self.more.mapToGlobal(QPoint(0, self.more.height() + 4)))

"""A small rounded button of a row of which one is chosen; it keeps its width when its word becomes heavier."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QPushButton

from tidegate.gui.theme import font

_PADDING_PX = 26


class TabButton(QPushButton):
    """Joins ``group``, in which exactly one is chosen."""

    def __init__(self, label: str, group: QButtonGroup) -> None:
        super().__init__(label)
        self.setProperty("role", "tab")
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        group.addButton(self)

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(font(13, QFont.Weight.DemiBold))
        return QSize(metrics.horizontalAdvance(self.text()) + _PADDING_PX, 24)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

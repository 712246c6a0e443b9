"""One figure of the strip: a label, the value, and beside it on the same line what it is measured against."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from tidegate.gui import words
from tidegate.gui.theme import Theme, font

HEIGHT_PX = 46
_LABEL_BASE_PX, _VALUE_BASE_PX = 13, 38
_GAP_PX = 10


class Figure(QWidget):
    """Painted, so that both sizes of type stand on one baseline. ``set_compact`` leaves out what is beside."""

    def __init__(self, label: str, theme: Theme) -> None:
        super().__init__()
        self._label, self._value, self._beside = label, words.NOTHING, ""
        self._theme = theme
        self._compact = False
        self._label_font, self._beside_font = font(11), font(12)
        self._value_font = font(18, QFont.Weight.DemiBold)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def show_values(self, value: str, beside: str, tooltip: str = "") -> None:
        self.setToolTip(tooltip)
        if (value, beside) == (self._value, self._beside):
            return
        self._value, self._beside = value, beside
        self.setAccessibleName(f"{self._label}: {value} {beside}".strip())
        self.updateGeometry()
        self.update()

    def set_compact(self, compact: bool) -> None:
        if compact != self._compact:
            self._compact = compact
            self.updateGeometry()
            self.update()

    def width_for(self, compact: bool) -> int:
        value = QFontMetrics(self._value_font).horizontalAdvance(self._value)
        if self._beside and not compact:
            value += _GAP_PX + QFontMetrics(self._beside_font).horizontalAdvance(self._beside)
        return max(value, QFontMetrics(self._label_font).horizontalAdvance(self._label)) + 2

    def sizeHint(self) -> QSize:
        return QSize(self.width_for(self._compact), HEIGHT_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(self._label_font)
        painter.setPen(self._theme.colour("muted"))
        painter.drawText(0, _LABEL_BASE_PX, self._label)
        painter.setFont(self._value_font)
        painter.setPen(self._theme.colour("text"))
        painter.drawText(0, _VALUE_BASE_PX, self._value)
        if self._beside and not self._compact:
            x = QFontMetrics(self._value_font).horizontalAdvance(self._value) + _GAP_PX
            painter.setFont(self._beside_font)
            painter.setPen(self._theme.colour("muted"))
            painter.drawText(x, _VALUE_BASE_PX, self._beside)

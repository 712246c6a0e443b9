"""A switch: a check box that looks like what it does, on at the right and off at the left."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QWidget

from tidegate.gui.theme import Theme

WIDTH_PX, HEIGHT_PX, GAP_PX = 36, 20, 3


class Switch(QCheckBox):
    """Without words of its own; give it an accessible name. As a check box it is told to screen readers as one."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX + 4, HEIGHT_PX + 4)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def hitButton(self, pos: QPoint) -> bool:
        return self.rect().contains(pos)

    def paintEvent(self, _event: QPaintEvent) -> None:
        on, usable = self.isChecked(), self.isEnabled()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(2, 2, WIDTH_PX, HEIGHT_PX)
        if self.hasFocus():
            painter.setPen(QPen(self._theme.colour("accent"), 1))
            painter.drawRoundedRect(track.adjusted(-1.5, -1.5, 1.5, 1.5), 11.5, 11.5)
        painter.setPen(Qt.PenStyle.NoPen)
        colour = self._theme.colour("accent" if on else "faint")
        painter.setOpacity(1.0 if usable else 0.4)
        painter.setBrush(colour)
        painter.drawRoundedRect(track, HEIGHT_PX / 2, HEIGHT_PX / 2)
        knob = HEIGHT_PX - 2 * GAP_PX
        left = track.right() - GAP_PX - knob if on else track.left() + GAP_PX
        painter.setBrush(self._theme.colour("surface" if not on else "on_accent"))
        painter.drawEllipse(QRectF(left, track.top() + GAP_PX, knob, knob))
        painter.end()

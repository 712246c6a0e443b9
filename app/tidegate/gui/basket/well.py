"""The place in the basket to drop on: the gate over water, and a line that says so."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QFocusEvent, QFontMetrics, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from tidegate.gui.icons import pixmap
from tidegate.gui.theme import Theme, font

ICON_PX = 44
_INSET_PX, _RADIUS_PX, _GAP_PX = 8, 6, 10


class BasketWell(QWidget):
    """Painted; ``set_hovering`` while something is held over the basket that it would take."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._hovering = self._by_key = False
        self._font = font(12)
        self._logo: tuple[object, QPixmap] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Drop basket: drop scripts here, or press Enter to choose files"))
        theme.changed.connect(self.update)

    @property
    def hovering(self) -> bool:
        return self._hovering

    def set_hovering(self, hovering: bool) -> None:
        if hovering != self._hovering:
            self._hovering = hovering
            self.update()

    def text(self) -> str:
        return self.tr("Let go to submit") if self._hovering else self.tr("Drop scripts here")

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Marked when it was reached by key; whoever clicks knows where."""
        self._by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent, rest = self._theme.colour("accent"), self._theme.colour("faint")
        reached = self._by_key and self.hasFocus()
        chosen = self._hovering or reached
        pen = QPen(accent if chosen else rest, 1.5 if chosen else 1.0)
        if not reached or self._hovering:
            pen.setDashPattern([4, 3])
        painter.setPen(pen)
        painter.setBrush(self._theme.colour("selection") if self._hovering else Qt.BrushStyle.NoBrush)
        frame = QRectF(self.rect()).adjusted(_INSET_PX, _INSET_PX, -_INSET_PX, -_INSET_PX)
        painter.drawRoundedRect(frame, _RADIUS_PX, _RADIUS_PX)
        metrics = QFontMetrics(self._font)
        top = (self.height() - ICON_PX - _GAP_PX - metrics.height()) / 2
        painter.drawPixmap(QPointF((self.width() - ICON_PX) / 2, top), self._gate())
        painter.setFont(self._font)
        painter.setPen(accent if self._hovering else self._theme.colour("muted"))
        words = QRect(0, round(top + ICON_PX + _GAP_PX), self.width(), metrics.height())
        painter.drawText(words, Qt.AlignmentFlag.AlignCenter, self.text())

    def _gate(self) -> QPixmap:
        key = (self._theme.tokens, self.devicePixelRatioF())
        if self._logo is None or self._logo[0] != key:
            made = pixmap("logo", self._theme.colour("text"), round(ICON_PX * key[1]))
            made.setDevicePixelRatio(key[1])
            self._logo = (key, made)
        return self._logo[1]

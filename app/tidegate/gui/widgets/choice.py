"""A choice among a few: a combo box in the look of the fields, with its arrow drawn and deaf to a passing wheel."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QComboBox, QStyledItemDelegate

ARROW_PX = 4
FROM_RIGHT_PX = 16


class Choice(QComboBox):
    """The style sheet takes away the style's own arrow together with its frame."""

    def __init__(self) -> None:
        super().__init__()
        # The list's rows obey the style sheet only with this one.
        self.setItemDelegate(QStyledItemDelegate(self))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.PlaceholderText), 1.5))
        centre = QPointF(self.width() - FROM_RIGHT_PX, self.height() / 2 + ARROW_PX / 4)
        left, right = QPointF(-ARROW_PX, -ARROW_PX / 2), QPointF(ARROW_PX, -ARROW_PX / 2)
        painter.drawPolyline([centre + left, centre + QPointF(0, ARROW_PX / 2), centre + right])

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scrolling past it must not change it."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

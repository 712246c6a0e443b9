"""The small shapes that stand beside a word, so that colour never speaks alone."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF


def paint_shape(painter: QPainter, state: str, centre: QPointF, colour: QColor, size: float) -> None:
    """``normal`` a dot, ``high`` a triangle, ``emergency`` a square, ``paused`` two bars, ``offline`` a ring."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    half = size / 2
    box = QRectF(centre.x() - half, centre.y() - half, size, size)
    if state == "high":
        painter.drawPolygon(QPolygonF([QPointF(centre.x(), box.top()), box.bottomRight(), box.bottomLeft()]))
    elif state == "emergency":
        painter.drawRect(box)
    elif state == "paused":
        bar = size * 0.34
        painter.drawRect(QRectF(box.left(), box.top(), bar, size))
        painter.drawRect(QRectF(box.right() - bar, box.top(), bar, size))
    elif state == "offline":
        painter.setPen(QPen(colour, size / 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, half - size / 8, half - size / 8)
    else:
        painter.drawEllipse(centre, half, half)
    painter.restore()

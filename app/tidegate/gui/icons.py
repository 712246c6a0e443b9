"""Icons drawn from the SVG files in ``resources/icons``, in the colours of the theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from tidegate.paths import resource


@lru_cache(maxsize=64)
def source(name: str) -> bytes:
    """The text of an SVG file of ours."""
    return resource("icons", f"{name}.svg").read_bytes()


def pixmap(name: str, colour: QColor | None, pixels: int) -> QPixmap:
    """``name`` drawn ``pixels`` wide; ``colour`` is put where the file says currentColor."""
    drawing = source(name)
    if colour is not None:
        drawing = drawing.replace(b"currentColor", colour.name().encode())
    return paint_svg(drawing, pixels)


def paint_svg(drawing: bytes, pixels: int) -> QPixmap:
    """The text of a square SVG drawing, painted ``pixels`` wide."""
    made = QPixmap(pixels, pixels)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(QByteArray(drawing)).render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    return made


def icon(name: str, colour: QColor | None = None, sizes: tuple[int, ...] = (16, 32)) -> QIcon:
    """A pixmap for every size."""
    made = QIcon()
    for pixels in sizes:
        made.addPixmap(pixmap(name, colour, pixels))
    return made


def page_icon(name: str, resting: QColor, chosen: QColor) -> QIcon:
    """An icon for a page button, 24 x 16 with room towards the word: another colour while its page is shown."""
    made = QIcon()
    for scale in (1, 2):
        for colour, state in ((resting, QIcon.State.Off), (chosen, QIcon.State.On)):
            wide = QPixmap(24 * scale, 16 * scale)
            wide.fill(Qt.GlobalColor.transparent)
            painter = QPainter(wide)
            painter.drawPixmap(0, 0, pixmap(name, colour, 16 * scale))
            painter.end()
            made.addPixmap(wide, QIcon.Mode.Normal, state)
    return made


def application_icon() -> QIcon:
    return icon("tidegate", None, (16, 24, 32, 48, 64, 128))

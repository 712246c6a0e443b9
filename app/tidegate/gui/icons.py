"""Icons drawn from the SVG files in ``resources/icons``, in the colours of the theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from tidegate.paths import resource

TRAY_SIZES = (16, 22, 24, 32, 48, 64)


@lru_cache(maxsize=64)
def _source(name: str) -> bytes:
    return resource("icons", f"{name}.svg").read_bytes()


def pixmap(name: str, colour: QColor | None, pixels: int) -> QPixmap:
    """``name`` drawn ``pixels`` wide; ``colour`` is put where the file says currentColor."""
    source = _source(name)
    if colour is not None:
        source = source.replace(b"currentColor", colour.name().encode())
    made = QPixmap(pixels, pixels)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(QByteArray(source)).render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    return made


def icon(name: str, colour: QColor | None = None, sizes: tuple[int, ...] = (16, 32)) -> QIcon:
    """Pixmaps of every size, because a tray host over D-Bus gets the sizes an icon lists and no others."""
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


@lru_cache(maxsize=8)
def tray_icon(state: str) -> QIcon:
    """``state`` is normal (gate open), high (half), emergency (shut) or paused: shape and colour both differ."""
    return icon(f"tray-{state}", None, TRAY_SIZES)


def application_icon() -> QIcon:
    return icon("tidegate", None, (16, 24, 32, 48, 64, 128))

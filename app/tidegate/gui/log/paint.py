"""A log's colours on paper: each style as a text format that stays readable in light and in dark."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QTextCharFormat

from tidegate.gui.log.text import Colour, Style
from tidegate.gui.theme import Theme

LEAST_CONTRAST = 3.6
DIM_SHARE = 0.45
_STEPS = 8
_KEPT = 512
# Black, red, green, yellow, blue, magenta, cyan, white, and the same bright.
_LIGHT = (
    *("#1B2430", "#C8372D", "#217A52", "#8A5A10", "#1F5FC4", "#9A3B86", "#0B7285", "#66717F"),
    *("#66717F", "#D9443A", "#238A5C", "#9A6814", "#2B70E0", "#B0479A", "#0E8296", "#4A5563"),
)
_DARK = (
    *("#8B96A4", "#F0695E", "#4CC38A", "#E2B045", "#6FA8FF", "#D69BD0", "#5CC8D7", "#C9D1DB"),
    *("#9AA5B3", "#FF8C82", "#7BD9AB", "#F0C96E", "#97C1FF", "#E6B8E1", "#86DCE8", "#FFFFFF"),
)
_CUBE = (0, 95, 135, 175, 215, 255)


class LogPaint:
    """Makes and keeps the formats of one theme; ``forget`` when the theme has changed."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._formats: dict[Style, QTextCharFormat] = {}

    def forget(self) -> None:
        self._formats.clear()

    def format(self, style: Style) -> QTextCharFormat:
        made = self._formats.get(style)
        if made is None:
            if len(self._formats) >= _KEPT:
                self._formats.clear()
            made = self._formats[style] = self._make(style)
        return made

    def note(self) -> QTextCharFormat:
        """For lines that are ours and not the job's."""
        made = QTextCharFormat()
        made.setForeground(self._theme.colour("muted"))
        made.setFontItalic(True)
        return made

    def _make(self, style: Style) -> QTextCharFormat:
        tokens = self._theme.tokens
        paper, ink = QColor(tokens.window), QColor(tokens.text)
        front = None if style.foreground is None else self._colour(style.foreground)
        back = None if style.background is None else self._colour(style.background)
        if style.inverse:
            front, back = back or paper, front or ink
        if front is None:
            # What was chosen with the background in mind is lost with it: whichever of the two can be read.
            front = ink if back is None else max((ink, paper), key=lambda each: contrast(each, back))
        if back is not None and contrast(front, back) < LEAST_CONTRAST:
            front = max((front, ink, paper), key=lambda each: contrast(each, back))
        elif back is None:
            front = readable_on(front, paper, ink)
        if style.dim:
            front = mixed(front, back or paper, DIM_SHARE)
        made = QTextCharFormat()
        made.setForeground(front)
        if back is not None:
            made.setBackground(back)
        if style.bold:
            made.setFontWeight(QFont.Weight.Bold)
        made.setFontItalic(style.italic)
        made.setFontUnderline(style.underline)
        made.setFontStrikeOut(style.struck)
        return made

    def _colour(self, colour: Colour) -> QColor:
        if isinstance(colour, tuple):
            return QColor(*colour)
        assert colour is not None
        if colour < 16:
            return QColor((_DARK if self._theme.tokens.dark else _LIGHT)[colour])
        if colour >= 232:
            grey = 8 + (colour - 232) * 10
            return QColor(grey, grey, grey)
        colour -= 16
        return QColor(_CUBE[colour // 36], _CUBE[colour // 6 % 6], _CUBE[colour % 6])


def contrast(one: QColor, other: QColor) -> float:
    """1 to 21, as WCAG 2 counts it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: QColor) -> float:
    values = (colour.redF(), colour.greenF(), colour.blueF())
    parts = [value / 12.92 if value <= 0.03928 else float(((value + 0.055) / 1.055) ** 2.4) for value in values]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def readable_on(front: QColor, back: QColor, ink: QColor) -> QColor:
    """``front``, moved towards ``ink`` until it can be read on ``back``."""
    for step in range(_STEPS + 1):
        shown = mixed(front, ink, step / _STEPS)
        if contrast(shown, back) >= LEAST_CONTRAST:
            return shown
    return ink


def mixed(one: QColor, other: QColor, share: float) -> QColor:
    """``share`` of the other colour in the first."""

    def between(a: int, b: int) -> int:
        return round(a + (b - a) * share)

    return QColor(
        between(one.red(), other.red()), between(one.green(), other.green()), between(one.blue(), other.blue())
    )

"""The tray icon's drawings: a file a state, in colour or as a symbol of one colour, fitted to the pixels of a size."""

from __future__ import annotations

import math
import os
import re
import sys
from functools import lru_cache

from PySide6.QtGui import QIcon

from tidegate.gui.icons import paint_svg, source

STATES = ("normal", "high", "emergency", "paused", "offline")
STYLES = ("colour", "light", "dark", "template")
"""``light`` and ``dark`` name the symbol's own colour; ``template`` is for macOS, which colours it itself."""
SIZES = (16, 22, 24, 32, 48, 64)
_COLOURS = {"light": b"#F2F4F7", "dark": b"#24282E", "template": b"#000000"}
_GRID = 16.0
_TILE = re.compile(rb'<g id="tile">.*?</g>', re.DOTALL)
_FILL = re.compile(rb'fill="#[0-9A-Fa-f]{6}"')
_BAR = re.compile(rb'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>')
_SYMBOL_DESKTOPS = frozenset({"gnome", "ubuntu", "pop"})


def tray_style(wanted: str, platform: str = sys.platform, desktop: str | None = None) -> str:
    """One of STYLES for the setting's word. ``desktop``: XDG_CURRENT_DESKTOP, None for this process's own.

    GNOME's panel is dark in its light scheme too. What only builds on GNOME (Classic, Budgie) has panels of its own.
    """
    if platform == "darwin" and wanted != "colour":
        return "template"
    if wanted != "auto":
        return wanted
    named = os.environ.get("XDG_CURRENT_DESKTOP", "") if desktop is None else desktop
    names = {name.lower() for name in named.split(":") if name}
    return "light" if "gnome" in names and names <= _SYMBOL_DESKTOPS else "colour"


@lru_cache(maxsize=16)
def tray_icon(state: str, style: str) -> QIcon:
    """Pixmaps of every size, because a tray host over D-Bus gets the sizes an icon lists and no others."""
    drawing = source(f"tray-{state}")
    if style != "colour":
        drawing = _FILL.sub(b'fill="' + _COLOURS[style] + b'"', _TILE.sub(b"", drawing))
    made = QIcon()
    for pixels in SIZES:
        made.addPixmap(paint_svg(fitted(drawing, pixels), pixels))
    made.setIsMask(style == "template")
    return made


def fitted(drawing: bytes, pixels: int) -> bytes:
    """The drawing with the edges of its bars moved to whole pixels, the same on both sides of the middle."""
    scale = pixels / _GRID

    def snap(at: float, middle: float) -> float:
        # Half a pixel goes towards the middle, so that bars become wider rather than thinner.
        whole = math.ceil(abs(at - middle) * scale - 0.5)
        return middle + math.copysign(whole, at - middle) / scale

    def bar(found: re.Match[bytes]) -> bytes:
        x, y, width, height = map(float, found.groups())
        left, right = snap(x, _GRID / 2), snap(x + width, _GRID / 2)
        top, bottom = snap(y, 0.0), snap(y + height, 0.0)
        return f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}"/>'.encode()

    return _BAR.sub(bar, drawing)

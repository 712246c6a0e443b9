"""Where the basket stands: always wholly on a screen that exists, growing away from the corner it stands nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize

HOME_PX = QSize(168, 120)
"""The basket while nothing lies in it."""
MARGIN_PX = 24


@dataclass(frozen=True, slots=True)
class Corner:
    """Of which sides the basket keeps its distance when it grows."""

    right: bool
    bottom: bool


def first_home(available: QRect) -> QRect:
    """Where it stands before anybody moved it: the lower right of the screen, beside the work."""
    home = QRect(QPoint(0, 0), HOME_PX)
    home.moveBottomRight(available.bottomRight() - QPoint(MARGIN_PX, MARGIN_PX))
    return clamped(home, [available])


def clamped(place: QRect, screens: Sequence[QRect]) -> QRect:
    """``place`` moved, as little as needed, onto the screen that shows most of it, or else the nearest one."""
    if not screens:
        return QRect(place)
    screen = screen_of(place, screens)
    moved = QRect(place)
    # The last two win where a screen is smaller than the basket: its beginning is seen.
    moved.moveRight(min(moved.right(), screen.right()))
    moved.moveBottom(min(moved.bottom(), screen.bottom()))
    moved.moveLeft(max(moved.left(), screen.left()))
    moved.moveTop(max(moved.top(), screen.top()))
    return moved


def screen_of(place: QRect, screens: Sequence[QRect]) -> QRect:
    return max(screens, key=lambda screen: (_shared(place, screen), -_distance(place, screen)))


def nearest_corner(home: QRect, screen: QRect) -> Corner:
    return Corner(home.center().x() > screen.center().x(), home.center().y() > screen.center().y())


def grown(home: QRect, size: QSize, corner: Corner) -> QRect:
    """The basket at another size, the sides at its corner where they were."""
    place = QRect(home.topLeft(), size)
    if corner.right:
        place.moveRight(home.right())
    if corner.bottom:
        place.moveBottom(home.bottom())
    return place


def _shared(place: QRect, screen: QRect) -> int:
    both = place.intersected(screen)
    return both.width() * both.height() if both.isValid() else 0


def _distance(place: QRect, screen: QRect) -> int:
    centre = place.center()
    dx = max(screen.left() - centre.x(), 0, centre.x() - screen.right())
    dy = max(screen.top() - centre.y(), 0, centre.y() - screen.bottom())
    return dx * dx + dy * dy

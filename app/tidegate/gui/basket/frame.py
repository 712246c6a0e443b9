"""The basket's window: frameless, above all others, moved by its body, where it was left, on a screen that exists."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer
from PySide6.QtGui import (
    QBitmap,
    QGuiApplication,
    QMouseEvent,
    QMoveEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QWidget

from tidegate.gui.basket.place import HOME_PX, Corner, clamped, first_home, grown, nearest_corner, screen_of
from tidegate.gui.remembered import Remembered
from tidegate.gui.theme import Theme

RADIUS_PX = 10
PLACE = "basket_place"
SETTLE_MS = 500
_FLAGS = Qt.WindowType.Tool | Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint


class BasketFrame(QWidget):
    """Keeps the place of the empty basket, its home, and grows from there; whoever inherits says the size."""

    def __init__(self, theme: Theme, remembered: Remembered) -> None:
        super().__init__(None, _FLAGS)
        self._theme, self._remembered = theme, remembered
        self._home = self._remembered_home()
        self.corner = Corner(True, True)
        self._asked_for = QRect()
        self._pressed_at: QPoint | None = None
        self._by_hand = False
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLE_MS)
        # X11 need not have a compositor, without which what is see-through is black: there a mask cuts the corners.
        self._cut = QGuiApplication.platformName() == "xcb"
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground, not self._cut)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WidgetAttribute.WA_MacAlwaysShowToolWindow)
        self.fit_soon = QTimer(self)
        self.fit_soon.setSingleShot(True)
        self.fit_soon.setInterval(0)
        self.fit_soon.timeout.connect(self.fit)
        theme.changed.connect(self.update)
        self._watch_screens()

    def wanted_size(self) -> QSize:
        return QSize(HOME_PX)

    def arrange(self) -> None:
        """Put what is in it where it belongs; ``corner`` is the one to stay at."""

    # --- Place ---

    def fit(self) -> None:
        """As large as it needs to be, growing away from the nearest corner, always wholly on a screen."""
        screens = _screens()
        if screens:
            home = clamped(self._home, screens)
            self.corner = nearest_corner(home, screen_of(home, screens))
            self._asked_for = clamped(grown(home, self.wanted_size(), self.corner), screens)
            self._by_hand = False
            self._settling.start()
            self.setFixedSize(self._asked_for.size())
            self.move(self._asked_for.topLeft())
            self.arrange()

    def moveEvent(self, event: QMoveEvent) -> None:
        """Not by ``fit``, of which the desktop tells late: somebody moved it, and that is where it lives now."""
        super().moveEvent(event)
        somebody = self._by_hand or not self._settling.isActive()
        if somebody and self.isVisible() and event.pos() != self._asked_for.topLeft():
            self._asked_for.moveTopLeft(event.pos())
            self._home = grown(self._asked_for, HOME_PX, self.corner)
            self._remembered.put(PLACE, [self._home.x(), self._home.y()])

    def _remembered_home(self) -> QRect:
        place = self._remembered.get(PLACE, [0])
        if len(place) == 2 and all(type(each) is int for each in place):
            return QRect(QPoint(*place), HOME_PX)
        return first_home(QGuiApplication.primaryScreen().availableGeometry())

    def _watch_screens(self) -> None:
        """A screen that goes takes nothing with it; when it comes back the basket returns to it."""
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.screenAdded.connect(self._on_screens)
        application.screenRemoved.connect(self._on_screens)
        application.primaryScreenChanged.connect(self._on_screens)
        for screen in application.screens():
            # Another resolution, or a panel that came.
            screen.availableGeometryChanged.connect(self._on_screens)

    def _on_screens(self, _screen: object) -> None:
        self.fit_soon.start()

    # --- Moved by its body ---

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed_at = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed_at is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        way = event.position().toPoint() - self._pressed_at
        if way.manhattanLength() < QApplication.startDragDistance():
            return
        self._by_hand = True
        handle = self.windowHandle()
        # The window manager moves it where it can (on Wayland nobody else may).
        if handle is not None and handle.startSystemMove():
            self._pressed_at = None
        else:
            self.move(self.pos() + way)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._pressed_at = None

    # --- Look ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self._cut:
            return
        shape = QBitmap(self.size())
        shape.fill(Qt.GlobalColor.color0)
        painter = QPainter(shape)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Qt.GlobalColor.color1)
        painter.drawRoundedRect(self.rect(), RADIUS_PX, RADIUS_PX)
        painter.end()
        self.setMask(shape)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._cut:
            # The edge is smoothed against this, and the mask, which cannot be smooth, leaves some of it.
            painter.fillRect(self.rect(), self._theme.colour("line"))
        painter.setPen(QPen(self._theme.colour("line"), 1))
        painter.setBrush(self._theme.colour("surface"))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), RADIUS_PX, RADIUS_PX)


def _screens() -> list[QRect]:
    return [screen.availableGeometry() for screen in QGuiApplication.screens()]

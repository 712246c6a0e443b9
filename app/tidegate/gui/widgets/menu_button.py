"""The window's own menu: the same entries as the tray icon's, for desktops that show no tray icons."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QMenu, QPushButton

from tidegate.gui.icons import pixmap
from tidegate.gui.theme import Theme

SIZE_PX, ICON_PX = 28, 16


class MenuButton(QPushButton):
    """``filled(QMenu)`` asks whoever knows the entries to put them in, each time before the menu is shown."""

    filled = Signal(QMenu)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setProperty("role", "icon")
        self.setAccessibleName(self.tr("Menu"))
        self.setToolTip(self.tr("Menu (F10)"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(SIZE_PX, SIZE_PX)
        self.setIconSize(QSize(ICON_PX, ICON_PX))
        self.menu_shown = QMenu(self)
        # A press beside the menu closes it; were it given on to this button, it would open it again.
        self.menu_shown.setAttribute(Qt.WidgetAttribute.WA_NoMouseReplay)
        self.clicked.connect(lambda _checked=False: self.open_menu())
        theme.changed.connect(self._colour)
        self._colour()

    def open_menu(self) -> None:
        """Below the button."""
        self.filled.emit(self.menu_shown)
        self.menu_shown.popup(self.mapToGlobal(QPoint(0, self.height() + 4)))

    def _colour(self) -> None:
        made = QIcon()
        for scale in (1, 2):
            drawn: QPixmap = pixmap("menu", self._theme.colour("muted"), ICON_PX * scale)
            drawn.setDevicePixelRatio(scale)
            made.addPixmap(drawn)
        self.setIcon(made)

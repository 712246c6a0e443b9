"""The rail at the left: the name, the pages that exist, and how much is going on."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from tidegate.gui.icons import page_icon, pixmap
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.menu_button import MenuButton

WIDTH_PX = 176


class Rail(QFrame):
    """``page_wanted(str)`` with the page's name."""

    page_wanted = Signal(str)

    def __init__(self, pages: dict[str, str], theme: Theme) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setFixedWidth(WIDTH_PX)
        self._theme = theme
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 20, 8, 16)
        column.setSpacing(8)
        head = QHBoxLayout()
        head.setContentsMargins(12, 0, 0, 16)
        head.setSpacing(0)
        self._logo = QLabel()
        name = QLabel("Tidegate")
        name.setFont(font(16, QFont.Weight.DemiBold))
        head.addWidget(self._logo)
        head.addSpacing(10)
        head.addWidget(name)
        head.addStretch(1)
        self.menu = MenuButton(theme)
        head.addWidget(self.menu)
        column.addLayout(head)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QPushButton] = {}
        self._badges: dict[str, QLabel] = {}
        for place, (page, label) in enumerate(pages.items()):
            self._add(page, label, place, column)
        column.addStretch(1)
        self._footer = QLabel("")
        self._footer.setProperty("role", "muted")
        self._footer.setFont(font(12))
        self._footer.setContentsMargins(12, 0, 0, 0)
        self._footer.setWordWrap(True)
        column.addWidget(self._footer)
        theme.changed.connect(self._colour)
        self._colour()

    def choose(self, page: str) -> None:
        self.buttons[page].setChecked(True)

    def show_footer(self, text: str) -> None:
        self._footer.setText(text)

    def show_badge(self, page: str, text: str, spoken: str) -> None:
        """A small pill beside a page's word; ``spoken`` is what the whole button is called then. Empty: no pill."""
        badge = self._badges.get(page)
        if badge is None:
            badge = self._badges[page] = self._add_badge(self.buttons[page])
        badge.setText(text)
        badge.setVisible(bool(text))
        self.buttons[page].setAccessibleName(spoken if text else "")

    def _add(self, page: str, label: str, place: int, column: QVBoxLayout) -> None:
        button = QPushButton(label)
        button.setProperty("role", "page")
        button.setCheckable(True)
        button.setIconSize(QSize(24, 16))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _checked=False: self.page_wanted.emit(page))
        shortcut = QShortcut(QKeySequence(f"Alt+{place + 1}"), self)
        shortcut.activated.connect(lambda: self.page_wanted.emit(page))
        self._group.addButton(button)
        self.buttons[page] = button
        column.addWidget(button)

    def _add_badge(self, button: QPushButton) -> QLabel:
        badge = QLabel("")
        badge.setObjectName("badge")
        badge.setFont(font(11, QFont.Weight.DemiBold))
        badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        badge.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        badge.setMinimumWidth(18)
        badge.setFixedHeight(16)
        row = QHBoxLayout(button)
        row.setContentsMargins(0, 0, 10, 0)
        row.addStretch(1)
        row.addWidget(badge)
        return badge

    def _colour(self) -> None:
        text, accent = self._theme.colour("text"), self._theme.colour("accent")
        ratio = self.devicePixelRatioF()
        logo = pixmap("logo", text, int(24 * ratio))
        logo.setDevicePixelRatio(ratio)
        self._logo.setPixmap(logo)
        for page, button in self.buttons.items():
            button.setIcon(page_icon(f"page-{page}", self._theme.colour("muted"), accent))

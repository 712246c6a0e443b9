"""What an empty page says: what belongs here, and the one thing to do."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from tidegate.gui.theme import font

WIDTH_PX = 420


class EmptyState(QWidget):
    """``wanted()`` when its button is pressed."""

    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._title = QLabel("")
        self._title.setFont(font(14, QFont.Weight.DemiBold))
        self._sentence = QLabel("")
        self._sentence.setProperty("role", "muted")
        self._sentence.setWordWrap(True)
        self._sentence.setFixedWidth(WIDTH_PX)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._button = QPushButton("")
        self._button.clicked.connect(lambda _checked=False: self.wanted.emit())
        column = QVBoxLayout(self)
        column.setSpacing(8)
        column.addStretch(1)
        for widget in (self._title, self._sentence, self._button):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)

    def show_words(self, title: str, sentence: str, button: str | None) -> None:
        self._title.setText(title)
        self._sentence.setText(sentence)
        # Aligned in a column, a label is given the height of one line however many it needs.
        self._sentence.setMinimumHeight(self._sentence.heightForWidth(WIDTH_PX))
        self._button.setVisible(button is not None)
        self._button.setText(button or "")

"""The chosen notice in full, below the list: the whole text, when it was, and a button for everything it offers."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from tidegate.engine.ports import Notice
from tidegate.gui import words
from tidegate.gui.inbox import words as said
from tidegate.gui.theme import font
from tidegate.gui.toasts.wording import Choice, choices


class NoticePanel(QFrame):
    """``chosen(Choice)`` when a button is pressed, ``closed()``."""

    chosen = Signal(object)
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.notice: Notice | None = None
        self._title = self._label(font(14, QFont.Weight.DemiBold))
        self._text = self._label(font(13))
        self._when = self._label(font(12))
        self._when.setProperty("role", "muted")
        self.buttons: list[QPushButton] = []
        close = self._button(self.tr("Close"), "quiet", lambda: self.closed.emit())
        close.setAccessibleName(self.tr("Close the notice"))
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self._title, 1)
        head.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self._row = QHBoxLayout()
        self._row.setSpacing(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 16)
        column.setSpacing(8)
        column.addLayout(head)
        column.addWidget(self._text)
        column.addWidget(self._when)
        column.addSpacing(4)
        column.addLayout(self._row)

    def show_notice(self, notice: Notice) -> None:
        if notice == self.notice:
            return
        self.notice = notice
        self._title.setText(words.printable(notice.title))
        self._text.setText(words.printable(notice.text))
        self._text.setVisible(bool(notice.text))
        job = "" if notice.job is None else self.tr(" · job {id}").format(id=notice.job)
        self._when.setText(f"{said.level_word(notice.level)} · {said.exact(notice.at)}{job}")
        self._fill_buttons(notice)

    def _fill_buttons(self, notice: Notice) -> None:
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons = [self._choice_button(choice) for choice in choices(notice)]
        for button in self.buttons:
            self._row.addWidget(button)
        self._row.addWidget(self._button(self.tr("Copy"), "quiet", lambda: copy(notice)))
        self._row.addStretch(1)

    def _choice_button(self, choice: Choice) -> QPushButton:
        return self._button(words.on_button(choice.label), "", lambda: self.chosen.emit(choice))

    def _button(self, label: str, role: str, slot: Callable[[], object]) -> QPushButton:
        button = QPushButton(label)
        if role:
            button.setProperty("role", role)
        button.clicked.connect(lambda _checked=False: slot())
        return button

    def _label(self, of: QFont) -> QLabel:
        label = QLabel("")
        label.setFont(of)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label


def copy(notice: Notice) -> None:
    """As one would pass it on: when, what, why."""
    text = f"{said.exact(notice.at)}\n{words.printable(notice.title)}\n{words.printable(notice.text)}"
    QGuiApplication.clipboard().setText(text.rstrip())

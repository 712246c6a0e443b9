"""Sentences shown where they belong, inside the window: what was refused, and states that last (paused, disk full)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

INFO_MS = 8000


@dataclass(frozen=True, slots=True)
class Offer:
    """The one thing a message offers to do."""

    label: str
    do: Callable[[], object]


class _Message(QFrame):
    """One line with a sentence, an optional button, and a way to put it away."""

    def __init__(self, text: str, level: str, offer: Offer | None, close: Callable[[], None] | None) -> None:
        super().__init__()
        self.setObjectName("message")
        self.setProperty("level", level)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 4, 8, 4)
        row.setSpacing(8)
        self.label = QLabel(text)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.label.setMinimumHeight(30)
        row.addWidget(self.label, 1)
        self._close = close
        if offer is not None:
            button = QPushButton(offer.label)
            button.setProperty("role", "link")
            button.clicked.connect(lambda _checked=False: offer.do())
            row.addWidget(button)
        if close is not None:
            away = QPushButton(self.tr("Dismiss"))
            away.setProperty("role", "quiet")
            away.clicked.connect(lambda _checked=False: close())
            row.addWidget(away)
        for each in self.findChildren(QPushButton):
            # A click leaves the focus where the person works: it would jump elsewhere when the message goes.
            each.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._close is not None:
            self._close()
            return
        super().keyPressEvent(event)


class MessageBar(QWidget):
    """At most one passing message, below the states that last. Takes no room while there is nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        self._states: dict[str, tuple[str, _Message]] = {}
        self._passing: _Message | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.clear)
        self.hide()

    def show_error(self, sentence: str, offer: Offer | None = None) -> None:
        """Stays until it is put away or another comes; an offer that was taken puts it away too."""
        self._pass(sentence, "error", None if offer is None else Offer(offer.label, lambda: self._take(offer)))

    def _take(self, offer: Offer) -> None:
        self.clear()
        offer.do()

    def show_info(self, sentence: str, offer: Offer | None = None) -> None:
        """Goes by itself after some seconds."""
        self._pass(sentence, "info", offer)
        self._timer.start(INFO_MS)

    def set_state(self, name: str, sentence: str | None, offer: Offer | None = None) -> None:
        """Show, change or (None) take away a state that lasts."""
        known = self._states.get(name)
        if known is not None and known[0] == sentence:
            return
        if known is not None:
            self._drop(self._states.pop(name)[1])
        if sentence is not None:
            message = _Message(sentence, "attention", offer, None)
            self._column.insertWidget(len(self._states), message)
            self._states[name] = (sentence, message)
        self._show_or_hide()

    def clear(self) -> None:
        """Put the passing message away."""
        self._timer.stop()
        if self._passing is not None:
            self._drop(self._passing)
            self._passing = None
        self._show_or_hide()

    @property
    def text(self) -> str:
        """What it says now, line by line."""
        lines = [text for text, _ in self._states.values()]
        if self._passing is not None:
            lines.append(self._passing.label.text())
        return "\n".join(lines)

    def _pass(self, sentence: str, level: str, offer: Offer | None) -> None:
        self.clear()
        self._passing = _Message(sentence, level, offer, self.clear)
        self._passing.setAccessibleName(sentence)
        self._column.addWidget(self._passing)
        self._show_or_hide()

    def _drop(self, message: _Message) -> None:
        self._column.removeWidget(message)
        message.hide()
        message.deleteLater()

    def _show_or_hide(self) -> None:
        self.setVisible(bool(self._states) or self._passing is not None)

"""The lower part of the submit dialog: what was found in the file, what the job needs, and what will happen now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QWidget

from tidegate.gui.theme import font

LABEL_PX = 88


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what is so; ``tone`` is empty, muted, ok, attention or danger."""

    label: str
    text: str
    tone: str = ""
    strong: bool = False


class Facts(QFrame):
    """A card of quiet lines; one word on the left, the fact on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._shown: tuple[Fact, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(16, 12, 16, 12)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnMinimumWidth(0, LABEL_PX)
        self._grid.setColumnStretch(1, 1)

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Only what changed is made anew, so that nothing flickers while a person types."""
        new = tuple(facts)
        if new == self._shown:
            return
        self._shown = new
        while (item := self._grid.takeAt(0)) is not None:
            widget: QWidget | None = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for row, fact in enumerate(new):
            label = QLabel(fact.label)
            label.setProperty("role", "muted")
            label.setFont(font(12))
            text = _text(fact)
            text.setAccessibleName(f"{fact.label}: {fact.text}" if fact.label else fact.text)
            self._grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(text, row, 1)
        # Filled lines stay at the top, whatever height is left.
        self._grid.setRowStretch(len(new), 1)

    @property
    def text(self) -> str:
        """What it says now, line by line."""
        return "\n".join(f"{fact.label}: {fact.text}" for fact in self._shown)


def _text(fact: Fact) -> QLabel:
    text = QLabel(fact.text)
    text.setTextFormat(Qt.TextFormat.PlainText)
    text.setWordWrap(True)
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    text.setFont(font(13 if fact.strong else 12, QFont.Weight.DemiBold if fact.strong else QFont.Weight.Normal))
    text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    if fact.tone:
        text.setProperty("role", fact.tone)
    return text

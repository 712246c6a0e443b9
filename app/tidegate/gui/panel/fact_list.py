"""Facts below one another: a small label, then lines that wrap, can be selected, and say the exact figure on hover."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent, QTextOption
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QTextEdit, QVBoxLayout, QWidget

from tidegate.gui.panel.job_facts import Fact, FactLine
from tidegate.gui.theme import fixed_font, font

_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard


class TypedText(QTextEdit):
    """Text as one would type it, broken wherever it must be, as high as it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(_SELECTABLE)
        self.setTabChangesFocus(True)
        self.setFont(fixed_font(12))
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(lambda _size: self._fit())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        height = int(self.document().size().height()) + 1
        if height != self.height():
            self.setFixedHeight(height)


class _FactRow(QWidget):
    def __init__(self, typed: bool) -> None:
        super().__init__()
        self._typed = typed
        self._fact: Fact | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 8)
        self._column.setSpacing(2)
        head = QHBoxLayout()
        head.setSpacing(4)
        self._label = QLabel()
        self._label.setProperty("role", "muted")
        self._label.setFont(font(11))
        head.addWidget(self._label)
        if typed:
            self.copy = QPushButton(self.tr("Copy"))
            self.copy.setProperty("role", "inline")
            self.copy.clicked.connect(lambda _checked=False: self._copy())
            head.addWidget(self.copy)
        head.addStretch(1)
        self._column.addLayout(head)
        self._lines: list[QLabel | TypedText] = []

    def show_fact(self, fact: Fact) -> None:
        if fact == self._fact:
            return
        self._fact = fact
        self._label.setText(fact.label)
        if self._typed:
            self.copy.setAccessibleName(self.tr("Copy {what}").format(what=fact.label.lower()))
        while len(self._lines) < len(fact.lines):
            self._lines.append(self._line())
            self._column.addWidget(self._lines[-1])
        for index, shown in enumerate(self._lines):
            shown.setVisible(index < len(fact.lines))
            if index < len(fact.lines):
                _show(shown, fact.lines[index], fact.label)

    def _line(self) -> QLabel | TypedText:
        if self._typed:
            return TypedText()
        label = QLabel()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(_SELECTABLE)
        label.setMinimumWidth(24)
        return label

    def _copy(self) -> None:
        if self._fact is not None:
            QGuiApplication.clipboard().setText("\n".join(line.text for line in self._fact.lines))


def _show(shown: QLabel | TypedText, line: FactLine, label: str) -> None:
    if isinstance(shown, QLabel):
        if shown.text() != line.text:
            shown.setText(line.text)
    elif shown.toPlainText() != line.text:
        shown.setPlainText(line.text)
    shown.setToolTip(line.hint)
    shown.setAccessibleName(f"{label}: {line.text}")


class FactList(QWidget):
    """Only what has changed is written anew, so that a selection and the reader's place stay."""

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(0)
        self._rows: dict[tuple[str, bool], _FactRow] = {}

    def show_facts(self, facts: Sequence[Fact]) -> None:
        wanted = {(fact.label, fact.typed): fact for fact in facts}
        for index, (key, fact) in enumerate(wanted.items()):
            row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = _FactRow(fact.typed)
            if self._column.indexOf(row) != index:
                self._column.insertWidget(index, row)
            row.show_fact(fact)
            row.show()
        for key, row in self._rows.items():
            if key not in wanted:
                self._column.removeWidget(row)
                row.hide()

    def text(self) -> str:
        """Everything it says, for tests and for copying."""
        shown = sorted((row for row in self._rows.values() if not row.isHidden()), key=self._column.indexOf)
        return "\n".join(_said(row) for row in shown)


def _said(row: _FactRow) -> str:
    fact = row._fact
    return "" if fact is None else "\n".join((fact.label, *(line.text for line in fact.lines)))

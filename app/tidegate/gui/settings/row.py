"""One setting on the page: what it is, what it means here, its control, and what came of changing it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tidegate.engine.views import MachineView, SettingView
from tidegate.gui.settings import words
from tidegate.gui.settings.control import FieldControl, make_control
from tidegate.gui.theme import Theme, font


class Row(QFrame):
    """A label and a muted sentence at the left, a control at the right, and a note below when there is one."""

    def __init__(self, label: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setProperty("role", "setting")
        # Each with its parent from the start: every change of one costs a look at the whole style sheet.
        self.label = QLabel(label, self)
        self.label.setFont(font(13, QFont.Weight.Medium))
        self.sentence = QLabel("", self)
        self.sentence.setFont(font(12))
        self.sentence.setProperty("role", "muted")
        self.sentence.setWordWrap(True)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.note: QLabel | None = None
        self.across = QHBoxLayout(self)
        self.across.setContentsMargins(14, 10, 16, 10)
        self.across.setSpacing(24)
        self.texts = QVBoxLayout()
        self.texts.setSpacing(2)
        self.across.addLayout(self.texts, 1)
        self.head = QHBoxLayout()
        self.head.setSpacing(8)
        self.texts.addLayout(self.head)
        self.head.addWidget(self.label)
        self.head.addStretch(1)
        self.texts.addWidget(self.sentence)

    def set_control(self, control: QWidget) -> None:
        control.setAccessibleName(self.label.text())
        self.label.setBuddy(control)
        self.across.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_sentence(self, text: str) -> None:
        if self.sentence.text() != text:
            self.sentence.setText(text)

    def show_note(self, text: str | None, role: str) -> None:
        """``role``: muted, attention or danger."""
        if text is None:
            if self.note is not None:
                self.note.hide()
            return
        if self.note is None:
            self.note = QLabel(self)
            self.note.setFont(font(12))
            self.note.setWordWrap(True)
            self.note.setTextFormat(Qt.TextFormat.PlainText)
            self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.texts.addWidget(self.note)
        self.note.setText(text)
        if self.note.property("role") != role:
            self.note.setProperty("role", role)
            self.note.style().polish(self.note)
        self.note.show()


class SettingRow(Row):
    """``wanted(name, text)`` when a person decided on a value; text None: back to the default."""

    wanted = Signal(str, object)

    def __init__(self, view: SettingView, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(view.label, parent)
        self.view = view
        self.control = make_control(view, theme, self)
        self.control.committed.connect(self._on_committed)
        if isinstance(self.control, FieldControl):
            self.control.field.given_up.connect(self._on_given_up)
        self.set_control(self.control.widget)
        self._reset: QPushButton | None = None
        self._asked = 0
        self._refusal: str | None = None
        self._restarts = False
        self.control.show_text(view.text)
        self._show_view()

    # --- What the page tells ---

    def show_machine(self, machine: MachineView) -> None:
        parts = (self.view.help, words.hint(self.view, machine))
        self.show_sentence(words.unbroken(" ".join(part for part in parts if part)))
        self._describe()

    def take(self, view: SettingView, waits_for_restart: bool) -> None:
        """It holds another value now, whoever changed it; what a person is typing here stays."""
        untouched = not self._asked and self._refusal is None and self.control.text() == self.view.text
        self.view, self._restarts = view, waits_for_restart
        if untouched:
            self.control.show_text(view.text)
        elif isinstance(self.control, FieldControl):
            self.control.hold(view.text)
        self._show_view()

    def answer(self, asked: str | None, view: SettingView, waits_for_restart: bool) -> None:
        """It was changed as wanted here."""
        self._asked -= 1
        self.view, self._restarts, self._refusal = view, waits_for_restart, None
        if not self._asked and asked in (None, self.control.text()):
            self.control.show_text(view.text)
        self._show_view()

    def restored(self, view: SettingView, waits_for_restart: bool) -> None:
        """It is at its default, which somebody asked for: what was typed and refused goes too."""
        self.view, self._restarts, self._refusal = view, waits_for_restart, None
        self.control.show_text(view.text)
        self._show_view()

    def refuse(self, sentence: str) -> None:
        """It was not changed: the field keeps what was typed, while a switch and a choice show what holds."""
        self._asked -= 1
        self._refusal = sentence
        if not isinstance(self.control, FieldControl):
            self.control.show_text(self.view.text)
        self._show_view()

    # --- What a person does ---

    def _on_committed(self, text: str) -> None:
        if text == self.view.text and not self._asked:
            self._on_given_up()
            return
        self._asked += 1
        self.wanted.emit(self.view.name, text)

    def _on_reset(self) -> None:
        self._asked += 1
        self.wanted.emit(self.view.name, None)

    def _on_given_up(self) -> None:
        self._refusal = None
        self._show_view()

    # --- What is seen ---

    def _show_view(self) -> None:
        fixed = words.fixed_reason(self.view)
        self.control.widget.setEnabled(fixed is None)
        if isinstance(self.control, FieldControl):
            self._mark(self.control.field, self._refusal is not None)
        if self._refusal is not None:
            self.show_note(words.still_holds(self._refusal, self.view), "danger")
        elif fixed is not None:
            self.show_note(fixed, "muted")
        else:
            restart = self.tr("Applies when Tidegate is started again.")
            self.show_note(restart if self._restarts else None, "attention")
        self._mark_changed(words.changed(self.view))
        self._describe()

    def _describe(self) -> None:
        """For who hears the page: what stands beside the control belongs to it."""
        note = self.note.text() if self.note is not None and not self.note.isHidden() else ""
        self.control.widget.setAccessibleDescription(f"{self.sentence.text()} {note}".strip())

    def _mark(self, field: QWidget, invalid: bool) -> None:
        if bool(field.property("invalid")) != invalid:
            field.setProperty("invalid", invalid)
            field.style().polish(field)

    def _mark_changed(self, changed: bool) -> None:
        """The way back is made when first needed: few settings are ever changed, and the page is to open quickly."""
        if self._reset is None:
            if not changed:
                return
            self._reset = QPushButton(self.tr("Reset"), self)
            self._reset.setProperty("role", "inline")
            self._reset.clicked.connect(lambda _checked=False: self._on_reset())
            self.head.insertWidget(1, self._reset)
            # Tab meets it where it stands, not at the page's end: before the control (after it, then turned round).
            QWidget.setTabOrder(self.control.widget, self._reset)
            QWidget.setTabOrder(self._reset, self.control.widget)
        default = words.with_unit(self.view, self.view.default_text)
        self._reset.setToolTip(self.tr("Back to the default: {default}").format(default=default))
        self._reset.setAccessibleName(self.tr("Reset {label}").format(label=self.view.label))
        self._reset.setVisible(changed)
        self.setProperty("changed", changed)
        self.style().polish(self)

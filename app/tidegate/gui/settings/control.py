"""The control of one setting, by its kind: a switch, a choice, or a field for what people write."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget

from tidegate.engine.views import SettingView
from tidegate.gui.settings.words import unit
from tidegate.gui.theme import Theme
from tidegate.gui.widgets.choice import Choice
from tidegate.gui.widgets.switch import Switch

NUMBER_PX, WORD_PX, TEXT_PX = 120, 136, 200
UNIT_GAP_PX = 10


class SwitchControl(QObject):
    committed = Signal(str)

    def __init__(self, theme: Theme, row: QWidget) -> None:
        super().__init__(row)
        self.switch = Switch(theme, row)
        self.widget: QWidget = self.switch
        # ``clicked``, not ``toggled``: what the engine says is no wish.
        self.switch.clicked.connect(lambda _checked=False: self.committed.emit(self.text()))

    def text(self) -> str:
        return "true" if self.switch.isChecked() else "false"

    def show_text(self, text: str) -> None:
        self.switch.setChecked(text == "true")


class ChoiceControl(QObject):
    committed = Signal(str)

    def __init__(self, view: SettingView, row: QWidget) -> None:
        super().__init__(row)
        self.box = Choice()
        self.box.setParent(row)
        self.box.setFixedWidth(WORD_PX)
        for choice in (*(("auto",) if view.automatic is not None else ()), *view.choices):
            self.box.addItem(choice.replace("_", " ").capitalize(), choice)
        self.widget: QWidget = self.box
        self.box.activated.connect(lambda _index: self.committed.emit(self.text()))

    def text(self) -> str:
        return str(self.box.currentData())

    def show_text(self, text: str) -> None:
        self.box.setCurrentIndex(self.box.findData(text))


class Field(QLineEdit):
    """A field with its unit inside; Escape brings back what holds, and passes on when nothing was typed."""

    given_up = Signal()

    def __init__(self, unit_text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.unit: QLabel | None = None
        self.shown = ""
        if unit_text:
            self.unit = QLabel(unit_text, self)
            self.unit.setProperty("role", "muted")
            self.unit.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.unit is not None:
            self.unit.adjustSize()
            left = self.width() - self.unit.width() - UNIT_GAP_PX
            self.unit.move(left, (self.height() - self.unit.height()) // 2)
            self.setTextMargins(0, 0, self.unit.width() + UNIT_GAP_PX // 2, 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text() != self.shown:
            self.setText(self.shown)
            self.given_up.emit()
            return
        super().keyPressEvent(event)


class FieldControl(QObject):
    """Decided by Enter or by leaving the field. An empty field is "auto" where there is one."""

    committed = Signal(str)

    def __init__(self, view: SettingView, row: QWidget) -> None:
        super().__init__(row)
        self.field = Field(unit(view), row)
        self.field.setFixedWidth(TEXT_PX if view.kind == "text" else NUMBER_PX)
        self.field.setAlignment(Qt.AlignmentFlag.AlignLeft if view.kind == "text" else Qt.AlignmentFlag.AlignRight)
        self._auto = view.automatic is not None
        if self._auto:
            self.field.setPlaceholderText(self.tr("auto"))
        self._asked = ""
        self.widget: QWidget = self.field
        self.field.returnPressed.connect(self._commit)
        self.field.installEventFilter(self)

    def text(self) -> str:
        typed = self.field.text().strip()
        return "auto" if self._auto and not typed else typed

    def show_text(self, text: str) -> None:
        self.hold(text)
        self._asked = text
        if self.field.text() != self.field.shown:
            self.field.setText(self.field.shown)

    def hold(self, text: str) -> None:
        """What Escape brings back; what is being typed stays."""
        self.field.shown = "" if self._auto and text == "auto" else text

    def _commit(self) -> None:
        self._asked = self.text()
        self.committed.emit(self._asked)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Not ``editingFinished``, which says Enter too. What was refused already is not asked again by leaving.
        left = event.type() is QEvent.Type.Hide or (
            isinstance(event, QFocusEvent) and event.lostFocus() and event.reason() is not _MENU
        )
        if left and self.text() != self._asked:
            self._commit()
        return super().eventFilter(watched, event)


Control = SwitchControl | ChoiceControl | FieldControl
_MENU = Qt.FocusReason.PopupFocusReason


def make_control(view: SettingView, theme: Theme, row: QWidget) -> Control:
    if view.kind == "bool":
        return SwitchControl(theme, row)
    return ChoiceControl(view, row) if view.kind == "choice" else FieldControl(view, row)

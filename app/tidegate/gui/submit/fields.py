"""The fields of a job that a person may change, in rows; what was refused is said under the row of its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from tidegate.gui.theme import font
from tidegate.gui.widgets.choice import Choice

GAP_PX = 16
PRIORITIES = 10


def _tr(text: str) -> str:
    return QCoreApplication.translate("job_fields", text)


def _labels() -> dict[str, tuple[str, str]]:
    """By option: what it is called, and what may be written there."""
    return {
        "mem": (_tr("Memory"), _tr("What it needs at most, such as 8G or 512M.")),
        "gpu": (_tr("GPU"), _tr("Graphics cards: 1, 0.5, 2(V100), 1(>=16G), 8G,0.5 (memory, share) or none.")),
        "priority": (_tr("Priority"), _tr("0 is the most important, 9 the least.")),
        "name": (_tr("Name"), _tr("What to call it.")),
        "cpus": (_tr("Cores"), _tr("How many it uses, such as 4 or 0.5.")),
        "time": (_tr("Time limit"), _tr("How long it may run: 90s, 30m, 2h, 1-12:00:00.")),
        "after": (_tr("After jobs"), _tr("Starts when these have succeeded: 7, or 7,9, or any:7.")),
        "begin": (_tr("Not before"), _tr("22:00, now+2h, or 2026-12-24T18:00.")),
        "deadline": (_tr("Done by"), _tr("When it should be done: 18:00, now+2h, or 2026-12-24T18:00.")),
        "retry-delay": (_tr("Retry after"), _tr("How long to wait before that, twice as long each time: 30s, 5m.")),
        "retries": (_tr("Retries"), _tr("How often to run it again when it fails.")),
        "queue": (_tr("Queue"), _tr("In which queue it stands, with that one's limits and order.")),
    }


class FieldChoice(Choice):
    """A few answers, below one entry for what holds when nothing is said."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        """``answers``: what each is called, by what it stands for."""
        super().__init__()
        self.addItem("", "")
        for text, words in answers.items():
            self.addItem(words, text)

    def set_default(self, words: str) -> None:
        self.setItemText(0, words)

    def text(self) -> str:
        return str(self.currentData())

    def set_text(self, text: str) -> None:
        self.setCurrentIndex(max(0, self.findData(text)))


def _priorities() -> dict[str, str]:
    return {str(number): _priority_words(number) for number in range(PRIORITIES)}


def _priority_words(number: int) -> str:
    words = {0: _tr("first of all"), 2: _tr("high"), 5: _tr("normal"), 8: _tr("low"), 9: _tr("last of all")}
    return f"{number} · {words[number]}" if number in words else str(number)


class FieldRow(QWidget):
    """Some fields side by side, their names above; below, in full width, why any is refused."""

    changed = Signal()

    def __init__(self, names: Sequence[str], queues: Sequence[str]) -> None:
        super().__init__()
        self._queues = queues
        self._controls: dict[str, QLineEdit | FieldChoice] = {}
        self._refused: dict[str, str] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GAP_PX)
        grid.setVerticalSpacing(4)
        for column, name in enumerate(names):
            label, control = self._make(name)
            grid.addWidget(label, 0, column)
            grid.addWidget(control, 1, column)
            grid.setColumnStretch(column, 1)
        self.refusal = refusal_label()
        grid.addWidget(self.refusal, 2, 0, 1, len(names))

    def _make(self, name: str) -> tuple[QLabel, QLineEdit | FieldChoice]:
        words, accepted = _labels()[name]
        control: QLineEdit | FieldChoice
        if name in ("priority", "queue"):
            control = FieldChoice(_priorities() if name == "priority" else {queue: queue for queue in self._queues})
            control.currentIndexChanged.connect(lambda _index: self.changed.emit())
        else:
            control = QLineEdit()
            control.textChanged.connect(lambda _text: self.changed.emit())
        control.setMinimumWidth(64)
        control.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        control.setToolTip(accepted)
        control.setAccessibleName(words)
        control.setAccessibleDescription(accepted)
        self._controls[name] = control
        return field_label(words, control), control

    @property
    def names(self) -> list[str]:
        return list(self._controls)

    def control(self, name: str) -> QLineEdit | FieldChoice:
        return self._controls[name]

    def refuse(self, name: str, sentence: str) -> None:
        """Say why a field's words are not taken, below what is said of the fields beside it."""
        self._refused[name] = sentence
        mark(self._controls[name], True)
        self._say()

    def accept_all(self) -> None:
        for name in self._refused:
            mark(self._controls[name], False)
        self._refused.clear()
        self._say()

    def _say(self) -> None:
        self.refusal.setText("\n".join(self._refused[name] for name in self._controls if name in self._refused))
        self.refusal.setVisible(bool(self._refused))


class JobFields(QWidget):
    """Rows of fields as one. ``changed()`` when any was written in; ``texts()`` are options as the CLI takes them.

    ``queues`` are those that a job may stand in.
    """

    changed = Signal()

    def __init__(self, rows: Sequence[Sequence[str]], queues: Sequence[str] = ()) -> None:
        super().__init__()
        self._rows: dict[str, FieldRow] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        for names in rows:
            row = FieldRow(names, queues)
            row.changed.connect(self.changed)
            self._rows.update(dict.fromkeys(names, row))
            column.addWidget(row)

    def names(self) -> list[str]:
        return list(self._rows)

    def control(self, name: str) -> QLineEdit | FieldChoice:
        return self._rows[name].control(name)

    def text(self, name: str) -> str:
        return self.control(name).text().strip()

    def texts(self) -> dict[str, str]:
        """What was written, by option; empty ones are not said."""
        return {name: text for name in self._rows if (text := self.text(name))}

    def set_text(self, name: str, text: str) -> None:
        control = self.control(name)
        if isinstance(control, FieldChoice):
            control.set_text(text)
        else:
            control.setText(text)

    def set_default(self, name: str, words: str) -> None:
        """What holds while nothing is written."""
        control = self.control(name)
        if isinstance(control, FieldChoice):
            control.set_default(words)
        else:
            control.setPlaceholderText(words)

    def refuse(self, name: str, sentence: str) -> bool:
        """Say it beside the field; False when there is no such field here."""
        row = self._rows.get(name)
        if row is None:
            return False
        row.refuse(name, sentence)
        return True

    def accept_all(self) -> None:
        for row in dict.fromkeys(self._rows.values()):
            row.accept_all()


def field_label(words: str, control: QWidget) -> QLabel:
    """A field's name above it."""
    label = QLabel(words)
    label.setProperty("role", "muted")
    label.setFont(font(12))
    label.setBuddy(control)
    return label


def refusal_label() -> QLabel:
    """Where a refusal stands; takes no room while there is none."""
    label = QLabel("")
    label.setProperty("role", "danger")
    label.setFont(font(12))
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.hide()
    return label


def mark(control: QWidget, invalid: bool) -> None:
    """Draw the field as refused, or as any other."""
    control.setProperty("invalid", invalid)
    style = control.style()
    style.unpolish(control)
    style.polish(control)

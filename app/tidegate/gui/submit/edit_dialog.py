"""Changes what a waiting or held job asks for, in the fields and words of submit; only what was changed is sent."""

from __future__ import annotations

import time
from collections.abc import Mapping

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from tidegate.core.job import JobId
from tidegate.core.texts import format_size
from tidegate.engine.ports import Answer, Command, EngineUnwilling, Verb
from tidegate.engine.views import EstimateView, JobView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.submit.fields import FieldChoice, JobFields, refusal_label
from tidegate.gui.submit.form import MAIN, MORE
from tidegate.gui.submit.words import queues, short_source
from tidegate.gui.theme import Theme, font
from tidegate.submission.options import from_command_line, merge, read_wishes
from tidegate.submission.request import Refused

WIDTH_PX = 560
CHECK_AFTER_MS = 200
ROWS = (*MAIN, *MORE)
_SIZES = ((1024**3, "G"), (1024**2, "M"), (1024, "K"), (1, "B"))
_TIMES = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class EditDialog(QDialog):
    """``changed(str)`` with the job's id after it was changed; the dialog closes by itself then."""

    changed = Signal(str)

    def __init__(self, job: JobView, commands: Commands, owner: QWidget | None = None) -> None:
        super().__init__(owner)
        self.job, self._commands = job, commands
        self._before = current(job)
        self._busy = self.gone = False
        self.setWindowTitle(self.tr("Change job {id}").format(id=job.id))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(CHECK_AFTER_MS)
        self._timer.timeout.connect(self.check)
        self._build()

    @staticmethod
    def open_for(job: JobView, commands: Commands, _theme: Theme, owner: QWidget | None) -> EditDialog:
        """Show it beside everything else; nothing is blocked meanwhile. Of one job there is one."""
        there = [] if owner is None else owner.findChildren(EditDialog)
        dialog = next((each for each in there if each.job.id == job.id and not each.gone), None)
        dialog = dialog or EditDialog(job, commands, owner)
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()
        return dialog

    # --- Building ---

    def _build(self) -> None:
        name = QLabel(words.printable(words.title(self.job)))
        name.setFont(font(14, QFont.Weight.DemiBold))
        name.setTextFormat(Qt.TextFormat.PlainText)
        name.setWordWrap(True)
        about = QLabel(words.command_line(self.job))
        about.setProperty("role", "muted")
        about.setTextFormat(Qt.TextFormat.PlainText)
        about.setWordWrap(True)
        self.fields = JobFields(ROWS, _with(queues(self._commands.desk), self.job.queue))
        for field, text in self._before.items():
            self.fields.set_text(field, text)
        for field, text in self._defaults().items():
            self.fields.set_default(field, text)
        for field in ("priority", "queue"):
            control = self.fields.control(field)
            if isinstance(control, FieldChoice):
                control.removeItem(0)  # every job has one
        self.fields.changed.connect(self._timer.start)
        self.refusal = refusal_label()
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAutoDefault(False)
        self.cancel.clicked.connect(lambda _checked=False: self.reject())
        self.save_button = QPushButton(self.tr("Change"))
        self.save_button.setProperty("role", "primary")
        self.save_button.setDefault(True)
        self.save_button.setToolTip(self.tr("Ctrl+Enter"))
        self.save_button.setEnabled(False)
        self.save_button.clicked.connect(lambda _checked=False: self.save())
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        for button in (self.cancel, self.save_button):
            button.setMinimumWidth(104)
            buttons.addWidget(button)
        column = self._column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        heading = QVBoxLayout()
        heading.setSpacing(4)
        heading.addWidget(name)
        heading.addWidget(about)
        column.addLayout(heading)
        column.addWidget(self.fields)
        column.addWidget(self.refusal)
        column.addStretch(1)
        column.addLayout(buttons)
        self.setMinimumWidth(WIDTH_PX)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self).activated.connect(self.save)
        self.finished.connect(self._on_finished)

    def _defaults(self) -> dict[str, str]:
        """In the empty fields: what holds, where it is known."""
        estimate = self.job.estimate
        memory = "" if estimate is None else f"{format_size(estimate.memory_bytes)}, {short_source(estimate.source)}"
        return {
            "mem": memory,
            "gpu": self.tr("none"),
            "cpus": "1",
            "time": self.tr("none"),
            "after": self.tr("as they are"),
            "begin": self.tr("at once"),
            "deadline": self.tr("none"),
            "retries": self.tr("as they are"),
            "retry-delay": self.tr("as it is"),
        }

    def _on_finished(self, _result: int) -> None:
        self.gone = True
        self._timer.stop()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        memory = self.fields.control("mem")
        memory.setFocus()
        if isinstance(memory, QLineEdit):
            memory.selectAll()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and self.isVisible():
            wanted = self._column.totalHeightForWidth(self.width())
            if wanted > self.height():
                self.resize(self.width(), wanted)
        return super().event(event)

    # --- What was changed ---

    @property
    def changes(self) -> dict[str, str]:
        """The fields that say something else than before, as written."""
        return {
            name: text for name in self.fields.names() if (text := self.fields.text(name)) != self._before.get(name, "")
        }

    def check(self) -> None:
        """Say beside the field what cannot be read; the engine judges the rest."""
        self.fields.accept_all()
        self.refusal.hide()
        changes = self.changes
        refused = unreadable(changes)
        if refused is not None:
            self._refuse(*refused)
        self.save_button.setEnabled(bool(changes) and refused is None and not self._busy)

    def _refuse(self, field: str, sentence: str) -> None:
        if not self.fields.refuse(field, sentence):
            self.refusal.setText(sentence)
            self.refusal.show()

    # --- Sending ---

    def save(self) -> None:
        """Ask for it. What is refused is said here, and everything stays as it was typed."""
        self._timer.stop()
        self.check()
        if self._busy or self.gone or not self.save_button.isEnabled():
            return
        self._busy = True
        self.save_button.setEnabled(False)
        self._commands.run(self._save(self.changes))

    async def _save(self, changes: Mapping[str, str]) -> None:
        try:
            sentence = await self._ask(changes)
        finally:
            self._busy = False
        if self.gone:
            return
        if sentence is None:
            self.changed.emit(self.job.id)
            self.accept()
        else:
            self.save_button.setEnabled(True)
            field = next((name for name in changes if sentence.startswith(f"{name}=")), "")
            self._refuse(field, sentence[:1].upper() + sentence[1:] if not field else sentence)

    async def _ask(self, changes: Mapping[str, str]) -> str | None:
        """Why not; None when it is done."""
        command = Command(Verb.EDIT, (JobId.parse(self.job.id),), changes=dict(changes))
        try:
            results = await self._commands.desk.command(command)
        except (EngineUnwilling, OSError) as error:
            return str(error) or type(error).__name__
        return next((result.sentence for result in results if result.answer is not Answer.DONE), None)


def _with(known: list[str], queue: str) -> list[str]:
    """With the job's own, which may have been taken away meanwhile."""
    return known if queue in known else [*known, queue]


def unreadable(changes: Mapping[str, str]) -> tuple[str, str] | None:
    """The first field whose words cannot be read, and why."""
    for name, text in changes.items():
        if not text:
            return name, _empty(name)
    try:
        read_wishes(merge(from_command_line(changes)), time.time(), None)
    except Refused as refused:
        return refused.field, refused.sentence
    return None


def _empty(name: str) -> str:
    if name == "gpu":
        return words.tr("Say none when it needs no graphics card.")
    if name in ("after", "begin", "deadline"):
        return words.tr("Say none to take it back.")
    return words.tr("Once it was said it cannot be left empty; write another value.")


def current(job: JobView) -> dict[str, str]:
    """What the job asks for now, in the words of submit; what nobody said, or cannot be known, is not there."""
    found = {"name": job.name, "priority": str(job.priority), "queue": job.queue}
    if job.time_limit_s:
        found["time"] = _whole(job.time_limit_s, _TIMES)
    for field, at in (("begin", job.begin_at), ("deadline", job.deadline_at)):
        if at is not None and at > time.time():
            found[field] = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))
    if job.estimate is not None:
        found |= _resources(job.estimate)
    return found


def _resources(estimate: EstimateView) -> dict[str, str]:
    found = {}
    if estimate.source == "declared":
        found["mem"] = _whole(estimate.memory_bytes, _SIZES)
    if estimate.cores != 1:
        found["cpus"] = f"{estimate.cores:g}"
    if estimate.gpu is not None:
        found["gpu"] = estimate.gpu.text
    return found


def _whole(amount: float, units: tuple[tuple[int, str], ...]) -> str:
    """In the largest unit that leaves no rest, so that reading it back gives the same."""
    for size, unit in units:
        if amount >= size and amount % size == 0:
            return f"{int(amount // size)}{unit}"
    return f"{amount:g}{units[-1][1]}"

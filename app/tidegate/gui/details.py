"""The panel of one job: its command, why it waits with the numbers, its runs, and the end of its log."""

from __future__ import annotations

import time
from html import escape

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from tidegate.core.texts import format_duration, format_size
from tidegate.engine.ports import Verb
from tidegate.engine.views import JobView, WaitView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.log_view import LogView
from tidegate.gui.theme import Theme, font

ATTEMPTS_SHOWN = 8


class Details(QFrame):
    """``closed()`` when it was put away."""

    closed = Signal()

    def __init__(self, commands: Commands, theme: Theme) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._commands = commands
        self._theme = theme
        self._job: JobView | None = None
        self._told = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 8, 16, 16)
        column.setSpacing(8)
        column.addLayout(self._head())
        body = QHBoxLayout()
        body.setSpacing(16)
        body.addWidget(self._facts(), 2)
        body.addLayout(self._log_side(), 3)
        column.addLayout(body, 1)

    def show_job(self, job: JobView) -> None:
        other = self._job is None or self._job.id != job.id
        self._job = job
        status = words.status_word(job)
        self._title.setText(words.printable(words.title(job)))
        self._status.setText(f"{status.word} · #{job.id}")
        self._status.setStyleSheet(f"color: {getattr(self._theme.tokens, status.tone)}")
        text = _facts_as_text(job, time.time(), self._theme)
        if text != self._told:
            self._told = text
            self._text.setText(text)
        self._pause.setVisible(job.status in ("running", "paused"))
        self._pause.setText(self.tr("Resume") if job.status == "paused" else self.tr("Pause"))
        self._stop.setVisible(job.status != "finished")
        self._again.setVisible(job.status == "finished")
        if other:
            self._follow.setChecked(True)
        self.log.setPlaceholderText(
            self.tr("Nothing was written yet.") if job.attempts else self.tr("Its output appears here once it runs.")
        )
        self.log.show_log(job.id, job.attempts or None)

    @property
    def job_id(self) -> str | None:
        return None if self._job is None else self._job.id

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self._title = QLabel("")
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setFont(font(14, QFont.Weight.DemiBold))
        self._status = QLabel("")
        self._status.setTextFormat(Qt.TextFormat.PlainText)
        self._status.setFont(font(12, QFont.Weight.Medium))
        row.addWidget(self._title)
        row.addWidget(self._status)
        row.addStretch(1)
        self._pause = self._button(self.tr("Pause"), self._pause_or_resume)
        self._stop = self._button(self.tr("Cancel"), lambda: self._send(Verb.CANCEL))
        self._again = self._button(self.tr("Run again"), lambda: self._send(Verb.RETRY))
        away = self._button(self.tr("Close"), self.closed.emit)
        for button in (self._pause, self._stop, self._again, away):
            row.addWidget(button)
        return row

    def _button(self, label: str, slot: object) -> QPushButton:
        button = QPushButton(label)
        button.setProperty("role", "quiet")
        button.clicked.connect(lambda _checked=False: slot())  # type: ignore[operator]
        return button

    def _facts(self) -> QWidget:
        self._text = QLabel("")
        self._text.setTextFormat(Qt.TextFormat.RichText)
        self._text.setWordWrap(True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._text)
        area.viewport().setAutoFillBackground(False)
        self._text.setAutoFillBackground(False)
        return area

    def _log_side(self) -> QVBoxLayout:
        side = QVBoxLayout()
        side.setSpacing(4)
        row = QHBoxLayout()
        name = QLabel(self.tr("Log"))
        name.setFont(font(12, QFont.Weight.DemiBold))
        self._log_state = QLabel("")
        self._log_state.setProperty("role", "muted")
        self._log_state.setFont(font(11))
        self._follow = QCheckBox(self.tr("Follow"))
        self._follow.setChecked(True)
        row.addWidget(name)
        row.addWidget(self._log_state)
        row.addStretch(1)
        row.addWidget(self._follow)
        self.log = LogView(self._commands)
        self.log.told.connect(self._log_state.setText)
        self._follow.toggled.connect(self.log.set_follow)
        side.addLayout(row)
        side.addWidget(self.log, 1)
        return side

    def _pause_or_resume(self) -> None:
        if self._job is not None:
            self._send(Verb.RESUME if self._job.status == "paused" else Verb.PAUSE)

    def _send(self, verb: Verb) -> None:
        if self._job is not None:
            self._commands.send(verb, [self._job.id])


def _facts_as_text(job: JobView, now: float, theme: Theme) -> str:
    tr = words.tr
    muted = theme.tokens.muted
    lines = []
    if job.status in ("queued", "held", "paused"):
        reasons = [_reason(wait) for wait in job.waits] or [job.why or ""]
        lines.append(_fact(tr("Why it waits"), "\n".join(filter(None, reasons)), muted))
    elif job.why:
        lines.append(_fact(tr("Why"), job.why, muted))
    lines.append(_fact(tr("Command"), words.command_line(job), muted))
    lines.append(_fact(tr("Folder"), words.printable(job.cwd), muted))
    lines.append(_fact(tr("Asks for"), _asks_for(job), muted))
    if job.status not in ("queued", "held"):
        lines.append(_fact(tr("Uses"), _uses(job), muted))
    lines.append(_fact(tr("Times"), words.exact_times(job), muted))
    runs = [words.attempt(each, now) for each in job.attempt_list[-ATTEMPTS_SHOWN:]]
    lines.append(_fact(tr("Runs"), "\n".join(runs), muted))
    return "".join(line for line in lines if line)


def _fact(label: str, text: str, muted: str) -> str:
    if not text:
        return ""
    shown = escape(text).replace("\n", "<br>")
    return (
        f'<p style="margin:0 0 8px 0"><span style="color:{muted};font-size:11px">{escape(label)}</span><br>{shown}</p>'
    )


def _reason(wait: WaitView) -> str:
    """The sentence, with the numbers behind it and when it may end."""
    figures = []
    for name, value in wait.numbers.items():
        if _said(name, value, wait.sentence):
            continue
        label = name.removesuffix("_bytes").removesuffix("_pct").removesuffix("_s").replace("_", " ")
        if name.endswith("_bytes"):
            figures.append(f"{label} {format_size(value)}")
        elif name.endswith("_pct"):
            figures.append(f"{label} {value:.0f} %")
        elif name.endswith("_s"):
            figures.append(f"{label} {format_duration(value)}")
        else:
            figures.append(f"{label} {value:g}")
    return f"{wait.sentence} ({', '.join(figures)})" if figures else wait.sentence


def _said(name: str, value: float, sentence: str) -> bool:
    """Whether the sentence has this figure already."""
    figure = format_size(value).partition(" ")[0] if name.endswith("_bytes") else f"{value:g}"
    return figure in sentence


def _asks_for(job: JobView) -> str:
    tr = words.tr
    if job.estimate is None:
        return ""
    source = {
        "declared": tr("as declared"),
        "learned": tr("learned from earlier runs"),
        "default": tr("a guess until it is known"),
    }.get(job.estimate.source, job.estimate.source)
    size = format_size(job.estimate.memory_bytes)
    parts = [tr("{size} of memory, {source}").format(size=size, source=source)]
    cores = tr("{count} core") if job.estimate.cores == 1 else tr("{count} cores")
    parts.append(cores.format(count=f"{job.estimate.cores:g}"))
    if job.estimate.gpu is not None:
        parts.append(tr("{count} GPU").format(count=f"{job.estimate.gpu.count:g}"))
    if job.time_limit_s is not None:
        parts.append(tr("at most {duration}").format(duration=format_duration(job.time_limit_s)))
    parts.append(tr("priority {priority}").format(priority=job.priority))
    return " · ".join(parts)


def _uses(job: JobView) -> str:
    tr = words.tr
    parts = []
    if job.usage.memory_bytes is not None and job.status != "finished":
        parts.append(tr("{size} of memory now").format(size=format_size(job.usage.memory_bytes)))
    if job.usage.peak_memory_bytes is not None:
        parts.append(tr("peak {size}").format(size=format_size(job.usage.peak_memory_bytes)))
    if job.usage.cores is not None and job.status != "finished":
        parts.append(tr("{count} cores").format(count=f"{job.usage.cores:.1f}"))
    if job.usage.processes is not None and job.status != "finished":
        processes = tr("{count} process") if job.usage.processes == 1 else tr("{count} processes")
        parts.append(processes.format(count=job.usage.processes))
    for index, size in job.usage.gpu_memory_bytes.items():
        parts.append(tr("{size} on GPU {index}").format(size=format_size(size), index=index))
    return " · ".join(parts)

"""The panel of one job: what can be done with it, why it waits, its command and runs, and the log of each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QPoint, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from tidegate.engine.views import ConflictView, JobView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.jobs.actions import JobActions
from tidegate.gui.log.panel import LogPanel
from tidegate.gui.log.view import LogView
from tidegate.gui.panel.attempt_list import AttemptList
from tidegate.gui.panel.fact_list import FactList
from tidegate.gui.panel.job_facts import facts_of, why_of
from tidegate.gui.remembered import Remembered
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.elided_label import ElidedLabel
from tidegate.gui.widgets.shapes import paint_shape

DOT_PX = 8
PRIMARY = {
    "queued": ("start", "hold", "cancel"),
    "held": ("release", "start", "cancel"),
    "starting": ("pause", "cancel"),
    "running": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
    "stopping": ("kill",),
    "finished": ("retry",),
}
"""The buttons one most likely wants; everything else is under *More*."""
ORDER = ("release", "start", "hold", "pause", "resume", "retry", "kill", "cancel")


class Details(QFrame):
    """``closed()`` when it was put away, ``conflict_wanted(int)`` to see the conflict the job is part of."""

    closed = Signal()
    conflict_wanted = Signal(int)

    def __init__(self, commands: Commands, theme: Theme, remembered: Remembered) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setAccessibleName(self.tr("Job"))
        self._theme = theme
        self._job: JobView | None = None
        self._conflicts: Mapping[str, ConflictView] = {}
        self.actions_of_job = JobActions(commands, self._chosen, self, theme, keys=False)
        self.log_panel = LogPanel(commands, theme, remembered, self)
        self.log: LogView = self.log_panel.view
        self.actions_of_job.open_log.connect(lambda _id: self.log.setFocus())
        self.attempts = AttemptList(theme)
        self.attempts.picked.connect(lambda _number: self._show_log())
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 8, 16, 16)
        column.setSpacing(8)
        column.addLayout(self._head())
        body = QHBoxLayout()
        body.setSpacing(16)
        body.addWidget(self._facts_side(), 2)
        body.addWidget(self.log_panel, 3)
        column.addLayout(body, 1)
        theme.changed.connect(self._show_again)

    def show_job(self, job: JobView) -> None:
        now = time.time()
        self._job = job
        status = words.status_word(job)
        self._title.setText(words.printable(words.title(job)))
        self._status.setText(f"{status.word} · #{job.id}")
        self._status.setStyleSheet(f"color: {getattr(self._theme.tokens, status.tone)}")
        self._dot.show_tone(status.tone)
        self._offer(PRIMARY.get(job.status, ()))
        self._show_conflict()
        self.why.show_facts(why_of(job, now))
        self.facts.show_facts(facts_of(job, now))
        self.attempts.show_attempts(job, now)
        has_runs = self.attempts.rowCount() > 0
        self._runs_label.setVisible(has_runs)
        self.attempts.setVisible(has_runs)
        self._below_runs.setVisible(has_runs)
        self._show_log()

    def show_conflicts(self, by_job: Mapping[str, ConflictView]) -> None:
        self._conflicts = by_job
        self._show_conflict()

    def _show_conflict(self) -> None:
        found = self._conflicts.get(self.job_id or "")
        self.in_conflict.setVisible(found is not None)
        self.in_conflict.setToolTip("" if found is None else words.conflict(found))

    @property
    def job_id(self) -> str | None:
        return None if self._job is None else self._job.id

    # --- Building ---

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self._dot = _Dot(self._theme)
        self._title = ElidedLabel(elide=Qt.TextElideMode.ElideMiddle)
        self._title.setFont(font(14, QFont.Weight.DemiBold))
        self._status = QLabel("")
        self._status.setTextFormat(Qt.TextFormat.PlainText)
        self._status.setFont(font(12, QFont.Weight.Medium))
        self.in_conflict = self._button(self.tr("In conflict"), self._open_conflict)
        self.in_conflict.setProperty("role", "link")
        self.in_conflict.hide()
        verbs = QHBoxLayout()
        verbs.setSpacing(4)
        self.buttons = {name: self._verb_button(name) for name in ORDER}
        for button in self.buttons.values():
            verbs.addWidget(button)
        self.more = self._button(self.tr("More"), self._open_more)
        self.more.setAccessibleName(self.tr("More that can be done with this job"))
        away = self._button(self.tr("Close"), self.closed.emit)
        away.setToolTip(self.tr("Esc"))
        row.addWidget(self._dot)
        row.addWidget(self._title)
        row.addWidget(self._status)
        row.addWidget(self.in_conflict)
        row.addStretch(1)
        row.addLayout(verbs)
        row.addWidget(self.more)
        row.addWidget(away)
        return row

    def _verb_button(self, name: str) -> QPushButton:
        button = self._button(self.actions_of_job.label(name), lambda: self.actions_of_job.do(name))
        button.setToolTip(self.actions_of_job.known[name].hint)
        button.hide()
        return button

    def _button(self, label: str, slot: Callable[[], object]) -> QPushButton:
        button = QPushButton(label)
        button.setProperty("role", "quiet")
        button.clicked.connect(lambda _checked=False: slot())
        return button

    def _facts_side(self) -> QWidget:
        self.why, self.facts = FactList(), FactList()
        self._runs_label = QLabel(self.tr("Runs"))
        self._runs_label.setProperty("role", "muted")
        self._runs_label.setFont(font(11))
        self._below_runs = QWidget()
        self._below_runs.setFixedHeight(8)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.why)
        column.addWidget(self._runs_label)
        column.addWidget(self.attempts)
        column.addWidget(self._below_runs)
        column.addWidget(self.facts)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        return area

    # --- What is shown ---

    def _chosen(self) -> Sequence[JobView]:
        return [] if self._job is None else [self._job]

    def _offer(self, names: Sequence[str]) -> None:
        for name, button in self.buttons.items():
            button.setVisible(name in names)

    def _show_log(self) -> None:
        job = self._job
        if job is None:
            return
        waits = job.status in ("queued", "held") and not job.attempts
        self.log.setPlaceholderText(
            self.tr("Its output appears here once it runs.") if waits else self.tr("Nothing was written yet.")
        )
        wanted = self.attempts.wanted
        self.log_panel.show_log(job.id, wanted or job.attempts or 1, newest=wanted is None)

    def _show_again(self) -> None:
        if self._job is not None:
            self.attempts.forget()
            self.show_job(self._job)

    # --- What a person does ---

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _open_conflict(self) -> None:
        found = self._conflicts.get(self.job_id or "")
        if found is not None:
            self.conflict_wanted.emit(found.id)

    def _open_more(self) -> None:
        self.actions_of_job.menu().popup(self.more.mapToGlobal(QPoint(0, self.more.height() + 4)))


class _Dot(QWidget):
    """The status as the table has it: a dot in its colour beside the word."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._tone = "muted"
        self.setFixedSize(QSize(DOT_PX + 2, DOT_PX + 2))

    def show_tone(self, tone: str) -> None:
        if tone != self._tone:
            self._tone = tone
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        middle = QPointF(self.width() / 2, self.height() / 2)
        paint_shape(painter, "normal", middle, self._theme.colour(self._tone), DOT_PX)

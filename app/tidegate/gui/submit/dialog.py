"""The submit dialog: what was dropped or typed, what it is understood as, what will happen now, and what to change.

What is typed is read in a thread a moment after the last key, then shown to the engine; late answers to earlier words
are dropped. Submitting reads everything once more, so that it never depends on what is shown.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from tidegate.engine.ports import EngineUnwilling, Preview, Submission
from tidegate.gui.commands import Commands
from tidegate.gui.drop import FileDrop
from tidegate.gui.remembered import Remembered
from tidegate.gui.submit.form import SubmitForm
from tidegate.gui.submit.reading import Draft, Reader, Understanding
from tidegate.gui.submit.words import facts_of, queues
from tidegate.gui.theme import Theme
from tidegate.submission.folder import look_at
from tidegate.submission.request import Understood
from tidegate.submission.typed import copied_command

WIDTH_PX = 624
LOOK_AFTER_MS = 200
PREVIEWS = 10
"""Of many scripts so many are asked about; the rest stands in line behind them anyway."""
FOLDER = "submit_folder"


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: what the words mean, and what the engine says to each job."""

    understanding: Understanding
    previews: tuple[Preview, ...] = ()
    error: str | None = None


class SubmitDialog(QDialog):
    """``report(count, last id)`` after it submitted, also when it was closed meanwhile; it closes by itself then."""

    def __init__(
        self,
        commands: Commands,
        reader: Reader,
        theme: Theme,
        remembered: Remembered,
        report: Callable[[int, str], object],
        owner: QWidget | None = None,
    ) -> None:
        super().__init__(owner)
        self._report = report
        self._commands, self._reader, self._remembered = commands, reader, remembered
        self._look = 0
        self._busy = self._gone = False
        self.seen: Seen | None = None
        self.setWindowTitle(self.tr("Submit"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowFlag(Qt.WindowType.WindowContextHelpButtonHint, False)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_AFTER_MS)
        self._timer.timeout.connect(self._start_looking)
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.setInterval(0)
        self._fitting.timeout.connect(self._fit)
        self._build(theme)
        self._connect()
        self._show(self.draft, Seen(Understanding()))

    # --- What others ask ---

    def add(self, files: Sequence[str]) -> None:
        """These are to run, too; of folders, the scripts in them."""
        self._commands.run(self.take_in(tuple(files)))

    async def take_in(self, files: Sequence[str]) -> None:
        """Disks may be slow, so folders are looked into in a thread."""
        dropped = await asyncio.to_thread(look_at, files)
        if self._gone:
            return
        empty = [folder.path for folder in dropped.folders if not folder.scripts]
        found = [script for folder in dropped.folders for script in folder.scripts]
        self.form.source.add([*dropped.files, *found, *empty])
        if self.form.source.text or self.form.source.files:
            self.look_now()

    def set_command(self, text: str) -> None:
        """A command line, as if it were typed."""
        self.form.source.set_text(copied_command(text))
        self.look_now()

    def look_now(self) -> None:
        """Without waiting for the next key."""
        self._timer.stop()
        self._start_looking()

    @property
    def draft(self) -> Draft:
        base = self._remembered.get(FOLDER, "")
        return self.form.draft(base if os.path.isdir(base) else str(Path.home()), self.hold.isChecked())

    # --- Building ---

    def _build(self, theme: Theme) -> None:
        self.form = SubmitForm(theme, queues(self._commands.desk))
        self.form.installEventFilter(self)
        self.hold = QCheckBox(self.tr("Put on hold"))
        self.hold.setToolTip(self.tr("It waits until you release it or start it yourself."))
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAutoDefault(False)
        self.submit_button = QPushButton(self.tr("Submit"))
        self.submit_button.setProperty("role", "primary")
        self.submit_button.setDefault(True)
        self.submit_button.setToolTip(self.tr("Ctrl+Enter"))
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(self.form)
        self._footer = self._make_footer()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self._scroll, 1)
        whole.addWidget(self._footer)

    def _make_footer(self) -> QWidget:
        footer = QWidget()
        row = QHBoxLayout(footer)
        row.setContentsMargins(24, 8, 24, 20)
        row.setSpacing(8)
        row.addWidget(self.hold)
        row.addStretch(1)
        for button in (self.cancel, self.submit_button):
            button.setMinimumWidth(104)
            row.addWidget(button)
        return footer

    def _connect(self) -> None:
        self.form.changed.connect(self._timer.start)
        self.hold.toggled.connect(lambda _checked: self._timer.start())
        self.cancel.clicked.connect(lambda _checked=False: self.reject())
        self.submit_button.clicked.connect(lambda _checked=False: self.submit())
        drop = FileDrop(self)
        drop.dropped.connect(self.add)
        drop.refused.connect(lambda sentence: self._say_unwilling(sentence))
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self).activated.connect(self.submit)
        self.finished.connect(self._on_finished)

    def _on_finished(self, _result: int) -> None:
        self._gone = True
        self._timer.stop()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()
        self.form.source.field.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.form and event.type() == QEvent.Type.LayoutRequest:
            # Measured only when all of it has its new place: before that, wrapped lines are guessed too high.
            self._fitting.start()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX, self._wanted_height())

    def _wanted_height(self) -> int:
        width = max(WIDTH_PX, self.width()) if self.isVisible() else WIDTH_PX
        return self.form.heightForWidth(width) + self._footer.sizeHint().height()

    def _fit(self) -> None:
        """As high as it has to be, never over the screen; it does not shrink while a person looks at it."""
        most = self.screen().availableGeometry().height() - 64
        wanted = min(self._wanted_height(), most)
        self.setMinimumSize(WIDTH_PX, min(wanted, 360))
        if not self.isVisible() or wanted > self.height():
            self.resize(max(self.width() if self.isVisible() else 0, WIDTH_PX), wanted)
            self._keep_on_screen()
        self._scroll_if_needed()

    def _keep_on_screen(self) -> None:
        """It grows downwards; where no window manager minds, its buttons would leave the screen."""
        room, frame = self.screen().availableGeometry(), self.frameGeometry()
        if self.isVisible() and frame.bottom() > room.bottom():
            self.move(frame.x(), max(room.top(), room.bottom() - frame.height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._scroll_if_needed()

    def _scroll_if_needed(self) -> None:
        """Decided here: once there, a bar takes the width that lines need, and so stays for ever."""
        policy = Qt.ScrollBarPolicy
        too_small = self.height() < self._wanted_height()
        self._scroll.setVerticalScrollBarPolicy(policy.ScrollBarAsNeeded if too_small else policy.ScrollBarAlwaysOff)

    # --- Looking at what is typed ---

    def _start_looking(self) -> None:
        if self._gone or self._busy:
            return
        self._look += 1
        self._commands.run(self._look_at(self.draft, self._look))

    async def _look_at(self, draft: Draft, look: int) -> None:
        seen = Seen(Understanding()) if draft.empty else await self._see(draft)
        if look == self._look and not self._gone and not self._busy:
            self._show(draft, seen)

    async def _see(self, draft: Draft) -> Seen:
        understanding = await self._read(draft, keep=False)
        if understanding.problems:
            return Seen(understanding)
        try:
            previews = [await self._commands.desk.preview(_submission(job)) for job in understanding.jobs[:PREVIEWS]]
        except (EngineUnwilling, OSError) as error:
            return Seen(understanding, (), _sentence(error))
        return Seen(understanding, tuple(previews))

    async def _read(self, draft: Draft, keep: bool) -> Understanding:
        # A copy: the thread reads it while this process may change its own.
        environ = dict(os.environ)
        return await asyncio.to_thread(self._reader.read, draft, environ, time.time(), keep)

    # --- Showing ---

    def _show(self, draft: Draft, seen: Seen) -> None:
        self.seen = seen
        self.form.show_answer(draft, seen.understanding, seen.previews, seen.error)
        refused = bool(seen.understanding.problems) or any(preview.refused for preview in seen.previews)
        self.submit_button.setEnabled(not draft.empty and not refused)
        count = len(draft.files)
        self.submit_button.setText(self.tr("Submit {count}").format(count=count) if count else self.tr("Submit"))

    def _say_unwilling(self, sentence: str) -> None:
        understanding = self.seen.understanding if self.seen is not None else Understanding()
        self.form.facts.show_facts(facts_of(understanding, (), sentence))

    # --- Submitting ---

    def submit(self) -> None:
        """Hand it in. On a refusal or when the engine is unwilling everything stays as it was typed."""
        draft = self.draft
        if draft.empty or self._busy or self._gone:
            return
        self._busy = True
        self._timer.stop()
        self._look += 1
        self.submit_button.setEnabled(False)
        self._commands.run(self._submit(draft))

    async def _submit(self, draft: Draft) -> None:
        try:
            ids, seen = await self._hand_in(draft)
        except Exception:
            # It is said in the window; what was typed may be tried again.
            if not self._gone:
                self.submit_button.setEnabled(True)
            raise
        finally:
            self._busy = False
        if ids:
            self._remember(draft, seen)
            self._report(len(ids), ids[-1])
        if self._gone:
            return
        if ids:
            self.accept()
        else:
            self._show(draft, seen)
            if seen.error is not None:
                self.submit_button.setEnabled(True)

    async def _hand_in(self, draft: Draft) -> tuple[list[str], Seen]:
        understanding = await self._read(draft, keep=True)
        if understanding.problems:
            return [], Seen(understanding)
        try:
            answers = await self._commands.desk.submit([_submission(job) for job in understanding.jobs])
        except (EngineUnwilling, OSError) as error:
            return [], Seen(understanding, (), _sentence(error))
        refused = [answer.refused or "" for answer in answers if answer.id is None]
        if refused:
            # One refusal refuses the whole request.
            return [], Seen(understanding, tuple(Preview(False, why, why, None) for why in refused))
        return [str(answer.id) for answer in answers], Seen(understanding)

    def _remember(self, draft: Draft, seen: Seen) -> None:
        jobs = seen.understanding.jobs
        folder = draft.folder.strip() or (jobs[0].spec.cwd if jobs else "")
        if os.path.isabs(folder):
            self._remembered.put(FOLDER, folder)


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _submission(understood: Understood) -> Submission:
    return Submission(understood.spec, understood.held, understood.warnings, array_indices=understood.array)

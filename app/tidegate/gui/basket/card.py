"""A card in the basket: one drop with its jobs as they stand, a folder that is offered, or a sentence."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QIcon
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from tidegate.gui import words
from tidegate.gui.basket.batch import Batch, one_line, refusals, tally_line
from tidegate.gui.icons import pixmap
from tidegate.gui.submit.folder_offer import FolderOffer, heading
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.elided_label import ElidedLabel
from tidegate.submission.folder import FolderScripts

LEAVE_MS = 8000
_CLOSE_PX = 24


class BasketCard(QFrame):
    """A title with a way to put the card away; ``closed()`` by that or by itself. ``asks``: waits for an answer."""

    closed = Signal()
    resized = Signal()
    asks = False

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__()
        self.setProperty("role", "inset")
        self._theme = theme
        self.title = ElidedLabel(title, Qt.TextElideMode.ElideMiddle)
        self.title.setFont(font(13, QFont.Weight.DemiBold))
        self.away = QPushButton()
        self.away.setProperty("role", "quiet")
        self.away.setFixedSize(_CLOSE_PX, _CLOSE_PX)
        self.away.setStyleSheet("padding: 0; min-height: 0;")
        self.away.setAccessibleName(self.tr("Put away: {title}").format(title=title))
        self.away.setToolTip(self.tr("Put away"))
        self.away.clicked.connect(lambda _checked=False: self.closed.emit())
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(self.title, 1)
        head.addWidget(self.away)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(12, 6, 6, 8)
        self.column.setSpacing(2)
        self.column.addLayout(head)
        theme.changed.connect(self.dress)
        self._dress_close()

    def dress(self) -> None:
        """Follow the theme."""
        self._dress_close()

    def put_away(self) -> None:
        """It was taken out of the basket."""
        self._theme.changed.disconnect(self.dress)

    def _dress_close(self) -> None:
        self.away.setIcon(QIcon(pixmap("close", self._theme.colour("muted"), 32)))
        self.away.setIconSize(QSize(14, 14))


class SentenceCard(BasketCard):
    """Something was dropped that makes no job, and why."""

    def __init__(self, title: str, sentences: Sequence[str], theme: Theme) -> None:
        super().__init__(title, theme)
        self.sentence = _wrapped(refusals(sentences), "muted")
        self.column.addWidget(self.sentence)


class FolderCard(BasketCard):
    """The scripts of dropped folders; ``wanted(list[str])`` with those chosen."""

    wanted = Signal(object)
    asks = True

    def __init__(self, folders: Sequence[FolderScripts], theme: Theme) -> None:
        super().__init__(heading(folders), theme)
        self.title.setToolTip("\n".join(words.printable(folder.path) for folder in folders))
        self.offer = FolderOffer(folders)
        self.offer.setContentsMargins(0, 0, 6, 4)
        self.column.setSpacing(6)
        self.column.addWidget(self.offer)
        self.offer.cancelled.connect(self.closed.emit)
        self.offer.wanted.connect(self.wanted)


class BatchCard(BasketCard):
    """A drop's jobs, live. ``show_wanted(list[str])`` with their ids."""

    show_wanted = Signal(object)

    def __init__(self, batch: Batch, theme: Theme) -> None:
        super().__init__(batch.title, theme)
        self.batch = batch
        self.state = ElidedLabel()
        self.state.setFont(font(12))
        self.refusal = _wrapped("", "danger")
        self.show_jobs = self._link(self.tr("Show"), self.tr("Show in the window: {title}"))
        self.show_jobs.clicked.connect(lambda _checked=False: self.show_wanted.emit(list(batch.jobs)))
        self.undo = self._link(self.tr("Undo"), self.tr("Undo, cancel what was just submitted: {title}"))
        self.undo.clicked.connect(lambda _checked=False: batch.undo())
        links = QHBoxLayout()
        links.setContentsMargins(0, 0, 0, 0)
        links.setSpacing(12)
        links.addWidget(self.show_jobs)
        links.addWidget(self.undo)
        links.addStretch(1)
        for part in (self.state, self.refusal):
            self.column.addWidget(part)
        self.column.addLayout(links)
        self._leaves = QTimer(self)
        self._leaves.setSingleShot(True)
        self._leaves.setInterval(LEAVE_MS)
        self._leaves.timeout.connect(self._leave)
        batch.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        batch = self.batch
        self.state.setText(self._state())
        self.setAccessibleName(f"{batch.title}: {self.state.text()}")
        self.refusal.setText(refusals(batch.refused))
        self.dress()
        shown = (bool(batch.refused), bool(batch.jobs), batch.can_undo)
        before = tuple(not part.isHidden() for part in (self.refusal, self.show_jobs, self.undo))
        for part, wanted in zip((self.refusal, self.show_jobs, self.undo), shown, strict=True):
            part.setVisible(wanted)
        if not batch.well_ended:
            self._leaves.stop()
        elif not self._leaves.isActive():
            self._leaves.start()
        if shown != before or batch.refused:
            self.resized.emit()

    def dress(self) -> None:
        super().dress()
        self.state.setStyleSheet(f"color: {getattr(self._theme.tokens, self._tone())}")

    def put_away(self) -> None:
        super().put_away()
        self._leaves.stop()
        self.batch.close()

    def _state(self) -> str:
        batch = self.batch
        if batch.reading:
            return self.tr("submitting…")
        if batch.undone and batch.tally.live:
            return self.tr("taking it back…")
        if not batch.jobs:
            return self.tr("not submitted")
        if len(batch.files) == len(batch.jobs) == 1:
            return one_line(next(iter(batch.jobs.values())), time.time())
        return tally_line(batch.tally, len(batch.refused))

    def _tone(self) -> str:
        found = self.batch.tally
        if found.failed or (not self.batch.reading and not self.batch.ids):
            return "danger"
        return "ok" if found.running else "attention" if found.paused else "muted"

    def _leave(self) -> None:
        """Not under the pointer: somebody is about to use it."""
        if self.underMouse():
            self._leaves.start()
        else:
            self.closed.emit()

    def _link(self, label: str, says: str) -> QPushButton:
        made = QPushButton(label)
        made.setProperty("role", "link")
        made.setStyleSheet("padding: 0; min-height: 20px;")
        made.setFont(font(12))
        made.setAccessibleName(says.format(title=self.batch.title))
        return made


def _wrapped(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", role)
    label.setFont(font(12))
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setContentsMargins(0, 0, 6, 4)
    return label

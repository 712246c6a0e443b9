"""Files and folders dropped on the window: files are submitted, the scripts of folders are offered in a dialog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from tidegate.gui.commands import Commands
from tidegate.gui.drop import FileDrop
from tidegate.gui.submit.folder_offer import offers_something, open_folder_offer, remarks
from tidegate.gui.submit.submitter import Submitter
from tidegate.gui.theme import Theme
from tidegate.submission.folder import look_at


class WindowDrop(QObject):
    """``refused(str)`` with a sentence for the message bar."""

    refused = Signal(str)

    def __init__(self, window: QWidget, commands: Commands, submitter: Submitter, theme: Theme) -> None:
        super().__init__(window)
        self._window, self._commands, self._submitter, self._theme = window, commands, submitter, theme
        self._frame: _DropFrame | None = None
        drop = FileDrop(window)
        drop.dropped.connect(self.take)
        drop.asked.connect(self.ask)
        drop.refused.connect(self.refused)
        drop.hovering.connect(self._show_frame)

    def take(self, paths: Sequence[str]) -> None:
        self._commands.run(self._take(tuple(paths), self._submitter.submit))

    def ask(self, paths: Sequence[str]) -> None:
        """Shift was held: files are looked at in the submit dialog first."""
        self._commands.run(self._take(tuple(paths), self._open_dialog))

    def _open_dialog(self, files: Sequence[str]) -> None:
        self._submitter.ask(files, self._window)

    async def _take(self, paths: tuple[str, ...], submit: Callable[[Sequence[str]], object]) -> None:
        dropped = await asyncio.to_thread(look_at, paths)
        if dropped.files:
            submit(dropped.files)
        if offers_something(dropped.folders):
            open_folder_offer(dropped.folders, self._window, submit)
        elif dropped.folders:
            self.refused.emit(" ".join(remarks(dropped.folders)))

    def _show_frame(self, wanted: bool) -> None:
        if self._frame is None:
            self._frame = _DropFrame(self._window, self._theme)
        self._frame.setGeometry(self._window.rect())
        self._frame.raise_()
        self._frame.setVisible(wanted)


class _DropFrame(QWidget):
    """Says over the whole window that letting go here would submit."""

    def __init__(self, window: QWidget, theme: Theme) -> None:
        super().__init__(window)
        self._theme = theme
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent = self._theme.colour("accent")
        wash = QColor(accent)
        wash.setAlphaF(0.06)
        painter.setBrush(wash)
        painter.setPen(QPen(accent, 2))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(4, 4, -4, -4), 10, 10)

"""The end of a job's log, followed while it is looked at: read off the loop, shown without colour codes."""

from __future__ import annotations

import asyncio
import codecs
import re

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from tidegate.core.job import JobId
from tidegate.core.texts import format_size
from tidegate.engine.views import LogChunk
from tidegate.gui.commands import Commands
from tidegate.gui.theme import fixed_font

FOLLOW_MS = 500
TAIL_BYTES = 64 * 1024
LINES_KEPT = 5000
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)


def readable(text: str) -> str:
    """Without terminal codes; of a line that was written over (progress bars) only what was left standing."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n")).replace("\x1b", "")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


class LogView(QPlainTextEdit):
    """``told(str)`` says in words what is shown: how long the log is, what was dropped, whether it goes on."""

    told = Signal(str)

    def __init__(self, commands: Commands, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._commands = commands
        self._id: JobId | None = None
        self._attempt: int | None = None
        self._offset = 0
        self._ended = False
        self._reading = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.setReadOnly(True)
        self.setMaximumBlockCount(LINES_KEPT)
        self.setFont(fixed_font(12))
        self.setAccessibleName(self.tr("Log"))
        self._timer = QTimer(self)
        self._timer.setInterval(FOLLOW_MS)
        self._timer.timeout.connect(self._read_on)

    def show_log(self, id: str, attempt: int | None) -> None:
        """Show the end of this log; the same one again goes on where it was."""
        wanted = JobId.parse(id)
        if (wanted, attempt) == (self._id, self._attempt):
            if self._ended:
                return
            self._read_on()
            return
        self._id, self._attempt = wanted, attempt
        self._offset, self._ended = -TAIL_BYTES, False
        self._decoder.reset()
        self.clear()
        self._read_on()
        if self.isVisible():
            self._timer.start()

    def set_follow(self, wanted: bool) -> None:
        """Keep the newest line in sight, or let the reader stay where he is."""
        self._follow = wanted
        if wanted:
            self._to_end()

    _follow = True

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._read_on()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def _read_on(self) -> None:
        if self._id is None or self._reading or self._ended or not self.isVisible():
            return
        self._reading = True
        self._commands.run(self._read(self._id, self._attempt))

    async def _read(self, id: JobId, attempt: int | None) -> None:
        try:
            chunk = await asyncio.to_thread(self._commands.desk.read_log, id, attempt, self._offset, TAIL_BYTES)
        except KeyError:
            return
        except OSError as error:
            self.told.emit(self.tr("The log cannot be read: {error}").format(error=error.strerror or error))
            return
        finally:
            self._reading = False
        if (id, attempt) == (self._id, self._attempt):
            self._append(chunk)
        else:
            self._read_on()

    def _append(self, chunk: LogChunk) -> None:
        first = self._offset < 0
        self._offset = chunk.next_offset
        self._ended = chunk.ended
        if self._ended:
            self._timer.stop()
        text = readable(self._decoder.decode(chunk.data, chunk.ended))
        if first and chunk.offset > 0:
            text = text.partition("\n")[2]
        if text:
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(text)
            if self._follow:
                self._to_end()
        self.told.emit(self._state(chunk))

    def _to_end(self) -> None:
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _state(self, chunk: LogChunk) -> str:
        parts = [format_size(chunk.size)] if chunk.size else []
        if chunk.dropped is not None:
            dropped = format_size(chunk.dropped[1] - chunk.dropped[0])
            parts.append(self.tr("{size} in the middle were dropped").format(size=dropped))
        return " · ".join(parts)

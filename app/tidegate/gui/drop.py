"""Files dropped on a top-level widget. The action is always Copy: a Move would let the source delete the file."""

from __future__ import annotations

import os
import socket
import sys
from urllib.parse import unquote_to_bytes

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QWidget


class FileDrop(QObject):
    """Watches one top-level widget. ``dropped(list[str])`` with local paths, ``refused(str)`` when there were none.

    ``asked(list[str])`` instead when Shift was held: to be looked at before it is submitted. A text whose lines are
    full paths counts as files.
    """

    dropped = Signal(object)
    asked = Signal(object)
    refused = Signal(str)
    hovering = Signal(bool)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.DragEnter, QEvent.Type.DragMove) and isinstance(event, QDropEvent):
            if not _acceptable(event):
                return False
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.hovering.emit(True)
            return True
        if kind == QEvent.Type.DragLeave:
            self.hovering.emit(False)
            return True
        if kind == QEvent.Type.Drop and isinstance(event, QDropEvent):
            self.hovering.emit(False)
            if not _acceptable(event):
                event.ignore()
                return True
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._take(event)
            return True
        return False

    def _take(self, event: QDropEvent) -> None:
        paths, others = dropped_paths(event.mimeData())
        if others:
            self.refused.emit(
                self.tr("Only files on this computer can be submitted.")
                if event.mimeData().hasUrls()
                else self.tr("This text names no files; drop files, or lines with their full paths.")
            )
        if paths:
            shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            (self.asked if shift else self.dropped).emit(paths)


def dropped_paths(mime: QMimeData) -> tuple[list[str], int]:
    """The local paths in what was dropped, and how many other things were in it."""
    if mime.hasUrls():
        found = [local_path(url) for url in mime.urls()]
    else:
        found = [_path_of_line(line) for line in mime.text().splitlines() if line.strip()] or [None]
    paths = [path for path in found if path is not None]
    return list(dict.fromkeys(paths)), len(found) - len(paths)


def local_path(url: QUrl) -> str | None:
    """The file a URL names on this computer; its name's bytes survive whatever their encoding."""
    if not url.isLocalFile():
        return None
    if sys.platform == "win32":
        return url.toLocalFile()
    # Some file managers name the computer.
    if url.host() and url.host().casefold() not in ("localhost", socket.gethostname().casefold()):
        return None
    encoded = url.path(QUrl.ComponentFormattingOption.FullyEncoded)
    return os.fsdecode(unquote_to_bytes(encoded)) or None


def _path_of_line(line: str) -> str | None:
    text = line.strip().strip("\"'")
    if text.startswith("file:"):
        return local_path(QUrl(text))
    return text if os.path.isabs(text) else None


def _acceptable(event: QDropEvent) -> bool:
    mime = event.mimeData()
    return (mime.hasUrls() or mime.hasText()) and bool(event.possibleActions() & Qt.DropAction.CopyAction)

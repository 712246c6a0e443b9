"""Files dropped anywhere in the window. The action is always Copy: a Move would let the source delete the file."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QWidget


class FileDrop(QObject):
    """Watches one top-level widget. ``dropped(list[str])`` with local files, ``refused(str)`` when there were none."""

    dropped = Signal(object)
    refused = Signal(str)
    hovering = Signal(bool)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.DragEnter, QEvent.Type.DragMove) and isinstance(event, QDropEvent):
            if not event.mimeData().hasUrls() or not event.possibleActions() & Qt.DropAction.CopyAction:
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
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._take(event)
            return True
        return False

    def _take(self, event: QDropEvent) -> None:
        urls = event.mimeData().urls()
        files = [url.toLocalFile() for url in urls if url.isLocalFile()]
        if len(files) < len(urls):
            self.refused.emit(self.tr("Only files on this computer can be submitted."))
        if files:
            self.dropped.emit(files)

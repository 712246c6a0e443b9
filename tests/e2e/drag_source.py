"""A file manager in miniature for the desktop test: a window from which the file FILE can be dragged.

Like many it proposes to move what it gives away; it says on its output what the other side made of that.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QMimeData, Qt, QTimer, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel


class Source(QLabel):
    def __init__(self, file: str) -> None:
        super().__init__("drag me")
        self._file = file
        self.setWindowFlags(Qt.WindowType.WindowStaysOnTopHint | Qt.WindowType.X11BypassWindowManagerHint)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setGeometry(40, 600, 120, 80)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            mime = QMimeData()
            mime.setUrls([QUrl.fromLocalFile(self._file)])
            drag = QDrag(self)
            drag.setMimeData(mime)
            both = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
            print(f"dropped {drag.exec(both, Qt.DropAction.MoveAction).name}", flush=True)


application = QApplication(["drag-source"])
source = Source(sys.argv[1])
source.show()
QTimer.singleShot(300, lambda: print("ready", flush=True))
sys.exit(application.exec())

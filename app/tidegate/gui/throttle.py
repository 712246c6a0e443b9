"""First call at once, later ones collapse into the newest: how every view keeps up with a busy engine."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


class Throttle(QObject):
    """Runs ``action`` at most once per ``interval_ms``, and once more after the last call."""

    def __init__(self, interval_ms: int, action: Callable[[], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self._wanted = False
        self._timer = QTimer(self)
        self._timer.setInterval(interval_ms)
        self._timer.timeout.connect(self._tick)

    def call(self) -> None:
        if self._timer.isActive():
            self._wanted = True
            return
        self._timer.start()
        self._action()

    def stop(self) -> None:
        self._timer.stop()
        self._wanted = False

    def _tick(self) -> None:
        if not self._wanted:
            self._timer.stop()
            return
        self._wanted = False
        self._action()

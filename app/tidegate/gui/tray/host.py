"""Does this desktop show tray icons? What shows them may come late at login, or be installed while we run."""

from __future__ import annotations

import sys
import time

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QSystemTrayIcon

LOOK_EVERY_MS = 1000
LOOK_FOR_S = 60.0
LOOK_LATER_MS = 15_000
_WATCHER = "org.kde.StatusNotifierWatcher"


class TrayHost(QObject):
    """``found()`` once, when a host is there; ``missed()`` when none came within a minute, and the looking goes on."""

    found = Signal()
    missed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._until = 0.0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look_again)

    def look(self) -> None:
        if self.present():
            self.found.emit()
            return
        self._until = time.monotonic() + LOOK_FOR_S
        self._timer.start(LOOK_EVERY_MS)

    def stop(self) -> None:
        self._timer.stop()

    def present(self) -> bool:
        return QSystemTrayIcon.isSystemTrayAvailable()

    def over_dbus(self) -> bool:
        """Whether the menu goes to another program, which draws it by its own rules."""
        if not sys.platform.startswith("linux"):
            return False
        from PySide6.QtDBus import QDBusConnection  # only Linux has it, and only a shown icon asks

        bus = QDBusConnection.sessionBus()
        return bus.isConnected() and bool(bus.interface().isServiceRegistered(_WATCHER).value())

    def _look_again(self) -> None:
        if self.present():
            self._timer.stop()
            self.found.emit()
        elif time.monotonic() > self._until and self._timer.interval() != LOOK_LATER_MS:
            self._timer.start(LOOK_LATER_MS)
            self.missed.emit()

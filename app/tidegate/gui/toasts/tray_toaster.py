"""Toasts as the tray icon's own message, where the desktop has no notifier of its own: no buttons, one click."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtWidgets import QSystemTrayIcon

from tidegate.desktop.notifications import Abilities, Toast, ToastEvents, ToastFailed

log = logging.getLogger(__name__)

SHOWN_MS = 10_000


class TrayToaster:
    """``icon`` gives the icon while one can be seen. It shows one message at a time, and a click is of the newest."""

    def __init__(self, icon: Callable[[], QSystemTrayIcon | None]) -> None:
        self.events = ToastEvents()
        self._find_icon = icon
        self._icon: QSystemTrayIcon | None = None
        self._newest = ""

    async def abilities(self) -> Abilities:
        self._present()
        return Abilities(buttons=False, clicks=True, body=True)

    async def show(self, toast: Toast) -> None:
        icon = self._present()
        self._newest = toast.id
        kind = QSystemTrayIcon.MessageIcon
        icon.showMessage(toast.title, toast.text, kind.Critical if toast.critical else kind.Information, SHOWN_MS)
        # Whether anybody saw it Qt does not know: a panel may pass it on to the very service that is missing.
        log.info("notice by the tray icon: %s: %s", toast.title, toast.text)

    async def withdraw(self, id: str) -> None:
        """Qt cannot; it goes by itself."""

    async def close(self) -> None:
        """Nothing is held."""

    def _present(self) -> QSystemTrayIcon:
        icon = self._find_icon()
        if icon is None or not QSystemTrayIcon.supportsMessages():
            raise ToastFailed("no tray icon that shows messages")
        if icon is not self._icon:
            icon.messageClicked.connect(self._on_clicked)
            self._icon = icon
        return icon

    def _on_clicked(self) -> None:
        if self._newest:
            self.events.clicked(self._newest)

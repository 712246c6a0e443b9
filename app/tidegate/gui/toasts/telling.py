"""All by which the app tells a person something outside its window: toasts, the unread count, and when to be quiet."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QSystemTrayIcon

from tidegate.desktop.notifications import DesktopToaster
from tidegate.engine.ports import Notice
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.inbox.unread import Unread
from tidegate.gui.preferences import Preferences
from tidegate.gui.remembered import Remembered
from tidegate.gui.toasts.chain import LogToaster, ToasterChain
from tidegate.gui.toasts.presenter import ToastPresenter
from tidegate.gui.toasts.quiet import Quiet
from tidegate.gui.toasts.tray_toaster import TrayToaster
from tidegate.gui.tray.tray import Tray
from tidegate.paths import resource


class Telling(QObject):
    """``presenter`` for what a click on a toast wants; ``quiet`` and ``unread`` for whoever shows them."""

    def __init__(
        self,
        feed: Feed,
        commands: Commands,
        preferences: Preferences,
        remembered: Remembered,
        tray: Tray,
        sees: Callable[[Notice], bool],
    ) -> None:
        super().__init__()
        self._tray = tray
        self.quiet = Quiet(preferences, remembered, self)
        self.unread = Unread(commands, feed, remembered, self)
        self.toaster = ToasterChain(
            (DesktopToaster("Tidegate", resource("icons", "tidegate.svg")), TrayToaster(self._icon), LogToaster())
        )
        self.presenter = ToastPresenter(feed, commands, preferences, self.quiet, remembered, self.toaster, sees, self)
        self.presenter.noted.connect(self.unread.mark_seen)
        self.unread.found.connect(self.presenter.take_missed)
        self.quiet.changed.connect(self._tell_tray)
        self.unread.changed.connect(tray.set_unread)
        tray.quiet_wanted.connect(self._on_wanted)
        self._tell_tray()
        self.catch_up()

    def catch_up(self) -> None:
        """What came while the app was away, or its engine was, is counted and told."""
        self.unread.start()

    def close(self) -> None:
        self.quiet.stop()
        self.presenter.stop()

    def _icon(self) -> QSystemTrayIcon | None:
        return self._tray.icon if self._tray.available else None

    def _tell_tray(self) -> None:
        self._tray.set_quiet(self.quiet.until)

    def _on_wanted(self, wanted: float | bool | None) -> None:
        """From the tray's menu: seconds, None for until it is turned off, False for off."""
        if wanted is False:
            self.quiet.end()
        else:
            self.quiet.begin(None if wanted is None or math.isinf(wanted) else float(wanted))

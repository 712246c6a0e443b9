"""Above the inbox: what is unread, whether notifications are off and until when, and the switches for both."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QWidget

from tidegate.core.texts import format_moment
from tidegate.gui.inbox.unread import Unread, shown
from tidegate.gui.moments import tomorrow_morning
from tidegate.gui.toasts.quiet import Quiet

_HOUR_S = 3600.0


class InboxHead(QWidget):
    """``read_wanted()`` for all of them."""

    read_wanted = Signal()

    def __init__(self, quiet: Quiet, unread: Unread) -> None:
        super().__init__()
        self._quiet, self._unread = quiet, unread
        self.label = QLabel("")
        self.label.setProperty("role", "muted")
        self.read_button = self._button(self.tr("Mark all read"), "quiet", lambda: self.read_wanted.emit())
        self.quiet_button = self._button("", "", self._on_quiet)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.label, 1)
        row.addWidget(self.read_button)
        row.addWidget(self.quiet_button)
        quiet.changed.connect(self.show_state)
        unread.changed.connect(lambda _count: self.show_state())
        self.show_state()

    def show_state(self) -> None:
        count = self._unread.count
        parts = [
            self.tr("{count} not read yet.").format(count=shown(count)) if count else self.tr("Everything is read.")
        ]
        off = self._quiet.sentence()
        if off is not None:
            parts = [off, self.tr("What comes is kept here.")]
        self.label.setText(" ".join(parts))
        self.read_button.setEnabled(bool(count))
        self.quiet_button.setText(self.tr("Do not disturb…") if off is None else self.tr("Turn notifications on"))

    def menu(self) -> QMenu:
        """For how long; the caller pops it up."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        now = time.time()
        morning = tomorrow_morning(now)
        for label, seconds in (
            (self.tr("for 1 h"), _HOUR_S),
            (self.tr("for 3 h"), 3 * _HOUR_S),
            (self.tr("until {moment}").format(moment=format_moment(morning, now)), morning - now),
            (self.tr("until I turn it off"), None),
        ):
            menu.addAction(label).triggered.connect(lambda _on=False, seconds=seconds: self._quiet.begin(seconds))
        return menu

    def _on_quiet(self) -> None:
        if self._quiet.active:
            self._quiet.end()
        else:
            self.menu().popup(self.quiet_button.mapToGlobal(self.quiet_button.rect().bottomLeft()))

    def _button(self, label: str, role: str, slot: Callable[[], object]) -> QPushButton:
        button = QPushButton(label)
        if role:
            button.setProperty("role", role)
        button.clicked.connect(lambda _checked=False: slot())
        return button

"""The log side of a job's panel: what is shown, the switches, the find bar, and the log itself."""

from __future__ import annotations

import os
from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtGui import QAction, QDesktopServices, QFont, QKeySequence
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tidegate.gui.commands import Commands
from tidegate.gui.log.find import LogFind
from tidegate.gui.log.view import LogView
from tidegate.gui.remembered import Remembered
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.elided_label import ElidedLabel

WRAP = "log_wrap"


class LogPanel(QWidget):
    """Keys work while the focus is on the panel around it, ``owner``."""

    def __init__(self, commands: Commands, theme: Theme, remembered: Remembered, owner: QWidget) -> None:
        super().__init__()
        self._commands = commands
        self._remembered = remembered
        self._newest_of: str | None = None
        self.view = LogView(commands, theme)
        self.find_bar = LogFind(commands, self.view)
        self.find_bar.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._head())
        column.addWidget(self.find_bar)
        column.addWidget(self.view, 1)
        self._actions = [
            self._action(owner, self.tr("Find…"), QKeySequence(QKeySequence.StandardKey.Find), self.find_bar.open_bar),
            self._action(owner, self.tr("Find next"), QKeySequence("F3"), self.find_bar.next),
            self._action(owner, self.tr("Find previous"), QKeySequence("Shift+F3"), self.find_bar.previous),
            self._action(owner, self.tr("Open in another program"), QKeySequence(), self.open_file),
            self._action(owner, self.tr("Open the log's folder"), QKeySequence(), self.open_folder),
        ]
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)

    def show_log(self, id: str, attempt: int, newest: bool) -> None:
        """``newest``: whichever run is the job's last one, also when it runs again."""
        before = self.view.path, self.view.attempt
        if newest and self._newest_of == id:
            self.view.go_on_with(id, attempt)
        else:
            self.view.show_log(id, attempt)
        self._newest_of = id if newest else None
        if before[0] is not None and (self.view.path, self.view.attempt) != before:
            self.find_bar.forget()

    def _set_wrap(self, wanted: bool) -> None:
        self._remembered.put(WRAP, wanted)
        self.view.set_wrap(wanted)

    def open_file(self) -> None:
        """In whatever program the person reads text with."""
        self._open(self.view.path, self.tr("There is no log yet. It begins when the job starts."))

    def open_folder(self) -> None:
        path = self.view.path
        self._open(None if path is None else os.path.dirname(path), self.tr("There is no log yet."))

    def _open(self, path: str | None, none: str) -> None:
        if path is None or not os.path.exists(path):
            self._commands.failed.emit(none)
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(path)):
            self._commands.failed.emit(self.tr("No program opens {path}.").format(path=path))

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        name = QLabel(self.tr("Log"))
        name.setFont(font(12, QFont.Weight.DemiBold))
        self.state = ElidedLabel()
        self.state.setProperty("role", "muted")
        self.state.setFont(font(11))
        self.view.told.connect(self.state.setText)
        row.addWidget(name)
        row.addWidget(self.state)
        row.addStretch(1)
        self.follow = self._switch(self.tr("Follow"), self.tr("Keep the newest line in sight"), True)
        self.follow.toggled.connect(self.view.set_follow)
        self.view.follow_changed.connect(self.follow.setChecked)
        wrap = self._remembered.get(WRAP, True)
        self.wrap = self._switch(self.tr("Wrap"), self.tr("Break long lines"), wrap)
        self.view.set_wrap(wrap)
        self.wrap.toggled.connect(self._set_wrap)
        row.addWidget(self.follow)
        row.addWidget(self.wrap)
        row.addWidget(self._button(self.tr("Find"), self.tr("Ctrl+F"), self.find_bar.open_bar))
        row.addWidget(self._button(self.tr("Open"), self.tr("Open the log in another program"), self.open_file))
        return row

    def _switch(self, label: str, hint: str, on: bool) -> QCheckBox:
        made = QCheckBox(label)
        made.setFont(font(12))
        made.setToolTip(hint)
        made.setChecked(on)
        return made

    def _button(self, label: str, hint: str, slot: Callable[[], None]) -> QPushButton:
        button = QPushButton(label)
        button.setProperty("role", "quiet")
        button.setToolTip(hint)
        button.clicked.connect(lambda _checked=False: slot())
        return button

    def _action(self, owner: QWidget, label: str, keys: QKeySequence, slot: Callable[[], None]) -> QAction:
        action = QAction(label, owner)
        action.setShortcut(keys)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda _checked=False: slot())
        owner.addAction(action)
        return action

    def _open_menu(self, at: QPoint) -> None:
        menu = self.view.createStandardContextMenu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addSeparator()
        menu.addActions(self._actions)
        menu.popup(self.view.mapToGlobal(at))

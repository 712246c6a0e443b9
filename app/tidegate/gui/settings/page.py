"""The Settings page: every setting by its own declaration, searched, changed live, and brought back to its default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMessageBox, QPushButton, QVBoxLayout, QWidget

from tidegate.desktop.autostart import Autostart
from tidegate.engine.ports import EngineUnwilling, SettingRefused
from tidegate.engine.views import MachineView, SettingView, StatusView
from tidegate.gui.commands import Commands
from tidegate.gui.icons import icon
from tidegate.gui.preferences import Preferences
from tidegate.gui.settings import words
from tidegate.gui.settings.autostart_row import AutostartRow
from tidegate.gui.settings.body import SettingsBody
from tidegate.gui.theme import Theme
from tidegate.gui.widgets.empty import EmptyState

SEARCH_PX = 320
NAMED = 6
"""How many settings a question before restoring names one by one."""


class SettingsPage(QWidget):
    """``failed(str)`` when restoring was refused; what concerns one setting is said beside it."""

    failed = Signal(str)

    def __init__(
        self,
        commands: Commands,
        preferences: Preferences,
        theme: Theme,
        autostart: Callable[[], Autostart],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._commands, self._preferences, self._theme = commands, preferences, theme
        # One change after the other, as they were asked for: the last one is to hold.
        self._order = asyncio.Lock()
        self.question: QMessageBox | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(16)
        column.addLayout(self._top())
        machine = commands.desk.status().machine
        self._judged_by = _judged_by(machine)
        self.body = SettingsBody(preferences, theme, machine, self)
        self.autostart = AutostartRow(autostart, commands, theme, self.body.cards[0])
        self.body.put_first(self.autostart)
        self.nothing = EmptyState()
        self.nothing.hide()
        column.addWidget(self.body, 1)
        column.addWidget(self.nothing, 1)
        self._connect()
        self._show_restorable()

    def show_status(self, status: StatusView) -> None:
        """What percentages come to depends on the machine, which all but never changes."""
        judged_by = _judged_by(status.machine)
        if judged_by != self._judged_by:
            self._judged_by = judged_by
            self.body.show_machine(status.machine)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.autostart.refresh()

    # --- Building ---

    def _top(self) -> QHBoxLayout:
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search settings"))
        self.search.setAccessibleName(self.tr("Search settings"))
        self.search.setMaximumWidth(SEARCH_PX)
        # Qt's own button has the icon theme's drawing, which comes in all sizes.
        self._clear = self.search.addAction(QIcon(), QLineEdit.ActionPosition.TrailingPosition)
        self._clear.setText(self.tr("Clear search"))
        self._clear.setVisible(False)
        self.restore_all = QPushButton(self.tr("Restore all defaults…"), self)
        self.restore_all.setProperty("role", "quiet")
        top = QHBoxLayout()
        top.addWidget(self.search, 1)
        top.addStretch(1)
        top.addWidget(self.restore_all)
        return top

    def _connect(self) -> None:
        self.search.textChanged.connect(self._on_search)
        self._clear.triggered.connect(lambda _checked=False: self.search.clear())
        self._theme.changed.connect(self._colour)
        self._colour()
        self.nothing.wanted.connect(self.search.clear)
        self.restore_all.clicked.connect(lambda _checked=False: self._ask_to_restore(None))
        self._preferences.changed.connect(self._on_changed)
        self.body.wanted.connect(self._on_wanted)
        self.body.restore_wanted.connect(self._ask_to_restore)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self).activated.connect(self._begin_search)
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self.search)
        escape.setContext(Qt.ShortcutContext.WidgetShortcut)
        escape.activated.connect(self.search.clear)

    def _colour(self) -> None:
        self._clear.setIcon(icon("close", self._theme.colour("muted")))

    # --- Finding ---

    def _begin_search(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _on_search(self, text: str) -> None:
        self._clear.setVisible(bool(text))
        found = self.body.search(text.casefold().split())
        self.body.setVisible(found)
        self.nothing.setVisible(not found)
        if not found:
            title = self.tr("No setting is about “{text}”").format(text=text.strip())
            sentence = self.tr("Labels, explanations and the names of config.toml are searched.")
            self.nothing.show_words(title, sentence, self.tr("Clear search"))

    # --- Changing ---

    def _on_wanted(self, name: str, text: str | None) -> None:
        self._commands.run(self._change(name, text))

    async def _change(self, name: str, text: str | None) -> None:
        row = self.body.rows[name]
        async with self._order:
            try:
                view = await self._commands.desk.change_setting(name, text)
            except (SettingRefused, EngineUnwilling) as refusal:
                row.refuse(words.refusal(str(refusal), row.view, self._preferences.all()))
                return
            except BaseException:
                row.refuse(self.tr("This could not be changed now."))
                raise
        row.answer(text, view, self._preferences.waits_for_restart(view))
        self.body.refresh(name)

    def _on_changed(self, name: str) -> None:
        """It may have been changed here, or by ``tidegate config set`` elsewhere."""
        self.body.take(name)
        self._show_restorable()

    def _changed_names(self) -> list[str]:
        return [view.name for view in self._preferences.all() if words.changed(view)]

    def _show_restorable(self) -> None:
        self.restore_all.setEnabled(bool(self._changed_names()))

    # --- Restoring ---

    def _ask_to_restore(self, names: list[str] | None) -> None:
        """Asked once, with what will change; None means all."""
        wanted = self._changed_names() if names is None else names
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(self.tr("Restore defaults"))
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setTextFormat(Qt.TextFormat.PlainText)
        several = self.tr("{count} settings go back to their defaults.").format(count=len(wanted))
        box.setText(self.tr("One setting goes back to its default.") if len(wanted) == 1 else several)
        box.setInformativeText(self._what_changes(wanted))
        restore = box.addButton(self.tr("Restore"), QMessageBox.ButtonRole.AcceptRole)
        restore.clicked.connect(lambda _checked=False: self._commands.run(self._restore(wanted)))
        box.setEscapeButton(box.addButton(self.tr("Cancel"), QMessageBox.ButtonRole.RejectRole))
        box.setDefaultButton(restore)
        box.finished.connect(self._forget_question)
        self.question = box
        box.open()

    def _forget_question(self) -> None:
        self.question = None

    def _what_changes(self, names: Sequence[str]) -> str:
        lines = []
        for name in names[:NAMED]:
            view = self._preferences.setting(name)
            default = words.with_unit(view, view.default_text)
            lines.append(f"{view.label}: {words.with_unit(view)} → {default}")
        rest = len(names) - len(lines)
        if rest:
            lines.append(self.tr("and {count} more").format(count=rest))
        return "\n".join(lines)

    async def _restore(self, names: list[str]) -> None:
        async with self._order:
            try:
                views = await self._commands.desk.reset_settings(names)
            except SettingRefused as refusal:
                self.failed.emit(words.named(str(refusal), self._preferences.all()))
                return
        for view in views:
            self._show_restored(view)

    def _show_restored(self, view: SettingView) -> None:
        self.body.finish()
        self.body.rows[view.name].restored(view, self._preferences.waits_for_restart(view))
        self.body.refresh(view.name)


def _judged_by(machine: MachineView) -> object:
    cards = [(card.index, card.memory_total_bytes) for card in machine.cards]
    return machine.cores, machine.memory_total_bytes, machine.swap_total_bytes, cards

"""The switch "Start Tidegate when I log in": no setting of ours, its truth is the desktop's own file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from tidegate.desktop.autostart import Autostart, AutostartFailed, login_command
from tidegate.gui.commands import Commands
from tidegate.gui.settings.row import Row
from tidegate.gui.theme import Theme
from tidegate.gui.widgets.switch import Switch


class AutostartRow(Row):
    """Off until somebody asks. It is read anew whenever the page is shown, because other programs change it too."""

    def __init__(
        self, autostart: Callable[[], Autostart], commands: Commands, theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__("", parent)
        self.label.setText(self.tr("Start Tidegate when I log in"))
        self.show_sentence(self.tr("It starts in the tray, without its window, and goes on with the jobs that wait."))
        self.switch = Switch(theme, self)
        self.set_control(self.switch)
        self.switch.setEnabled(False)
        self.switch.clicked.connect(self._on_clicked)
        self._find, self._commands = autostart, commands
        self._order = asyncio.Lock()

    def matches(self, wanted: list[str]) -> bool:
        said = f"{self.label.text()} {self.sentence.text()} autostart login".casefold()
        return all(word in said for word in wanted)

    def refresh(self) -> None:
        self._commands.run(self._read())

    def _on_clicked(self, on: bool) -> None:
        self._commands.run(self._change(on))

    async def _read(self) -> None:
        """In a thread: home folders may lie on a network."""
        async with self._order:
            await self._show_truth()

    async def _change(self, on: bool) -> None:
        async with self._order:
            autostart = self._find()
            try:
                if on:
                    await asyncio.to_thread(autostart.enable, login_command())
                else:
                    await asyncio.to_thread(autostart.disable)
            except AutostartFailed as failure:
                await self._show_truth()
                self.show_note(str(failure), "danger")
            else:
                await self._show_truth()

    async def _show_truth(self) -> None:
        autostart = self._find()
        if autostart.problem is not None:
            self.switch.setChecked(False)
            self.switch.setEnabled(False)
            self.show_note(autostart.problem, "muted")
            return
        try:
            on = await asyncio.to_thread(autostart.enabled)
        except AutostartFailed as failure:
            self.show_note(str(failure), "danger")
            return
        self.switch.setChecked(on)
        self.switch.setEnabled(True)
        self.show_note(None, "muted")

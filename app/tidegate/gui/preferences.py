"""The settings as the window's parts read them: kept at hand, and told when one changes wherever that was done."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from tidegate.engine.ports import Desk
from tidegate.engine.views import SettingView
from tidegate.gui.feed import Feed


class Preferences(QObject):
    """``changed(str)`` with the name of a setting that has another value now."""

    changed = Signal(str)

    def __init__(self, desk: Desk, feed: Feed, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = {setting.name: setting for setting in desk.settings()}
        self._at_start = {name: setting.value for name, setting in self._settings.items()}
        feed.setting_changed.connect(self._take)

    def all(self) -> list[SettingView]:
        return list(self._settings.values())

    def setting(self, name: str) -> SettingView:
        return self._settings[name]

    def waits_for_restart(self, setting: SettingView) -> bool:
        """Whether it was changed since this program started, and takes effect when it starts again."""
        return setting.needs_restart and setting.value != self._at_start.get(setting.name)

    def flag(self, name: str) -> bool:
        return bool(self._settings[name].value)

    def text(self, name: str) -> str:
        return str(self._settings[name].value)

    def number(self, name: str) -> float:
        """Bytes, seconds, percent or a count, as the setting's kind has it; raises TypeError for another kind."""
        value = self._settings[name].value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name} is no number: {value!r}")
        return float(value)

    def _take(self, setting: SettingView) -> None:
        before = self._settings.get(setting.name)
        self._settings[setting.name] = setting
        if before != setting:
            self.changed.emit(setting.name)

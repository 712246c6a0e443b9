"""The settings of this home as the desk and the API change them: written to the file, then applied to the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.engine.ports import SettingRefused
from tidegate.engine.views import SettingView
from tidegate.paths import Paths
from tidegate.settings import Setting, Settings, SettingsError, find_setting, remove_values, write_values


class LiveSettings:
    """Implements ``ports.SettingsPort``; ``overrides`` are those of the command line, which beat the file."""

    def __init__(
        self,
        current: Callable[[], Settings],
        apply: Callable[[Settings], None],
        paths: Paths,
        overrides: Mapping[str, str],
    ) -> None:
        self._current, self._apply = current, apply
        self._paths, self._overrides = paths, overrides
        # Each change reads the file and writes it again: of two at once, one would be lost.
        self._changing = threading.Lock()

    def all(self) -> list[SettingView]:
        settings = self._current()
        return [_view(settings, setting) for setting in settings.settings]

    def change(self, name: str, text: str | None) -> SettingView:
        if text is None:
            return self.reset([name])[0]
        return self.change_all({name: text})[0]

    def change_all(self, texts: Mapping[str, str]) -> list[SettingView]:
        settings = self._changed(lambda: write_values(self._paths, texts, overrides=self._overrides))
        return [_view(settings, setting) for name in texts if (setting := find_setting(name)) is not None]

    def reset(self, names: Sequence[str] | None) -> list[SettingView]:
        wanted = [setting.name for setting in self._current().settings] if names is None else list(names)
        settings = self._changed(lambda: remove_values(self._paths, wanted, overrides=self._overrides))
        return [_view(settings, setting) for name in wanted if (setting := find_setting(name)) is not None]

    def _changed(self, write: Callable[[], Settings]) -> Settings:
        with self._changing:
            try:
                settings = write()
            except SettingsError as error:
                raise SettingRefused(" ".join(error.errors)) from None
            self._apply(settings)
        return settings


def _view(settings: Settings, setting: Setting) -> SettingView:
    fields: dict[str, Any] = settings.describe(setting)
    return SettingView(**fields)

"""The settings of this home as the desk and the API change them: written to the file, then applied to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.engine.ports import SettingRefused
from tidegate.engine.views import SettingView
from tidegate.paths import Paths
from tidegate.settings import SETTINGS, Setting, Settings, SettingsError, find_setting, write_value


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

    def all(self) -> list[SettingView]:
        settings = self._current()
        return [_view(settings, setting) for setting in SETTINGS]

    def change(self, name: str, text: str | None) -> SettingView:
        setting = find_setting(name)
        if text is None and setting is not None:
            text = setting.show(setting.default)
        try:
            settings = write_value(self._paths, name, text or "", overrides=self._overrides)
        except SettingsError as error:
            raise SettingRefused(" ".join(error.errors)) from None
        assert setting is not None  # write_value refuses unknown names
        self._apply(settings)
        return _view(settings, setting)


def _view(settings: Settings, setting: Setting) -> SettingView:
    fields: dict[str, Any] = settings.describe(setting)
    return SettingView(**fields)

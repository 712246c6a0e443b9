"""The settings kept in memory: implements ports.SettingsPort without a file, judged as the real ones are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidegate.engine.ports import SettingRefused
from tidegate.engine.views import SettingView
from tidegate.settings import SETTINGS, Setting, SettingsError, find_setting
from tidegate.settings.loading import combine

FILE = Path("config.toml")


class KeptSettings:
    """Every setting at its default, until one is changed; ``environ`` sets some that stay in force."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(environ or {})
        self._texts: dict[str, str] = {}

    def all(self) -> list[SettingView]:
        settings = combine(FILE, {}, {}, {**self._texts, **self._fixed()})
        return [self._view(settings.describe(setting)) for setting in settings.settings]

    def change(self, name: str, text: str | None) -> SettingView:
        if text is None:
            return self.reset([name])[0]
        return self.change_all({name: text})[0]

    def change_all(self, texts: Mapping[str, str]) -> list[SettingView]:
        return self._take({**self._texts, **texts}, list(texts))

    def reset(self, names: Sequence[str] | None) -> list[SettingView]:
        left = {} if names is None else {name: text for name, text in self._texts.items() if name not in names}
        return self._take(left, [setting.name for setting in SETTINGS] if names is None else names)

    def _take(self, texts: dict[str, str], names: Sequence[str]) -> list[SettingView]:
        try:
            combine(FILE, {}, {}, texts)
        except SettingsError as error:
            raise SettingRefused(" ".join(error.errors)) from None
        for name in names:
            _setting(name)
        self._texts = texts
        there = {view.name: view for view in self.all()}
        return [there.get(name) or self._view(combine(FILE, {}, {}, {}).describe(_setting(name))) for name in names]

    def _fixed(self) -> dict[str, str]:
        return {each.name: self._environ[each.variable] for each in SETTINGS if each.variable in self._environ}

    def _view(self, fields: Mapping[str, Any]) -> SettingView:
        # All of them were handed over as a command line's would be.
        named = {"command line": "environment" if fields["name"] in self._fixed() else "config.toml"}
        view = SettingView(**fields)
        return replace(view, source=named.get(view.source, view.source))


def _setting(name: str) -> Setting:
    setting = find_setting(name)
    if setting is None:
        raise SettingRefused(f"{name}: there is no such setting.")
    return setting

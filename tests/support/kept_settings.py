"""The settings kept in memory: implements ports.SettingsPort without a file."""

from __future__ import annotations

from dataclasses import replace

from tidegate.engine.ports import SettingRefused
from tidegate.engine.views import SettingView
from tidegate.settings import SETTINGS, Setting, find_setting


class KeptSettings:
    """Every setting at its default, until one is changed."""

    def __init__(self) -> None:
        self._views = {setting.name: _at_its_default(setting) for setting in SETTINGS}

    def all(self) -> list[SettingView]:
        return list(self._views.values())

    def change(self, name: str, text: str | None) -> SettingView:
        setting = find_setting(name)
        if setting is None:
            raise SettingRefused(f"{name}: there is no such setting.")
        try:
            value = setting.default if text is None else setting.parse(text)
        except ValueError:
            raise SettingRefused(f'{name}: "{text}" is not accepted; write {setting.accepted}.') from None
        source = "default" if text is None else "config.toml"
        view = replace(self._views[name], value=value, text=setting.show(value), source=source)
        self._views[name] = view
        return view


def _at_its_default(setting: Setting) -> SettingView:
    shown = setting.show(setting.default)
    return SettingView(
        name=setting.name,
        section=setting.section,
        key=setting.key,
        kind=setting.kind.value,
        value=setting.default,
        text=shown,
        default=setting.default,
        default_text=shown,
        source="default",
        unit=setting.unit,
        low=setting.low,
        high=setting.high,
        choices=setting.choices,
        label=setting.label,
        help=setting.help,
        accepted=setting.accepted,
        needs_restart=setting.needs_restart,
    )

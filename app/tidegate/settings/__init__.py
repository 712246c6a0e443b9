"""Settings: declared once in ``catalogue``, read from command line, environment, ``config.toml`` and defaults.

Everything else (validation, ``config init``, the dialog, the core's Policy) is made from the declarations.
"""

from tidegate.settings.catalogue import SETTINGS, find_setting
from tidegate.settings.config_file import check_file, initial_file, remove_values, write_value, write_values
from tidegate.settings.loading import Settings, load
from tidegate.settings.setting import Setting
from tidegate.settings.values import Kind, SettingsError, Value, show

__all__ = [
    "SETTINGS",
    "Kind",
    "Setting",
    "Settings",
    "SettingsError",
    "Value",
    "check_file",
    "find_setting",
    "initial_file",
    "load",
    "remove_values",
    "show",
    "write_value",
    "write_values",
]

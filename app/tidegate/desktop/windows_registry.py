"""The user's part of the Windows registry, as ``autostart_windows`` asks for it; never run on Windows yet."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import winreg  # noqa: E402


class UserRegistry:
    """Values below HKEY_CURRENT_USER."""

    def read(self, key: str, name: str) -> str | bytes | None:
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as opened:
                value: str | bytes = winreg.QueryValueEx(opened, name)[0]
                return value
        except FileNotFoundError:
            return None

    def write(self, key: str, name: str, text: str) -> None:
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
            winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, text)

    def remove(self, key: str, name: str) -> None:
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key, 0, winreg.KEY_SET_VALUE) as opened:
                winreg.DeleteValue(opened, name)
        except FileNotFoundError:
            return

"""Autostart on Windows: the user's Run key. Written by Microsoft's documents; never run on Windows yet."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Protocol

from tidegate.desktop.autostart import NAME, AutostartFailed

RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
"""Where the Task Manager notes what a person switched off; an odd first byte means off."""


class Registry(Protocol):
    """Values below HKEY_CURRENT_USER. Raises OSError."""

    def read(self, key: str, name: str) -> str | bytes | None:
        """None when there is no such value."""

    def write(self, key: str, name: str, text: str) -> None: ...

    def remove(self, key: str, name: str) -> None:
        """Nothing happens when it is not there."""


class WindowsAutostart:
    """The value ``Tidegate`` below the Run key; what the Task Manager says about it wins."""

    problem: str | None = None

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def enabled(self) -> bool:
        try:
            if not self._registry.read(RUN, NAME):
                return False
            approved = self._registry.read(APPROVED, NAME)
        except OSError as error:
            raise AutostartFailed(f"The Run key cannot be read: {_reason(error)}.") from error
        return not (isinstance(approved, bytes) and approved[:1] and approved[0] % 2 == 1)

    def enable(self, command: Sequence[str]) -> None:
        try:
            self._registry.write(RUN, NAME, subprocess.list2cmdline(command))
            self._registry.remove(APPROVED, NAME)
        except OSError as error:
            raise AutostartFailed(f"The Run key cannot be written: {_reason(error)}.") from error

    def disable(self) -> None:
        try:
            self._registry.remove(RUN, NAME)
        except OSError as error:
            raise AutostartFailed(f"The Run key cannot be written: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

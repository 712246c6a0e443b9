"""Whether Tidegate starts when a person logs in: asked of, and written to, the desktop's own place for that."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

NAME = "Tidegate"
COMMENT = "Runs scripts as soon as this computer can bear them"


class AutostartFailed(Exception):
    """It could not be read or changed; the text is one sentence."""


class Autostart(Protocol):
    """The desktop's file (or key) is the only truth; nothing of it is kept here. Calls are quick and may block on disk.

    ``problem`` is one sentence when it cannot be used here, else None; then the calls are not to be made.
    """

    @property
    def problem(self) -> str | None: ...

    def enabled(self) -> bool:
        """Whether the next login starts Tidegate. Raises AutostartFailed."""

    def enable(self, command: Sequence[str], /) -> None:
        """From the next login on ``command`` is run (its program by absolute path). Raises AutostartFailed."""

    def disable(self) -> None:
        """No login starts Tidegate any more. Raises AutostartFailed."""


class NoAutostart:
    """Stands where it cannot be used, and says why."""

    def __init__(self, problem: str) -> None:
        self.problem: str | None = problem

    def enabled(self) -> bool:
        return False

    def enable(self, _command: Sequence[str]) -> None:
        raise AutostartFailed(self.problem or "")

    def disable(self) -> None:
        raise AutostartFailed(self.problem or "")


def find_autostart(environ: Mapping[str, str], platform: str = sys.platform) -> Autostart:
    """The one of this desktop. A throw-away home has none: a test or demo must not enter the person's login."""
    if environ.get("TIDEGATE_HOME"):
        return NoAutostart("This Tidegate has a home of its own (TIDEGATE_HOME), which a login does not know.")
    if sys.platform == "win32":
        from tidegate.desktop.autostart_windows import WindowsAutostart
        from tidegate.desktop.windows_registry import UserRegistry

        return WindowsAutostart(UserRegistry())
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    if platform == "darwin":
        from tidegate.desktop.autostart_macos import MacAutostart

        return MacAutostart(home / "Library" / "LaunchAgents")
    from tidegate.desktop.autostart_xdg import XdgAutostart

    return XdgAutostart.of(environ, home)


def login_command(arguments: Sequence[str] = ("--hidden",)) -> list[str]:
    """How this very installation's window is started, by absolute path: a login has no virtual environment."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "gui", *arguments]
    script = Path(sys.executable).with_name("tidegate-gui.exe" if sys.platform == "win32" else "tidegate-gui")
    if script.is_file():
        return [str(script), *arguments]
    return [sys.executable, "-m", "tidegate", "gui", *arguments]

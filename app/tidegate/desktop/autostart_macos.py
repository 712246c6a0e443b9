"""Autostart on macOS: a launch agent of this user. Written by the documents of launchd; never run on a Mac yet."""

from __future__ import annotations

import contextlib
import os
import plistlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from tidegate.desktop.autostart import AutostartFailed

LABEL = "org.tidegate.gui"


class MacAutostart:
    """A property list in ``folder`` (~/Library/LaunchAgents), which launchd reads at login."""

    problem: str | None = None

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{LABEL}.plist"

    def enabled(self) -> bool:
        try:
            found: Any = plistlib.loads(self._file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise AutostartFailed(f"{self._file} cannot be read: {_reason(error)}.") from error
        except (ValueError, ExpatError):
            # launchd passes over a file that is no property list.
            return False
        if not isinstance(found, dict) or found.get("Disabled") is True or found.get("RunAtLoad") is not True:
            return False
        command = found.get("ProgramArguments")
        return isinstance(command, list) and bool(command) and os.access(str(command[0]), os.X_OK)

    def enable(self, command: Sequence[str]) -> None:
        agent = {
            "Label": LABEL,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
        }
        partial = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(plistlib.dumps(agent))
            partial.replace(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise AutostartFailed(f"{self._file} cannot be written: {_reason(error)}.") from error

    def disable(self) -> None:
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise AutostartFailed(f"{self._file} cannot be removed: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

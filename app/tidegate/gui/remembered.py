"""What the window remembers between starts: where things stood and which switches were on; nothing that matters."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer

log = logging.getLogger(__name__)

WRITE_AFTER_MS = 500
Plain = TypeVar("Plain", bool, int, float, str, list[int])


class Remembered(QObject):
    """Small values by name in one JSON file; a file that cannot be read counts as empty, and is said in the log."""

    def __init__(self, file: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = file
        self._values = _read(file)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WRITE_AFTER_MS)
        self._timer.timeout.connect(self.write)

    def get(self, name: str, default: Plain) -> Plain:
        """The value, or ``default`` when there is none of its kind."""
        value = self._values.get(name)
        return value if type(value) is type(default) else default

    def put(self, name: str, value: Plain) -> None:
        """Written a moment later, together with what else changes (a window that is moved says so often)."""
        if self._values.get(name) != value:
            self._values[name] = value
            self._timer.start()

    def write(self) -> None:
        """Write now, in one piece."""
        self._timer.stop()
        partial = self._file.with_name(f"{self._file.name}.{os.getpid()}.partial")
        try:
            partial.write_text(json.dumps(self._values, indent=1) + "\n", encoding="utf-8")
            partial.replace(self._file)
        except OSError as error:
            log.warning("places of windows cannot be remembered: %s", error)

    def close(self) -> None:
        if self._timer.isActive():
            self.write()


def _read(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read and is begun anew: %s", file, error)
        return {}
    return found if isinstance(found, dict) else {}

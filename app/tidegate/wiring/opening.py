"""Before the program: folders, settings, the lock (or a take-over), and its own log."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidegate.engine.lock import LockHeld
from tidegate.paths import Paths, PathsError, find_paths
from tidegate.settings import Settings, SettingsError, load
from tidegate.wiring.program import Program

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.wiring.attached import Attached

log = logging.getLogger(__name__)

LOG_BYTES = 5 * 1024 * 1024
LOG_FILES = 3
TAKE_OVER_S = 10.0


def set_up_logging(log_file: Path, settings: Settings, foreground: bool) -> None:
    """The program's own log: a rotated file, and in the foreground the terminal too."""
    root = logging.getLogger("tidegate")
    root.setLevel(settings.log_level.upper())
    form = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", errors="surrogateescape"
        )
    ]
    if foreground:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(form)
        root.addHandler(handler)


def prepare(kind: str, overrides: Mapping[str, str], foreground: bool) -> Program | int:
    """Folders, settings, lock and log; an exit code after one clear sentence when one of them cannot be had."""
    try:
        paths = find_paths()
        paths.create()
        program = Program(paths, load(paths, overrides=overrides), kind, overrides)
        _acquire(program, kind)
    except PathsError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 1
    except SettingsError as error:
        return _refused_settings(error)
    except LockHeld as held:
        print(f"tidegate: {held}", file=sys.stderr)
        return 0 if kind == "auto" else 1
    set_up_logging(paths.log_file, program.settings, foreground)
    return program


def prepare_gui(paths: Paths, overrides: Mapping[str, str]) -> Program | Attached | int:
    """The same for the one tray application of this home; beside an engine in the foreground a window on that one."""
    try:
        program = Program(paths, load(paths, overrides=overrides), "gui", overrides)
        _acquire(program, "gui")
    except SettingsError as error:
        return _refused_settings(error)
    except LockHeld as held:
        if held.kind != "serve":
            print(f"tidegate: {held}", file=sys.stderr)
            return 1
        from tidegate.wiring.attached import Attached

        # A log of its own: two that write and rotate one file would lose lines.
        set_up_logging(paths.window_log, program.settings, foreground=False)
        return Attached(paths, program.settings)
    set_up_logging(paths.log_file, program.settings, foreground=False)
    return program


def _refused_settings(error: SettingsError) -> int:
    for sentence in error.errors:
        print(f"tidegate: {sentence}", file=sys.stderr)
    return 1


def _acquire(program: Program, kind: str) -> None:
    """Take the lock; raises LockHeld.

    The tray application takes over from an engine in the background (D1). An engine in the background waits for one
    that is just leaving, and yields to one that answers: several verbs may have started one each.
    """
    deadline = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            program.acquire()
            return
        except LockHeld as held:
            if time.monotonic() > deadline or not _leaves_soon(program.paths, kind, held.kind):
                raise
        time.sleep(0.05)


def _leaves_soon(paths: Paths, kind: str, holder: str) -> bool:
    from tidegate.api.client import ApiError, Client, NoEngine

    client = Client(paths, timeout_s=TAKE_OVER_S)
    if kind == "gui" and holder == "auto":
        # Not reached when it is just starting or leaving; then it is asked again, or is gone.
        with contextlib.suppress(NoEngine, ApiError):
            client.post("/shutdown", {"stop_jobs": False})
        return True
    if kind == "gui" and holder != "serve":
        return True  # another tray application, which is just ending: there is one at a time
    # One in the foreground that does not answer may just be ending.
    return kind in ("auto", "gui") and not client.alive()


def refusals() -> tuple[type[Exception], ...]:
    """What a person has to decide before an engine can be here."""
    from tidegate.execution.keeper_client import KeeperUnavailable
    from tidegate.journal.database import DatabaseRefused

    return DatabaseRefused, KeeperUnavailable


def refused(refusal: Exception) -> int:
    """What a person has to decide, said once: the terminal's own log lines would only repeat it."""
    root = logging.getLogger("tidegate")
    for handler in [handler for handler in root.handlers if type(handler) is logging.StreamHandler]:
        root.removeHandler(handler)
    log.error("%s", refusal)
    print(f"tidegate: {refusal}", file=sys.stderr)
    return 1

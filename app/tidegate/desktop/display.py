"""Whether there is a display to open a window on, asked before Qt is: without one Qt ends the whole process."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping

_ANSWER_S = 2.0


def display_problem(environ: Mapping[str, str]) -> str | None:
    """None when a window can be opened, else one sentence for the user. Never raises."""
    if not sys.platform.startswith("linux") or environ.get("QT_QPA_PLATFORM", "").split(":")[0] in (
        "offscreen",
        "minimal",
        "vnc",
        "linuxfb",
        "eglfs",
    ):
        return None
    wayland, x11 = environ.get("WAYLAND_DISPLAY"), environ.get("DISPLAY")
    if not wayland and not x11:
        return "There is no display here: neither DISPLAY nor WAYLAND_DISPLAY is set."
    if wayland and _answers_unix(os.path.join(environ.get("XDG_RUNTIME_DIR", ""), wayland)):
        return None
    if x11 and _answers_x11(x11):
        return None
    return f"The display {x11 or wayland} does not answer."


def _answers_x11(display: str) -> bool:
    match = re.fullmatch(r"(?:unix|(?P<host>[^:/]*))?:(?P<number>[0-9]{1,5})(?:\.[0-9]+)?", display)
    if match is None:
        return os.path.exists(display.rpartition(":")[0])
    number = int(match["number"])
    host = match["host"] or ""
    if not host:
        path = f"/tmp/.X11-unix/X{number}"  # where every X server listens
        if _answers_unix(path) or _answers_unix("\0" + path):
            return True
    try:
        with socket.create_connection((host or "localhost", 6000 + number), timeout=_ANSWER_S):
            return True
    except (OSError, OverflowError):
        return False


def _answers_unix(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(_ANSWER_S)
        try:
            attempt.connect(path)
        except (OSError, ValueError):
            return False
    return True

"""A display for machines that have none (servers, CI): an X server without a screen, for as long as it is needed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from tidegate.desktop.display import display_problem

_SCREEN = "1360x900x24"
_GONE_WITHIN_S = 5.0


class DisplayUnavailable(Exception):
    """There is no display and none can be started; the text is one sentence."""


@contextlib.contextmanager
def virtual_display() -> Iterator[bool]:
    """Make sure that a window can be opened; True when a virtual display had to be started for it.

    Sets DISPLAY (and lets Qt use X11) for this process. Raises DisplayUnavailable.
    """
    problem = display_problem(os.environ)
    if problem is None:
        yield False
        return
    server = shutil.which("Xvfb")
    if not sys.platform.startswith("linux") or server is None:
        raise DisplayUnavailable(f"{problem} Xvfb would make a virtual one, and it is not installed.")
    readable, writable = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(writable), "-screen", "0", _SCREEN, "-nolisten", "tcp", "-noreset"],
        pass_fds=(writable,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(writable)
    try:
        with os.fdopen(readable) as answer:
            number = answer.readline().strip()
        if not number:
            raise DisplayUnavailable("The virtual display (Xvfb) could not be started.")
        os.environ["DISPLAY"] = f":{number}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        os.environ.pop("WAYLAND_DISPLAY", None)
        yield True
    finally:
        process.terminate()
        try:
            process.wait(_GONE_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""Replaying: a home's recorded jobs under every strategy, by ``tidegate simulate`` in a process that yields to all.

For ``strategy --compare`` and for an engine that goes by auto: neither may take cores from jobs or from the window.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from tidegate.api.client import RUN_TOKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from typing import Any

NEWEST = 1_000
"""So many jobs are replayed, each under every strategy: a minute of one core, or several where they waited for days."""
LEAST_PRIORITY = 19
IDLE_PRIORITY_CLASS = 0x00000040
ERROR_LENGTH = 300


def begin(environ: Mapping[str, str], *, quiet: bool = False) -> subprocess.Popen[str]:
    """Start the replay. It says how far it is on stderr; with ``quiet`` that is kept for ``result``."""
    import subprocess

    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "tidegate"]
    words = ["simulate", "--history", "--all", "--newest", str(NEWEST), "--json"]
    # A replay that a job asks for is no part of that job.
    variables = {name: value for name, value in environ.items() if name != RUN_TOKEN}
    process = subprocess.Popen(
        [*program, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        encoding="utf-8",
        errors="replace",
        env=variables,
        creationflags=IDLE_PRIORITY_CLASS if sys.platform == "win32" else 0,
    )
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, LEAST_PRIORITY)
    return process


def result(process: subprocess.Popen[str], timeout_s: float | None = None) -> dict[str, Any] | str:
    """What ``simulate --json`` printed, or one clause that says why it did not. The process has ended then."""
    import subprocess

    try:
        out, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return f"it takes longer than {timeout_s:.0f} s"
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode:
        lines = (said or "").strip().splitlines()
        clause = lines[-1].removeprefix("tidegate: ").rstrip(".") if lines else ""
        return clause[:ERROR_LENGTH] or f"it ended with exit code {process.returncode}"
    found: dict[str, Any] = json.loads(out)
    return found

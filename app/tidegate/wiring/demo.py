"""``tidegate demo``: the real application in a throw-away home with harmless scripts."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tidegate.wiring.opening import prepare


def demo(*, exit_when_done: bool, screenshot: str | None) -> int:
    """The real application in a throw-away home with eight scripts to run; returns the exit code (D11)."""
    from tidegate.desktop.virtual_display import DisplayUnavailable, virtual_display

    home = tempfile.mkdtemp(prefix="tidegate-demo-")
    picture = Path(screenshot) if screenshot else Path(tempfile.gettempdir()) / f"tidegate-demo-{os.getpid()}.png"
    if " " in str(picture):
        picture = Path("/tmp") / picture.name.replace(" ", "-")
    os.environ["TIDEGATE_HOME"] = home
    try:
        with virtual_display() as started:
            return _demo(exit_when_done or started, picture.absolute())
    except DisplayUnavailable as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _demo(exit_when_done: bool, picture: Path) -> int:
    program = prepare("gui", {}, foreground=False)
    if isinstance(program, int):
        return program
    from tidegate.gui.application import run
    from tidegate.gui.demo import Demo

    running = picture.with_name(f"{picture.stem}-running.png")
    session = Demo(program.paths, program.facts, exit_when_done, running, picture)

    async def close(_stop_jobs: bool) -> None:
        # The home is thrown away, so nothing of it may go on.
        await program.close(stop_jobs=True)

    code = run(
        program.open,
        close,
        program.paths,
        program.settings,
        session=session,
        facts=program.facts,
        told_to_leave=program.told_to_leave,
    )
    if code == 0 and exit_when_done:
        print(f"Screenshot while running: {running}", file=sys.stderr)
        print(picture)
    return code

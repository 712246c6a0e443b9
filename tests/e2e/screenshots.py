"""Pictures of the real application running the real demo: ``python tests/e2e/screenshots.py FOLDER``.

Not a test: people look at what it makes, and the README shows two of them. Light and dark, in throw-away homes; then
the whole desktop with icon, menu, basket, dialogs and toasts (desktop_pictures).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "app"), str(_ROOT / "tests")]

import desktop_pictures  # noqa: E402
from PySide6.QtCore import Qt  # noqa: E402

from support.desktop import missing  # noqa: E402
from tidegate.core.job import JobId  # noqa: E402
from tidegate.desktop.virtual_display import virtual_display  # noqa: E402
from tidegate.gui.application import run  # noqa: E402
from tidegate.gui.demo import Demo  # noqa: E402
from tidegate.gui.shell import Shell  # noqa: E402
from tidegate.gui.tide.bands import Metric  # noqa: E402
from tidegate.paths import find_paths  # noqa: E402
from tidegate.settings import load  # noqa: E402
from tidegate.wiring.program import Program  # noqa: E402

SCHEMES = (("light", Qt.ColorScheme.Light), ("dark", Qt.ColorScheme.Dark))
FOR_README = (1280, 680)
WAITS, RUNS = "big model B", "big model A"


class Pictures(Demo):
    """The demo, looked at from every side at its two moments and before it begins."""

    async def __call__(self, shell: Shell) -> int:
        await asyncio.sleep(1.2)
        for page in ("queue", "tide"):
            shell.window.show_page(page)
            await self._both(shell, f"empty-{page}")
        shell.window.show_page("queue")
        return await super().__call__(shell)

    async def show_running(self, shell: Shell) -> None:
        shell.window.show_page("queue")
        await self._both(shell, "queue", FOR_README)
        ids = {job.name: job.id for job in shell.desk.jobs(finished=None)}
        shell.window.open_job(ids[WAITS])
        await self._both(shell, "details-waiting")
        shell.window.open_job(ids[RUNS])
        await self._both(shell, "details-running")
        shell.window.queue.details.closed.emit()
        while shell.desk.job(JobId.parse(ids[WAITS]))[0].started_at is None:
            await asyncio.sleep(0.2)
        await asyncio.sleep(2.0)
        await self._tides(shell, "tide")
        shell.window.show_page("queue")
        await self._both(shell, "queue-small", (900, 600))

    async def show_end(self, shell: Shell) -> None:
        await self._tides(shell, "end")

    async def _tides(self, shell: Shell, name: str) -> None:
        shell.window.show_page("tide")
        assert shell.window.tide is not None
        for kind in ("memory", "cpu"):
            shell.window.tide.set_metric(Metric(kind))
            await self._both(shell, f"{name}-{kind}", FOR_README)
        shell.window.tide.set_metric(Metric("memory"))

    async def _both(self, shell: Shell, name: str, size: tuple[int, int] = (1280, 820)) -> None:
        shell.window.resize(*size)
        for scheme, chosen in SCHEMES:
            shell.theme.follow(chosen)
            file = self.final_picture.with_name(f"{name}-{scheme}.png")
            await shell.grab(file)
            _shrink(file)


def _shrink(file: Path) -> None:
    """A window has few colours: with a palette of them a picture is a third as large."""
    convert = shutil.which("convert")
    if convert is not None:
        palette = ["+dither", "-colors", "255", "-strip", "-define", "png:compression-level=9"]
        subprocess.run([convert, str(file), *palette, f"PNG8:{file}"], check=True)


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="tg"))
    os.environ["TIDEGATE_HOME"] = str(home / "home")
    paths = find_paths()
    paths.create()
    # Whatever else this machine does while the pictures are taken must not put the demo off.
    overrides = {"cpu_hard_pct": "100"}
    settings = load(paths, overrides=overrides)
    program = Program(paths, settings, "gui", overrides)
    program.acquire()
    session = Pictures(paths, program.facts, True, folder / "running.png", folder / "end.png")

    async def close(_stop_jobs: bool) -> None:
        await program.close(stop_jobs=True)

    try:
        with virtual_display():
            code = run(program.open, close, paths, settings, session=session, facts=program.facts)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if code == 0:
        _take_desktops(folder)
    return code


def _take_desktops(folder: Path) -> None:
    why = missing()
    if why is not None:
        print(f"No pictures of a whole desktop: {why}", file=sys.stderr)
        return
    for scheme, _ in SCHEMES:
        desktop_pictures.take(folder, scheme)


if __name__ == "__main__":
    sys.exit(main())

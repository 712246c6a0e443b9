"""Pictures of the real window on a pretended busy desk: ``python tests/gui/look.py FOLDER`` (run it on a display).

Not a test: people look at what it makes. ``--stay SECONDS`` keeps the window for a screenshot of the whole desktop.
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import sys
import time

_STARTED = time.perf_counter()
_ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "app"), str(_ROOT / "tests")]

from support.fake_desk import FakeDesk  # noqa: E402
from support.gui_desk import a_busy_desk  # noqa: E402
from support.pictures import schemes, take  # noqa: E402
from tidegate.gui.shell import Shell  # noqa: E402


def _memory_kib() -> int:
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


async def _pictures(shell: Shell, folder: pathlib.Path, stay_s: float) -> int:
    await asyncio.sleep(0.3)
    print(f"window after {time.perf_counter() - _STARTED:.2f} s, {_memory_kib() / 1024:.0f} MiB")
    for name in schemes():
        shell.window.resize(1280, 820)
        shell.window.show_page("queue")
        await shell.grab(folder / f"queue-{name}.png")
        shell.window.open_job("5")
        await shell.grab(folder / f"details-waiting-{name}.png")
        shell.window.open_job("1")
        await shell.grab(folder / f"details-running-{name}.png")
        shell.window.show_page("tide")
        assert shell.window.tide is not None
        shell.window.tide.set_span(3600.0)
        await asyncio.sleep(0.4)
        await shell.grab(folder / f"tide-{name}.png")
        for metric in list(shell.window.tide._tabs)[1:3]:
            shell.window.tide.set_metric(metric)
            await asyncio.sleep(0.2)
            await shell.grab(folder / f"tide-{metric.kind}-{name}.png")
        shell.window.tide.set_metric(next(iter(shell.window.tide._tabs)))
        shell.window.resize(900, 600)
        await shell.grab(folder / f"tide-small-{name}.png")
        shell.window.show_page("queue")
        await shell.grab(folder / f"queue-small-{name}.png")
    print(f"at the end {_memory_kib() / 1024:.0f} MiB")
    shell.window.resize(1100, 700)
    await asyncio.sleep(stay_s)
    return 0


async def _empty_pictures(shell: Shell, folder: pathlib.Path) -> int:
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QGuiApplication

    QGuiApplication.styleHints().setColorScheme(Qt.ColorScheme.Light)
    await asyncio.sleep(0.3)
    shell.submitter.submit(["/tmp", "/no/such/file.py"])
    await shell.grab(folder / "queue-empty.png")
    desk = shell.desk
    assert isinstance(desk, FakeDesk)
    from tidegate.engine.ports import Command, Verb

    await desk.command(Command(Verb.PAUSE, None, seconds=1800.0))
    shell.window.show_page("tide")
    await shell.grab(folder / "tide-empty-paused.png")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--stay", type=float, default=0.0)
    parser.add_argument("--empty", action="store_true")
    arguments = parser.parse_args()

    async def pictures(shell: Shell, folder: pathlib.Path) -> int:
        return await _pictures(shell, folder, arguments.stay)

    if arguments.empty:
        return take(FakeDesk(), arguments.folder, _empty_pictures)
    return take(a_busy_desk(), arguments.folder, pictures)


if __name__ == "__main__":
    sys.exit(main())

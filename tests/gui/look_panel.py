"""Pictures of the table and the job's panel in all their states: ``python tests/gui/look_panel.py FOLDER``.

Not a test: people look at what it makes.
"""

from __future__ import annotations

import asyncio
import pathlib
import sys
import time

_ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "app"), str(_ROOT / "tests")]

from support.fake_desk import FakeDesk  # noqa: E402
from support.gui_desk import a_busy_desk  # noqa: E402
from support.pictures import schemes, take  # noqa: E402
from tidegate.engine.views import AttemptView  # noqa: E402
from tidegate.gui.shell import Shell  # noqa: E402

GIB = 1024**3

COLOURS = b"".join(
    (
        b"".join(b"\x1b[%dm %3d \x1b[0m" % (n, n) for n in (*range(30, 38), *range(90, 98))) + b"\n",
        b"".join(b"\x1b[%dm %3d \x1b[0m" % (n, n) for n in (*range(40, 48), *range(100, 108))) + b"\n",
        b"\x1b[1mbold\x1b[0m \x1b[2mdim\x1b[0m \x1b[3mitalic\x1b[0m \x1b[4munderline\x1b[0m \x1b[7minverse\x1b[0m "
        b"\x1b[9mstruck\x1b[0m \x1b[38;2;255;255;90mpale yellow\x1b[0m \x1b[38;5;17mdeep blue\x1b[0m "
        b"\x1b[30;43m WARN \x1b[0m\n",
        b"Traceback (most recent call last):\n",
        b'  File "train.py", line 88, in <module>\n',
        b"\x1b[31;1mRuntimeError\x1b[0m: CUDA error: device-side assert triggered\n",
        b" 10%|#         | 8/80\r 55%|#####     | 44/80\r100%|##########| 80/80\n",
    )
)


def a_run(number: int, now: float, ago: float, took: float | None, outcome: str | None, code: int | None, peak: float):
    started = now - ago
    ended = None if took is None else started + took
    return AttemptView(
        number, started, started, ended, outcome, code, None, 60.0, int(peak * GIB), 0.0, (0,), None, None
    )


def a_desk() -> FakeDesk:
    desk = a_busy_desk()
    now = time.time()
    runs = (
        a_run(1, now, 9000, 240, "failed", 1, 11.0),
        a_run(2, now, 8000, 1900, "out_of_memory", None, 21.4),
        a_run(3, now, 3100, None, None, None, 13.4),
    )
    desk.change("1", attempts=3, attempt_list=runs, labels=("vision", "nightly"))
    log = b"".join(b"epoch %d/90  loss %.3f  acc %.2f\n" % (n, 3 / n, 1 - 1 / n) for n in range(1, 60))
    desk.write_log("1", b"the first run\nKilled\n", attempt=1)
    desk.write_log("1", log + COLOURS, attempt=3)
    desk.write_log("3", b"head\n" * 20 + b"x" * (12 * 1024 * 1024) + b"tail of the log\n" * 3)
    desk.drop_log("3", 100, 100 + 12 * 1024 * 1024)
    return desk


async def _pictures(shell: Shell, folder: pathlib.Path) -> int:
    await asyncio.sleep(0.5)
    window = shell.window
    queue, details = window.queue, window.queue.details
    for name in schemes():
        window.resize(1280, 920)

        async def grab(what: str, name: str = name) -> None:
            await asyncio.sleep(0.7)
            await shell.grab(folder / f"panel-{what}-{name}.png")

        queue.splitter.setSizes([360, 400])
        window.open_job("1")
        await grab("running")
        details.log_panel.find_bar.open_bar()
        details.log_panel.find_bar.find_errors()
        await grab("errors")
        details.log_panel.find_bar.close_bar()
        details.attempts.selectRow(2)
        await grab("first-run")
        details.attempts.selectRow(0)
        window.open_job("3")
        await grab("dropped")
        window.open_job("10")
        await grab("finished")
        menu = details.actions_of_job.menu()
        menu.popup(details.more.mapToGlobal(details.more.rect().bottomLeft()))
        await asyncio.sleep(0.3)
        menu.grab().save(str(folder / f"panel-more-{name}.png"))
        menu.close()
        queue._close_details()
        for row in (0, 2, 4, 6):
            queue.list.selectionModel().select(
                queue.list.model().index(row, 0),
                queue.list.selectionModel().SelectionFlag.Select | queue.list.selectionModel().SelectionFlag.Rows,
            )
        await grab("several")
        queue.list.clearSelection()
        queue.filter_field.setText("sweep")
        await grab("filtered")
        queue.filter_field.setText("nothing like this")
        await grab("filtered-out")
        queue.filter_field.clear()
        window.resize(900, 600)
        window.open_job("1")
        await grab("small")
    return 0


if __name__ == "__main__":
    sys.exit(take(a_desk(), pathlib.Path(sys.argv[1]), _pictures))

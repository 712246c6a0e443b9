"""Pictures of queues and strategies in settings and dialogs: ``python tests/gui/look_queues.py FOLDER`` (on a display).

Not a test: people look at what it makes.
"""

from __future__ import annotations

import asyncio
import pathlib
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "app"), str(_ROOT / "tests")]

from support.gui_desk import a_busy_desk  # noqa: E402
from support.pictures import SIZES, schemes, take  # noqa: E402
from tidegate.gui.shell import Shell  # noqa: E402

SEARCHES = ("queue render", "queue realtime", "strategy", "pool", "hybrid")


async def _pictures(shell: Shell, folder: pathlib.Path) -> int:
    await shell.desk.change_settings({"queues.render.order": "5", "queues.render.preempts": "batch"})
    window = shell.window
    window.show_page("settings")
    await asyncio.sleep(0.5)
    page = window.settings
    assert page is not None
    for name in schemes():
        for size, (width, height) in SIZES.items():
            window.resize(width, height)
            for words in SEARCHES:
                page.search.setText(words)
                await asyncio.sleep(0.5)
                await shell.grab(folder / f"settings-{words.replace(' ', '-')}-{size}-{name}.png")
        dialog = shell.submitter.ask((), window, "python3 train.py --epochs 3")
        await asyncio.sleep(0.8)
        dialog.form.more_button.click()
        await asyncio.sleep(0.5)
        dialog.grab().save(str(folder / f"submit-{name}.png"))
        dialog.reject()
        await asyncio.sleep(0.3)
    return 0


if __name__ == "__main__":
    sys.exit(take(a_busy_desk(), pathlib.Path(sys.argv[1]), _pictures))

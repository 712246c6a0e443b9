"""Pictures of a whole (headless) desktop with the real application on it, as a person would see it; for screenshots.py.

The icon in the panel, its menu, the window it opens, a file dragged onto the basket, the submit dialog, the toast of
a failing job and the log that its button opens, inbox, settings, and the question before it quits.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from support.desktop import Desktop, desktop, drag_source
from support.live import Live, live_home
from support.toasts import Toasts, toasts_on
from support.until import until

BASKET, SUBMIT, QUIT = "Tidegate drop basket", "Submit", "Quit Tidegate"
SOURCE = (100, 640)
WAITS = """# tidegate: mem=300M priority=3
import time
time.sleep(600)
"""
FAILS = """echo reading scene.blend
echo 'render.sh: line 3: blender: command not found' >&2
exit 127
"""


def take(folder: Path, scheme: str) -> None:
    """Write ``desktop-NAME-SCHEME.png`` for each of them; ``scheme`` is light or dark."""
    with (
        tempfile.TemporaryDirectory(prefix="tgd") as own,
        desktop(Path(own), "xfce") as screen,
        toasts_on(screen, Path(own)) as toasts,
        # Whatever else this machine does meanwhile: the icon is found by its colour while the gate is open.
        live_home(window_scheme=scheme, cpu_high_pct="99.9", cpu_hard_pct="100") as live,
    ):
        _Tour(folder, scheme, Path(own), screen, toasts, live).walk()


class _Tour:
    def __init__(self, folder: Path, scheme: str, own: Path, screen: Desktop, toasts: Toasts, live: Live) -> None:
        self._folder, self._scheme, self._own = folder, scheme, own
        self._screen, self._toasts, self._live = screen, toasts, live

    def walk(self) -> None:
        """One person's way through the application."""
        live, screen = self._live, self._screen
        live.paths.window_file.write_text(json.dumps({"basket_shown": True}))
        live.open_app(screen.env, "--hidden")
        self._item = str(until(lambda: screen.tray_item(live.pid), 20.0))
        until(lambda: screen.window(BASKET), 20.0)
        self._look("tray")
        self._drop_on_basket()
        self._menu()
        x, y = until(lambda: screen.icon_place(self._own), 20.0)  # type: ignore[misc]
        screen.click(x, y)
        until(screen.window, 20.0)
        screen.call("xdotool", "mousemove", "640", "790")
        screen.call("xdotool", "key", "--clearmodifiers", "ctrl+b")
        until(lambda: screen.window(BASKET) is None, 10.0)
        self._look("window")
        self._submit_dialog()
        self._toast()
        self._pages()
        self._quit()

    def _drop_on_basket(self) -> None:
        script = self._own / "train.py"
        script.write_text(WAITS)
        left, top, right, bottom = self._screen.place(BASKET)
        with drag_source(self._screen, script) as source:
            self._screen.drag(SOURCE, ((left + right) // 2, (top + bottom) // 2))
            assert source.stdout is not None
            assert source.stdout.readline() == "dropped CopyAction\n"
            until(lambda: self._screen.place(BASKET) != (left, top, right, bottom), 10.0)
        until(lambda: self._live.client.get("/jobs")["jobs"])
        self._live.pid_of("1")
        self._look("basket")

    def _menu(self) -> None:
        x, y = until(lambda: self._screen.icon_place(self._own), 20.0)  # type: ignore[misc]
        self._screen.call("xdotool", "mousemove", str(x), str(y), "sleep", "0.2", "click", "3", "sleep", "0.8")
        # Beside the icon, whose tooltip would cover the menu.
        self._screen.call("xdotool", "mousemove", str(x - 100), str(y + 190), "sleep", "0.5")
        self._look("menu")
        self._screen.call("xdotool", "key", "Escape", "sleep", "0.3")

    def _submit_dialog(self) -> None:
        script = self._own / "finetune.py"
        script.write_text(WAITS)
        self._screen.call("xdotool", "key", "--clearmodifiers", "ctrl+o")
        until(lambda: self._screen.window(SUBMIT), 10.0)
        self._screen.call("xdotool", "sleep", "0.5", "type", str(script))
        self._look("submit")
        self._screen.call("xdotool", "key", "--clearmodifiers", "Escape")
        until(lambda: self._screen.window(SUBMIT) is None, 10.0)

    def _toast(self) -> None:
        script = self._own / "render.sh"
        script.write_text(FAILS)
        self._screen.call("wmctrl", "-i", "-c", str(self._screen.window()))
        until(lambda: self._screen.window() is None, 10.0)
        self._live.submit("sh", str(script), name="render.sh")
        until(lambda: self._toasts.titles() == ["render.sh failed"], 20.0)
        self._look("toast")
        self._toasts.press("render.sh failed", "Open log")
        until(self._screen.window, 20.0)
        self._look("log")

    def _pages(self) -> None:
        for key, name in (("alt+3", "inbox"), ("alt+4", "settings")):
            self._screen.call("xdotool", "key", "--clearmodifiers", key)
            self._look(name)

    def _quit(self) -> None:
        def asked() -> bool:
            if self._screen.window(QUIT) is None:
                self._screen.choose(self._item, "Quit")
            return self._screen.window(QUIT) is not None

        until(asked, 15.0, step_s=0.4)
        self._look("quit")
        self._screen.call("xdotool", "key", "--clearmodifiers", "Escape")

    def _look(self, name: str) -> None:
        # Paints, batches and the first log are on their way for a moment.
        picture = self._folder / f"desktop-{name}-{self._scheme}.png"
        self._screen.call("xdotool", "sleep", "1.2")
        self._screen.call("import", "-window", "root", str(picture))

"""A headless desktop with a panel that has a tray (``desktop.sh``), and what a person does on it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.until import until

HERE = Path(__file__).parent
NEEDS = (
    "Xvfb",
    "dbus-run-session",
    "dbus-send",
    "openbox",
    "xfce4-panel",
    "dunst",
    "xdotool",
    "wmctrl",
    "xwininfo",
    "import",
)
UP_WITHIN_S = 30.0
WATCHER = "org.kde.StatusNotifierWatcher"


def missing() -> str | None:
    """Why there can be no desktop here, as one sentence; None when there can."""
    if not sys.platform.startswith("linux"):
        return "The desktop of these tests exists on Linux only."
    absent = [name for name in NEEDS if shutil.which(name) is None]
    return f"Not installed: {', '.join(absent)}; `bash packaging/dev.sh setup` installs them." if absent else None


@dataclass(frozen=True)
class Item:
    """An entry of the tray's menu; ``path`` are the labels from the top to it."""

    id: int
    path: tuple[str, ...]


class Desktop:
    """``env`` is what a program needs to be on it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)

    def call(self, *words: str) -> str:
        """Run a tool on this desktop; its output. Fails with what it said."""
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"
        return done.stdout

    # --- windows --------------------------------------------------------------------------------------------------

    def window(self, name: str = "Tidegate") -> int | None:
        """The id of the window of that name which can be seen."""
        words = ("xdotool", "search", "--onlyvisible", "--name", f"^{re.escape(name)}$")
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=20, check=False)
        found = done.stdout.split()
        return int(found[0]) if found else None

    def place(self, name: str = "Tidegate") -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a window with its frame."""
        # Not xdotool, which counts the frame twice under a manager that reparents.
        info = self.call("xwininfo", "-frame", "-id", str(self.window(name)))
        left, top, width, height = (int(re.findall(rf"{what}: +(-?[0-9]+)", info)[0]) for what in _GEOMETRY)
        return left, top, left + width, top + height

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press at one point, move as a hand does, let go at the other."""
        steps = 12
        words = ["xdotool", "mousemove", *map(str, start), "sleep", "0.1", "mousedown", "1"]
        for step in range(1, steps + 1):
            point = (a + (b - a) * step // steps for a, b in zip(start, end, strict=True))
            words += ["sleep", "0.05", "mousemove", *map(str, point)]
        self.call(*words, "sleep", "0.3", "mouseup", "1")

    def click(self, x: int, y: int) -> None:
        self.call("xdotool", "mousemove", str(x), str(y), "sleep", "0.1", "click", "1")

    # --- the tray -------------------------------------------------------------------------------------------------

    def get(self, service: str, path: str, interface: str, name: str) -> str:
        """A property over D-Bus, as ``dbus-send`` prints it."""
        method = "org.freedesktop.DBus.Properties.Get"
        return self._dbus(service, path, method, f"string:{interface}", f"string:{name}")

    def tray_item(self, pid: int) -> str | None:
        """The bus name under which the program with this pid has an icon in the tray."""
        items = self.get(WATCHER, "/StatusNotifierWatcher", WATCHER, "RegisteredStatusNotifierItems")
        for name in re.findall(r'string "([^"/]+)/', items):
            asked = ("org.freedesktop.DBus.GetConnectionUnixProcessID", f"string:{name}")
            if int(self._dbus("org.freedesktop.DBus", "/", *asked).split()[-1]) == pid:
                return str(name)
        return None

    def icon_place(self, folder: Path) -> tuple[int, int] | None:
        """Where in the panel the icon is, found by its water: nothing else there has that colour."""
        shot = folder / "panel.txt"
        self.call("import", "-window", "root", "-crop", "1280x32+0+0", "-depth", "8", f"txt:{shot}")
        points = re.findall(r"^(\d+),(\d+): .*#5B9DFF", shot.read_text(), re.MULTILINE | re.IGNORECASE)
        if not points:
            return None
        xs, ys = [int(x) for x, _ in points], [int(y) for _, y in points]
        return (min(xs) + max(xs)) // 2, (min(ys) + max(ys)) // 2

    def menu(self, item: str) -> list[Item]:
        """Every entry of the icon's menu, as the panel is told it."""
        said = self._dbus(item, "/MenuBar", "com.canonical.dbusmenu.GetLayout", "int32:0", "int32:-1", "array:string:")
        found: list[Item] = []
        above: list[tuple[int, str]] = []
        id = depth = 0
        lines = iter(said.splitlines())
        for line in lines:
            if match := re.match(r"( *)int32 (\d+)$", line):
                depth, id = len(match[1]), int(match[2])
            elif line.strip() == 'string "label"':
                label = next(lines).strip().removeprefix("variant").strip().removeprefix('string "').removesuffix('"')
                above = [(deep, name) for deep, name in above if deep < depth]
                above.append((depth, _as_drawn(label)))
                found.append(Item(id, tuple(name for _, name in above)))
        return found

    def choose(self, item: str, *path: str) -> bool:
        """Click the entry whose labels begin so; False when the menu has none (it may be about to change)."""
        for entry in self.menu(item):
            if len(entry.path) == len(path) and all(map(str.startswith, entry.path, path)):
                event = ("com.canonical.dbusmenu.Event", f"int32:{entry.id}", "string:clicked", "variant:string:")
                self._dbus(item, "/MenuBar", *event, "uint32:0")
                return True
        return False

    def _dbus(self, service: str, path: str, *words: str) -> str:
        return self.call("dbus-send", "--session", "--print-reply", f"--dest={service}", path, *words)


def _as_drawn(label: str) -> str:
    """Two of ``_`` are one, and one marks a key."""
    return "_".join(part.replace("_", "") for part in label.split("__"))


_GEOMETRY = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")


@contextlib.contextmanager
def desktop(folder: Path, notifier: str = "dunst") -> Iterator[Desktop]:
    """Up until the end of the block; a last screenshot lies in ``folder``.

    ``notifier``: dunst, xfce (whose toasts have buttons), none.
    """
    told = folder / "desktop.env"
    # What runs on the desktop tells its environment and stays until its input is closed.
    inside = 'env -0 > "$1.part" && mv "$1.part" "$1" && exec cat'
    words = ["bash", str(HERE / "desktop.sh"), "xfce", notifier, str(folder / "desktop.png")]
    with open(folder / "desktop.log", "wb") as log:
        running = subprocess.Popen(
            [*words, "sh", "-c", inside, "sh", str(told)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={name: value for name, value in os.environ.items() if name not in ("INNER", "DISPLAY")},
            start_new_session=True,
        )
    assert running.stdin is not None
    try:
        until(lambda: told.exists() or running.poll() is not None, UP_WITHIN_S)
        assert running.poll() is None, (folder / "desktop.log").read_text("utf-8", "replace")
        pairs = (pair.partition(b"=") for pair in told.read_bytes().split(b"\0") if pair)
        yield Desktop({os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs})
    finally:
        running.stdin.close()
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


@contextlib.contextmanager
def drag_source(screen: Desktop, file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program's window, from whose middle ``file`` can be dragged; it proposes to move, and says what came."""
    source = subprocess.Popen(
        [sys.executable, str(HERE.parent / "e2e" / "drag_source.py"), str(file)],
        env=screen.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert source.stdout is not None
        assert source.stdout.readline() == "ready\n"
        yield source
    finally:
        source.kill()
        source.communicate()

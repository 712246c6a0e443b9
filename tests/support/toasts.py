"""The toasts on a headless desktop with xfce4-notifyd: which are there, and a person's clicks on them."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.desktop import Desktop
from support.until import until

_BUTTON_PX, _GAP_PX, _BOTTOM_PX = 85, 7, 31
"""A button's least width, what lies between two, and how far their middle is above the toast's lower edge."""
_EVENT = re.compile(
    r"^method call .*serial=(?P<call>\d+) .*member=Notify\n"
    r'(?:   .*\n)*?   uint32 \d+\n   string "[^"]*"\n   string "(?P<title>.*)"\n'
    r"|^method return .*reply_serial=(?P<reply>\d+)\n   uint32 (?P<id>\d+)\n"
    r"|^signal .*member=NotificationClosed\n   uint32 (?P<closed>\d+)\n",
    re.MULTILINE,
)


class Toasts:
    """What was said to the notification daemon tells the titles, its windows where they are."""

    def __init__(self, screen: Desktop, heard: Path) -> None:
        self._screen, self._heard = screen, heard

    def by_title(self) -> dict[str, int]:
        """The title of each toast that is shown and its window, in the order in which they came."""
        shown: dict[str, str] = {}
        calls: dict[str, str] = {}
        for event in _EVENT.finditer(self._heard.read_text("utf-8", "replace")):
            if event["title"] is not None:
                calls[event["call"]] = event["title"]
            elif event["reply"] in calls:
                shown[event["id"]] = calls.pop(event["reply"])
            elif event["closed"]:
                shown.pop(event["closed"], None)
        windows = self._windows()
        # Between what is said and what is seen there is a moment in which nobody knows.
        return dict(zip(shown.values(), windows, strict=True)) if len(shown) == len(windows) else {"?": 0}

    def titles(self) -> list[str]:
        return list(self.by_title())

    def press(self, title: str, label: str) -> None:
        """The last button is at the right; a toast of ours has "Open log" first."""
        self._press(title, 0 if label != "Open log" else 1)

    def press_left(self, title: str) -> None:
        """The left one of two narrow buttons."""
        self._press(title, 1)

    def _press(self, title: str, step: int) -> None:
        left, top, width, height = self._place(title)
        x = left + width - 14 - _BUTTON_PX // 2 - step * (_BUTTON_PX + _GAP_PX)
        self._screen.click(x, top + height - _BOTTOM_PX)

    def press_first_of_two(self, title: str) -> None:
        """Wide buttons share the toast's width."""
        left, top, width, height = self._place(title)
        self._screen.click(left + width // 4, top + height - _BOTTOM_PX)

    def dismiss(self, title: str) -> None:
        left, top, _, _ = self._place(title)
        self._screen.click(left + 20, top + 16)

    def _windows(self) -> list[int]:
        words = ("xdotool", "search", "--onlyvisible", "--class", "xfce4-notifyd")
        done = subprocess.run(words, env=self._screen.env, capture_output=True, text=True, timeout=20, check=False)
        return sorted(int(word) for word in done.stdout.split())

    def _place(self, title: str) -> tuple[int, int, int, int]:
        info = self._screen.call("xwininfo", "-id", str(self.by_title()[title]))
        left, top, width, height = (
            int(re.findall(rf"{what}: +(-?[0-9]+)", info)[0])
            for what in ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        )
        return left, top, width, height


@contextlib.contextmanager
def toasts_on(screen: Desktop, folder: Path) -> Iterator[Toasts]:
    """Listens from now on."""
    heard = folder / "notifications.txt"
    words = ["dbus-monitor", "--session", "interface='org.freedesktop.Notifications'", "type='method_return'"]
    with open(heard, "wb") as output:
        monitor = subprocess.Popen(words, env=screen.env, stdout=output, stderr=output)
    try:
        until(lambda: heard.stat().st_size)
        yield Toasts(screen, heard)
    finally:
        monitor.kill()
        monitor.wait()

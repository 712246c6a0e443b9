"""The window and the tray: start to icon and to window, the longest stall, and what they cost while nothing happens.

Everything runs in a real headless desktop (``tests/support/desktop.sh``); without one each line says what is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import Queue

from tests.benchmarks.bench_idle import IDLE_PCT, MIB, idle_pct, memory_bytes
from tests.benchmarks.figures import Figure, middle, unmeasured
from tests.benchmarks.program import Engine, environment, new_home

from support import desktop as desktops
from support.desktop import Desktop
from tidegate.paths import Paths

ICON_S, WINDOW_S = 0.8, 1.5
APP_MIB = 110.0
STALL_MS, BUSY_P99_MS = 30.0, 100.0
PROBE = Path(__file__).with_name("gui_probe.py")
SEEN_WITHIN_S = 20.0
SETTLED_S = 3.0
ICON_REGISTERED = "member=StatusNotifierItemRegistered"
PAGES = {"queue": "queue page", "tide": "charts on"}


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    why = desktops.missing()
    if why is not None:
        return [unmeasured("window and tray", "", why)]
    with tempfile.TemporaryDirectory(prefix="tgbd") as folder, desktops.desktop(Path(folder)) as desktop:
        seconds = 1.0 if quick else 20.0
        figures = _starts(desktop, 1 if quick else 8, say)
        figures += _stalls(desktop, seconds, say)
        figures += _busy(desktop, seconds, say)
        return figures + _idle(desktop, seconds, 0.3 if quick else SETTLED_S, say)


# --- start ------------------------------------------------------------------------------------------------------------


def _starts(desktop: Desktop, rounds: int, say: Callable[[str], None]) -> list[Figure]:
    say(f"start to icon and to window, {rounds} times")
    icons = [_icon_s(desktop) for _ in range(rounds)]
    windows = [_window_s(desktop) for _ in range(rounds)]
    return [
        Figure("start -> tray icon, median", middle(icons), "s", ICON_S),
        Figure("start -> window with charts, median", middle(windows), "s", WINDOW_S),
    ]


def _icon_s(desktop: Desktop) -> float:
    """Until the panel's watcher says that an icon was registered."""
    with _icons(desktop) as lines:
        begun = time.monotonic()
        engine = Engine(("gui", "--hidden"), **desktop.env)
        took = _moment(lines, ICON_REGISTERED) - begun
    return _ended(engine, took)


def _window_s(desktop: Desktop) -> float:
    """Until the window manager lists the window, with the page of charts in front as it was left."""
    with _lines(["xprop", "-root", "-spy", "_NET_CLIENT_LIST"], desktop.env, "_NET_CLIENT_LIST") as lines:
        begun = time.monotonic()
        engine = Engine(("gui",), before=_at_the_tide, **desktop.env)
        took = _moment(lines, "0x") - begun
    return _ended(engine, took)


def _at_the_tide(paths: Paths) -> None:
    paths.create()
    paths.window_file.write_text('{"page": "tide"}')


def _ended(engine: Engine, took_s: float) -> float:
    """Only now may somebody ask: the first caller of the API would make it load beside the window."""
    with engine:
        return took_s


Lines = Queue[tuple[float, str]]


def _icons(desktop: Desktop) -> AbstractContextManager[Lines]:
    """Lines with ICON_REGISTERED, one for each icon that the panel takes."""
    watch = ["dbus-monitor", "--session", "type='signal',member='StatusNotifierItemRegistered'"]
    return _lines(watch, desktop.env, "member=NameAcquired")


@contextmanager
def _lines(words: list[str], env: Mapping[str, str], first: str) -> Iterator[Lines]:
    """What a program prints, each line with the moment it came, after the line that tells it is listening."""
    lines: Lines = Queue()
    with subprocess.Popen(words, env=dict(env), stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None
        output = process.stdout

        def read() -> None:
            for line in output:
                lines.put((time.monotonic(), line))

        # A thread, so that a line is stamped when it comes and not when somebody asks for it.
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        try:
            _moment(lines, first)
            yield lines
        finally:
            process.terminate()
            thread.join()


def _moment(lines: Lines, text: str) -> float:
    """When the next line with ``text`` came."""
    while True:
        at, line = lines.get(timeout=SEEN_WITHIN_S)
        if text in line:
            return at


# --- answering --------------------------------------------------------------------------------------------------------


def _probe(desktop: Desktop, kind: str, seconds: float) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(PROBE), kind, str(seconds)],
        env=environment(new_home(), **desktop.env),
        capture_output=True,
        text=True,
        timeout=seconds + 90,
        check=False,
    )
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"the probe of the window failed: {done.stderr[-400:] or 'it said nothing'}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _stalls(desktop: Desktop, seconds: float, say: Callable[[str], None]) -> list[Figure]:
    figures = []
    for page, what in PAGES.items():
        say(f"10,000 jobs, 1,000 changes/s for {seconds:g} s: {what}")
        found = _probe(desktop, page, seconds)
        name = f"longest stall, 10,000 jobs, 1,000 changes/s, {what}"
        figures.append(Figure(name, found["longest_ms"], "ms", STALL_MS))
        figures.append(Figure("  p99 of how late the loop answers", found["p99_ms"], "ms"))
    return figures


def _busy(desktop: Desktop, seconds: float, say: Callable[[str], None]) -> list[Figure]:
    say(f"every core busy with two processes of jobs for {seconds:g} s")
    found = _probe(desktop, "busy", seconds)
    name = "window answers while jobs use every core, p99"
    return [
        Figure(name, found["p99_ms"], "ms", BUSY_P99_MS),
        Figure("  longest", found["longest_ms"], "ms"),
    ]


# --- doing nothing ----------------------------------------------------------------------------------------------------


def _idle(desktop: Desktop, seconds: float, settled_s: float, say: Callable[[str], None]) -> list[Figure]:
    figures = []
    for verb, what, budgets in (
        (("gui", "--hidden"), "tray only", (IDLE_PCT, APP_MIB)),
        (("gui",), "window shown", (None, None)),
    ):
        say(f"idle for {seconds:g} s: {what}")
        with _icons(desktop) as icons:
            engine = Engine(verb, **desktop.env)
            _moment(icons, ICON_REGISTERED)
        time.sleep(settled_s)
        untouched = memory_bytes(engine.started_pid, "VmRSS") / MIB
        with engine:
            engine.client.wait(engine.submit([{"command": ["/bin/true"]}], mem="16M"), timeout_s=30)
            time.sleep(settled_s)
            pids = [engine.pid, engine.keeper_pid()]
            used = memory_bytes(pids[0], "VmRSS") / MIB
            figures += [
                Figure(f"idle, {what}: CPU of app + keeper", idle_pct(pids, seconds), "% of a core", budgets[0]),
                Figure("  app: RSS", untouched, "MiB", budgets[1]),
                Figure("  app: RSS once a client has called", used, "MiB"),
            ]
    return figures

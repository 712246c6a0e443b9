"""Being the one tray application of a home, or handing over to the one that is there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.desktop.instance import Door, HandOver, NoAnswer, NobodyThere, NoHello, Received, hand_over
from tidegate.engine.lock import HomeLock, LockHeld
from tidegate.paths import Paths

STARTING, READY = "starting", "ready"
"""What the holder of the lock says of itself: one that starts may be silent for longer."""
HELLO_WITHIN_S = 4.0
COMES_OR_GOES_WITHIN_S = 30.0
ACTIVATION = ("XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID")


@dataclass(frozen=True, slots=True)
class First:
    """The lock is ours, and callers may queue at the door."""

    lock: HomeLock
    door: Door

    def ready(self) -> None:
        self.lock.say(READY)

    def leave(self) -> None:
        """The door first: who finds it shut tries for the lock."""
        self.door.shut()
        self.lock.release()


def what_was_given(files: Sequence[str], *, hidden: bool) -> HandOver:
    """``files`` made absolute against this process's folder. Raises OSError when that folder is gone."""
    folder = "" if all(map(os.path.isabs, files)) else os.getcwd()
    variables = {name: value for name, value in os.environ.items() if name not in ACTIVATION}
    activation = {name: os.environ[name] for name in ACTIVATION if os.environ.get(name)}
    return HandOver(tuple(os.path.join(folder, file) for file in files), not hidden, variables, activation)


def become_first(paths: Paths, given: HandOver) -> First | int:
    """The lock and an open door; or, where another process has them, the exit code after handing over to it."""
    first = First(HomeLock(paths.gui_lock_file), Door(paths.gui_socket))
    deadline = time.monotonic() + COMES_OR_GOES_WITHIN_S
    while True:
        try:
            first.lock.acquire(STARTING)
            first.door.listen()
            return first
        except LockHeld as held:
            code = _hand_over(paths, given, held, deadline - time.monotonic())
        if code is not None:
            return code
        time.sleep(0.05)


def _hand_over(paths: Paths, given: HandOver, held: LockHeld, left_s: float) -> int | None:
    """None: nobody took it, as when the other one is just starting or leaving; to be tried again."""
    who = "Tidegate" if held.pid is None else f"Tidegate (process {held.pid})"
    try:
        received = hand_over(paths.gui_socket, given, HELLO_WITHIN_S if held.kind == READY else max(1.0, left_s))
    except NobodyThere:
        return None if left_s > 0 else _failed(f"{who} is starting or ending and takes nothing.", given)
    except NoHello:
        return _failed(f"{who} is running but does not react.", given)
    except NoAnswer:
        _say(f"{who} took what was handed over and then said nothing more. Look into its list before you try again.")
        return 1
    return _told(given, received)


def _failed(sentence: str, given: HandOver) -> int:
    if given.files:
        sentence += f" Not handed over: {', '.join(map(_printable, given.files))}"
    _say(sentence)
    return 1


def _told(given: HandOver, received: Received) -> int:
    for sentence in received.refused:
        _say(sentence)
    # Without a single job nothing was taken, for whichever file's sake.
    taken = max(0, len(given.files) - len(received.refused)) if received.jobs else 0
    if taken:
        files = "1 file was" if taken == 1 else f"{taken} files were"
        print(f"Tidegate is already running; {files} handed over.", file=sys.stderr)
    elif not given.files:
        shown = "; its window comes forward" if given.show_window else ""
        print(f"Tidegate is already running{shown}.", file=sys.stderr)
    return 1 if received.refused else 0


def _printable(file: str) -> str:
    return os.fsencode(file).decode("utf-8", "replace")


def _say(sentence: str) -> None:
    print(f"tidegate: {_printable(sentence)}", file=sys.stderr)

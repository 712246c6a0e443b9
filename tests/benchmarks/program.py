"""A real engine for a benchmark: ``tidegate serve`` in a throw-away home, and a client of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from tidegate.api.client import Client
from tidegate.api.wire import NoEngine
from tidegate.paths import Paths, find_paths

ROOT = Path(__file__).resolve().parents[2]
# A real disk, as homes are on one; /tmp is often memory, where a commit costs nothing.
HOMES = Path("/var/tmp") if os.access("/var/tmp", os.W_OK) else Path(tempfile.gettempdir())
START_WITHIN_S = 20.0
STOP_WITHIN_S = 15.0


_homes: list[Path] = []


def new_home() -> Path:
    """A folder for one engine. Folders go at the very end: for minutes after many files were deleted ext4 is slow to
    make new ones nearby (8 microseconds become 500), and the next engine would pay for it."""
    _homes.append(Path(tempfile.mkdtemp(prefix="tgb", dir=HOMES)))
    return _homes[-1]


def remove_homes() -> None:
    for home in _homes:
        shutil.rmtree(home, ignore_errors=True)
    _homes.clear()


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This program's environment without the developer's settings, with byte code that stays warm."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    kept["PYTHONPATH"] = str(ROOT / "app")
    return {**kept, "TIDEGATE_HOME": str(home), **settings}


def command(*words: str) -> list[str]:
    """The installed ``tidegate`` where there is one beside this Python, as users have it."""
    script = Path(sys.executable).with_name("tidegate")
    return [str(script), *words] if script.exists() else [sys.executable, "-m", "tidegate", *words]


class Engine:
    """``with Engine() as engine:`` is a foreground engine that answers; at the end it and its keeper go."""

    def __init__(
        self,
        verb: tuple[str, ...] = ("serve",),
        before: Callable[[Paths], None] = lambda _paths: None,
        **settings: str,
    ) -> None:
        self.home = new_home()
        self.environ = environment(self.home, **settings)
        self.paths = find_paths({"TIDEGATE_HOME": str(self.home)})
        before(self.paths)
        self.client = Client(self.paths, timeout_s=120.0)
        self._output = (self.home / "serve.out").open("wb")
        self._process = subprocess.Popen(
            command(*verb),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=self.environ,
        )

    def __enter__(self) -> Engine:
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            try:
                if self.client.alive() and self.client.get("/status")["machine"]["at"] is not None:
                    return self
            except NoEngine:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.home / "serve.out").read_text(errors="replace")[-500:]
                self.__exit__(None, None, None)
                raise RuntimeError(f"the engine did not start: {said or 'it said nothing'}")
            time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.client.post("/shutdown", {"stop_jobs": True})
        except Exception as problem:  # noqa: BLE001 - it may be gone; what counts is that nothing stays behind
            print(f"bench: the engine could not be asked to leave: {problem}", file=sys.stderr)
            self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    @property
    def pid(self) -> int:
        """The process that hosts the engine."""
        return int(self.client.get("/status")["pid"])

    @property
    def started_pid(self) -> int:
        """The process that was started (the same, where no wrapper stands before it); asks nobody."""
        return self._process.pid

    def keeper_pid(self) -> int:
        """The keeper of this home, found by its command line."""
        socket = os.fsencode(self.paths.keeper_socket)
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if socket in words and any(word.endswith(b"keeper.py") for word in words):
                    return int(folder.name)
        raise RuntimeError("the keeper was not found")

    def submit(self, jobs: list[Mapping[str, object]], **options: str) -> list[str]:
        """Ids of all entries."""
        answers = self.client.submit(jobs, cwd=str(self.home), options=options)
        refused = [answer["refused"] for answer in answers if answer["id"] is None]
        if refused:
            raise RuntimeError(f"a job of the benchmark was refused: {refused[0]}")
        return [str(answer["id"]) for answer in answers]

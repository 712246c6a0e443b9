"""The CLI against a real API thread over a FakeDesk, in a throw-away home; verbs run in this process or their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from support.fake_desk import FakeDesk
from support.until import until
from tidegate.api.server import ApiContext, ApiThread
from tidegate.cli.main import main
from tidegate.engine.ports import Desk
from tidegate.paths import Paths, find_paths
from tidegate.settings import Settings, load
from tidegate.submission.request import MachineFacts
from tidegate.wiring.live_settings import LiveSettings

GIB = 1024**3
FACTS = MachineFacts(cores=8, memory_total_bytes=32 * GIB, memory_line_bytes=28 * GIB)
APP = Path(__file__).parents[2] / "app"


@dataclass(frozen=True)
class Said:
    """What a verb gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """A home of its own with a short name: a socket's path must fit into 107 bytes."""
    folder = tempfile.mkdtemp(prefix="tg-")
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEGATE_HOME", folder)
    monkeypatch.delenv("COLUMNS", raising=False)
    found = find_paths()
    found.create()
    yield found
    shutil.rmtree(folder)


@pytest.fixture
def tidegate(capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Said]:
    """Run one command line in this process."""

    def run(*words: str) -> Said:
        capsysbinary.readouterr()
        code = main(words)
        out, err = capsysbinary.readouterr()
        return Said(code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape"))

    return run


def program(*words: str) -> list[str]:
    """The real program's command line."""
    return [sys.executable, "-m", "tidegate", *words]


@pytest.fixture
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment in which the real program finds its package and this test's home."""
    if "desk" in request.fixturenames:
        request.getfixturevalue("desk")
    return {**os.environ, "PYTHONPATH": os.fspath(APP)}


@pytest.fixture
def real(environ: dict[str, str]) -> Callable[..., Said]:
    """Run one command line in a process of its own."""

    def run(*words: str, stdin: bytes = b"") -> Said:
        done = subprocess.run(program(*words), input=stdin, capture_output=True, timeout=60, env=environ, check=False)
        return Said(
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )

    return run


class Server:
    """One API thread for all tests; what it serves is the FakeDesk of the test that runs."""

    def __init__(self, home: str, desk: FakeDesk | None = None) -> None:
        self.home = home
        self.paths = find_paths({"TIDEGATE_HOME": home})
        self.paths.create()
        self.in_force = load(self.paths, {})
        self.desk = self.serving(desk or FakeDesk())
        context = ApiContext(self.paths, lambda: self.in_force, lambda: FACTS, "test", None, "0.1.0")
        self.thread = ApiThread(cast(Desk, self), context)
        self.thread.start()

    def serving(self, desk: FakeDesk) -> FakeDesk:
        """``desk`` with the settings of this home."""
        desk.kept_settings = LiveSettings(lambda: self.in_force, self.apply, self.paths, {})
        return desk

    def apply(self, settings: Settings) -> None:
        self.in_force = settings

    def __getattr__(self, name: str) -> object:
        return getattr(self.desk, name)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    home = tempfile.mkdtemp(prefix="tg-")
    running = Server(home)
    yield running
    running.thread.stop()
    until(lambda: not running.thread.alive)
    shutil.rmtree(home)


@pytest.fixture
def desk(server: Server, monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    """A pretended engine that answers in this test's home."""
    server.desk = server.serving(FakeDesk())
    server.paths.config_file.unlink(missing_ok=True)
    server.in_force = load(server.paths, {})
    monkeypatch.setenv("TIDEGATE_HOME", server.home)
    return server.desk

"""The real program for every test here: a home of its own, nothing running in it until the test starts it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desktop import Desktop, desktop
from support.live import Live, live_home
from support.toasts import Toasts, toasts_on

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def live() -> Iterator[Live]:
    """A home without an engine."""
    with live_home() as found:
        yield found


@pytest.fixture
def engine(live: Live) -> Live:
    """A home with a running engine."""
    live.start()
    return live


@pytest.fixture(scope="module")
def shared() -> Iterator[Live]:
    """One running engine for the tests of a file that leave it as it was."""
    with live_home() as found:
        found.start()
        yield found


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """A headless desktop for the tests of a file; a file that uses it skips where ``desktop.missing`` says why."""
    with desktop(tmp_path_factory.mktemp("desktop")) as found:
        yield found


@pytest.fixture(scope="module")
def desk_with_buttons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """One whose notification daemon shows buttons; a file that uses it skips where that daemon is not installed."""
    with desktop(tmp_path_factory.mktemp("desktop"), "xfce") as found:
        yield found


@pytest.fixture
def toasts(desk_with_buttons: Desktop, tmp_path: Path) -> Iterator[Toasts]:
    with toasts_on(desk_with_buttons, tmp_path) as found:
        yield found

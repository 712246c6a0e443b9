"""What every test gets: a home of its own, an environment without the developer's settings, and strict logs."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from tidegate.paths import Paths, find_paths

if not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

KEPT = ("TIDEGATE_TEST_DATA", "TIDEGATE_PYTHON")
for name in [name for name in os.environ if name.startswith("TIDEGATE_") and name not in KEPT]:
    del os.environ[name]

# No database: examples that failed are put into the test as an @example, not into a folder beside it.
hypothesis_settings.register_profile("dev", deadline=None, max_examples=60, database=None)
hypothesis_settings.register_profile("ci", parent=hypothesis_settings.get_profile("dev"), derandomize=True)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A throw-away TIDEGATE_HOME, short enough that its sockets lie inside it; a keeper ends when it is gone."""
    parent = "/tmp" if os.access("/tmp", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="tg", dir=parent))
    monkeypatch.setenv("TIDEGATE_HOME", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def paths(home: Path) -> Paths:
    """The folders of this test's home, made."""
    found = find_paths()
    found.create()
    return found


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(f"{record.levelname} {record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def no_unexpected_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A warning or error that the program logs fails the test, unless the test looks at logs itself (``caplog``)."""
    collector = _Collector()
    logger = logging.getLogger("tidegate")
    logger.addHandler(collector)
    yield
    logger.removeHandler(collector)
    if collector.sentences and "caplog" not in request.fixturenames:
        pytest.fail("the program logged:\n  " + "\n  ".join(collector.sentences))

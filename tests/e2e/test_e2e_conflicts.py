"""Conflicts and hints on a real (headless) desktop: two jobs that write one file, a toast, and what its buttons do."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.test_e2e_toasts import WHY
from support.desktop import Desktop, desktop
from support.live import Live, live_home
from support.toasts import Toasts, toasts_on
from support.until import until

pytestmark = [pytest.mark.desktop, pytest.mark.skipif(WHY is not None, reason=WHY or "")]
COLLISION = "Jobs write the same file"


@pytest.fixture(scope="module")
def desk_with_buttons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    with desktop(tmp_path_factory.mktemp("desktop"), "xfce") as found:
        yield found


@pytest.fixture
def screen(desk_with_buttons: Desktop, tmp_path: Path) -> Iterator[Toasts]:
    with toasts_on(desk_with_buttons, tmp_path) as found:
        yield found


@pytest.fixture
def app(desk_with_buttons: Desktop) -> Iterator[Live]:
    """The tray application, without its window."""
    with live_home(max_workers="2") as live:
        live.open_app(desk_with_buttons.env, "--hidden")
        yield live


def writer(app: Live, file: Path, name: str, handle: int) -> str:
    """A job that keeps a file open for writing until it is ended."""
    return app.submit("sh", "-c", f'exec {handle}>>"$1"; exec sleep 600', "sh", str(file), name=name)


def test_a_conflict_and_a_hint_raise_toasts_whose_buttons_do_what_they_say(
    app: Live, desk_with_buttons: Desktop, screen: Toasts, tmp_path: Path
) -> None:
    """Two jobs write one file, which cannot wait; that another was submitted twice waits for the digest."""
    file = app.home / "results.csv"
    first, second = writer(app, file, "train.sh", 3), writer(app, file, "eval.sh", 4)
    # There are two places, and a paused job keeps its own.
    _, fourth = (app.submit("sleep", "600", name="again.sh") for _ in range(2))
    until(lambda: screen.titles() == [COLLISION], 20.0)
    [found] = app.client.get("/conflicts")["conflicts"]
    assert (found["resource"], found["severity"], found["jobs"]) == (f"file:{file}", "high", [first, second])
    desk_with_buttons.call("import", "-window", "root", str(tmp_path / "conflict.png"))
    screen.press_first_of_two(COLLISION)
    until(lambda: app.status_of(second) == "paused")
    assert app.status_of(first) == "running"
    [hint] = until(lambda: app.client.get("/hints")["hints"])
    assert hint["action"]["label"] == f"Cancel job {fourth}"
    # What nobody was told yet is told at once by the next application.
    app.signal(signal.SIGTERM)
    app.open_app(desk_with_buttons.env, "--hidden")
    until(lambda: screen.titles() == [hint["title"]], 20.0)
    desk_with_buttons.call("import", "-window", "root", str(tmp_path / "hint.png"))
    screen.press_left(hint["title"])
    until(lambda: app.status_of(fourth) == "finished")
    until(lambda: app.client.get("/hints")["hints"] == [])
    assert (app.status_of(first), app.status_of(second)) == ("running", "paused")
    app.cli("cancel", first)
    until(lambda: app.status_of(second) == "running" and not app.client.get("/conflicts")["conflicts"])
    for what in ("conflicts", "hints"):
        assert "job" in app.cli(what, "--all").out
    app.cli("kill", second)

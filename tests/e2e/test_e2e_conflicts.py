"""Conflicts and hints on a real (headless) desktop: two jobs that write one file, a toast, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.test_e2e_toasts import WHY
from support.desktop import Desktop
from support.live import Live, live_home
from support.toasts import Toasts
from support.until import until

pytestmark = [pytest.mark.desktop, pytest.mark.skipif(WHY is not None, reason=WHY or "")]
COLLISION = "Jobs write the same file"


@pytest.fixture
def app(desk_with_buttons: Desktop) -> Iterator[Live]:
    """The tray application, without its window."""
    with live_home(max_workers="2") as live:
        live.open_app(desk_with_buttons.env, "--hidden")
        yield live


def writer(app: Live, file: Path, name: str, handle: int) -> str:
    """A job that keeps a file open for writing until it is ended."""
    return app.submit("sh", "-c", f'exec {handle}>"$1"; echo x >&{handle}; exec sleep 600', "sh", str(file), name=name)


def test_a_conflict_raises_a_toast_whose_button_does_what_it_says_and_a_hint_can_wait(
    app: Live, toasts: Toasts
) -> None:
    """Two jobs write one file, which is told at once; that another was submitted twice stands in the list."""
    file = app.home / "results.csv"
    first, second = writer(app, file, "train.sh", 3), writer(app, file, "eval.sh", 4)
    # There are two places, and a paused job keeps its own.
    _, fourth = (app.submit("sleep", "600", name="again.sh") for _ in range(2))
    until(lambda: toasts.titles() == [COLLISION], 20.0)
    [found] = app.client.get("/conflicts")["conflicts"]
    assert (found["resource"], found["severity"], found["jobs"]) == (f"file:{file}", "high", [first, second])
    toasts.press_first_of_two(COLLISION)
    until(lambda: app.status_of(second) == "paused")
    assert app.status_of(first) == "running"
    [hint] = until(lambda: app.client.get("/hints")["hints"])
    assert hint["action"]["label"] == f"Cancel job {fourth}"
    app.client.post(f"/hints/{hint['id']}/apply", {})
    until(lambda: app.status_of(fourth) == "finished")
    until(lambda: app.client.get("/hints")["hints"] == [])
    assert (app.status_of(first), app.status_of(second), toasts.titles()) == ("running", "paused", [])
    app.cli("cancel", first)
    until(lambda: app.status_of(second) == "running" and not app.client.get("/conflicts")["conflicts"])
    for what in ("conflicts", "hints"):
        assert len(app.cli(what, "--all").out.splitlines()) == 2, "a header and the one that ended"

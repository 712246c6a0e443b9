"""The drop basket of the real application on a real (headless) desktop: a dragged file, its place, its manners."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desktop import Desktop, drag_source, missing
from support.live import Live, live_home
from support.until import until

pytestmark = [pytest.mark.desktop, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
BASKET = "Tidegate drop basket"
SOURCE = (100, 640)
LINKS_PX = 139
"""The row with Show and Undo of the newest card, from the basket's lower end."""
Place = tuple[int, int, int, int]


@pytest.fixture
def app(screen: Desktop) -> Iterator[Live]:
    """The application in the tray alone, in a home where the basket was shown when it ended."""
    with live_home() as live:
        live.paths.window_file.write_text(json.dumps({"basket_shown": True}))
        open_app(live, screen, "--hidden")
        yield live


def open_app(live: Live, screen: Desktop, *options: str) -> None:
    live.open_app(screen.env, *options)
    until(lambda: screen.window(BASKET), 20.0)


def middle(place: Place) -> tuple[int, int]:
    return (place[0] + place[2]) // 2, (place[1] + place[3]) // 2


def drop_on_basket(screen: Desktop, file: Path) -> Place:
    """The source is told that it was copied; where the basket is with the card that comes."""
    empty = screen.place(BASKET)
    with drag_source(screen, file) as source:
        screen.drag(SOURCE, middle(empty))
        assert source.stdout is not None
        assert source.stdout.readline() == "dropped CopyAction\n"
        # What was dropped is fetched from the source after that.
        # The place to drop on stays where it was; the window manager may be told of size and place one after the other.
        place = until(lambda: (now := screen.place(BASKET)) != empty and now[2:] == empty[2:] and now, 10.0)
    assert isinstance(place, tuple)
    return place


def test_a_file_dragged_from_another_program_runs_and_stays_where_it_was(
    app: Live, screen: Desktop, tmp_path: Path
) -> None:
    script = tmp_path / "dragged & dropped.sh"
    script.write_text("echo it ran\nexit 4\n")
    place = drop_on_basket(screen, script)
    until(lambda: app.client.get("/jobs?all=1")["jobs"])
    job = app.finished(["1"])[0]
    assert (job["name"], job["outcome"], job["exit_code"]) == (script.name, "failed", 4)
    assert app.log_of("1").read_bytes() == b"it ran\n"
    assert script.exists()
    assert screen.window() is None
    screen.call("import", "-window", "root", str(tmp_path / "basket.png"))
    screen.click(place[0] + 32, place[3] - LINKS_PX)
    until(screen.window, 20.0)


def test_undo_takes_a_drop_back(app: Live, screen: Desktop, tmp_path: Path) -> None:
    script = tmp_path / "long.sh"
    script.write_text("sleep 300\n")
    left, _, _, bottom = drop_on_basket(screen, script)
    until(lambda: app.client.get("/jobs")["jobs"])
    app.pid_of("1")

    def cancelled() -> bool:
        if app.status_of("1") == "finished":
            return True
        screen.click(left + 76, bottom - LINKS_PX)
        return False

    until(cancelled, 15.0, step_s=0.5)
    assert app.finished(["1"])[0]["outcome"] == "cancelled"


def test_the_scripts_of_a_dropped_folder_wait_for_an_answer(app: Live, screen: Desktop, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("one.sh", "two.sh"):
        (folder / name).write_text("exit 0\n")
    empty = screen.place(BASKET)
    place = drop_on_basket(screen, folder)
    assert app.client.get("/jobs?all=1")["jobs"] == []
    screen.call("import", "-window", "root", str(tmp_path / "folder.png"))
    screen.click(place[0] + 80, empty[1] - 8 - 28)
    until(lambda: len(app.client.get("/jobs?all=1")["jobs"]) == 2)
    assert [job["outcome"] for job in app.finished(["1", "2"])] == ["succeeded", "succeeded"]
    assert sorted(path.name for path in folder.iterdir()) == ["one.sh", "two.sh"]


def test_it_is_above_the_others_outside_the_task_bar_and_takes_no_focus(screen: Desktop) -> None:
    with live_home() as live:
        live.paths.window_file.write_text(json.dumps({"basket_shown": True}))
        open_app(live, screen)
        until(lambda: screen.window() is not None and active(screen) == screen.window(), 20.0)
        screen.call("xdotool", "key", "ctrl+b")
        until(lambda: screen.window(BASKET) is None)
        screen.call("xdotool", "key", "ctrl+b")
        until(lambda: screen.window(BASKET))
        assert "_NET_WM_WINDOW_TYPE_UTILITY" in property_of(screen, "_NET_WM_WINDOW_TYPE")
        until(lambda: "_NET_WM_STATE_ABOVE" in property_of(screen, "_NET_WM_STATE"))
        assert active(screen) == screen.window()


def property_of(screen: Desktop, name: str) -> str:
    return screen.call("xprop", "-id", str(screen.window(BASKET)), name)


def active(screen: Desktop) -> int:
    return int(screen.call("xprop", "-root", "_NET_ACTIVE_WINDOW").split()[-1], 16)


def test_it_is_moved_by_its_body_and_comes_back_there(app: Live, screen: Desktop) -> None:
    x, y = middle(screen.place(BASKET))
    before = screen.place(BASKET)
    screen.drag((x, y), (x - 400, y - 200))
    moved = until(lambda: (now := screen.place(BASKET)) != before and now, 10.0)
    assert isinstance(moved, tuple)
    assert abs(moved[0] - (before[0] - 400)) <= 40
    assert abs(moved[1] - (before[1] - 200)) <= 40
    code, _ = app.signal(signal.SIGTERM)
    assert code == 0
    open_app(app, screen, "--hidden")
    until(lambda: screen.place(BASKET) == moved, 10.0)

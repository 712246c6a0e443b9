"""Toasts on a real (headless) desktop whose daemon shows buttons: jobs that fail, and clicks on what is offered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.toaster_contract import ToasterContract
from support.desktop import Desktop, desktop, missing
from support.live import Live, alive, live_home
from support.toasts import Toasts
from support.until import until
from tidegate.desktop.notifications import DesktopToaster

NOTIFYD = next(Path("/usr").glob("lib*/**/xfce4/notifyd/xfce4-notifyd"), None)
WHY = missing() or (None if NOTIFYD else "Not installed: xfce4-notifyd; `bash packaging/dev.sh setup` installs it.")
pytestmark = [pytest.mark.desktop, pytest.mark.skipif(WHY is not None, reason=WHY or "")]


class TestDesktopToaster(ToasterContract):
    """The real one, on D-Bus."""

    @pytest.fixture
    def run(self) -> Callable[..., object]:
        return asyncio.run

    @pytest.fixture
    def screen(self, toasts: Toasts) -> Toasts:
        return toasts

    @pytest.fixture
    def toaster(self, desk_with_buttons: Desktop, monkeypatch: pytest.MonkeyPatch) -> DesktopToaster:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", desk_with_buttons.env["DBUS_SESSION_BUS_ADDRESS"])
        return DesktopToaster("Tidegate")


@pytest.fixture
def app(desk_with_buttons: Desktop) -> Iterator[Live]:
    """The tray application, without its window."""
    with live_home() as live:
        open_hidden(live, desk_with_buttons.env)
        yield live


def open_hidden(live: Live, env: dict[str, str]) -> None:
    live.start(
        "--hidden", verb="gui", env={**env, **{name: live.env[name] for name in ("TIDEGATE_HOME", "PYTHONPATH")}}
    )


def loaded(pid: int) -> bool:
    """Whether the notifier's library is in the program."""
    return "dbus_fast" in Path(f"/proc/{pid}/maps").read_text()


def test_a_failing_job_raises_a_toast_whose_button_opens_its_log(
    app: Live, desk_with_buttons: Desktop, toasts: Toasts, tmp_path: Path
) -> None:
    assert desk_with_buttons.window() is None
    job = app.submit("sh", "-c", "echo this is why; exit 3", name="convert <b>.sh")
    until(lambda: toasts.titles() == ["convert <b>.sh failed"], 20.0)
    desk_with_buttons.call("import", "-window", "root", str(tmp_path / "toast.png"))
    toasts.press("convert <b>.sh failed", "Open log")
    until(desk_with_buttons.window, 20.0)
    until(lambda: toasts.titles() == [])
    places = app.paths.window_file
    until(lambda: places.exists() and json.loads(places.read_text()).get("page") == "queue")
    desk_with_buttons.call("import", "-window", "root", str(tmp_path / "log.png"))
    assert app.status_of(job) == "finished"


def test_the_other_button_runs_it_again(app: Live, toasts: Toasts) -> None:
    flag = app.home / "go well"
    job = app.submit("sh", "-c", 'test -e "$1"', "sh", str(flag), name="check.sh")
    until(lambda: toasts.titles() == ["check.sh failed"], 20.0)
    flag.touch()
    toasts.press("check.sh failed", "Run again")
    until(lambda: app.client.get(f"/jobs/{job}")["outcome"] == "succeeded", 20.0)


def test_many_failures_are_one_toast(app: Live, toasts: Toasts) -> None:
    for i in range(6):
        app.submit("sh", "-c", "exit 1", name=f"part{i}.sh")
    until(lambda: toasts.titles() == ["6 jobs failed"], 30.0)
    toasts.dismiss("6 jobs failed")


def test_without_a_session_bus_it_goes_another_way_and_nothing_else_suffers(desk_with_buttons: Desktop) -> None:
    with live_home() as live:
        env = {**desk_with_buttons.env, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={live.home}/none"}
        open_hidden(live, env)
        live.expected_errors = ("toasts go another way",)
        live.submit("sh", "-c", "exit 3", name="convert.sh")
        until(lambda: "convert.sh failed" in notices_in_log(live), 20.0)
        assert alive(live.pid)
        assert live.cli("status").code == 0
        assert live.client.get("/notices")["notices"][0]["title"] == "convert.sh failed"


def notices_in_log(live: Live) -> str:
    return "\n".join(line for line in live.paths.log_file.read_text().splitlines() if "notice" in line)


def test_a_click_on_a_toast_shows_its_job_where_a_click_is_told(tmp_path: Path) -> None:
    """dunst has no buttons to be seen, but its toasts can be clicked."""
    with desktop(tmp_path, "dunst") as screen, live_home() as live:
        open_hidden(live, screen.env)
        live.submit("sh", "-c", "exit 3", name="convert.sh")
        until(lambda: screen.call("dunstctl", "count", "displayed").strip() == "1", 20.0)
        assert screen.window() is None
        screen.call("dunstctl", "action", "0")
        until(screen.window, 20.0)


def test_the_notifier_is_not_loaded_before_the_first_toast(app: Live, toasts: Toasts) -> None:
    app.finished([app.submit("true")])
    assert not loaded(app.pid)
    app.submit("sh", "-c", "exit 3", name="convert.sh")
    until(lambda: toasts.titles() == ["convert.sh failed"], 20.0)
    assert loaded(app.pid)
    toasts.dismiss("convert.sh failed")

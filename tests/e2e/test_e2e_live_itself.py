"""The proof that nothing is left behind can fail: otherwise all the others would prove nothing."""

from __future__ import annotations

import subprocess

import pytest

from support.live import Live, live_home
from support.until import until


def test_a_process_of_this_home_is_seen_and_ended() -> None:
    home = live_home()
    live = home.__enter__()
    live.patience_s = 0.2
    stray = subprocess.Popen(["sleep", "300"], env=live.env)
    assert [process.pid for process in live.strays()] == [stray.pid]
    with pytest.raises(AssertionError):
        live.leaves_nothing_behind(0.1)
    with pytest.raises(AssertionError, match="left behind"):
        home.__exit__(None, None, None)
    assert stray.wait(10) < 0


def test_a_process_with_a_run_token_is_seen_even_without_the_home_in_its_environment(engine: Live) -> None:
    """As ``env -u TIDEGATE_HOME`` in a job would make it."""
    id = engine.submit("env", "-u", "TIDEGATE_HOME", "sleep", "300")
    pid = engine.pid_of(id)
    assert pid in [process.pid for process in engine.strays()]
    engine.cli("kill", id)
    engine.leaves_nothing_behind()


def test_a_zombie_of_the_engine_is_seen() -> None:
    with live_home() as live:
        # The child ends at once, and what its parent has become waits for no child.
        live.engine = subprocess.Popen(["sh", "-c", "true & exec sleep 300"])
        until(live.zombies)
        with pytest.raises(AssertionError):
            live.leaves_nothing_behind(0.1)
        live.kill()
        live.leaves_nothing_behind()


def test_an_error_in_the_programs_log_is_a_complaint() -> None:
    home = live_home()
    home.__enter__().paths.log_file.write_text("2026-01-01 00:00:00 ERROR   tidegate.core: something broke\n")
    with pytest.raises(AssertionError, match="something broke"):
        home.__exit__(None, None, None)

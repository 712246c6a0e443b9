"""``config reset``: defaults again, through a running engine or in the file, in one piece."""

from __future__ import annotations

from support.fake_desk import FakeDesk
from tidegate.paths import Paths
from tidegate.settings import initial_file


def test_without_an_engine_the_line_is_a_comment_again(tidegate, paths: Paths) -> None:
    tidegate("config", "set", "max_workers", "3")
    tidegate("config", "set", "kill_timeout", "5")
    assert tidegate("config", "reset", "queue.max_workers").code == 0
    assert tidegate("config", "get", "max_workers").out == "auto\n"
    assert tidegate("config", "get", "kill_timeout", "--json").json["source"] == "config.toml"
    assert tidegate("config", "reset", "max_workers", "kill_timeout").code == 0
    assert paths.config_file.read_text() == initial_file()


def test_all_asks_or_needs_yes(tidegate, paths: Paths) -> None:
    tidegate("config", "set", "memory_emergency_pct", "98")
    tidegate("config", "set", "memory_high_pct", "95")
    said = tidegate("config", "reset", "--all")
    assert said.code == 2
    assert "config reset --all needs --yes" in said.err
    assert tidegate("config", "get", "memory_high_pct").out == "95\n"
    assert tidegate("config", "reset", "--all", "--yes").code == 0
    assert paths.config_file.read_text() == initial_file()


def test_bad_usage_and_contradictions(tidegate, paths: Paths) -> None:
    for words in ((), ("max_workers", "--all")):
        said = tidegate("config", "reset", *words)
        assert said.code == 2
        assert "reset NAME...  |  reset --all" in said.err
    assert "did you mean max_workers?" in tidegate("config", "reset", "max_wokers").err
    tidegate("config", "set", "memory_emergency_pct", "98")
    tidegate("config", "set", "memory_high_pct", "95")
    said = tidegate("config", "reset", "memory_emergency_pct")
    assert said.code == 1
    assert "memory_high_pct (95) must be below memory_emergency_pct (92)." in said.err
    assert tidegate("config", "get", "memory_emergency_pct").out == "98\n"


def test_what_the_environment_sets_is_said_to_stay(tidegate, monkeypatch) -> None:
    monkeypatch.setenv("TIDEGATE_API_PORT", "7300")
    tidegate("config", "set", "api_port", "7200")
    said = tidegate("config", "reset", "api_port")
    assert said.code == 0
    assert "the environment sets api_port, which stays 7300." in said.err


def test_a_running_engine_resets_and_tells_its_views(tidegate, desk: FakeDesk, server) -> None:
    tidegate("config", "set", "memory_high_pct", "80")
    tidegate("config", "set", "api_port", "7300")
    changes = []
    desk.subscribe(changes.append)
    said = tidegate("config", "reset", "memory_high_pct", "api_port")
    assert said.code == 0
    assert said.err == "tidegate: api_port takes effect when Tidegate is started again.\n"
    assert server.in_force.get("memory_high_pct") == 85.0
    assert [change.setting.name for change in changes if change.setting] == ["memory_high_pct", "api_port"]
    tidegate("config", "set", "min_workers", "2")
    assert tidegate("config", "reset", "--all", "-y").code == 0
    assert server.in_force.get("min_workers") == 1


def test_help_tells_of_it(tidegate) -> None:
    shown = tidegate("help", "config").out
    assert "reset NAME...  |  reset --all [--yes]" in shown
    assert "reset makes a setting's line a comment again" in shown

"""The settings of strategies: the same defaults as the core's, and what a strategy does not accept is refused."""

from __future__ import annotations

import pytest

from tidegate.core.strategies.registry import BUILT_IN
from tidegate.paths import Paths
from tidegate.settings import SettingsError, check_file, find_setting, load, write_value
from tidegate.settings import strategy_settings as ours


def test_defaults_are_those_of_the_strategies() -> None:
    defaults = {f"{setting.section}.{setting.key}": setting.default for setting in ours.STRATEGY_OPTIONS}
    for make in BUILT_IN.values():
        assert make(defaults) == make({})


def test_every_strategy_can_be_set(paths: Paths) -> None:
    assert set(ours.STRATEGY_CHOICES) == {*BUILT_IN, "auto"}
    for name in ours.STRATEGY_CHOICES:
        assert load(paths, {}, {"strategy": name.upper()}).policy().strategy == name


def test_options_reach_the_policy(paths: Paths) -> None:
    settings = write_value(paths, "fair_sharing_weights", "alice=2 bob=0.5", {})
    settings = write_value(paths, "fair_sharing.half_life_s", "2h", {})
    settings = write_value(paths, "max_backfill", "7", {})
    policy = settings.policy()
    assert dict(policy.strategy_options) == {
        "fair_sharing.half_life_s": 7200.0,
        "fair_sharing.weights": "alice=2 bob=0.5",
    }
    assert policy.max_backfill == 7
    assert "[fair_sharing]\n" in paths.config_file.read_text()
    environ = {"TIDEGATE_HYBRID_AGE": "3", "TIDEGATE_PRIORITY_BASED_AGING_S": "1h"}
    options = dict(load(paths, environ).policy().strategy_options)
    assert (options["hybrid.age"], options["priority_based.aging_s"]) == (3.0, 3600.0)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("strategy", "fastest", 'strategy: "fastest" is not accepted; write one of priority_based,'),
        ("fair_sharing_half_life_s", "-1", 'fair_sharing_half_life_s: "-1" is not accepted; write a time'),
        ("fair_sharing_half_life_s", "0", "from 1s to 365d"),
        ("fair_sharing_by", "colour", "write one of user, label, queue."),
        ("fair_sharing_weights", "alice", "it is names, each once, with their weights above 0, such as alice=2 bob=1."),
        ("fair_sharing_weights", "alice=many", "fair_sharing.weights = 'alice=many'"),
        ("fair_sharing_weights", "alice=0", "above 0"),
        ("fair_sharing_weights", "alice=nan", "above 0"),
        ("fair_sharing_weights", "alice=1 alice=2", "each once"),
        ("load_balancing_patience_s", "0", "from 1s"),
        ("hybrid_age", "0", "a number from 0.01 to 1000"),
        ("hybrid_size", "lots", "a number from 0 to 1000"),
        ("max_bypass", "-1", "a whole number"),
        ("plugin_options", "fastest", "plugin_options: fastest is not accepted; write each option once, as strategy."),
        ("plugin_options", "mine.x=1 mine.x=2", "plugin_options: mine.x=2 is not accepted"),
        ("plugin_options", "hybrid.age=2", "hybrid comes with Tidegate; its options stand below [hybrid]."),
    ],
)
def test_nonsense_is_refused_with_one_sentence_and_nothing_changes(
    paths: Paths, name: str, text: str, error: str
) -> None:
    write_value(paths, "hybrid_age", "2", {})
    before = paths.config_file.read_text()
    with pytest.raises(SettingsError) as raised:
        write_value(paths, name, text, {})
    assert len(raised.value.errors) == 1
    assert error in raised.value.errors[0]
    assert paths.config_file.read_text() == before
    setting = find_setting(name)
    assert setting is not None
    paths.config_file.write_text(f'[{setting.section}]\n{setting.key} = "{text}"\n')
    assert len(check_file(paths.config_file)) == 1


def test_an_installed_strategy_is_a_choice(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.installed_strategies.cache_clear()
    import tidegate.plugins

    class Known:
        def __iter__(self):
            return iter((*BUILT_IN, "FCFS"))

    monkeypatch.setattr(tidegate.plugins, "KnownStrategies", Known)
    try:
        settings = write_value(paths, "strategy", "FCFS", {})
        assert settings.policy().strategy == "FCFS"
        assert "FCFS" in settings.describe(ours.STRATEGY)["choices"]
        with pytest.raises(SettingsError):
            write_value(paths, "strategy", "LCFS", {})
    finally:
        ours.installed_strategies.cache_clear()

"""The settings of alerts and notices: their defaults are the rules', they bend every rule, and 0 switches one off."""

from __future__ import annotations

import pytest

from tidegate.core.alert_rules import RULES, SERVICE_DOWN, AlertPolicy, Limit
from tidegate.paths import Paths
from tidegate.settings import SettingsError, load


def test_the_defaults_are_those_of_the_rules(paths: Paths) -> None:
    settings = load(paths, {})
    assert settings.alert_policy() == AlertPolicy()
    assert set(settings.alert_policy().limits) == {rule.name for rule in RULES}
    assert settings.notify_after_s == 60.0


def test_lines_and_durations_are_read_from_file_and_environment(paths: Paths) -> None:
    paths.config_file.write_text("[alerts]\ngpu_memory_full_pct = 97\nqueue_high = 500\nqueue_high_for = '1h'\n")
    environ = {"TIDEGATE_ALERTS_GPU_TEMPERATURE_HIGH_C": "75", "TIDEGATE_TOASTS_NOTIFY_AFTER": "5m"}
    settings = load(paths, environ)
    limits = settings.alert_policy().limits
    assert limits["GPUMemoryFull"] == Limit(97.0, 120.0)
    assert limits["SchedulerQueueHigh"] == Limit(500.0, 3600.0)
    assert limits["GPUHighTemperature"] == Limit(75.0, 300.0)
    assert settings.notify_after_s == 300.0


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("alerts_gpu_utilization_high_pct", "GPUHighUtilization"),
        ("alerts_gpu_utilization_low_pct", "GPULowUtilization"),
        ("alerts_gpu_memory_high_pct", "GPUMemoryHigh"),
        ("alerts_gpu_memory_full_pct", "GPUMemoryFull"),
        ("alerts_gpu_temperature_high_c", "GPUHighTemperature"),
        ("alerts_gpu_temperature_critical_c", "GPUCriticalTemperature"),
        ("alerts_queue_high", "SchedulerQueueHigh"),
        ("alerts_start_latency_high", "SchedulingLatencyHigh"),
        ("alerts_service_down_for", SERVICE_DOWN),
    ],
)
def test_nought_switches_one_rule_off_and_no_other(paths: Paths, setting: str, rule: str) -> None:
    policy = load(paths, {}, {setting: "0"}).alert_policy()
    assert [each.name for each in RULES if policy.limit(each) is None] == [rule]


def test_all_of_them_can_be_off(paths: Paths) -> None:
    policy = load(paths, {}, {"alerts_enabled": "off"}).alert_policy()
    assert [rule for rule in RULES if policy.limit(rule) is not None] == []


def test_what_is_out_of_range_is_refused(paths: Paths) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(paths, {}, {"alerts_gpu_memory_full_pct": "101", "alerts_gpu_utilization_low_pct": "60"})
    assert len(refusal.value.errors) == 2

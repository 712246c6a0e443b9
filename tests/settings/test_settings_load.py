"""Loading: the order of the sources, every error at once, and the Policy that comes out."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping

import pytest

from tidegate.core.policy import Policy
from tidegate.paths import Paths
from tidegate.settings import SETTINGS, SettingsError, check_file, initial_file, load
from tidegate.settings.loading import by_section


def errors_of(paths: Paths, text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
    paths.config_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as raised:
        load(paths, environ or {})
    assert str(raised.value) == "\n".join(raised.value.errors)
    for error in raised.value.errors:
        assert "\n" not in error
        assert error[-1] in ".?"
    return raised.value.errors


def test_without_a_file_everything_has_its_default(paths: Paths) -> None:
    settings = load(paths, {})
    assert {setting.name: settings.get(setting.name) for setting in SETTINGS} == {
        setting.name: setting.default for setting in SETTINGS
    }
    assert {settings.source(setting.name) for setting in SETTINGS} == {"default"}
    assert settings.policy() == Policy()


def test_command_line_beats_environment_beats_file(paths: Paths) -> None:
    paths.config_file.write_text("[machine]\nmemory_high_pct = 70\ncpu_high_pct = 70\nema_alpha = 0.5\n")
    environ = {"TIDEGATE_MACHINE_MEMORY_HIGH_PCT": "71", "TIDEGATE_MACHINE_CPU_HIGH_PCT": "71"}
    settings = load(paths, environ, {"memory_high_pct": "72"})
    found = {name: (settings.get(name), settings.source(name)) for name in ("memory_high_pct", "cpu_high_pct")}
    assert found == {"memory_high_pct": (72.0, "command line"), "cpu_high_pct": (71.0, "environment")}
    assert (settings.get("ema_alpha"), settings.source("ema_alpha")) == (0.5, "config.toml")
    assert settings.source("cpu_hard_pct") == "default"


def test_the_policy_has_the_values(paths: Paths) -> None:
    paths.config_file.write_text(
        '[machine]\nmemory_high_pct = 80\nreserve_memory = "1G"\n'
        '[queue]\nmax_workers = 3\n[jobs]\nkill_timeout = "5s"\ndefault_memory_python = "1G"\n[gpu]\nguard = false\n'
    )
    policy = load(paths, {}).policy()
    assert (policy.memory_high_pct, policy.reserve_memory_bytes, policy.max_workers) == (80.0, 1024**3, 3)
    assert (policy.kill_timeout_s, policy.default_memory_python_bytes, policy.gpu_guard) == (5.0, 1024**3, False)


def test_plain_attributes(paths: Paths) -> None:
    overrides = {
        "api.port": "0",
        "log_level": "debug",
        "job_log_cap": "1M",
        "python": "/opt/python",
        "samples_kept": "2h",
    }
    settings = load(paths, {}, overrides)
    assert (settings.api_port, settings.log_level, settings.job_log_cap_bytes) == (0, "debug", 1024**2)
    assert (settings.python, settings.samples_kept_s, settings.sample_interval_s) == ("/opt/python", 7200.0, 1.0)
    assert (settings.minutes_kept_s, settings.journal_kept_s, settings.finished_in_memory) == (2592e3, 7776e3, 2000)
    assert settings.finished_kept_s is None
    assert load(paths, {}, {"finished_kept_days": "7"}).finished_kept_s == 604800.0
    assert load(paths, {}).python is None


def test_a_description_is_json_and_has_everything(paths: Paths) -> None:
    settings = load(paths, {}, {"reserve_memory": "2G"})
    row = json.loads(json.dumps([settings.describe(setting) for setting in SETTINGS]))[2]
    assert (row["name"], row["value"], row["text"], row["source"]) == (
        "reserve_memory",
        2 * 1024**3,
        "2G",
        "command line",
    )
    assert (row["default"], row["default_text"], row["kind"]) == (None, "auto", "size")


def test_flat_names_before_the_first_section(paths: Paths) -> None:
    paths.config_file.write_text("memory_high_pct = 70\napi_port = 7200\n[gpu]\ngpu_free_pct = 10\n")
    settings = load(paths, {})
    assert (settings.get("memory_high_pct"), settings.api_port, settings.get("gpu_free_pct")) == (70.0, 7200, 10.0)


def test_every_error_at_once_with_the_nearest_name(paths: Paths) -> None:
    errors = errors_of(
        paths,
        "colour = 1\n[machin]\nx = 1\n[machine]\nmemory_hihg_pct = 3\ncpu_high_pct = true\nreserve_memory = 8\n"
        "kill_timeout = 3\nema_alpha = 2\n[queue]\nmax_workers = 2\nmin_workers = 5\n[log]\nlevel = 'loud'\n",
        {"TIDEGATE_GPU_FREE_PCT": "lots", "TIDEGATE_GPU_FRE_PCT": "1", "TIDEGATE_MEMORY_HIGH_PCT": "1"},
    )
    file = str(paths.config_file)
    assert errors == [
        f"{file}: colour: there is no such setting.",
        f"{file}: [machin]: there is no such section; did you mean machine?",
        f"{file}: [machine] memory_hihg_pct: there is no such setting; did you mean memory_high_pct?",
        f"{file}: [machine] cpu_high_pct: true is not accepted; write a percentage from 0 to 100.",
        f"{file}: [machine] reserve_memory: 8 is not accepted; write a size with its unit such as 512M or 8G from 1M "
        'to 1T, or "auto" (10 % of memory but at most 512M, and never less than 5 %).',
        f"{file}: [machine] kill_timeout: this setting belongs below [jobs].",
        f"{file}: [machine] ema_alpha: 2 is not accepted; write a number from 0.01 to 1.",
        f'{file}: [log] level: "loud" is not accepted; write one of debug, info, warning, error.',
        'TIDEGATE_GPU_FREE_PCT: "lots" is not accepted; write a percentage from 0 to 100.',
        "TIDEGATE_GPU_FRE_PCT: there is no such setting; did you mean TIDEGATE_GPU_FREE_PCT?",
        "TIDEGATE_MEMORY_HIGH_PCT: there is no such setting; did you mean TIDEGATE_MACHINE_MEMORY_HIGH_PCT?",
        "min_workers (5) must be at most max_workers (2).",
    ]


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"memory_high_pct": "92"}, "memory_high_pct (92) must be below memory_emergency_pct (92)."),
        ({"cpu_hard_pct": "70"}, "cpu_high_pct (80) must be below cpu_hard_pct (70)."),
        ({"gpu_memory_emergency_pct": "80"}, "gpu_memory_high_pct (85) must be below gpu_memory_emergency_pct (80)."),
        ({"mode_hysteresis_pct": "82"}, "mode_hysteresis_pct (82) must be below cpu_high_pct (80)."),
        ({"min_workers": "3", "max_workers": "2"}, "min_workers (3) must be at most max_workers (2)."),
        (
            {"min_workers": "9999"},
            f"min_workers (9999) must be at most max_workers ({os.cpu_count()}, one per core).",
        ),
        (
            {"max_start_per_tick_high": "5"},
            "max_start_per_tick_high (5) must be at most max_start_per_tick_normal (4).",
        ),
        ({"memory_hi": "1"}, "memory_hi: there is no such setting; did you mean memory_high_pct?"),
    ],
)
def test_settings_are_checked_against_each_other(paths: Paths, overrides: dict[str, str], error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(paths, {}, overrides)
    assert raised.value.errors == [error]


def test_other_variables_of_ours_are_no_settings(paths: Paths) -> None:
    environ = {"TIDEGATE_HOME": "/x", "TIDEGATE_JOB_ID": "7", "TIDEGATE_ATTEMPT": "1", "TIDEGATE_TEST_DATA": "/y"}
    assert load(paths, environ).get("max_queued") == 100_000


def test_an_environment_is_judged_with_the_file(paths: Paths) -> None:
    paths.config_file.write_text("[machine]\nmemory_high_pct = 90\n")
    with pytest.raises(SettingsError, match="memory_high_pct \\(90\\) must be below memory_emergency_pct \\(88\\)"):
        load(paths, {"TIDEGATE_MACHINE_MEMORY_EMERGENCY_PCT": "88"})


def test_a_setting_given_twice(paths: Paths) -> None:
    assert errors_of(paths, "api_port = 1\n[api]\nport = 2\n") == [
        f"{paths.config_file}: [api] port: this setting stands there twice."
    ]


# --- Files that cannot be read --------------------------------------------------------------------------------------


def test_bad_toml_names_the_line(paths: Paths) -> None:
    [error] = errors_of(paths, "[machine]\nmemory_high_pct 80\n")
    assert error.startswith(f"{paths.config_file}: this is not valid TOML: ")
    assert "line 2" in error


def test_not_utf8_names_the_line(paths: Paths) -> None:
    assert errors_of(paths, b"# ok\n# caf\xe9\n") == [f"{paths.config_file}: line 2 is not UTF-8 text."]


def test_a_folder_instead_of_a_file(paths: Paths) -> None:
    paths.config_file.mkdir()
    with pytest.raises(SettingsError, match=r"this is a folder, but the settings must be a text file\.$"):
        load(paths, {})


def test_a_file_that_cannot_be_opened(paths: Paths) -> None:
    paths.config_file.symlink_to(paths.config_file)
    with pytest.raises(SettingsError, match=r"config\.toml: the settings cannot be read: .*\.$"):
        load(paths, {})


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_a_file_without_permission(paths: Paths) -> None:
    paths.config_file.write_text("")
    paths.config_file.chmod(0)
    with pytest.raises(SettingsError, match="permission denied"):
        load(paths, {})


def test_numbers_and_nests_beyond_reason(paths: Paths) -> None:
    assert "not valid TOML" in errors_of(paths, "api_port = " + "9" * 5000)[0]
    assert "not valid TOML" in errors_of(paths, "x = " + "[" * 5000)[0]


def test_a_byte_order_mark_is_no_error(paths: Paths) -> None:
    paths.config_file.write_bytes(b"\xef\xbb\xbf[api]\r\nport = 7200\r\n")
    assert load(paths, {}).api_port == 7200


# --- config init, config check --------------------------------------------------------------------------------------


def test_the_first_file_changes_nothing_and_shows_everything(paths: Paths) -> None:
    paths.config_file.write_text(initial_file())
    assert check_file(paths.config_file) == []
    assert load(paths, {}).policy() == Policy()
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in initial_file().splitlines()
    )
    tables = by_section(tomllib.loads(uncommented))
    assert {(setting.section, setting.key) for setting in SETTINGS} == {
        (section, key) for section, table in tables.items() for key in table
    }
    paths.config_file.write_text(uncommented)
    settings = load(paths, {})
    assert {setting.name: settings.get(setting.name) for setting in SETTINGS} == {
        setting.name: setting.default for setting in SETTINGS
    }


def test_check_file(paths: Paths) -> None:
    assert check_file(paths.config_dir / "none.toml") == [f"{paths.config_dir / 'none.toml'}: there is no such file."]
    paths.config_file.write_text("[queue]\nmax_workers = 0\n")
    assert check_file(str(paths.config_file)) == [
        f"{paths.config_file}: [queue] max_workers: 0 is not accepted; write a whole number from 1 to 10000, "
        'or "auto" (as many as there are cores).'
    ]


def test_the_environment_does_not_change_a_check(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_MACHINE_MEMORY_EMERGENCY_PCT", "10")
    paths.config_file.write_text("[machine]\nmemory_high_pct = 80\n")
    assert check_file(paths.config_file) == []

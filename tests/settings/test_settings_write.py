"""Changing one value in config.toml: nothing else moves, and what would be wrong is not written."""

from __future__ import annotations

import contextlib
import os
import tomllib

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tidegate.paths import Paths
from tidegate.settings import SETTINGS, SettingsError, initial_file, load, write_value

BY_HAND = """\
# my machine, my rules
[queue]   # the queue
  max_workers = 4 # four is enough
[machine]
memory_high_pct=80
"""


def test_comments_order_and_spaces_stay(paths: Paths) -> None:
    paths.config_file.write_text(BY_HAND)
    settings = write_value(paths, "max_workers", "6", {})
    assert settings.get("max_workers") == 6
    assert settings.source("max_workers") == "config.toml"
    assert paths.config_file.read_text() == BY_HAND.replace("4 # four", "6  # four")
    write_value(paths, "memory_high_pct", "81", {})
    assert paths.config_file.read_text().endswith("[machine]\nmemory_high_pct = 81\n")


def test_a_value_that_is_not_there_is_added_to_its_section(paths: Paths) -> None:
    paths.config_file.write_text(BY_HAND.rstrip("\n"))
    write_value(paths, "min_workers", "2", {})
    write_value(paths, "api_port", "7200", {})
    text = paths.config_file.read_text()
    assert "[queue]   # the queue\nmin_workers = 2\n  max_workers = 4 # four is enough\n" in text
    assert text.endswith("memory_high_pct=80\n\n[api]\nport = 7200\n")
    assert tomllib.loads(text)["api"] == {"port": 7200}


def test_without_a_file_the_commented_one_is_written(paths: Paths) -> None:
    write_value(paths, "memory_high_pct", "80", {})
    expected = initial_file().replace("# memory_high_pct = 85\n", "memory_high_pct = 80\n", 1)
    assert paths.config_file.read_text() == expected
    assert [name for name in os.listdir(paths.config_dir) if name != "config.toml"] == []


def test_flat_names_are_changed_where_they_stand(paths: Paths) -> None:
    paths.config_file.write_text("api_port = 7200\n[gpu]\ngpu_free_pct = 10\n")
    write_value(paths, "api_port", "7300", {})
    write_value(paths, "gpu_free_pct", "11", {})
    assert paths.config_file.read_text() == "api_port = 7300\n[gpu]\ngpu_free_pct = 11\n"


def test_a_dotted_name_and_words(paths: Paths) -> None:
    write_value(paths, "jobs.python", '/opt/"my" py#3', {})
    assert load(paths, {}).python == '/opt/"my" py#3'
    write_value(paths, "python", "/usr/bin/python3", {})
    assert write_value(paths, "python", "auto", {}).python is None


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("memory_hihg_pct", "80", "memory_hihg_pct: there is no such setting; did you mean memory_high_pct?"),
        ("memory_high_pct", "x", 'memory_high_pct: "x" is not accepted; write a percentage from 0 to 100.'),
        ("memory_high_pct", "95", "memory_high_pct (95) must be below memory_emergency_pct (92)."),
        ("job_log_cap", "64", 'job_log_cap: "64" is not accepted; write a size with its unit such as 512M or 8G '
         "from 64K to 1T."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_not_written(paths: Paths, name: str, text: str, error: str) -> None:
    paths.config_file.write_text(BY_HAND)
    with pytest.raises(SettingsError) as raised:
        write_value(paths, name, text, {})
    assert raised.value.errors == [error]
    assert paths.config_file.read_text() == BY_HAND


def test_a_broken_file_is_not_touched(paths: Paths) -> None:
    paths.config_file.write_text("[machine\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        write_value(paths, "api_port", "0", {})
    assert paths.config_file.read_text() == "[machine\n"


@pytest.mark.parametrize(
    "text", ['jobs = {python = "x"}\n', 'jobs.python = "x"\n[queue]\n', '[jobs]\npython = """\nx"""\n']
)
def test_a_value_in_an_unusual_place_is_changed_rightly_or_left_alone(paths: Paths, text: str) -> None:
    paths.config_file.write_text(text)
    with contextlib.suppress(SettingsError):
        assert write_value(paths, "python", "y", {}).python == "y"
        assert load(paths, {}).python == "y"
        return
    assert paths.config_file.read_text() == text


def test_an_environment_value_stays_in_force(paths: Paths) -> None:
    settings = write_value(paths, "api_port", "7200", {"TIDEGATE_API_PORT": "7300"})
    assert (settings.api_port, settings.source("api_port")) == (7300, "environment")
    assert load(paths, {}).api_port == 7200


def test_a_link_stays_a_link(paths: Paths) -> None:
    real = paths.data_dir / "dotfiles.toml"
    real.write_text("")
    paths.config_file.symlink_to(real)
    write_value(paths, "api_port", "7200", {})
    assert paths.config_file.is_symlink()
    assert tomllib.loads(real.read_text()) == {"api": {"port": 7200}}


def test_a_folder_that_cannot_be_written_is_one_sentence(paths: Paths) -> None:
    paths.config_dir.rmdir()
    paths.config_dir.write_text("a file where the folder should be")
    with pytest.raises(SettingsError, match=r"config\.toml: the settings cannot be (read|written): .*\.$"):
        write_value(paths, "api_port", "7200", {})


VALUES = st.sampled_from([setting.name for setting in SETTINGS]).flatmap(
    lambda name: st.tuples(
        st.just(name), st.sampled_from(["1", "2", "50", "64M", "8G", "true", "debug", "auto", "10s"])
    )
)


@given(st.lists(VALUES, max_size=8), st.sampled_from(["", BY_HAND, initial_file(), "[api]\r\nport = 1\r\n"]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_of_changes_reads_back(paths: Paths, changes: list[tuple[str, str]], start: str) -> None:
    paths.config_file.write_text(start, newline="")
    comments = [line for line in start.splitlines() if line.startswith("#") and " = " not in line]
    for name, text in changes:
        before = load(paths, {})
        try:
            after = write_value(paths, name, text, {})
        except SettingsError:
            assert load(paths, {}) == before
            continue
        assert after == load(paths, {})
        assert {setting.name for setting in SETTINGS if after.get(setting.name) != before.get(setting.name)} <= {name}
    left = paths.config_file.read_text(encoding="utf-8").splitlines()
    assert [line for line in comments if line not in left] == []


def test_a_file_that_was_made_read_only_is_not_replaced_and_rights_stay(paths: Paths) -> None:
    paths.config_file.write_text(BY_HAND)
    paths.config_file.chmod(0o440)
    with pytest.raises(SettingsError, match="cannot be written: the file is read-only"):
        write_value(paths, "max_workers", "6", {})
    assert paths.config_file.read_text() == BY_HAND
    paths.config_file.chmod(0o600)
    write_value(paths, "max_workers", "6", {})
    assert paths.config_file.stat().st_mode & 0o777 == 0o600
    assert list(paths.config_file.parent.glob(".config*")) == []

"""Taking values out of config.toml: their lines become comments, nothing else moves, contradictions are not written."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tidegate.paths import Paths
from tidegate.settings import SETTINGS, SettingsError, initial_file, load, remove_values, write_value

BY_HAND = """\
# my machine, my rules
[queue]   # the queue
  max_workers = 4 # four is enough
[machine]
memory_high_pct=80
"""


def test_the_line_becomes_a_comment_that_shows_the_default(paths: Paths) -> None:
    paths.config_file.write_text(BY_HAND)
    settings = remove_values(paths, ["memory_high_pct"], {})
    assert (settings.get("memory_high_pct"), settings.source("memory_high_pct")) == (85.0, "default")
    assert paths.config_file.read_text() == BY_HAND.replace("memory_high_pct=80", "# memory_high_pct = 85")
    remove_values(paths, ["queue.max_workers"], {})
    assert '  # max_workers = "auto"  # four is enough\n' in paths.config_file.read_text()
    write_value(paths, "max_workers", "6", {})
    assert "  max_workers = 6  # four is enough\n" in paths.config_file.read_text()


def test_what_is_not_set_is_left_alone(paths: Paths) -> None:
    assert remove_values(paths, ["api_port"], {}).get("api_port") == 7117
    assert not paths.config_file.exists()
    paths.config_file.write_text(BY_HAND)
    before = os.stat(paths.config_file).st_ino
    remove_values(paths, ["api_port", "kill_timeout"], {})
    assert paths.config_file.read_text() == BY_HAND
    assert os.stat(paths.config_file).st_ino == before


def test_all_of_them_bring_the_first_file_back(paths: Paths) -> None:
    for name, text in (("memory_high_pct", "80"), ("api_port", "7200"), ("python", "/usr/bin/python3")):
        write_value(paths, name, text, {})
    remove_values(paths, [setting.name for setting in SETTINGS], {})
    assert paths.config_file.read_text() == initial_file()


def test_several_go_in_one_piece_where_one_alone_would_contradict(paths: Paths) -> None:
    """High 95, emergency 98: neither 92 for the second nor anything in between may be asked first."""
    write_value(paths, "memory_emergency_pct", "98", {})
    write_value(paths, "memory_high_pct", "95", {})
    before = paths.config_file.read_text()
    with pytest.raises(SettingsError, match=r"memory_high_pct \(95\) must be below memory_emergency_pct \(92\)"):
        remove_values(paths, ["memory_emergency_pct"], {})
    assert paths.config_file.read_text() == before
    remove_values(paths, ["memory_emergency_pct", "memory_high_pct"], {})
    assert load(paths, {}).get("memory_high_pct") == 85.0


def test_flat_names_and_both_at_once(paths: Paths) -> None:
    paths.config_file.write_text("api_port = 7200\n[api]\nport = 7300\n[gpu]\ngpu_free_pct = 10\n")
    remove_values(paths, ["api_port", "gpu_free_pct"], {})
    assert paths.config_file.read_text() == "# api_port = 7117\n[api]\n# port = 7117\n[gpu]\n# gpu_free_pct = 20\n"


def test_a_bad_value_is_mended_by_its_removal(paths: Paths) -> None:
    paths.config_file.write_text("[machine]\nmemory_high_pct = 300\n")
    assert remove_values(paths, ["memory_high_pct"], {}).get("memory_high_pct") == 85.0
    paths.config_file.write_text("[machine]\nmemory_high_pct = 300\nmemory_emergency_pct = 400\n")
    with pytest.raises(SettingsError, match="memory_emergency_pct: 400 is not accepted"):
        remove_values(paths, ["memory_high_pct"], {})


def test_an_unknown_name_and_a_broken_file_are_refused(paths: Paths) -> None:
    with pytest.raises(SettingsError, match=r"did you mean memory_high_pct\?"):
        remove_values(paths, ["memory_hihg_pct"], {})
    paths.config_file.write_text("[machine\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        remove_values(paths, ["api_port"], {})
    paths.config_file.write_text("jobs = 5\n")
    with pytest.raises(SettingsError, match="this is a section"):
        remove_values(paths, ["python"], {})


@pytest.mark.parametrize("text", ['jobs = {python = "x"}\n', 'jobs.python = "x"\n', '[jobs]\npython = """\nx"""\n'])
def test_a_value_in_an_unusual_place_is_taken_out_rightly_or_left_alone(paths: Paths, text: str) -> None:
    paths.config_file.write_text(text)
    try:
        assert remove_values(paths, ["python"], {}).python is None
        assert load(paths, {}).python is None
    except SettingsError:
        assert paths.config_file.read_text() == text


def test_what_the_environment_sets_stays(paths: Paths) -> None:
    write_value(paths, "api_port", "7200", {})
    settings = remove_values(paths, ["api_port"], {"TIDEGATE_API_PORT": "7300"})
    assert (settings.api_port, settings.source("api_port")) == (7300, "environment")
    assert load(paths, {}).source("api_port") == "default"


CHANGES = st.lists(
    st.tuples(
        st.sampled_from([setting.name for setting in SETTINGS]),
        st.sampled_from(["1", "50", "64M", "8G", "true", "debug", "auto", "10s", "12"]),
    ),
    max_size=8,
)
STARTS = st.sampled_from(["", BY_HAND, initial_file(), "[api]\r\nport = 1\r\n"])


@given(CHANGES, st.lists(st.sampled_from([setting.name for setting in SETTINGS]), max_size=30), STARTS)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_what_was_named_goes_back(
    paths: Paths, changes: list[tuple[str, str]], removed: list[str], start: str
) -> None:
    paths.config_file.write_text(start, newline="")
    for name, text in changes:
        try:
            write_value(paths, name, text, {})
        except SettingsError:
            continue
    before = load(paths, {})
    content = paths.config_file.read_text()
    comments = [line for line in content.splitlines() if line.startswith("#") and " = " not in line]
    try:
        after = remove_values(paths, removed, {})
    except SettingsError:
        assert paths.config_file.read_text() == content
        return
    assert after == load(paths, {})
    for setting in SETTINGS:
        if setting.name in removed:
            assert after.get(setting.name) == setting.default
            assert after.source(setting.name) == "default"
        else:
            assert after.get(setting.name) == before.get(setting.name)
    left = paths.config_file.read_text().splitlines()
    assert [line for line in comments if line not in left] == []


@given(CHANGES)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_can_always_be_restored(paths: Paths, changes: list[tuple[str, str]]) -> None:
    """Whatever was chosen, and in whatever order: the defaults agree with each other."""
    paths.config_file.unlink(missing_ok=True)
    for name, text in changes:
        try:
            write_value(paths, name, text, {})
        except SettingsError:
            continue
    settings = remove_values(paths, [setting.name for setting in SETTINGS], {})
    assert {setting.name for setting in SETTINGS if settings.get(setting.name) != setting.default} == set()

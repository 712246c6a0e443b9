"""Each kind of value: what is understood, what is refused, and that what is shown reads back."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings import SETTINGS, Kind, Setting, Value, find_setting, show
from tidegate.settings.values import NotUnderstoodError, as_toml, read

NAMES = [setting.name for setting in SETTINGS]


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Kind.PERCENT, "85", 85.0),
        (Kind.PERCENT, 85, 85.0),
        (Kind.PERCENT, "85 %", 85.0),
        (Kind.PERCENT, 92.5, 92.5),
        (Kind.SIZE, "8G", 8 * 1024**3),
        (Kind.SIZE, "512MB", 512 * 1024**2),
        (Kind.SIZE, "1.5Gi", 3 * 1024**3 // 2),
        (Kind.SECONDS, 10, 10.0),
        (Kind.SECONDS, "10", 10.0),
        (Kind.SECONDS, "30m", 1800.0),
        (Kind.SECONDS, 0, 0.0),
        (Kind.COUNT, "4", 4),
        (Kind.COUNT, 4, 4),
        (Kind.NUMBER, "0.6", 0.6),
        (Kind.BOOL, True, True),
        (Kind.BOOL, "off", False),
        (Kind.BOOL, "Yes", True),
        (Kind.CHOICE, "INFO", "info"),
        (Kind.TEXT, "/usr/bin/python3", "/usr/bin/python3"),
        (Kind.HOURS, "22-7", "22:00-07:00"),
        (Kind.HOURS, "09:30 - 17:45", "09:30-17:45"),
        (Kind.HOURS, "Off", "off"),
    ],
)
def test_understood(kind: Kind, raw: object, value: Value) -> None:
    found = read(kind, raw)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (Kind.PERCENT, "many"),
        (Kind.PERCENT, True),
        (Kind.PERCENT, "nan"),
        (Kind.PERCENT, float("inf")),
        (Kind.PERCENT, [85]),
        (Kind.HOURS, "22:00"),
        (Kind.HOURS, "25:00-07:00"),
        (Kind.HOURS, "7-7"),
        (Kind.HOURS, 22),
        (Kind.SIZE, 8),
        (Kind.SIZE, "8"),
        (Kind.SIZE, "8X"),
        (Kind.SIZE, "-8G"),
        (Kind.SIZE, "9" * 400 + "G"),
        (Kind.SECONDS, "soon"),
        (Kind.SECONDS, -1),
        (Kind.COUNT, 4.0),
        (Kind.COUNT, "4.0"),
        (Kind.COUNT, -1),
        (Kind.COUNT, "\N{SUPERSCRIPT TWO}"),
        (Kind.BOOL, 2),
        (Kind.BOOL, "maybe"),
        (Kind.TEXT, 3),
        (Kind.TEXT, "two\nlines"),
        (Kind.TEXT, None),
    ],
)
def test_refused(kind: Kind, raw: object) -> None:
    with pytest.raises(NotUnderstoodError):
        read(kind, raw)


@given(st.integers(1, 2**45))
def test_a_shown_size_reads_back(size: int) -> None:
    assert read(Kind.SIZE, show(Kind.SIZE, size)) == size


@given(st.one_of(st.integers(0, 10**6).map(float), st.floats(0.001, 1e6)))
def test_a_shown_time_reads_back(seconds: float) -> None:
    assert read(Kind.SECONDS, show(Kind.SECONDS, seconds)) == pytest.approx(seconds, rel=1e-9)


@given(st.text())
def test_any_text_is_read_or_refused_by_every_setting(text: str) -> None:
    for setting in SETTINGS:
        try:
            value = setting.parse(text)
        except NotUnderstoodError:
            continue
        assert setting.parse(setting.show(value)) == value


@given(st.text(st.characters(exclude_characters="\n\0", exclude_categories=("Cs",))))
def test_any_text_stands_in_toml_as_itself(text: str) -> None:
    assert tomllib.loads(f"x = {as_toml(Kind.TEXT, text)}")["x"] == text


# --- The declarations -----------------------------------------------------------------------------------------------


def test_names_and_variables_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len({setting.variable for setting in SETTINGS}) == len(NAMES)
    assert len({(setting.section, setting.key) for setting in SETTINGS}) == len(NAMES)


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_a_declaration_is_whole(setting: Setting) -> None:
    assert setting.label
    assert setting.help.endswith(".")
    assert setting.accepted
    assert setting.parse(setting.show(setting.default)) == setting.default, "the default is not accepted"
    if setting.kind not in (Kind.BOOL, Kind.TEXT, Kind.CHOICE, Kind.HOURS):
        assert setting.low is not None
        assert setting.high is not None
        assert setting.low < setting.high


@pytest.mark.parametrize(
    ("name", "default"),
    [  # D6's table
        ("memory_high_pct", 85.0),
        ("memory_emergency_pct", 92.0),
        ("cpu_high_pct", 80.0),
        ("cpu_hard_pct", 95.0),
        ("gpu_memory_high_pct", 85.0),
        ("gpu_memory_emergency_pct", 95.0),
        ("swap_emergency_pct", 80.0),
        ("max_workers", None),
        ("min_workers", 1),
        ("high_mode_priority_cutoff", 5),
        ("sample_interval_s", 1.0),
        ("gpu_guard", True),
        ("gpu_free_pct", 20.0),
        ("ema_alpha", 0.6),
        ("mode_hysteresis_pct", 3.0),
        ("emergency_cooldown_ticks", 2),
        ("reserve_memory", None),
        ("max_start_per_tick_normal", 4),
        ("max_start_per_tick_high", 1),
        ("preempt_count_per_tick", 1),
        ("kill_timeout", 10.0),
        ("stuck_timeout", 30.0),
        ("max_queued", 100_000),
        ("api_port", 7117),
        ("job_log_cap", 64 * 1024**2),
    ],
)
def test_defaults_of_the_contract(name: str, default: Value) -> None:
    setting = find_setting(name)
    assert setting is not None
    assert setting.default == default


def test_flat_and_dotted_names() -> None:
    assert find_setting("api_port") is find_setting("api.port") is not None
    assert find_setting("machine.memory_high_pct") is find_setting("memory_high_pct")
    assert find_setting("port") is None

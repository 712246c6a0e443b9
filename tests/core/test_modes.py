"""Modes by numbers (D6): lines, smoothing, hysteresis and cool-down."""

from __future__ import annotations

import pytest

from tidegate.core.events import MachineSampled, ModeChanged
from tidegate.core.machine import CardMode, GpuReading, MachineReading, Mode
from tidegate.core.modes import judge, judge_card
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB
from tidegate.core.state import State
from tidegate.core.transitions import apply

TOTAL = 64 * GIB


def reading(at: float, used_pct: float, **more: object) -> MachineReading:
    available = int(TOTAL * (1 - used_pct / 100))
    return MachineReading(at=at, cores=8, memory_total_bytes=TOTAL, memory_available_bytes=available, **more)  # type: ignore[arg-type]


def modes_of(policy: Policy, *readings: MachineReading, timed: bool = True) -> list[Mode]:
    state = State(policy)
    modes = []
    for item in readings:
        apply(state, MachineSampled(item, timed))
        mode, causes = judge(state.machine, policy, item.at)
        if mode is not state.machine.mode:
            apply(state, ModeChanged(item.at, mode, causes))
        modes.append(mode)
    return modes


@pytest.mark.parametrize(("used", "mode"), [(55, Mode.NORMAL), (88, Mode.HIGH), (95, Mode.EMERGENCY)])
def test_memory_decides_the_mode(used: float, mode: Mode) -> None:
    assert modes_of(Policy(), reading(0, used)) == [mode]


def test_a_raw_spike_is_an_emergency_in_spite_of_a_slow_average() -> None:
    policy = Policy(ema_alpha=0.05)
    assert modes_of(policy, reading(0, 40), reading(1, 40), reading(2, 99)) == [
        Mode.NORMAL,
        Mode.NORMAL,
        Mode.EMERGENCY,
    ]


def test_high_is_left_below_its_line_minus_the_hysteresis() -> None:
    policy = Policy(ema_alpha=1.0, memory_high_pct=85, mode_hysteresis_pct=5)
    assert modes_of(policy, reading(0, 86), reading(1, 81), reading(2, 79)) == [Mode.HIGH, Mode.HIGH, Mode.NORMAL]


def test_after_an_emergency_two_more_samples_stay_so() -> None:
    policy = Policy(ema_alpha=1.0, emergency_cooldown_ticks=2)
    samples = [reading(0, 96), *[reading(at, 50) for at in (1, 2, 3)]]
    assert modes_of(policy, *samples) == [Mode.EMERGENCY, Mode.EMERGENCY, Mode.EMERGENCY, Mode.NORMAL]


def test_the_cool_down_lasts_two_seconds_also_when_samples_come_fast() -> None:
    policy = Policy(ema_alpha=1.0)
    samples = [reading(0, 96), *[reading(at / 10, 50) for at in range(1, 25)]]
    modes = modes_of(policy, *samples)
    assert modes.index(Mode.NORMAL) == 20


def test_untimed_readings_do_not_advance_the_cool_down() -> None:
    policy = Policy(ema_alpha=1.0)
    state = State(policy)
    apply(state, MachineSampled(reading(0, 96)))
    apply(state, ModeChanged(0, Mode.EMERGENCY, ()))
    for at in (10, 20, 30, 40):
        apply(state, MachineSampled(reading(at, 50), timed=False))
        assert judge(state.machine, policy, at)[0] is Mode.EMERGENCY


def test_available_below_the_reserve_is_an_emergency_below_the_line_too() -> None:
    policy = Policy(memory_emergency_pct=98, memory_high_pct=97)
    assert modes_of(policy, reading(0, 96)) == [Mode.EMERGENCY]


def test_full_swap_counts_only_with_full_memory_or_rising_swap_in() -> None:
    swap = {"swap_total_bytes": GIB, "swap_used_bytes": GIB}
    assert modes_of(Policy(), reading(0, 50, **swap)) == [Mode.NORMAL]
    assert modes_of(Policy(), reading(0, 87, **swap)) == [Mode.EMERGENCY]
    rising = [reading(0, 50, **swap, swap_in_bytes_s=1.0), reading(1, 50, **swap, swap_in_bytes_s=9.0)]
    assert modes_of(Policy(), *rising) == [Mode.NORMAL, Mode.EMERGENCY]


def test_cpu_makes_high_only_through_other_programs_and_never_an_emergency() -> None:
    ours = reading(0, 30, cpu_pct=100.0, other_cpu_cores=0.0)
    others = reading(0, 30, cpu_pct=100.0, other_cpu_cores=8.0)
    assert modes_of(Policy(), ours) == [Mode.NORMAL]
    assert modes_of(Policy(), others) == [Mode.HIGH]


def test_an_unknown_reading_keeps_the_mode() -> None:
    unknown = MachineReading(at=1, cores=8, memory_total_bytes=TOTAL, memory_available_bytes=None)
    assert modes_of(Policy(ema_alpha=1.0), reading(0, 88), unknown) == [Mode.HIGH, Mode.HIGH]


def card(used: int | None, temperature: float | None = 50.0, *, lost: bool = False) -> GpuReading:
    return GpuReading(0, "GPU-0", "NVIDIA A", 100, used, temperature_c=temperature, lost=lost)


@pytest.mark.parametrize(
    ("reading_", "before", "mode"),
    [
        (card(50), CardMode.NORMAL, CardMode.NORMAL),
        (card(86), CardMode.NORMAL, CardMode.HIGH),
        (card(83), CardMode.HIGH, CardMode.HIGH),
        (card(83), CardMode.NORMAL, CardMode.NORMAL),
        (card(96), CardMode.NORMAL, CardMode.EMERGENCY),
        (card(10, 91), CardMode.NORMAL, CardMode.HOT),
        (card(None), CardMode.NORMAL, CardMode.UNREADABLE),
        (card(50, lost=True), CardMode.NORMAL, CardMode.UNREADABLE),
    ],
)
def test_a_card_has_a_state_of_its_own(reading_: GpuReading, before: CardMode, mode: CardMode) -> None:
    assert judge_card(reading_, before, Policy()) is mode

"""Readings become a mode: smoothing, lines, hysteresis and cool-down (D6). A spike is never smoothed away."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.core.machine import CardMode, GpuReading, MachineReading, MachineState, Mode
from tidegate.core.policy import Policy
from tidegate.core.texts import format_size


def observe(machine: MachineState, policy: Policy, reading: MachineReading, timed: bool) -> None:
    """Take a reading in. Only timed ones advance the moving averages and the cool-down (D6)."""
    before = machine.reading
    machine.reading = reading
    for card in reading.gpus:
        machine.cards[card.index] = judge_card(card, machine.cards.get(card.index, CardMode.NORMAL), policy)
    if not timed:
        return
    machine.timed_samples += 1
    machine.memory_ema_pct = _ema(machine.memory_ema_pct, reading.memory_used_pct, policy.ema_alpha)
    other_pct = None if reading.other_cpu_cores is None else 100.0 * reading.other_cpu_cores / reading.cores
    machine.other_cpu_ema_pct = _ema(machine.other_cpu_ema_pct, other_pct, policy.ema_alpha)
    machine.swap_in_rising = bool(
        before is not None
        and before.swap_in_bytes_s is not None
        and reading.swap_in_bytes_s is not None
        and reading.swap_in_bytes_s > before.swap_in_bytes_s
    )
    machine.falling_bytes_s = _falling(before, reading)
    if emergency_causes(machine, policy):
        machine.clear_ticks = 0
        machine.last_emergency_at = reading.at
    elif reading.memory_used_pct is not None:
        machine.clear_ticks += 1


def _ema(before: float | None, value: float | None, alpha: float) -> float | None:
    return before if value is None else smoothed(before, value, alpha)


def smoothed(before: float | None, value: float, alpha: float) -> float:
    """The next step of an exponential moving average; the first value stands for itself."""
    return value if before is None else alpha * value + (1.0 - alpha) * before


def _falling(before: MachineReading | None, reading: MachineReading) -> float:
    """How fast available memory falls, bytes per second; negative when it rises, 0 when nobody knows."""
    if before is None or before.memory_available_bytes is None or reading.memory_available_bytes is None:
        return 0.0
    elapsed = reading.at - before.at
    if elapsed <= 0:
        return 0.0
    return (before.memory_available_bytes - reading.memory_available_bytes) / elapsed


def emergency_causes(machine: MachineState, policy: Policy) -> tuple[str, ...]:
    """Why the raw reading is an emergency; empty when it is not."""
    reading = machine.reading
    if reading is None or reading.memory_used_pct is None or policy.memory_emergency_pct is None:
        return ()
    causes: list[str] = []
    used = reading.memory_used_pct
    if used > policy.memory_emergency_pct:
        causes.append(f"memory at {used:.0f} %, over the emergency line of {policy.memory_emergency_pct:g} %")
    available = reading.memory_available_bytes
    reserve = policy.reserve_bytes(reading.memory_total_bytes)
    if available is not None and available < reserve:
        causes.append(f"{format_size(available)} of memory left, less than the reserve of {format_size(reserve)}")
    swap = reading.swap_used_pct
    if swap is not None and swap > policy.swap_emergency_pct:
        over_high = policy.memory_high_pct is not None and used > policy.memory_high_pct
        if over_high or machine.swap_in_rising:
            causes.append(f"swap at {swap:.0f} %, over its line of {policy.swap_emergency_pct:g} %")
    return tuple(causes)


def high_causes(machine: MachineState, policy: Policy, pressed_cards: Sequence[int] = ()) -> tuple[str, ...]:
    """Why the machine counts as HIGH, with the hysteresis when it already does; empty when it does not."""
    lower = policy.mode_hysteresis_pct if machine.mode is not Mode.NORMAL else 0.0
    causes: list[str] = []

    def over(value: float | None, line: float | None) -> bool:
        if value is None or line is None:
            return False
        return value >= line - lower if lower else value > line

    if over(machine.memory_ema_pct, policy.memory_high_pct):
        causes.append(f"memory at {machine.memory_ema_pct:.0f} %, high line {policy.memory_high_pct:g} %")
    if over(machine.other_cpu_ema_pct, policy.cpu_high_pct):
        causes.append(
            f"other programs use {machine.other_cpu_ema_pct:.0f} % of the CPU, line {policy.cpu_high_pct:g} %"
        )
    causes += [f"GPU {index} is almost out of memory" for index in pressed_cards]
    return tuple(causes)


def judge(
    machine: MachineState, policy: Policy, now: float, pressed_cards: Sequence[int] = ()
) -> tuple[Mode, tuple[str, ...]]:
    """The mode that the readings so far call for, and why. ``pressed_cards`` are those the guard acts on."""
    reading = machine.reading
    if reading is None or reading.memory_used_pct is None:
        return machine.mode, machine.mode_causes
    causes = emergency_causes(machine, policy)
    if causes:
        return Mode.EMERGENCY, causes
    if machine.mode is Mode.EMERGENCY and _cooling(machine, policy, now):
        return Mode.EMERGENCY, ("just out of an emergency; waiting for calm",)
    causes = high_causes(machine, policy, pressed_cards)
    return (Mode.HIGH, causes) if causes else (Mode.NORMAL, ())


def _cooling(machine: MachineState, policy: Policy, now: float) -> bool:
    if machine.clear_ticks <= policy.emergency_cooldown_ticks:
        return True
    return machine.last_emergency_at is not None and now - machine.last_emergency_at < policy.emergency_cooldown_s


def judge_card(card: GpuReading, before: CardMode, policy: Policy) -> CardMode:
    """The state of one card (D6): unreadable, hot, over its emergency or high line, or normal; with hysteresis."""
    if card.lost or card.memory_total_bytes is None or card.memory_used_bytes is None:
        return CardMode.UNREADABLE
    used = 100.0 * card.memory_used_bytes / card.memory_total_bytes if card.memory_total_bytes else 0.0
    if used > policy.gpu_memory_emergency_pct:
        return CardMode.EMERGENCY
    if card.temperature_c is not None and card.temperature_c > policy.gpu_stop_temperature_c:
        return CardMode.HOT
    lower = policy.mode_hysteresis_pct if before in (CardMode.HIGH, CardMode.EMERGENCY) else 0.0
    return CardMode.HIGH if used > policy.gpu_memory_high_pct - lower else CardMode.NORMAL

"""Measuring by numbers and properties: whose memory it is, what counts as calm, and jumps of the clock (D6, D9)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.estimates import other_programs_bytes
from tidegate.core.events import ClockRebased, JobsMeasured, JobStarted, JobStarting, JobSubmitted, MachineSampled
from tidegate.core.job import JobId, JobSpec, RunRef, Usage, time_limit_at
from tidegate.core.machine import CardMode, GpuReading, MachineReading, Mode
from tidegate.core.modes import judge, judge_card
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, Estimate, EstimateSource
from tidegate.core.state import State
from tidegate.core.transitions import apply

SIZE = st.integers(0, 64 * GIB)


def reading(at: float, available: int | None, total: int = 16 * GIB, **more: object) -> MachineReading:
    return MachineReading(at, 8, total, available, other_cpu_cores=0.0, **more)  # type: ignore[arg-type]


def running(state: State, reserved: int, at: float = 0.0, **fields: object) -> JobId:
    id_ = JobId(len(state.jobs) + 1)
    spec = JobSpec(("x",), "/", "x", **fields)  # type: ignore[arg-type]
    apply(state, JobSubmitted(at, id_, spec, id_.number))
    apply(state, JobStarting(at, id_, 1, str(id_), Estimate(reserved, EstimateSource.DECLARED, 1.0)))
    apply(state, JobStarted(at, id_, RunRef(str(id_))))
    return id_


@given(used=SIZE, ours=SIZE, unseen=SIZE, last=st.none() | SIZE)
def test_others_use_lies_between_what_is_certain_and_what_is_possible(
    used: int, ours: int, unseen: int, last: int | None
) -> None:
    most = max(0, used - ours)
    others = other_programs_bytes(used, ours, unseen, last)
    assert max(0, most - unseen) <= others <= most
    if last is not None and max(0, most - unseen) <= last <= most:
        assert others == last, "what can be explained by our own jobs is no change of the others"


def test_a_job_not_measured_yet_is_neither_counted_as_others_nor_twice() -> None:
    state = State(Policy())
    apply(state, MachineSampled(reading(0.0, 14 * GIB)))
    assert state.machine.other_bytes == 2 * GIB
    job = running(state, 4 * GIB)
    apply(state, MachineSampled(reading(1.0, 11 * GIB)))
    assert state.machine.other_bytes == 2 * GIB
    apply(state, MachineSampled(reading(2.0, 8 * GIB)))
    assert state.machine.other_bytes == 4 * GIB, "more than the job's promise cannot be the job's"
    apply(state, JobsMeasured(3.0, ((job, Usage(3.0, 3 * GIB)),)))
    apply(state, MachineSampled(reading(3.0, 11 * GIB)))
    assert state.machine.other_bytes == 2 * GIB


def test_a_reading_that_knows_nothing_is_not_a_calm_one() -> None:
    policy, state = Policy(), State(Policy())
    apply(state, MachineSampled(reading(0.0, GIB // 2)))
    state.machine.mode = Mode.EMERGENCY
    for at in (1.0, 2.0, 3.0, 4.0, 5.0):
        apply(state, MachineSampled(reading(at, None)))
    apply(state, MachineSampled(reading(6.0, 14 * GIB)))
    assert judge(state.machine, policy, 6.0)[0] is Mode.EMERGENCY


def test_a_card_out_of_memory_is_an_emergency_however_hot_it_is() -> None:
    card = GpuReading(0, "u", "n", 100, 97, temperature_c=99.0)
    assert judge_card(card, CardMode.NORMAL, Policy()) is CardMode.EMERGENCY
    cool = GpuReading(0, "u", "n", 100, 7, temperature_c=99.0)
    assert judge_card(cool, CardMode.NORMAL, Policy()) is CardMode.HOT


@given(jump=st.floats(-1e6, 1e6), ran=st.floats(0.0, 1e4), limit=st.floats(1.0, 1e5))
def test_a_jump_of_the_clock_is_nobodys_running_time_in_either_direction(jump: float, ran: float, limit: float) -> None:
    state = State(Policy())
    job = running(state, GIB, time_limit_s=limit)
    before = time_limit_at(state.jobs[job])
    apply(state, ClockRebased(ran + jump, jump))
    after = time_limit_at(state.jobs[job])
    assert before is not None
    assert after is not None
    assert abs((after - (ran + jump)) - (before - ran)) < 1e-3, "as much time is left as before"


@given(jump=st.floats(-1e6, 1e6))
def test_after_a_jump_no_moment_the_guard_waits_from_lies_elsewhere(jump: float) -> None:
    state = State(Policy())
    machine = state.machine
    machine.last_emergency_at = machine.last_intervention_at = machine.last_thaw_at = machine.mode_since = 100.0
    apply(state, ClockRebased(105.0 + jump, jump))
    moments = (machine.last_emergency_at, machine.last_intervention_at, machine.last_thaw_at, machine.mode_since)
    assert all(abs(105.0 + jump - moment - 5.0) < 1e-3 for moment in moments)


def test_falling_is_positive_rising_negative_and_unknown_nothing() -> None:
    state = State(Policy())
    apply(state, MachineSampled(reading(0.0, 8 * GIB)))
    apply(state, MachineSampled(reading(2.0, 6 * GIB)))
    assert state.machine.falling_bytes_s == GIB
    apply(state, MachineSampled(reading(3.0, 7 * GIB)))
    assert state.machine.falling_bytes_s == -GIB
    apply(state, MachineSampled(reading(4.0, None)))
    assert state.machine.falling_bytes_s == 0.0


@given(jump=st.floats(-1e6, 1e6))
def test_after_a_jump_a_job_has_run_for_as_long_as_before(jump: float) -> None:
    state = State(Policy())
    job = state.jobs[running(state, GIB)]
    before = 50.0 - job.status.since  # type: ignore[union-attr]
    apply(state, ClockRebased(50.0 + jump, jump))
    assert abs(50.0 + jump - job.status.since - before) < 1e-3, "its turn is as long"  # type: ignore[union-attr]

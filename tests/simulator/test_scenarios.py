"""Whole scenarios on virtual time: what each feature of the simulated machine does to decisions, and determinism."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.job import JobSpec, Outcome
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.simulator import scenario as scenarios
from tidegate.simulator.cards import fake_card
from tidegate.simulator.curves import Curve, level, steps
from tidegate.simulator.fake_machine import FakeMachine
from tidegate.simulator.fake_runs import Behaviour
from tidegate.simulator.others import CardLoad, OtherUser
from tidegate.simulator.report import Report, export
from tidegate.simulator.scenario import CORES_ONLY, Machine, Scenario, simulate
from tidegate.simulator.workload import TraceJob, Workload


def traced(name: str, at_s: float, behaviour: Behaviour, **spec: object) -> TraceJob:
    fields = {"command": (name,), "cwd": "/", "name": name, "notify": False, **spec}
    return TraceJob(name, at_s, JobSpec(**fields), behaviour)  # type: ignore[arg-type]


def running(*jobs: TraceJob, machine: Machine | None = None, policy: Policy | None = None, **more: object) -> Report:
    where = machine or Machine(4, 16 * GIB)
    return simulate(Scenario(Workload("test", jobs), where, policy or Policy(), **more))  # type: ignore[arg-type]


def outcome(report: Report, name: str) -> Outcome | None:
    return dict(report.jobs)[name].outcome


def times(report: Report, name: str) -> tuple[float, float]:
    """Start and end of a job's last run, seconds since the beginning."""
    run = dict(report.jobs)[name].attempts[-1]
    assert run.started_at is not None
    assert run.ended_at is not None
    return round(run.started_at - report.begun_at, 6), round(run.ended_at - report.begun_at, 6)


def needs(size: int, duration_s: float = 60.0, **more: object) -> Behaviour:
    return Behaviour(duration_s=duration_s, memory_bytes=size, **more)  # type: ignore[arg-type]


# --- the plain case -----------------------------------------------------------------------------------------------


def test_jobs_run_as_long_as_they_last_in_the_order_that_admission_allows() -> None:
    jobs = [traced(name, 0.0, needs(GIB, 100), cores=2.0, memory_bytes=GIB) for name in "abc"]
    report = running(*jobs)
    assert [times(report, name) for name in "abc"] == [(0, 100), (0, 100), (100, 200)]
    found = report.measures
    assert (found.jobs, found.starts, found.succeeded, found.preemptions) == (3, 3, 3, 0)
    assert found.mean_wait_s == pytest.approx(100 / 3)
    assert found.p95_wait_s == 100
    assert found.mean_slowdown == pytest.approx((1 + 1 + 2) / 3)
    assert found.makespan_s == 200
    assert report.cores_used_pct == pytest.approx(100 * 3 * 100 / (4 * 200)), (
        "each used one core of the two it asked for"
    )
    assert report.memory_used_pct == pytest.approx(100 * 3 * 100 / (16 * 200))


def test_a_requested_time_is_expected_and_ends_nothing() -> None:
    report = running(traced("long", 0.0, needs(GIB, 500), memory_bytes=GIB, time_limit_s=10.0))
    assert outcome(report, "long") is Outcome.SUCCEEDED
    assert times(report, "long") == (0, 500)


def test_what_could_never_run_is_left_out_and_said() -> None:
    report = running(traced("wide", 0.0, needs(GIB), cores=64.0), traced("fits", 0.0, needs(GIB), memory_bytes=GIB))
    assert [refusal.job for refusal in report.refused] == ["wide"]
    assert "64 cores" in report.refused[0].sentence
    assert report.measures.jobs == 1


def test_a_simulation_without_a_future_comes_to_an_end() -> None:
    """Other people hold the memory for ever: what waits is given up, not waited for."""
    everything = OtherUser("somebody", memory=level(15 * GIB))
    report = running(
        traced("waits", 0.0, needs(4 * GIB), memory_bytes=4 * GIB), machine=Machine(4, 16 * GIB, (), 0, (everything,))
    )
    assert report.unfinished == 1
    assert report.measures.starts == 0


# --- features of the machine --------------------------------------------------------------------------------------


def test_a_leak_is_stopped_by_the_guard_before_the_kernel_has_to() -> None:
    leak = Behaviour(duration_s=300, memory_bytes=GIB, grows_bytes_s=40 * MIB)
    calm = needs(4 * GIB, 300)
    report = running(
        traced("leak", 0.0, leak, memory_bytes=GIB, priority=7),
        traced("calm", 0.0, calm, memory_bytes=4 * GIB),
    )
    assert times(report, "calm") == (0, 300)
    assert outcome(report, "leak") is Outcome.SUCCEEDED, "it goes on as soon as there is room for it"
    assert times(report, "leak")[1] > 310
    assert report.measures.preemptions >= 1
    assert report.killed_by_kernel == 0


def test_the_kernel_kills_the_largest_when_memory_is_really_exceeded() -> None:
    """Nobody samples between two seconds: what grows faster than that is out of the guard's reach here."""
    bomb = Behaviour(duration_s=600, memory_curve=steps((0, 100 * MIB), (5.2, 15 * GIB)))
    report = running(
        traced("bomb", 0.0, bomb, memory_bytes=GIB), traced("calm", 0.0, needs(2 * GIB, 30), memory_bytes=2 * GIB)
    )
    assert report.killed_by_kernel == 1
    [run] = dict(report.jobs)["bomb"].attempts
    assert (outcome(report, "bomb"), run.signal) == (Outcome.FAILED, 9)
    assert run.peak_memory_bytes == 15 * GIB
    assert outcome(report, "calm") is Outcome.SUCCEEDED
    assert report.measures.work_lost_core_s == pytest.approx(run.cpu_s or 0)


def test_other_peoples_load_over_time_makes_jobs_wait() -> None:
    lunch = OtherUser("modeller", memory=steps((0, 12 * GIB), (1000, GIB)), cores=steps((0, 1.0), (1000, 0.0)))
    report = running(
        traced("big", 5.0, needs(6 * GIB, 50), memory_bytes=6 * GIB), machine=Machine(4, 16 * GIB, (), 0, (lunch,))
    )
    started, ended = times(report, "big")
    assert 1000 <= started + 1 <= 1002, "within a sample of the moment when they leave"
    assert ended - started == 50


def test_a_memory_curve_is_measured_as_it_goes() -> None:
    hill = Curve(((0.0, GIB), (100.0, 6.0 * GIB), (200.0, GIB)))
    report = running(traced("hill", 0.0, Behaviour(duration_s=300, memory_curve=hill), memory_bytes=7 * GIB))
    [run] = dict(report.jobs)["hill"].attempts
    assert run.peak_memory_bytes == 6 * GIB
    assert report.memory_used_pct == pytest.approx(100 * (2 * 3.5 * 100 + 100) / (16 * 300), rel=1e-3)


def test_a_lost_card_fails_what_runs_on_it_and_takes_jobs_again_when_it_is_back() -> None:
    card = replace(fake_card(0), memory_used_bytes=0)
    happenings = ((30.0, partial(FakeMachine.lose_card, index=0)), (500.0, partial(FakeMachine.return_card, index=0)))
    wanted = GpuRequest(1, 4 * GIB)
    jobs = [
        traced(
            name,
            at_s,
            needs(GIB, 100, gpu_memory_bytes=4 * GIB, gpu_utilisation_pct=90.0),
            memory_bytes=GIB,
            gpu=wanted,
        )
        for name, at_s in (("first", 0.0), ("second", 40.0))
    ]
    report = running(*jobs, machine=Machine(4, 16 * GIB, (card,)), happenings=happenings)
    assert outcome(report, "first") is Outcome.FAILED
    assert times(report, "first")[1] == 30
    assert 500 <= times(report, "second")[0] <= 502
    assert outcome(report, "second") is Outcome.SUCCEEDED


def test_a_hot_card_takes_no_new_job_until_it_has_cooled() -> None:
    hot = ((0.0, partial(FakeMachine.heat_card, index=0, temperature_c=95.0)),)
    cooled = ((200.0, partial(FakeMachine.heat_card, index=0, temperature_c=60.0)),)
    job = traced("train", 10.0, needs(GIB, 20), memory_bytes=GIB, gpu=GpuRequest(1, GIB))
    report = running(job, machine=Machine(4, 16 * GIB, (fake_card(0),)), happenings=hot + cooled)
    assert 200 <= times(report, "train")[0] <= 202


def test_another_persons_process_on_a_card_is_counted() -> None:
    colleague = OtherUser("colleague", cards={0: CardLoad(memory=steps((0, 23 * GIB), (300, 0)))})
    job = traced("train", 5.0, needs(GIB, 20), memory_bytes=GIB, gpu=GpuRequest(1, 8 * GIB))
    report = running(job, machine=Machine(4, 16 * GIB, (fake_card(0, 24 * GIB),), 0, (colleague,)))
    assert 299 <= times(report, "train")[0] <= 302


def test_sleep_is_nobodys_work_and_no_wait_of_the_machine() -> None:
    slept = ((20.0, partial(FakeMachine.sleep, seconds=3600.0)),)
    report = running(traced("works", 0.0, needs(GIB, 100), memory_bytes=GIB), happenings=slept)
    [run] = dict(report.jobs)["works"].attempts
    assert outcome(report, "works") is Outcome.SUCCEEDED
    assert times(report, "works") == (0, 3700), "awake it worked its hundred seconds"
    assert run.cpu_s == pytest.approx(100)
    assert run.paused_s == pytest.approx(3600), "the jump is nobody's running time"


@pytest.mark.parametrize(("contention", "lasts"), [(False, 100), (True, 200)])
def test_jobs_that_share_too_few_cores_slow_down_only_when_asked(contention: bool, lasts: float) -> None:
    greedy = needs(GIB, 100, cores=4.0)
    jobs = [traced(name, 0.0, greedy, cores=2.0, memory_bytes=GIB) for name in "ab"]
    report = running(*jobs, contention=contention)
    assert [times(report, name)[1] for name in "ab"] == [lasts, lasts]


def test_a_shared_card_slows_down_who_wants_more_than_there_is() -> None:
    half = needs(GIB, 100, gpu_memory_bytes=GIB, gpu_utilisation_pct=80.0)
    jobs = [traced(name, 0.0, half, memory_bytes=GIB, gpu=GpuRequest(0.5, GIB)) for name in "ab"]
    report = running(*jobs, machine=Machine(4, 16 * GIB, (fake_card(0),)), contention=True)
    assert [times(report, name)[1] for name in "ab"] == [pytest.approx(160), pytest.approx(160)]


# --- determinism ---------------------------------------------------------------------------------------------

shape = st.tuples(
    st.integers(0, 40), st.integers(1, 90), st.sampled_from((0.5, 1, 2, 4)), st.sampled_from((None, 200, 1500, 6000)),
    st.integers(3, 7), st.booleans(),
)  # fmt: skip


def from_shapes(shapes: list[tuple[int, int, float, int | None, int, bool]]) -> Workload:
    jobs = []
    for number, (at_s, duration_s, cores, memory, priority, ramps) in enumerate(sorted(shapes, key=lambda one: one[0])):
        held = (memory or 100) * MIB
        behaviour = Behaviour(duration_s=duration_s, memory_bytes=held, cores=cores, ramp_s=5.5 if ramps else 0.0)
        declared = None if memory is None else held
        jobs.append(
            traced(f"j{number}", float(at_s), behaviour, cores=cores, memory_bytes=declared, priority=priority,
                   command=(f"kind-{number % 3}",))
        )  # fmt: skip
    return Workload("drawn", tuple(jobs))


@settings(max_examples=8)
@given(st.lists(shape, min_size=1, max_size=12), st.integers(0, 3))
def test_same_seed_same_scenario_same_export_byte_for_byte(shapes: list, seed: int) -> None:
    somebody = OtherUser(
        "somebody", memory=steps((0, GIB), (30, 9 * GIB), (60, 2 * GIB)), cores=steps((10, 2.0), (50, 0))
    )
    scenario = Scenario(
        from_shapes(shapes),
        Machine(4, 12 * GIB, (), 0, (somebody,)),
        Policy(),
        seed=seed,
        jitter_pct=30,
        contention=True,
    )
    assert export({}, [simulate(scenario)]) == export({}, [simulate(scenario)])


def test_another_seed_draws_other_durations() -> None:
    jobs = Workload("w", (traced("a", 0.0, needs(GIB, 100), memory_bytes=GIB),))
    ends = {
        times(simulate(Scenario(jobs, Machine(4, 16 * GIB), Policy(), seed=seed, jitter_pct=20)), "a")[1]
        for seed in range(4)
    }
    assert len(ends) == 4
    assert all(80 <= end <= 120 for end in ends)


@settings(max_examples=15)
@given(st.lists(shape, min_size=1, max_size=12), st.booleans(), st.sampled_from(sorted(BUILT_IN)))
def test_a_sampler_that_rests_changes_no_decision(shapes: list, crowded: bool, strategy: str) -> None:
    others = OtherUser("somebody", memory=steps((20, 3 * GIB), (55, (7 if crowded else 1) * GIB), (90, GIB)))
    scenario = Scenario(from_shapes(shapes), Machine(4, 12 * GIB, (), 0, (others,)), Policy(strategy=strategy))
    rested = decisions(simulate(scenario))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenarios, "rest_s", lambda _state, _machine, interval_s: interval_s)
        assert decisions(simulate(scenario)) == rested


def decisions(report: Report) -> list[object]:
    """Who ran when, and how it ended; the figures in a sentence of a blocked job are those of the last look at it."""
    return [(name, replace(run, waited_for=None)) for name, job in report.jobs for run in job.attempts]


def test_a_policy_of_cores_only_looks_at_nothing_but_cores() -> None:
    jobs = [traced(name, 0.0, needs(12 * GIB, 10), cores=1.0, memory_bytes=12 * GIB) for name in "abcd"]
    huge = Machine(4, 64 * GIB)
    assert running(*jobs, machine=huge, policy=CORES_ONLY).measures.makespan_s == 10


def test_months_with_nothing_to_do_cost_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[float] = []
    take = FakeMachine._take_sample
    monkeypatch.setattr(FakeMachine, "_take_sample", lambda self: taken.append(self.clock.now()) or take(self))
    jobs = [traced(f"j{month}", month * 30 * 86_400.0, needs(GIB, 3600), memory_bytes=GIB) for month in range(3)]
    assert running(*jobs).measures.succeeded == 3
    assert len(taken) < 2000, "a sample a second would be five million"

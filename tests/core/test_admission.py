"""Admission by numbers and by properties: the ledger is never exceeded and every refusal is explained (D6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.actions import Start
from tidegate.core.events import (
    IntakeChanged,
    JobExited,
    JobMovedFirst,
    JobsMeasured,
    JobStarted,
    JobStarting,
    JobSubmitted,
    MachineSampled,
    ModeChanged,
)
from tidegate.core.job import JobId, JobKind, JobSpec, Queued, RunRef, Usage
from tidegate.core.machine import GpuReading, MachineReading, Mode
from tidegate.core.planner import plan
from tidegate.core.policy import CORES_ONLY, Policy
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.core.state import State
from tidegate.core.strategies.order import in_order
from tidegate.core.transitions import apply


def machine(
    total: int, available: int | None, cores: int = 8, at: float = 0.0, gpus: tuple[GpuReading, ...] = ()
) -> MachineReading:
    return MachineReading(
        at=at,
        cores=cores,
        memory_total_bytes=total,
        memory_available_bytes=available,
        other_cpu_cores=0.0,
        gpus=gpus,
    )


def state_with(reading: MachineReading, *specs: JobSpec, policy: Policy | None = None) -> State:
    state = State(policy or Policy())
    apply(state, MachineSampled(reading))
    for number, spec in enumerate(specs, start=1):
        apply(state, JobSubmitted(0.0, JobId(number), spec, number))
    return state


def spec(**fields: object) -> JobSpec:
    values: dict[str, object] = {"command": ("x",), "cwd": "/", "name": "x", "cores": 1.0}
    return JobSpec(**{**values, **fields})  # type: ignore[arg-type]


def started(state: State, now: float = 0.0) -> list[int]:
    return [action.id.number for action in plan(state, now).actions if isinstance(action, Start)]


def carry_out(state: State, now: float) -> list[JobId]:
    """Apply every start of a plan, as the engine would."""
    ids = []
    for action in plan(state, now).actions:
        if isinstance(action, Start):
            number = len(state.jobs[action.id].attempts) + 1
            token = f"{action.id}-{number}"
            apply(state, JobStarting(now, action.id, number, token, action.estimate, action.devices, action.bypassed))
            apply(state, JobStarted(now, action.id, RunRef(token)))
            ids.append(action.id)
    return ids


def test_two_jobs_of_1000_mb_at_70_percent_of_8192_exactly_one_starts() -> None:
    total = 8192 * MIB
    policy = Policy(memory_emergency_pct=92, reserve_memory_bytes=512 * MIB)
    job = spec(memory_bytes=1000 * MIB)
    assert started(state_with(machine(total, int(total * 0.30)), job, job, policy=policy)) == [1]


def test_all_failing_reasons_are_given_not_the_first() -> None:
    state = state_with(machine(8 * GIB, 6 * GIB, cores=2), spec(memory_bytes=20 * GIB, cores=3.0))
    codes = [reason.code.value for reason in plan(state, 0.0).waits[JobId(1)]]
    assert codes == ["memory", "cpu"]


def test_a_queued_pair_of_reasons_has_numbers() -> None:
    state = state_with(machine(8 * GIB, 6 * GIB), spec(memory_bytes=7 * GIB))
    [reason] = plan(state, 0.0).waits[JobId(1)]
    assert reason.numbers["needed_bytes"] == 7 * GIB
    assert reason.numbers["free_bytes"] > 0


def test_an_undeclared_python_job_counts_with_two_gigabytes_others_with_512_mb() -> None:
    state = state_with(machine(64 * GIB, 60 * GIB), spec(kind=JobKind.PYTHON), spec())
    first, *_ = plan(state, 0.0).actions
    assert isinstance(first, Start)
    assert first.estimate.memory_bytes == 2 * GIB
    state = state_with(machine(64 * GIB, 60 * GIB), spec())
    [start] = plan(state, 0.0).actions
    assert isinstance(start, Start)
    assert start.estimate.memory_bytes == 512 * MIB


def test_the_default_estimate_is_at_most_half_of_what_is_free() -> None:
    state = state_with(machine(4 * GIB, 3 * GIB), spec(kind=JobKind.PYTHON))
    [start] = plan(state, 0.0).actions
    assert isinstance(start, Start)
    assert start.estimate.memory_bytes == 3 * GIB // 2


def test_high_mode_halves_the_workers_and_keeps_to_the_cutoff() -> None:
    jobs = [spec(memory_bytes=MIB, priority=priority) for priority in (6, 5, 5, 5, 5, 5)]
    state = state_with(machine(64 * GIB, 60 * GIB, cores=8), *jobs, policy=Policy(max_workers=8))
    apply(state, ModeChanged(0.0, Mode.HIGH, ("x",)))
    assert started(state) == [2, 3, 4, 5]
    codes = [reason.code.value for reason in plan(state, 0.0).waits[JobId(1)]]
    assert "priority_cutoff" in codes


def test_emergency_starts_nothing() -> None:
    state = state_with(machine(64 * GIB, 60 * GIB), spec(memory_bytes=MIB))
    apply(state, ModeChanged(0.0, Mode.EMERGENCY, ("memory",)))
    assert started(state) == []


def test_cores_only_knows_no_memory_and_no_workers() -> None:
    jobs = [spec(cores=1.0) for _ in range(5)]
    state = state_with(machine(GIB, MIB, cores=4), *jobs, policy=CORES_ONLY)
    assert started(state) == [1, 2, 3, 4]


def test_a_paused_queue_starts_nothing_and_only_gpu_jobs_wait_when_gpus_are_paused() -> None:
    card = GpuReading(0, "GPU-0", "NVIDIA A", 24 * GIB, 0)
    jobs = [spec(memory_bytes=MIB, gpu=GpuRequest(1, 4 * GIB)), spec(memory_bytes=MIB)]
    state = state_with(machine(64 * GIB, 60 * GIB, gpus=(card,)), *jobs)
    apply(state, IntakeChanged(0.0, open=False, gpu_only=True))
    assert started(state) == [2]
    apply(state, IntakeChanged(0.0, open=False))
    assert started(state) == []


def test_cards_are_budgeted_one_by_one_and_never_together() -> None:
    cards = tuple(GpuReading(i, f"GPU-{i}", "NVIDIA A", 10 * GIB, 6 * GIB) for i in range(2))
    small, large = GpuRequest(0.5, 3 * GIB), GpuRequest(0.5, 5 * GIB)
    state = state_with(
        machine(64 * GIB, 60 * GIB, gpus=cards),
        spec(memory_bytes=MIB, gpu=large),
        spec(memory_bytes=MIB, gpu=small),
        spec(memory_bytes=MIB, gpu=small),
        spec(memory_bytes=MIB, gpu=small),
    )
    starts = {a.id.number: a.devices for a in plan(state, 0.0).actions if isinstance(a, Start)}
    assert set(starts) == {2, 3}
    assert {devices[0] for devices in starts.values()} == {0, 1}


def test_a_card_job_without_a_memory_figure_wants_an_empty_card_for_itself() -> None:
    cards = (GpuReading(0, "GPU-0", "NVIDIA A", 10 * GIB, 3 * GIB), GpuReading(1, "GPU-1", "NVIDIA A", 10 * GIB, GIB))
    state = state_with(
        machine(64 * GIB, 60 * GIB, gpus=cards),
        spec(memory_bytes=MIB, gpu=GpuRequest(0.2)),
        spec(memory_bytes=MIB, gpu=GpuRequest(0.2)),
    )
    [start] = [a for a in plan(state, 0.0).actions if isinstance(a, Start)]
    assert start.devices == (1,)


def test_first_among_equals_by_the_users_word() -> None:
    jobs = [spec(memory_bytes=MIB) for _ in range(3)]
    state = state_with(machine(64 * GIB, 60 * GIB, cores=1), *jobs)
    apply(state, JobMovedFirst(0.0, JobId(3)))
    assert started(state) == [3]


sizes = st.integers(min_value=16, max_value=6000).map(lambda n: n * MIB)
jobs_strategy = st.lists(
    st.tuples(
        st.one_of(st.none(), sizes),
        st.sampled_from([0.5, 1.0, 2.0, 4.0]),
        st.integers(min_value=0, max_value=9),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(jobs_strategy, st.integers(min_value=2048, max_value=30_000), st.integers(min_value=1, max_value=16))
def test_never_over_the_ledger_nobody_lost_everybody_explained(
    jobs: list[tuple[int | None, float, int, bool]], available_mib: int, cores: int
) -> None:
    total = 32 * GIB
    available = available_mib * MIB
    specs = [
        spec(memory_bytes=memory, cores=core_count, priority=priority, kind=JobKind.PYTHON if py else JobKind.OTHER)
        for memory, core_count, priority, py in jobs
    ]
    state = state_with(machine(total, available, cores), *specs)
    policy = state.policy
    line = policy.memory_line_bytes(total)
    assert line is not None
    decided = plan(state, 0.0)
    starts = [action for action in decided.actions if isinstance(action, Start)]
    others = total - available
    assert not starts or others + sum(s.estimate.memory_bytes for s in starts) <= line, "never over the memory ledger"
    assert sum(s.estimate.cores for s in starts) <= cores + 1e-9, "never over the cores"
    assert len(starts) <= (policy.workers(cores) or 0), "never over the workers"
    assert sum(not s.estimate.known for s in starts) <= 1, "unknown jobs start alone among unknowns"
    begun = {s.id for s in starts}
    for id_, job in state.jobs.items():
        assert isinstance(job.status, Queued), "planning changes nothing"
        if id_ not in begun:
            assert decided.waits[id_], f"job {id_} waits and nobody says why"


@given(jobs_strategy, st.lists(st.integers(min_value=0, max_value=7), min_size=1, max_size=10))
def test_everything_that_can_run_runs_in_the_end(
    jobs: list[tuple[int | None, float, int, bool]], who_ends: list[int]
) -> None:
    total, available, cores = 16 * GIB, 14 * GIB, 4
    specs = [spec(memory_bytes=memory, cores=c, priority=p) for memory, c, p, _ in jobs]
    state = state_with(machine(total, available, cores), *specs)
    # Every job ends at the latest 12 s after the one before it, so all of them have when this time is over.
    for step in range(len(jobs) * 15):
        now = float(step + 1)
        live = [
            (id_, Usage(now, job.estimate.memory_bytes if job.estimate else 1, 1.0))
            for id_, job in state.active.items()
        ]
        used = sum(usage.memory_bytes or 0 for _, usage in live)
        apply(state, JobsMeasured(now, tuple(live)))
        apply(state, MachineSampled(machine(total, available - used, cores, now)))
        carry_out(state, now)
        state.check()
        if state.active and step % 3 == 0:
            ids = sorted(state.active)
            id_ = ids[who_ends[step % len(who_ends)] % len(ids)]
            apply(state, JobExited(now, id_, state.jobs[id_].attempts[-1].token, 0, None, 1.0, MIB))
    assert all(job.outcome is not None for job in state.jobs.values()), "no job is forgotten"


@given(st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=60))
def test_the_order_is_priority_then_arrival(priorities: list[int]) -> None:
    specs = [spec(memory_bytes=MIB * (1 + n % 3), priority=p) for n, p in enumerate(priorities)]
    state = state_with(machine(64 * GIB, 60 * GIB, cores=1), *specs)
    expected = [n for _, n in sorted((p, n) for n, p in enumerate(priorities, start=1))]
    assert [id_.number for id_ in in_order(state, 0.0)] == expected
    order = []
    while len(state.line):
        [id_] = carry_out(state, 0.0)
        order.append(id_.number)
        apply(state, JobExited(0.0, id_, state.jobs[id_].attempts[-1].token, 0, None))
    assert order == expected


@given(st.integers(min_value=1, max_value=40))
def test_a_plan_is_deterministic_and_changes_nothing(count: int) -> None:
    specs = [spec(memory_bytes=(n % 5 + 1) * GIB, priority=n % 10) for n in range(count)]
    state = state_with(machine(32 * GIB, 20 * GIB), *specs)
    version = state.version
    assert plan(state, 0.0).actions == plan(state, 0.0).actions
    assert state.version == version
    assert plan(state.fork(), 0.0).actions == plan(state, 0.0).actions


def test_a_declared_promise_holds_until_the_end_and_an_unknown_one_until_it_settles() -> None:
    from tidegate.core.estimates import holding

    state = state_with(machine(64 * GIB, 60 * GIB), spec(memory_bytes=4 * GIB), spec())
    carry_out(state, 0.0)
    declared, unknown = state.jobs[JobId(1)], state.jobs[JobId(2)]
    for at in range(1, 30):
        usage = Usage(float(at), 100 * MIB, 1.0)
        apply(state, JobsMeasured(float(at), ((JobId(1), usage), (JobId(2), usage))))
    assert holding(declared, state.policy, None, 30.0).memory_bytes == 4 * GIB
    assert holding(unknown, state.policy, None, 30.0).memory_bytes == int(100 * MIB * 1.2)

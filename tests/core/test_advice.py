"""What holds of all findings whatever the situation: same facts, same findings; and steps that can be taken."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.advice import AdvisedWorld, cards, doing
from support.world import a_job
from tidegate.core.advice.detect import find_conflicts, find_hints
from tidegate.core.advice.lasting import CALM_S, Lasting
from tidegate.core.conflicts import LEAVE, POLICIES, Conflict, ConflictKind, Severity
from tidegate.core.job import OnPreempt, Touches
from tidegate.engine.ports import Verb

GIB = 1 << 30

VERBS = {verb.value for verb in Verb} | {"requeue"}
TOUCHES = st.sampled_from(
    [
        None,
        Touches(writes=("/data/a",)),
        Touches(writes=("/data/a", "/venv/x"), ports=(80,)),
        Touches(ports=(80,), environments=("/venv",)),
    ]
)


@st.composite
def jobs(draw: st.DrawFn) -> object:
    job = a_job(draw(st.sampled_from(["train", "eval"]))).needing(draw(st.sampled_from(["1G", "4G", "9G"])))
    job = job.with_priority(draw(st.integers(0, 9))).lasting(draw(st.sampled_from([30.0, 300.0, 5000.0])))
    job = job.on_cores(draw(st.sampled_from([1.0, 3.0, 8.0])))
    if draw(st.booleans()):
        job = job.on_gpu(draw(st.sampled_from([0.5, 1])), "8G")
    fields = {
        "time_limit_s": draw(st.sampled_from([None, 60.0, 4000.0])),
        "deadline_at": draw(st.sampled_from([None, 1_004_500.0, 1_009_000.0])),
        "begin_at": draw(st.sampled_from([None, None, 1_001_000.0, 1_001_100.0])),
        "stdout_path": draw(st.sampled_from([None, "/data/out"])),
        "preemptible": draw(st.booleans()),
        "on_preempt": draw(st.sampled_from(list(OnPreempt))),
        "locks": draw(st.sampled_from([(), ("db",)])),
    }
    return doing(
        job.having(**fields),
        grows_bytes_s=draw(st.sampled_from([0.0, 1e7])),
        cores=draw(st.sampled_from([0.1, 2.0, 8.0])),
        gpu_memory_bytes=draw(st.sampled_from([0, 9 * GIB])),
        gpu_utilisation_pct=draw(st.sampled_from([0.0, 60.0])),
        threads=draw(st.sampled_from([None, 4, 200])),
        touches=draw(TOUCHES),
    )


@settings(max_examples=40)
@given(st.lists(jobs(), min_size=2, max_size=7), st.integers(3, 60), st.sampled_from(["by_hand", *POLICIES]))
def test_findings_are_deterministic_and_their_steps_name_jobs_that_exist(
    wanted: list[object], seconds: int, policy: str
) -> None:
    world = AdvisedWorld(cores=8, gpus=cards(), resolve=policy)
    for job in wanted:
        world.try_submit(job)  # type: ignore[arg-type]
    world.advance(seconds)
    state, plan, now = world.engine.state, world.engine.plan, world.clock.now()
    assert plan is not None
    conflicts, hints = find_conflicts(state, plan, now), find_hints(state, plan, now)
    assert conflicts == find_conflicts(state, plan, now), "the same facts give the same conflicts"
    assert hints == find_hints(state, plan, now), "the same facts give the same hints"
    assert len({each.key for each in conflicts}) == len(conflicts)
    for conflict in conflicts:
        assert len(conflict.jobs) >= 2, "a conflict has two parties"
        assert len(set(conflict.jobs)) == len(conflict.jobs)
        assert conflict.proposals[-1].name == LEAVE
        assert conflict.sentence.endswith(".")
        for way in conflict.proposals:
            assert {*(step.job for step in way.steps), *way.until} <= set(conflict.jobs), "a way moves only its parties"
            if way.name in POLICIES:
                assert all(step.verb not in ("cancel", "kill") for step in way.steps), "a policy ends nothing for good"
    proposals = [
        *(way for each in conflicts for way in each.proposals),
        *(hint.action for hint in hints if hint.action),
    ]
    for step in (step for proposal in proposals for step in proposal.steps):
        assert step.job in state.jobs, "a step names a job that exists"
        assert step.verb in VERBS
    for hint in hints:
        assert all(id in state.jobs for id in hint.jobs)
        assert hint.message.endswith(".")


def found(key: str, after_s: float) -> Conflict:
    return Conflict(key, ConflictKind.SCHEDULE_CONFLICT, Severity.LOW, "begin", (), "", after_s=after_s)


@given(st.lists(st.booleans(), min_size=1, max_size=120), st.floats(0.0, 60.0))
def test_nothing_begins_before_it_lasted_and_nothing_is_over_before_it_was_away(
    seen: list[bool], after_s: float
) -> None:
    lasting: Lasting[Conflict] = Lasting()
    is_open, away = False, 0.0
    for look, here in enumerate(seen):
        now = 100.0 + 2.0 * look
        begun, _, over = lasting.observe(now, [found("x", after_s)] if here else [])
        away = 0.0 if here else away + 2.0
        if begun:
            assert here
            assert not is_open, "it begins once"
            is_open = True
        if over:
            assert is_open
            assert away >= CALM_S, "it is over only when it has been away"
            is_open = False


def test_what_is_muted_stays_so_until_it_has_been_away() -> None:
    lasting: Lasting[Conflict] = Lasting()
    one = found("x", 0.0)
    assert lasting.observe(0.0, [one])[0] == [one]
    lasting.mute("x")
    assert lasting.observe(2.0, [one]) == ([], [], [])
    assert lasting.observe(20.0, []) == ([], [], [])
    assert lasting.observe(22.0, [one]) == ([], [], [])
    assert lasting.observe(60.0, []) == ([], [], [])
    assert lasting.observe(62.0, [one])[0] == [one]


def test_a_long_time_without_a_look_counts_as_nothing() -> None:
    lasting: Lasting[Conflict] = Lasting()
    slow, quick = found("slow", 60.0), found("quick", 0.0)
    lasting.observe(0.0, [slow, quick])
    begun, _, over = lasting.observe(5000.0, [])
    assert (begun, over) == ([], [])
    assert lasting.observe(5002.0, [slow])[0] == []

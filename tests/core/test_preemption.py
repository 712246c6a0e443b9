"""Preemption by itself: who makes room, by which means, and when nobody does; every answer makes the job really fit."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.scene import Scene, a_card, a_spec
from tidegate.core import events as e
from tidegate.core.actions import Action, Pause, Terminate
from tidegate.core.admission import expected, failing, open_ledger
from tidegate.core.departures import after
from tidegate.core.guard import relieve_cards
from tidegate.core.job import JobId, JobSpec, OnPreempt, Outcome, PauseReason
from tidegate.core.machine import CardMode
from tidegate.core.planner import plan
from tidegate.core.preemption import is_waited_for, make_room
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import GIB, GpuRequest
from tidegate.core.transitions import apply

NOW = 1000.0


def batch(memory: int = 1, cores: float = 1.0, **fields: object) -> JobSpec:
    return a_spec(queue="batch", memory_bytes=memory * GIB, cores=cores, **fields)


def ask(scene: Scene, id: JobId, now: float = NOW, decided: Sequence[JobId] = ()) -> tuple[Action, ...]:
    ledger = open_ledger(scene.state, now)
    job = scene.state.jobs[id]
    figure = expected(scene.state, job, ledger)
    codes, _ = failing(scene.state, job, figure, ledger)
    assert codes, "it fits as it is"
    return make_room(scene.state, ledger, job, figure, codes, decided)


def urgent(scene: Scene, **fields: object) -> JobId:
    return scene.submit(a_spec(queue="realtime", name="urgent", **fields), NOW)


def test_cores_are_made_free_by_pauses_that_lose_nothing_and_say_for_whom() -> None:
    scene = Scene(cores=4)
    jobs = [scene.run(batch(cores=1.0)) for _ in range(4)]
    actions = ask(scene, urgent(scene, cores=2.0))
    assert len(actions) == 2
    for action in actions:
        assert isinstance(action, Pause)
        assert (action.id in jobs, action.reason) == (True, PauseReason.SCHEDULING)
        assert action.why == "made room for urgent (job 5)"


def test_a_pause_gives_no_memory_so_only_who_may_leave_is_asked_to() -> None:
    scene = Scene()
    scene.run(batch(10))
    scene.sample(NOW, 6 * GIB)
    wanting = urgent(scene, memory_bytes=8 * GIB)
    assert ask(scene, wanting) == ()
    scene = Scene()
    scene.run(batch(6))
    leaves = scene.run(batch(4, on_preempt=OnPreempt.REQUEUE))
    scene.sample(NOW, 6 * GIB)
    [action] = ask(scene, urgent(scene, memory_bytes=8 * GIB))
    assert isinstance(action, Terminate)
    assert (action.id, action.outcome) == (leaves, None)
    assert action.why == "requeued: made room for urgent (job 3)"


def test_who_said_kill_is_ended_for_good() -> None:
    scene = Scene()
    ends = scene.run(batch(10, on_preempt=OnPreempt.KILL))
    scene.sample(NOW, 6 * GIB)
    [action] = ask(scene, urgent(scene, memory_bytes=8 * GIB))
    assert isinstance(action, Terminate)
    assert (action.id, action.outcome) == (ends, Outcome.KILLED)


def test_the_cheapest_set_is_the_least_important_then_the_fewest_then_the_least_work_lost() -> None:
    scene = Scene(cores=16)
    requeue = {"on_preempt": OnPreempt.REQUEUE}
    scene.run(batch(6, priority=2, **requeue))
    old = scene.run(batch(3, priority=8, **requeue))
    young = scene.run(batch(3, priority=8, **requeue), at=NOW - 10)
    scene.run(batch(1, priority=8, **requeue), at=NOW - 5)
    scene.sample(NOW, 3 * GIB)
    [action] = ask(scene, urgent(scene, memory_bytes=4 * GIB))
    assert action.id == young, f"neither the important one nor {old}, which has run for long"


@pytest.mark.parametrize(
    "spec",
    [batch(1, preemptible=False), a_spec(), a_spec(queue="realtime")],
    ids=["not preemptible", "another queue", "its own queue"],
)
def test_who_need_not_make_room_is_left_alone(spec: JobSpec) -> None:
    scene = Scene(cores=1)
    scene.run(spec)
    assert ask(scene, urgent(scene)) == ()


def test_a_queue_that_preempts_nobody_waits() -> None:
    scene = Scene(cores=1)
    scene.run(batch())
    assert ask(scene, scene.submit(a_spec(), NOW)) == ()


def test_nobody_is_taken_from_when_something_else_is_in_the_way_or_it_would_not_be_enough() -> None:
    scene = Scene(cores=2)
    scene.run(batch(locks=("disk",)))
    scene.run(a_spec(queue="realtime"))
    assert ask(scene, urgent(scene, locks=("disk",))) == (), "a lock is no matter of preemption"
    assert ask(scene, urgent(scene, cores=2.0)) == (), "one core would come free, two are needed"


def test_what_is_on_its_way_is_waited_for_and_nobody_else_is_taken() -> None:
    scene = Scene()
    first = scene.run(batch(10, on_preempt=OnPreempt.REQUEUE, priority=8))
    scene.run(batch(3, on_preempt=OnPreempt.REQUEUE))
    scene.sample(NOW, 3 * GIB)
    wanting = urgent(scene, memory_bytes=8 * GIB)
    [action] = ask(scene, wanting)
    assert action.id == first
    assert all(other.id != first for other in ask(scene, wanting, decided=(first,)))
    apply(scene.state, e.JobStopping(NOW, first, None, "requeued", NOW + 10))
    assert ask(scene, wanting) == ()


def test_who_came_back_from_making_room_runs_a_minute_before_it_has_to_again() -> None:
    scene = Scene(cores=1)
    job = scene.run(batch())
    apply(scene.state, e.JobPaused(NOW, job, PauseReason.SCHEDULING))
    apply(scene.state, e.JobResumed(NOW + 20, job))
    wanting = urgent(scene)
    assert ask(scene, wanting, NOW + 79) == ()
    assert [action.id for action in ask(scene, wanting, NOW + 80)] == [job]


def test_a_paused_job_waits_while_who_may_preempt_it_lacks_what_it_would_take() -> None:
    scene = Scene(cores=1)
    job = scene.run(batch())
    apply(scene.state, e.JobPaused(NOW, job, PauseReason.SCHEDULING))
    paused, wanting, other = scene.state.jobs[job], urgent(scene), scene.submit(a_spec(), NOW)
    ledger = open_ledger(scene.state, NOW)
    assert is_waited_for(scene.state, ledger, paused, [(wanting, WaitCode.CPU)])
    assert not is_waited_for(scene.state, ledger, paused, [(wanting, WaitCode.MEMORY), (other, WaitCode.CPU)])


def test_a_paused_job_goes_on_when_what_it_keeps_itself_is_in_the_way() -> None:
    scene = Scene(cores=2)
    scene.sample(0.0, 14 * GIB, (a_card(0, 0),))
    # Its need of card memory is not known: it keeps the card for itself, also while it is paused.
    job = scene.run(batch(gpu=GpuRequest(1)), devices=(0,), on_cards=((0, GIB),))
    apply(scene.state, e.JobPaused(NOW, job, PauseReason.SCHEDULING))
    on_card, plain = urgent(scene, gpu=GpuRequest(1, GIB)), urgent(scene)
    ledger, paused = open_ledger(scene.state, NOW), scene.state.jobs[job]
    assert not is_waited_for(scene.state, ledger, paused, [(on_card, WaitCode.GPU_BUSY)])
    assert is_waited_for(scene.state, ledger, paused, [(on_card, WaitCode.GPU_BUSY), (plain, WaitCode.CPU)])
    assert any(action.id == job for action in plan(scene.state, NOW).actions), "else neither would ever run"


def test_a_paused_job_goes_on_while_who_may_preempt_it_lacks_something_else_too() -> None:
    scene = Scene(cores=1)
    job = scene.run(batch(cores=1.0))
    other = scene.run(a_spec(cores=0.5, locks=("disk",)))
    apply(scene.state, e.JobPaused(NOW, job, PauseReason.SCHEDULING))
    wanting, ledger = urgent(scene, locks=("disk",)), open_ledger(scene.state, NOW)
    assert not is_waited_for(scene.state, ledger, scene.state.jobs[job], [(wanting, WaitCode.CPU)]), f"{other} has it"


def card_scene() -> Scene:
    scene = Scene(cores=16)
    scene.sample(0.0, 14 * GIB, (a_card(0, 0), a_card(1, 0)))
    return scene


def test_a_card_is_taken_from_whom_it_costs_least_and_both_its_memory_and_its_time_count() -> None:
    scene = card_scene()
    gpu = GpuRequest(1.0, 6 * GIB)
    requeue = {"on_preempt": OnPreempt.REQUEUE, "gpu": gpu}
    scene.run(batch(**requeue), devices=(0,), on_cards=((0, 6 * GIB),))
    young = scene.run(batch(**requeue), at=NOW - 10, devices=(1,), on_cards=((1, 6 * GIB),))
    scene.sample(NOW, 12 * GIB, (a_card(0, 6 * GIB), a_card(1, 6 * GIB)))
    [action] = ask(scene, urgent(scene, gpu=gpu))
    assert action.id == young
    pausing = card_scene()
    job = pausing.run(batch(gpu=GpuRequest(1.0, 2 * GIB)), devices=(0,), on_cards=((0, 2 * GIB),))
    scene.run(a_spec(gpu=gpu), devices=(1,), on_cards=((1, 6 * GIB),))
    pausing.sample(NOW, 12 * GIB, (a_card(0, 2 * GIB), a_card(1, 9 * GIB)))
    [action] = ask(pausing, urgent(pausing, gpu=gpu))
    assert (action.id, isinstance(action, Pause)) == (job, True), "its time is needed, its memory is not"


def test_two_full_cards_are_relieved_by_the_one_job_that_holds_both() -> None:
    scene = card_scene()
    half = GpuRequest(0.5, 4 * GIB)
    scene.run(batch(gpu=half, priority=8), devices=(0,), on_cards=((0, 5 * GIB),), at=NOW - 1)
    scene.run(batch(gpu=half, priority=8), devices=(1,), on_cards=((1, 5 * GIB),), at=NOW - 1)
    both = scene.run(
        batch(gpu=GpuRequest(2.0, 5 * GIB), priority=8), devices=(0, 1), on_cards=((0, 4 * GIB), (1, 4 * GIB))
    )
    scene.sample(NOW, 12 * GIB, (a_card(0, int(9.8 * GIB)), a_card(1, int(9.9 * GIB))))
    assert set(scene.state.machine.cards.values()) == {CardMode.EMERGENCY}
    [action] = relieve_cards(scene.state, NOW)
    assert isinstance(action, Terminate)
    # The two small ones use more of the card than they promised, so they go first; without that it is one for both.
    assert action.id != both
    for id in (JobId(1), JobId(2)):
        job = scene.state.jobs[id]
        apply(scene.state, e.JobsMeasured(NOW, ((id, type(job.usage)(NOW, GIB, 1.0, 1, ((id.number - 1, 4 * GIB),))),)))  # type: ignore[misc]
    [action] = relieve_cards(scene.state, NOW)
    assert action.id == both


VICTIM = st.tuples(
    st.integers(1, 4), st.integers(1, 3), st.sampled_from(tuple(OnPreempt)), st.booleans(), st.integers(0, 9)
)


@given(st.lists(VICTIM, min_size=1, max_size=6), st.integers(1, 12), st.integers(1, 8))
def test_a_set_is_only_taken_when_the_job_then_fits_and_never_one_too_many(
    others: list[tuple[int, int, OnPreempt, bool, int]], memory: int, cores: int
) -> None:
    scene = Scene(cores=8)
    for size, width, how, preemptible, priority in others:
        spec = batch(size, float(width), on_preempt=how, preemptible=preemptible, priority=priority)
        scene.run(spec, at=float(priority))
    left = 16 - sum(size for size, *_ in others)
    scene.sample(NOW, max(0, left) * GIB)
    wanting = urgent(scene, memory_bytes=memory * GIB, cores=float(cores))
    ledger = open_ledger(scene.state, NOW)
    figure = expected(scene.state, scene.state.jobs[wanting], ledger)
    codes, _ = failing(scene.state, scene.state.jobs[wanting], figure, ledger)
    actions = make_room(scene.state, ledger, scene.state.jobs[wanting], figure, codes)
    assert len({action.id for action in actions}) == len(actions)

    def fits_after(carried_out: Sequence[Action]) -> bool:
        copy = open_ledger(scene.state, NOW)
        for action in carried_out:
            job = scene.state.jobs[action.id]
            copy.stand_down(job)
            if not isinstance(action, Pause):
                copy.reserved_bytes -= job.spec.memory_bytes or 0
        return not failing(scene.state, scene.state.jobs[wanting], figure, copy)[0]

    if not actions:
        return
    assert all(scene.state.jobs[action.id].spec.preemptible for action in actions), "a job that said no is spared"
    assert fits_after(actions), "room was made and it is not enough"
    for spared in range(len(actions)):
        rest = [action for place, action in enumerate(actions) if place != spared]
        assert not fits_after(rest), "somebody made room for nothing"


def test_what_a_departure_gives_back_is_given_back_once() -> None:
    """One that is paused already, or by this very plan, has only memory left to give; the ledger itself stays."""
    scene = card_scene()
    gpu = GpuRequest(0.5, 4 * GIB)
    jobs = [scene.run(batch(gpu=gpu), devices=(0,), on_cards=((0, 2 * GIB),)) for _ in range(2)]
    scene.sample(NOW, 12 * GIB, (a_card(0, 4 * GIB), a_card(1, 0)))
    apply(scene.state, e.JobPaused(NOW, jobs[0], PauseReason.SCHEDULING))
    ledger = open_ledger(scene.state, NOW)
    both = [scene.state.active[id] for id in jobs]
    ledger.stand_down(both[1])  # by this plan
    before = copy.deepcopy(ledger)
    then, empty = after(scene.state, ledger, both), open_ledger(card_scene().state, NOW)
    assert ledger == before
    assert (then.slots, then.running, then.reserved_bytes) == (0, 0, 0)
    assert then.reserved_cores == pytest.approx(0.0)
    card = then.cards[0]
    assert (card.share, card.holders, card.free_bytes) == (0.0, [], empty.cards[0].free_bytes)
    assert card.reading.memory_used_bytes == 0

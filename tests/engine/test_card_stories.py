"""Cards as stories (D6, D8): who shares one, who has it alone, what others take of it, and who is told to wait why."""

from __future__ import annotations

import pytest

from support.world import JobBuilder, World, a_job, size
from tidegate.core.job import JobId
from tidegate.core.machine import GpuReading
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, GpuRequest
from tidegate.engine.ports import Command, Verb
from tidegate.engine.queues import by_card, by_queue
from tidegate.engine.views import CardQueueView
from tidegate.simulator.curves import level
from tidegate.simulator.others import CardLoad, OtherUser
from tidegate.submission.device import parse_gpu


def card(index: int = 0, total: str = "24G", name: str = "NVIDIA A", **more: object) -> GpuReading:
    values: dict[str, object] = {"utilisation_pct": 0.0, "temperature_c": 40.0, **more}
    return GpuReading(index, f"GPU-{index}", name, size(total), 0, **values)  # type: ignore[arg-type]


def training(gpu: str, name: str = "train", *, busy: float = 0.0, holds: str = "1G") -> JobBuilder:
    """A job with this wish for cards that keeps them so busy."""
    job = a_job(name).needing("64M").on_cores(0.5).lasting(500).having(gpu=parse_gpu(gpu))
    return job._do(gpu_memory_bytes=size(holds), gpu_utilisation_pct=busy)


def other_program(gpu_memory: str, busy: float, name: str = "blender") -> OtherUser:
    return OtherUser(name, cards={0: CardLoad(level(size(gpu_memory)), level(busy))})


def devices(world: World, ids: list[JobId]) -> list[tuple[int, ...]]:
    return [world.job(id).attempts[-1].devices for id in ids]


def test_small_jobs_share_a_card_up_to_the_whole_of_its_time() -> None:
    world = World(gpus=(card(),))
    jobs = world.submit(*[training("2G,0.4", f"t{n}") for n in range(3)])
    world.advance(2)
    assert world.statuses(jobs) == ["running", "running", "queued"]
    assert world.sentence(jobs[2]) == (
        "needs 0.4 of a GPU, 20 % of GPU 0 is left · GPU 0 is used by t0 (job 1) and 1 more"
    )


def test_what_was_learned_of_three_runs_lets_jobs_share_a_card_that_each_asked_for_whole() -> None:
    world = World(gpus=(card(),))
    job = training("8G,1", busy=40.0, holds="4G").lasting(10).having(array=(1, 2, 3, 4, 5, 6, 7, 8))
    world.submit(job)
    at_once = []
    for _ in range(80):
        world.advance(1)
        at_once.append(len(world.machine.running()))
    assert set(at_once[:28]) == {1}, "nothing was learned yet: the card counts as taken"
    assert max(at_once) == 2, "80 % of its time is used; a third would make it 120 %"
    view = world.engine.state.profile(world.job(JobId(1, 8)))
    assert view is not None
    assert (view.learned_card_share, view.card_peaks_bytes[0]) == (0.4, 4 * GIB)
    assert all(world.status(JobId(1, n)) == "succeeded" for n in range(1, 9))


def test_a_job_of_unknown_memory_is_alone_on_its_card_and_says_so() -> None:
    world = World(gpus=(card(),))
    alone, late = world.submit(training("0.2", "unknown"), training("1G,0.2", "late"))
    world.advance(2)
    assert world.statuses([alone, late]) == ["running", "queued"]
    assert world.sentence(late) == (
        "needs 0.2 of a GPU · GPU 0 is used by unknown (job 1) alone, as long as its need of GPU memory is not known"
    )
    [other] = world.submit(training("0.1", "other"))
    world.advance(1)
    assert world.sentence(other).startswith(
        "needs 0.1 of a GPU with nobody else on it, as long as its need of GPU memory is not known · GPU 0 is used by"
    )


def test_an_exclusive_job_waits_for_an_empty_card_and_keeps_everybody_off_it() -> None:
    world = World(gpus=(card(0), card(1)))
    [small] = world.submit(training("1G,0.1(vgpu)", "small").having(device="0").lasting(30))
    [alone] = world.submit(training("4G,1(exclusive)", "bench").having(device="0").lasting(60))
    world.advance(2)
    assert world.sentence(alone) == "needs a GPU for itself · GPU 0 is used by small (job 1)"
    world.advance(30)
    assert world.status(alone) == "running"
    [joins] = world.submit(training("1G,0.1", "joins").having(device="0"))
    [elsewhere] = world.submit(training("1G,0.1"))
    world.advance(1)
    assert world.sentence(joins) == "needs 0.1 of a GPU · GPU 0 is used by bench (job 2) for itself"
    assert devices(world, [elsewhere]) == [(1,)]
    world.advance(60)
    assert world.statuses([small, alone, joins]) == ["succeeded", "succeeded", "running"]


def test_the_time_that_another_program_takes_of_a_card_counts_and_is_named() -> None:
    world = World(gpus=(card(),), others=(other_program("2G", 70.0),))
    half, quarter = world.submit(training("1G,0.5", "half"), training("1G,0.25", "quarter", busy=25.0))
    world.advance(3)
    assert world.statuses([half, quarter]) == ["queued", "running"]
    assert world.sentence(half) == (
        "needs 0.5 of a GPU, 5 % of GPU 0 is left · GPU 0 is used by quarter (job 2) and other programs"
    )
    world.machine.others = ()
    world.advance(3)
    assert world.status(half) == "running", "the other program has ended"


def test_a_desktop_that_draws_its_windows_keeps_no_job_off_the_card() -> None:
    world = World(gpus=(card(),), others=(other_program("800M", 8.0, "desktop"),))
    [whole] = world.submit(training("8G,1"))
    world.advance(3)
    assert world.status(whole) == "running"


def test_what_our_own_jobs_use_of_a_card_is_not_taken_for_others() -> None:
    world = World(gpus=(card(),))
    first = training("1G,0.5", "first", busy=50.0)
    world.submit(first)
    world.advance(5)
    [second] = world.submit(training("1G,0.5", "second"))
    world.advance(2)
    assert world.status(second) == "running"


def test_memory_that_another_program_holds_on_a_card_is_not_promised() -> None:
    world = World(gpus=(card(),), others=(other_program("16G", 0.0),))
    [large] = world.submit(training("8G,0.5", "large"))
    world.advance(2)
    assert world.sentence(large) == "needs 8 GB of GPU memory, 6.8 GB free · GPU 0 is used by other programs"


def test_a_hot_card_is_passed_over_and_named() -> None:
    world = World(gpus=(card(0), card(1)))
    world.machine.heat_card(0, 93.0)
    world.advance(1)
    first, second = world.submit(training("1G,1", "first"), training("1G,1", "second"))
    world.advance(2)
    assert devices(world, [first]) == [(1,)]
    assert world.sentence(second) == (
        "needs a GPU · GPU 0 is at 93 °C and takes nothing new, GPU 1 is used by first (job 1)"
    )
    [half] = world.submit(training("1G,0.5", "half").having(device="0"))
    world.advance(1)
    assert world.sentence(half) == "needs 0.5 of a GPU · GPU 0 is at 93 °C and takes nothing new", (
        "its time is no matter"
    )
    world.command(Command(Verb.CANCEL, (half,)))
    world.machine.heat_card(0, 85.0)
    world.advance(2)
    assert devices(world, [second]) == [(0,)], "from 80 on there is a hint, and jobs start all the same"


def test_a_card_that_is_lost_has_nothing_free_that_anybody_knows_of_until_it_is_back() -> None:
    world = World(gpus=(card(0), card(1)))
    [first] = world.submit(training("2G,0.5", "first", holds="2G").having(device="0"))
    world.advance(2)
    world.machine.lose_card(0)
    world.advance(2)
    lost, fine = seen(world)
    assert (lost.free_memory_bytes, lost.free_utilisation_pct, lost.card.mode) == (None, None, "unreadable")
    assert world.status(first) == "failed"
    assert fine.free_memory_bytes is not None
    [waits] = world.submit(training("1G,0.5", "waits").having(device="0"))
    world.advance(1)
    assert world.sentence(waits) == "needs 0.5 of a GPU · GPU 0 cannot be read"


def test_who_is_paused_is_not_named_first_for_the_time_that_others_have() -> None:
    world = World(gpus=(card(),), others=(other_program("2G", 40.0),))
    world.submit(*[training("1G,0.3", name) for name in ("paused", "busy")])
    world.advance(2)
    world.command(Command(Verb.PAUSE, (JobId(1),)))
    [late] = world.submit(training("1G,0.5", "late"))
    world.advance(2)
    assert world.sentence(late).endswith("GPU 0 is used by busy (job 2), 1 more and other programs")


def test_two_cards_are_wanted_and_one_is_free() -> None:
    world = World(gpus=(card(0), card(1)))
    world.submit(training("1G,1", "first"))
    [both] = world.submit(training("1G,2", "both"))
    world.advance(2)
    assert world.sentence(both) == "needs 2 GPUs, 1 free · GPU 0 is used by first (job 1)"


@pytest.mark.parametrize(
    ("placement", "given"), [("spread", [(0,), (1,)]), ("pack", [(0,), (0,)]), ("balanced", [(0,), (0,)])]
)
def test_placement_is_a_setting(placement: str, given: list[tuple[int, ...]]) -> None:
    world = World(Policy(placement=placement), gpus=(card(0), card(1)))
    jobs = world.submit(training("1G,0.25"), training("1G,0.25"))
    world.advance(2)
    assert devices(world, jobs) == given


def test_a_paused_job_leaves_its_time_to_others_and_says_who_has_it_when_it_wants_to_go_on() -> None:
    world = World(gpus=(card(),))
    [first] = world.submit(training("8G,1", "first"))
    world.advance(2)
    world.command(Command(Verb.PAUSE, (first,)))
    fits, too_large = world.submit(training("8G,0.6", "fits"), training("14G,0.1", "too large"))
    world.advance(2)
    assert world.statuses([fits, too_large]) == ["running", "queued"], "its memory is still its own"
    world.command(Command(Verb.RESUME, (first,)))
    world.advance(1)
    assert world.sentence(first) == "waits for a free place to go on · GPU 0 is used by fits (job 2)"


# --- the queue as it is asked for ------------------------------------------------------------------------------------


def seen(world: World) -> list[CardQueueView]:
    assert world.engine.plan is not None
    return list(by_card(world.engine.state, world.engine.plan.waits, world.clock.now()).cards)


def test_a_queue_for_each_card_says_who_has_it_and_who_waits_for_it_and_why() -> None:
    world = World(gpus=(card(0), card(1, "16G", "Tesla T4")), others=(other_program("2G", 30.0),))
    world.submit(training("10G,0.6", "train", busy=55.0, holds="8G").having(device="0"))
    world.submit(training("1G,0.5", "behind").having(device="0"))
    world.submit(training("1G,1(A)", "kind"), training("1G,1(exclusive)", "held").having(held=True), a_job("no card"))
    world.advance(4)
    first, second = seen(world)
    assert (first.card.reserved_share, first.card.reserved_memory_bytes) == (0.6, 10 * GIB)
    assert first.free_memory_bytes == int(0.95 * 24 * GIB) - 12 * GIB
    assert first.free_utilisation_pct == pytest.approx(10.0, abs=0.5)
    assert first.others_memory_bytes == pytest.approx(2 * GIB, abs=1)
    assert first.others_utilisation_pct == pytest.approx(30.0, abs=0.5)
    [user] = first.users
    assert (user.id, user.name, user.status, user.memory_bytes) == ("1", "train", "running", 8 * GIB)
    assert (user.utilisation_pct, user.expected_memory_bytes, user.expected_utilisation_pct) == (55.0, 10 * GIB, 60.0)
    assert [(job.id, job.gpu, job.code) for job in first.waiting] == [
        ("2", "1G,0.5", "gpu_busy"),
        ("3", "1G,1(A)", "gpu_busy"),
    ]
    assert first.waiting[0].sentence == (
        "needs 0.5 of a GPU, 10 % of GPU 0 is left · GPU 0 is used by train (job 1) and other programs"
    )
    assert (second.users, second.waiting, second.waiting_count) == ((), (), 0), "nobody who waits could use a T4"


def test_of_many_who_wait_for_a_card_the_first_are_named_and_all_are_counted() -> None:
    world = World(gpus=(card(),))
    world.submit(training("1G,1"), *[training("1G,1") for _ in range(70)])
    world.advance(2)
    [only] = seen(world)
    assert (len(only.waiting), only.waiting_count) == (50, 70)
    assert [job.id for job in only.waiting[:3]] == ["2", "3", "4"]


def test_the_named_queues_with_what_their_jobs_hold_and_may_hold() -> None:
    world = World(Policy(max_workers=3), gpus=(card(),))
    world.submit(training("1G,1").having(queue="batch"), a_job().needing("1G").lasting(99).having(queue="batch"))
    world.submit(a_job().needing("2G").lasting(99), a_job().needing("1G"), a_job().having(held=True))
    world.advance(2)
    found = {queue.name: queue for queue in by_queue(world.engine.state, world.clock.now()).queues}
    assert list(found) == ["realtime", "default", "batch"], "in the order in which they are served"
    batch, default = found["batch"], found["default"]
    assert (batch.running, batch.waiting, batch.cards) == (2, 0, 1)
    assert batch.memory_bytes == GIB + size("64M")
    assert (default.running, default.waiting, default.held, default.strategy) == (1, 1, 1, "priority_based")
    assert found["realtime"].preempts == ("batch",)


def test_a_request_is_written_as_it_is_read() -> None:
    for text in ("1", "0.5", "8G,0.5", "512M,1", "2(nvidia,V100)", "1G,1(V100,>=16G,~24G,exclusive)", "1(>=1500M)"):
        request = parse_gpu(text)
        assert request is not None
        assert request.text == text
    assert GpuRequest(1, 1500).text == "1500B,1"
    assert parse_gpu("1500B,1") == GpuRequest(1, 1500)

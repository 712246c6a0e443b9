"""*Start now*: a held job is tried at once, or stays on hold and the answer says who is in the way."""

from __future__ import annotations

from support.world import World, a_job, size
from tidegate.core.job import AfterCondition, Dependency, JobId, Outcome
from tidegate.core.machine import GpuReading
from tidegate.engine.ports import Answer, Command, CommandResult, Verb

INSTEAD = "; release it to let it join the queue"


def card(index: int, used: str = "0M", total: str = "24G") -> GpuReading:
    return GpuReading(index, f"GPU-{index}", "NVIDIA A", size(total), size(used))


def start(world: World, *ids: JobId, force: bool = False) -> list[CommandResult]:
    return world.command(Command(Verb.START, ids, force=force))


def test_a_held_job_starts_at_once_where_there_is_room() -> None:
    world = World()
    [held] = world.submit(a_job().needing("1G").lasting(5).having(held=True))
    [result] = start(world, held)
    assert (result.answer, result.sentence, result.offer) == (Answer.DONE, "started job 1", None)
    world.advance(6)
    assert world.status(held) == "succeeded"


def test_busy_memory_keeps_it_held_and_says_who_has_it() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    [small] = world.submit(a_job("small.py").needing("1G").lasting(99))
    [large] = world.submit(a_job("train.py").needing("8G").lasting(99))
    [held] = world.submit(a_job().needing("7G").having(held=True))
    world.advance(2)
    rank, journal = world.job(held).rank, len(world.disk.ticks)
    [result] = start(world, held)
    assert result.answer is Answer.REFUSED
    assert result.offer is Verb.RELEASE
    assert result.sentence == (
        f"job {held} stays on hold: needs 7 GB, 3.7 GB free · held by train.py (job {large}, 8 GB){INSTEAD}"
    )
    assert world.status(held) == "held"
    assert world.job(held).rank == rank
    assert len(world.disk.ticks) == journal, "nothing happened, so nothing is told"
    assert world.status(small) == "running"


def test_other_programs_are_named_where_no_end_of_ours_would_be_enough() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("9G"))
    world.submit(a_job("small.py").needing("1G").lasting(99))
    [held] = world.submit(a_job().needing("7G").having(held=True))
    world.advance(2)
    [result] = start(world, held)
    assert "needs 7 GB, 4.7 GB free · other programs use 9 GB;" in result.sentence


def test_a_busy_card_keeps_it_held_and_says_whose_it_is() -> None:
    world = World(gpus=(card(0),))
    [busy] = world.submit(a_job("train.py").needing("1G").on_gpu(1).lasting(99))
    [held] = world.submit(a_job().needing("1G").on_gpu(1).having(held=True))
    world.advance(2)
    [result] = start(world, held)
    assert result.sentence == f"job {held} stays on hold: needs a GPU · GPU 0 is used by train.py (job {busy}){INSTEAD}"
    assert result.offer is Verb.RELEASE
    assert world.status(held) == "held"
    assert len(world.machine.started) == 1


def test_cards_that_other_programs_use_and_several_of_ours_are_told_apart() -> None:
    world = World(gpus=(card(0, used="20G"), card(1), card(2)))
    jobs = [a_job(f"half{n}.py").needing("1G").on_gpu(0.5, memory="1G").having(device="1").lasting(99) for n in (1, 2)]
    whole = a_job("whole.py").needing("1G").on_gpu(1).having(device="2").lasting(99)
    first, _second, _third = world.submit(*jobs, whole)
    [held] = world.submit(a_job().needing("1G").on_gpu(1).having(held=True))
    world.advance(2)
    [result] = start(world, held)
    users = f"GPU 0 is used by other programs, GPU 1 by half1.py (job {first}) and 1 more, 1 more card too"
    assert f"needs a GPU · {users};" in result.sentence
    [cards] = start(world, *world.submit(a_job().needing("1G").on_gpu(1).having(held=True, device="0")))
    assert "needs a GPU · GPU 0 is used by other programs;" in cards.sentence


def test_gpu_memory_that_is_promised_says_to_whom() -> None:
    world = World(gpus=(card(0),))
    [busy] = world.submit(a_job("train.py").needing("1G").on_gpu(0.5, memory="16G").lasting(99))
    [held] = world.submit(a_job().needing("1G").on_gpu(0.5, memory="8G").having(held=True))
    world.advance(2)
    [result] = start(world, held)
    assert f"needs 8 GB of GPU memory, 6.8 GB free · GPU 0 is used by train.py (job {busy});" in result.sentence


def test_released_instead_it_joins_the_queue_and_runs_when_there_is_room() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(a_job().needing("8G").lasting(10))
    [held] = world.submit(a_job().needing("8G").lasting(5).having(held=True))
    world.advance(2)
    [result] = start(world, held)
    assert result.offer is not None
    world.command(Command(result.offer, (held,)))
    assert world.status(held) == "queued"
    world.advance(9)
    assert world.status(held) == "running"


def test_a_queued_job_is_put_first_and_refused_with_what_it_waits_for() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    [busy] = world.submit(a_job("train.py").needing("8G").lasting(10))
    before, wanted = world.submit(a_job().needing("8G").lasting(9), a_job().needing("8G").lasting(9))
    world.advance(2)
    [result] = start(world, wanted)
    assert result.answer is Answer.REFUSED
    assert result.offer is None
    held_by = f"after train.py (job {busy}, 8 GB)"
    assert result.sentence == f"job {wanted} waits: needs 8 GB, 4.7 GB free · {held_by}"
    world.advance(9)
    assert world.statuses([before, wanted]) == ["queued", "running"]


def test_with_force_a_held_job_does_not_ask() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    world.submit(a_job().needing("8G").lasting(10))
    [held] = world.submit(a_job().needing("8G").using("1G").lasting(5).having(held=True))
    world.advance(2)
    assert start(world, held, force=True)[0].answer is Answer.DONE
    assert world.status(held) in ("starting", "running")


def test_what_it_waits_for_besides_room_keeps_it_held_too() -> None:
    world = World()
    [prepare] = world.submit(a_job("prepare.py").needing("1G").lasting(10))
    [held] = world.submit(a_job().needing("1G").having(held=True, after=(Dependency(prepare, AfterCondition.OK),)))
    [result] = start(world, held)
    assert result.sentence == f"job {held} stays on hold: after prepare.py (job {prepare}){INSTEAD}"
    assert world.status(held) == "held"


def test_one_that_can_never_run_is_not_offered_the_queue() -> None:
    world = World()
    [failing] = world.submit(a_job().needing("1G").lasting(1).failing())
    [held] = world.submit(a_job().needing("1G").having(held=True, after=(Dependency(failing, AfterCondition.OK),)))
    world.advance(3)
    [result] = start(world, held)
    assert result.answer is Answer.REFUSED
    assert result.offer is None
    assert "would succeed, which did not happen" in result.sentence
    assert world.status(held) == "held"
    assert world.job(held).outcome is not Outcome.SKIPPED


def test_of_a_held_array_those_start_for_whom_there_is_room() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    [array] = world.submit(a_job("part").needing("5G").lasting(20).having(held=True, array=(1, 2, 3)))
    elements = [JobId(array.number, index) for index in (1, 2, 3)]
    results = start(world, array)
    assert [result.answer for result in results] == [Answer.DONE, Answer.DONE, Answer.REFUSED]
    assert world.statuses(elements)[2] == "held"
    assert "held" not in world.statuses(elements[:2])


def test_a_reading_at_the_last_moment_puts_it_back_on_hold() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    [held] = world.submit(a_job().needing("8G").having(held=True))
    world.machine.others_bytes = size("10G")
    [result] = start(world, held)
    assert result.answer is Answer.REFUSED
    assert result.offer is Verb.RELEASE
    assert world.status(held) == "held"
    world.advance(5)
    assert world.machine.started == []


def test_forced_before_its_moment_it_starts_although_nobody_else_waits() -> None:
    world = World()
    [tomorrow] = world.submit(a_job().needing("1G").lasting(5).having(begin_at=world.clock.now() + 86_400.0))
    [result] = start(world, tomorrow, force=True)
    assert (result.answer, result.sentence) == (Answer.DONE, f"started job {tomorrow}")
    world.advance(6)
    assert world.status(tomorrow) == "succeeded"

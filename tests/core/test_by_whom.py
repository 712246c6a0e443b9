"""Wait sentences name who has what a job lacks: the largest of our jobs, other programs, or the jobs on a card."""

from __future__ import annotations

import pytest

from support.world import World, a_job, size
from tidegate.core.machine import GpuReading


def card(index: int, used: str = "0M") -> GpuReading:
    return GpuReading(index, f"GPU-{index}", "NVIDIA A", size("24G"), size(used))


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ("2G", "needs 7 GB, 3.7 GB free · held by large (job 2, 8 GB)"),
        ("7.5G", "needs 7 GB, 6.2 GB free · after small (job 1, 1 GB)"),
        ("9G", "needs 7 GB, 4.7 GB free · other programs use 9 GB"),
    ],
)
def test_memory_is_held_by_the_largest_of_ours_unless_only_other_programs_are_in_the_way(
    others: str, sentence: str
) -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size(others), cores=8)
    world.submit(a_job("small").needing("1G").lasting(99))
    world.submit(a_job("large").needing("8G").lasting(99))
    [waiting] = world.submit(a_job().needing("7G").lasting(9))
    world.advance(2)
    found = world.sentence(waiting)
    assert found.replace(" · after small ·", " ·") == sentence


def test_nothing_of_ours_runs_so_other_programs_have_it() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("9G"))
    [waiting] = world.submit(a_job().needing("7G"))
    world.advance(2)
    assert world.sentence(waiting) == "needs 7 GB, 5.7 GB free · other programs use 9 GB"


def test_a_paused_job_keeps_its_memory_and_is_named_for_it() -> None:
    from tidegate.engine.ports import Command, Verb

    world = World(memory_bytes=size("16G"), others_bytes=size("2G"))
    [paused] = world.submit(a_job("paused").needing("8G").lasting(99))
    world.advance(2)
    world.command(Command(Verb.PAUSE, (paused,)))
    [waiting] = world.submit(a_job().needing("8G"))
    world.advance(2)
    assert world.sentence(waiting) == "needs 8 GB, 4.7 GB free · held by paused (job 1, 8 GB)"


def test_a_hot_or_full_card_of_another_kind_is_not_blamed() -> None:
    world = World(gpus=(card(0), card(1, used="23G")))
    [busy] = world.submit(a_job("train").needing("1G").on_gpu(1).having(device="0").lasting(99))
    [waiting] = world.submit(a_job().needing("1G").on_gpu(1).having(device="0"))
    world.advance(2)
    assert world.sentence(waiting) == f"needs a GPU · GPU 0 is used by train (job {busy})"

"""What the sensors say of a run reaches the job's usage and its picture whole."""

from __future__ import annotations

from support.world import World, a_job
from tidegate.core.job import Touches
from tidegate.core.machine import GpuReading
from tidegate.core.resources import GIB
from tidegate.engine.picture import job_view

TOUCHES = Touches(("/data/out.csv",), (8000,), ("/home/ada/.venv",))


def test_every_figure_of_a_sample_reaches_the_job() -> None:
    world = World(gpus=(GpuReading(0, "GPU-0", "card", 24 * GIB, 0, 0.0, 40.0, processes=()),))
    work = {"gpu_memory_bytes": GIB, "gpu_utilisation_pct": 35.0, "threads": 9, "processes": 2, "touches": TOUCHES}
    (id_,) = world.submit(a_job("train").on_gpu(1, "2G").lasting(60)._do(**work))
    world.advance(3)
    job = world.job(id_)
    usage = job.usage
    assert usage is not None
    assert (usage.processes, usage.threads, usage.touches) == (2, 9, TOUCHES)
    assert usage.gpu_memory_bytes == ((0, GIB),)
    assert usage.gpu_utilisation_pct == ((0, 35.0),)
    picture = job_view(world.engine.state, job, (), world.engine.clock.now(), lambda _: None, lambda *_: "")
    assert (picture.usage.threads, picture.usage.gpu_utilisation_pct) == (9, {"0": 35.0})

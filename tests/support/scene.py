"""A State with jobs that run: built by the real events, for tests of what is decided about running jobs."""

from __future__ import annotations

from tidegate.core import events as e
from tidegate.core.job import JobId, JobSpec, RunRef, Usage
from tidegate.core.machine import GpuReading, MachineReading
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, CardNeed, Estimate, EstimateSource
from tidegate.core.state import State
from tidegate.core.transitions import apply


def a_spec(**fields: object) -> JobSpec:
    values: dict[str, object] = {"command": ("x",), "cwd": "/", "name": "x", "cores": 1.0, "memory_bytes": GIB}
    return JobSpec(**{**values, **fields})  # type: ignore[arg-type]


def a_card(index: int, used_bytes: int, total_bytes: int = 10 * GIB) -> GpuReading:
    return GpuReading(index, f"GPU-{index}", "NVIDIA A", total_bytes, used_bytes)


class Scene:
    """Submit, run and measure jobs; ids count from 1."""

    def __init__(self, policy: Policy | None = None, cores: int = 8, total: int = 16 * GIB) -> None:
        self.state = State(policy or Policy())
        self.cores, self.total = cores, total
        self.gpus: tuple[GpuReading, ...] = ()
        self._number = 0
        self.sample(0.0, total)

    def sample(self, at: float, available: int, gpus: tuple[GpuReading, ...] | None = None) -> None:
        self.gpus = self.gpus if gpus is None else gpus
        apply(self.state, e.MachineSampled(MachineReading(at, self.cores, self.total, available, gpus=self.gpus)))

    def submit(self, spec: JobSpec, at: float = 0.0) -> JobId:
        self._number += 1
        id = JobId(self._number)
        apply(self.state, e.JobSubmitted(at, id, spec, self._number))
        return id

    def run(
        self,
        spec: JobSpec,
        at: float = 0.0,
        devices: tuple[int, ...] = (),
        on_cards: tuple[tuple[int, int], ...] = (),
        used: int | None = None,
    ) -> JobId:
        """A running job that was admitted with what it declared, and measured to use that or ``used``."""
        id = self.submit(spec, at)
        memory = spec.memory_bytes or 0
        card = None if spec.gpu is None else CardNeed(spec.gpu.share, spec.gpu.memory_bytes)
        figure = Estimate(memory, EstimateSource.DECLARED, spec.cores or 1.0, spec.gpu, None, card)
        number = len(self.state.jobs[id].attempts) + 1
        apply(self.state, e.JobStarting(at, id, number, f"run-{id}", figure, devices))
        apply(self.state, e.JobStarted(at, id, RunRef(f"run-{id}")))
        usage = Usage(at, memory if used is None else used, spec.cores, 1, on_cards)
        apply(self.state, e.JobsMeasured(at, ((id, usage),)))
        return id

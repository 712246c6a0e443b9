"""State, plan and apply alone, on a heap of moments: thousands of decisions a second for properties of strategies.

There is no engine, no guard and no journal here; stories that need them have ``support.world``.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from tidegate.core import events as e
from tidegate.core.actions import Pause, Resume, Start, Terminate
from tidegate.core.job import JobId, JobSpec, Running, RunRef, Usage
from tidegate.core.machine import GpuReading, MachineReading
from tidegate.core.planner import plan
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, Estimate
from tidegate.core.state import MakeStrategy, State
from tidegate.core.transitions import apply


@dataclass(slots=True)
class _Run:
    duration_s: float
    memory_bytes: int
    left_s: float = 0.0
    since: float = 0.0
    turn: int = 0


@dataclass
class QuickWorld:
    """Jobs last exactly as long as they are submitted with, and use what they declared as soon as they run.

    ``started`` has the moments of each job's starts, ``ran_s`` its running time so far; after every decision
    ``state.check()`` and the ledger's limits are asserted.
    """

    policy: Policy = field(default_factory=Policy)
    cores: int = 8
    memory_bytes: int = 64 * GIB
    gpus: tuple[GpuReading, ...] = ()
    strategies: Mapping[str, MakeStrategy] | None = None
    sample_every_s: float | None = None
    checked: bool = True
    now: float = 0.0

    def __post_init__(self) -> None:
        self.state = State(self.policy, self.strategies)
        self.started: dict[JobId, list[float]] = {}
        self.ended: dict[JobId, float] = {}
        self.ran_s: dict[JobId, float] = {}
        self.failures: list[tuple[str, str]] = []
        self._runs: dict[JobId, _Run] = {}
        self._moments: list[tuple[float, int, int, object]] = []
        self._order = count()
        self._numbers = count(1)
        self._measure()

    # --- asking for something ----------------------------------------------------------------------------------------

    def submit(self, duration_s: float, at: float = 0.0, **fields: object) -> JobId:
        """A job that comes at this moment and works so long; ``fields`` are those of its JobSpec."""
        number = next(self._numbers)
        defaults: dict[str, object] = {"command": ("work", str(number)), "cwd": "/", "name": f"job-{number}"}
        defaults.update({"memory_bytes": 0, "cores": 1.0})
        spec = JobSpec(**{**defaults, **fields})  # type: ignore[arg-type]
        self._at(at, 0, (JobId(number), spec, duration_s))
        return JobId(number)

    def run(self, until: float | None = None) -> None:
        """Let time go on until then, or until nothing is left to happen."""
        if self.sample_every_s is not None and not any(kind == 3 for _, kind, _, _ in self._moments):
            self._at(self.now + self.sample_every_s, 3, None)
        while self._moments and (until is None or self._moments[0][0] <= until):
            self.now, kind, _, what = heapq.heappop(self._moments)
            if kind == 3 and not (self._moments or self.state.active or len(self.state.line)):
                return
            self._happen(kind, what)
            self.decide()
        if until is not None:
            self.now = until

    def decide(self) -> None:
        """Plan and carry out until nothing more is decided."""
        for _ in range(10_000):
            decided = plan(self.state, self.now)
            for section, memory in decided.remembered:
                apply(self.state, e.StrategyRemembered(self.now, section, memory))
            for name, why in decided.failed:
                self.failures.append((name, why))
                apply(self.state, e.StrategyFailed(self.now, name, why))
            if decided.wake_at is not None:
                self._at(decided.wake_at, 2, None)
            if not decided.actions:
                return
            for action in decided.actions:
                self._carry_out(action)
            if self.checked:
                self.check()
        raise AssertionError("the plan never comes to rest")

    def check(self) -> None:
        """No index lies, and what runs fits the machine."""
        self.state.check()
        running = [job for job in self.state.active.values() if isinstance(job.status, Running)]
        assert sum(job.spec.cores or 1.0 for job in running) <= self.cores + 1e-6
        held = sum(self._runs[job.id].memory_bytes for job in self.state.active.values())
        line = self.policy.memory_line_bytes(self.memory_bytes)
        assert line is None or held <= line

    # --- what happens ------------------------------------------------------------------------------------------------

    def _at(self, at: float, kind: int, what: object) -> None:
        if kind != 2 or not any(entry[0] == at and entry[1] == 2 for entry in self._moments):
            heapq.heappush(self._moments, (max(at, self.now), kind, next(self._order), what))

    def _happen(self, kind: int, what: object) -> None:
        match kind, what:
            case 0, (JobId() as id, JobSpec() as spec, float() | int() as duration):
                self._runs[id] = _Run(float(duration), spec.memory_bytes or 0)
                apply(self.state, e.JobSubmitted(self.now, id, spec, id.number, False))
            case 1, (JobId() as id, int() as turn):
                run = self._runs[id]
                job = self.state.active.get(id)
                if job is None or run.turn != turn:
                    return
                self._account(id)
                self.ended[id] = self.now
                exited = e.JobExited(self.now, id, job.attempts[-1].token, 0, None, run.duration_s, run.memory_bytes)
                apply(self.state, exited)
            case _:
                pass
        self._measure()

    def _measure(self) -> None:
        usage, used = [], 0
        for job in self.state.active.values():
            run = self._runs[job.id]
            used += run.memory_bytes
            cores = (job.spec.cores or 1.0) if isinstance(job.status, Running) else 0.0
            usage.append((job.id, Usage(self.now, run.memory_bytes, cores, 1)))
        if usage:
            apply(self.state, e.JobsMeasured(self.now, tuple(usage)))
        available = self.memory_bytes - used
        reading = MachineReading(
            self.now, self.cores, self.memory_bytes, available, other_cpu_cores=0.0, gpus=self.gpus
        )
        apply(self.state, e.MachineSampled(reading))
        apply(self.state, e.MomentReached(self.now))

    def _carry_out(self, action: object) -> None:
        match action:
            case Start(id, Estimate() as figure, devices, bypassed):
                number = len(self.state.jobs[id].attempts) + 1
                token = f"{id}-{number}"
                apply(self.state, e.JobStarting(self.now, id, number, token, figure, devices, bypassed))
                apply(self.state, e.JobStarted(self.now, id, RunRef(token)))
                self.started.setdefault(id, []).append(self.now)
                self._runs[id].left_s = self._runs[id].duration_s
                self._go_on(id)
            case Pause(id, reason):
                self._account(id)
                self._runs[id].turn += 1
                apply(self.state, e.JobPaused(self.now, id, reason))
            case Resume(id):
                apply(self.state, e.JobResumed(self.now, id))
                self._go_on(id)
            case Terminate(id, outcome, why):
                if isinstance(self.state.jobs[id].status, Running):
                    self._account(id)
                self._runs[id].turn += 1
                apply(self.state, e.JobStopping(self.now, id, outcome, why, None, unasked=True))
                token = self.state.jobs[id].attempts[-1].token
                apply(self.state, e.JobExited(self.now, id, token, None, 15, 0.0, self._runs[id].memory_bytes))
            case _:
                raise AssertionError(f"a plan does not {action}")

    def _go_on(self, id: JobId) -> None:
        run = self._runs[id]
        run.turn += 1
        run.since = self.now
        self._at(self.now + run.left_s, 1, (id, run.turn))

    def _account(self, id: JobId) -> None:
        run = self._runs[id]
        if isinstance(self.state.jobs[id].status, Running):
            self.ran_s[id] = self.ran_s.get(id, 0.0) + self.now - run.since
            run.left_s -= self.now - run.since

"""A whole engine on virtual time: the real engine, store, planner and executor over a fake machine and journal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

from tidegate.core.admission import open_ledger
from tidegate.core.events import JobStarting
from tidegate.core.job import Job, JobId, JobSpec
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.core.state import State
from tidegate.engine import intake
from tidegate.engine.commands import run_command
from tidegate.engine.engine import Engine
from tidegate.engine.ports import Command, CommandResult, EngineUnwilling, Notice, StartRequest, Submission, Submitted
from tidegate.engine.store import Store
from tidegate.execution.executor import Executor
from tidegate.simulator.fake_machine import Behaviour, FakeMachine, FakeSensors
from tidegate.simulator.memory_journal import MemoryDisk, MemoryJournal
from tidegate.simulator.virtual_clock import VirtualClock


class CheckedStore(Store):
    """A Store whose State is checked against its indices after every single event, and its ledger before a start."""

    def apply(self, event: object) -> None:
        if isinstance(event, JobStarting) and event.behind is None and event.id not in self.state.forced:
            check_ledger(self.state, event)
        super().apply(event)  # type: ignore[arg-type]
        self.state.check()


def check_ledger(state: State, start: JobStarting) -> None:
    """A start that admission decided is within everything that is promised at this very moment (D6)."""
    ledger = open_ledger(state, start.at)
    assert ledger.gates == [], f"job {start.id} starts although nothing may start: {ledger.gates}"
    assert ledger.slots_max is None or ledger.slots < ledger.slots_max, f"job {start.id} starts without a worker slot"
    assert ledger.reserved_cores + start.estimate.cores <= ledger.cores + 1e-9, f"job {start.id} starts without cores"
    if ledger.memory_line_bytes is not None and ledger.other_bytes is not None:
        wanted = ledger.other_bytes + ledger.reserved_bytes + start.estimate.memory_bytes
        assert wanted <= ledger.memory_line_bytes, f"job {start.id} starts over the ledger"
    if not start.estimate.known:
        assert ledger.unsettled is None, f"job {start.id} starts beside another of unknown memory"
        assert ledger.unknown_starts_left > 0, f"job {start.id} starts over the rate of unknown ones"
    for lock in state.jobs[start.id].spec.locks:
        assert lock not in ledger.locks, f"job {start.id} starts although {lock} is taken"


class JobBuilder:
    """Says in words what a job asks for and what it will do: ``a_job().needing("2G").lasting(30)``."""

    def __init__(self, name: str = "job") -> None:
        self.fields: dict[str, object] = {"name": name}
        self.behaviour = Behaviour()

    def _set(self, **changes: object) -> JobBuilder:
        self.fields |= changes
        return self

    def _do(self, **changes: object) -> JobBuilder:
        values = {name: getattr(self.behaviour, name) for name in Behaviour.__dataclass_fields__} | changes
        self.behaviour = Behaviour(**values)  # type: ignore[arg-type]
        return self

    def needing(self, memory: str) -> JobBuilder:
        """Declared memory, and what it will really use unless ``using`` says otherwise."""
        return self._set(memory_bytes=size(memory))._do(memory_bytes=size(memory))

    def using(self, memory: str, ramp_s: float = 0.0) -> JobBuilder:
        return self._do(memory_bytes=size(memory), ramp_s=ramp_s)

    def growing(self, per_second: str) -> JobBuilder:
        return self._do(grows_bytes_s=float(size(per_second)))

    def lasting(self, seconds: float) -> JobBuilder:
        return self._do(duration_s=seconds)

    def failing(self, code: int = 1) -> JobBuilder:
        return self._do(exit_code=code)

    def ignoring_term(self) -> JobBuilder:
        return self._do(ignores_term=True)

    def unable_to_start(self, why: str) -> JobBuilder:
        return self._do(start_error=why)

    def on_cores(self, cores: float) -> JobBuilder:
        return self._set(cores=cores)._do(cores=cores)

    def with_priority(self, priority: int) -> JobBuilder:
        return self._set(priority=priority)

    def on_gpu(self, count_: float = 1, memory: str | None = None) -> JobBuilder:
        return self._set(gpu=GpuRequest(count_, None if memory is None else size(memory)))

    def having(self, **fields: object) -> JobBuilder:
        """Any other field of JobSpec."""
        return self._set(**fields)


def a_job(name: str = "job") -> JobBuilder:
    return JobBuilder(name)


def size(text: str) -> int:
    """``512M`` or ``2G`` in bytes."""
    return int(float(text[:-1]) * {"M": MIB, "G": GIB}[text[-1]])


class World:
    """One machine, one disk, and the engine that lives on them; ``restart`` is a kill -9 and a new engine."""

    def __init__(self, policy: Policy | None = None, **machine: object) -> None:
        self.policy = policy or Policy()
        self.clock = VirtualClock()
        self.behaviours: dict[str, Behaviour] = {}
        self.machine = FakeMachine(self.clock, self._behave, **machine)  # type: ignore[arg-type]
        self.disk = MemoryDisk()
        self.notices: list[Notice] = []
        self.finished_in_memory = 2000
        self._keys = count(1)
        self._tokens = count(1)
        self.engine = self._new_engine()
        self._run(self.engine.open())
        self.advance(1.0)

    def _behave(self, request: StartRequest) -> Behaviour:
        return self.behaviours[request.command[0]]

    def _new_engine(self) -> Engine:
        self.journal = MemoryJournal(self.clock.call_soon, self.disk)
        return Engine(
            CheckedStore(State(self.policy)),
            clock=self.clock,
            sensors=FakeSensors(self.machine),
            processes=self.machine,
            executor=Executor(self.machine, lambda job, attempt: f"/log/{job}-{attempt}", lambda: 64 * MIB, str),
            journal=self.journal,
            notifier=self,
            new_token=lambda: f"token-{next(self._tokens)}",
            finished_in_memory=self.finished_in_memory,
        )

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    def _run(self, coroutine: object) -> object:
        return asyncio.run(coroutine)  # type: ignore[arg-type]

    def restart(self) -> None:
        """The app is killed with -9 and started again; machine, helper and disk go on."""
        self.engine.closed = True
        self.machine.stop_sampling()
        self.machine.disconnect()
        self.clock.settle()
        self.engine = self._new_engine()
        self._run(self.engine.open())
        self.clock.settle()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # --- asking ----------------------------------------------------------------------------------------------------

    def submission(self, job: JobBuilder) -> Submission:
        key = f"command-{next(self._keys)}"
        self.behaviours[key] = job.behaviour
        fields = dict(job.fields)
        held = bool(fields.pop("held", False))
        indices = fields.pop("array", None)
        spec = JobSpec(command=(key,), cwd="/", **fields)  # type: ignore[arg-type]
        return Submission(spec, held=held, array_indices=indices)  # type: ignore[arg-type]

    def submit(self, *jobs: JobBuilder) -> list[JobId]:
        """Submit in one request; the ids given. A refusal raises AssertionError with its sentence."""
        answers = self.try_submit(*jobs)
        assert not isinstance(answers, EngineUnwilling), str(answers)
        assert all(answer.id is not None for answer in answers), [answer.refused for answer in answers]
        return [answer.id for answer in answers if answer.id is not None]

    def try_submit(self, *jobs: JobBuilder) -> list[Submitted] | EngineUnwilling:
        answers: list[list[Submitted] | EngineUnwilling] = []
        submissions = [self.submission(job) for job in jobs]
        try:
            intake.check_intake(self.engine, submissions)
        except EngineUnwilling as unwilling:
            return unwilling
        intake.accept(self.engine, submissions, self.engine.state.knows, answers.append)
        self.clock.settle()
        [answer] = answers
        told = None if isinstance(answer, EngineUnwilling) else intake.with_outlooks(self.engine, submissions, answer)
        return told() if told is not None else answer

    def command(self, command: Command) -> list[CommandResult]:
        async def carry_out() -> list[CommandResult]:
            task = asyncio.ensure_future(run_command(self.engine, command))
            while not task.done():
                await asyncio.sleep(0)
                self.clock.settle()
            return await task

        return asyncio.run(carry_out())

    # --- looking ---------------------------------------------------------------------------------------------------

    def job(self, id_: JobId) -> Job:
        return self.engine.state.jobs[id_]

    def status(self, id_: JobId) -> str:
        job = self.job(id_)
        return job.outcome.value if job.outcome is not None else job.status_name

    def statuses(self, ids: Sequence[JobId]) -> list[str]:
        return [self.status(item) for item in ids]

    def waits(self, id_: JobId) -> list[str]:
        """Codes of all reasons why a job waits."""
        assert self.engine.plan is not None
        return [reason.code.value for reason in self.engine.plan.waits[id_]]

    def sentence(self, id_: JobId) -> str:
        assert self.engine.plan is not None
        return self.engine.plan.waits[id_][0].sentence

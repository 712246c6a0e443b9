"""A machine that exists only as numbers: memory, cores, cards, and jobs with curves; Sensors and Processes in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.core.job import RunRef
from tidegate.core.machine import GpuReading, MachineReading
from tidegate.core.resources import GIB, MIB
from tidegate.engine.ports import (
    KnownRun,
    ProcessEvent,
    Reconnected,
    RunActionFailed,
    RunEnd,
    RunExited,
    RunPaused,
    RunResumed,
    RunRevoked,
    RunStarted,
    RunStartFailed,
    RunUsage,
    Sample,
    StartRequest,
)
from tidegate.simulator.virtual_clock import VirtualClock


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a job's process does: how long it works, what it holds, how it ends.

    ``memory_bytes`` is reached after ``ramp_s`` seconds of work, linearly; ``grows_bytes_s`` is added without end.
    ``start_error``: it cannot be started at all. ``ignores_term``: it only ends by KILL or by itself.
    """

    duration_s: float = 1.0
    memory_bytes: int = 64 * MIB
    ramp_s: float = 0.0
    grows_bytes_s: float = 0.0
    cores: float = 1.0
    exit_code: int = 0
    ignores_term: bool = False
    start_error: str | None = None


@dataclass(slots=True)
class _Run:
    token: str
    job: str
    behaviour: Behaviour
    started_at: float
    worked_s: float = 0.0
    since: float = 0.0
    paused: bool = False
    cancel: Callable[[], None] = field(default=lambda: None)

    def work(self, now: float) -> float:
        """Seconds of work done; none while paused."""
        return self.worked_s + (0.0 if self.paused else now - self.since)

    def memory(self, now: float) -> int:
        done, held = self.work(now), self.behaviour
        share = 1.0 if held.ramp_s <= 0 else min(1.0, done / held.ramp_s)
        return int(held.memory_bytes * share + held.grows_bytes_s * done)


class FakeMachine:
    """Implements ``ports.Sensors`` and ``ports.Processes`` on a virtual clock, with no thread and no real process.

    It outlives an engine like the real helper does: connect a second engine to the same machine and it finds its runs.
    ``behave`` says what a job does, by its command's words.
    """

    def __init__(
        self,
        clock: VirtualClock,
        behave: Callable[[StartRequest], Behaviour],
        *,
        cores: int = 8,
        memory_bytes: int = 16 * GIB,
        others_bytes: int = 2 * GIB,
        others_cores: float = 0.0,
        gpus: tuple[GpuReading, ...] = (),
    ) -> None:
        self.clock = clock
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.others_bytes = others_bytes
        self.others_cores = others_cores
        self.gpus = gpus
        self.readable = True
        self.started: list[str] = []
        self.killed: list[str] = []
        self._behave = behave
        self._runs: dict[str, _Run] = {}
        self._waiting: dict[str, StartRequest] = {}
        self._ended: dict[str, RunEnd] = {}
        self._deliver: Callable[[Sequence[ProcessEvent]], None] | None = None
        self._untold: list[ProcessEvent] = []
        self._deliver_sample: Callable[[Sample], None] | None = None
        self._interval_s = 1.0
        self._cancel_sample: Callable[[], None] = lambda: None
        self._since = clock.now()

    # --- what a test looks at ------------------------------------------------------------------------------------

    def running(self) -> list[str]:
        """Ids of jobs with a live process, paused ones included, in order of start."""
        return [run.job for run in self._runs.values()]

    def used_bytes(self) -> int:
        now = self.clock.now()
        return self.others_bytes + sum(run.memory(now) for run in self._runs.values())

    def reading(self) -> MachineReading:
        """The machine as a sampler would see it now."""
        busy = sum(run.behaviour.cores for run in self._runs.values() if not run.paused)
        return MachineReading(
            at=self.clock.now(),
            cores=self.cores,
            memory_total_bytes=self.memory_bytes,
            memory_available_bytes=self.available_memory_bytes(),
            cpu_pct=min(100.0, 100.0 * (busy + self.others_cores) / self.cores),
            other_cpu_cores=self.others_cores,
            gpus=self.gpus,
        )

    # --- Sensors -------------------------------------------------------------------------------------------------

    def start_sampling(self, deliver: Callable[[Sample], None], interval_s: float) -> None:
        self._deliver_sample = deliver
        self._interval_s = interval_s
        self._schedule_sample()

    def _schedule_sample(self) -> None:
        self._cancel_sample = self.clock.call_at(self.clock.now() + self._interval_s, self._take_sample)

    def _take_sample(self) -> None:
        now = self.clock.now()
        usage = tuple(
            RunUsage(run.token, run.memory(now), 0.0 if run.paused else run.behaviour.cores, 1)
            for run in self._runs.values()
        )
        deliver = self._deliver_sample
        self._schedule_sample()
        if deliver is not None:
            deliver(Sample(self.reading(), usage))

    def set_interval(self, interval_s: float) -> None:
        if interval_s != self._interval_s:
            self._interval_s = interval_s
            self._cancel_sample()
            self._schedule_sample()

    def stop_sampling(self) -> None:
        self._cancel_sample()
        self._deliver_sample = None

    def available_memory_bytes(self) -> int | None:
        return max(0, self.memory_bytes - self.used_bytes()) if self.readable else None

    # --- Processes -----------------------------------------------------------------------------------------------

    async def connect(self, deliver: Callable[[Sequence[ProcessEvent]], None], tokens: Iterable[str]) -> Reconnected:  # noqa: ARG002
        self._deliver = deliver
        alive = tuple(KnownRun(run.token, RunRef(run.token), run.started_at, run.paused) for run in self._runs.values())
        return Reconnected(alive, tuple(self._ended.values()), self._since)

    def _tell(self, event: ProcessEvent) -> None:
        """Deliver at the next step with all else that happens now, as a real helper's answer would come."""
        self._untold.append(event)
        if len(self._untold) == 1:
            self.clock.call_soon(self._deliver_untold)

    def _deliver_untold(self) -> None:
        events, self._untold = self._untold, []
        # Whoever is connected by then hears it; ends nobody heard are kept until they are acknowledged.
        if self._deliver is not None:
            self._deliver(events)

    def start(self, requests: Sequence[StartRequest]) -> None:
        for request in requests:
            if request.behind in self._runs or request.behind in self._waiting:
                self._waiting[request.token] = request
            else:
                self._start(request)

    def _start(self, request: StartRequest) -> None:
        now = self.clock.now()
        if request.token in self._runs:
            self._tell(RunActionFailed(request.token, now, "start", "it runs already"))
            return
        behaviour = self._behave(request)
        if behaviour.start_error is not None:
            failed = RunStartFailed(request.token, now, behaviour.start_error)
            self._ended[request.token] = failed
            self._tell(failed)
            self._follow(request.token)
            return
        run = _Run(request.token, request.job, behaviour, now, since=now)
        self._runs[request.token] = run
        self.started.append(request.job)
        self._schedule_end(run)
        self._tell(RunStarted(request.token, now, RunRef(request.token)))

    def _schedule_end(self, run: _Run) -> None:
        left = run.behaviour.duration_s - run.worked_s
        run.cancel = self.clock.call_at(self.clock.now() + max(0.0, left), lambda: self._end(run, None))

    def _end(self, run: _Run, signal: int | None) -> None:
        if self._runs.pop(run.token, None) is None:
            return
        run.cancel()
        now = self.clock.now()
        code = None if signal is not None else run.behaviour.exit_code
        cpu_s = run.work(now) * run.behaviour.cores
        ended = RunExited(run.token, now, code, signal, cpu_s, run.memory(now), run.started_at)
        self._ended[run.token] = ended
        self._tell(ended)
        self._follow(run.token)

    def _follow(self, token: str) -> None:
        """Whoever waited for this place begins."""
        for request in [request for request in self._waiting.values() if request.behind == token]:
            del self._waiting[request.token]
            self._start(request)

    def revoke(self, tokens: Sequence[str]) -> None:
        for token in tokens:
            if self._waiting.pop(token, None) is not None:
                revoked = RunRevoked(token, self.clock.now())
                self._ended[token] = revoked
                self._tell(revoked)
                self.revoke([request.token for request in self._waiting.values() if request.behind == token])

    def pause(self, token: str) -> None:
        run = self._runs.get(token)
        if run is not None and not run.paused:
            run.worked_s = run.work(self.clock.now())
            run.paused = True
            run.cancel()
        self._tell(RunPaused(token, self.clock.now()))

    def resume(self, token: str) -> None:
        run = self._runs.get(token)
        if run is not None and run.paused:
            run.paused = False
            run.since = self.clock.now()
            self._schedule_end(run)
        self._tell(RunResumed(token, self.clock.now()))

    def terminate(self, token: str, grace_s: float) -> None:
        run = self._runs.get(token)
        if run is None:
            return
        if run.behaviour.ignores_term:
            self.clock.call_at(self.clock.now() + grace_s, lambda: self.kill(token))
        else:
            self.clock.call_soon(lambda: self._end(run, 15))

    def kill(self, token: str) -> None:
        run = self._runs.get(token)
        if run is not None:
            self.killed.append(run.job)
            self.clock.call_soon(lambda: self._end(run, 9))

    def acknowledge(self, tokens: Sequence[str]) -> None:
        for token in tokens:
            self._ended.pop(token, None)

    def disconnect(self) -> None:
        """The engine is gone, in order or not: what waits for a place never begins."""
        self._deliver = None
        self.revoke(list(self._waiting))

    async def close(self, stop_jobs: bool) -> None:
        self.disconnect()
        if stop_jobs:
            for run in list(self._runs.values()):
                self._end(run, 15)


class FakeSensors:
    """The Sensors side of a FakeMachine (``start`` means another thing on its Processes side)."""

    def __init__(self, machine: FakeMachine) -> None:
        self._machine = machine
        self.watched: Mapping[str, RunRef] = {}

    def start(self, deliver: Callable[[Sample], None], interval_s: float) -> None:
        self._machine.start_sampling(deliver, interval_s)

    def watch(self, runs: Mapping[str, RunRef]) -> None:
        self.watched = runs

    def set_interval(self, interval_s: float) -> None:
        self._machine.set_interval(interval_s)

    def available_memory_bytes(self) -> int | None:
        return self._machine.available_memory_bytes()

    def note_reaped(self, cpu_s: float, token: str | None = None) -> None:
        """The fake machine already knows what others use."""

    def stop(self) -> None:
        self._machine.stop_sampling()

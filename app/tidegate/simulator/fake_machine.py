"""A machine that exists only as numbers: memory, cores, cards, people, and jobs with curves; Sensors and Processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from tidegate.core.job import RunRef
from tidegate.core.machine import GpuReading, MachineReading, OtherProgram
from tidegate.core.resources import GIB
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
    Sample,
    StartRequest,
)
from tidegate.simulator.cards import given_cards, read_cards
from tidegate.simulator.fake_runs import Behaviour, FakeRun
from tidegate.simulator.others import OtherUser
from tidegate.simulator.virtual_clock import VirtualClock

LARGEST_OTHERS = 5


class FakeMachine:
    """Implements ``ports.Sensors`` and ``ports.Processes`` on a virtual clock, with no thread and no real process.

    It outlives an engine like the real helper does: connect a second engine to the same machine and it finds its runs.
    ``behave`` says what a job does, by its command's words. ``others_bytes``, ``others_cores`` and ``gpus`` are what is
    used without our jobs and without ``others``, who come and go by their curves.
    ``contention``: runs slow down where cores are oversubscribed, or cards used over 100 %. ``kernel_kills``: when more
    memory is used than there is, the run that uses the most is killed, as a kernel would.
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
        others: tuple[OtherUser, ...] = (),
        contention: bool = False,
        kernel_kills: bool = False,
    ) -> None:
        self.clock = clock
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.others_bytes = others_bytes
        self.others_cores = others_cores
        self.gpus = gpus
        self.others = others
        self.contention = contention
        self.kernel_kills = kernel_kills
        self.readable = True
        self.started: list[str] = []
        self.killed: list[str] = []
        self.killed_by_kernel: list[str] = []
        self.pauses = 0
        self.byte_s = 0.0
        self.rest: Callable[[float], float] = lambda interval_s: interval_s
        self.stirs = True
        self.one_by_one = False
        self._behave = behave
        self._runs: dict[str, FakeRun] = {}
        self._waiting: dict[str, StartRequest] = {}
        self._ended: dict[str, RunEnd] = {}
        self._deliver: Callable[[Sequence[ProcessEvent]], None] | None = None
        self._untold: list[ProcessEvent] = []
        self._deliver_sample: Callable[[Sample], None] | None = None
        self._interval_s = 1.0
        self._cancel_sample: Callable[[], None] = lambda: None
        self._sample_at = self._sampled_at = clock.now()
        self._since = clock.now()
        clock.when_rebased(self._note_slept)

    # --- what a test looks at ------------------------------------------------------------------------------------

    def running(self) -> list[str]:
        """Ids of jobs with a live process, paused ones included, in order of start."""
        return [run.job for run in self._runs.values()]

    @property
    def age_s(self) -> float:
        """Seconds since the machine began; the time of other people's curves."""
        return self.clock.now() - self._since

    def used_bytes(self) -> int:
        now, age_s = self.clock.now(), self.age_s
        others = sum(int(other.memory.at(age_s)) for other in self.others)
        return self.others_bytes + others + sum(run.memory(now) for run in self._runs.values())

    def other_cores(self) -> float:
        age_s = self.age_s
        return self.others_cores + sum(other.cores.at(age_s) for other in self.others)

    def reading(self) -> MachineReading:
        """The machine as a sampler would see it now."""
        now, age_s = self.clock.now(), self.age_s
        others = self.other_cores()
        busy = sum(run.cores(now) for run in self._runs.values()) + others
        programs = [OtherProgram(other.name, int(other.memory.at(age_s))) for other in self.others]
        programs.sort(key=lambda program: (-program.memory_bytes, program.name))
        return MachineReading(
            at=now,
            cores=self.cores,
            memory_total_bytes=self.memory_bytes,
            memory_available_bytes=self.available_memory_bytes(),
            cpu_pct=min(100.0, 100.0 * busy / self.cores),
            other_cpu_cores=min(others, self.cores),
            gpus=read_cards(self.gpus, self._runs.values(), self.others, now, age_s) if self.gpus else (),
            largest_others=tuple(programs[:LARGEST_OTHERS]),
        )

    def steady_until(self) -> float:
        """Until when every figure stays as it is, if nothing starts, ends or is told anything; now when one moves."""
        now = self.clock.now()
        ends = [run.steady_until(now) for run in self._runs.values()]
        ends += [self._since + other.steady_until(self.age_s) for other in self.others]
        return min(ends, default=math.inf)

    # --- what happens to it --------------------------------------------------------------------------------------

    def lose_card(self, index: int) -> None:
        """A card falls off the bus; what runs on it fails."""
        self._change_card(index, lost=True)
        for run in [run for run in self._runs.values() if index in run.cards]:
            self._end(run, None, exit_code=1)

    def return_card(self, index: int) -> None:
        self._change_card(index, lost=False)

    def heat_card(self, index: int, temperature_c: float) -> None:
        self._change_card(index, temperature_c=temperature_c)

    def _change_card(self, index: int, **changes: object) -> None:
        self.gpus = tuple(
            replace(card, **changes) if card.index == index else card  # type: ignore[arg-type]
            for card in self.gpus
        )
        self._stir()

    def sleep(self, seconds: float) -> None:
        """The machine sleeps for so long: the clock goes on, and no work is done. Noticed with the next sample."""
        self.clock.sleep_machine(seconds)
        self._stir()

    def _note_slept(self, jump_s: float) -> None:
        """What runs, and the pace of the samples, goes by time awake; other people's curves go by the clock."""
        for run in self._runs.values():
            run.since += jump_s
            if not run.paused:
                self._schedule_end(run)
        self._sampled_at += jump_s
        if self._deliver_sample is not None:
            self._sample_in(self._interval_s)

    def _kill_for_memory(self) -> None:
        """As a kernel does it: whoever holds the most memory, until it is enough."""
        while self.kernel_kills and self._runs and self.used_bytes() > self.memory_bytes:
            now = self.clock.now()
            victim = max(self._runs.values(), key=lambda run: run.memory(now))
            self.killed_by_kernel.append(victim.job)
            self._end(victim, 9)

    def _set_speeds(self) -> None:
        """Who shares what is short gets a fair part of it: cores by what is wanted, and each card by its use."""
        if not self.contention:
            return
        now, age_s = self.clock.now(), self.age_s
        wanted = self.other_cores() + sum(run.cores(now) for run in self._runs.values())
        of_cores = min(1.0, self.cores / wanted) if wanted else 1.0
        busy: dict[int, float] = {}
        for run in self._runs.values():
            for index in run.cards:
                busy[index] = busy.get(index, 0.0) + run.card_utilisation_pct()
        for other in self.others:
            for index, load in other.cards.items():
                busy[index] = busy.get(index, 0.0) + load.utilisation_pct.at(age_s)
        for run in self._runs.values():
            speed = min([of_cores, *(100.0 / max(100.0, busy[index]) for index in run.cards)])
            if speed != run.speed and not run.paused:
                run.account(now)
                run.speed = speed
                self._schedule_end(run)

    # --- Sensors -------------------------------------------------------------------------------------------------

    def start_sampling(self, deliver: Callable[[Sample], None], interval_s: float) -> None:
        self._deliver_sample = deliver
        self._interval_s = interval_s
        self._sample_in(interval_s)

    def _sample_in(self, seconds: float) -> None:
        self._cancel_sample()
        self._sample_at = self.clock.now() + seconds
        self._cancel_sample = self.clock.call_at(self._sample_at, self._take_sample)

    def _take_sample(self) -> None:
        self._kill_for_memory()
        self._set_speeds()
        now = self._sampled_at = self.clock.now()
        usage = tuple(run.usage(now) for run in self._runs.values())
        deliver = self._deliver_sample
        self._sample_in(self._interval_s)
        if deliver is None:
            return
        deliver(Sample(self.reading(), usage))
        if self._untold or self._deliver_sample is None:
            return
        pause_s = self.rest(self._interval_s)
        if pause_s > self._interval_s:
            self._sample_from(now + pause_s)

    def _sample_from(self, moment: float) -> None:
        """At the first moment from there on at which a sampler that never rests would take one."""
        passed = math.ceil((moment - self._sampled_at) / self._interval_s - 1e-9)
        self._sample_in(self._sampled_at + max(1, passed) * self._interval_s - self.clock.now())

    def _stir(self, by_itself: bool = False) -> None:
        """Something happened: a sampler that rests looks when one that does not would.

        What the engine does at the moment of a sample comes after it; what happens ``by_itself`` comes before.
        """
        now = self.clock.now()
        resting = self._sample_at > now + self._interval_s - 1e-9
        if self.stirs and resting and self._deliver_sample is not None:
            self._sample_from(now if by_itself else now + 1e-6)

    def set_interval(self, interval_s: float) -> None:
        if interval_s != self._interval_s:
            self._interval_s = interval_s
            self._sample_in(interval_s)

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
        if len(self._untold) == 1 or self.one_by_one:
            self.clock.call_soon(self._deliver_untold)

    def _deliver_untold(self) -> None:
        told = 1 if self.one_by_one else len(self._untold)
        events, self._untold = self._untold[:told], self._untold[told:]
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
        run = FakeRun(request.token, request.job, behaviour, now, given_cards(request, self.gpus), since=now)
        self._runs[request.token] = run
        self.started.append(request.job)
        self._schedule_end(run)
        self._tell(RunStarted(request.token, now, RunRef(request.token)))
        self._note_change()

    def _note_change(self, by_itself: bool = False) -> None:
        """Other runs share the machine now."""
        self._set_speeds()
        self._stir(by_itself)

    def _schedule_end(self, run: FakeRun) -> None:
        run.cancel()
        now = self.clock.now()
        run.cancel = self.clock.call_at(now + run.left_s(now), lambda: self._end(run, None))

    def _end(self, run: FakeRun, signal: int | None, exit_code: int | None = None) -> None:
        if self._runs.pop(run.token, None) is None:
            return
        run.cancel()
        now = self.clock.now()
        run.account(now)
        self.byte_s += run.byte_s
        code = None if signal is not None else run.behaviour.exit_code if exit_code is None else exit_code
        cpu_s = run.cpu_curve.area(0.0, run.worked_s)
        peak = int(run.memory_curve.highest(run.worked_s))
        ended = RunExited(run.token, now, code, signal, cpu_s, peak, run.started_at)
        self._ended[run.token] = ended
        self._note_change(by_itself=signal is None)
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
            run.account(self.clock.now())
            run.paused = True
            run.cancel()
            self.pauses += 1
            self._note_change()
        self._tell(RunPaused(token, self.clock.now()))

    def resume(self, token: str) -> None:
        run = self._runs.get(token)
        if run is not None and run.paused:
            run.account(self.clock.now())
            run.paused = False
            self._schedule_end(run)
            self._note_change()
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

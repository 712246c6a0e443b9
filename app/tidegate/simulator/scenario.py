"""A scenario: a workload on a machine under a policy; ``simulate`` runs the real engine through it on virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from tidegate.core.alert_rules import AlertPolicy
from tidegate.core.conflicts import AdvicePolicy
from tidegate.core.job import JobId
from tidegate.core.machine import GpuReading
from tidegate.core.policy import CORES_ONLY, Policy
from tidegate.core.resources import GIB, MIB
from tidegate.core.state import MakeStrategy, State
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.engine import intake
from tidegate.engine.engine import Engine
from tidegate.engine.ports import Batch, EngineUnwilling, Notice, StartRequest, Submission, Submitted
from tidegate.engine.store import Store
from tidegate.execution.executor import Executor
from tidegate.simulator.cards import fake_card
from tidegate.simulator.fake_machine import FakeMachine, FakeSensors
from tidegate.simulator.fake_runs import Behaviour
from tidegate.simulator.memory_journal import MemoryJournal
from tidegate.simulator.others import OtherUser
from tidegate.simulator.report import Refusal, Report, report
from tidegate.simulator.resting import reads_samples, rest_s
from tidegate.simulator.virtual_clock import VirtualClock
from tidegate.simulator.workload import TraceJob, Workload

# The command line may not import the core: what it needs of it to write a scenario down stands here.
__all__ = ["CORES_ONLY", "GIB", "Machine", "Policy", "Scenario", "fake_card", "simulate"]

GIVEN_UP_AFTER_S = 6 * 3600.0  # with nothing started or ended, beyond what the longest job may take
LOOK_EVERY = 64  # steps of the clock
NO_ADVICE = AdvicePolicy(conflicts=False, hints=False)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the simulated machine is like. ``others_bytes`` is what other programs use all the time."""

    cores: int
    memory_bytes: int
    cards: tuple[GpuReading, ...] = ()
    others_bytes: int = 0
    others: tuple[OtherUser, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that decides what a simulation comes to.

    ``happenings`` befall the machine at their seconds since the beginning. ``jitter_pct``: each job lasts up to so much
    longer or shorter than the workload says, drawn by ``seed``. ``contention``: see FakeMachine. ``strategies``: those
    that ``policy`` may name. ``advice``: whether conflicts are looked for, and settled by a policy.
    """

    workload: Workload
    machine: Machine
    policy: Policy
    seed: int = 0
    jitter_pct: float = 0.0
    contention: bool = False
    happenings: tuple[tuple[float, Callable[[FakeMachine], None]], ...] = ()
    sample_interval_s: float = 1.0
    one_by_one: bool = False
    strategies: Mapping[str, MakeStrategy] = field(default_factory=lambda: BUILT_IN)
    advice: AdvicePolicy = NO_ADVICE


def simulate(scenario: Scenario, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Report:
    """Run it to its end. ``progress`` hears now and then how many jobs of how many have ended."""
    return _Simulation(scenario).run(progress)


class _Records(MemoryJournal):
    """Remembers what became of each job; a long simulation's readings and audit trail would fill the memory."""

    def _apply(self, batch: Batch) -> None:
        disk = self.disk
        for record in (*batch.added, *batch.changed):
            disk.records[record.id] = record
        for id, attempt in batch.attempts:
            disk.attempts.setdefault(id, {})[attempt.number] = attempt


class _Silent:
    def notify(self, notice: Notice) -> None:
        """Nobody listens."""


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._clock = clock = VirtualClock()
        shape = scenario.machine
        self._machine = machine = FakeMachine(
            clock,
            self._behave,
            cores=shape.cores,
            memory_bytes=shape.memory_bytes,
            others_bytes=shape.others_bytes,
            gpus=shape.cards,
            others=shape.others,
            contention=scenario.contention,
            kernel_kills=True,
        )
        tokens = count(1)
        self._journal = _Records(clock.call_soon)
        self._engine = engine = Engine(
            Store(State(replace(scenario.policy, time_limits=False), scenario.strategies)),
            clock=clock,
            sensors=FakeSensors(machine),
            processes=machine,
            executor=Executor(machine, lambda job, attempt: f"{job}-{attempt}", lambda: MIB, self._card_uuid),
            journal=self._journal,
            notifier=_Silent(),
            new_token=lambda: f"run-{next(tokens)}",
            sample_interval_s=scenario.sample_interval_s,
            finished_in_memory=100,
            audited=False,
        )
        engine.alarms.set_policy(AlertPolicy(enabled=False))  # nobody is there to be alarmed
        engine.advisor.set_policy(scenario.advice)
        engine.published = lambda _notices, _sample: engine.store.forget_unpublished()
        if not scenario.advice.conflicts:  # what two jobs do to each other is told by how long it lasts
            machine.rest = lambda interval_s: rest_s(engine.state, machine, interval_s)
        machine.one_by_one = scenario.one_by_one
        machine.stirs = reads_samples(scenario.policy, machine)
        self._begun = 0.0
        self._next = 0
        self._accepting = 0
        self._known: dict[JobId, TraceJob] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._refused: list[Refusal] = []
        self._random = random.Random(scenario.seed)

    # --- the world -----------------------------------------------------------------------------------------------

    def _card_uuid(self, index: int) -> str | None:
        return next((card.uuid for card in self._machine.gpus if card.index == index), None)

    def _behave(self, request: StartRequest) -> Behaviour:
        return self._behaviours[request.job]

    # --- running it ----------------------------------------------------------------------------------------------

    def run(self, progress: Callable[[int, int], None]) -> Report:
        clock, state, jobs = self._clock, self._engine.state, self._scenario.workload.jobs
        _complete(self._engine.open())
        clock.advance(self._scenario.sample_interval_s)  # without a reading nobody knows what the machine has
        self._begun = clock.now()
        for at_s, happening in self._scenario.happenings:
            clock.call_at(self._begun + at_s, partial(happening, self._machine))
        self._await_next()
        longest_s = max((job.behaviour.duration_s for job in jobs), default=0.0)
        patience_s = GIVEN_UP_AFTER_S + longest_s * (10 if self._scenario.contention else 2)
        steps, last, last_at = 0, (0, 0), clock.now()
        while self._next < len(jobs) or self._accepting or state.active or state.queued_count:
            if not clock.step():
                break
            steps += 1
            if steps % LOOK_EVERY:
                continue
            ended = len(self._known) - len(state.active) - state.queued_count
            progress(ended + len(self._refused), len(jobs))
            if self._next < len(jobs) or (len(self._machine.started), ended) != last:
                last, last_at = (len(self._machine.started), ended), clock.now()
            elif clock.now() - last_at > patience_s:
                break  # somebody else has the memory, or only a person could let a frozen job go on
        progress(len(jobs), len(jobs))
        name = self._scenario.policy.strategy
        raised = state.switched_off.get(name)
        return report(name, self._known, self._journal, self._machine, self._begun, self._refused, raised)

    def _await_next(self) -> None:
        jobs = self._scenario.workload.jobs
        if self._next < len(jobs):
            due = self._begun + jobs[self._next].submit_s
            if self._scenario.one_by_one:
                self._clock.call_at(due, self._submit_due)
            else:
                # A step later: what ends at this very moment ends first.
                self._clock.call_at(due, lambda: self._clock.call_soon(self._submit_due))

    def _submit_due(self) -> None:
        """Everything that is submitted at one moment is one request, unless jobs are to come one by one."""
        jobs, first = self._scenario.workload.jobs, self._next
        self._next += 1
        while (
            not self._scenario.one_by_one
            and self._next < len(jobs)
            and jobs[self._next].submit_s <= jobs[first].submit_s
        ):
            self._next += 1
        due = jobs[first : self._next]
        taken: list[TraceJob] = []
        for job in due:
            sentence = intake.refusal(self._engine, Submission(job.spec), lambda _id: False)
            if sentence is None:
                taken.append(job)
            else:
                self._refused.append(Refusal(job.id, sentence))
        if taken:
            self._accepting += 1
            intake.accept(
                self._engine,
                [Submission(job.spec) for job in taken],
                lambda _id: False,
                lambda answers: self._note_accepted(taken, answers),
            )
        self._await_next()

    def _note_accepted(self, jobs: list[TraceJob], answers: list[Submitted] | EngineUnwilling) -> None:
        self._accepting -= 1
        assert not isinstance(answers, EngineUnwilling), answers
        for job, answer in zip(jobs, answers, strict=True):
            assert answer.id is not None
            self._known[answer.id] = job
            self._behaviours[str(answer.id)] = self._drawn(job.behaviour)

    def _drawn(self, behaviour: Behaviour) -> Behaviour:
        jitter = self._scenario.jitter_pct / 100.0
        if not jitter:
            return behaviour
        return replace(behaviour, duration_s=behaviour.duration_s * self._random.uniform(1.0 - jitter, 1.0 + jitter))


def _complete(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what never really waits: here everybody answers at once."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a simulated engine waited for the real world")

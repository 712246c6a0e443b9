"""Random machines, queues and jobs run through the real engine in the simulator, and what must hold whatever comes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial

from tidegate.core.job import Job, JobId, JobSpec, OnPreempt, Outcome, Paused, PauseReason, Running, Starting
from tidegate.core.placement import need_of
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.resources import GIB, GpuRequest
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.simulator import scenario as scenarios
from tidegate.simulator.cards import fake_card
from tidegate.simulator.curves import steps
from tidegate.simulator.fake_machine import FakeMachine
from tidegate.simulator.fake_runs import Behaviour
from tidegate.simulator.others import CardLoad, OtherUser
from tidegate.simulator.report import Report
from tidegate.simulator.scenario import Machine, Scenario
from tidegate.simulator.workload import TraceJob, Workload

OPTIONS: tuple[tuple[str, object], ...] = (
    ("time_slicing.quantum_s", 60.0),
    ("resource_pooling.pools", "batch=30 realtime=40"),
    ("resource_pooling.reclaim_s", 20.0),
)
RESTLESS = 200  # plans at one moment
# What a job may be paused for others without having run for long: the first time, and when it made room for a queue.
FREE_PAUSES = 4
LEAST_RUN_S = 60.0


def a_scenario(strategy: str, seed: int, most_jobs: int = 40, calm: bool = False) -> Scenario:
    """``calm``: nothing but declared jobs that keep their word: no leaks, nobody else, no card is lost."""
    draw = random.Random(f"{strategy} {seed}")
    cores, memory = draw.choice([2, 4, 8, 16]), draw.choice([8, 16, 32, 64]) * GIB
    cards = tuple(fake_card(index, draw.choice([8, 16, 24]) * GIB) for index in range(draw.choice([0, 0, 1, 2, 4])))
    policy = Policy(
        strategy=strategy,
        strategy_options=OPTIONS,
        max_workers=draw.choice([None, None, 2, 3]),
        max_bypass=3,
        max_backfill=draw.choice([5, 1000]),
        placement=draw.choice(["balanced", "pack", "spread"]),
        queues=_queues(draw, memory),
    )
    jobs, at_s = [], 0.0
    for number in range(draw.randint(5, most_jobs)):
        at_s += draw.choice([0.0, 0.0, draw.expovariate(1 / 60)])
        jobs.append(_job(draw, number, at_s, policy, cores, memory, len(cards), calm))
    others: tuple[OtherUser, ...] = ()
    happenings = []
    if not calm and draw.random() < 0.4:
        others = (_somebody(draw, cores, memory, len(cards)),)
    if not calm and cards and draw.random() < 0.3:
        lost_at, index = draw.uniform(0, 600), draw.randrange(len(cards))
        happenings = [
            (lost_at, partial(FakeMachine.lose_card, index=index)),
            (lost_at + draw.uniform(10, 900), partial(FakeMachine.return_card, index=index)),
        ]
    used = draw.choice([0, GIB])
    return Scenario(
        Workload("campaign", tuple(jobs)),
        Machine(cores, memory, cards, used, others),
        policy,
        happenings=tuple(happenings),
    )


def _queues(draw: random.Random, memory: int) -> tuple[QueuePolicy, ...]:
    queues = [
        QueuePolicy("realtime", order=0, preempts=draw.choice([("batch",), ("batch", "default")])),
        QueuePolicy("default"),
        QueuePolicy("batch", order=draw.choice([10, 20])),
    ]
    for index, queue in enumerate(queues):
        if draw.random() < 0.3:
            queue = replace(queue, strategy=draw.choice(list(BUILT_IN)))
        if draw.random() < 0.3:
            queue = replace(queue, max_running=draw.choice([1, 2, 3]))
        if draw.random() < 0.15:
            queue = replace(queue, memory_bytes=memory // 2)
        if draw.random() < 0.15:
            queue = replace(queue, cards=1)
        if draw.random() < 0.15:
            queue = replace(queue, backfill=False)
        queues[index] = queue
    return tuple(queues)


def _job(
    draw: random.Random, number: int, at_s: float, policy: Policy, cores: int, memory: int, cards: int, calm: bool
) -> TraceJob:
    duration_s = draw.choice([5.0, 30.0, 120.0, 400.0, 1500.0]) * draw.uniform(0.5, 1.5)
    promise = int(memory * draw.choice([0.02, 0.1, 0.2, 0.45]))
    declared = calm or draw.random() < 0.8
    asked = float(draw.choice([1, 1, 2, cores // 2, cores]))
    fields: dict[str, object] = {"memory_bytes": promise if declared else None, "cores": asked}
    if not calm and draw.random() < 0.2:
        fields["cores"] = None
    card_bytes = 0
    if cards and draw.random() < 0.5:
        card_bytes = draw.choice([1, 2, 4]) * GIB
        known = card_bytes if calm or draw.random() < 0.7 else None
        count = draw.choice([0.25, 0.5, 1, cards])
        fields["gpu"] = GpuRequest(count, known, exclusive=count >= 1 and draw.random() < 0.2)
    if draw.random() < 0.5:
        fields["time_limit_s"] = duration_s * draw.choice([0.5, 1.0, 1.2, 3.0])
    if draw.random() < 0.1:
        fields["locks"] = (draw.choice("xy"),)
    if draw.random() < 0.1:
        fields["deadline_at"] = 1e12
    name = f"job-{number}"
    used = int(min(promise, 0.9 * memory) * draw.uniform(0.5, 1.0)) if declared else int(memory * 0.05)
    spec = JobSpec(
        command=(name,), cwd="/", name=name, notify=False,
        queue=draw.choice([queue.name for queue in policy.queues]),
        priority=draw.choice([0, 2, 5, 5, 7, 9]),
        user=draw.choice(["alice", "bob", None]),
        preemptible=draw.random() < 0.8,
        on_preempt=draw.choice([OnPreempt.PAUSE, OnPreempt.PAUSE, OnPreempt.REQUEUE, OnPreempt.KILL]),
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    leaks = not calm and draw.random() < 0.04
    behaviour = Behaviour(
        duration_s,
        used,
        ramp_s=draw.choice([0.0, 10.0, 60.0]),
        grows_bytes_s=0.8 * used / duration_s if leaks else 0.0,  # far over its promise in the end
        cores=asked,
        gpu_memory_bytes=card_bytes,
        gpu_utilisation_pct=draw.choice([20.0, 60.0, 100.0]) if card_bytes else 0.0,
    )
    return TraceJob(name, at_s, spec, behaviour)


def _somebody(draw: random.Random, cores: int, memory: int, cards: int) -> OtherUser:
    """Comes and goes, and leaves in the end."""

    def load(high: float) -> list[tuple[float, float]]:
        moments = sorted(draw.uniform(0, 3000) for _ in range(4))
        return [(moment, high * draw.uniform(0, 1) if n % 2 == 0 else 0.0) for n, moment in enumerate(moments)]

    on_cards = {}
    if cards:
        on_cards[0] = CardLoad(steps(*load(8.0 * GIB)), steps(*load(100.0)))
    return OtherUser("somebody", steps(*load(0.9 * memory)), steps(*load(float(cores))), on_cards)


@dataclass
class Watched:
    """One simulation, looked at after every tick of its engine."""

    scenario: Scenario
    calm: bool = False
    wrong: dict[str, None] = field(default_factory=dict)
    pauses: Counter[tuple[JobId, PauseReason]] = field(default_factory=Counter)
    ticks: int = 0

    def run(self) -> Report:
        self.simulation = simulation = scenarios._Simulation(self.scenario)
        self.engine = engine = simulation._engine
        self._last, self._at_once = 0.0, 0
        self._seen: set[tuple[JobId, float]] = set()
        published = engine.published

        def look(*told: object) -> None:
            published(*told)  # type: ignore[arg-type]
            self._look()

        engine.published = look  # type: ignore[assignment]
        report = simulation.run(lambda _done, _all: None)
        self._judge(report)
        return report

    def say(self, text: str) -> None:
        self.wrong[text] = None

    def _look(self) -> None:
        engine, now = self.engine, self.engine.clock.now()
        state, self.ticks = engine.state, self.ticks + 1
        self._at_once = self._at_once + 1 if now == self._last else 0
        self._last = now
        if self._at_once > RESTLESS:
            raise AssertionError(f"the plan never comes to rest at {now - self.simulation._begun:g} s")
        cores, per_queue, shares = 0.0, Counter[str](), Counter[int]()
        for job in state.active.values():
            status = job.status
            if isinstance(status, Paused) and (job.id, status.since) not in self._seen:
                self._seen.add((job.id, status.since))
                self.pauses[job.id, status.reason] += 1
            if isinstance(status, Running | Starting) and not state.waits_behind(job):
                cores += job.estimate.cores if job.estimate is not None else 1.0
                per_queue[job.spec.queue] += 1
                need = need_of(job.spec, job.estimate)
                for index in job.attempts[-1].devices:
                    shares[index] += need.share if need is not None else 0.0
        if cores > self.scenario.machine.cores + 1e-6:
            self.say(f"{cores:g} cores of {self.scenario.machine.cores} are given")
        most = self.scenario.policy.workers(self.scenario.machine.cores)
        if most is not None and per_queue.total() > most:
            self.say(f"{per_queue.total()} jobs run, {most} may")
        for queue in self.scenario.policy.queues:
            if queue.max_running is not None and per_queue[queue.name] > queue.max_running:
                frozen = any(reason is PauseReason.MEMORY for _, reason in self.pauses)
                if not frozen:
                    self.say(f"{per_queue[queue.name]} jobs of {queue.name} run, {queue.max_running} may")
        for index, share in shares.items():
            if share > 1 + 1e-6:
                self.say(f"{share:g} of card {index} is given")

    def _judge(self, report: Report) -> None:
        state = self.engine.state
        state.check()
        if self.engine.planner_failures:
            self.say("the planner raised")
        if state.switched_off:
            self.say(f"switched off: {state.switched_off}")
        if report.unfinished:
            waits = self.engine.plan.waits
            names = [
                f"{job.id} {job.status_name} {job.spec.queue}: "
                + " | ".join(reason.sentence for reason in waits[job.id])
                for job in state.jobs.values()
                if job.outcome is None
            ]
            self.say(f"{report.unfinished} of {len(report.jobs)} never ended: " + "; ".join(names[:6]))
        for _, job in report.jobs:
            self._judge_job(job)

    def _judge_job(self, job: Job) -> None:
        policy = self.scenario.policy
        ran_s = sum(
            run.ended_at - run.started_at - run.paused_s
            for run in job.attempts
            if run.started_at is not None and run.ended_at is not None
        )
        turns = self.pauses[job.id, PauseReason.SCHEDULING]
        if turns > FREE_PAUSES + ran_s / LEAST_RUN_S * 1.1:
            self.say(f"job {job.id} was paused {turns} times for others in {ran_s:.0f} s of running")
        again = sum(run.outcome is None for run in job.attempts[:-1])
        if again > 12:
            self.say(f"job {job.id} began {again + 1} times")
        fine = {Outcome.SUCCEEDED}
        if not self.calm:
            fine |= {Outcome.FAILED, Outcome.KILLED, Outcome.OUT_OF_MEMORY}
        if job.spec.on_preempt is OnPreempt.KILL:
            fine.add(Outcome.KILLED)
        if job.outcome is not None and job.outcome not in fine:
            self.say(f"job {job.id} came to be {job.outcome.value}")
        if self.calm and job.bypassed > max(policy.max_bypass, policy.max_backfill) + 2:
            self.say(f"job {job.id} was passed {job.bypassed} times")


def judge(strategy: str, seed: int, most_jobs: int = 40) -> list[str]:
    """Everything that is wrong with how this strategy took this scenario; empty: nothing."""
    calm = seed % 2 == 0
    watched = Watched(a_scenario(strategy, seed, most_jobs, calm), calm)
    try:
        watched.run()
    except AssertionError as error:
        watched.say(f"{type(error).__name__}: {error}")
    return list(watched.wrong)

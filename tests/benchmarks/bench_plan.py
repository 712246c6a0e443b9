"""What one decision costs: ``plan()`` with many queued jobs, the memory they hold, and the first page of ``list``."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, thread_time

from tests.benchmarks.figures import Figure, percentile

from support.kept_settings import KeptSettings
from tidegate.core import events as e
from tidegate.core.actions import Start
from tidegate.core.job import JobId, JobKind, JobSpec, RunRef, Usage
from tidegate.core.machine import MachineReading
from tidegate.core.planner import plan
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, MIB
from tidegate.core.state import State
from tidegate.core.transitions import apply

RUNNING = 100
CORES = 256
TOTAL = 250 * GIB
BUDGETS_MS = {10_000: 1.0, 100_000: 2.0}
USERS = ("ann", "bob", "eve", None)
COMMANDS = ("python train.py --lr 0.01", "python evaluate.py", "bash render.sh", "make -j4", "./simulate --steps 1000")


def shapes() -> list[dict[str, object]]:
    """About fifty kinds of wish, as a lab's queue has them: sizes, cores and priorities that repeat."""
    sizes = (2 * GIB, 3 * GIB, 4 * GIB, 6 * GIB, 8 * GIB, 12 * GIB, 16 * GIB, 32 * GIB)
    found: list[dict[str, object]] = []
    for priority in (3, 5, 7):
        for index, size in enumerate(sizes):
            for cores in (1.0, 4.0) if index < 6 else (8.0, 16.0):
                found.append({"priority": priority, "memory_bytes": size, "cores": cores})
    found.append({"priority": 5, "kind": JobKind.PYTHON})
    found.append({"priority": 5, "kind": JobKind.OTHER})
    return found


class Queue:
    """A pure State with running and queued jobs, made by events alone, and the changes a busy day brings to it."""

    def __init__(self, queued: int, seed: int = 7, strategy: str = "priority_based") -> None:
        self.now = 1_700_000_000.0
        self.random = random.Random(seed)
        self.shapes = shapes()
        self.numbers = 0
        self.state = State(Policy(max_workers=CORES, max_queued=10 * queued, strategy=strategy))
        self._sample()
        for _ in range(RUNNING):
            id = self.submit({"priority": 5, "memory_bytes": 2 * GIB, "cores": 2.0})
            self._start(Start(id, estimate=self._estimate(id)))
        for _ in range(queued):
            self.submit(self.random.choice(self.shapes))
        # What fits beside the hundred starts before anything is measured.
        while self.carry_out():
            pass

    def _estimate(self, id: JobId) -> object:
        from tidegate.core.estimates import estimate

        return estimate(self.state.jobs[id].spec, None, self.state.policy, None)

    def submit(self, shape: dict[str, object]) -> JobId:
        self.numbers += 1
        id = JobId(self.numbers)
        command = tuple(f"{self.random.choice(COMMANDS)} --seed {self.numbers}".split())
        spec = JobSpec(
            command, "/home/someone/project", command[0], environment="e" * 64, user=self.random.choice(USERS), **shape
        )  # type: ignore[arg-type]
        apply(self.state, e.JobSubmitted(self.now, id, spec, self.numbers, False))
        self.state.touched.clear()
        return id

    def _start(self, action: Start) -> None:
        token = f"token-{action.id.number}"
        apply(self.state, e.JobStarting(self.now, action.id, 1, token, action.estimate, action.devices))
        apply(self.state, e.JobStarted(self.now, action.id, RunRef(token, f"boot:{action.id.number}:1.0")))
        self.state.touched.clear()

    def carry_out(self) -> int:
        """Start what a plan lets in; how many."""
        starts = [action for action in plan(self.state, self.now).actions if isinstance(action, Start)]
        for action in starts:
            self._start(action)
        return len(starts)

    def _sample(self) -> None:
        used = sum(job.usage.memory_bytes or 0 for job in self.state.active.values() if job.usage is not None)
        available = TOTAL - 6 * GIB - used
        apply(self.state, e.MachineSampled(MachineReading(self.now, CORES, TOTAL, available, other_cpu_cores=0.5)))

    def change(self, turn: int) -> None:
        """One fact of a busy day: somebody submits, a job ends, or a reading comes in."""
        self.now += 0.01
        match turn % 3:
            case 0:
                self.submit(self.random.choice(self.shapes))
            case 1:
                job = self.random.choice(list(self.state.active.values()))
                exited = e.JobExited(self.now, job.id, job.attempts[-1].token, 0, None, 1.0, 900 * MIB, self.now - 1)
                apply(self.state, exited)
            case _:
                at = self.now
                usage = tuple((id, Usage(at, 800 * MIB, 1.0, 1)) for id in self.state.active)
                apply(self.state, e.JobsMeasured(at, usage))
                self._sample()
        self.state.touched.clear()


def plan_times_ms(queue: Queue, rounds: int) -> list[float]:
    """Milliseconds of each plan made right after one change; what it decides is carried out off the clock.

    It is the thread's own time: that another program had the core meanwhile is no cost of planning.
    """
    times = []
    for turn in range(rounds):
        queue.change(turn)
        begun = thread_time()
        decided = plan(queue.state, queue.now)
        times.append((thread_time() - begun) * 1000)
        for action in decided.actions:
            if isinstance(action, Start):
                queue._start(action)
    return times


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(quick: bool, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    before: float | None = None
    rounds = 60 if quick else 1500
    for queued in (200, 1_000) if quick else (1_000, 10_000, 100_000):
        say(f"plan() with {queued:,} queued")
        gc.collect()
        base = resident_bytes()
        queue = Queue(queued)
        gc.collect()
        held = (resident_bytes() - base) / queued
        # The application freezes what lives long; a full collection over 100,000 jobs is not part of a decision.
        gc.freeze()
        plan_times_ms(queue, 30)
        times = plan_times_ms(queue, rounds)
        middle, high = percentile(times, 0.5), percentile(times, 0.99)
        name = f"plan(), {len(queue.state.active)} running, {queued:,} queued"
        growth = "" if before is None else f"{middle / before:.2f} x the p50 of a tenth of the queue"
        figures.append(Figure(f"{name}: p50", middle, "ms", note=growth))
        figures.append(Figure(f"{name}: p99", high, "ms", BUDGETS_MS.get(queued)))
        before = middle
        if queued == (1_000 if quick else 100_000):
            figures.append(Figure(f"memory of a queued job, {queued:,} queued", held, "bytes", 2048))
            figures.append(first_page(queue))
        gc.unfreeze()
        del queue
    return figures


def first_page(queue: Queue) -> Figure:
    """``list`` as the API serves it: LocalDesk pictures the first hundred, reasons included."""
    from tidegate.engine.desk import LocalDesk
    from tidegate.simulator.memory_journal import MemoryJournal

    with tempfile.TemporaryDirectory(prefix="tgb") as folder:
        desk = _desk(queue, LocalDesk, MemoryJournal, folder)
        times = []
        for _ in range(15):
            begun = perf_counter()
            views = desk.jobs(limit=100)
            times.append((perf_counter() - begun) * 1000)
        assert len(views) == 100
    return Figure(f"first page of list, {len(queue.state.line):,} queued", percentile(times, 0.9), "ms", 50)


def _desk(queue: Queue, desk: type, journal: type, folder: str):
    from tidegate.engine.engine import Engine
    from tidegate.engine.store import Store
    from tidegate.execution.executor import Executor
    from tidegate.simulator.fake_machine import Behaviour, FakeMachine, FakeSensors
    from tidegate.simulator.memory_journal import MemoryDisk
    from tidegate.simulator.virtual_clock import VirtualClock

    clock = VirtualClock()
    machine = FakeMachine(clock, lambda _request: Behaviour())
    memory = journal(clock.call_soon, MemoryDisk())
    executor = Executor(machine, lambda job, attempt: f"{folder}/{job}-{attempt}", lambda: 64 * MIB, str)
    engine = Engine(
        Store(queue.state),
        clock=clock,
        sensors=FakeSensors(machine),
        processes=machine,
        executor=executor,
        journal=memory,
        notifier=_Silent(),
        new_token=lambda: "token",
    )
    engine.plan = plan(queue.state, queue.now)
    return desk(
        engine,
        memory,
        loop=asyncio.new_event_loop(),
        version="0",
        kind="serve",
        pid_of=lambda _identity: None,
        log_path=lambda job, attempt: f"{folder}/{job}-a{attempt}.log",
        dropped=lambda _path: None,
        shut_down=_nothing,
        settings=KeptSettings(),
    )


class _Silent:
    def notify(self, notice: object) -> None:
        """Nobody listens."""


async def _nothing(stop_jobs: bool) -> None:
    return None

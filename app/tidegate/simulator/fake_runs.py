"""What a job's process does on a fake machine (Behaviour), and one that is doing it (FakeRun)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.core.job import Touches
from tidegate.core.resources import MIB
from tidegate.engine.ports import RunUsage
from tidegate.simulator.curves import Curve, level


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a job's process does: how long it works, what it holds, how it ends.

    ``memory_bytes`` is reached after ``ramp_s`` seconds of work, linearly; ``grows_bytes_s`` is added without end (a
    leak). ``memory_curve`` and ``cores_curve``, over seconds of work, stand instead of those. ``gpu_memory_bytes`` (or
    its curve) and ``gpu_utilisation_pct`` are of each card the job was given.
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
    memory_curve: Curve | None = None
    cores_curve: Curve | None = None
    gpu_memory_bytes: int = 0
    gpu_memory_curve: Curve | None = None
    gpu_utilisation_pct: float = 0.0
    processes: int = 1
    threads: int | None = None
    touches: Touches | None = None

    @property
    def memory(self) -> Curve:
        if self.memory_curve is not None:
            return self.memory_curve
        if self.ramp_s <= 0:
            return Curve(((0.0, self.memory_bytes),), self.grows_bytes_s)
        top = self.memory_bytes + self.grows_bytes_s * self.ramp_s
        return Curve(((0.0, 0.0), (self.ramp_s, top)), self.grows_bytes_s)

    @property
    def cpu(self) -> Curve:
        return self.cores_curve or level(self.cores)

    @property
    def gpu_memory(self) -> Curve:
        return self.gpu_memory_curve or level(self.gpu_memory_bytes)


@dataclass(slots=True)
class FakeRun:
    """One process tree at work. ``speed`` is seconds of work done in a second: below 1 where it shares what is short.

    ``byte_s`` is the memory it held times how long, up to ``since``.
    """

    token: str
    job: str
    behaviour: Behaviour
    started_at: float
    cards: tuple[int, ...] = ()
    worked_s: float = 0.0
    since: float = 0.0
    paused: bool = False
    speed: float = 1.0
    byte_s: float = 0.0
    cancel: Callable[[], None] = lambda: None
    memory_curve: Curve = field(init=False)
    cpu_curve: Curve = field(init=False)
    card_curve: Curve = field(init=False)

    def __post_init__(self) -> None:
        held = self.behaviour
        self.memory_curve, self.cpu_curve, self.card_curve = held.memory, held.cpu, held.gpu_memory

    def work(self, now: float) -> float:
        """Seconds of work done; none while paused."""
        return self.worked_s if self.paused else self.worked_s + (now - self.since) * self.speed

    def memory(self, now: float) -> int:
        return int(self.memory_curve.at(self.work(now)))

    def cores(self, now: float) -> float:
        return 0.0 if self.paused else self.cpu_curve.at(self.work(now))

    def card_memory(self, now: float) -> int:
        return int(self.card_curve.at(self.work(now))) if self.cards else 0

    def card_utilisation_pct(self) -> float:
        return 0.0 if self.paused or not self.cards else self.behaviour.gpu_utilisation_pct

    def left_s(self, now: float) -> float:
        """Until it ends by itself at its present speed."""
        return max(0.0, self.behaviour.duration_s - self.work(now)) / self.speed

    def account(self, now: float) -> None:
        """Note what was done so far, before something about it changes."""
        done = self.work(now)
        if self.paused:
            self.byte_s += self.memory_curve.at(done) * (now - self.since)
        else:
            self.byte_s += self.memory_curve.area(self.worked_s, done) / self.speed
        self.worked_s, self.since = done, now

    def steady_until(self, now: float) -> float:
        """Until when every figure of it stays as it is; ``now`` when one moves."""
        if self.paused:
            return float("inf")
        done = self.work(now)
        curves = [self.memory_curve, self.cpu_curve]
        if self.cards:
            curves.append(self.card_curve)
        return now + min(curve.steady_until(done) - done for curve in curves) / self.speed

    def usage(self, now: float) -> RunUsage:
        """As a sampler would measure it."""
        held, busy = self.card_memory(now), self.card_utilisation_pct()
        return RunUsage(
            self.token,
            self.memory(now),
            self.cores(now),
            self.behaviour.processes,
            tuple((index, held) for index in self.cards),
            tuple((index, busy) for index in self.cards),
            self.behaviour.threads,
            self.behaviour.touches,
        )

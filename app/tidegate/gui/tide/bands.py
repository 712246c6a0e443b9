"""From samples to stacked bands: means over equal steps of time, other programs below, then jobs by start. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tidegate.engine.views import MachineSample

OTHER = ""
"""The band of other programs."""
SHORT_JOBS = "*"
"""The band of all jobs that were too small or short to have one of their own."""
RESERVED = "+"
"""The pale band on top of all: what running jobs count with and do not use yet, which is why others wait."""
JOBLESS = frozenset({OTHER, SHORT_JOBS, RESERVED})
BANDS_AT_MOST = 20
_GAP_STEPS, _GAP_S = 3, 10.0
"""From more than both on, nothing was recorded; less is a reading that a busy machine brought late."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is stacked: ``memory`` and ``swap`` in bytes, ``cpu`` in cores, or ``card`` (memory of card ``index``).

    Nobody knows whose memory lies in swap: that is one band, OTHER.
    """

    kind: str
    index: int = 0

    def read(self, sample: MachineSample, cores: int | None) -> tuple[float | None, Sequence[tuple[str, float]]]:
        """Use by other programs, and by each job in order of start. None where it is unknown."""
        if self.kind == "card":
            used = next((card[2] for card in sample.cards if card[0] == self.index), None)
            jobs = [(id, float(size)) for card, id, size in sample.card_jobs if card == self.index]
            return None if used is None else max(0.0, used - sum(size for _, size in jobs)), jobs
        if self.kind == "swap":
            return sample.swap_used_bytes, ()
        if self.kind == "cpu":
            jobs = [(id, used) for id, _, used in sample.jobs if used is not None]
            if sample.cpu_pct is None or cores is None:
                return None, jobs
            total = sample.cpu_pct / 100.0 * cores
            return max(0.0, total - sum(used for _, used in jobs)), jobs
        sizes = [(id, float(size)) for id, size, _ in sample.jobs if size is not None]
        other = sample.memory_other_bytes
        if other is None and sample.memory_used_bytes is not None:
            other = max(0, int(sample.memory_used_bytes - sum(size for _, size in sizes)))
        return other, sizes

    def reserved(self, sample: MachineSample) -> float:
        """What running jobs count with together; 0 for what is not reserved in samples."""
        return float(sample.reserved_bytes) if self.kind == "memory" else 0.0


@dataclass(slots=True)
class Step:
    """Sums over the samples that fall into one step of time."""

    samples: int = 0
    other: float = 0.0
    reserved: float = 0.0
    jobs: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Band:
    """One job's (or OTHER's) place in the stack: ``lower`` and ``upper`` at ``times``, which are evenly spaced."""

    id: str
    times: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


class Series:
    """Steps of ``step_s`` seconds for one metric; old ones leave. Adding a sample costs a few dict operations."""

    def __init__(self, metric: Metric, span_s: float, step_s: float) -> None:
        self.metric = metric
        self.span_s = span_s
        self.step_s = step_s
        self.cores: int | None = None
        self._steps: dict[int, Step] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, samples: Iterable[MachineSample]) -> None:
        newest = None
        for sample in samples:
            place = int(sample.at // self.step_s)
            other, jobs = self.metric.read(sample, self.cores)
            if other is None:
                continue
            step = self._steps.get(place)
            if step is None:
                step = self._steps[place] = Step()
            step.samples += 1
            step.other += other
            step.reserved += self.metric.reserved(sample)
            for id, used in jobs:
                step.jobs[id] = step.jobs.get(id, 0.0) + used
            newest = place
        if newest is not None:
            self._trim(newest)

    def at(self, moment: float) -> dict[str, float]:
        """Means of the step at ``moment``, OTHER included; empty when nothing is known."""
        step = self._steps.get(int(moment // self.step_s))
        if step is None:
            return {}
        return {OTHER: step.other / step.samples, **{id: sum_ / step.samples for id, sum_ in step.jobs.items()}}

    def bands(self, most: int = BANDS_AT_MOST) -> list[Band]:
        """Every band from the bottom up. Where nothing was recorded the bands end and begin again."""
        own = self._with_own_band(most)
        made: list[Band] = []
        for run in self._runs():
            made.extend(self._stack(run, own))
        return made

    def _with_own_band(self, most: int) -> list[str]:
        """The jobs with the largest areas, in order of first appearance."""
        area: dict[str, float] = {}
        for place in sorted(self._steps):
            step = self._steps[place]
            for id, used in step.jobs.items():
                area[id] = area.get(id, 0.0) + used / step.samples
        if len(area) <= most:
            return list(area)
        least = sorted(area.values(), reverse=True)[most - 1]
        return [id for id, size in area.items() if size >= least][:most]

    def _runs(self) -> list[list[int]]:
        runs: list[list[int]] = []
        most = max(_GAP_STEPS, int(_GAP_S / self.step_s))
        for place in sorted(self._steps):
            if runs and place - runs[-1][-1] <= most:
                runs[-1].append(place)
            else:
                runs.append([place])
        return runs

    def _stack(self, run: list[int], own: Sequence[str]) -> list[Band]:
        times = tuple((place + 0.5) * self.step_s for place in run)
        means = [self._means(place) for place in run]
        chosen = frozenset(own)
        base = [0.0] * len(run)
        made = [self._band(OTHER, times, base, [mean[0] for mean in means])]
        if any(id not in chosen for _, jobs in means for id in jobs):
            short = [sum(used for id, used in jobs.items() if id not in chosen) for _, jobs in means]
            made.append(self._band(SHORT_JOBS, times, base, short))
        for id in own:
            places = [i for i, (_, jobs) in enumerate(means) if id in jobs]
            if not places:
                continue
            first, last = max(0, places[0] - 1), min(len(run), places[-1] + 2)
            used = [means[i][1].get(id, 0.0) for i in range(first, last)]
            part = base[first:last]
            made.append(self._band(id, times[first:last], part, used))
            base[first:last] = part
        unused = [self._unused(place, mean) for place, mean in zip(run, means, strict=True)]
        if any(unused):
            made.append(self._band(RESERVED, times, base, unused))
        return made

    def _unused(self, place: int, means: tuple[float, dict[str, float]]) -> float:
        step = self._steps[place]
        return max(0.0, step.reserved / step.samples - sum(means[1].values()))

    def _means(self, place: int) -> tuple[float, dict[str, float]]:
        step = self._steps[place]
        if step.samples == 1:
            return step.other, step.jobs
        return step.other / step.samples, {id: used / step.samples for id, used in step.jobs.items()}

    @staticmethod
    def _band(id: str, times: tuple[float, ...], base: list[float], used: Sequence[float]) -> Band:
        """Put ``used`` on top of ``base``, which is raised in place."""
        lower = tuple(base)
        for i, amount in enumerate(used):
            base[i] += amount
        return Band(id, times, lower, tuple(base))

    def _trim(self, newest: int) -> None:
        oldest = newest - int(self.span_s / self.step_s) - 1
        # Steps are added in order of time but for a rare clock change, so the first ones are the old ones.
        while self._steps and (first := next(iter(self._steps))) < oldest:
            del self._steps[first]

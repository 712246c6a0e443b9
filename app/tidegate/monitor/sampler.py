"""The sampler thread: machine, cards and job trees looked at in one steady beat, handed to the engine's thread."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from tidegate.core.job import RunRef
from tidegate.core.machine import GpuReading
from tidegate.engine.ports import RunUsage, Sample
from tidegate.monitor.faults import Faults
from tidegate.monitor.gpu import GpuReader
from tidegate.monitor.holdings import open_holdings
from tidegate.monitor.host import HostReader
from tidegate.monitor.other_programs import REFRESH_S as OTHERS_REFRESH_S
from tidegate.monitor.other_programs import OtherPrograms, open_programs
from tidegate.monitor.pace import Pace
from tidegate.monitor.process_table import ProcessRow, ProcessTable, open_process_table
from tidegate.monitor.reaped import Reaped
from tidegate.monitor.slow_look import SlowLook
from tidegate.monitor.touches import REFRESH_S as TOUCHES_REFRESH_S
from tidegate.monitor.touches import TouchLook
from tidegate.monitor.trees import Trees, TreesReading

log = logging.getLogger(__name__)


class Sampler:
    """The live ``engine.ports.Sensors``. ``own_pids`` (app and helper) is called on the sampler's thread.

    ``own_folder``: where the jobs' logs are, which are no output of theirs.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], None],
        gpus: GpuReader | None,
        own_pids: Callable[[], Sequence[int]],
        *,
        own_folder: str | None = None,
        host: HostReader | None = None,
        table: ProcessTable | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._call_soon = call_soon
        self._gpus = gpus
        self._own_pids = own_pids
        self._monotonic = monotonic
        self._faults = Faults()
        self._host = host or HostReader(self._faults)
        self._table = table or open_process_table()
        self._reaped = Reaped()
        self._trees = self._new_trees()
        self._touches = TouchLook(self._table, open_holdings(own_folder))
        self._touch_looks = SlowLook("what jobs touch", self._touches.look, TOUCHES_REFRESH_S, self._faults, monotonic)
        self._others = OtherPrograms(self._table, open_programs())
        self._other_looks = SlowLook(
            "other programs' memory", self._others.look, OTHERS_REFRESH_S, self._faults, monotonic
        )
        self._runs: Mapping[str, RunRef] = {}
        self._taken_at: float | None = None
        self._pace = Pace(1.0, monotonic)
        self._thread: threading.Thread | None = None
        self._deliver: Callable[[Sample], None] | None = None
        self._lock = threading.Lock()
        self._undelivered: Sample | None = None

    def start(self, deliver: Callable[[Sample], None], interval_s: float) -> None:
        if self._thread is not None:
            raise RuntimeError("the sampler was already started")
        self._deliver = deliver
        self._pace.set_interval(interval_s)
        if self._gpus is not None:
            self._gpus.start(interval_s)
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def watch(self, runs: Mapping[str, RunRef]) -> None:
        self._runs = dict(runs)

    def set_interval(self, interval_s: float) -> None:
        self._pace.set_interval(interval_s)
        if self._gpus is not None:
            self._gpus.set_interval(interval_s)

    def available_memory_bytes(self) -> int | None:
        return self._host.available_memory_bytes()

    def note_reaped(self, cpu_s: float, token: str | None = None) -> None:
        """With the run's token, what live samples already counted of it is taken off exactly."""
        self._reaped.note(cpu_s, token)

    def stop(self) -> None:
        """Nothing is delivered from here on."""
        self._deliver = None
        self._pace.stop()
        if self._gpus is not None:
            self._gpus.stop()
        self._touch_looks.stop()
        self._other_looks.stop()
        if self._thread is None:
            self._host.close()
            return
        self._thread.join(timeout=1.0)
        if self._thread.is_alive():
            log.warning("The sampler is still busy with a reading and is left behind.")
        else:
            self._host.close()

    def take(self) -> Sample:
        """One look at everything; figures over time start with the second one."""
        runs, begun = self._runs, self._monotonic()
        host = self._host.read(self._clock())
        gpus = self._faults.attempt("graphics cards", self._read_cards) or ()
        trees = self._faults.attempt("job trees", lambda: self._trees.measure(runs, gpus, self._pace.interval_s))
        if trees is None:
            # What a half-done pass left behind would be counted twice.
            self._trees = self._new_trees()
            trees = TreesReading(tuple(RunUsage(token, None, None, None) for token in runs))
        else:
            self._faults.attempt("what is looked up rarely", lambda: self._look_aside(trees.living))
        elapsed_s = begun - self._taken_at if self._taken_at is not None else 0.0
        self._taken_at = begun
        other = other_cpu_cores(host.busy_cpu_s, trees.our_cpu_s, elapsed_s)
        others = () if self._other_looks.hangs else self._others.latest
        reading = dataclasses.replace(host.reading, gpus=gpus, other_cpu_cores=other, largest_others=others)
        return Sample(reading, tuple(self._with_touches(usage) for usage in trees.usage))

    def _look_aside(self, living: Mapping[str, Sequence[ProcessRow]]) -> None:
        """What is looked up rarely, and never waited for; samples carry what was found last."""
        if living:
            self._touch_looks.offer(living)
        jobs = {row.pid for rows in living.values() for row in rows}
        self._other_looks.offer({os.getpid(), *self._own_pids(), *jobs})

    def _with_touches(self, usage: RunUsage) -> RunUsage:
        touches = self._touches.latest.get(usage.token)
        return usage if touches is None else dataclasses.replace(usage, touches=touches)

    def _run(self) -> None:
        while self._pace.wait():
            sample = self._faults.attempt("the machine", self.take)
            if sample is not None:
                self._faults.attempt("delivery", lambda sample=sample: self._hand_over(sample))  # type: ignore[misc]

    def _hand_over(self, sample: Sample) -> None:
        """A slow engine finds only the newest sample waiting, never a heap of old ones."""
        with self._lock:
            waiting = self._undelivered is not None
            self._undelivered = sample
        if waiting:
            return
        try:
            self._call_soon(self._deliver_newest)
        except RuntimeError:
            # The engine's loop is closed: nobody listens any more, and stop() is about to be called.
            with self._lock:
                self._undelivered = None

    def _deliver_newest(self) -> None:
        with self._lock:
            sample, self._undelivered = self._undelivered, None
        if sample is not None and self._deliver is not None:
            self._deliver(sample)

    def _read_cards(self) -> tuple[GpuReading, ...]:
        return self._gpus.latest() if self._gpus is not None else ()

    def _new_trees(self) -> Trees:
        return Trees(self._table, self._own_pids, self._reaped, self._monotonic)


def other_cpu_cores(busy_cpu_s: float | None, our_cpu_s: float | None, elapsed_s: float) -> float | None:
    """Cores kept busy by programs that are not ours (D6): what remains, at least 0; None when a part is unknown."""
    if busy_cpu_s is None or our_cpu_s is None or elapsed_s <= 0:
        return None
    return max(0.0, busy_cpu_s - our_cpu_s) / elapsed_s

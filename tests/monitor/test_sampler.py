"""The sampler as the engine sees it: steady samples on the engine's thread, whatever fails."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from process_fakes import FakeTable, RealTree, fake_run, row

from support.until import until
from tidegate.core.machine import GpuReading
from tidegate.engine.ports import Sample, Sensors
from tidegate.monitor.gpu import GpuReader
from tidegate.monitor.host import HostReader
from tidegate.monitor.sampler import Sampler, other_cpu_cores

BUSY = "print('ready', flush=True)\nwhile True: pass"


class Loop:
    """Stands for the engine's loop: callbacks wait until the test runs them."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def samplers() -> Iterator[list[Sampler]]:
    made: list[Sampler] = []
    yield made
    for sampler in made:
        sampler.stop()


def test_it_is_what_the_engine_expects() -> None:
    sensors: Sensors = Sampler(time.time, lambda call: call(), None, list)
    assert sensors.available_memory_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.1)
    sensors.stop()
    assert sensors.available_memory_bytes(), "still answered while the engine winds down"


def test_samples_come_on_the_engines_thread_stamped_by_its_clock(loop: Loop, samplers: list[Sampler]) -> None:
    sampler = Sampler(lambda: 4711.5, loop.call_soon, None, list)
    samplers.append(sampler)
    got: list[tuple[Sample, str]] = []
    sampler.start(lambda sample: got.append((sample, threading.current_thread().name)), 0.02)

    def three() -> bool:
        loop.turn()
        return len(got) >= 3

    until(three)
    assert {thread for _, thread in got} == {threading.current_thread().name}
    assert got[0][0].reading.at == 4711.5
    assert got[0][0].reading.other_cpu_cores is None
    assert got[2][0].reading.memory_available_bytes
    assert got[2][0].usage == ()


def test_a_slow_engine_finds_one_sample_the_newest(loop: Loop, samplers: list[Sampler]) -> None:
    moments = iter(range(1_000_000))
    taken: list[float] = []

    def clock() -> float:
        taken.append(float(next(moments)))
        return taken[-1]

    sampler = Sampler(clock, loop.call_soon, None, list)
    samplers.append(sampler)
    got: list[Sample] = []
    sampler.start(got.append, 0.01)
    until(lambda: len(taken) > 10)
    assert len(loop.waiting) == 1
    loop.turn()
    assert len(got) == 1
    assert got[0].reading.at >= 8


def test_a_shorter_interval_takes_effect_at_once(samplers: list[Sampler]) -> None:
    got: list[Sample] = []
    sampler = Sampler(time.time, lambda call: call(), None, list)
    samplers.append(sampler)
    sampler.start(got.append, 3600)
    until(lambda: got)
    sampler.set_interval(0.01)
    until(lambda: len(got) > 3)


def test_it_stops_quickly_and_then_keeps_silent(samplers: list[Sampler]) -> None:
    got: list[Sample] = []
    sampler = Sampler(time.time, lambda call: call(), None, list)
    sampler.start(got.append, 3600)
    until(lambda: got)
    begun = time.monotonic()
    sampler.stop()
    assert time.monotonic() - begun < 1
    assert len(got) == 1


def test_a_closed_loop_does_not_stop_the_thread(samplers: list[Sampler]) -> None:
    calls: list[int] = []

    def closed(_: Callable[[], None]) -> None:
        calls.append(1)
        raise RuntimeError("Event loop is closed")

    sampler = Sampler(time.time, closed, None, list)
    samplers.append(sampler)
    sampler.start(lambda _: None, 0.01)
    until(lambda: len(calls) > 3)


class BrokenTable(FakeTable):
    def rows(self):
        raise ValueError("nonsense in /proc")


def test_trees_that_cannot_be_read_are_unknown_and_the_machine_is_read(caplog, samplers: list[Sampler]) -> None:
    sampler = Sampler(time.time, lambda call: call(), None, list, table=BrokenTable())
    samplers.append(sampler)
    sampler.watch({"a": fake_run("a", row(50))})
    for _ in range(3):
        sample = sampler.take()
    assert sample.reading.memory_available_bytes
    assert sample.reading.other_cpu_cores is None
    assert [(one.token, one.memory_bytes, one.cores) for one in sample.usage] == [("a", None, None)]
    assert len(caplog.records) == 1
    sampler.watch({})
    sampler.take()
    assert until(lambda: sampler.take().reading.other_cpu_cores is not None), "known again once it works"


def test_a_machine_that_cannot_be_read_at_all_stops_nothing(caplog, samplers: list[Sampler]) -> None:
    class BrokenHost(HostReader):
        tries = 0

        def read(self, at: float):
            self.tries += 1
            raise TypeError("a bug")

    host = BrokenHost()
    sampler = Sampler(time.time, lambda call: call(), None, list, host=host)
    samplers.append(sampler)
    sampler.start(lambda _: None, 0.01)
    until(lambda: host.tries > 3)
    assert len(caplog.records) == 1


def test_cards_stand_in_the_reading_and_follow_the_interval(samplers: list[Sampler]) -> None:
    class Cards(GpuReader):
        intervals: list[float] = []  # noqa: RUF012

        def start(self, interval_s: float = 1.0) -> None:
            self.intervals.append(interval_s)

        def set_interval(self, interval_s: float) -> None:
            self.intervals.append(interval_s)

        def latest(self):
            return (GpuReading(0, "GPU-a", "card", 100, 5),)

    got: list[Sample] = []
    sampler = Sampler(time.time, lambda call: call(), Cards(), list)
    samplers.append(sampler)
    sampler.start(got.append, 3600)
    until(lambda: got)
    sampler.set_interval(0.5)
    assert got[0].reading.gpus[0].name == "card"
    assert Cards.intervals == [3600, 0.5]


@pytest.mark.parametrize(
    ("busy", "ours", "elapsed", "expected"),
    [(2.0, 0.5, 1.0, 1.5), (1.0, 1.2, 1.0, 0.0), (None, 0.5, 1.0, None), (1.0, None, 1.0, None), (1.0, 0.5, 0.0, None)],
)
def test_other_programs_use_is_what_remains(busy, ours, elapsed, expected) -> None:
    assert other_cpu_cores(busy, ours, elapsed) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_busy_job_is_ours_and_a_busy_stranger_is_not(samplers: list[Sampler]) -> None:
    """Two samplers look at the same moments; only one knows the busy process as a job."""
    tree = RealTree(BUSY)
    try:
        knowing = Sampler(time.time, lambda call: call(), None, list)
        unknowing = Sampler(time.time, lambda call: call(), None, list)
        samplers += [knowing, unknowing]
        knowing.watch({"t": tree.run()})
        for sampler in (knowing, unknowing):
            sampler.take()
        process = psutil.Process(tree.pid)
        begun_s, begun = sum(process.cpu_times()[:2]), time.monotonic()
        until(lambda: sum(process.cpu_times()[:2]) - begun_s > 1.0, timeout_s=30)
        first, second = knowing.take(), unknowing.take()
        cores = (sum(process.cpu_times()[:2]) - begun_s) / (time.monotonic() - begun)
    finally:
        tree.end()
    assert first.usage[0].cores == pytest.approx(cores, abs=0.2)
    assert second.reading.other_cpu_cores >= 0.7 * cores
    assert second.reading.other_cpu_cores - first.reading.other_cpu_cores == pytest.approx(cores, abs=0.3)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_looked_up_rarely_stays_in_the_samples(samplers: list[Sampler], tmp_path) -> None:
    own = tmp_path / "logs"
    own.mkdir()
    tree = RealTree(
        f"a, b = open({str(tmp_path / 'out.csv')!r}, 'w'), open({str(own / '1.log')!r}, 'w')\n"
        "print('x', file=a, flush=True)\n"
        "print('ready', flush=True)\ninput()"
    )
    try:
        sampler = Sampler(time.time, lambda call: call(), None, list, own_folder=str(own))
        samplers.append(sampler)
        sampler.watch({"t": tree.run(), "gone": fake_run("gone", row(2**22 + 1))})
        begun = time.monotonic()
        first = sampler.take()
        assert time.monotonic() - begun < 1
        assert first.usage[1].touches is None
        touches = until(lambda: sampler.take().usage[0].touches)
        assert [path for path in touches.writes if path.startswith(str(tmp_path))] == [str(tmp_path / "out.csv")]
        assert sampler.take().usage[0].touches is touches, "carried until the next look"
        until(lambda: sampler.take().reading.largest_others)
        assert 1 <= len(sampler.take().reading.largest_others) <= 3
    finally:
        tree.end()


def test_a_machine_with_no_thread_left_is_still_read(samplers: list[Sampler], monkeypatch, caplog) -> None:
    sampler = Sampler(time.time, lambda call: call(), None, list)
    samplers.append(sampler)

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert sampler.take().reading.memory_available_bytes
    assert sampler.take().reading.largest_others == ()
    monkeypatch.undo()
    until(lambda: sampler.take().reading.largest_others)
    assert len(caplog.records) == 1

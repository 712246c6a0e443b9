"""What all Sensors and Clocks have to do: the suites run on the live and on the simulated ones."""

from __future__ import annotations

from typing import Protocol

from tidegate.core.job import RunRef
from tidegate.engine.ports import Clock, Sample, Sensors


class SensorWorld(Protocol):
    """A machine with sensors and one live run. ``pass_time`` lets something like a sample's interval pass."""

    sensors: Sensors
    run: RunRef
    interval_s: float

    def pass_time(self) -> None: ...


class SensorsContract:
    """Subclass with a fixture ``world``."""

    def samples(self, world: SensorWorld, count: int) -> list[Sample]:
        taken: list[Sample] = []
        world.sensors.watch({world.run.token: world.run})
        world.sensors.start(taken.append, world.interval_s)
        for _ in range(400):
            if len(taken) >= count:
                return taken
            world.pass_time()
        raise AssertionError(f"only {len(taken)} samples came")

    def test_samples_come_one_by_one_and_time_goes_forward(self, world: SensorWorld) -> None:
        moments = [sample.reading.at for sample in self.samples(world, 4)]
        assert moments == sorted(set(moments))
        world.sensors.stop()

    def test_memory_is_in_bytes_and_cores_are_counted(self, world: SensorWorld) -> None:
        reading = self.samples(world, 1)[0].reading
        assert reading.cores >= 1
        assert reading.memory_total_bytes > 64 * 1024**2
        assert reading.memory_available_bytes is not None
        assert 0 <= reading.memory_available_bytes <= reading.memory_total_bytes
        world.sensors.stop()

    def test_a_watched_run_is_measured_by_its_token(self, world: SensorWorld) -> None:
        usage = [used for used in self.samples(world, 3)[-1].usage if used.token == world.run.token]
        assert len(usage) == 1
        assert usage[0].memory_bytes is not None
        assert usage[0].memory_bytes > 0
        world.sensors.stop()

    def test_threads_are_those_of_all_processes(self, world: SensorWorld) -> None:
        used = self.samples(world, 2)[-1].usage[0]
        assert used.processes is not None
        assert used.threads is None or used.threads >= used.processes
        world.sensors.stop()

    def test_other_programs_come_largest_first(self, world: SensorWorld) -> None:
        for sample in self.samples(world, 4):
            sizes = [program.memory_bytes for program in sample.reading.largest_others]
            assert sizes == sorted(sizes, reverse=True)
            assert all(program.name for program in sample.reading.largest_others)
        world.sensors.stop()

    def test_a_fresh_figure_of_memory_can_be_had_at_any_time(self, world: SensorWorld) -> None:
        available = world.sensors.available_memory_bytes()
        assert available is not None
        assert available > 0

    def test_after_stop_no_sample_comes(self, world: SensorWorld) -> None:
        taken = self.samples(world, 2)
        world.sensors.stop()
        world.pass_time()
        count = len(taken)
        for _ in range(5):
            world.pass_time()
        assert len(taken) == count

    def test_a_new_interval_counts_at_once(self, world: SensorWorld) -> None:
        taken: list[Sample] = []
        world.sensors.start(taken.append, 3600.0)
        world.pass_time()
        first = len(taken)
        assert first <= 1, "the first may come at once, the second in an hour"
        world.sensors.set_interval(world.interval_s)
        for _ in range(400):
            if len(taken) >= first + 2:
                break
            world.pass_time()
        assert len(taken) >= first + 2
        world.sensors.stop()


class ClockWorld(Protocol):
    clock: Clock

    def pass_time(self, seconds: float) -> None: ...


class ClockContract:
    """Subclass with a fixture ``world``."""

    def test_now_never_goes_back(self, world: ClockWorld) -> None:
        before = world.clock.now()
        world.pass_time(0.01)
        assert world.clock.now() > before

    def test_a_call_comes_at_its_time_and_never_before(self, world: ClockWorld) -> None:
        called: list[float] = []
        due = world.clock.now() + 0.05
        world.clock.call_at(due, lambda: called.append(world.clock.now()))
        world.pass_time(0.02)
        assert called == []
        world.pass_time(0.1)
        assert len(called) == 1
        assert called[0] >= due

    def test_calls_come_in_the_order_of_their_times(self, world: ClockWorld) -> None:
        order: list[int] = []
        now = world.clock.now()
        for number, delay in ((3, 0.03), (1, 0.01), (2, 0.02)):
            world.clock.call_at(now + delay, lambda number=number: order.append(number))  # type: ignore[misc]
        world.pass_time(0.1)
        assert order == [1, 2, 3]

    def test_a_cancelled_call_never_comes(self, world: ClockWorld) -> None:
        called: list[int] = []
        cancel = world.clock.call_at(world.clock.now() + 0.01, lambda: called.append(1))
        cancel()
        world.pass_time(0.05)
        assert called == []

    def test_a_call_for_the_past_comes_at_once(self, world: ClockWorld) -> None:
        called: list[int] = []
        world.clock.call_at(world.clock.now() - 100, lambda: called.append(1))
        world.pass_time(0.02)
        assert called == [1]

    def test_a_clock_nobody_moved_does_not_jump(self, world: ClockWorld) -> None:
        assert world.clock.rebase() == 0.0

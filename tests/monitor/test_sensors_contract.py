"""The sensors contract, on the live sampler with a real process and on the fake machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from contracts.sensors_contract import SensorsContract
from tidegate.core.job import RunRef
from tidegate.engine.ports import StartRequest
from tidegate.execution.processes import ProcessIdentity
from tidegate.monitor.sampler import Sampler
from tidegate.paths import boot_id
from tidegate.simulator.fake_machine import Behaviour, FakeMachine, FakeSensors
from tidegate.simulator.virtual_clock import VirtualClock


class LiveWorld:
    interval_s = 0.05

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        created = psutil.Process(process.pid).create_time()
        self.run = RunRef("t1", str(ProcessIdentity(boot_id(), process.pid, created)))
        self._calls: list[Callable[[], None]] = []
        self._loop = asyncio.new_event_loop()
        self.sensors = Sampler(time.time, self._calls.append, None, lambda: [os.getpid()])

    def pass_time(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(0.02))
        calls, self._calls[:] = list(self._calls), []
        for call in calls:
            call()

    def close(self) -> None:
        self.sensors.stop()
        self._loop.close()


class FakeWorld:
    interval_s = 1.0

    def __init__(self) -> None:
        self.clock = VirtualClock()
        machine = FakeMachine(self.clock, lambda _request: Behaviour(duration_s=1e6))
        machine.start([StartRequest("t1", "1", 1, ("x",), "/", None, (), "/log", 1)])
        self.run = RunRef("t1")
        self.sensors = FakeSensors(machine)

    def pass_time(self) -> None:
        self.clock.advance(0.4)


class TestSampler(SensorsContract):
    @pytest.fixture
    def world(self) -> Iterator[LiveWorld]:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            world = LiveWorld(process)
            yield world
            world.close()
            process.kill()


class TestFakeSensors(SensorsContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()

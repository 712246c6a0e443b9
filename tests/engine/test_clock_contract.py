"""The clock contract, on the live clock and on the virtual one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from contracts.sensors_contract import ClockContract
from tidegate.engine.clock import LiveClock
from tidegate.simulator.virtual_clock import VirtualClock


class LiveWorld:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.clock = LiveClock(loop)

    def pass_time(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))


class VirtualWorld:
    def __init__(self) -> None:
        self.clock = VirtualClock()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestLiveClock(ClockContract):
    @pytest.fixture
    def world(self) -> Iterator[LiveWorld]:
        loop = asyncio.new_event_loop()
        yield LiveWorld(loop)
        loop.close()

    def test_a_jump_of_the_wall_clock_is_noticed_once(self, world: LiveWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        import time

        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3600)
        before = world.clock.now()
        assert 3599 < world.clock.rebase() < 3601
        assert world.clock.now() - before > 3599
        assert world.clock.rebase() == 0.0


class TestVirtualClock(ClockContract):
    @pytest.fixture
    def world(self) -> VirtualWorld:
        return VirtualWorld()

    def test_a_sleep_of_the_machine_is_noticed_once(self, world: VirtualWorld) -> None:
        world.clock.sleep_machine(3600)
        assert world.clock.rebase() == 3600
        assert world.clock.rebase() == 0.0

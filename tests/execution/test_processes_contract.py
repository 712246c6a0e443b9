"""The processes contract, on the keeper with real processes and on the fake machine with none."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from contracts.processes_contract import ProcessesContract
from tidegate.engine.ports import Processes, StartRequest
from tidegate.execution.keeper_client import KeeperProcesses
from tidegate.paths import Paths, boot_id
from tidegate.simulator.fake_machine import Behaviour, FakeMachine
from tidegate.simulator.virtual_clock import VirtualClock

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


class KeeperWorld:
    def __init__(self, paths: Paths) -> None:
        paths.create()
        self._paths = paths

    def processes(self) -> Processes:
        paths = self._paths
        return KeeperProcesses(
            paths.keeper_socket, paths.keeper_spool, paths.keeper_log, paths.environments_dir, time.time, boot_id()
        )

    def command(self, kind: str) -> tuple[str, ...]:
        return {
            "ends_well": ("true",),
            "fails_with_7": ("sh", "-c", "exit 7"),
            "lasts": ("sleep", "60"),
            "ignores_term": (sys.executable, "-c", STUBBORN),
            "cannot_start": ("/no/such/program",),
        }[kind]

    def log_path(self, token: str) -> str:
        return str(self._paths.job_log(token, 1))

    async def pass_time(self) -> None:
        await asyncio.sleep(0.01)

    def now(self) -> float:
        return time.time()


class FakeWorld:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self._machine = FakeMachine(self.clock, self._behave)

    def _behave(self, request: StartRequest) -> Behaviour:
        return {
            "ends_well": Behaviour(duration_s=0.1),
            "fails_with_7": Behaviour(duration_s=0.1, exit_code=7),
            "lasts": Behaviour(duration_s=60),
            "ignores_term": Behaviour(duration_s=60, ignores_term=True),
            "cannot_start": Behaviour(start_error="there is no such program"),
        }[request.command[0]]

    def processes(self) -> Processes:
        return self._machine

    def command(self, kind: str) -> tuple[str, ...]:
        return (kind,)

    def log_path(self, token: str) -> str:
        return f"/log/{token}"

    async def pass_time(self) -> None:
        await asyncio.sleep(0)
        self.clock.advance(0.01)

    def now(self) -> float:
        return self.clock.now()


class TestKeeper(ProcessesContract):
    @pytest.fixture
    def world(self, paths: Paths) -> KeeperWorld:
        return KeeperWorld(paths)


class TestFakeMachine(ProcessesContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()

"""Drives a real keeper through the real client on a plain asyncio loop, for tests with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TypeVar

from tidegate.engine.ports import (
    ProcessEvent,
    Reconnected,
    RunExited,
    RunLost,
    RunPaused,
    RunStarted,
    RunStartFailed,
    StartRequest,
)
from tidegate.execution import keeper_tree
from tidegate.execution.keeper_client import KeeperProcesses
from tidegate.execution.processes import pid_of

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
T = TypeVar("T")
E = TypeVar("E")


class World:
    """One home with its keeper, and an app that can come and go."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.events: list[ProcessEvent] = []
        self.keeper_pids: set[int] = set()
        self.app = self._new_app()

    def _new_app(self) -> KeeperProcesses:
        home = self.home
        return KeeperProcesses(
            home / "k.sock", home / "spool", home / "keeper.log", home, time.time, BOOT_ID, stuck_timeout_s=5.0
        )

    async def connect(self, tokens: Sequence[str] = ()) -> Reconnected:
        known = await self.app.connect(self.events.extend, tokens)
        assert self.app.pid is not None
        self.keeper_pids.add(self.app.pid)
        return known

    def acknowledge_all(self) -> None:
        ends = [event.token for event in self.events if isinstance(event, RunExited | RunStartFailed | RunLost)]
        if ends:
            self.app.acknowledge(ends)

    def crash(self) -> None:
        """The app is gone from one moment to the next; what follows is a new one."""
        self.app._closing = True
        self.app._disconnect()
        self.events.clear()
        self.app = self._new_app()

    def request(self, token: str, *command: str, **changes: object) -> StartRequest:
        fields: dict[str, object] = {
            "token": token,
            "job": token,
            "attempt": 1,
            "command": command,
            "cwd": str(self.home),
            "environment": None,
            "extra_environment": (),
            "log_path": str(self.log(token)),
            "log_cap_bytes": 1 << 20,
        }
        fields.update(changes)
        return StartRequest(**fields)  # type: ignore[arg-type]

    def log(self, token: str) -> Path:
        return self.home / f"{token}.log"

    def start(self, token: str, *command: str, **changes: object) -> None:
        self.app.start([self.request(token, *command, **changes)])

    def python(self, token: str, code: str, **changes: object) -> None:
        self.start(token, sys.executable, "-I", "-S", "-c", code, **changes)

    def seen(self, kind: type[E], token: str) -> E | None:
        return next((event for event in self.events if isinstance(event, kind) and event.token == token), None)  # type: ignore[attr-defined]

    async def wait(self, kind: type[E], token: str, timeout_s: float = 15.0) -> E:
        return await self.until(lambda: self.seen(kind, token), timeout_s, f"{kind.__name__} of {token}")

    async def until(self, predicate: Callable[[], T | None], timeout_s: float = 15.0, what: str = "") -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            value = predicate()
            if value:
                return value
            assert time.monotonic() < deadline, f"still waiting for {what or predicate}; events: {self.events}"
            await asyncio.sleep(0.005)

    async def started(self, token: str) -> int:
        pid = pid_of((await self.wait(RunStarted, token)).run)
        assert pid is not None
        return pid

    async def result(self, token: str) -> tuple[int | None, int | None]:
        await self.until(lambda: self.seen(RunExited, token) or self.seen(RunStartFailed, token))
        end = self.seen(RunExited, token)
        assert end is not None, self.seen(RunStartFailed, token)
        return end.exit_code, end.signal

    async def start_error(self, token: str) -> str:
        await self.until(lambda: self.seen(RunExited, token) or self.seen(RunStartFailed, token))
        failed = self.seen(RunStartFailed, token)
        assert failed is not None, f"{token} was started: {self.log(token).read_text()}"
        return failed.error

    async def written(self, path: Path, lines: int) -> list[str]:
        """The lines of a file once it has so many."""
        return await self.until(lambda: complete_lines(path, lines), what=f"{lines} lines in {path}")


def complete_lines(path: Path, count: int) -> list[str] | None:
    if not path.exists():
        return None
    text = path.read_text()
    lines = text.splitlines()
    return lines if len(lines) >= count and text.endswith("\n") else None


def alive(pid: int) -> bool:
    process = keeper_tree.look(pid)
    return process is not None and process.alive


def state(pid: int) -> str:
    process = keeper_tree.look(pid)
    return "gone" if process is None else process.state.decode()


def play(home: Path, story: Callable[[World], Coroutine[object, object, None]]) -> None:
    """Run a story; whatever happens, no keeper and no process of it stays behind."""

    async def whole() -> None:
        world = World(home)
        try:
            await story(world)
        finally:
            world.acknowledge_all()
            await world.app.close(stop_jobs=True)
            _clear(world)

    asyncio.run(whole())


def _clear(world: World) -> None:
    """Only what is left by a failed test: keepers by their pid, processes by their log's folder in the environment."""
    for pid in world.keeper_pids:
        if alive(pid) and str(world.home) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)


Story = Callable[[World], Awaitable[None]]
__all__ = ["BOOT_ID", "RunExited", "RunLost", "RunPaused", "World", "alive", "complete_lines", "play", "state"]

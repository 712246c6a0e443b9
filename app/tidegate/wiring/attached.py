"""The tray application beside an engine in the foreground: a window on it, which never takes it over (D1)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from tidegate.api.remote_desk import RemoteDesk
from tidegate.engine.ports import Desk
from tidegate.paths import Paths
from tidegate.settings import Settings
from tidegate.submission.request import GpuFact, MachineFacts
from tidegate.wiring.program import facts_without_engine, keep_the_loop_quick


class Attached:
    """In the place of a ``Program``: its desk is that of the other process. Implements the window's ``EngineLink``."""

    def __init__(self, paths: Paths, settings: Settings) -> None:
        self.paths = paths
        self.settings = settings
        self.begin_anew: bool | None = None
        """Set when an engine is wanted here: the program is to be run again, hidden or not."""
        self._desk = RemoteDesk(paths)

    async def open(self) -> Desk:
        """Raises NoEngine when the engine does not answer."""
        await self._desk.open()
        keep_the_loop_quick()
        return self._desk

    async def close(self, _stop_jobs: bool) -> None:
        """Only the window leaves."""
        await self._desk.close()

    def facts(self) -> MachineFacts:
        """What the engine's machine, which is this one, can give at most."""
        machine = self._desk.status().machine
        if machine.cores is None or machine.memory_total_bytes is None:
            return facts_without_engine(self.settings)
        gpus = tuple(GpuFact(card.index, card.name, card.memory_total_bytes) for card in machine.cards)
        return MachineFacts(machine.cores, machine.memory_total_bytes, machine.memory_line_bytes, gpus)

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]:
        return self._desk.watch(watcher)

    @property
    def remark(self) -> str | None:
        return self._desk.remark

    def start_engine_here(self, hidden: bool) -> None:
        self.begin_anew = hidden


def begin_anew(overrides: Mapping[str, str], hidden: bool) -> int:
    """Run the program again in this very process, with an engine of its own now that there is no other."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "tidegate"]
    settings = [word for name, value in overrides.items() for word in ("--set", f"{name}={value}")]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(program[0], [*program, "gui", *(["--hidden"] if hidden else []), *settings])

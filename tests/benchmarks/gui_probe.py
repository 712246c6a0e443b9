"""Runs inside a process of its own on a display, for ``bench_gui``: the real window, and how late its loop answers.

``python gui_probe.py queue|tide SECONDS`` puts 10,000 jobs of a pretended engine into the window and changes 1,000
rows a second; ``python gui_probe.py busy SECONDS`` is the real application with jobs on every core. One line of JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "app"), str(_ROOT / "tests")]

from PySide6.QtCore import QObject, Qt, QTimer  # noqa: E402

from support.fake_desk import FakeDesk  # noqa: E402
from support.gui_desk import a_busy_desk  # noqa: E402
from tidegate.engine.ports import Command, Verb  # noqa: E402
from tidegate.engine.views import JobView, UsageView  # noqa: E402
from tidegate.gui.application import run  # noqa: E402
from tidegate.gui.shell import Shell  # noqa: E402
from tidegate.paths import find_paths  # noqa: E402
from tidegate.settings import load  # noqa: E402
from tidegate.submission.request import MachineFacts  # noqa: E402

JOBS, CHANGES_PER_S, BATCH_MS = 10_000, 1_000, 40
BEAT_MS = 5
RUNNING = 16
FACTS = MachineFacts(16, 64 * 1024**3, int(58.9 * 1024**3))
WARM_UP_S = 1.0
BUSY = "import os\nos.fork()\nwhile True: pass"


class Heart(QObject):
    """Beats every few milliseconds; how much later than due it comes is how long the loop did not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.late_ms: list[float] = []
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)

    async def listen(self, seconds: float) -> dict[str, float]:
        self.late_ms.clear()
        self._last = time.perf_counter()
        self._timer.start()
        await asyncio.sleep(seconds)
        self._timer.stop()
        ordered = sorted(self.late_ms)
        return {"longest_ms": ordered[-1], "p99_ms": ordered[int(len(ordered) * 0.99)], "beats": len(ordered)}

    def _beat(self) -> None:
        now = time.perf_counter()
        self.late_ms.append(max(0.0, (now - self._last) * 1000 - BEAT_MS))
        self._last = now


class Stream(QObject):
    """Changes of a pretended engine as the real one publishes them: a batch every 40 ms.

    Most rows change in place; with every batch one job starts and one ends, so that rows move too.
    """

    def __init__(self, desk: FakeDesk) -> None:
        super().__init__()
        self._desk = desk
        jobs = desk.jobs(finished=None)
        self._running = [job for job in jobs if job.status == "running"]
        self._turn = iter([job for job in jobs if job.status == "queued"] * 100)
        self._count = itertools.count()
        self._timer = QTimer(self)
        self._timer.setInterval(BATCH_MS)
        self._timer.timeout.connect(self._publish)
        self._timer.start()

    def _publish(self) -> None:
        turn = next(self._count)
        ends, starts = self._running.pop(0), replace(next(self._turn), status="running", started_at=time.time())
        self._running.append(starts)
        views = [self._used(job, turn) for job in self._running]
        views.append(replace(ends, status="finished", outcome="succeeded", finished_at=time.time()))
        views += [replace(next(self._turn)) for _ in range(CHANGES_PER_S * BATCH_MS // 1000 - len(views))]
        self._desk._put(views)
        if turn % (1000 // BATCH_MS) == 0:
            self._desk.sample(jobs=tuple((job.id, 2**30, 1.0) for job in self._running))

    @staticmethod
    def _used(job: JobView, turn: int) -> JobView:
        return replace(job, usage=UsageView(2**30 + turn * 2**20, 2**31, 2**31, 1.0, 3, 10.0))


async def _full_window(shell: Shell, desk: FakeDesk, page: str, seconds: float) -> int:
    shell.window.show_page(page)
    shell.window.come_forward()
    while len(shell.window.book) < JOBS:
        await asyncio.sleep(0.05)
    stream = Stream(desk)
    await asyncio.sleep(WARM_UP_S)
    print(json.dumps(await Heart().listen(seconds)), flush=True)
    del stream
    return 0


def _pretended(page: str, seconds: float) -> int:
    desk = a_busy_desk()
    for _ in range(RUNNING):
        desk.start(desk.add(name="train.py").id)
    desk.add_many(JOBS - len(desk.jobs(finished=None)), name="a job that waits.py")

    async def opened() -> FakeDesk:
        return desk

    async def closed(_stop_jobs: bool) -> None:
        pass

    paths = find_paths()
    paths.create()
    return run(
        opened,
        closed,
        paths,
        load(paths, {}),
        session=lambda shell: _full_window(shell, desk, page, seconds),
        facts=lambda: FACTS,
    )


async def _busy_machine(shell: Shell, seconds: float) -> int:
    from tidegate.api.client import Client

    cores = os.cpu_count() or 1
    client = Client(find_paths())
    entries: list[dict[str, object]] = [{"command": [sys.executable, "-c", BUSY]}] * cores
    await asyncio.to_thread(client.submit, entries, cwd=os.getcwd(), options={"mem": "64M"})
    await _until(lambda: sum(job.status == "running" for job in shell.desk.jobs()) == cores)
    shell.window.show_page("tide")
    shell.window.come_forward()
    await asyncio.sleep(WARM_UP_S)
    found = await Heart().listen(seconds)
    print(json.dumps({**found, "load": os.getloadavg()[0], "processes": 2 * cores}), flush=True)
    await shell.desk.command(Command(Verb.KILL, None))
    return 0


async def _until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not so():
            await asyncio.sleep(0.05)


def _real(seconds: float) -> int:
    from tidegate.wiring.program import Program

    paths = find_paths()
    program = Program(paths, load(paths), "gui", {})
    program.acquire()

    async def close(_stop_jobs: bool) -> None:
        await program.close(stop_jobs=True)

    return run(
        program.open,
        close,
        paths,
        program.settings,
        session=lambda shell: _busy_machine(shell, seconds),
        facts=program.facts,
    )


if __name__ == "__main__":
    kind, for_s = sys.argv[1], float(sys.argv[2])
    sys.exit(_real(for_s) if kind == "busy" else _pretended(kind, for_s))

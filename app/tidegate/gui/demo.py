"""The demo: eight bundled scripts submitted to the real application, watched until they end, told as a table."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.resources import MIB
from tidegate.core.texts import format_duration, format_size
from tidegate.engine.ports import Change, Submission
from tidegate.engine.views import JobView
from tidegate.gui.shell import Shell
from tidegate.paths import Paths, resource
from tidegate.submission.build import build
from tidegate.submission.request import MachineFacts, SubmitRequest

FIRST = (
    "01_prime_search.py",
    "02_growing_table.py",
    "03_flaky_import.py",
    "04_chatty_log.sh",
    "05_big_model_a.py",
    "06_big_model_b.py",
    "08_slurm_style.sh",
)
LATE = "07_urgent_report.py"
LATE_AFTER_S = 4.0
# Each of the two big ones reserves this share of what is free, so both together never fit.
BIG_SHARE = 0.6
GIVE_UP_AFTER_S = 300.0


@dataclass(frozen=True, slots=True)
class Demo:
    """``exit_when_done``: end with the table and a picture; else stay open. ``pictures`` are where they go."""

    paths: Paths
    facts: Callable[[], MachineFacts]
    exit_when_done: bool
    running_picture: Path
    final_picture: Path

    async def __call__(self, shell: Shell) -> int:
        """Run in the application's loop once its window is up; the exit code."""
        telling = _Telling()
        stop_telling = shell.desk.subscribe(telling.tell)
        try:
            scripts = self._copy_scripts()
            big = await self._big_memory(shell)
            for name in FIRST:
                await self._submit(shell, scripts / name, {"mem": big} if "big" in name else {})
            await asyncio.sleep(LATE_AFTER_S)
            await self._submit(shell, scripts / LATE, {})
            # The moment that tells most: one big job runs, and the other says why it does not.
            await telling.one_started("big model")
            await asyncio.sleep(1.5)
            await self.show_running(shell)
            ended = await telling.all_ended(len(FIRST) + 1)
        finally:
            stop_telling()
        jobs = shell.desk.jobs(finished=None)
        print(table(jobs), flush=True)
        if not ended:
            print(f"The demo did not end within {format_duration(GIVE_UP_AFTER_S)}.", file=sys.stderr)
            return 1
        if not self.exit_when_done:
            print("The window stays open; quit from its tray icon or with Ctrl-C here.", file=sys.stderr)
            await asyncio.Event().wait()
        await self.show_end(shell)
        return 0

    async def show_running(self, shell: Shell) -> None:
        """What is seen while jobs run, others wait and one has failed."""
        shell.window.show_page("queue")
        await shell.grab(self.running_picture)

    async def show_end(self, shell: Shell) -> None:
        shell.window.show_page("tide")
        await shell.grab(self.final_picture)

    def _copy_scripts(self) -> Path:
        folder = self.paths.data_dir.parent / "scripts"
        shutil.copytree(resource("demo"), folder, dirs_exist_ok=True)
        return folder

    async def _big_memory(self, shell: Shell) -> str:
        """Half of the machine and a bit, once the first reading is there."""
        async for _change in shell.desk.changes(0):
            free = shell.desk.status().machine.memory_headroom_bytes
            if free is not None:
                return f"{int(free * BIG_SHARE) // MIB}M"
        raise RuntimeError("the engine ended before it had read the machine")

    async def _submit(self, shell: Shell, script: Path, options: dict[str, str]) -> None:
        request = SubmitRequest(script=str(script), cwd=str(script.parent), environment=os.environ, options=options)
        understood = await asyncio.get_running_loop().run_in_executor(None, self._understand, request)
        for job in understood:
            [answer] = await shell.desk.submit([job])
            if answer.refused is not None:
                raise RuntimeError(f"{script.name} was refused: {answer.refused}")

    def _understand(self, request: SubmitRequest) -> list[Submission]:
        found = build(
            request,
            self.facts(),
            python=sys.executable,
            now=time.time(),
            environments_dir=self.paths.environments_dir,
        )
        return [Submission(job.spec, job.held, job.warnings, job.array) for job in found]


class _Telling:
    """Says on stderr what happens to each job, and knows when all have ended."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._ended: set[str] = set()
        self._started: set[str] = set()
        self._moved = asyncio.Event()
        self._began = time.monotonic()

    def tell(self, change: Change) -> None:
        for job in change.jobs:
            sentence = _sentence(job)
            if self._said.get(job.id) != sentence:
                self._said[job.id] = sentence
                at = time.monotonic() - self._began
                print(f"{at:5.1f} s  {job.name:<16} {sentence}", file=sys.stderr, flush=True)
            if job.status == "finished":
                self._ended.add(job.id)
            if job.started_at is not None:
                self._started.add(job.name)
        self._moved.set()

    async def one_started(self, name: str) -> bool:
        """A job whose name begins so has started; False when none did in time."""
        return await self._until(lambda: any(started.startswith(name) for started in self._started))

    async def all_ended(self, count: int) -> bool:
        return await self._until(lambda: len(self._ended) >= count)

    async def _until(self, reached: Callable[[], bool]) -> bool:
        deadline = self._began + GIVE_UP_AFTER_S
        while not reached():
            self._moved.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._moved.wait(), left)
            except TimeoutError:
                return False
        return True


def _sentence(job: JobView) -> str:
    if job.status == "finished":
        code = f" (exit {job.exit_code})" if job.exit_code else ""
        return f"{(job.outcome or '').replace('_', ' ')}{code}"
    if job.status == "queued" and job.waits:
        # Figures in a reason move with every reading; only another cause is news.
        return f"waits: {job.waits[0].code.replace('_', ' ')}"
    return job.status


def table(jobs: list[JobView]) -> str:
    """What ran when, with its peak memory, and why it waited; times in seconds since the first submit."""
    if not jobs:
        return "No job ran."
    origin = min(job.submitted_at for job in jobs)
    rows = [("Job", "Name", "Came", "Started", "Ended", "Result", "Peak", "Why it waited")]
    for job in sorted(jobs, key=lambda job: job.started_at or job.submitted_at):
        code = f" ({job.exit_code})" if job.exit_code else ""
        peak = job.usage.peak_memory_bytes
        rows.append(
            (
                job.id,
                job.name,
                f"{job.submitted_at - origin:.1f}",
                "-" if job.started_at is None else f"{job.started_at - origin:.1f}",
                "-" if job.finished_at is None else f"{job.finished_at - origin:.1f}",
                f"{(job.outcome or job.status).replace('_', ' ')}{code}",
                "-" if peak is None else format_size(peak),
                _why_waited(job),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = {2, 3, 4, 6}
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _why_waited(job: JobView) -> str:
    waited = (job.started_at or job.finished_at or job.submitted_at) - job.submitted_at
    if waited < 0.5:
        return "started at once"
    reason = job.attempt_list[-1].waited_for if job.attempt_list else job.last_wait
    return f"{waited:.1f} s: {reason or 'others were before it'}"

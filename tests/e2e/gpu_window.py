"""The real application asked over a pipe what its window says of the graphics cards: run by test_e2e_gpu.

One JSON line in, one out: ``{"card": N}`` shows that card's curves; ``{"grab": "name"}`` keeps a picture too. The
answer has the strip's words, the tabs, the bands of the chart now, and what the table says of cards.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tidegate.gui.application import run
from tidegate.gui.jobs.table import Column
from tidegate.gui.shell import Shell
from tidegate.gui.tide.bands import Metric
from tidegate.gui.widgets.figure import Figure
from tidegate.gui.widgets.tab_button import TabButton
from tidegate.paths import find_paths
from tidegate.settings import load
from tidegate.wiring.program import Program


class Looking:
    """A session of the application that answers until its input ends."""

    async def __call__(self, shell: Shell) -> int:
        shell.window.come_forward()
        shell.window.show_page("tide")
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            if "card" in asked:
                assert shell.window.tide is not None
                shell.window.tide.set_metric(Metric("card", asked["card"]))
            if "grab" in asked:
                await shell.grab(asked["grab"])
            print(json.dumps(self._said(shell)), flush=True)
        return 0

    def _said(self, shell: Shell) -> dict[str, Any]:
        window, tide = shell.window, shell.window.tide
        assert tide is not None
        picture, table = tide.chart.picture, tide.model
        jobs = [job for row in range(table.rowCount()) if (job := table.job_at(row)) is not None]
        return {
            "strip": [figure.accessibleName() for figure in window.strip.findChildren(Figure)],
            "tabs": [button.text() for button in tide.findChildren(TabButton)],
            "bands": {} if picture is None else {b.id: round(b.upper[-1] - b.lower[-1]) for b in picture.bands},
            "last_at": None if picture is None else max((b.times[-1] for b in picture.bands), default=None),
            "top": None if picture is None else picture.top,
            "gpu_cells": {job.id: table.text(job, Column.GPU) for job in jobs},
            "on_cards": {job.id: job.usage.gpu_memory_bytes for job in shell.desk.jobs()},
        }


def main() -> int:
    paths = find_paths()
    paths.create()
    program = Program(paths, load(paths), "gui", {})
    program.acquire()

    async def close(_stop_jobs: bool) -> None:
        await program.close(stop_jobs=True)

    return run(program.open, close, paths, program.settings, session=Looking(), facts=program.facts)


if __name__ == "__main__":
    sys.exit(main())

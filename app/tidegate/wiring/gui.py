"""``tidegate gui``: the tray application around the engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tidegate.wiring.opening import REFUSALS, prepare, refused


def gui(files: Sequence[str], overrides: dict[str, str], *, hidden: bool = False) -> int:
    """The tray application, ``hidden`` without its window; returns the exit code."""
    from tidegate.desktop.display import display_problem

    problem = display_problem(os.environ)
    if problem is not None:
        print(f"tidegate: {problem} `tidegate serve` runs without one.", file=sys.stderr)
        return 1
    program = prepare("gui", overrides, foreground=False)
    if isinstance(program, int):
        return program
    from tidegate.gui.application import run

    try:
        return run(
            program.open,
            program.close,
            paths=program.paths,
            settings=program.settings,
            files=files,
            facts=program.facts,
            told_to_leave=program.told_to_leave,
            show_window=not hidden,
        )
    except REFUSALS as refusal:
        return refused(refusal)

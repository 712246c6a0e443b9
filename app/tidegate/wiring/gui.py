"""``tidegate gui``: the tray application around the engine, or a window on one that runs in the foreground."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tidegate.desktop.instance import HandOver
from tidegate.paths import Paths, PathsError, find_paths
from tidegate.wiring.first import First, become_first, what_was_given


def gui(files: Sequence[str], overrides: dict[str, str], *, hidden: bool = False) -> int:
    """The tray application, ``hidden`` without its window; returns the exit code.

    Where one runs for this home already, it gets the files and comes forward.
    """
    try:
        paths = find_paths()
        paths.create()
        given = what_was_given(files, hidden=hidden)
        first = become_first(paths, given)
    except PathsError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tidegate: it cannot start: {(error.strerror or str(error)).lower()}.", file=sys.stderr)
        return 1
    if isinstance(first, int):
        return first
    try:
        code, anew = _run(paths, given, overrides, first)
    finally:
        first.leave()
    if anew is None:
        return code
    from tidegate.wiring.attached import begin_anew

    return begin_anew(overrides, hidden=anew)


def _run(paths: Paths, given: HandOver, overrides: dict[str, str], first: First) -> tuple[int, bool | None]:
    """The exit code; and whether the program is to begin anew, hidden or not."""
    from tidegate.desktop.display import display_problem

    problem = display_problem(os.environ)
    if problem is not None:
        print(f"tidegate: {problem} `tidegate serve` runs without one.", file=sys.stderr)
        return 1, None
    from tidegate.wiring.opening import prepare_gui, refusals, refused

    prepared = prepare_gui(paths, overrides)
    if isinstance(prepared, int):
        return prepared, None
    from tidegate.api.client import NoEngine
    from tidegate.gui.application import run
    from tidegate.wiring.program import Program

    own = prepared if isinstance(prepared, Program) else None
    link = None if isinstance(prepared, Program) else prepared
    try:
        code = run(
            prepared.open,
            prepared.close,
            paths=paths,
            settings=prepared.settings,
            files=given.files,
            facts=prepared.facts,
            told_to_leave=None if own is None else own.told_to_leave,
            show_window=given.show_window,
            door=first.door,
            ready=first.ready,
            link=link,
        )
    except NoEngine as refusal:
        return refused(refusal), None
    except refusals() as refusal:
        return refused(refusal), None
    return code, None if link is None else link.begin_anew

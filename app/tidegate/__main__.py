"""The program's door: ``tidegate VERB`` and ``tidegate-gui``. Besides ``wiring`` it alone knows all parts."""

from __future__ import annotations

import sys

from tidegate.cli.main import main as run_cli

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.cli.options import Given


def main() -> int:
    """The CLI, with the verbs that build a live program; returns the exit code."""
    return run_cli(sys.argv[1:], {"serve": _serve, "gui": _gui, "demo": _demo})


def gui_main() -> int:
    """``tidegate-gui [FILE...]``: the application, started from a desktop."""
    return run_cli(["gui", *sys.argv[1:]], {"gui": _gui})


def _serve(given: Given) -> int:
    from tidegate.cli.program import overrides

    settings = overrides(given)
    from tidegate.wiring.serve import serve

    return serve(auto=given.flag("auto"), overrides=settings)


def _gui(given: Given) -> int:
    from tidegate.cli.program import overrides

    settings = overrides(given)
    from tidegate.wiring.gui import gui

    return gui(given.operands, settings, hidden=given.flag("hidden"))


def _demo(given: Given) -> int:
    from tidegate.wiring.demo import demo

    return demo(exit_when_done=given.flag("exit"), screenshot=given.text("screenshot"))


if __name__ == "__main__":
    sys.exit(main())

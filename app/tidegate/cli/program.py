"""``serve``, ``gui``, ``demo``, ``shutdown`` and ``version``: the program itself.

The first three build live parts, which only ``__main__`` may know: it hands their functions to ``cli.main``.
"""

from __future__ import annotations

import time

import tidegate
from tidegate.api.client import Disconnected
from tidegate.cli import connection
from tidegate.cli.options import ANY, JSON, NO_START, Given, Option, UsageError, Verb
from tidegate.cli.output import Failure, put, put_json, say

GONE_WITHIN_S = 30.0

SET = Option("set", "A setting for this run, as in config.toml.", value="NAME=VALUE", many=True)
PORT = Option("port", "The port of the local HTTP interface (setting api_port).", value="N")
LOG_LEVEL = Option(
    "log-level", "How much goes to the program's log.", value="LEVEL", choices=("debug", "info", "warning", "error")
)


def overrides(given: Given) -> dict[str, str]:
    """Settings from the command line; they beat environment and file."""
    found: dict[str, str] = {}
    for text in given.texts("set"):
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text!r} is no setting; it takes NAME=VALUE.")
        found[name.strip()] = value.strip()
    for option, name in (("port", "api_port"), ("log-level", "log_level")):
        value_given = given.text(option)
        if value_given is not None:
            found[name] = value_given
    return found


def _not_here(given: Given) -> int:
    raise Failure(1, f"{given.verb} can only be started by the tidegate program itself.")


def _shutdown(given: Given) -> int:
    """Ask the engine to leave, and answer when it has left."""
    engine = connection.client()
    stop_jobs = given.flag("stop-jobs")
    try:
        connection.ask(lambda: engine.post("/shutdown", {"stop_jobs": stop_jobs}))
    except Failure as failure:
        if not isinstance(failure.__cause__, Disconnected):
            raise
    deadline = time.monotonic() + GONE_WITHIN_S
    while engine.alive():
        if time.monotonic() > deadline:
            raise Failure(1, f"The engine was told to stop but still answers after {GONE_WITHIN_S:.0f} s.")
        time.sleep(0.05)
    say("The engine has stopped." if stop_jobs else "The engine has stopped; running jobs go on without it.")
    return 0


def _version(given: Given) -> int:
    if given.flag("json"):
        put_json({"version": tidegate.__version__})
    else:
        put(f"tidegate {tidegate.__version__}")
    return 0


VERBS = {
    "serve": Verb(
        "serve",
        _not_here,
        "[--port N] [--set NAME=VALUE]",
        (PORT, LOG_LEVEL, SET, Option("auto", "Started by another verb.", hidden=True)),
    ),
    "gui": Verb(
        "gui",
        _not_here,
        "[--hidden] [FILE...]",
        (Option("hidden", "Start in the tray, without opening the window."), PORT, LOG_LEVEL, SET),
        operands=(0, ANY),
        complete="files",
        ending="FILEs become jobs. When the application runs already, they are handed over\n"
        "to it and its window comes forward (not with --hidden). An engine in the\n"
        "background is taken over; beside `tidegate serve` the window attaches to it.",
    ),
    "demo": Verb(
        "demo",
        _not_here,
        "[--exit]",
        (
            Option("exit", "End when the demo's jobs are done, with a table and a screenshot."),
            Option("screenshot", "Where to put the picture of the window.", value="FILE"),
            NO_START,
        ),
    ),
    "shutdown": Verb("shutdown", _shutdown, "[--stop-jobs]", (Option("stop-jobs", "End the running jobs too."),)),
    "version": Verb("version", _version, "", (JSON,)),
}

"""The verbs that act on jobs: pause, resume, hold, release, cancel, kill, retry, first, start."""

from __future__ import annotations

import sys

from tidegate.cli import connection
from tidegate.cli.options import ANY, JSON, Given, Option, UsageError, Verb
from tidegate.cli.output import Failure, clean, put, put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALL = Option("all", "Every job that this can be done to.", short="a")
YES = Option("yes", "Do not ask; needed where nobody can be asked.", short="y")
WHOLE_QUEUE = ("pause", "resume")
"""Without ids these act on the queue itself."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """``--for``: 90s, 30m, 2h or 1d; a bare number is minutes, as for --time."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "m")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise UsageError(f"--for {text!r} is no length of time; it takes 90s, 30m, 2h or 1d.")
    return value


def act(given: Given) -> int:
    """Carry a verb out and say what came of it for each job."""
    for_text = given.text("for")
    fields: dict[str, Any] = {} if for_text is None else {"seconds": seconds_of(for_text)}
    fields.update({name: True for name in ("drain", "gpu", "force") if given.flag(name)})
    if given.operands and (fields.get("drain") or fields.get("gpu")):
        raise UsageError(f"--{'drain' if 'drain' in fields else 'gpu'} is about the whole queue; leave the ids out.")
    engine = connection.client()
    ids = _ids_of(given, engine)
    results = connection.ask(lambda: engine.act(given.verb, ids, **fields))
    return put_results(results, given.flag("json"))


def _ids_of(given: Given, engine: Any) -> list[str] | None:
    """The ids named, or None for the queue and for --all."""
    if given.operands:
        if given.flag("all"):
            raise UsageError("--all and ids exclude each other.")
        return connection.resolve_ids(engine, given.operands)
    if given.verb in WHOLE_QUEUE:
        return None
    if not given.flag("all"):
        raise UsageError(f"which jobs is missing; the usage is: tidegate {given.verb} ID..., or --all")
    confirm(given, f"{given.verb} --all", f"{given.verb.capitalize()} every job it fits?")
    return None


def confirm(given: Given, what: str, question: str) -> None:
    """Ask before something that concerns everything; raises UsageError where that takes --yes."""
    if given.flag("yes"):
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what} needs --yes where nobody can be asked.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failure(connection.REFUSED, "Nothing was done.")


def put_results(results: list[dict[str, Any]], as_json: bool) -> int:
    """What was done on stdout, what was not on stderr; the first exit code that is not 0."""
    codes = {"done": 0, "refused": connection.REFUSED, "unknown": connection.NO_SUCH_ID}
    if as_json:
        put_json({"results": results})
    for result in results if not as_json else ():
        sentence = clean(str(result["sentence"]))
        if result["answer"] == "done":
            put(sentence)
        else:
            say(sentence)
    return next((codes[result["answer"]] for result in results if codes[result["answer"]]), 0)


def _verb(name: str, *options: Option, ending: str = "") -> Verb:
    if name in WHOLE_QUEUE:
        return Verb(name, act, "[ID...]", (*options, JSON), operands=(0, ANY), complete="ids", ending=ending)
    usage = "ID...  |  --all [--yes]"
    return Verb(name, act, usage, (*options, ALL, YES, JSON), operands=(0, ANY), complete="ids", ending=ending)


VERBS = {
    "pause": _verb(
        "pause",
        Option("for", "Go on by itself after this time: 90s, 30m, 2h.", value="TIME"),
        Option("gpu", "Only jobs that use graphics cards."),
        Option("drain", "Only start nothing new; running jobs go on."),
        ending="Without ids the whole queue is paused: running jobs are frozen and nothing starts.",
    ),
    "resume": _verb("resume", ending="Without ids the whole queue goes on."),
    "hold": _verb("hold"),
    "release": _verb("release"),
    "cancel": _verb("cancel", ending="A running job gets the TERM signal, and after the grace time KILL."),
    "kill": _verb("kill"),
    "retry": _verb("retry"),
    "first": _verb("first"),
    "start": _verb(
        "start",
        Option("force", "Do not ask whether there is room; the guard still protects the machine."),
        ending="A held job starts at once, or stays on hold and you are told who is in the way; release lets it\n"
        "join the queue.",
    ),
}

"""``submit`` and ``run``: a script, a command or many lines go to the engine with the environment they were typed in.

The options travel as typed; the engine understands them, so that every door accepts and refuses the same.
"""

from __future__ import annotations

import os
import sys

from tidegate.api.client import Disconnected
from tidegate.cli import connection
from tidegate.cli.options import ANY, JSON, NO_START, Given, Option, UsageError, Verb
from tidegate.cli.output import Failure, put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tidegate.api.client import Client

    Entry = dict[str, object]

RESOURCES = (
    Option("cpus", "Cores it uses (1 when not said).", value="N"),
    Option("mem", "Memory it will need at most: a promise, used to decide when it fits.", value="SIZE"),
    Option("mem-limit", "Memory it may use, enforced where the system can.", value="SIZE"),
    Option(
        "gpu",
        "Graphics cards: 2, 0.5, 8G,0.5 (memory and share), 2(V100), 1(nvidia), 1(>=16G) (of that size at least), "
        "1(~24G) (better of that size), 1(exclusive) (for itself alone), or none.",
        value="CARDS",
    ),
    Option("device", "Which cards: auto, cpu, 0 or 0,1.", value="CARDS"),
    Option("time", "Time it may run: 90s, 30m, 2h, 1-12:00:00; a bare number is minutes.", value="TIME"),
    Option("priority", "0 (most important) to 9; 5 when not said.", value="N"),
    Option("queue", "The queue it stands in.", value="NAME"),
    Option("name", "What to call it.", value="NAME"),
    Option("after", "Start after these jobs have succeeded: 7, or any:7, failed:7.", value="IDS", many=True),
    Option("begin", "Not before: 22:00, now+2h, or an ISO 8601 moment.", value="MOMENT"),
    Option("deadline", "When it should be done; whether it will be is answered at once.", value="MOMENT"),
    Option("retries", "How often to run it again when it fails.", value="N"),
    Option("retry-delay", "How long to wait before that, twice as long each time up to 1h: 30s.", value="TIME"),
    Option("label", "A word to find it by.", value="WORD", many=True),
    Option("env", "A variable for the job.", value="NAME=VALUE", many=True),
    Option("cwd", "The folder to run in (this one when not said).", value="DIR"),
    Option(
        "on-preempt", "What may be done to it for another's sake.", value="HOW", choices=("pause", "requeue", "kill")
    ),
    Option("preemptible", "Whether it may be preempted at all.", value="WORD", choices=("yes", "no")),
    Option("locks", "A name that only one running job may hold.", value="NAME", many=True),
    Option("dedupe", "Do not add it again while a job with this key is unfinished.", value="KEY"),
    Option("checkpoint-signal", "The signal that asks it to save its state and leave.", value="SIGNAL"),
    Option("checkpoint-grace", "How long it may take for that.", value="TIME"),
)
SUBMIT_OPTIONS = (
    *RESOURCES,
    Option("array", "One job with many elements: 1-10, 1-10%2 (two at a time), 1,3,7.", value="INDICES"),
    Option("hold", "Add it, but keep it from starting until it is released."),
    Option("each-line", "Submit every line of FILE as a job through sh -c; - reads from stdin.", value="FILE"),
    Option("shell", "Another shell than sh for --each-line.", value="NAME"),
    Option("wait", "Wait until it has finished, and end with its exit code."),
    Option("dry-run", "Say what would happen, and submit nothing."),
    JSON,
    NO_START,
)
_LISTS = ("label", "env", "locks")
AT_ONCE = 10_000  # lines in one request
_OURS = ("each-line", "wait", "dry-run", "json", "no-start", "help")


def raw_options(given: Given, engine: Client) -> dict[str, str | list[str]]:
    """The job's options as the user typed them, by the names the engine knows; only @ is made an id."""
    raw: dict[str, str | list[str]] = {}
    for name in given.names():
        if name in _LISTS:
            raw[name] = given.texts(name)
        elif name == "after":
            raw[name] = [_dependencies(engine, text) for text in given.texts(name)]
        elif name not in _OURS:
            raw[name] = "yes" if name == "hold" else given.text(name) or ""
    return raw


def _dependencies(engine: Client, text: str) -> str:
    """``any:@,7`` with the last job's id for @, and always with its condition, which would else be the one before."""
    if text.strip().lower() == "none":
        return text
    words = []
    for word in text.split(","):
        condition, colon, id = word.strip().rpartition(":")
        words.append(condition + colon + (connection.resolve_ids(engine, [id])[0] if id.startswith("@") else id))
    return ",".join(words) if ":" in words[0] else "ok:" + ",".join(words)


def entries(given: Given) -> list[Entry]:
    """The jobs that a command line means: one, or one for each line of a file."""
    words = given.operands
    source = given.text("each-line")
    if source is not None:
        if words:
            raise UsageError(f"--each-line takes its jobs from {source}; leave out {words[0]!r}.")
        return [{"line": line} for line in _lines_of(source)]
    if not words:
        raise UsageError("what is to run is missing; give a SCRIPT, or -- and a command.")
    if given.separated:
        return [{"command": words}]
    return [{"script": words[0], "args": words[1:]}]


def _lines_of(source: str) -> list[str]:
    """The lines that are commands: neither blank nor comments. Any bytes survive but NUL, which no shell takes."""
    try:
        if source == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(source, "rb") as file:
                data = file.read()
    except OSError as error:
        raise Failure(1, f"--each-line cannot read {source}: {(error.strerror or str(error)).lower()}.") from error
    if b"\0" in data:
        raise Failure(1, f"--each-line {source}: that is no text file (it contains NUL bytes).")
    lines = [line.strip() for line in data.split(b"\n")]
    found = [os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
    if not found:
        raise Failure(1, f"--each-line {source}: there is no command in it.")
    return found


def send(given: Given, engine: Client) -> list[dict[str, Any]]:
    """Submit, starting an engine where needed; warnings are said, ids come back."""
    jobs, options = entries(given), raw_options(given, engine)
    cwd = current_folder()
    answered: list[dict[str, Any]] = []

    def ask(some: list[Entry]) -> Callable[[], list[dict[str, Any]]]:
        return lambda: engine.submit(some, cwd=cwd, options=options)

    # All lines ask for the same, so what refuses one refuses the first; in one piece they would weigh twice as much.
    for some in (jobs[begin : begin + AT_ONCE] for begin in range(0, len(jobs), AT_ONCE)):
        try:
            answered += connection.ask_or_start(given, engine, ask(some))
        except Failure as failure:
            sentence = failure.sentence
            if answered:
                sys.stdout.write("".join(f"{entry['id']}\n" for entry in answered))
                sentence += f" The {len(answered)} jobs before were accepted."
            if isinstance(failure.__cause__, Disconnected):
                sentence += " 'tidegate list' shows whether it was accepted."
            raise Failure(failure.code, sentence) from None
    for entry in answered:
        for warning in entry.get("warnings") or ():
            say(f"warning: {warning}")
        for note in entry.get("notes") or ():
            say(note)
    return answered


def current_folder() -> str:
    """Where the user stands; relative names in the request mean this place."""
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise Failure(1, "The folder you are in has been removed; change to another one.") from error


def _submit(given: Given) -> int:
    engine = connection.client()
    if given.flag("dry-run"):
        from tidegate.cli.preview import put_preview

        return put_preview(given, engine)
    answered = send(given, engine)
    ids = [str(entry["id"]) for entry in answered]
    if given.flag("json"):
        put_json({"jobs": answered})
    else:
        sys.stdout.write("".join(f"{id}\n" for id in ids))
    sys.stdout.flush()
    if not given.flag("wait"):
        return 0
    from tidegate.cli.wait import wait_for

    return wait_for(engine, ids, timeout_s=None, any_one=False).code


def _run(given: Given) -> int:
    from tidegate.cli.foreground import see_through

    engine = connection.client()
    return see_through(engine, str(send(given, engine)[0]["id"]))


VERBS = {
    "submit": Verb(
        "submit",
        _submit,
        "[options] SCRIPT [ARGS...]  |  [options] -- COMMAND...  |  [options] --each-line FILE",
        SUBMIT_OPTIONS,
        operands=(0, ANY),
        command_follows=True,
        complete="files",
        ending="Options come before the script; what follows the script belongs to it. Only the id is printed.",
    ),
    "run": Verb(
        "run",
        _run,
        "[options] -- COMMAND...  |  [options] SCRIPT [ARGS...]",
        (*RESOURCES, NO_START),
        operands=(1, ANY),
        command_follows=True,
        complete="files",
        ending="Ctrl-C cancels the job and waits for its end; a second Ctrl-C leaves it to itself. "
        "Either way the exit code is 130.",
    ),
}

"""``wait``: until jobs have finished, whatever happens to the engine meanwhile; its exit code is the jobs'."""

from __future__ import annotations

from tidegate.cli import connection
from tidegate.cli.exit_codes import TIMED_OUT, code_of, code_of_all, ending
from tidegate.cli.options import ANY, JSON, Given, Option, UsageError, Verb
from tidegate.cli.output import put, put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.api.client import Client


class Waited:
    """What came of waiting: the finished jobs, or None when time ran out."""

    __slots__ = ("code", "jobs")

    def __init__(self, jobs: list[dict[str, Any]] | None) -> None:
        self.jobs = jobs
        self.code = TIMED_OUT if jobs is None else code_of_all(jobs)


def wait_for(engine: Client, ids: list[str], timeout_s: float | None, any_one: bool) -> Waited:
    """Wait, and say on stderr which jobs did not succeed."""
    waited = Waited(connection.ask(lambda: engine.wait(ids, timeout_s, any_one)))
    for job in waited.jobs or ():
        if code_of(job):
            say(f"job {job['id']} {ending(job)}")
    return waited


def seconds(text: str) -> float:
    """``--timeout``: seconds, as in timeout(1); UsageError for anything else."""
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise UsageError(f"--timeout {text!r} is no number of seconds; it takes 0 or more, for instance 90.")
    return value


def _wait(given: Given) -> int:
    timeout = given.text("timeout")
    timeout_s = None if timeout is None else seconds(timeout)
    engine = connection.client()
    connection.require(engine)
    ids = connection.resolve_ids(engine, given.operands)
    waited = wait_for(engine, ids, timeout_s, given.flag("next"))
    if waited.jobs is None and not given.flag("json"):
        say(f"not finished within {timeout} s; the jobs go on.")
    if given.flag("json"):
        put_json({"jobs": waited.jobs or [], "timed_out": waited.jobs is None})
    elif given.flag("next") and waited.jobs:
        put(str(waited.jobs[0]["id"]))
    return waited.code


VERBS = {
    "wait": Verb(
        "wait",
        _wait,
        "ID... [--timeout SECONDS] [--next]",
        (
            Option("timeout", "Stop waiting after so many seconds, with exit code 124.", value="SECONDS"),
            Option("next", "Wait for the first of them, and print its id."),
            JSON,
        ),
        operands=(1, ANY),
        complete="ids",
        ending="With several ids the exit code is the first that is not 0, in their order.",
    )
}

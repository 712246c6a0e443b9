"""``run`` after its job was accepted: the output as it comes, why it waits, Ctrl-C, and the job's own exit code."""

from __future__ import annotations

from tidegate.api.client import ApiError, NoEngine
from tidegate.cli import connection
from tidegate.cli.logs import LogReader
from tidegate.cli.output import Failure, clean, say
from tidegate.cli.wait import wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.api.client import Client

INTERRUPTED = 130


def see_through(engine: Client, id: str) -> int:
    """Stay with the job until its end and return its exit code."""
    reader = LogReader(engine, id)
    try:
        _say_why_it_waits(engine, id)
        reader.copy_to_stdout(follow=True)
        return wait_for(engine, [id], None, False).code
    except KeyboardInterrupt:
        return _cancel(engine, reader)


def _say_why_it_waits(engine: Client, id: str) -> None:
    job = connection.ask(lambda: engine.get(f"/jobs/{id}"))
    if job["status"] in ("queued", "held"):
        reasons = [wait["sentence"] for wait in job["waits"] if wait["code"] != "next"]
        if reasons:
            say(f"job {id} waits: {clean(reasons[0])}")


def _cancel(engine: Client, reader: LogReader) -> int:
    """The first Ctrl-C: end the job and see it end; the second: leave it alone."""
    id = reader.id
    say(f"cancelling job {id}; another Ctrl-C leaves it to itself.")
    try:
        engine.act("cancel", [id])
        reader.copy_to_stdout(follow=True)
    except KeyboardInterrupt:
        say(f"job {id} is left to itself; 'tidegate show {id}' shows it.")
    except (NoEngine, ApiError, Failure) as error:
        say(f"job {id} could not be cancelled: {error}")
    return INTERRUPTED

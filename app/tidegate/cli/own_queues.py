"""``queue add`` and ``queue remove``: queues of one's own, which are nothing but settings (``queues.NAME.KEY``)."""

from __future__ import annotations

from tidegate.cli import connection
from tidegate.cli.actions import confirm
from tidegate.cli.config import reset_values, rows, set_values
from tidegate.cli.formats import counted
from tidegate.cli.options import Given, UsageError, one_of
from tidegate.cli.output import Failure, put, put_json
from tidegate.settings.queue_settings import BUILT_IN, NAME, NAMED_LIKE, PREFIX, names_of, queues_in

USAGES = {
    "add": "add NAME [--order N] [--max-running N] [--memory SIZE] [--cards N] [--strategy NAME]"
    " [--no-backfill] [--preempts QUEUE,...]",
    "remove": "remove NAME [--yes]",
}


def add(given: Given, name: str) -> int:
    """Make a queue, with everything that is said of it or not at all."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a queue; it has {NAMED_LIKE}.")
    if given.flag("by") or given.flag("yes"):
        raise UsageError(f"the usage is: tidegate queue {USAGES['add']}")
    if name in _queues():
        raise Failure(
            connection.REFUSED,
            f"There is a queue {name} already; 'tidegate config set {PREFIX}{name}.KEY VALUE' changes it.",
        )
    texts = {"order": given.text("order") or "10"}
    for key in ("max_running", "memory", "cards", "strategy", "preempts"):
        text = given.text(key.replace("_", "-"))
        if text is not None:
            texts[key] = text
    if given.flag("no-backfill"):
        texts["backfill"] = "no"
    set_values({f"{PREFIX}{name}.{key}": text for key, text in texts.items()})
    _put(given, name, f"added the queue {name}")
    return 0


def remove(given: Given, name: str) -> int:
    """Take a queue away; jobs that stand in it go on as ``default`` ones."""
    if any(given.flag(option) for option in given.names() if option not in ("yes", "json", "no-start")):
        raise UsageError(f"the usage is: tidegate queue {USAGES['remove']}")
    if name in BUILT_IN:
        raise Failure(connection.REFUSED, f"The queue {name} is built in and stays; its limits can be changed.")
    settings = rows()
    queues = _queues(settings)
    if name not in queues:
        raise Failure(connection.NO_SUCH_ID, f"There is no queue {name!r}; there are {one_of(queues, 'and')}.")
    before = [row for row in settings if row["key"] == "preempts" and name in names_of(row["value"])]
    if before:
        row = before[0]
        text = f"The queue {row['section'].removeprefix(PREFIX)} may interrupt jobs of {name}"
        raise Failure(connection.REFUSED, f"{text}; take {name} out of {row['name']} first.")
    jobs = _jobs_in(name)
    if jobs:
        text = f"{counted(jobs, 'job')} of the queue {name} would go on in default"
        confirm(given, f"{text}; queue remove", f"{text}. Remove it?")
    reset_values([row["name"] for row in settings if row["section"] == PREFIX + name and row["source"] != "default"])
    _put(given, name, f"removed the queue {name}" + (f"; {counted(jobs, 'job')} went to default" if jobs else ""))
    return 0


def _queues(settings: list[dict[str, object]] | None = None) -> list[str]:
    return queues_in(str(row["name"]) for row in settings or rows())


def _jobs_in(name: str) -> int:
    """Jobs that wait or run there; without an engine nobody runs, and who waits goes on as a default job."""
    engine = connection.client()
    if not engine.alive():
        return 0
    queues = connection.ask(lambda: engine.get("/queue-status", by="queue"))["queues"]
    mine = [queue for queue in queues if queue["name"] == name]
    return sum(int(queue[state]) for queue in mine for state in ("running", "paused", "waiting", "held"))


def _put(given: Given, name: str, sentence: str) -> None:
    if given.flag("json"):
        put_json({"queue": name})
    else:
        put(sentence)

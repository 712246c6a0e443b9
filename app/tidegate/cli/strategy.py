"""``strategy``: which strategies there are and where each is in use; to take another one; and how they compare."""

from __future__ import annotations

import os
import time

from tidegate.cli import connection
from tidegate.cli.config import set_value
from tidegate.cli.formats import counted, duration, moment
from tidegate.cli.options import JSON, Given, Option, UsageError, Verb, nearest
from tidegate.cli.output import Column, Failure, clean, put_json, put_table, say
from tidegate.cli.simulate import measure_cells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.paths import Paths

    View = dict[str, Any]

AUTO = "auto"
FEW_JOBS = 20
"""Of fewer jobs the figures say little."""

KNOWN = (
    Column("STRATEGY"),
    Column("IN USE FOR", elastic=True, least=12),
    Column("WHAT IT DOES", elastic=True, least=24),
)
COMPARED = (
    Column("STRATEGY"),
    Column("FIGURES"),
    *(
        Column(title, right=True, least=5)
        for title in ("JOBS", "OK", "WAIT", "P95 WAIT", "SLOWDOWN", "PREEMPTED", "LOST")
    ),
)


def _strategy(given: Given) -> int:
    if given.operands:
        if given.flag("compare") or given.flag("json"):
            raise UsageError(f"the usage is: tidegate strategy {USAGE}")
        return _set(given.operands[0])
    known = _known()
    if given.flag("compare"):
        return _compare(given, known)
    if given.flag("json"):
        put_json(known)
        return 0
    put_table(KNOWN, [[each["name"], _use(each, known), each["description"]] for each in known["strategies"]])
    _say_more(known)
    return 0


def _known() -> View:
    """As the engine answers, or as one would begin with these settings."""
    engine = connection.client()
    try:
        found: View = connection.ask(lambda: engine.get("/strategies"))
    except connection.NobodyThere:
        return _recorded(engine.paths)
    return found


def _recorded(paths: Paths) -> View:
    import sqlite3

    from tidegate.plugins import KnownStrategies
    from tidegate.settings import SettingsError, load
    from tidegate.simulator.comparison import recorded_strategies

    try:
        return recorded_strategies(paths.database, load(paths).policy(), KnownStrategies(), time.time())
    except SettingsError as error:
        raise Failure(1, "\ntidegate: ".join(error.errors)) from error
    except sqlite3.Error as error:
        raise Failure(1, f"The history cannot be read: {error}.") from None


def _use(strategy: View, known: View) -> str:
    if strategy["switched_off"] is not None:
        return "switched off"
    if not strategy["queues"]:
        return "-"
    everywhere = all(each is strategy or not each["queues"] for each in known["strategies"])
    return "all queues" if everywhere else ", ".join(strategy["queues"])


def _say_more(known: View) -> None:
    now, auto = time.time(), known["auto"]
    if known["setting"] == AUTO:
        since = (
            "it begins with that one"
            if auto["why"] is None
            else f"since {moment(auto['chosen_at'], now)}: {auto['why']}"
        )
        say(f"auto goes by {known['in_use']}; {clean(since)}.")
        if auto["found"] is not None:
            say(f"looked at {moment(auto['looked_at'], now)}: {clean(auto['found'])}.")
    for each in known["strategies"]:
        if each["switched_off"] is not None:
            say(_off(each))


def _off(strategy: View) -> str:
    return (
        f"{strategy['name']} is switched off: {clean(strategy['switched_off'])}; its queues go on under priority_based."
    )


# --- choosing --------------------------------------------------------------------------------------------------------


def _set(name: str) -> int:
    before = _known()
    names = [*(each["name"] for each in before["strategies"] if each["installed"]), AUTO]
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near}? There" if near else "there"
        raise UsageError(f"there is no strategy {name!r}; {hint} are {', '.join(names[:-1])} and {AUTO}.")
    set_value("strategy", name)
    after = _known()
    if after["setting"] != name:
        raise Failure(
            1, f"It is written, but the strategy stays {after['setting']}: that was set from outside the file."
        )
    off = next(
        (each for each in after["strategies"] if each["name"] == name and each["switched_off"] is not None), None
    )
    if off is not None:
        raise Failure(1, _off(off))
    say(_changed(before, after))
    return 0


def _changed(before: View, after: View) -> str:
    now = after["in_use"]
    if after["setting"] == AUTO:
        first = (
            f"{now} goes first; about once an hour the recorded jobs are replayed, and a clearly better strategy taken."
        )
        return f"auto from now on: {first}"
    if before["setting"] == after["setting"]:
        return f"{now} is what is set already."
    own = [
        f"{queue} keeps {each['name']}"
        for each in after["strategies"]
        for queue in each["queues"]
        if each["name"] != now
    ]
    instead = f", not by {before['in_use']}" if before["in_use"] != now else f", whatever {AUTO} would find"
    return f"waiting jobs go by {now} from now on{instead}{'; ' + ', '.join(own) if own else ''}."


# --- comparing -------------------------------------------------------------------------------------------------------


def _compare(given: Given, known: View) -> int:
    answer, remark = _replayed()
    replayed = {each["strategy"]: each for each in answer["results"]}
    rows = []
    for each in known["strategies"]:
        tried = replayed.get(each["name"])
        off = each["switched_off"] or (None if tried is None else tried["switched_off"])
        figures = (
            None if tried is None or tried["switched_off"] is not None else {name: tried[name] for name in MEASURES}
        )
        rows.append(
            {
                "name": each["name"],
                "queues": each["queues"],
                "switched_off": off,
                "live": each["measures"],
                "replayed": figures,
            }
        )
    rows.sort(key=lambda row: (row["replayed"] is None, (row["replayed"] or {}).get("mean_slowdown") or 0.0))
    found = {
        "setting": known["setting"],
        "in_use": known["in_use"],
        "auto": known["auto"],
        "jobs_measured": known["jobs"],
        "measured_since": known["since"],
        "jobs_replayed": answer["jobs_used"],
        "span_s": answer["span_s"],
        "remark": remark,
        "strategies": rows,
    }
    if given.flag("json"):
        put_json(found)
    else:
        _put(found)
    if remark is not None:
        say(remark)
    return 0


MEASURES = (
    *("jobs", "starts", "succeeded", "success_rate", "mean_wait_s", "p95_wait_s", "mean_slowdown", "makespan_s"),
    *("preemptions", "work_lost_core_s"),
)


def _replayed() -> tuple[View, str | None]:
    """What ``simulate --history --all`` came to, and what is to be said of how much it means."""
    import sqlite3

    from tidegate.cli import replaying
    from tidegate.simulator.workload import WorkloadRefused, read_history

    nothing: View = {"results": [], "jobs_used": 0, "span_s": 0.0}
    try:
        jobs = read_history(connection.home().database, replaying.NEWEST).jobs
    except WorkloadRefused as refused:
        return nothing, str(refused)
    except sqlite3.Error as error:
        raise Failure(1, f"The history cannot be read: {error}.") from None
    say(f"replaying {counted(len(jobs), 'job')} of {duration(jobs[-1].submit_s)} under every strategy ...")
    answer = replaying.result(replaying.begin(os.environ))
    if isinstance(answer, str):
        raise Failure(1, f"The recorded jobs could not be replayed: {answer}.")
    used = answer["jobs_used"]
    if used >= FEW_JOBS:
        return answer, None
    few = "Only one job has" if used == 1 else f"Only {used} jobs have"
    return answer, f"{few} run to an end here so far; of fewer than {FEW_JOBS} the figures say little."


def _put(found: View) -> None:
    cells = []
    for row in found["strategies"]:
        name = f"{row['name']} *" if row["name"] == found["in_use"] else row["name"]
        for kind, figures in (("replayed", row["replayed"]), ("live", row["live"])):
            if figures is not None:
                cells.append([name, kind, str(figures["jobs"]), *measure_cells(figures)])
                name = ""
    if cells:
        put_table(COMPARED, cells)
    if not found["jobs_replayed"]:
        return
    span = f"{counted(found['jobs_replayed'], 'job')} of {duration(found['span_s'])}"
    say(f"replayed: {span}, the same under each; * is in use.")
    if found["jobs_measured"]:
        since = moment(found["measured_since"], time.time())
        say(f"live: {counted(found['jobs_measured'], 'job')} since {since}, each under the strategy that let it start.")
    for row in found["strategies"]:
        if row["switched_off"] is not None:
            say(f"{row['name']} could not be tried: {clean(row['switched_off'])}.")


USAGE = "[NAME | auto]  |  --compare"
VERBS = {
    "strategy": Verb(
        "strategy",
        _strategy,
        USAGE,
        (
            Option("compare", "Replay the recorded jobs under every strategy, and show how each did."),
            JSON,
        ),
        operands=(0, 1),
        complete="strategies",
        ending="NAME takes effect at once. With auto the recorded jobs are replayed once an hour at most,\n"
        "and another strategy is taken when it is clearly better: a mean slowdown at least 10 %\n"
        "lower, while the slowest 5 % wait no longer and no fewer jobs succeed.\n"
        "WAIT is from when a job could start until it did; SLOWDOWN is wait and run over run; LOST\n"
        "is work done in runs that did not succeed. Live figures are of the last 30 days.",
    )
}

"""``conflicts`` and ``hints``: what jobs get in each other's way for and what could run better; settled by one word."""

from __future__ import annotations

import time

from tidegate.cli import connection
from tidegate.cli.actions import put_results
from tidegate.cli.formats import moment
from tidegate.cli.options import JSON, Given, Option, UsageError, Verb, nearest, one_of
from tidegate.cli.output import Column, put_json, put_table, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Found = dict[str, Any]

ACTIONS = {"conflicts": ("resolve",), "hints": ("apply", "dismiss")}
_NONE = {
    "conflicts": "No conflicts: no job is in another's way.",
    "hints": "No hints: nothing is known that would let the jobs run better.",
}
_WHAT = {"conflicts": Column("CONFLICT", elastic=True, least=20), "hints": Column("HINT", elastic=True, least=20)}


def _run(given: Given) -> int:
    if given.operands:
        return _act(given)
    if given.text("way") is not None:
        raise UsageError("--way belongs to: tidegate conflicts resolve ID")
    engine, what = connection.client(), given.verb
    everything = given.flag("all")
    found: list[Found] = connection.ask(lambda: engine.get(f"/{what}"))[what]
    if everything:
        found += connection.ask(lambda: engine.get(f"/{what}", closed=True))[what]
    if given.flag("json"):
        put_json({what: found})
    elif not found:
        say(_NONE[what] + ("" if everything else f" 'tidegate {what} --all' shows those that ended."))
    else:
        _put(what, found, everything)
    return 0


def _put(what: str, found: list[Found], everything: bool) -> None:
    now = time.time()
    severe, row = ("SEVERITY", _conflict_row) if what == "conflicts" else ("TYPE", _hint_row)
    columns = [Column("ID", right=True), Column(severe), Column("JOBS", elastic=True), _WHAT[what], Column("SINCE")]
    if everything:
        columns += [Column("ENDED"), Column("HOW", elastic=True, least=12)]
        rows = [[*row(each, now)[:-1], moment(each["closed_at"], now), each["closed_because"] or ""] for each in found]
    else:
        columns.append(Column("WAYS OUT" if what == "conflicts" else "TO APPLY", elastic=True, least=12))
        rows = [row(each, now) for each in found]
    put_table(columns, rows, [cells[1] for cells in rows])


def _conflict_row(found: Found, now: float) -> list[str]:
    ways = ", ".join(way["name"] for way in found["ways"])
    jobs = " ".join(found["jobs"])
    return [str(found["id"]), found["severity"], jobs, found["sentence"], moment(found["detected_at"], now), ways]


def _hint_row(found: Found, now: float) -> list[str]:
    action = found["action"]["label"] if found["action"] else "-"
    said = " ".join(part if part.endswith((".", "?")) else f"{part}." for part in (found["title"], found["message"]))
    return [str(found["id"]), found["type"], " ".join(found["jobs"]), said, moment(found["at"], now), action]


def _act(given: Given) -> int:
    what, (action, *ids) = given.verb, given.operands
    if action not in ACTIONS[what]:
        near = nearest(action, ACTIONS[what])
        tail = f"did you mean {near}?" if near else f"it takes {one_of(ACTIONS[what])}."
        raise UsageError(f"{what} {action} is not known; {tail}")
    if len(ids) != 1:
        raise UsageError(f"the usage is: tidegate {_usage(what, action)}")
    if given.flag("all"):
        raise UsageError(f"--all belongs to the list: tidegate {what} --all")
    [id] = ids
    if not (id.isascii() and id.isdigit() and 0 < int(id) < 10**15):
        raise UsageError(f"{id!r} is no {what[:-1]}'s id; 'tidegate {what}' lists them.")
    body = {"way": given.text("way")} if action == "resolve" else {}
    engine = connection.client()
    results = connection.ask(lambda: engine.post(f"/{what}/{int(id)}/{action}", body))["results"]
    return put_results(results, given.flag("json"))


def _usage(what: str, action: str) -> str:
    return f"{what} {action} ID" + (" [--way NAME]" if action == "resolve" else "")


def _verb(what: str, *options: Option, ending: str) -> Verb:
    usage = "  |  ".join(["[--all]", *(_usage(what, action).removeprefix(f"{what} ") for action in ACTIONS[what])])
    every = Option("all", "Those that ended too, with how.", short="a")
    return Verb(what, _run, usage, (every, *options, JSON), operands=(0, 2), complete=what, ending=ending)


VERBS = {
    "conflicts": _verb(
        "conflicts",
        Option("way", "In this one of its ways out; without it the first, which is proposed.", value="NAME"),
        ending="The worst come first. A conflict that goes away by itself is closed by itself.",
    ),
    "hints": _verb("hints", ending="apply does what the hint advises; what is dismissed does not come back."),
}

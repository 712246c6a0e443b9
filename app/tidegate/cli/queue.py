"""``queue``: the named queues with their limits, or every card with who has it and who waits for it, and why.

``queue add`` and ``queue remove`` are in ``own_queues``.
"""

from __future__ import annotations

from itertools import zip_longest

from tidegate.cli import connection
from tidegate.cli.actions import YES
from tidegate.cli.formats import counted, percent, size
from tidegate.cli.options import ANY, JSON, Given, Option, UsageError, Verb, nearest, one_of
from tidegate.cli.output import Column, put_json, put_table, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    View = dict[str, Any]

BY = ("queue", "card")
ACTIONS = ("add", "remove")

LIMITS = (
    Option("order", "With add: the queue with the lowest goes first (default has 10).", value="N"),
    Option("max-running", "With add: so many of its jobs run at once.", value="N"),
    Option("memory", "With add: its jobs hold so much memory together.", value="SIZE"),
    Option("cards", "With add: its jobs hold so many graphics cards together.", value="N"),
    Option("strategy", "With add: in which order its jobs are taken.", value="NAME"),
    Option("no-backfill", "With add: strict order, nobody passes one that waits."),
    Option("preempts", "With add: queues whose jobs make room for its jobs, with commas between.", value="QUEUE,..."),
)

QUEUES = (
    Column("QUEUE"),
    Column("RUNNING", right=True),
    Column("PAUSED", right=True),
    Column("WAITING", right=True),
    Column("HELD", right=True),
    Column("MEMORY", right=True),
    Column("CARDS", right=True),
    Column("LIMITS", elastic=True, least=12),
    Column("STRATEGY"),
)
CARDS = (
    Column("CARD", elastic=True, least=10),
    Column("STATE"),
    Column("FREE", right=True),
    Column("BUSY", right=True),
    Column("HAS IT", elastic=True, least=16),
    Column("WAITS FOR IT", elastic=True, least=20),
)


def _queue(given: Given) -> int:
    if given.operands:
        return _change(given)
    odd = next((option for option in (*LIMITS, YES) if given.flag(option.name)), None)
    if odd is not None:
        raise UsageError(f"--{odd.name} belongs to tidegate queue {'remove' if odd is YES else 'add'} NAME.")
    by = given.text("by") or BY[0]
    engine = connection.client()
    found = connection.ask(lambda: engine.get("/queue-status", by=by))
    if given.flag("json"):
        put_json(found)
    elif by == "queue":
        put_table(QUEUES, [_queue_row(queue) for queue in found["queues"]])
    elif found["cards"]:
        put_table(CARDS, [row for card in found["cards"] for row in _card_rows(card)])
    else:
        say("This machine has no graphics card that can be read; 'tidegate doctor' says why.")
    return 0


def _change(given: Given) -> int:
    from tidegate.cli import own_queues

    action, *names = given.operands
    if action not in ACTIONS:
        near = nearest(action, ACTIONS)
        raise UsageError(f"queue {action} is not known; " + (f"did you mean {near}?" if near else one_of(ACTIONS)))
    if len(names) != 1:
        raise UsageError(f"the usage is: tidegate queue {own_queues.USAGES[action]}")
    return own_queues.add(given, names[0]) if action == "add" else own_queues.remove(given, names[0])


def _queue_row(queue: View) -> list[str]:
    counts = [str(queue[name]) for name in ("running", "paused", "waiting", "held")]
    return [queue["name"], *counts, size(queue["memory_bytes"]), str(queue["cards"]), _limits(queue), queue["strategy"]]


def _limits(queue: View) -> str:
    words = []
    if queue["max_running"] is not None:
        words.append(f"{queue['max_running']} at once")
    if queue["max_memory_bytes"] is not None:
        words.append(size(queue["max_memory_bytes"]))
    if queue["max_cards"] is not None:
        words.append(counted(queue["max_cards"], "card"))
    if not queue["backfill"]:
        words.append("strict order")
    if queue["preempts"]:
        words.append(f"before {', '.join(queue['preempts'])}")
    return ", ".join(words) or "-"


def _card_rows(view: View) -> list[list[str]]:
    """The card once, and a line for each of its users and of those who wait."""
    card = view["card"]
    users = [_user(user) for user in view["users"]] + _others(view)
    waiting = [f"{job['id']} {job['name']}: {job['sentence'] or 'waits'}" for job in view["waiting"]]
    unnamed = view["waiting_count"] - len(view["waiting"])
    if unnamed > 0:
        waiting.append(f"and {unnamed} more")
    first = [
        f"{card['index']} {card['name']}",
        card["mode"],
        f"{size(free)} of {size(card['memory_total_bytes'])}"
        if (free := view["free_memory_bytes"]) is not None
        else "-",
        percent(card["utilisation_pct"]),
    ]
    rows = zip_longest(users or ["-"], waiting or ["-"], fillvalue="")
    return [[*(first if number == 0 else [""] * 4), *row] for number, row in enumerate(rows)]


def _user(user: View) -> str:
    """``3 train.py: 8 GB of 10 GB, 40 %`` (used of what it counts with); what was not measured is left out."""
    words = [size(amount) for amount in (user["memory_bytes"], user["expected_memory_bytes"]) if amount is not None]
    figures = [" of ".join(words)] if words else ["memory not known"]
    share = user["utilisation_pct"] if user["utilisation_pct"] is not None else user["expected_utilisation_pct"]
    figures += [percent(share)] if share is not None else []
    figures += [user["status"]] if user["status"] != "running" else []
    return f"{user['id']} {user['name']}: {', '.join(figures)}"


def _others(view: View) -> list[str]:
    words = [size(view["others_memory_bytes"])] if view["others_memory_bytes"] else []
    words += [percent(view["others_utilisation_pct"])] if (view["others_utilisation_pct"] or 0) >= 1 else []
    return [f"other programs: {', '.join(words)}"] if words else []


VERBS = {
    "queue": Verb(
        "queue",
        _queue,
        "[--by queue|card]  |  add NAME [--LIMIT VALUE...]  |  remove NAME [--yes]",
        (
            Option("by", "Look at the named queues, or at the cards as queues.", value="WHAT", choices=BY),
            *LIMITS,
            YES,
            JSON,
        ),
        operands=(0, ANY),
        complete="queue",
        ending="By queue: how many jobs stand where, what they hold, the queue's own limits and its\n"
        "strategy. By card: what is free of it, who has it with how much memory and how busy\n"
        "they keep it, and who could use it, waits, and why.\n"
        "add makes a queue for 'submit --queue NAME'; what it has is changed with\n"
        "'config set queues.NAME.max_running 4' and the like. remove lets its jobs go on in default.",
    )
}

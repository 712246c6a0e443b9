"""``edit``: change what a waiting job asks for, in the words of ``submit``."""

from __future__ import annotations

from tidegate.cli import connection
from tidegate.cli.actions import put_results
from tidegate.cli.options import ANY, JSON, Given, UsageError, Verb
from tidegate.cli.submit import RESOURCES, raw_options

EDITABLE = tuple(option for option in RESOURCES if option.name not in ("env", "cwd", "dedupe"))


def _edit(given: Given) -> int:
    engine = connection.client()
    changes = raw_options(given, engine)
    if not changes:
        raise UsageError("what is to change is missing, for instance --priority 2; tidegate help edit lists it all.")
    ids = connection.resolve_ids(engine, given.operands)
    return put_results(connection.ask(lambda: engine.act("edit", ids, changes=changes)), given.flag("json"))


VERBS = {
    "edit": Verb(
        "edit",
        _edit,
        "ID... --OPTION VALUE...",
        (*EDITABLE, JSON),
        operands=(1, ANY),
        complete="ids",
        ending="A running job can change only what does not touch its process; a refusal says so.",
    )
}

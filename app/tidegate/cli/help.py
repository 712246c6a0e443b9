"""``tidegate help``: the verbs in their groups, or one verb's options."""

from __future__ import annotations

from tidegate.cli import verbs
from tidegate.cli.options import Given, UsageError, Verb, help_text, nearest
from tidegate.cli.output import put

_ENDING = """\
Ids are 7, or 7.3 for an element of an array; @ is the job submitted last, @~1 the one before it.
Exit codes: a job's own passes through, death by a signal is 128 + its number; 1 refused or failed, 2 bad usage,
3 no engine, 124 waiting timed out, 125 someone stopped the job or it was lost, 126 a dependency failed, 127 no such id.
tidegate help VERB shows what a verb takes."""


def put_help(name: str | None) -> int:
    """Print the overview, or the help of one verb."""
    if name is None:
        put(_overview())
        return 0
    name = verbs.ALIASES.get(name, name)
    if name not in verbs.VERBS:
        near = nearest(name, verbs.VERBS)
        raise UsageError(
            f"unknown verb {name!r}; " + (f"did you mean {near}?" if near else "tidegate help lists them.")
        )
    put(help_text(verbs.load(name), verbs.VERBS[name].summary, verbs.aliases_of(name)).rstrip("\n"))
    return 0


def _overview() -> str:
    lines = ["tidegate VERB [options]", "", "Work goes in while the machine can bear it, and waits when it cannot."]
    width = max(len(name) for name in verbs.VERBS)
    for group in dict.fromkeys(entry.group for entry in verbs.VERBS.values()):
        lines += ["", f"{group}:"]
        for name, entry in verbs.VERBS.items():
            if entry.group == group:
                lines.append(f"  {name:<{width}}  {entry.summary}")
    return "\n".join([*lines, "", _ENDING])


def _help(given: Given) -> int:
    return put_help(given.operands[0] if given.operands else None)


VERBS = {"help": Verb("help", _help, "[VERB]", operands=(0, 1), complete="verbs")}

"""Takes a command line to its verb and turns whatever happens into one of D11's exit codes."""

from __future__ import annotations

import os
import sys

from tidegate.cli import verbs
from tidegate.cli.options import UsageError, nearest, parse
from tidegate.cli.output import Failure, prepare_streams, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate.cli.options import Given

    Programs = Mapping[str, Callable[[Given], int]]

USAGE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(words: Sequence[str], programs: Programs | None = None) -> int:
    """Run one command line (without the program's name) and return its exit code.

    ``programs`` does the verbs that build a live program; this package may not know the parts they are built of.
    """
    prepare_streams()
    try:
        code = _dispatch(list(words), programs or {})
        if sys.stdout is not None:
            sys.stdout.flush()
    except UsageError as error:
        say(str(error))
        return USAGE
    except Failure as failure:
        say(failure.sentence)
        return failure.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has enough (`tidegate list | head`). Nothing may be flushed into that pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def _dispatch(words: list[str], programs: Programs) -> int:
    no_start = False
    while words and words[0] == "--no-start":
        no_start, words = True, words[1:]
    first = words[0] if words else "list"
    if first in ("--help", "-h"):
        first, words = "help", ["help", *words[1:]]
    elif first in ("--version", "-V"):
        first, words = "version", ["version", *words[1:]]
    elif first.startswith("-"):
        first, words = "list", ["list", *words]
    name = verbs.ALIASES.get(first, first)
    if name not in verbs.VERBS and name not in verbs.HIDDEN:
        raise UsageError(_unknown_verb(name))
    verb = verbs.load(name)
    given = parse(verb, words[1:])
    if given.flag("help"):
        from tidegate.cli.help import put_help

        return put_help(name)
    if no_start:
        given.add("no-start", "")
    return programs.get(name, verb.run)(given)


def _unknown_verb(word: str) -> str:
    if os.path.isfile(word):
        return f"{word!r} is not a verb; to submit that file: tidegate submit {word}"
    near = nearest(word, [*verbs.VERBS, *verbs.ALIASES])
    tail = f"did you mean {near}?" if near else "tidegate help lists the verbs."
    return f"unknown verb {word!r}; {tail}"

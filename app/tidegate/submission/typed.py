"""What a person typed or pasted into one field: a script, a script with its arguments, a command, or a shell line."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping

from tidegate.submission.commands import is_shells_own
from tidegate.submission.request import RawValue, Refused, SubmitRequest

SCRIPT_SUFFIXES = (
    *(".py", ".pyw", ".pyz", ".ipynb", ".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1"),
    *(".r", ".jl", ".js", ".mjs", ".cjs"),
)
_SHELL_SIGNS = frozenset("|&;<>()$`*?[]{}~#!\n")
"""With one of these outside a path, only a shell knows what is meant."""
_OPEN_ENDS = (["do"], ["then"], ["else"], ["in"])


def request_of(
    text: str, args: str, folder: str, environment: Mapping[str, str], options: Mapping[str, RawValue]
) -> SubmitRequest:
    """The request that ``text`` means to somebody who stands in ``folder``.

    ``args`` are further arguments of a script, as a shell would split them. A script runs in its own folder, all else
    in ``folder``. Raises Refused when the quotes in ``args`` do not match.
    """
    text = text.strip()
    script, inline = script_in(text, folder)
    if script is not None:
        return script_request(script, (*inline, *split_arguments(args)), environment, options)
    words = _plain_words(text)
    if words is None:
        return SubmitRequest(line=text, cwd=folder, environment=environment, options=options)
    return SubmitRequest(command=words, cwd=folder, environment=environment, options=options)


def script_request(
    script: str, args: tuple[str, ...], environment: Mapping[str, str], options: Mapping[str, RawValue]
) -> SubmitRequest:
    """A script, to be run in its own folder unless the options name another."""
    path = os.path.abspath(script)
    cwd = os.path.dirname(path)
    if not os.path.isdir(cwd):
        # The script is not there either, and that is what should be said.
        cwd = os.path.abspath(os.sep)
    return SubmitRequest(script=path, args=args, cwd=cwd, environment=environment, options=options)


def script_in(text: str, folder: str) -> tuple[str | None, tuple[str, ...]]:
    """The full path of the script that ``text`` names, and the arguments behind it; None when it names none."""
    text = text.strip()
    if not text or "\0" in text:
        return None, ()
    whole = os.path.join(folder, os.path.expanduser(text))
    if os.path.isfile(whole) or os.path.isdir(whole):
        return whole, ()
    words = _split(text)
    if not words:
        return None, ()
    first = os.path.join(folder, os.path.expanduser(words[0]))
    is_script = words[0].lower().endswith(SCRIPT_SUFFIXES)
    if len(words) == 1 and not _SHELL_SIGNS.intersection(text.removeprefix("~")):
        # One word that looks like a path is meant as a file also where there is none: then that is said.
        return (first, ()) if is_script or os.path.dirname(words[0]) else (None, ())
    if is_script and os.path.isfile(first) and not _SHELL_SIGNS.intersection(text[len(words[0]) :]):
        return first, tuple(words[1:])
    return None, ()


def copied_command(text: str) -> str:
    """What a copied text means in one field: its lines after one another, without prompts and lines of remarks.

    What only makes sense as it is written (a loop, a here-document, quotes over several lines) keeps its lines.
    """
    prompted = [re.sub(r"^\s*\$ ", "", line) for line in text.replace("\\\n", " ").splitlines()]
    lines = [line.strip() for line in prompted if line.strip()]
    commands = [line for line in lines if not line.startswith("#")]
    if len(lines) > 1 and any(_goes_on(line) for line in commands):
        return "\n".join(prompted).strip()
    return "; ".join(commands)


def _goes_on(line: str) -> bool:
    """Whether ``;`` behind it would change what it means."""
    words = _split(line)
    return words is None or "<<" in line or "#" in line or line[-1] in "&|;({\\" or words[-1:] in _OPEN_ENDS


def split_arguments(text: str) -> tuple[str, ...]:
    """Arguments as a shell would split them; raises Refused when the quotes do not match."""
    words = _split(text)
    if words is None:
        raise Refused("args", text, "The quotes in the arguments do not match.", usage=True)
    return tuple(words)


def _plain_words(text: str) -> tuple[str, ...] | None:
    """The words of a command that needs no shell; None for one that does."""
    words = None if _SHELL_SIGNS.intersection(text) else _split(text)
    if not words or "=" in words[0] or is_shells_own(words[0]):
        return None
    return tuple(words)


def _split(text: str) -> list[str] | None:
    try:
        return shlex.split(text)
    except ValueError:
        return None

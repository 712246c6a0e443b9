"""Judges a command or a shell line that was given instead of a file."""

from __future__ import annotations

import os
import re

from tidegate.core.job import JobKind
from tidegate.submission.detect import Launch, Surroundings, check_batch_arguments
from tidegate.submission.request import Refused

# What a shell does itself and no PATH has; people expect these to be programs.
_BUILTINS = frozenset(
    (
        *("alias", "bg", "cd", "command", "declare", "eval", "exec", "exit", "export", "fg", "history", "let", "local"),
        *("popd", "pushd", "read", "readonly", "return", "set", "shift", "shopt", "source", "trap", "type", "typeset"),
        *("ulimit", "umask", "unalias", "unset"),
    )
)
_GRAMMAR = frozenset(("if", "for", "while", "until", "case", "function", "time", "."))


def launch_command(command: tuple[str, ...], around: Surroundings, may_come_later: bool) -> Launch:
    """A command as the user typed it. ``may_come_later``: a job before it may still make the program."""
    if not command or not command[0]:
        raise Refused("command", "", "There is no command to run.", usage=True)
    program = command[0]
    kind = _kind(command)
    if around.find(program) is None:
        problem = _problem(program, around)
        if not may_come_later or not os.path.dirname(program) or os.path.exists(os.path.join(around.cwd, program)):
            raise Refused("command", program, problem, usage=False)
        return Launch(command, kind, warnings=(f"{program} is not there yet.",))
    if program.lower().endswith((".bat", ".cmd")):
        check_batch_arguments(command[1:])
    return Launch(command, kind)


def launch_line(line: str, around: Surroundings, shell: str) -> Launch:
    """A line for the shell (``sh`` unless another is named)."""
    if not line.strip():
        raise Refused("line", line, "There is no command to run: the line is empty.", usage=True)
    found = around.find(shell)
    if found is None:
        raise Refused("shell", shell, f"The shell {shell} is not on the PATH.", usage=False)
    return Launch((found, "-c", line), interpreter=found)


def is_shells_own(word: str) -> bool:
    """True for what only a shell can do: its builtins and the words of its grammar."""
    return word in _BUILTINS or word in _GRAMMAR


def _problem(program: str, around: Surroundings) -> str:
    """Why a program cannot be run, and what could be done."""
    path = os.path.join(around.cwd, program)
    if os.path.dirname(program):
        if os.path.isdir(path):
            return f"{program} is a folder, not a program."
        if os.path.isfile(path):
            return f"{program} has no run bit; allow it with: chmod +x {path}"
        return f"There is no program {program}."
    if program in _BUILTINS:
        return f"{program} is part of the shell, not a program; say: sh -c '{program} ...'"
    if os.path.isfile(path):
        return f"{program} is not on the PATH; the file in this folder is run with ./{program}"
    return f"There is no program {program} on the PATH."


def _kind(command: tuple[str, ...]) -> JobKind:
    base = os.path.basename(command[0])
    if re.fullmatch(r"(python|pypy)[0-9.]*(\.exe)?", base):
        return JobKind.PYTHON
    return JobKind.NOTEBOOK if base.startswith("jupyter") else JobKind.OTHER

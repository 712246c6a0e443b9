"""Finds programs the way the job's own shell would: on the PATH it was submitted with, and by a file's ``#!`` line."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_PATH = os.defpath


@dataclass(frozen=True, slots=True)
class Shebang:
    """A ``#!`` line: the program it names (``env`` looked through), its words, and the line itself."""

    program: str
    words: tuple[str, ...]
    line: str

    @property
    def base(self) -> str:
        """The program's bare name: ``python3`` for ``/usr/bin/env python3``."""
        return os.path.basename(self.program)


def read_shebang(head: bytes) -> Shebang | None:
    """The ``#!`` line of a file's first bytes, or None; the carriage return a Windows editor leaves is dropped."""
    if not head.startswith(b"#!"):
        return None
    line = os.fsdecode(head[2:].split(b"\n", 1)[0]).strip()
    # The kernel hands everything after the program on as one argument.
    program, _, rest = line.partition(" ")
    words = (program, rest.strip()) if rest.strip() else (program,)
    if not program:
        return None
    if os.path.basename(program) == "env":
        return _through_env(rest.strip(), words, line)
    return Shebang(program, words, line)


def _through_env(rest: str, words: tuple[str, ...], line: str) -> Shebang:
    """``env [-S] [NAME=VALUE] program``: the program is what env will look for on the PATH."""
    text = rest
    for prefix in ("-S", "--split-string=", "--split-string"):
        if text.startswith(prefix):
            text = text.removeprefix(prefix).strip()
            try:
                parts = shlex.split(text)
            except ValueError:
                parts = text.split()
            break
    else:
        parts = [text] if text else []
    named = next((part for part in parts if "=" not in part and not part.startswith("-")), words[0])
    return Shebang(named, words, line)


def find_program(name: str, environ: Mapping[str, str], cwd: str) -> str | None:
    """The absolute path of a program: by PATH for a bare name, else relative to ``cwd``; None when there is none."""
    if not name:
        return None
    if os.path.dirname(name):
        path = os.path.join(cwd, name)
        return path if is_program(path) else None
    folders = environ.get("PATH", DEFAULT_PATH).split(os.pathsep)
    # An empty or relative entry of PATH counts from the job's folder, not from ours.
    absolute = [folder if os.path.isabs(folder) else os.path.join(cwd, folder) for folder in folders]
    if os.name == "nt":
        return shutil.which(name, path=os.pathsep.join(absolute))
    return next((path for folder in absolute if is_program(path := f"{folder}/{name}")), None)


def is_program(path: str) -> bool:
    """True for a file that may be executed."""
    return os.path.isfile(path) and os.access(path, os.X_OK)

"""Which virtual environment a running Python belongs to: venv, virtualenv, uv (``pyvenv.cfg``) and conda."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

_PYTHON = re.compile(r"(python|pypy)[\d.]*w?(\.exe)?$", re.IGNORECASE)
_LIBRARIES = re.compile(rb"(/.*)/lib(?:64)?/python[\d.]+$")


def is_python(executable: str) -> bool:
    return _PYTHON.match(os.path.basename(executable)) is not None


def is_environment(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "pyvenv.cfg")) or os.path.isdir(os.path.join(folder, "conda-meta"))


def environment_of(
    executable: str, called: str, folder: Callable[[], str | None], variables: Callable[[], Mapping[str, str]]
) -> str | None:
    """The environment's real path; None for a Python of the system.

    ``executable`` is the file that runs, ``called`` the name it was called by: a virtual environment's interpreter is
    often a link to the system's, and only the name tells it. A process that gave itself another name is believed what
    its activated environment says. ``folder`` and ``variables`` of the process are only read when wanted.
    """
    path = _path_called(called, folder, variables)
    for candidate in (path, executable):
        prefix = os.path.dirname(os.path.dirname(candidate)) if candidate else ""
        if prefix and is_environment(prefix):
            return os.path.realpath(prefix)
    if path is None:
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            prefix = variables().get(name, "")
            if prefix and is_environment(prefix):
                return os.path.realpath(prefix)
    return None


def _path_called(
    called: str, folder: Callable[[], str | None], variables: Callable[[], Mapping[str, str]]
) -> str | None:
    """The interpreter's path as it was found when it was called; None when there is no such file."""
    if os.path.dirname(called):
        places = [os.path.join(folder() or "", called) if not os.path.isabs(called) else called]
    elif called:
        places = [os.path.join(place, called) for place in variables().get("PATH", "").split(os.pathsep) if place]
    else:
        places = []
    return next((os.path.normpath(place) for place in places if os.path.exists(place)), None)


def mapped_environments(maps: bytes) -> set[str]:
    """Environments whose compiled libraries a process has loaded, from its /proc/<pid>/maps."""
    lines = maps.split(b"\n") if b"/site-packages/" in maps else []
    found = {_LIBRARIES.search(line.partition(b"/site-packages/")[0]) for line in lines}
    prefixes = {os.fsdecode(match[1]) for match in found if match is not None}
    return {os.path.realpath(prefix) for prefix in prefixes if is_environment(prefix)}

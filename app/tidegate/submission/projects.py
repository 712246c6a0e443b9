"""Finds the Python environment a script belongs to: venv, conda or uv, beside the script or above it (D5)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidegate.submission.programs import DEFAULT_PATH, find_program, is_program

FOLDERS = (".venv", "venv", "env", ".conda", "conda-env")
"""Folder names in which people keep a project's environment, in the order they are tried."""


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """``command`` runs its Python; ``variables`` (None: unset) make it the active one, as its ``activate`` does."""

    command: tuple[str, ...]
    label: str
    folder: str | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The environment, if there is one, and what was odd on the way."""

    environment: PythonEnvironment | None
    warnings: tuple[str, ...] = ()


def find_project_environment(script: str, environ: Mapping[str, str], cwd: str) -> Found:
    """Look beside the script, then in every folder above it, nearest first."""
    owners = _trusted_owners(script)
    warnings: list[str] = []
    for folder in _upwards(os.path.dirname(script)):
        for name in FOLDERS:
            found = _environment_in(os.path.join(folder, name), environ, owners, warnings)
            if found:
                return Found(found, tuple(warnings))
        if _is_uv_project(folder, owners):
            found = _uv(folder, environ, cwd, warnings)
            if found:
                return Found(found, tuple(warnings))
    return Found(None, tuple(warnings))


def find_active_environment(environ: Mapping[str, str]) -> Found:
    """The environment that was active where the job was submitted."""
    for name, kind in (("VIRTUAL_ENV", "venv"), ("CONDA_PREFIX", "conda")):
        folder = environ.get(name)
        if not folder:
            continue
        python = python_in(folder)
        if python:
            label = f"{folder} ({kind}, active when submitted)"
            return Found(PythonEnvironment((python,), label, folder, _activation(folder, kind, environ)))
        return Found(None, (f"{name} names {folder}, which has no Python; it is not used.",))
    return Found(None)


def python_in(folder: str) -> str | None:
    """The Python of an environment folder, or None when it is missing or its base was removed."""
    names = (("Scripts", "python.exe"), ("python.exe",)) if os.name == "nt" else (("bin", "python"), ("bin", "python3"))
    paths = (os.path.join(folder, *name) for name in names)
    return next((path for path in paths if is_program(path)), None)


def _environment_in(
    folder: str, environ: Mapping[str, str], owners: frozenset[int], warnings: list[str]
) -> PythonEnvironment | None:
    if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
        kind = "venv"
    elif os.path.isdir(os.path.join(folder, "conda-meta")):
        kind = "conda"
    else:
        return None
    if not _owned_by(folder, owners):
        warnings.append(f"{folder} belongs to another user; it is not used.")
        return None
    python = python_in(folder)
    if python is None:
        warnings.append(f"{folder} is broken (its Python is missing); it is not used.")
        return None
    return PythonEnvironment((python,), f"{folder} ({kind})", folder, _activation(folder, kind, environ))


def _activation(folder: str, kind: str, environ: Mapping[str, str]) -> dict[str, str | None]:
    """What ``activate`` sets, so that tools the script starts come from the same environment."""
    programs = folder if os.name == "nt" and kind == "conda" else os.path.join(folder, _programs_folder())
    entries = [entry for entry in environ.get("PATH", DEFAULT_PATH).split(os.pathsep) if entry != programs]
    return {
        "PATH": os.pathsep.join([programs, *entries]),
        "VIRTUAL_ENV" if kind == "venv" else "CONDA_PREFIX": folder,
        "CONDA_PREFIX" if kind == "venv" else "VIRTUAL_ENV": None,
        "PYTHONHOME": None,
    }


def _programs_folder() -> str:
    return "Scripts" if os.name == "nt" else "bin"


def _is_uv_project(folder: str, owners: frozenset[int]) -> bool:
    if os.path.isfile(os.path.join(folder, "uv.lock")):
        return _owned_by(os.path.join(folder, "uv.lock"), owners)
    project = os.path.join(folder, "pyproject.toml")
    if not os.path.isfile(project) or not _owned_by(project, owners):
        return False
    import tomllib

    try:
        with open(project, "rb") as file:
            return "uv" in tomllib.load(file).get("tool", {})
    except (OSError, ValueError):
        return False


def _uv(folder: str, environ: Mapping[str, str], cwd: str, warnings: list[str]) -> PythonEnvironment | None:
    uv = find_program("uv", environ, cwd)
    if uv is None:
        warnings.append(f"{folder} is a uv project, but uv is not on the PATH; its environment is not used.")
        return None
    # VIRTUAL_ENV of another project makes uv complain; the project's own is chosen by --project.
    command = (uv, "run", "--project", folder, "python")
    return PythonEnvironment(command, f"{folder} (uv)", None, {"VIRTUAL_ENV": None})


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _trusted_owners(script: str) -> frozenset[int]:
    """Whose environments may run the script: ours, the system's, and the script's owner's. In a folder that all may
    write to, such as /tmp, anybody could else plant one above our script."""
    owners = {0}
    if hasattr(os, "getuid"):
        owners.add(os.getuid())
    with contextlib.suppress(OSError):
        owners.add(os.stat(script).st_uid)
    return frozenset(owners)


def _owned_by(path: str, owners: frozenset[int]) -> bool:
    if os.name == "nt":
        return True
    try:
        return os.stat(path).st_uid in owners
    except OSError:
        return False

"""What of a dropped folder could be submitted: the scripts directly in it. Reads the disk, so call it in a thread."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_SCRIPTS = 200
SUFFIXES = frozenset((".py", ".sh", ".bash", ".zsh", ".r", ".jl", ".js", ".ipynb", ".ps1"))
_WINDOWS_ONLY = frozenset((".bat", ".cmd"))
_NO_SCRIPTS = frozenset(("__init__.py", "conftest.py"))
"""Parts of a package or of its tests."""
_WRITTEN = ".executed.ipynb"
"""What an earlier run of a notebook left."""


@dataclass(frozen=True, slots=True)
class FolderScripts:
    """``scripts`` are absolute paths in the order people count in; ``left_out`` more were found than are offered.

    ``error`` is the system's reason when the folder could not be read.
    """

    path: str
    scripts: tuple[str, ...] = ()
    left_out: int = 0
    error: str | None = None

    @property
    def name(self) -> str:
        return os.path.basename(self.path) or self.path


@dataclass(frozen=True, slots=True)
class Dropped:
    """Paths that came together, each once: files as they are, folders looked into."""

    files: tuple[str, ...]
    folders: tuple[FolderScripts, ...]


def look_at(paths: Iterable[str]) -> Dropped:
    """Tell files from folders. What does not exist counts as a file: submitting it says so in its own words."""
    files: list[str] = []
    folders: list[FolderScripts] = []
    for path in dict.fromkeys(os.path.abspath(path) for path in paths):
        if os.path.isdir(path):
            folders.append(scripts_in(path))
        else:
            files.append(path)
    return Dropped(tuple(files), tuple(folders))


def scripts_in(folder: str, most: int = MOST_SCRIPTS) -> FolderScripts:
    """The scripts directly in ``folder``: folders inside it are not entered, so no link can lead in a circle."""
    path = os.path.abspath(folder)
    try:
        with os.scandir(path) as entries:
            found = [entry.path for entry in entries if _is_script(entry)]
    except OSError as error:
        return FolderScripts(path, error=error.strerror or str(error))
    found.sort(key=natural)
    return FolderScripts(path, tuple(found[:most]), max(0, len(found) - most))


def natural(path: str) -> tuple[tuple[int | str, ...], str]:
    """A key that puts ``step2`` before ``step10``, whatever the case of the letters."""
    parts = re.split(r"([0-9]+)", os.path.basename(path).casefold())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), path


def _is_script(entry: os.DirEntry[str]) -> bool:
    if entry.name in _NO_SCRIPTS or entry.name.startswith(".") or entry.name.endswith(_WRITTEN):
        return False
    try:
        if not entry.is_file():
            return False
    except OSError:
        # A link to itself, or a disk that does not answer for this one.
        return False
    suffix = os.path.splitext(entry.name)[1].lower()
    return suffix in SUFFIXES or (os.name == "nt" and suffix in _WINDOWS_ONLY) or _starts_with_its_interpreter(entry)


def _starts_with_its_interpreter(entry: os.DirEntry[str]) -> bool:
    """An executable text whose first line names what runs it; a bare program could be anything, and is not offered."""
    if not os.access(entry.path, os.X_OK):
        return False
    try:
        with open(entry.path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False

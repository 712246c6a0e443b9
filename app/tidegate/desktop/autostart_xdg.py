"""Autostart on Linux desktops: a desktop entry in the autostart folder (XDG Autostart and Desktop Entry specs)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidegate.desktop.autostart import COMMENT, NAME, AutostartFailed

FILE = "tidegate.desktop"
_RESERVED = set(" \t\n\"'\\><~|&;$*?#()`%=")
"""An argument with one of these is quoted; ``%`` and ``=`` need no quotes by the spec, but hosts differ."""


class XdgAutostart:
    """``user_folder`` is ours to write; ``system_folders`` may hold an entry that a package brought."""

    problem: str | None = None

    def __init__(self, user_folder: Path, system_folders: Sequence[Path] = (), search_path: str | None = None) -> None:
        self._file = user_folder / FILE
        self._system = [folder / FILE for folder in system_folders]
        self._search_path = search_path

    @classmethod
    def of(cls, environ: Mapping[str, str], home: Path) -> XdgAutostart:
        """The folders of this session; a relative name in an XDG variable is invalid and ignored (so the spec)."""
        given = environ.get("XDG_CONFIG_HOME", "")
        config = Path(given) if os.path.isabs(given) else home / ".config"
        system = [name for name in environ.get("XDG_CONFIG_DIRS", "").split(":") if os.path.isabs(name)]
        folders = [Path(name) / "autostart" for name in system or ["/etc/xdg"]]
        return cls(config / "autostart", folders, environ.get("PATH"))

    def enabled(self) -> bool:
        # The first file found counts alone: that is how a person hides one of the system.
        for file in (self._file, *self._system):
            entry = _read(file)
            if entry is not None:
                return self._starts(entry)
        return False

    def enable(self, command: Sequence[str]) -> None:
        entry = {
            "Type": "Application",
            "Name": NAME,
            "Comment": COMMENT,
            "TryExec": _escaped(command[0]),
            "Exec": " ".join(quoted(argument) for argument in command),
            "Icon": "tidegate",
            "Terminal": "false",
            "Hidden": "false",
            "X-GNOME-Autostart-enabled": "true",
        }
        self._write(entry)

    def disable(self) -> None:
        if any(_read(file) is not None for file in self._system):
            self._write({"Type": "Application", "Name": NAME, "Hidden": "true"})
            return
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise AutostartFailed(f"{self._file} cannot be removed: {_reason(error)}.") from error

    def _starts(self, entry: Mapping[str, str]) -> bool:
        if entry.get("Hidden") == "true" or entry.get("X-GNOME-Autostart-enabled") == "false":
            return False
        wanted = entry.get("TryExec")
        # A desktop passes over an entry whose program is gone, as after an environment was removed.
        return not wanted or shutil.which(wanted, path=self._search_path) is not None

    def _write(self, entry: Mapping[str, str]) -> None:
        """In one step: a desktop that reads at this moment sees the old entry or the new one."""
        text = "[Desktop Entry]\n" + "".join(f"{key}={value}\n" for key, value in entry.items())
        target = Path(os.path.realpath(self._file))
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(os.fsencode(text))
            partial.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise AutostartFailed(f"{self._file} cannot be written: {_reason(error)}.") from error


def quoted(argument: str) -> str:
    """One argument of an ``Exec`` line: quoted for the line, ``%`` doubled, then escaped as every string value is."""
    text = argument.replace("%", "%%")
    if not text or any(character in _RESERVED for character in argument):
        text = '"' + "".join("\\" + each if each in '"`$\\' else each for each in text) + '"'
    return _escaped(text)


def _escaped(text: str) -> str:
    """Backslash and line ends as the spec writes them in any string."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    for code, meant in (("\\s", " "), ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r")):
        parts = [part.replace(code, meant) for part in parts]
    return "\\".join(parts)


def _read(file: Path) -> dict[str, str] | None:
    """The keys of ``[Desktop Entry]``; None when there is no such file."""
    try:
        text = os.fsdecode(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise AutostartFailed(f"{file} cannot be read: {_reason(error)}.") from error
    entry: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[Desktop Entry]"
        elif inside and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            entry.setdefault(key.strip(), _unescaped(value.strip()))
    return entry


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

"""``config.toml`` as people see it: the commented first file, a check of any file, and changes that keep comments."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.settings.catalogue import SECTIONS, SETTINGS, find_setting, nearest
from tidegate.settings.config_lines import with_value, without_value
from tidegate.settings.loading import Settings, by_section, combine, read_file
from tidegate.settings.setting import Setting
from tidegate.settings.values import NotUnderstoodError, SettingsError, as_toml

if TYPE_CHECKING:
    from tidegate.paths import Paths


def initial_file() -> str:
    """A file that changes nothing: every setting as a comment with its meaning, range and default."""
    parts = [
        "# Tidegate's settings. A line that begins with # changes nothing; remove the # to set a value.\n"
        "# A change made with `tidegate config set NAME VALUE` applies at once. Check this file by hand with\n"
        "# `tidegate config check FILE`. Environment variables and the command line come before this file.\n"
    ]
    for section, text in SECTIONS.items():
        parts.append(f"\n# {text}\n[{section}]\n")
        parts.extend(_commented(setting) for setting in SETTINGS if setting.section == section)
    return "".join(parts)


def _commented(setting: Setting) -> str:
    """One setting of the first file; the last line is what ``write_value`` uncomments."""
    unit = f" ({setting.unit})" if setting.unit and setting.unit not in ("bytes", "s") else ""
    restart = " Applies after a restart." if setting.needs_restart else ""
    default = f"Default: {setting.show(setting.default)}."
    text = f"{setting.label}{unit}. {setting.help}{restart} Write {setting.accepted}. {default}"
    import textwrap

    comment = "".join(f"# {line}\n" for line in textwrap.wrap(text, 110))
    return f"\n{comment}# {setting.key} = {as_toml(setting.kind, setting.default)}\n"


def check_file(file: Path | str) -> list[str]:
    """Everything that is wrong with a file of settings, one sentence each; nothing when it is fine."""
    try:
        combine(Path(file), read_file(Path(file), must_exist=True), environ={})
    except SettingsError as error:
        return error.errors
    return []


def write_value(
    paths: Paths,
    name: str,
    text: str,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Set one value in ``config.toml`` and return the settings that hold now; see ``write_values``."""
    return write_values(paths, {name: text}, environ, overrides)


def write_values(
    paths: Paths,
    texts: Mapping[str, str],
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Set values in ``config.toml``, in one piece, and return the settings that hold now; comments and order stay.

    Raises SettingsError, and leaves the file as it was, when a name is unknown, a value bad, or would contradict
    another setting. A value that environment or command line set stays in force; ``Settings.source`` tells.
    """
    file = paths.config_file
    tables = read_file(file)
    content = _text(file) if tables or file.exists() else initial_file()
    for name, text in texts.items():
        setting = _known(name)
        try:
            value = setting.parse(text)
        except NotUnderstoodError:
            raise SettingsError([f'{name}: "{text}" is not accepted; write {setting.accepted}.']) from None
        content = with_value(content, setting, as_toml(setting.kind, value))
        after = _parsed(file, content)
        if after != _expected(tables, setting, after):
            raise _only_by_hand(file, setting)
        tables = after
    return _judged_and_written(file, content, tables, environ, overrides)


def remove_values(
    paths: Paths,
    names: Iterable[str],
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Let these be at their defaults again, in one piece; the settings that hold now. Comments and order stay.

    Their lines become comments. Raises SettingsError, and leaves the file as it was, when a name is unknown or what
    is left would contradict itself.
    """
    wanted = [_known(name) for name in names]
    file = paths.config_file
    left = read_file(file)
    before = text = _text(file) if left else ""
    for setting in wanted:
        holder, key = _place(left, setting)
        while key in holder:
            del holder[key]
            text = without_value(text, setting)
            if _filled(_parsed(file, text)) != _filled(left):
                raise _only_by_hand(file, setting)
            # Once more, where a person wrote it flat and below its section too.
            holder, key = _place(left, setting)
    if text == before:
        return combine(file, left, environ, overrides)
    return _judged_and_written(file, text, left, environ, overrides)


def _known(name: str) -> Setting:
    setting = find_setting(name)
    if setting is None:
        known = nearest(name, [entry.name for entry in SETTINGS]) or "."
        raise SettingsError([f"{name}: there is no such setting{known}"])
    return setting


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8-sig")


def _judged_and_written(
    file: Path,
    text: str,
    tables: Mapping[str, object],
    environ: Mapping[str, str] | None,
    overrides: Mapping[str, str] | None,
) -> Settings:
    combine(file, tables, environ={})
    settings = combine(file, tables, environ, overrides)
    _replace(file, text)
    return settings


def _only_by_hand(file: Path, setting: Setting) -> SettingsError:
    return SettingsError([f"{file}: {setting.name} is written in a way that only you can change; edit it by hand."])


def _filled(tables: Mapping[str, object]) -> dict[str, object]:
    """Without the sections in which nothing is set: the first file has them all, and they count as nothing."""
    return {name: entry for name, entry in tables.items() if entry != {}}


def _parsed(file: Path, text: str) -> dict[str, object]:
    import tomllib

    try:
        return by_section(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{file}: this setting cannot be changed in place ({error}); edit it by hand."]) from None


def _expected(before: Mapping[str, object], setting: Setting, after: Mapping[str, object]) -> dict[str, object]:
    """``before`` with nothing but this setting changed: what the edited file must read as."""
    expected = {key: dict(entry) if isinstance(entry, dict) else entry for key, entry in before.items()}
    # Sections of the first file are empty tables; they count as nothing.
    for section in after:
        if isinstance(after[section], dict):
            expected.setdefault(section, {})
    holder, key = _place(expected, setting)
    now_holder, _ = _place(dict(after), setting)
    holder[key] = now_holder.get(key)
    return expected


def _place(tables: dict[str, object], setting: Setting) -> tuple[dict[str, object], str]:
    """The table that holds a setting, and the key it goes by there (see ``loading._from_file``)."""
    for name in (setting.name, f"{setting.section}.{setting.key}"):
        if name in tables:
            return tables, name
    table = tables.setdefault(setting.section, {})
    if not isinstance(table, dict):
        raise SettingsError([f"{setting.section}: this is a section, written [{setting.section}], and no setting."])
    return table, setting.name if setting.name in table else setting.key


def _replace(file: Path, text: str) -> None:
    """Write the file in one step, through a link if it is one, so that no reader sees half of it."""
    target = Path(os.path.realpath(file))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        mode = target.stat().st_mode & 0o7777 if target.exists() else None
        if mode is not None and not mode & 0o222:
            # Its folder would let us put another in its place; whoever made it so does not want that.
            raise PermissionError(errno.EACCES, "the file is read-only")
        with open(temporary, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        reason = (error.strerror or str(error)).lower()
        raise SettingsError([f"{file}: the settings cannot be written: {reason}."]) from None

"""Surgery on the text of ``config.toml``: one setting's line changed or commented out, everything else as it stands."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.settings.setting import Setting
from tidegate.settings.values import as_toml


@dataclass(frozen=True, slots=True)
class _Found:
    """Line numbers: where the setting is set and by which key, where it stands as a comment, its section's header."""

    line: int | None
    key: str
    rest: str
    commented: int | None
    header: int | None


def with_value(text: str, setting: Setting, value: str) -> str:
    """``text`` with the setting's line replaced, else its commented line uncommented, else a line added."""
    lines = text.splitlines(keepends=True)
    found = _find(lines, setting)
    if found.line is not None:
        lines[found.line] = _line(lines[found.line], found.key, value, _trailing_comment(found.rest))
    elif found.commented is not None:
        old = lines[found.commented]
        lines[found.commented] = _line(old, setting.key, value, _trailing_comment(old.partition("=")[2]))
    elif found.header is not None:
        if not lines[found.header].endswith("\n"):
            lines[found.header] += "\n"
        lines.insert(found.header + 1, f"{setting.key} = {value}\n")
    else:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append(f"\n[{setting.section}]\n{setting.key} = {value}\n")
    return "".join(lines)


def without_value(text: str, setting: Setting) -> str:
    """``text`` with the setting's line made a comment that shows the default; gone where such a one stands already."""
    lines = text.splitlines(keepends=True)
    found = _find(lines, setting)
    if found.line is None:
        return text
    comment = _trailing_comment(found.rest)
    if found.commented is not None and not comment:
        del lines[found.line]
    else:
        default = as_toml(setting.kind, setting.default)
        lines[found.line] = _line(lines[found.line], f"# {found.key}", default, comment)
    return "".join(lines)


def _find(lines: list[str], setting: Setting) -> _Found:
    section: str | None = None
    commented = header = None
    for number, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith("["):
            section = bare.partition("]")[0].lstrip("[").strip().strip("\"'")
            if section == setting.section:
                header = number
            continue
        key, equals, rest = bare.partition("=")
        name = key.strip().strip("\"'")
        if not equals:
            continue
        here = section == setting.section and name in (setting.key, setting.name)
        flat = section is None and name in (setting.name, f"{setting.section}.{setting.key}")
        if here or flat:
            return _Found(number, key.strip(), rest, commented, header)
        if section == setting.section and name.startswith("#") and name.removeprefix("#").strip() == setting.key:
            commented = number
    return _Found(None, setting.key, "", commented, header)


def _line(old: str, key: str, value: str, comment: str) -> str:
    """The old line with another value; its indent, comment and line end stay."""
    indent = old[: len(old) - len(old.lstrip())]
    end = old[len(old.rstrip("\r\n")) :]
    return f"{indent}{key} = {value}{comment}{end}"


def _trailing_comment(rest: str) -> str:
    """The comment behind a value, with blanks before it; a # inside quotes is no comment."""
    quote = ""
    for position, character in enumerate(rest):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            return "  " + rest[position:].rstrip()
    return ""

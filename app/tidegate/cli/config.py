"""``config``: the settings, read and changed through the running engine, or in their file when none runs."""

from __future__ import annotations

import os

from tidegate.cli import connection
from tidegate.cli.options import JSON, Given, Option, UsageError, Verb, nearest, one_of
from tidegate.cli.output import Column, Failure, put, put_json, put_table, say
from tidegate.settings import (
    SETTINGS,
    Setting,
    SettingsError,
    check_file,
    find_setting,
    initial_file,
    load,
    write_value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tidegate.settings import Settings

ACTIONS = ("get", "set", "path", "init", "check")


def _config(given: Given) -> int:
    action, *words = given.operands or ["get"]
    fewest, most = {"get": (0, 1), "set": (2, 2), "path": (0, 0), "init": (0, 0), "check": (1, 1)}.get(action, (-1, 0))
    if fewest < 0:
        near = nearest(action, ACTIONS)
        raise UsageError(f"config {action} is not known; " + (f"did you mean {near}?" if near else one_of(ACTIONS)))
    if not fewest <= len(words) <= most:
        raise UsageError(f"the usage is: tidegate config {USAGES[action]}")
    return _ACTIONS[action](given, words)


def _get(given: Given, words: list[str]) -> int:
    wanted = _find(words[0]) if words else None
    rows = _rows()
    if wanted is not None:
        row = next(row for row in rows if row["name"] == wanted.name)
        if given.flag("json"):
            put_json(row)
        else:
            put(row["text"])
        return 0
    if given.flag("json"):
        put_json({"settings": rows})
        return 0
    columns = (Column("SETTING"), Column("VALUE"), Column("FROM"), Column("MEANING", elastic=True, least=20))
    put_table(columns, [[row["name"], row["text"], row["source"], row["help"]] for row in rows])
    return 0


def _rows() -> list[dict[str, Any]]:
    """All settings with their values: the engine's, or what one would start with."""
    engine = connection.client()
    if engine.alive():
        rows: list[dict[str, Any]] = connection.ask(lambda: engine.get("/config"))["settings"]
        return rows
    settings = _judged(lambda: load(engine.paths))
    return [settings.describe(setting) for setting in SETTINGS]


def _set(_given: Given, words: list[str]) -> int:
    name, text = words
    setting = _find(name)
    try:
        setting.parse(text)
    except ValueError:
        raise UsageError(f"{setting.name}: {text!r} is not accepted; write {setting.accepted}.") from None
    engine = connection.client()
    if engine.alive():
        connection.ask(lambda: engine.request("PUT", "/config", {"name": setting.name, "value": text}))
        if setting.needs_restart:
            say(f"{setting.name} takes effect when Tidegate is started again.")
        return 0
    engine.paths.create()
    settings = _judged(lambda: write_value(engine.paths, setting.name, text, os.environ))
    if settings.source(setting.name) not in ("config.toml", "default"):
        say(f"written, but the {settings.source(setting.name)} sets {setting.name} too and stays in force.")
    return 0


def _path(_given: Given, _words: list[str]) -> int:
    put(str(connection.home().config_file))
    return 0


def _init(given: Given, _words: list[str]) -> int:
    paths = connection.home()
    paths.create()
    try:
        with open(paths.config_file, "w" if given.flag("force") else "x", encoding="utf-8") as file:
            file.write(initial_file())
    except FileExistsError:
        raise Failure(1, f"{paths.config_file} exists; --force writes over it.") from None
    except OSError as error:
        raise Failure(1, f"{paths.config_file} cannot be written: {(error.strerror or str(error)).lower()}.") from error
    put(str(paths.config_file))
    return 0


def _check(given: Given, words: list[str]) -> int:
    """All that is wrong on stdout, a sentence a line; exit 1 when there is anything."""
    errors = check_file(words[0])
    if given.flag("json"):
        put_json({"file": words[0], "errors": errors})
    else:
        for error in errors:
            put(error)
        if not errors:
            say(f"{words[0]} is fine.")
    return 1 if errors else 0


def _find(name: str) -> Setting:
    setting = find_setting(name)
    if setting is None:
        near = nearest(name, [entry.name for entry in SETTINGS])
        raise UsageError(
            f"there is no setting {name!r}; " + (f"did you mean {near}?" if near else "tidegate config lists them.")
        )
    return setting


def _judged(call: Callable[[], Settings]) -> Settings:
    try:
        return call()
    except SettingsError as error:
        raise Failure(1, "\ntidegate: ".join(error.errors)) from error
    except OSError as error:
        raise Failure(
            1, f"The settings cannot be read or written: {(error.strerror or str(error)).lower()}."
        ) from error


USAGES = {
    "get": "get [NAME]",
    "set": "set NAME VALUE",
    "path": "path",
    "init": "init [--force]",
    "check": "check FILE",
}
_ACTIONS: dict[str, Callable[[Given, list[str]], int]] = {
    "get": _get,
    "set": _set,
    "path": _path,
    "init": _init,
    "check": _check,
}
VERBS = {
    "config": Verb(
        "config",
        _config,
        "  |  ".join(USAGES.values()),
        (Option("force", "Let init write over an existing file."), JSON),
        operands=(0, 3),
        complete="config",
        ending="A change is applied at once when an engine runs, and written to the file in any case.",
    )
}

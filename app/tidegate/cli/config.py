"""``config``: the settings, read and changed through the running engine, or in their file when none runs."""

from __future__ import annotations

import os

from tidegate.cli import connection
from tidegate.cli.actions import YES, confirm
from tidegate.cli.options import ANY, JSON, Given, Option, UsageError, Verb, nearest, one_of
from tidegate.cli.output import Column, Failure, put, put_json, put_table, say
from tidegate.settings import (
    SETTINGS,
    Setting,
    SettingsError,
    check_file,
    find_setting,
    initial_file,
    load,
    remove_values,
    write_values,
)
from tidegate.settings.queue_settings import PREFIX, queues_in, settings_of_own_queues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from tidegate.settings import Settings

ACTIONS = ("get", "set", "reset", "path", "init", "check")


def _config(given: Given) -> int:
    action, *words = given.operands or ["get"]
    if action not in USAGES:
        near = nearest(action, ACTIONS)
        raise UsageError(f"config {action} is not known; " + (f"did you mean {near}?" if near else one_of(ACTIONS)))
    fewest, most = OPERANDS[action]
    if not fewest <= len(words) <= most:
        raise UsageError(f"the usage is: tidegate config {USAGES[action]}")
    return _ACTIONS[action](given, words)


def _get(given: Given, words: list[str]) -> int:
    wanted = _find(words[0]) if words else None
    every = rows()
    if wanted is not None:
        row = next((row for row in every if row["name"] == wanted.name), None)
        if row is None:
            raise UsageError(f"{wanted.name}: there is no such queue; tidegate queue lists them.")
        if given.flag("json"):
            put_json(row)
        else:
            put(row["text"])
        return 0
    if given.flag("json"):
        put_json({"settings": every})
        return 0
    columns = (Column("SETTING"), Column("VALUE"), Column("FROM"), Column("MEANING", elastic=True, least=20))
    put_table(columns, [[row["name"], row["text"], row["source"], row["help"]] for row in every])
    return 0


def rows() -> list[dict[str, Any]]:
    """All settings with their values: the engine's, or what one would start with."""
    engine = connection.client()
    if engine.alive():
        found: list[dict[str, Any]] = connection.ask(lambda: engine.get("/config"))["settings"]
        return found
    settings = _judged(lambda: load(engine.paths))
    return [settings.describe(setting) for setting in settings.settings]


def _set(_given: Given, words: list[str]) -> int:
    name, text = words
    queue = name.removeprefix(PREFIX).partition(".")[0] if name.startswith(PREFIX) else None
    is_new = queue is not None and queue not in queues_in(row["name"] for row in rows())
    set_value(name, text)
    if is_new:
        say(f"this made a new queue, {queue}; 'tidegate queue remove {queue}' takes it away.")
    return 0


def set_value(name: str, text: str) -> None:
    """Change a setting: live in the engine, or in its file where none runs."""
    set_values({name: text})


def set_values(texts: Mapping[str, str]) -> None:
    """Change settings, all of them or none: live in the engine, or in its file where none runs."""
    found = {name: _find(name) for name in texts}
    for name, setting in found.items():
        try:
            setting.parse(texts[name])
        except ValueError:
            raise UsageError(f"{setting.name}: {texts[name]!r} is not accepted; write {setting.accepted}.") from None
    values = {setting.name: texts[name] for name, setting in found.items()}
    engine = connection.client()
    if engine.alive():
        connection.ask(lambda: engine.request("PATCH", "/config", {"values": values}))
        for setting in found.values():
            if setting.needs_restart:
                say(f"{setting.name} takes effect when Tidegate is started again.")
        return
    engine.paths.create()
    settings = _judged(lambda: write_values(engine.paths, values, os.environ))
    for name in values:
        if settings.source(name) not in ("config.toml", "default"):
            say(f"written, but the {settings.source(name)} sets {name} too and stays in force.")


def _reset(given: Given, words: list[str]) -> int:
    """Defaults again, in one piece: what contradicts itself half done is no matter."""
    names = [_find(word).name for word in words]
    if given.flag("all") == bool(names):
        raise UsageError(f"the usage is: tidegate config {USAGES['reset']}")
    if not names:
        confirm(given, "config reset --all", "Let every setting be at its default again?")
    reset_values(names)
    return 0


def reset_values(names: Collection[str]) -> None:
    """Let these settings be at their defaults again; no name: all of them."""
    before = {row["name"]: row["text"] for row in rows()}
    engine = connection.client()
    if engine.alive():
        body = {"names": [*names] or None}
        after: list[dict[str, Any]] = connection.ask(lambda: engine.post("/config/reset", body))["settings"]
    else:
        known = _judged(lambda: load(engine.paths)).settings
        wanted = [setting for setting in known if setting.name in names or not names]
        settings = _judged(lambda: remove_values(engine.paths, [setting.name for setting in wanted], os.environ))
        after = [settings.describe(setting) for setting in wanted]
    for row in after:
        if row["source"] != "default":
            say(f"the {row['source']} sets {row['name']}, which stays {row['text']}.")
        elif row["needs_restart"] and row["text"] != before[row["name"]] and engine.alive():
            say(f"{row['name']} takes effect when Tidegate is started again.")


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
        near = nearest(name, [entry.name for entry in (*SETTINGS, *settings_of_own_queues([name]))])
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
    "reset": "reset NAME...  |  reset --all [--yes]",
    "path": "path",
    "init": "init [--force]",
    "check": "check FILE",
}
OPERANDS = {"get": (0, 1), "set": (2, 2), "reset": (0, ANY), "path": (0, 0), "init": (0, 0), "check": (1, 1)}
"""How few and how many words each takes."""
_ACTIONS: dict[str, Callable[[Given, list[str]], int]] = {
    "get": _get,
    "set": _set,
    "reset": _reset,
    "path": _path,
    "init": _init,
    "check": _check,
}
VERBS = {
    "config": Verb(
        "config",
        _config,
        "  |  ".join(USAGES.values()),
        (
            Option("all", "Let reset take every setting back to its default."),
            YES,
            Option("force", "Let init write over an existing file."),
            JSON,
        ),
        operands=(0, ANY),
        complete="config",
        ending="set and reset apply at once when an engine runs, and change the file in any case.\n"
        "reset makes a setting's line a comment again, so that its default holds.",
    )
}

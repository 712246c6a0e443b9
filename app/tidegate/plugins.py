"""Extensions by entry point: packages that a user installs beside Tidegate may bring their own strategies (D8)."""

from __future__ import annotations

STRATEGIES = "tidegate.strategies"


class PluginError(Exception):
    """A plugin is missing or cannot be loaded; the text is one sentence for the user."""


def names(group: str) -> tuple[str, ...]:
    """The names that installed packages offer in ``group``, sorted; reads package metadata, so not for a hot path."""
    from importlib.metadata import entry_points

    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def load(group: str, name: str) -> object:
    """The object behind a name; raises PluginError when there is none, or when its module does not load."""
    from importlib.metadata import entry_points

    found = list(entry_points(group=group, name=name))
    if not found:
        known = ", ".join(names(group)) or "none"
        raise PluginError(f'No installed package offers "{name}" in {group}; there are: {known}.')
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise PluginError(f'"{name}" of {group} ({found[0].value}) cannot be loaded: {error}.') from error

"""The QMenu of the tray icon and of the window, filled from what ``tray_plan`` says they offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from tidegate.gui.tray.plan import Asked, Entry, MenuPlan


class MenuFiller:
    """``ask`` hears what was chosen. ``literal`` keeps what is written from being read as a mark for a key.

    ``with_keys``: also say which keys do the same, where they do.
    """

    def __init__(self, ask: Callable[[Asked], None], literal: Callable[[str], str], *, with_keys: bool = False) -> None:
        self._ask = ask
        self._literal = literal
        self._with_keys = with_keys

    def fill(self, menu: QMenu, plan: MenuPlan) -> QAction:
        """Make ``menu`` anew; the action of its line comes back, whose text may change while all else stands."""
        empty(menu)
        first, *others = plan.groups
        self._add(menu, first)
        line = menu.addAction(self._literal(plan.line))
        line.setEnabled(False)
        for group in others:
            if group:
                menu.addSeparator()
                self._add(menu, group)
        return line

    def _add(self, menu: QMenu, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.below:
                self._add(menu.addMenu(self._literal(entry.label)), entry.below)
            else:
                self._add_one(menu, entry)

    def _add_one(self, menu: QMenu, entry: Entry) -> None:
        key = f"\t{entry.key}" if self._with_keys and entry.key else ""
        action = menu.addAction(self._literal(entry.label) + key)
        action.setEnabled(entry.enabled and entry.asks is not None)
        if entry.checked is not None:
            action.setCheckable(True)
            action.setChecked(entry.checked)
        action.triggered.connect(lambda _checked=False: self._do(action, entry))

    def _do(self, action: QAction, entry: Entry) -> None:
        if entry.checked is not None:
            # A tick shows how things are, not what was asked for: it moves when that has come true.
            action.setChecked(entry.checked)
        if entry.asks is not None:
            self._ask(entry.asks)


def empty(menu: QMenu) -> None:
    """Without its entries; ``clear`` alone would keep every menu below it for ever."""
    below = [action.menu() for action in menu.actions() if action.menu() is not None]
    menu.clear()
    for each in below:
        each.deleteLater()


def literal(text: str) -> str:
    """For a menu that Qt draws: ``&`` marks a key there."""
    return text.replace("&", "&&")


def literal_over_dbus(text: str) -> str:
    """For a menu that another program draws: ``_`` marks a key there, which Qt puts for one ``&`` and never escapes."""
    return text.replace("_", "__").replace("&", "&&", 1)

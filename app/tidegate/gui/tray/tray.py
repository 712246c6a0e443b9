"""The tray icon: the gate as it stands, three lines on hover, and a menu that reaches everything."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal, SignalInstance
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from tidegate.engine.ports import Command, Verb
from tidegate.engine.views import StatusView
from tidegate.gui.commands import Commands
from tidegate.gui.throttle import Throttle
from tidegate.gui.tray.facts import TrayFacts, tooltip
from tidegate.gui.tray.host import TrayHost
from tidegate.gui.tray.icons import tray_icon, tray_style
from tidegate.gui.tray.menu import MenuFiller, literal, literal_over_dbus
from tidegate.gui.tray.plan import Ask, Asked, MenuPlan, PauseUntil, QuietUntil, Wish, plan_menu

JOBS_SHOWN = 5
UPDATE_MS = 1000
SETTLE_MS = 500
"""After a menu has closed: a panel may say so before it tells what was clicked, which a new menu would not know."""
OPEN_FOR_MS = 10_000
"""Some panels say when they open the menu but never that it closed: so long nobody is expected to look at it."""
ACTIVE = ("starting", "running", "paused", "stopping")


class Tray(QObject):
    """Shown before the engine is there (``connect_desk`` comes later). ``arrived()`` when a tray host took the icon.

    ``missed()`` when none came within a minute, so that the icon cannot be what one finds the program by.
    ``quiet_wanted(object)``: seconds for which toasts are to be held back, None for until told otherwise, False for
    no longer. ``start_engine_wanted()`` is offered while no engine answers.
    """

    open_wanted = Signal()
    toggle_wanted = Signal()
    submit_wanted = Signal()
    inbox_wanted = Signal()
    settings_wanted = Signal()
    quit_wanted = Signal()
    start_engine_wanted = Signal()
    log_wanted = Signal(str)
    basket_toggled = Signal(bool)
    quiet_wanted = Signal(object)
    arrived = Signal()
    missed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.icon: QSystemTrayIcon | None = None
        self.menu = QMenu()
        self.facts = TrayFacts()
        self._commands: Commands | None = None
        self._style = tray_style("auto")
        self._shown: tuple[str, str] | None = None
        self._tip = ""
        self._plan: MenuPlan | None = None
        self._line: QAction | None = None
        self._over_dbus = False
        self._signals: dict[Wish, SignalInstance] = {
            Wish.OPEN: self.open_wanted,
            Wish.LOG: self.log_wanted,
            Wish.SUBMIT: self.submit_wanted,
            Wish.BASKET: self.basket_toggled,
            Wish.QUIET: self.quiet_wanted,
            Wish.INBOX: self.inbox_wanted,
            Wish.SETTINGS: self.settings_wanted,
            Wish.START_ENGINE: self.start_engine_wanted,
            Wish.QUIT: self.quit_wanted,
        }
        self._throttle = Throttle(UPDATE_MS, self._update, self)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.timeout.connect(self._update)
        self._host = TrayHost(self)
        self._host.found.connect(self._show_icon)
        self._host.missed.connect(self.missed)
        self.menu.aboutToShow.connect(self._menu_opens)
        self.menu.aboutToHide.connect(self._menu_closes)
        self._update()

    def show(self) -> None:
        """Show the icon now, or as soon as a tray host is there (it may come late at login)."""
        self._host.look()

    def hide(self) -> None:
        self._throttle.stop()
        self._settle.stop()
        self._host.stop()
        if self.icon is not None:
            self.icon.hide()

    @property
    def available(self) -> bool:
        """Whether the icon can be seen, so that closing the window may leave it there."""
        return self.icon is not None and self._host.present()

    # --- What there is to show ---

    def connect_desk(self, commands: Commands) -> None:
        self._commands = commands
        self.show_status(commands.desk.status())

    def show_status(self, status: StatusView) -> None:
        """How the engine stands; ends ``show_offline`` too."""
        came_back = self.facts.status is None
        self.facts = replace(self.facts, status=status, offline=None)
        if came_back:
            self._turn()
        else:
            self._throttle.call()

    def show_offline(self, sentence: str | None) -> None:
        """The engine is gone, and why; None: another one is about to answer."""
        self.facts = replace(self.facts, status=None, offline=sentence, jobs=())
        self._turn()

    def set_unread(self, count: int) -> None:
        """How many notices nobody has seen yet."""
        self.facts = replace(self.facts, unread=count)
        self._throttle.call()

    def set_basket(self, shown: bool) -> None:
        self.facts = replace(self.facts, basket=shown)
        self._update()

    def set_quiet(self, until: float | None) -> None:
        """Until when toasts are held back: a moment, infinity for until told otherwise, None for not at all."""
        self.facts = replace(self.facts, quiet_until=until)
        self._update()

    def set_style(self, wanted: str) -> None:
        """The value of the setting ``tray_icon``."""
        self._style = tray_style(wanted)
        self._show_state()

    def fill(self, menu: QMenu) -> None:
        """The same menu for the window, which has no need of the entry that opens it."""
        self._ask_for_jobs()
        plan = plan_menu(self.facts, time.time(), with_open=False)
        MenuFiller(self._do, literal, with_keys=True).fill(menu, plan)

    # --- The icon ---

    def _show_icon(self) -> None:
        if self.icon is None:
            self.icon = QSystemTrayIcon(self)
            self.icon.activated.connect(self._on_activated)
            self._show_state()
            self.icon.setContextMenu(self.menu)
        self.icon.show()
        self._over_dbus = self._host.over_dbus()
        self._plan = None
        self._update()
        self.arrived.emit()

    def _show_state(self) -> None:
        wanted = (self.facts.state, self._style)
        if self.icon is not None and wanted != self._shown:
            self._shown = wanted
            self.icon.setIcon(tray_icon(*wanted))

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if sys.platform == "darwin":
            return  # A click opens the menu there.
        if reason == QSystemTrayIcon.ActivationReason.Trigger:
            self.toggle_wanted.emit()
        elif reason == QSystemTrayIcon.ActivationReason.DoubleClick:
            # Its first click came as a trigger: whatever that did, in the end the window is there.
            self.open_wanted.emit()

    # --- Keeping up ---

    def _turn(self) -> None:
        """The engine came or went: nothing in a panel's menu is true any longer, whoever may be looking at it."""
        self._settle.stop()
        self._update()

    def _update(self) -> None:
        now = time.time()
        self._ask_for_jobs()
        self._show_state()
        tip = tooltip(self.facts, now)
        if self.icon is not None and tip != self._tip:
            self._tip = tip
            self.icon.setToolTip(tip)
        if not self._menu_is_open():
            self._show_menu(now)

    def _ask_for_jobs(self) -> None:
        if self._commands is not None and self.facts.status is not None:
            jobs = self._commands.desk.jobs(limit=JOBS_SHOWN)
            self.facts = replace(self.facts, jobs=tuple(job for job in jobs if job.status in ACTIVE))

    def _show_menu(self, now: float) -> None:
        plan = plan_menu(self.facts, now)
        if self._plan is not None and plan.groups == self._plan.groups and self._line is not None:
            if plan.line != self._plan.line:
                self._line.setText(self._literal(plan.line))
        else:
            self._line = MenuFiller(self._do, self._literal).fill(self.menu, plan)
        self._plan = plan

    @property
    def _literal(self) -> Callable[[str], str]:
        return literal_over_dbus if self._over_dbus else literal

    # --- The menu ---

    def _menu_opens(self) -> None:
        self._settle.stop()
        self._update()
        self._settle.start(OPEN_FOR_MS)

    def _menu_closes(self) -> None:
        self._settle.start(SETTLE_MS)

    def _menu_is_open(self) -> bool:
        """It must not change under the pointer."""
        return self.menu.isVisible() or self._settle.isActive()

    def _do(self, asked: Asked) -> None:
        if self._settle.isActive():
            self._menu_closes()
        match asked:
            case Ask(wish, values):
                self._signals[wish].emit(*values)
            case PauseUntil(at):
                self._send(Command(Verb.PAUSE, None, seconds=max(1.0, at - time.time())))
            case QuietUntil(at):
                self.quiet_wanted.emit(max(1.0, at - time.time()))
            case Command():
                self._send(asked)

    def _send(self, command: Command) -> None:
        if self._commands is not None:
            self._commands.ask(command)

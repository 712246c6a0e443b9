"""The tray icon: the gate as it stands, three lines on hover, and a menu that reaches everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from tidegate.engine.ports import Verb
from tidegate.engine.views import JobView, StatusView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.icons import tray_icon
from tidegate.gui.throttle import Throttle
from tidegate.gui.tray_host import TrayHost

JOBS_SHOWN = 5
UPDATE_MS = 1000
NAME_CHARS = 40
PAUSES = ((1800.0, "30 min"), (3600.0, "1 h"), (10800.0, "3 h"))
ACTIVE = ("starting", "running", "paused", "stopping")


class Tray(QObject):
    """Shown before the engine is there (``connect_desk`` comes later). ``arrived()`` when a tray host took the icon."""

    open_wanted = Signal()
    toggle_wanted = Signal()
    submit_wanted = Signal()
    quit_wanted = Signal()
    log_wanted = Signal(str)
    arrived = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.icon: QSystemTrayIcon | None = None
        self.menu = QMenu()
        self._commands: Commands | None = None
        self._status: StatusView | None = None
        self._state = "normal"
        self._seen: object = None
        self._over_dbus = False
        self._throttle = Throttle(UPDATE_MS, self._update, self)
        self._host = TrayHost(self)
        self._host.found.connect(self._show_icon)
        self._build(())
        self.menu.aboutToShow.connect(self._update)

    def show(self) -> None:
        """Show the icon now, or as soon as a tray host is there (it may come late at login)."""
        self._host.look()

    def hide(self) -> None:
        self._throttle.stop()
        self._host.stop()
        if self.icon is not None:
            self.icon.hide()

    @property
    def available(self) -> bool:
        """Whether the icon can be seen, so that closing the window may leave it there."""
        return self.icon is not None and self._host.present()

    def connect_desk(self, commands: Commands) -> None:
        self._commands = commands
        self.show_status(commands.desk.status())

    def show_status(self, status: StatusView) -> None:
        self._status = status
        self._throttle.call()

    # --- Inside ---

    def _show_icon(self) -> None:
        if self.icon is None:
            self.icon = QSystemTrayIcon(tray_icon(self._state), self)
            self.icon.setToolTip("Tidegate")
            self.icon.setContextMenu(self.menu)
            self.icon.activated.connect(self._on_activated)
        self.icon.show()
        self._over_dbus = self._host.over_dbus()
        self._seen = None
        self._update()
        self.arrived.emit()

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason == QSystemTrayIcon.ActivationReason.Trigger:
            self.toggle_wanted.emit()
        elif reason == QSystemTrayIcon.ActivationReason.DoubleClick:
            # Its first click came as a trigger: whatever that did, in the end the window is there.
            self.open_wanted.emit()

    def _update(self) -> None:
        if self._status is None or self._commands is None:
            return
        state = words.mode_state(self._status)
        if self.icon is not None:
            if state != self._state:
                self.icon.setIcon(tray_icon(state))
            self.icon.setToolTip(words.tooltip(self._status))
        self._state = state
        jobs = [job for job in self._commands.desk.jobs(limit=JOBS_SHOWN) if job.status in ACTIVE]
        seen = (words.counts(self._status), self._status.intake, state, [(job.id, job.status) for job in jobs])
        # A menu that is open must not change under the pointer, and one that says the same need not.
        if seen != self._seen and not self.menu.isVisible():
            self._seen = seen
            self._build(jobs)

    def _build(self, jobs: Sequence[JobView]) -> None:
        self.menu.clear()
        self._add(self.menu, self.tr("Open Tidegate"), self.open_wanted.emit)
        state = self.menu.addAction(self._state_line())
        state.setEnabled(False)
        self.menu.addSeparator()
        for job in jobs:
            self._add_job(job)
        if jobs:
            self.menu.addSeparator()
        self._add_pauses()
        self.menu.addSeparator()
        self._add(self.menu, self.tr("Submit…"), self.submit_wanted.emit)
        self._add(self.menu, self.tr("Quit…"), self.quit_wanted.emit)

    def _state_line(self) -> str:
        if self._status is None:
            return self.tr("Starting…")
        word = words.mode_word(words.mode_state(self._status)).capitalize()
        return f"{word} · {words.counts(self._status)}"

    def _add_job(self, job: JobView) -> None:
        name = words.printable(words.title(job))
        short = name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"
        entry = self.menu.addMenu(f"{self._literal(short)} · {words.status_word(job).word.lower()}")
        self._add(entry, self.tr("Open log"), lambda: self.log_wanted.emit(job.id))
        if job.status == "paused":
            self._add(entry, self.tr("Resume"), lambda: self._send(Verb.RESUME, [job.id]))
        elif job.status == "running":
            self._add(entry, self.tr("Pause"), lambda: self._send(Verb.PAUSE, [job.id]))
        self._add(entry, self.tr("Stop"), lambda: self._send(Verb.CANCEL, [job.id]))

    def _literal(self, name: str) -> str:
        """``&`` marks a key in a Qt menu; over D-Bus ``_`` does, which Qt puts for one ``&`` and never escapes."""
        if self._over_dbus:
            return name.replace("_", "__").replace("&", "&&", 1)
        return name.replace("&", "&&")

    def _add_pauses(self) -> None:
        intake = self._status.intake if self._status is not None else None
        if intake is not None and not intake.open:
            self._add(self.menu, self.tr("Resume"), lambda: self._send(Verb.RESUME, None))
            return
        entry = self.menu.addMenu(self.tr("Pause"))
        for seconds, label in PAUSES:
            self._add(
                entry,
                self.tr("for {duration}").format(duration=label),
                lambda seconds=seconds: self._send(Verb.PAUSE, None, seconds=seconds),  # type: ignore[misc]
            )
        self._add(entry, self.tr("until I resume"), lambda: self._send(Verb.PAUSE, None))
        self._add(self.menu, self.tr("Start nothing new"), lambda: self._send(Verb.PAUSE, None, drain=True))

    def _add(self, menu: QMenu, label: str, slot: Callable[[], object]) -> QAction:
        action = menu.addAction(label)
        action.triggered.connect(lambda _checked=False: slot())
        return action

    def _send(self, verb: Verb, ids: Sequence[str] | None, **options: object) -> None:
        if self._commands is not None:
            self._commands.send(verb, ids, **options)

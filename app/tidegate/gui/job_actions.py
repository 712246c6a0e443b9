"""Everything one can do to the chosen jobs: one action each, with its key, for the context menu and the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from tidegate.engine.ports import Verb
from tidegate.engine.views import JobView
from tidegate.gui import words
from tidegate.gui.commands import Commands

LIVE = frozenset({"running", "paused"})
UNFINISHED = frozenset({"queued", "held", "starting", "running", "paused", "stopping"})


@dataclass(frozen=True, slots=True)
class JobAction:
    """A verb as the menu has it; ``fits`` names the statuses of jobs it is offered for."""

    verb: Verb
    label: str
    key: str
    fits: frozenset[str]


class JobActions(QObject):
    """Actions live on ``owner`` (the table), so that keys work while it has the focus. ``open_log(str)``: a job id."""

    open_log = Signal(str)

    def __init__(self, commands: Commands, chosen: Callable[[], Sequence[JobView]], owner: QWidget) -> None:
        super().__init__(owner)
        self._commands = commands
        self._chosen = chosen
        self._owner = owner
        self.actions: dict[str, QAction] = {}
        self._verbs = (
            JobAction(Verb.PAUSE, self.tr("Pause"), "P", frozenset({"running"})),
            JobAction(Verb.RESUME, self.tr("Resume"), "R", frozenset({"paused"})),
            JobAction(Verb.START, self.tr("Start now"), "Ctrl+Return", frozenset({"queued", "held"})),
            JobAction(Verb.FIRST, self.tr("Put first"), "Ctrl+Up", frozenset({"queued", "held"})),
            JobAction(Verb.HOLD, self.tr("Hold"), "H", frozenset({"queued"})),
            JobAction(Verb.RELEASE, self.tr("Release"), "Shift+H", frozenset({"held"})),
            JobAction(Verb.RETRY, self.tr("Run again"), "Ctrl+R", frozenset({"finished"})),
            JobAction(Verb.CANCEL, self.tr("Cancel"), "Del", UNFINISHED),
            JobAction(
                Verb.KILL,
                self.tr("Kill at once"),
                "Shift+Del",
                frozenset({"starting", "running", "paused", "stopping"}),
            ),
        )
        for action in self._verbs:
            self._add(action.verb.value, action.label, action.key, lambda action=action: self._do(action))  # type: ignore[misc]
        self._add("log", self.tr("Open log"), "Ctrl+L", self._open_log)
        self._add("copy", self.tr("Copy command"), QKeySequence(QKeySequence.StandardKey.Copy).toString(), self.copy)

    def menu(self) -> QMenu:
        """A menu of what fits the chosen jobs; the caller shows it with ``popup``."""
        menu = QMenu(self._owner)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        statuses = {job.status for job in self._chosen()}
        for action in self._verbs:
            if statuses & action.fits:
                menu.addAction(self.actions[action.verb.value])
        menu.addSeparator()
        menu.addAction(self.actions["log"])
        menu.addAction(self.actions["copy"])
        return menu

    def copy(self) -> None:
        lines = [words.command_line(job) for job in self._chosen()]
        if lines:
            QGuiApplication.clipboard().setText("\n".join(lines))

    def _do(self, action: JobAction) -> None:
        ids = [job.id for job in self._chosen() if job.status in action.fits]
        if ids:
            self._commands.send(action.verb, ids)

    def _open_log(self) -> None:
        jobs = self._chosen()
        if jobs:
            self.open_log.emit(jobs[0].id)

    def _add(self, name: str, label: str, key: str, slot: Callable[[], None]) -> None:
        action = QAction(label, self._owner)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda _checked=False: slot())
        self._owner.addAction(action)
        self.actions[name] = action

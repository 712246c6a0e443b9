"""Everything one can do to the chosen jobs: one action each, with its key, for menus, buttons and the keyboard."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from tidegate.engine.ports import Verb
from tidegate.engine.views import JobView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.jobs.stop_dialog import ACTIVE, ask_to_stop
from tidegate.gui.theme import Theme

WAITING = frozenset({"queued", "held"})
STARTED = frozenset({"starting", "running"})
FINISHED = frozenset({"finished"})
ALL = ACTIVE | WAITING | FINISHED
PAUSES_S = (1800, 3600, 10800)
TWO = 2


@dataclass(frozen=True, slots=True)
class JobAction:
    """One entry: ``fits`` names the statuses of jobs it is offered for, ``label`` has its mnemonic.

    ``verb`` None is something the window does by itself. ``single``: for one job only.
    """

    name: str
    label: str
    key: str
    fits: frozenset[str]
    verb: Verb | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    hint: str = ""
    single: bool = False


class JobActions(QObject):
    """Actions live on ``owner``; with ``keys`` they work while it has the focus. ``open_log(str)``: a job id."""

    open_log = Signal(str)

    def __init__(
        self,
        commands: Commands,
        chosen: Callable[[], Sequence[JobView]],
        owner: QWidget,
        theme: Theme,
        *,
        keys: bool = True,
    ) -> None:
        super().__init__(owner)
        self._commands, self._chosen, self._owner, self._theme = commands, chosen, owner, theme
        self.actions: dict[str, QAction] = {}
        self.known = {action.name: action for action in (*self._verbs(), *self._views())}
        for action in self.known.values():
            self._add(action, keys)

    # --- What there is ---

    def _verbs(self) -> Sequence[JobAction]:
        tr = self.tr
        pauses = (tr("30 &min"), tr("&1 h"), tr("&3 h"))
        keys = ("Shift+P", "Ctrl+Shift+P", "Ctrl+Alt+P")
        return (
            JobAction(
                "pause", tr("&Pause"), "P", STARTED, Verb.PAUSE, hint=tr("Stops it where it is; it keeps its memory")
            ),
            *(
                JobAction(f"pause-{seconds}", label, key, STARTED | {"paused"}, Verb.PAUSE, {"seconds": float(seconds)})
                for seconds, label, key in zip(PAUSES_S, pauses, keys, strict=True)
            ),
            JobAction("resume", tr("&Resume"), "R", frozenset({"paused"}), Verb.RESUME),
            JobAction(
                "start",
                tr("&Start now"),
                "Ctrl+Return",
                WAITING,
                Verb.START,
                hint=tr("First in line, if there is room"),
            ),
            JobAction(
                "force",
                tr("Start without &asking for room"),
                "Ctrl+Shift+Return",
                WAITING,
                Verb.START,
                {"force": True},
                tr("Skips admission, never the guard: when memory runs short it is among the first to be paused"),
            ),
            JobAction("first", tr("Put &first"), "Ctrl+Up", WAITING, Verb.FIRST, hint=tr("First among its priority")),
            JobAction(
                "hold", tr("&Hold"), "H", frozenset({"queued"}), Verb.HOLD, hint=tr("Does not start until released")
            ),
            JobAction("release", tr("Re&lease"), "Shift+H", frozenset({"held"}), Verb.RELEASE),
            JobAction("edit", tr("&Edit…"), "F2", WAITING, single=True),
            JobAction("retry", tr("Run a&gain"), "Ctrl+R", FINISHED, Verb.RETRY),
            JobAction(
                "cancel",
                tr("&Cancel"),
                "Del",
                ACTIVE | WAITING,
                Verb.CANCEL,
                hint=tr("Asks it to end, and waits a moment"),
            ),
            JobAction("kill", tr("&Kill at once"), "Shift+Del", ACTIVE, Verb.KILL, hint=tr("Ends it without asking")),
        )

    def _views(self) -> Sequence[JobAction]:
        tr = self.tr
        ran = ACTIVE | FINISHED
        copy = QKeySequence(QKeySequence.StandardKey.Copy).toString()
        return (
            JobAction("log", tr("&Open log"), "Ctrl+L", ALL, single=True),
            JobAction("log-folder", tr("Open log file's folder"), "Ctrl+Shift+L", ran, single=True),
            JobAction("folder", tr("Open fol&der"), "Ctrl+Shift+E", ALL, single=True, hint=tr("Where the job works")),
            JobAction("copy", tr("Cop&y command"), copy, ALL),
            JobAction("copy-id", tr("Copy &id"), "Ctrl+Shift+C", ALL),
        )

    def fitting(self, name: str) -> list[JobView]:
        """The chosen jobs for which it makes sense."""
        action, jobs = self.known[name], self._chosen()
        if action.single and len(jobs) != 1:
            return []
        return [job for job in jobs if job.status in action.fits]

    def fit_counts(self) -> dict[str, int]:
        """Of each action, how many of the chosen jobs it fits; all at once, as thousands may be chosen."""
        statuses = Counter(job.status for job in self._chosen())
        chosen = statuses.total()
        return {
            name: 0 if action.single and chosen != 1 else sum(statuses[status] for status in action.fits)
            for name, action in self.known.items()
        }

    def label(self, name: str) -> str:
        """What stands on its button, without the mark of its mnemonic."""
        return self.known[name].label.replace("&", "")

    # --- Menus ---

    def menu(self) -> QMenu:
        """A menu of what fits the chosen jobs; the caller shows it with ``popup``."""
        menu = QMenu(self._owner)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fill(menu)
        return menu

    def fill(self, menu: QMenu) -> None:
        menu.setToolTipsVisible(True)
        counts, chosen = self.fit_counts(), len(self._chosen())
        pauses = [f"pause-{seconds}" for seconds in PAUSES_S]
        verbs = [action.name for action in self._verbs() if action.name not in ("cancel", "kill")]
        for group in (verbs, ("cancel", "kill"), ("log", "log-folder", "folder"), ("copy", "copy-id")):
            menu.addSeparator()
            for name in group:
                if name == pauses[0] and counts[name]:
                    submenu = menu.addMenu(self._counted(self.tr("Pause f&or"), counts[name], chosen))
                    submenu.addActions([self.actions[each] for each in pauses])
                elif name not in pauses and counts[name]:
                    self.actions[name].setText(self._counted(self.known[name].label, counts[name], chosen))
                    menu.addAction(self.actions[name])

    def _counted(self, label: str, count: int, chosen: int) -> str:
        """Of several chosen jobs it may fit only some, and then says how many."""
        if count == chosen:
            return label
        return self.tr("{what} ({count} of {chosen})").format(what=label, count=count, chosen=chosen)

    # --- What they do ---

    def do(self, name: str) -> None:
        jobs = self.fitting(name)
        if not jobs:
            return
        action = self.known[name]
        if action.verb is None:
            {
                "edit": self._edit,
                "log": self._open_log,
                "log-folder": self._open_log_folder,
                "folder": self._open_folder,
                "copy": self._copy_command,
                "copy-id": self._copy_id,
            }[name](jobs)
            return
        ids = [job.id for job in jobs]
        verb, options = action.verb, dict(action.options)
        running = sum(job.status in ACTIVE for job in jobs)
        if verb in (Verb.CANCEL, Verb.KILL) and running >= TWO:
            ask_to_stop(verb, running, len(jobs), self._owner, lambda: self._commands.send(verb, ids, **options))
        else:
            self._commands.send(verb, ids, **options)

    def _edit(self, jobs: Sequence[JobView]) -> None:
        from tidegate.gui.submit.edit_dialog import EditDialog  # a dialog's code loads when it is first wanted

        EditDialog.open_for(jobs[0], self._commands, self._theme, self._owner)

    def _open_log(self, jobs: Sequence[JobView]) -> None:
        self.open_log.emit(jobs[0].id)

    def _open_log_folder(self, jobs: Sequence[JobView]) -> None:
        path = jobs[0].log_path
        self._show(None if path is None else os.path.dirname(path))

    def _open_folder(self, jobs: Sequence[JobView]) -> None:
        self._show(jobs[0].cwd)

    def _show(self, folder: str | None) -> None:
        if folder is None or not os.path.isdir(folder):
            sentence = (
                self.tr("The folder {folder} does not exist any more.") if folder else self.tr("There is no log yet.")
            )
            self._commands.failed.emit(sentence.format(folder=words.printable(folder or "")))
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(folder)):
            self._commands.failed.emit(self.tr("No program shows folders here."))

    def _copy_command(self, jobs: Sequence[JobView]) -> None:
        QGuiApplication.clipboard().setText("\n".join(words.command_line(job) for job in jobs))

    def _copy_id(self, jobs: Sequence[JobView]) -> None:
        QGuiApplication.clipboard().setText(" ".join(job.id for job in jobs))

    def _add(self, made_of: JobAction, keys: bool) -> None:
        action = QAction(made_of.label, self._owner)
        action.setToolTip(made_of.hint)
        if keys:
            action.setShortcut(QKeySequence(made_of.key))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda _checked=False: self.do(made_of.name))
        self._owner.addAction(action)
        self.actions[made_of.name] = action

"""Notices on their way to the screen: policy decides, wording says, the toaster shows, and buttons come back here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer, Signal

from tidegate.desktop.notifications import Toaster, ToastEvents, ToastFailed
from tidegate.engine.ports import Notice, NoticeKind
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.preferences import Preferences
from tidegate.gui.remembered import Remembered
from tidegate.gui.toasts.policy import Rules, Showing, ToastPolicy
from tidegate.gui.toasts.quiet import Quiet
from tidegate.gui.toasts.wording import Ask, Deed, OpenLog, ShowConflict, ShowInbox, ShowJob, Worded, worded

log = logging.getLogger(__name__)

REMEMBERED = 64
TAKEN_REMEMBERED = 1000
_TOLD = "toasts_told"
SWITCHES = {
    NoticeKind.FAILED: "toasts_failures",
    NoticeKind.INTERVENED: "toasts_interventions",
    NoticeKind.ENDED: "toasts_ended",
    NoticeKind.ALERT: "toasts_alerts",
    NoticeKind.CONFLICT: "toasts_conflicts",
    NoticeKind.HINT: "toasts_hints",
}
"""The setting that silences a kind. What the engine says of itself goes with all of them only."""


class ToastPresenter(QObject):
    """``sees(notice)`` tells whether the person has it before their eyes.

    ``job_wanted(str)``, ``log_wanted(str)``, ``inbox_wanted(int | None)``, ``conflict_wanted(int)`` after clicks.
    ``noted(int)`` with the history's number of a notice that the person has before their eyes, or put away.
    """

    job_wanted = Signal(str)
    log_wanted = Signal(str)
    inbox_wanted = Signal(object)
    conflict_wanted = Signal(int)
    noted = Signal(int)

    def __init__(
        self,
        feed: Feed,
        commands: Commands,
        preferences: Preferences,
        quiet: Quiet,
        remembered: Remembered,
        toaster: Toaster,
        sees: Callable[[Notice], bool],
        parent: QObject | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._commands, self._preferences, self._quiet = commands, preferences, quiet
        self._remembered, self._toaster, self._sees, self._clock = remembered, toaster, sees, clock
        self._taken: dict[int, None] = {}
        self.policy = ToastPolicy(rules_of(preferences))
        self._worded: dict[str, Worded] = {}
        self._waiting: deque[Worded] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show_due)
        toaster.events = ToastEvents(self._on_clicked, self._on_pressed, self._on_dismissed)
        self.policy.be_quiet(quiet.active, clock())
        feed.noticed.connect(self._take)
        preferences.changed.connect(self._on_preference)
        quiet.changed.connect(self._on_quiet)

    def stop(self) -> None:
        """Toasts that are shown stay; what was gathered is in the inbox."""
        self._timer.stop()
        self._waiting.clear()
        if self._sending is not None:
            self._sending.cancel()

    async def settle(self) -> None:
        """Wait until what is due was handed to the desktop."""
        if self._sending is not None:
            await asyncio.wait({self._sending})

    # --- From notices to toasts ---

    def take_missed(self, notices: Sequence[Notice], newest: int) -> None:
        """Unread ones of the history, which ends at ``newest``: those that nobody listened to are told, all in one."""
        told = self._remembered.get(_TOLD, 0)
        if told > newest:
            # A journal that was begun anew has lower numbers.
            told = 0
        missed = [notice for notice in notices if (notice.id or 0) > told and self._is_first(notice)]
        self._quiet.look()
        self.policy.take_missed([notice for notice in missed if not self._sees(notice)])
        self._show_due()

    def _is_first(self, notice: Notice) -> bool:
        """What the feed brings may be in the history already, and the other way round."""
        if notice.id is None:
            return True
        first = notice.id not in self._taken
        self._taken[notice.id] = None
        while len(self._taken) > TAKEN_REMEMBERED:
            del self._taken[next(iter(self._taken))]
        return first

    def _take(self, notice: Notice) -> None:
        if not self._is_first(notice):
            return
        self._quiet.look()
        seen = self._sees(notice)
        self.policy.take(notice, self._clock(), seen=seen)
        if seen and notice.id is not None:
            self.noted.emit(notice.id)
        self._show_due()

    def _show_due(self) -> None:
        now = self._clock()
        for showing in self.policy.due(now):
            self._show(showing)
        self._remember_told()
        wake_at = self.policy.wake_at(now)
        if wake_at is None:
            self._timer.stop()
        else:
            self._timer.start(int((wake_at - now) * 1000) + 1)

    def _remember_told(self) -> None:
        """What still waits to be told when the app ends is told when it starts again."""
        waits_from = self.policy.waits_from()
        newest = max(self._taken, default=0)
        if newest:
            self._remembered.put(_TOLD, newest if waits_from is None else waits_from - 1)

    def _show(self, showing: Showing) -> None:
        made = worded(showing)
        self._worded.pop(showing.id, None)
        self._worded[showing.id] = made
        while len(self._worded) > REMEMBERED:
            del self._worded[next(iter(self._worded))]
        # Of a toast that still waits to be shown, only its newest words are.
        self._waiting = deque(each for each in self._waiting if each.toast.id != showing.id)
        self._waiting.append(made)
        if self._sending is None or self._sending.done():
            self._sending = self._commands.run(self._send())

    async def _send(self) -> None:
        """One after the other: a toast must not come before the one whose place it takes."""
        while self._waiting:
            made = self._waiting.popleft()
            try:
                await self._toaster.show(made.toast)
            except ToastFailed as error:
                log.warning("a toast was not shown (%s): %s", error, made.toast.title)

    # --- What the person does with one ---

    def _on_clicked(self, id: str) -> None:
        made = self._used(id)
        if made is not None:
            self._do(made.click)

    def _on_pressed(self, id: str, key: str) -> None:
        made = self._used(id)
        if made is not None and key in made.deeds:
            self._do(made.deeds[key])

    def _on_dismissed(self, id: str) -> None:
        self._used(id)

    def _used(self, id: str) -> Worded | None:
        self.policy.put_away(id, self._clock())
        self._show_due()
        made = self._worded.pop(id, None)
        if made is not None and made.notice is not None:
            self.noted.emit(made.notice)
        return made

    def _do(self, deed: Deed) -> None:
        match deed:
            case Ask(errand):
                self._commands.ask(errand)
            case OpenLog(job):
                self.log_wanted.emit(job)
            case ShowJob(job):
                self.job_wanted.emit(job)
            case ShowInbox(notice):
                self.inbox_wanted.emit(notice)
            case ShowConflict(conflict):
                self.conflict_wanted.emit(conflict)

    # --- What the person set ---

    def _on_preference(self, name: str) -> None:
        if name.startswith("toasts_"):
            self.policy.obey(rules_of(self._preferences))
            self._show_due()

    def _on_quiet(self) -> None:
        if self.policy.quiet != self._quiet.active:
            self.policy.be_quiet(self._quiet.active, self._clock())
            self._show_due()


def rules_of(preferences: Preferences) -> Rules:
    return Rules(
        enabled=preferences.flag("toasts_enabled"),
        per_minute=int(preferences.number("toasts_per_minute")),
        silenced=frozenset(kind for kind, name in SWITCHES.items() if not preferences.flag(name)),
        quiet_lets_critical=preferences.flag("toasts_quiet_lets_critical"),
    )

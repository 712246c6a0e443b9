"""The running application inside its loop: tray, window, basket and toasts around one desk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication, QMessageBox

from tidegate.desktop.instance import HandOver, Received
from tidegate.engine.ports import Command, Desk, Notice
from tidegate.engine.views import StatusView
from tidegate.gui.attached import Attachment, EngineLink
from tidegate.gui.basket.switch import BasketSwitch
from tidegate.gui.commands import Commands
from tidegate.gui.entrance import activated_by
from tidegate.gui.feed import Feed
from tidegate.gui.preferences import Preferences
from tidegate.gui.quit_dialog import ask_to_quit
from tidegate.gui.remembered import Remembered
from tidegate.gui.submit.submitter import Submitter
from tidegate.gui.theme import Theme
from tidegate.gui.toasts.telling import Telling
from tidegate.gui.tray.tray import Tray
from tidegate.submission.request import MachineFacts

if TYPE_CHECKING:
    from tidegate.gui.window import MainWindow
    from tidegate.paths import Paths
    from tidegate.settings import Settings


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the app ends. ``hurried``: a signal or the session's end, which do not wait for long."""

    code: int = 0
    stop_jobs: bool = False
    hurried: bool = False


class Shell:
    """The running application, for whoever drives it (the demo): ``desk``, ``window``, ``tray``, ``grab``."""

    def __init__(
        self,
        application: QApplication,
        desk: Desk,
        paths: Paths,
        settings: Settings,
        tray: Tray,
        theme: Theme,
        facts: Callable[[], MachineFacts],
        link: EngineLink | None = None,
    ) -> None:
        self.desk = desk
        self.tray = tray
        self.theme = theme
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.feed = Feed(desk)
        self.preferences = Preferences(desk, self.feed)
        self.remembered = Remembered(paths.window_file)
        self.commands = Commands(desk)
        self.outside = self._make_outside()
        self.submitter = Submitter(self.commands, paths, settings, facts, theme, self.remembered)
        self.basket = BasketSwitch(self.outside, self.feed, self.submitter, theme, self.remembered)
        self._application = application
        self.feed.status_changed.connect(self._show_status)
        # Not the window's own slots: in the tray alone the app goes without a window, and its memory.
        tray.open_wanted.connect(lambda: self.window.come_forward())
        tray.toggle_wanted.connect(self._toggle_window)
        tray.submit_wanted.connect(lambda: self.window.choose_files())
        tray.quit_wanted.connect(self.ask_to_quit)
        tray.log_wanted.connect(self._open_log)
        tray.inbox_wanted.connect(lambda: self._show_page("inbox"))
        tray.settings_wanted.connect(lambda: self._show_page("settings"))
        self.preferences.changed.connect(self._take_preference)
        self._take_preference("tray_icon")
        self._connect_basket()
        self.telling = Telling(self.feed, self.outside, self.preferences, self.remembered, tray, self._sees)
        self._connect_toasts()
        tray.connect_desk(self.outside)
        self._link = link
        self._question: QMessageBox | None = None
        """Without a window nobody else holds the dialog, and it would be gone before it is seen."""
        self.attachment = (
            Attachment(link, tray, self._start_engine_here, self.telling.catch_up) if link is not None else None
        )
        tray.start_engine_wanted.connect(self._start_engine_here)
        self.feed.start()

    def _connect_toasts(self) -> None:
        presenter = self.telling.presenter
        presenter.log_wanted.connect(self._open_log)
        presenter.job_wanted.connect(self._open_log)
        presenter.inbox_wanted.connect(self._open_notice)
        presenter.conflict_wanted.connect(self._open_conflict)

    def _make_outside(self) -> Commands:
        """For what is asked in tray, basket and toasts: there may be no window that shows what was refused."""
        made = Commands(self.desk)
        made.failed.connect(self._say_refused)
        made.refused.connect(self._say_instead)
        return made

    def _connect_basket(self) -> None:
        self.tray.basket_toggled.connect(self.basket.set_shown)
        self.basket.changed.connect(self.tray.set_basket)
        self.tray.set_basket(self.basket.shown)
        self.basket.open_wanted.connect(lambda: self.window.come_forward())
        self.basket.submit_wanted.connect(lambda: self.window.choose_files())
        self.basket.jobs_wanted.connect(self._show_jobs)
        self.basket.start()

    @cached_property
    def window(self) -> MainWindow:
        """Made when it is first asked for, and its code loaded: in the tray alone the app goes without both."""
        from tidegate.gui.window import MainWindow

        window = MainWindow(
            self.commands,
            self.feed,
            self.submitter,
            self.theme,
            self.preferences,
            self.remembered,
            self.telling.quiet,
            self.telling.unread,
        )
        window.close_wanted.connect(self.close_window)
        window.rail.menu.filled.connect(self.tray.fill)
        window.basket_wanted.connect(self.basket.toggle)
        if self.attachment is not None:
            self.attachment.show_in(window.messages, window.strip)
        return window

    @property
    def _made_window(self) -> MainWindow | None:
        made: MainWindow | None = self.__dict__.get("window")
        return made

    def end(self, ending: Ending) -> None:
        """Let ``run`` return; the first call counts."""
        if not self.ending.done():
            self.ending.set_result(ending)

    def leave(self, stop_jobs: bool) -> None:
        """``tidegate shutdown`` reached the engine of this app."""
        self.end(Ending(0, stop_jobs))

    def show_without_tray(self) -> None:
        """No panel took the icon: a window in the list of windows, out of the way, is what one finds instead."""
        if self._made_window is None or not self._made_window.isVisible():
            self.window.showMinimized()

    def close_window(self) -> None:
        """The window was closed: the app stays in the tray, or without one asks what is to become of the work."""
        if self.tray.available:
            self.window.hide()
        else:
            self.ask_to_quit()

    def ask_to_quit(self) -> None:
        made = self._made_window
        owner = made if made is not None and made.isVisible() else None
        if self.attachment is not None:
            self._question = self.attachment.ask_to_quit(self.desk.status(), owner, lambda: self.end(Ending(0)))
            return
        self._question = ask_to_quit(self.desk.status(), owner, lambda stop_jobs: self.end(Ending(0, stop_jobs)))

    def submit(self, files: Sequence[str]) -> None:
        """What the program was started with."""
        if files:
            self.outside.run(self._submit(tuple(files)))

    async def _submit(self, files: Sequence[str]) -> None:
        taken = await self.submitter.take(files)
        if taken.refused:
            self._say_refused(self.submitter.summary(taken.refused))

    async def receive(self, handed: HandOver) -> Received:
        """A second start of the program: its files become jobs, and the window comes forward."""
        if handed.show_window:
            with activated_by(handed):
                self.window.come_forward()
        if not handed.files:
            return Received()
        taken = await self.submitter.take(handed.files, handed.environment)
        return Received(len(taken.ids), tuple(filter(None, taken.refused)))

    def _show_status(self, status: StatusView) -> None:
        # One that was on its way when the engine went says nothing of how things stand.
        if self.attachment is None or self.attachment.online:
            self.tray.show_status(status)

    def _start_engine_here(self) -> None:
        """The program begins anew, and finds no engine now; as it was to be seen, it is to be seen again."""
        if self._link is not None:
            made = self._made_window
            self._link.start_engine_here(hidden=made is None or not made.isVisible())
            self.end(Ending(0))

    async def grab(self, path: str | os.PathLike[str]) -> None:
        """A picture of the window as a person would see it, once everything asked for is on it."""
        self.window.come_forward()
        await self.commands.settle()
        # Batches, the first log and a paint are on their way for a moment after the last event.
        await asyncio.sleep(0.4)
        picture = self.window.grab()
        if not picture.save(os.fspath(path), "PNG"):
            raise OSError(f"the picture could not be written to {os.fspath(path)}")

    def _toggle_window(self) -> None:
        """A click on the icon: the window comes forward, and one that is in front goes away."""
        made = self._made_window
        if made is not None and made.in_front:
            made.hide()
        else:
            self.window.come_forward()

    def _show_jobs(self, ids: Sequence[str]) -> None:
        self.window.come_forward()
        self.window.open_jobs(ids)

    def _show_page(self, name: str) -> None:
        self.window.come_forward()
        self.window.show_page(name)

    def _open_notice(self, id: int | None) -> None:
        self.window.come_forward()
        self.window.open_notice(id)

    def _open_conflict(self, id: int) -> None:
        self.window.come_forward()
        self.window.open_conflict(id)

    def _sees(self, notice: Notice) -> bool:
        made = self._made_window
        return made is not None and made.shows(notice)

    def _say_refused(self, sentence: str) -> None:
        """The window comes to say so."""
        self.window.messages.show_error(sentence)
        self.window.come_forward()

    def _say_instead(self, sentence: str, instead: Command) -> None:
        self.window.offer_instead(sentence, instead)
        self.window.come_forward()

    def _take_preference(self, name: str) -> None:
        if name == "tray_icon":
            self.tray.set_style(self.preferences.text(name))
        elif name == "window_scheme":
            self.theme.prefer(self.preferences.text(name))
        elif name == "python":
            value = self.preferences.setting(name).value
            self.submitter.python = None if value is None else str(value)

    def _open_log(self, id: str) -> None:
        self.window.come_forward()
        self.window.open_job(id)

    def close(self) -> None:
        if self.attachment is not None:
            self.attachment.close()
        self.basket.close()
        self.telling.close()
        self.feed.stop()
        self.tray.hide()
        if self._made_window is not None:
            self._made_window.hide()
        self.remembered.close()

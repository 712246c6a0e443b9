"""The Qt program from start to end: tray at once, then the engine on this very loop, the window, an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory, Qt
from PySide6.QtWidgets import QApplication, QMessageBox

from tidegate.desktop.instance import Door, HandOver, Received
from tidegate.engine.ports import Desk, Notice
from tidegate.engine.views import StatusView
from tidegate.gui.attached import Attachment, EngineLink
from tidegate.gui.basket.switch import BasketSwitch
from tidegate.gui.commands import Commands
from tidegate.gui.entrance import Entrance, activated_by
from tidegate.gui.feed import Feed
from tidegate.gui.garbage import GarbageCollection
from tidegate.gui.icons import application_icon
from tidegate.gui.preferences import Preferences
from tidegate.gui.quit_dialog import ask_to_quit
from tidegate.gui.remembered import Remembered
from tidegate.gui.signals import EndSignals
from tidegate.gui.submit.submitter import Submitter
from tidegate.gui.theme import Theme
from tidegate.gui.toasts.telling import Telling
from tidegate.gui.tray.tray import Tray
from tidegate.gui.window import MainWindow
from tidegate.submission.request import MachineFacts

if TYPE_CHECKING:
    from tidegate.paths import Paths
    from tidegate.settings import Settings

log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 1.7
"""After a signal the app is gone within 2 s, whatever still hangs; the keeper and the jobs go on."""
_GL = "GDK_GL"


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
        self.submitter = Submitter(self.commands, paths, settings, facts, theme, self.remembered)
        self.basket = BasketSwitch(self.commands, self.feed, self.submitter, theme, self.remembered)
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
        self.telling = Telling(self.feed, self.commands, self.preferences, self.remembered, tray, self._sees)
        self._connect_toasts()
        tray.connect_desk(self.commands)
        self._link = link
        self._question: QMessageBox | None = None
        """Without a window nobody else holds the dialog, and it would be gone before it is seen."""
        self.attachment = Attachment(link, tray, self._start_engine_here) if link is not None else None
        tray.start_engine_wanted.connect(self._start_engine_here)
        self.feed.start()

    def _connect_toasts(self) -> None:
        presenter = self.telling.presenter
        presenter.log_wanted.connect(self._open_log)
        presenter.job_wanted.connect(self._open_log)
        presenter.inbox_wanted.connect(self._open_notice)
        presenter.refused.connect(self._say_refused)

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
        """Made when it is first asked for."""
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

    def _sees(self, notice: Notice) -> bool:
        made = self._made_window
        return made is not None and made.shows(notice)

    def _say_refused(self, sentence: str) -> None:
        """What a toast's button asked for was refused: the window comes to say so."""
        self.window.messages.show_error(sentence)
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


def run(
    open_desk: Callable[[], Awaitable[Desk]],
    close_desk: Callable[[bool], Awaitable[None]],
    paths: Paths,
    settings: Settings,
    files: Sequence[str] = (),
    session: Callable[[Shell], Awaitable[int]] | None = None,
    *,
    facts: Callable[[], MachineFacts],
    show_window: bool = True,
    told_to_leave: Callable[[Callable[[bool], None]], None] | None = None,
    door: Door | None = None,
    ready: Callable[[], object] | None = None,
    link: EngineLink | None = None,
) -> int:
    """Run the tray application until it ends; the exit code. What ``open_desk`` raises comes out here.

    ``files`` are submitted once the window is up; ``session`` is started then, and its result ends the app.
    ``told_to_leave`` is given the function by which ``tidegate shutdown`` ends the app (stop the jobs too?).
    Through ``door`` second starts hand over what they were given; ``ready`` is called when all is up. ``link``: the
    engine is that of another process.
    """
    import qasync  # picks the Qt binding that is loaded already

    application = _make_application()
    loop = qasync.QEventLoop(application)
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="gui")
    loop.set_default_executor(executor)
    garbage = GarbageCollection()
    theme = Theme(application)
    theme.prefer(str(settings.get("window_scheme")))
    theme.apply()
    tray = Tray()
    tray.set_style(str(settings.get("tray_icon")))
    tray.show()
    make_shell = partial(
        Shell, application, paths=paths, settings=settings, tray=tray, theme=theme, facts=facts, link=link
    )

    def up(shell: Shell) -> None:
        if told_to_leave is not None:
            told_to_leave(shell.leave)
        if ready is not None:
            ready()

    main = _main(application, open_desk, close_desk, make_shell, files, session, tray, show_window, up, door)
    try:
        return int(loop.run_until_complete(main))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        garbage.stop()
        asyncio.set_event_loop(None)
        loop.close()


def _make_application() -> QApplication:
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else _start_qt()
    application.setApplicationName("tidegate")
    application.setApplicationDisplayName("Tidegate")
    application.setDesktopFileName("tidegate")
    application.setWindowIcon(application_icon())
    application.setQuitOnLastWindowClosed(False)
    application.setAttribute(Qt.ApplicationAttribute.AA_DontShowIconsInMenus, sys.platform == "darwin")
    return application


def _start_qt() -> QApplication:
    """Without OpenGL: Qt's GTK theme would load it to look at its visuals, which costs 50 MB where it is software."""
    # A desktop without a portal is nothing to warn of: Qt would say so on the terminal at every start.
    QLoggingCategory.setFilterRules("qt.qpa.services.warning=false")
    given = os.environ.get(_GL)
    os.environ.setdefault(_GL, "disable")
    try:
        return QApplication(["tidegate"])
    finally:
        # Jobs inherit this process's variables, and theirs may want it.
        if given is None:
            del os.environ[_GL]


async def _main(
    application: QApplication,
    open_desk: Callable[[], Awaitable[Desk]],
    close_desk: Callable[[bool], Awaitable[None]],
    make_shell: Callable[[Desk], Shell],
    files: Sequence[str],
    session: Callable[[Shell], Awaitable[int]] | None,
    tray: Tray,
    show_window: bool,
    up: Callable[[Shell], None],
    door: Door | None,
) -> int:
    ended = asyncio.Event()
    signals = EndSignals(asyncio.get_running_loop(), ended.set)
    application.commitDataRequest.connect(lambda _manager: ended.set(), Qt.ConnectionType.DirectConnection)
    shell: Shell | None = None
    task: asyncio.Task[int] | None = None
    ending = Ending(hurried=True)
    entrance = Entrance(door)
    leaving_early = tray.quit_wanted.connect(ended.set)
    try:
        await entrance.open()
        desk = await open_desk()
        shell = make_shell(desk)
        tray.quit_wanted.disconnect(leaving_early)
        up(shell)
        if show_window and (shell.preferences.flag("window_show_at_start") or not tray.available):
            shell.window.show()
        tray.missed.connect(shell.show_without_tray)
        shell.submitter.submit(list(files))
        entrance.lead_to(shell.receive)
        if session is not None:
            task = asyncio.ensure_future(_run_session(session, shell))
        ending = await _until_the_end(shell, ended, task)
    finally:
        await entrance.close()
        if shell is not None:
            shell.close()
        else:
            tray.hide()
        if task is not None and not task.done():
            task.cancel()
        await _close(close_desk, ending)
        signals.close()
    return ending.code


async def _until_the_end(shell: Shell, ended: asyncio.Event, task: asyncio.Task[int] | None) -> Ending:
    signalled = asyncio.ensure_future(ended.wait())
    waiting: set[asyncio.Future[object]] = {signalled, shell.ending}  # type: ignore[arg-type]
    if task is not None:
        waiting.add(task)  # type: ignore[arg-type]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if shell.ending.done():
        return shell.ending.result()
    if task is not None and task.done():
        return Ending(task.result())
    return Ending(hurried=True)


async def _run_session(session: Callable[[Shell], Awaitable[int]], shell: Shell) -> int:
    return await session(shell)


async def _close(close_desk: Callable[[bool], Awaitable[None]], ending: Ending) -> None:
    if not ending.hurried:
        await close_desk(ending.stop_jobs)
        return
    try:
        await asyncio.wait_for(close_desk(False), CLOSE_WITHIN_S)
    except TimeoutError:
        log.warning("the engine did not close within %.1f s; leaving", CLOSE_WITHIN_S)

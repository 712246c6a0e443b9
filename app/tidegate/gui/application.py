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

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from tidegate.engine.ports import Desk
from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.garbage import GarbageCollection
from tidegate.gui.icons import application_icon
from tidegate.gui.preferences import Preferences
from tidegate.gui.quit_dialog import ask_to_quit
from tidegate.gui.remembered import Remembered
from tidegate.gui.signals import EndSignals
from tidegate.gui.submit import Submitter
from tidegate.gui.theme import Theme
from tidegate.gui.tray import Tray
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
    ) -> None:
        self.desk = desk
        self.tray = tray
        self.theme = theme
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.feed = Feed(desk)
        self.preferences = Preferences(desk, self.feed)
        self.remembered = Remembered(paths.window_file)
        self.commands = Commands(desk)
        self.submitter = Submitter(self.commands, paths, settings, facts)
        self._application = application
        self.feed.status_changed.connect(tray.show_status)
        # Not the window's own slots: in the tray alone the app goes without a window, and its memory.
        tray.open_wanted.connect(lambda: self.window.come_forward())
        tray.toggle_wanted.connect(self._toggle_window)
        tray.submit_wanted.connect(lambda: self.window.choose_files())
        tray.quit_wanted.connect(self.ask_to_quit)
        tray.log_wanted.connect(self._open_log)
        tray.connect_desk(self.commands)
        self.feed.start()

    @cached_property
    def window(self) -> MainWindow:
        """Made when it is first asked for."""
        window = MainWindow(self.commands, self.feed, self.submitter, self.theme, self.preferences, self.remembered)
        window.close_wanted.connect(self.close_window)
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

    def close_window(self) -> None:
        """The window was closed: the app stays in the tray, or without one asks what is to become of the work."""
        if self.tray.available:
            self.window.hide()
        else:
            self.ask_to_quit()

    def ask_to_quit(self) -> None:
        made = self._made_window
        owner = made if made is not None and made.isVisible() else None
        ask_to_quit(self.desk.status(), owner, lambda stop_jobs: self.end(Ending(0, stop_jobs)))

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
        if made is not None and made.isActiveWindow() and not made.isMinimized():
            made.hide()
        else:
            self.window.come_forward()

    def _open_log(self, id: str) -> None:
        self.window.come_forward()
        self.window.open_job(id)

    def close(self) -> None:
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
) -> int:
    """Run the tray application until it ends; the exit code. What ``open_desk`` raises comes out here.

    ``files`` are submitted once the window is up; ``session`` is started then, and its result ends the app.
    ``told_to_leave`` is given the function by which ``tidegate shutdown`` ends the app (stop the jobs too?).
    """
    import qasync  # picks the Qt binding that is loaded already

    application = _make_application()
    loop = qasync.QEventLoop(application)
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="gui")
    loop.set_default_executor(executor)
    garbage = GarbageCollection()
    theme = Theme(application)
    theme.apply()
    tray = Tray()
    tray.show()
    make_shell = partial(Shell, application, paths=paths, settings=settings, tray=tray, theme=theme, facts=facts)
    main = _main(application, open_desk, close_desk, make_shell, files, session, tray, show_window, told_to_leave)
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
    told_to_leave: Callable[[Callable[[bool], None]], None] | None,
) -> int:
    ended = asyncio.Event()
    signals = EndSignals(asyncio.get_running_loop(), ended.set)
    application.commitDataRequest.connect(lambda _manager: ended.set(), Qt.ConnectionType.DirectConnection)
    shell: Shell | None = None
    task: asyncio.Task[int] | None = None
    ending = Ending(hurried=True)
    try:
        desk = await open_desk()
        shell = make_shell(desk)
        if told_to_leave is not None:
            told_to_leave(shell.leave)
        if show_window:
            shell.window.show()
        shell.submitter.submit(list(files))
        if session is not None:
            task = asyncio.ensure_future(_run_session(session, shell))
        ending = await _until_the_end(shell, ended, task)
    finally:
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

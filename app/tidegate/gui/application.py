"""The Qt program from start to end: tray at once, then the engine on this very loop, the window, an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory, Qt
from PySide6.QtWidgets import QApplication

from tidegate.desktop.instance import Door
from tidegate.engine.ports import Desk
from tidegate.gui.attached import EngineLink
from tidegate.gui.entrance import Entrance
from tidegate.gui.garbage import GarbageCollection, keep_no_sources
from tidegate.gui.icons import application_icon
from tidegate.gui.shell import Ending, Shell
from tidegate.gui.signals import EndSignals
from tidegate.gui.theme import Theme
from tidegate.gui.tray.tray import Tray
from tidegate.submission.request import MachineFacts

if TYPE_CHECKING:
    from tidegate.paths import Paths
    from tidegate.settings import Settings

log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 1.7
"""After a signal the app is gone within 2 s, whatever still hangs; the keeper and the jobs go on."""
_GL = "GDK_GL"


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

    keep_no_sources()
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
    QLoggingCategory.setFilterRules("qt.qpa.services.warning=false\nqt.qpa.theme.gnome.warning=false")
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
        shell.submit(files)
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

"""A window on the engine of another process: says when that is gone, offers one of its own, and leaves it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from tidegate.engine.views import StatusView
from tidegate.gui import words
from tidegate.gui.tray.tray import Tray

if TYPE_CHECKING:
    from tidegate.gui.strip import Strip
    from tidegate.gui.widgets.message_bar import MessageBar

STATE = "engine"


class EngineLink(Protocol):
    """How the window is tied to an engine that is not its own."""

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]:
        """``watcher`` hears False when the engine is gone and True when there is one again, on the window's thread."""

    @property
    def remark(self) -> str | None:
        """What is to be known of an engine that answers: it is of another version. Watchers hear of a new one."""

    def start_engine_here(self, hidden: bool) -> None:
        """Once this application has ended it begins anew with an engine of its own."""


class Attachment(QObject):
    """``online`` is whether the engine is there now."""

    def __init__(
        self, link: EngineLink, tray: Tray, start_engine: Callable[[], object], came_back: Callable[[], object]
    ) -> None:
        super().__init__()
        self.online = True
        self._link = link
        self._tray = tray
        self._start_engine, self._came_back = start_engine, came_back
        self._window: tuple[MessageBar, Strip] | None = None
        self._end = link.watch(self._on_link)

    def show_in(self, messages: MessageBar, strip: Strip) -> None:
        """The window's, which is made when it is first wanted."""
        self._window = (messages, strip)
        self._show()

    def close(self) -> None:
        self._end()

    def _on_link(self, online: bool) -> None:
        self.online = online
        self._tray.show_offline(self._sentence())
        self._show()
        if online:
            self._came_back()

    def _show(self) -> None:
        if self._window is not None:
            from tidegate.gui.widgets.message_bar import Offer  # there is a window: its code is loaded

            messages, strip = self._window
            remark = self._link.remark
            offer = None if remark is not None else Offer(self.tr("Start an engine here"), self._start_engine)
            messages.set_state(STATE, remark or self._sentence(), offer)
            strip.show_offline(self._sentence())

    def _sentence(self) -> str | None:
        if self.online:
            return None
        return self._link.remark or self.tr(
            "The engine this window was attached to has ended. Running jobs go on; nothing new starts."
        )

    def ask_to_quit(
        self, status: StatusView, owner: QWidget | None, quit_now: Callable[[], object]
    ) -> QMessageBox | None:
        """Calls ``quit_now`` at once where nothing is left behind that a person should know of, else when answered."""
        if not self.online or not words.running_count(status) + words.waiting_count(status):
            quit_now()
            return None
        box = QMessageBox(owner)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(self.tr("Quit Tidegate"))
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setText(self.tr("The engine goes on without this window."))
        sentence = self.tr("It is another process ({pid}) and keeps its jobs: {counts}.")
        box.setInformativeText(sentence.format(pid=status.pid, counts=words.counts(status)))
        leave = box.addButton(self.tr("&Quit"), QMessageBox.ButtonRole.AcceptRole)
        leave.clicked.connect(lambda _checked=False: quit_now())
        box.setDefaultButton(leave)
        box.setEscapeButton(box.addButton(self.tr("Cancel"), QMessageBox.ButtonRole.RejectRole))
        box.open()
        return box

"""Toasts through the desktop's own notifier: one Protocol, and its implementation on ``desktop-notifier``.

The library (and D-Bus with it) is loaded when the first toast is to be shown: many days go without one.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from desktop_notifier import DesktopNotifier, Notification

log = logging.getLogger(__name__)

REMEMBERED = 64
"""Toasts that can still be replaced or withdrawn; older ones have long gone from any screen."""


class ToastFailed(Exception):
    """A toast could not be shown here; the text says why, for the log."""


@dataclass(frozen=True, slots=True)
class ToastButton:
    """``key`` comes back when it is pressed."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Toast:
    """One line title, one line text, at most two buttons. A toast with the ``id`` of another one takes its place."""

    id: str
    title: str
    text: str = ""
    buttons: tuple[ToastButton, ...] = ()
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the desktop's toasts can do: have buttons, tell of a click on the toast, have text below the title."""

    buttons: bool
    clicks: bool
    body: bool


@dataclass(slots=True)
class ToastEvents:
    """What a person did with a toast, by its id; called on the loop's thread. Nothing comes after one of these."""

    clicked: Callable[[str], object] = lambda _id: None
    pressed: Callable[[str, str], object] = lambda _id, _key: None
    dismissed: Callable[[str], object] = lambda _id: None


class Toaster(Protocol):
    """Shows toasts. Coroutines may hang with the desktop they talk to: whoever calls sets the time limit."""

    events: ToastEvents

    async def abilities(self) -> Abilities:
        """Raises ToastFailed where no toast can be shown now."""

    async def show(self, toast: Toast) -> None:
        """Shown, or in the place of the earlier one of this id. Raises ToastFailed."""

    async def withdraw(self, id: str) -> None:
        """Take it away if it is still there."""

    async def close(self) -> None:
        """Let go of the desktop; the toasts stay. The next ``show`` begins anew."""


class DesktopToaster:
    """The desktop's notifier: D-Bus on Linux, the notification centre on macOS, WinRT on Windows."""

    def __init__(self, name: str, icon: Path | None = None) -> None:
        self.events = ToastEvents()
        self._name = name
        self._icon = icon
        self._library: Any = None
        self._notifier: DesktopNotifier | None = None
        self._markup = False
        self._shown: dict[str, Notification] = {}

    async def abilities(self) -> Abilities:
        try:
            return await self._ask_abilities()
        except BaseException as error:
            raise self._failure(error) from error

    async def show(self, toast: Toast) -> None:
        try:
            await self._show(toast)
        except BaseException as error:
            raise self._failure(error) from error

    async def withdraw(self, id: str) -> None:
        known = self._shown.pop(id, None)
        if known is None or self._notifier is None:
            return
        try:
            await self._notifier.clear(known.identifier)
        except KeyError:
            pass  # The desktop took it away by itself: the library no longer knows its number.
        except BaseException as error:
            raise self._failure(error) from error

    async def close(self) -> None:
        self._drop()

    async def _ask_abilities(self) -> Abilities:
        notifier = await self._connected()
        able = self._library.Capability
        # Asked before each toast, but the library keeps the answer: only the first one goes to the desktop.
        can = await notifier.get_capabilities()
        if able.TITLE not in can:
            raise ToastFailed("this desktop shows no notifications of programs that are not installed in its way")
        return Abilities(able.BUTTONS in can, able.ON_CLICKED in can, able.MESSAGE in can)

    async def _connected(self) -> DesktopNotifier:
        if self._library is None:
            # In a thread: reading the modules takes longer than a frame.
            self._library = await asyncio.to_thread(_load_library)
            # It tells failures with a traceback for each toast; ours say it in a line.
            logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)
        if self._notifier is None:
            icon = None if self._icon is None else self._library.Icon(path=self._icon)
            made = self._library.DesktopNotifier(app_name=self._name, app_icon=icon)
            self._markup = await _reads_markup(made)
            self._notifier = made
        return self._notifier

    async def _show(self, toast: Toast) -> None:
        can = await self._ask_abilities()
        notifier = await self._connected()
        if toast.id in self._shown:
            # The library cannot replace: the old one goes first, so that two never lie on top of each other.
            await self.withdraw(toast.id)
        told = asyncio.Event()
        notification = self._notification(toast, can, told)
        self._shown[toast.id] = notification
        await notifier.send_notification(notification)
        if not told.is_set():
            raise ToastFailed("the desktop did not take the notification")
        while len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]

    def _notification(self, toast: Toast, can: Abilities, told: asyncio.Event) -> Notification:
        library, id = self._library, toast.id
        title = toast.title if can.body or not toast.text else f"{toast.title}: {toast.text}"
        buttons = tuple(
            library.Button(each.label, on_pressed=partial(self._on_pressed, id, each.key), identifier=each.key)
            for each in (toast.buttons if can.buttons else ())
        )
        made: Notification = library.Notification(
            title,
            self._as_body(toast.text),
            urgency=library.Urgency.Critical if toast.critical else library.Urgency.Normal,
            buttons=buttons,
            on_dispatched=told.set,
            on_clicked=partial(self._on_clicked, id),
            on_dismissed=partial(self._on_dismissed, id),
            thread=self._name,
        )
        return made

    def _as_body(self, text: str) -> str:
        """Where bodies are read as markup, a job called ``<b>`` is still called so."""
        return text if not self._markup else text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def _on_clicked(self, id: str) -> None:
        self._shown.pop(id, None)
        self.events.clicked(id)

    def _on_pressed(self, id: str, key: str) -> None:
        self._shown.pop(id, None)
        self.events.pressed(id, key)

    def _on_dismissed(self, id: str) -> None:
        self._shown.pop(id, None)
        self.events.dismissed(id)

    def _failure(self, error: BaseException) -> BaseException:
        """What is raised instead of ``error``; the connection is not trusted any more (a daemon may have gone)."""
        self._drop()
        if isinstance(error, ToastFailed) or not isinstance(error, Exception):
            return error
        return ToastFailed(f"the desktop's notifier: {type(error).__name__}: {error}")

    def _drop(self) -> None:
        notifier, self._notifier = self._notifier, None
        self._shown.clear()
        bus = getattr(getattr(notifier, "_backend", None), "bus", None)
        if bus is not None:
            bus.disconnect()


def _load_library() -> Any:
    library = importlib.import_module("desktop_notifier")
    # This platform's part of it, and D-Bus with that, would else be loaded on the loop.
    importlib.import_module("desktop_notifier.main").get_backend_class()
    return library


async def _reads_markup(notifier: DesktopNotifier) -> bool:
    """The library asks the D-Bus service for this too, but does not tell; elsewhere bodies are plain."""
    await notifier.get_capabilities()
    interface = getattr(getattr(notifier, "_backend", None), "interface", None)
    return interface is not None and "body-markup" in await interface.call_get_capabilities()

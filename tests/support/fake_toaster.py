"""A desktop for toasts, kept in memory: what is on its screen, and what a person does there."""

from __future__ import annotations

import asyncio

from tidegate.desktop.notifications import Abilities, Toast, ToastEvents, ToastFailed


class FakeToaster:
    """Implements ``Toaster``. ``shown`` are all that ever appeared, in order; ``screen`` those that are there now."""

    def __init__(self) -> None:
        self.events = ToastEvents()
        self.shown: list[Toast] = []
        self.screen: dict[str, Toast] = {}
        self.asked = 0
        self.broken: str | None = None
        """A sentence here makes everything fail."""
        self.hangs = False

    async def abilities(self) -> Abilities:
        await self._answer()
        return Abilities(buttons=True, clicks=True, body=True)

    async def show(self, toast: Toast) -> None:
        await self._answer()
        self.shown.append(toast)
        self.screen[toast.id] = toast

    async def withdraw(self, id: str) -> None:
        await self._answer()
        self.screen.pop(id, None)

    async def close(self) -> None:
        return None

    # --- what a person does

    def press(self, id: str, label: str) -> None:
        [key] = [button.key for button in self.screen.pop(id).buttons if button.label == label]
        self.events.pressed(id, key)

    def click(self, id: str) -> None:
        del self.screen[id]
        self.events.clicked(id)

    def dismiss(self, id: str) -> None:
        del self.screen[id]
        self.events.dismissed(id)

    async def _answer(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.broken is not None:
            raise ToastFailed(self.broken)
        await asyncio.sleep(0)

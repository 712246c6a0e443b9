"""What every Toaster keeps, the pretended one and the desktop's: shown, replaced, withdrawn, and a person's clicks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Protocol

from support.until import eventually
from tidegate.desktop.notifications import Toast, ToastButton, Toaster, ToastEvents


class Screen(Protocol):
    """The desktop as a person sees and uses it."""

    def titles(self) -> list[str]:
        """Of the toasts that can be seen now, in any order."""

    def press(self, title: str, label: str) -> None: ...

    def dismiss(self, title: str) -> None: ...


def a_toast(id: str, title: str) -> Toast:
    return Toast(
        id, title, "why <b>it</b> is & what next", (ToastButton("0", "Open log"), ToastButton("1", "Run again"))
    )


async def closing(story: Coroutine[object, object, None], toaster: Toaster) -> None:
    try:
        await story
    finally:
        await toaster.close()


class ToasterContract:
    """A subclass gives ``toaster``, ``screen`` and ``run`` (a coroutine to its end)."""

    def test_a_toast_is_shown_and_another_beside_it(
        self, run: Callable[..., object], toaster: Toaster, screen: Screen
    ) -> None:
        async def story() -> None:
            can = await toaster.abilities()
            assert can.buttons
            assert can.body
            await toaster.show(a_toast("a", "first"))
            await toaster.show(a_toast("b", "second"))
            await eventually(lambda: sorted(screen.titles()) == ["first", "second"])
            await toaster.withdraw("a")
            await eventually(lambda: screen.titles() == ["second"])
            await toaster.withdraw("b")
            await toaster.withdraw("b")
            await toaster.withdraw("never shown")
            await eventually(lambda: screen.titles() == [])

        run(closing(story(), toaster))

    def test_one_of_the_same_id_takes_its_place(
        self, run: Callable[..., object], toaster: Toaster, screen: Screen
    ) -> None:
        async def story() -> None:
            for title in ("1 job failed", "2 jobs failed", "3 jobs failed"):
                await toaster.show(a_toast("a", title))
                await eventually(lambda title=title: screen.titles() == [title])  # type: ignore[misc]
            await toaster.withdraw("a")

        run(closing(story(), toaster))

    def test_a_button_is_told_once_with_its_key(
        self, run: Callable[..., object], toaster: Toaster, screen: Screen
    ) -> None:
        async def story() -> None:
            heard: list[tuple[str, ...]] = []
            toaster.events = ToastEvents(
                clicked=lambda toast: heard.append(("clicked", toast)),
                pressed=lambda toast, key: heard.append(("pressed", toast, key)),
                dismissed=lambda toast: heard.append(("dismissed", toast)),
            )
            await toaster.show(a_toast("a", "first"))
            await eventually(lambda: screen.titles() == ["first"])
            screen.press("first", "Run again")
            await eventually(lambda: heard)
            await eventually(lambda: screen.titles() == [])
            await toaster.show(a_toast("b", "second"))
            await eventually(lambda: screen.titles() == ["second"])
            screen.dismiss("second")
            await eventually(lambda: len(heard) == 2)
            assert heard == [("pressed", "a", "1"), ("dismissed", "b")]

        run(closing(story(), toaster))

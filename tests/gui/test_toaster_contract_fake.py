"""The pretended desktop keeps the contract of a Toaster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from contracts.toaster_contract import ToasterContract
from support.fake_toaster import FakeToaster


class FakeScreen:
    def __init__(self, toaster: FakeToaster) -> None:
        self._toaster = toaster

    def titles(self) -> list[str]:
        return [toast.title for toast in self._toaster.screen.values()]

    def press(self, title: str, label: str) -> None:
        self._toaster.press(self._id(title), label)

    def dismiss(self, title: str) -> None:
        self._toaster.dismiss(self._id(title))

    def _id(self, title: str) -> str:
        return next(id for id, toast in self._toaster.screen.items() if toast.title == title)


class TestFakeToaster(ToasterContract):
    @pytest.fixture
    def run(self) -> Callable[..., object]:
        return asyncio.run

    @pytest.fixture
    def toaster(self) -> FakeToaster:
        return FakeToaster()

    @pytest.fixture
    def screen(self, toaster: FakeToaster) -> FakeScreen:
        return FakeScreen(toaster)

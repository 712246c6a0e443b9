"""Waiting for a real condition in tests that drive real threads, processes or windows: a deadline, never a sleep."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

_pulse = threading.Event()


def until(predicate: Callable[[], object], timeout_s: float = 10.0, step_s: float = 0.01) -> object:
    """The first true value of ``predicate``; AssertionError when it stays false for ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"still not true after {timeout_s:g} s: {predicate}"
        _pulse.wait(step_s)


async def eventually(predicate: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Let the loop turn until ``predicate`` holds."""
    async with asyncio.timeout(timeout_s):
        while not predicate():
            await asyncio.sleep(0.005)

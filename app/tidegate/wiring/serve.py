"""``tidegate serve``: the engine on a plain asyncio loop, without a window."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from tidegate.wiring.opening import prepare, refusals, refused
from tidegate.wiring.program import Program

log = logging.getLogger(__name__)

LEAVE_WITHIN_S = 1.2
"""After a signal the engine is gone within 2 s, whatever hangs (D1)."""


def serve(*, auto: bool, overrides: dict[str, str]) -> int:
    """The engine without a window, until SIGTERM, SIGINT or ``tidegate shutdown``; returns the exit code."""
    program = prepare("auto" if auto else "serve", overrides, foreground=not auto)
    if isinstance(program, int):
        return program
    return asyncio.run(_serve(program))


async def _serve(program: Program) -> int:
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    try:
        await program.open()
    except refusals() as refusal:
        await program.close()
        return refused(refusal)
    except Exception as error:
        log.exception("the engine could not start")
        print(f"tidegate: the engine could not start: {error}", file=sys.stderr)
        await program.close()
        return 1
    assert program.ended is not None
    waits = [asyncio.ensure_future(leave.wait()), asyncio.ensure_future(program.ended.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if not program.ended.is_set():
        try:
            await asyncio.wait_for(program.close(), LEAVE_WITHIN_S)
        except TimeoutError:
            log.warning("not everything was closed within %.1f s; leaving, jobs go on under the keeper", LEAVE_WITHIN_S)
    for wait in waits:
        wait.cancel()
    return 0

"""The live rehearsal: recorded jobs replayed under every strategy, in a process of its own (``ports.Rehearsal``)."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from tidegate.cli import replaying
from tidegate.core.measures import Measures
from tidegate.core.switching import Rehearsed
from tidegate.settings import find_setting

log = logging.getLogger(__name__)

WITHIN_S = 1800.0


class LiveRehearsal:
    """``call_soon`` brings a call to the engine's thread; ``overrides`` are the settings of our command line."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], None], overrides: Mapping[str, str]) -> None:
        self._call_soon = call_soon
        self._environ = dict(os.environ)
        for name, text in overrides.items():
            setting = find_setting(name)
            if setting is not None:
                self._environ[setting.variable] = text
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Of the replay that is on; what it takes of the processor is ours, not other programs'."""
        process = self._process
        return None if process is None else process.pid

    def begin(self, done: Callable[[Sequence[Rehearsed] | str], None]) -> None:
        self._stopped = False
        # On a thread: to start a process takes longer than the engine's loop may.
        threading.Thread(target=self._run, args=(done,), name="tidegate-rehearsal", daemon=True).start()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _run(self, done: Callable[[Sequence[Rehearsed] | str], None]) -> None:
        found: Sequence[Rehearsed] | str
        try:
            found = self._replay()
        except Exception as error:
            log.exception("the replay failed")
            found = f"{type(error).__name__}: {error}"
        self._call_soon(lambda: done(found))

    def _replay(self) -> Sequence[Rehearsed] | str:
        with self._lock:
            if self._stopped:
                return "it was broken off"
            self._process = process = replaying.begin(self._environ, quiet=True)
        try:
            answer = replaying.result(process, WITHIN_S)
        finally:
            with self._lock:
                self._process = None
        return answer if isinstance(answer, str) else rehearsed(answer)


def rehearsed(answer: Mapping[str, Any]) -> list[Rehearsed]:
    """What ``simulate --json`` printed, without strategies that raised."""
    names = [each.name for each in fields(Measures)]
    return [
        Rehearsed(each["strategy"], Measures(**{name: each[name] for name in names}), each["unfinished"])
        for each in answer["results"]
        if each["switched_off"] is None
    ]

"""From a slot to the engine: runs a coroutine, keeps it alive, and says in the window what was refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, assert_never

from PySide6.QtCore import QObject, Signal

from tidegate.core.job import JobId
from tidegate.core.texts import as_sentence
from tidegate.engine.ports import (
    Answer,
    ApplyHint,
    Command,
    CommandResult,
    Desk,
    EngineUnwilling,
    Errand,
    ResolveConflict,
    Verb,
)

log = logging.getLogger(__name__)

SENTENCES_SHOWN = 3


class Commands(QObject):
    """The one door for everything a person asks. ``failed(str)`` carries sentences for the message bar.

    ``refused(str, Command)`` instead, when something else may be asked for: the sentence, and that.
    """

    failed = Signal(str)
    refused = Signal(str, object)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        # The loop holds tasks weakly: one that nobody holds may be collected while it waits.
        self._running: set[asyncio.Task[Any]] = set()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a coroutine from a slot; its failure becomes a sentence."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._on_done)
        return task

    def send(self, verb: Verb, ids: Sequence[str] | None, **options: Any) -> asyncio.Task[Any]:
        """Ask for ``verb`` on these jobs (None: the whole queue)."""
        chosen = None if ids is None else tuple(JobId.parse(id) for id in ids)
        return self.run(self._command(Command(verb, chosen, **options)))

    async def settle(self) -> None:
        """Wait for what was asked so far (before the window goes)."""
        if self._running:
            await asyncio.wait(self._running, timeout=1.0)

    async def _carry_out(self, errand: Errand) -> None:
        match errand:
            case Command():
                await self._command(errand)
            case ResolveConflict(id, way):
                self._tell_refusal(await self.desk.resolve_conflict(id, way))
            case ApplyHint(id):
                self._tell_refusal(await self.desk.apply_hint(id))
            case _:
                assert_never(errand)

    async def _dismiss(self, hint: int) -> None:
        self._tell_refusal(await self.desk.dismiss_hint(hint))

    def _tell_refusal(self, result: CommandResult) -> None:
        if result.answer is not Answer.DONE:
            self.failed.emit(self._summary([result]))

    async def _command(self, command: Command) -> None:
        refused = [each for each in await self.desk.command(command) if each.answer is not Answer.DONE]
        if not refused:
            return
        offers = {each.offer for each in refused}
        ids = tuple(each.id for each in refused if each.id is not None)
        offer = offers.pop() if len(offers) == 1 else None
        if offer is None:
            self.failed.emit(self._summary(refused))
        else:
            self.refused.emit(self._summary(refused), Command(offer, ids))

    def ask(self, errand: Errand) -> asyncio.Task[Any]:
        """The same for what is made already: a command, or what a conflict or a hint offers."""
        return self.run(self._carry_out(errand))

    def dismiss(self, hint: int) -> asyncio.Task[Any]:
        """This hint was read; it goes, and does not come back for the same jobs."""
        return self.run(self._dismiss(hint))

    def _summary(self, refused: Sequence[CommandResult]) -> str:
        sentences = list(dict.fromkeys(each.sentence for each in refused))
        shown = sentences[:SENTENCES_SHOWN]
        rest = len(sentences) - len(shown)
        if rest:
            shown.append(self.tr("{count} more were refused.").format(count=rest))
        return " ".join(as_sentence(sentence) for sentence in shown)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if isinstance(error, EngineUnwilling):
            self.failed.emit(str(error))
            return
        log.error("a command from the window failed", exc_info=error)
        self.failed.emit(self.tr("That did not work: {error}").format(error=error))

"""Hints in the engine: given when what they say lasts, followed or dismissed, and closed when outlived."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.core.advice.detect import find_hints
from tidegate.core.hints import Hint
from tidegate.core.job import JobId
from tidegate.core.plan import Plan
from tidegate.engine import advice_words
from tidegate.engine.commands import run_steps
from tidegate.engine.findings import SWITCHED_OFF, Findings
from tidegate.engine.ports import Answer, CommandResult, HintRecord, Restored
from tidegate.engine.views import HintView, WayView

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

META_NEXT_HINT = "next_hint"
REFRESH_S = 60.0
# The same advice is not told of twice a day, though what it is about ended in between.
AGAIN_S = 86_400.0


class Hints:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.book: Findings[Hint, HintView] = Findings(lambda view: (-view.at, -view.id), META_NEXT_HINT)
        self.unwritten: dict[int, HintRecord] = {}
        self._dismissed: set[str] = set()
        self._shown_at: dict[str, float] = {}
        self._told_at: dict[str, float] = {}

    def restore(self, restored: Restored, now: float) -> None:
        """Open ones go on under their numbers; what was dismissed does not come back."""
        open_ones = {record.key: record.view for record in restored.hints if record.view.closed_at is None}
        self._dismissed = {record.key for record in restored.hints if record.unwanted}
        unwanted = {record.key: record.view for record in restored.hints if record.unwanted}
        self.book.restore(restored.meta.get(META_NEXT_HINT), open_ones, unwanted, now)
        self._told_at = dict.fromkeys(open_ones, now)

    def rebase(self, jump_s: float) -> None:
        self.book.lasting.rebase(jump_s)
        self._shown_at.clear()
        self._told_at = {key: at + jump_s for key, at in self._told_at.items()}

    def look(self, plan: Plan, now: float) -> None:
        found = [hint for hint in find_hints(self._engine.state, plan, now) if hint.key not in self._dismissed]
        begun, lasting, over = self.book.observe(now, found)
        for hint in begun:
            self._show(hint, now, self.book.number(), now)
            view = self.book.view(hint.key)
            self._engine.note("hint", f"Hint {view.id}: {view.title}. {view.message}", now, _first(view))
        for hint in lasting:
            self._refresh(hint, now)
        for hint in (*begun, *lasting):
            if hint.told and now - self._told_at.get(hint.key, now - AGAIN_S) >= AGAIN_S:
                self._told_at[hint.key] = now
                self._engine.telling.tell(advice_words.hint_notice(self.book.view(hint.key), now))
        for key in over:
            self._close(key, now, self.book.went_away(key))

    def switch_off(self, now: float) -> None:
        for key in self.book.open_keys():
            self._close(key, now, SWITCHED_OFF)
            self.book.lasting.forget(key)

    def _show(self, hint: Hint, now: float, id: int, at: float) -> None:
        view = HintView(
            id=id,
            type=hint.type.value,
            code=hint.code,
            title=hint.title,
            message=hint.message,
            jobs=tuple(map(str, hint.jobs)),
            at=at,
            action=_way(hint),
            numbers=dict(hint.numbers),
        )
        self._shown_at[hint.key] = now
        self._put(hint.key, view)

    def _refresh(self, hint: Hint, now: float) -> None:
        shown = self.book.view(hint.key)
        moved = shown.action != _way(hint) or shown.jobs != tuple(map(str, hint.jobs))
        if moved or now - self._shown_at.get(hint.key, now - REFRESH_S) >= REFRESH_S:
            self._show(hint, now, shown.id, shown.at)

    def _put(self, key: str, view: HintView, unwanted: bool = False) -> None:
        self.unwritten[view.id] = HintRecord(key, view, unwanted)
        self.book.put(key, view)

    def _close(self, key: str, now: float, because: str, unwanted: bool = False) -> None:
        view = replace(self.book.view(key), closed_at=now, closed_because=because, action=None)
        self.book.lasting.mute(key)
        self._put(key, view, unwanted)
        self._shown_at.pop(key, None)
        self._engine.note("hint", f"Hint {view.id} ended: {because}", now, _first(view))

    # --- asking ------------------------------------------------------------------------------------------------------

    async def apply(self, id: int) -> CommandResult:
        """Carry out what it advises."""
        key = self.book.key_of(id)
        if key is None:
            return self._not_open(id)
        hint = self.book.found.get(key)
        if hint is None or hint.action is None:
            return CommandResult(None, Answer.REFUSED, f"hint {id} has nothing that could be done by a click")
        results = await run_steps(self._engine, hint.action.steps)
        done = "; ".join(result.sentence for result in results if result.answer is Answer.DONE)
        if not done:
            return CommandResult(None, Answer.REFUSED, "; ".join(result.sentence for result in results))
        if self.book.key_of(id) is not None:
            self._close(key, self._engine.clock.now(), f"You followed it: {done}.")
        return CommandResult(None, Answer.DONE, f"followed hint {id}: {done}")

    async def dismiss(self, id: int) -> CommandResult:
        key = self.book.key_of(id)
        if key is None:
            return self._not_open(id)
        self._dismissed.add(key)
        self._close(key, self._engine.clock.now(), "You dismissed it.", unwanted=True)
        return CommandResult(None, Answer.DONE, f"dismissed hint {id}")

    def _not_open(self, id: int) -> CommandResult:
        known, why = self.book.why_closed("hint", id)
        return CommandResult(None, Answer.REFUSED if known else Answer.UNKNOWN, why)


def _way(hint: Hint) -> WayView | None:
    return None if hint.action is None else WayView(hint.action.name, hint.action.label)


def _first(view: HintView) -> JobId | None:
    return JobId.parse(view.jobs[0]) if view.jobs else None

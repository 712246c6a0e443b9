"""The advisor: looks for conflicts and hints now and then, never on the way of a plan, and hands on what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

from tidegate.core.conflicts import AdvicePolicy
from tidegate.engine.conflicts import Conflicts
from tidegate.engine.hints import Hints
from tidegate.engine.ports import CommandResult, ConflictRecord, HintRecord, Restored
from tidegate.engine.views import ConflictView, HintView

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

log = logging.getLogger(__name__)

# Each of the two; they take turns, so that one sample never pays for both.
LOOK_EVERY_S = 2.0


class Advisor:
    """``conflicts`` and ``hints`` are the open ones; both are replaced whole, so that any thread may read them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._conflicts = Conflicts(engine)
        self._hints = Hints(engine)
        self._conflicts_at = self._hints_at = 0.0
        self.policy = AdvicePolicy()

    @property
    def conflicts(self) -> tuple[ConflictView, ...]:
        """The worst first."""
        return self._conflicts.book.open

    @property
    def hints(self) -> tuple[HintView, ...]:
        """The newest first."""
        return self._hints.book.open

    @property
    def closed_conflicts(self) -> tuple[ConflictView, ...]:
        return tuple(self._conflicts.book.ended)

    @property
    def closed_hints(self) -> tuple[HintView, ...]:
        return tuple(self._hints.book.ended)

    def set_policy(self, policy: AdvicePolicy) -> None:
        """Another way to settle, or nothing to look for, from the next look on."""
        self.policy = policy

    def restore(self, restored: Restored, now: float) -> None:
        self._conflicts.restore(restored, now)
        self._hints.restore(restored, now)

    def rebase(self, jump_s: float) -> None:
        self._conflicts.rebase(jump_s)
        self._hints.rebase(jump_s)
        self._conflicts_at += jump_s
        self._hints_at += jump_s

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """With a timed sample: one kind at most, the one that has waited longest, and each only every two seconds."""
        plan = self._engine.plan
        if plan is None:
            return
        if self._conflicts_at <= min(now, self._hints_at):
            self._conflicts_at = now + LOOK_EVERY_S
            if self.policy.conflicts:
                self._guarded(lambda: self._conflicts.look(plan, now, self.policy))
            else:
                self._conflicts.switch_off(now)
        elif now >= self._hints_at:
            self._hints_at = now + LOOK_EVERY_S
            if self.policy.hints:
                self._guarded(lambda: self._hints.look(plan, now))
            else:
                self._hints.switch_off(now)

    def _guarded(self, look: Callable[[], None]) -> None:
        """A bug of theirs must disarm nobody, so it costs only this look."""
        try:
            look()
        except Exception:
            log.exception("the rules for conflicts or hints failed; this look goes on without them")

    # --- asking ------------------------------------------------------------------------------------------------------

    async def resolve(self, id: int, way: str | None = None) -> CommandResult:
        """Settle an open conflict in one of its ways (None: the proposed one)."""
        result = await self._conflicts.resolve(id, way)
        self._engine.tick()
        return result

    async def apply(self, id: int) -> CommandResult:
        """Carry out what a hint advises."""
        result = await self._hints.apply(id)
        self._engine.tick()
        return result

    async def dismiss(self, id: int) -> CommandResult:
        """It was read, and does not come back for the same jobs."""
        result = await self._hints.dismiss(id)
        self._engine.tick()
        return result

    # --- handing on --------------------------------------------------------------------------------------------------

    def take_unwritten(
        self,
    ) -> tuple[tuple[ConflictRecord, ...], tuple[HintRecord, ...], tuple[tuple[str, str], ...]]:
        """What moved since the last call, for the journal, with the numbers that the next ones will have."""
        conflicts, hints = self._conflicts.unwritten, self._hints.unwritten
        if not conflicts and not hints:
            return (), (), ()
        taken = tuple(conflicts.values()), tuple(hints.values())
        conflicts.clear()
        hints.clear()
        return *taken, (self._conflicts.book.counter(), self._hints.book.counter())

    @property
    def unpublished(self) -> bool:
        return bool(self._conflicts.book.unpublished or self._hints.book.unpublished)

    def take_unpublished(self) -> tuple[tuple[ConflictView, ...], tuple[HintView, ...]]:
        """What is new, changed or closed since the last call, for the views."""
        return self._conflicts.book.take_unpublished(), self._hints.book.take_unpublished()

    def recent(self) -> tuple[tuple[ConflictView, ...], tuple[HintView, ...]]:
        """All that is open, and what ended lately: for a view that missed something."""
        return (
            tuple(chain(self.closed_conflicts, self.conflicts)),
            tuple(chain(self.closed_hints, self.hints)),
        )

"""The strategist: tells which strategies were switched off, and where the settings say auto, chooses one (D8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from tidegate.core import events as e
from tidegate.core.machine import Mode
from tidegate.core.state import AUTO, FALLBACK_STRATEGY
from tidegate.core.switching import Rehearsed, judge
from tidegate.core.texts import as_sentence
from tidegate.engine.ports import Notice, NoticeKind, Rehearsal
from tidegate.engine.views import AutoView

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

log = logging.getLogger(__name__)

META_AUTO = "auto_strategy"
LOOK_EVERY_S = 3600.0
ENOUGH_JOBS = 20


class Strategist:
    """``warnings`` are sentences about strategies that do not order their queues, ``auto`` is what auto has come to;
    both are replaced whole, for any thread. ``rehearsal`` replays recorded jobs; without one auto never switches.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: dict[str, str] = {}
        self._rehearsing = False
        self._unwritten = False
        self.rehearsal: Rehearsal | None = None
        self.warnings: tuple[str, ...] = ()
        self.auto = AutoView(FALLBACK_STRATEGY)

    # --- switched off ------------------------------------------------------------------------------------------------

    def tell_switched_off(self, now: float) -> None:
        """A strategy that raised, or is not there, is told of once; the settings may switch it on again."""
        switched_off = self._engine.state.switched_off
        if switched_off == self._told:
            return
        for name in switched_off.keys() - self._told.keys():
            text = self._sentence(name, switched_off[name])
            self._engine.note("strategy", text, now)
            title = f"The strategy {name} was switched off"
            self._engine.telling.tell(Notice(now, title, text, level="error", kind=NoticeKind.ENGINE))
        self._told = dict(switched_off)
        self.warnings = tuple(self._sentence(name, why) for name, why in switched_off.items())

    def _sentence(self, name: str, why: str) -> str:
        return f"The strategy {name} is switched off: {why}. Its queues go on under {FALLBACK_STRATEGY}."

    # --- auto --------------------------------------------------------------------------------------------------------

    def restore(self, text: str | None, now: float) -> None:
        """Go on with what auto had come to when the last engine ended."""
        self.auto = auto_from(text)
        if (self.auto.looked_at or 0.0) > now:
            self.auto = replace(self.auto, looked_at=now)  # the clock was set back meanwhile
        if self.auto.strategy != self._engine.state.chosen:
            self._engine.store.apply(e.StrategyChosen(now, self.auto.strategy, self.auto.why or ""))

    def rebase(self, jump_s: float) -> None:
        """The clock jumped: the next replay is as far away as it was."""
        if self.auto.looked_at is not None:
            self.auto = replace(self.auto, looked_at=self.auto.looked_at + jump_s)

    def look(self, now: float) -> None:
        """With a timed sample: replay what was recorded, once an hour at most and only while the machine is at ease."""
        at_ease = self._engine.state.machine.mode is Mode.NORMAL
        if self._rehearsing and not at_ease:
            self._stop()
            self._note(now, replace(self.auto, found="the replay was broken off: the machine got busy"))
        if self.rehearsal is None or self._rehearsing or not at_ease:
            return
        if self._engine.state.policy.strategy != AUTO:
            return
        looked_at = self.auto.looked_at
        if (looked_at is None or now - looked_at >= LOOK_EVERY_S) and self._knows_enough_new(looked_at):
            self._rehearsing = True
            # Written down before it is done: an engine that is started again and again replays no more often.
            self._note(now, replace(self.auto, looked_at=now))
            self.rehearsal.begin(self._take_in)

    def close(self) -> None:
        """Nobody will hear what comes of a replay."""
        if self._rehearsing:
            self._stop()

    def _stop(self) -> None:
        self._rehearsing = False
        if self.rehearsal is not None:
            self.rehearsal.stop()

    def _knows_enough_new(self, since: float | None) -> bool:
        """So many jobs ran to their end since then, of those in memory."""
        state, found = self._engine.state, 0
        for id in reversed(state.finished_order):
            job = state.jobs[id]
            if since is not None and getattr(job.status, "at", since) <= since:
                break
            found += bool(job.attempts)
            if found >= min(ENOUGH_JOBS, self._engine.finished_in_memory):
                return True
        return False

    def _take_in(self, found: Sequence[Rehearsed] | str) -> None:
        """What came of the replay: figures for each strategy, or why there are none."""
        if not self._rehearsing or self._engine.closed:
            return
        self._rehearsing = False
        engine, now = self._engine, self._engine.clock.now()
        if isinstance(found, str):
            log.warning("the recorded jobs could not be replayed: %s", found)
            self._note(now, replace(self.auto, found=f"the recorded jobs could not be replayed: {found}"))
            return
        if engine.state.policy.strategy != AUTO:
            return
        switched_off = engine.state.switched_off
        in_use = FALLBACK_STRATEGY if engine.state.chosen in switched_off else engine.state.chosen
        chosen, why = judge(in_use, [each for each in found if each.strategy not in switched_off])
        if chosen == in_use:
            self._note(now, replace(self.auto, found=why))
            return
        engine.record(e.StrategyChosen(now, chosen, why))
        title = f"The strategy is {chosen} now"
        engine.telling.tell(Notice(now, title, as_sentence(why), kind=NoticeKind.ENGINE, urgent=False))
        self._note(now, replace(self.auto, strategy=chosen, chosen_at=now, why=why, found=None))
        engine.tick()

    def _note(self, now: float, auto: AutoView) -> None:
        """Keep it, and write it down with the next batch."""
        if auto.found is not None and auto.found != self.auto.found:
            self._engine.note("strategy", f"auto: {auto.found}.", now)
        self.auto = auto
        self._unwritten = True

    def take_unwritten(self) -> tuple[tuple[str, str], ...]:
        """What moved since the last call, for the journal."""
        if not self._unwritten:
            return ()
        self._unwritten = False
        return ((META_AUTO, json.dumps(asdict(self.auto))),)


def auto_from(text: str | None) -> AutoView:
    """What was written down; of one that another version wrote, as much as is understood."""
    try:
        found = json.loads(text or "{}")
        known = {name: found[name] for name in AutoView.__dataclass_fields__ if name in found}
        return AutoView(**{"strategy": FALLBACK_STRATEGY, **known})
    except (ValueError, TypeError):
        return AutoView(FALLBACK_STRATEGY)

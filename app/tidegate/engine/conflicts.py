"""Conflicts in the engine: opened when they last, told, settled by hand or by policy, and closed when they are over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.core.advice.detect import find_conflicts
from tidegate.core.advice.ways import LEAVE_IT
from tidegate.core.conflicts import BY_HAND, LEAVE, AdvicePolicy, Conflict, Proposal, Severity
from tidegate.core.job import JobId
from tidegate.core.plan import Plan
from tidegate.engine import advice_words, settling
from tidegate.engine.commands import do_steps, run_steps
from tidegate.engine.findings import SWITCHED_OFF, Findings
from tidegate.engine.ports import Answer, CommandResult, ConflictRecord, Restored, Settlement
from tidegate.engine.views import ConflictView, WayView

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

META_NEXT_CONFLICT = "next_conflict"
# Figures that move with every look are shown anew only so often.
REFRESH_S = 30.0
# What can wait is not told of again so soon, though it ended in between.
AGAIN_S = 3600.0

_RANK = {severity.value: rank for rank, severity in enumerate(reversed(Severity))}
# What is low only stands in the list; what is medium is gathered; what is more cannot wait.
_LOUD = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2, Severity.CRITICAL: 2}


class Conflicts:
    """``settlements`` are what is being done about open ones, by their keys."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.book: Findings[Conflict, ConflictView] = Findings(
            lambda view: (_RANK[view.severity], view.detected_at, view.id), META_NEXT_CONFLICT
        )
        self.settlements: dict[str, Settlement] = {}
        self.unwritten: dict[int, ConflictRecord] = {}
        self._shown_at: dict[str, float] = {}
        self._last: dict[str, Conflict] = {}
        self._tried: set[tuple[int, str]] = set()
        self._told: dict[str, tuple[int, int, float]] = {}

    def restore(self, restored: Restored, now: float) -> None:
        """Open ones go on under their numbers, and so does what is being done about them."""
        open_ones = {record.key: record.view for record in restored.conflicts if record.view.closed_at is None}
        unwanted = {record.key: record.view for record in restored.conflicts if record.unwanted}
        self.book.restore(restored.meta.get(META_NEXT_CONFLICT), open_ones, unwanted, now)
        for record in restored.conflicts:
            if record.settlement is not None and record.view.closed_at is None:
                self.settlements[record.key] = record.settlement
        for key, view in open_ones.items():
            self._told[key] = (view.id, _LOUD[Severity(view.severity)], now)

    def rebase(self, jump_s: float) -> None:
        self.book.lasting.rebase(jump_s)
        self._shown_at.clear()
        for key, settlement in self.settlements.items():
            self.settlements[key] = replace(settlement, since=settlement.since + jump_s)
        self._told = {key: (id, loud, at + jump_s) for key, (id, loud, at) in self._told.items()}

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self, plan: Plan, now: float, policy: AdvicePolicy) -> None:
        """One look: what is new, what changed, what is over, and whose turn it is."""
        begun, lasting, over = self.book.observe(now, find_conflicts(self._engine.state, plan, now))
        numbers = [self.book.number() for _ in begun]
        for conflict, id in zip(begun, numbers, strict=True):
            self._show(conflict, now, id, now)
        for conflict in lasting:
            self._refresh(conflict, now)
        for key in over:
            if key not in self.settlements:
                self._close(key, now, self.book.went_away(key))
        self._settle_by_policy(policy, now)
        for conflict, id in zip(begun, numbers, strict=True):
            self._note_found(conflict.key, id, now)
        for conflict in lasting:
            if conflict.key in self.book.open_keys() and conflict.key not in self.settlements:
                self._tell(conflict.key, self.book.view(conflict.key), now)
        self._tend(policy.quantum_s, now)

    def switch_off(self, now: float) -> None:
        """Nobody looks any more: nothing stays open, and nobody rests for it."""
        for key in self.book.open_keys():
            self._close(key, now, SWITCHED_OFF)
            self.book.lasting.forget(key)

    def _show(self, conflict: Conflict, now: float, id: int, detected_at: float) -> None:
        settlement = self.settlements.get(conflict.key)
        sentence = conflict.sentence
        if settlement is not None:
            sentence += " " + settling.sentence(settlement, self._engine.advisor.policy.quantum_s, now)
        view = ConflictView(
            id=id,
            kind=conflict.kind.value,
            severity=conflict.severity.value,
            resource=conflict.resource,
            jobs=tuple(map(str, conflict.jobs)),
            sentence=sentence,
            detected_at=detected_at,
            ways=_ways(conflict),
            numbers=dict(conflict.numbers),
        )
        self._shown_at[conflict.key] = now
        self._last[conflict.key] = conflict
        self._put(conflict.key, view)

    def _refresh(self, conflict: Conflict, now: float) -> None:
        shown = self.book.view(conflict.key)
        moved = (
            shown.severity != conflict.severity.value
            or shown.jobs != tuple(map(str, conflict.jobs))
            or shown.ways != _ways(conflict)
        )
        if moved or now - self._shown_at.get(conflict.key, now - REFRESH_S) >= REFRESH_S:
            self._show(conflict, now, shown.id, shown.detected_at)

    def _show_again(self, key: str, now: float) -> None:
        """As it was last seen, with what is being done about it now."""
        view, conflict = self.book.view(key), self._last.get(key)
        if conflict is not None:
            self._show(conflict, now, view.id, view.detected_at)
        else:
            self._put(key, view)

    def _put(self, key: str, view: ConflictView, unwanted: bool = False) -> None:
        self.unwritten[view.id] = ConflictRecord(key, view, self.settlements.get(key), unwanted)
        self.book.put(key, view)

    def _note_found(self, key: str, id: int, now: float) -> None:
        """After the policy had its turn, so that one word says both."""
        view = self.book.latest(id)
        view = replace(view, sentence=f"{view.sentence} {view.closed_because or ''}".rstrip())
        self._note(f"Conflict {id}: {view.sentence}", now, JobId.parse(view.jobs[0]))
        self._tell(key, view, now)

    def _tell(self, key: str, view: ConflictView, now: float) -> None:
        """Once, and again when it has become graver."""
        loud, (id, told, at) = _LOUD[Severity(view.severity)], self._told.get(key, (0, 0, now))
        if id == view.id and loud <= told:
            return
        if loud == 2 or (loud and (id == view.id or now - at >= AGAIN_S or not told)):
            self._engine.telling.tell(advice_words.conflict_notice(view, now))
            self._told = {known: each for known, each in self._told.items() if now - each[2] < AGAIN_S}
            self._told[key] = (view.id, loud, now)

    def _note(self, sentence: str, now: float, job: JobId | None) -> None:
        self._engine.note("conflict", sentence, now, job)

    def _close(self, key: str, now: float, because: str, unwanted: bool = False) -> None:
        """It is over: who rests for it goes on."""
        view = replace(self.book.view(key), closed_at=now, closed_because=because, ways=())
        settlement = self.settlements.pop(key, None)
        if unwanted or settlement is None:
            self.book.lasting.mute(key)
        else:
            self.book.lasting.forget(key)
        self._put(key, view, unwanted)
        self._shown_at.pop(key, None)
        self._last.pop(key, None)
        self._tried = {tried for tried in self._tried if tried[0] != view.id}
        self._note(f"Conflict {view.id} ended: {because}", now, JobId.parse(view.jobs[0]) if view.jobs else None)
        if settlement is not None:
            do_steps(self._engine, settling.let_go(self._engine.state, settlement))

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle_by_policy(self, policy: AdvicePolicy, now: float) -> None:
        """Each is tried once; what the policy has no way for is left to be settled by hand."""
        if policy.resolve == BY_HAND:
            return
        for view in self.book.open:
            key = self.book.key_of(view.id)
            conflict = self._last.get(key or "")
            if key is None or conflict is None or key in self.settlements or (view.id, policy.resolve) in self._tried:
                continue
            self._tried.add((view.id, policy.resolve))
            way = next((way for way in conflict.proposals if way.name == policy.resolve), None)
            if way is not None:
                self._settled(key, way, do_steps(self._engine, way.steps, settling.why(way)), now, "by policy")

    async def resolve(self, id: int, way: str | None) -> CommandResult:
        """By hand, in one of its ways."""
        key = self.book.key_of(id)
        if key is None:
            known, why = self.book.why_closed("conflict", id)
            return CommandResult(None, Answer.REFUSED if known else Answer.UNKNOWN, why)
        now = self._engine.clock.now()
        conflict = self._last.get(key)
        proposals = conflict.proposals if conflict is not None else (LEAVE_IT,)
        # Who names no way wants something done; leaving it is only done where it is asked for.
        fitting = [each for each in proposals if (each is not LEAVE_IT if way is None else each.name == way)]
        chosen = fitting[0] if fitting else None
        if chosen is None:
            what = "there is nothing to propose" if way is None else f'"{way}" is no way'
            accepted = ", ".join(dict.fromkeys(each.name for each in proposals))
            return CommandResult(None, Answer.REFUSED, f"{what} to settle conflict {id}; accepted: {accepted}")
        if chosen.name == LEAVE:
            self._close(key, now, "You left it as it is.", unwanted=True)
            return CommandResult(None, Answer.DONE, f"left conflict {id} as it is")
        before = self.settlements.pop(key, None)
        if before is not None:
            do_steps(self._engine, settling.let_go(self._engine.state, before))
        results = await run_steps(self._engine, chosen.steps, settling.why(chosen))
        if self.book.key_of(id) is None:
            in_vain = settling.begin(chosen, _done(results), now)
            if in_vain is not None:
                do_steps(self._engine, settling.let_go(self._engine.state, in_vain))
            return CommandResult(None, Answer.DONE, f"conflict {id} has ended meanwhile")
        return self._settled(key, chosen, results, self._engine.clock.now(), "by you")

    def _settled(self, key: str, way: Proposal, results: list[CommandResult], now: float, by: str) -> CommandResult:
        """What came of its steps; something may be left to see to, and until then it stays open."""
        id = self.book.view(key).id
        done = [result for result in results if result.answer is Answer.DONE]
        if not done:
            return CommandResult(None, Answer.REFUSED, "; ".join(result.sentence for result in results))
        said = "; ".join(result.sentence for result in done)
        settlement = settling.begin(way, _done(done), now)
        if settlement is None:
            self._close(key, now, f"Settled {by}: {said}.")
            return CommandResult(None, Answer.DONE, f"settled conflict {id}: {said}")
        self.settlements[key] = settlement
        more = settling.sentence(settlement, self._engine.advisor.policy.quantum_s, now)
        self._show_again(key, now)
        self._note(f"Conflict {id} is settled {by}: {said}. {more}", now, settlement.resting[0])
        return CommandResult(None, Answer.DONE, f"settled conflict {id}: {said}. {more}".rstrip("."))

    def _tend(self, quantum_s: float, now: float) -> None:
        """Turns change, and what has come to its end is closed."""
        state = self._engine.state
        for key, settlement in list(self.settlements.items()):
            because = settling.over(state, settlement)
            if because is not None:
                self._close(key, now, because)
                continue
            turned, steps = settling.next_turn(state, settlement, quantum_s, now)
            if steps:
                self.settlements[key] = turned
                do_steps(self._engine, steps, settling.TURN)
                self._show_again(key, now)


def _done(results: list[CommandResult]) -> set[JobId]:
    return {result.id for result in results if result.answer is Answer.DONE and result.id is not None}


def _ways(conflict: Conflict) -> tuple[WayView, ...]:
    """Two names for the same steps are one button."""
    seen: set[object] = set()
    ways = []
    for proposal in conflict.proposals:
        does = (proposal.steps, proposal.until, proposal.turns)
        if does not in seen:
            seen.add(does)
            ways.append(WayView(proposal.name, proposal.label))
    return tuple(ways)

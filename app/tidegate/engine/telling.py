"""Telling: gives notices their numbers, bounds how many there are, and hands them to journal and views in this order.

An array of a thousand failing jobs is not a thousand notices: of each kind ``TOLD_A_MINUTE`` are told one by one within
a minute, and what comes on top is counted into one last notice at the end of that minute ("940 more jobs failed").
Notices about no job (the engine, the machine) are few by nature and always told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tidegate.core.job import JobId
from tidegate.core.texts import format_moment
from tidegate.engine.notices import run_again
from tidegate.engine.ports import Notice, NoticeKind

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

TOLD_A_MINUTE = 20
MINUTE_S = 60.0
RECENT = 200
META_NEXT_NOTICE = "next_notice"

_VERBS = {
    NoticeKind.FAILED: ("failed", "failed"),
    NoticeKind.ENDED: ("finished", "finished"),
    NoticeKind.INTERVENED: ("was paused, stopped or resumed", "were paused, stopped or resumed"),
}
_OTHER_VERB = ("needs a look", "need a look")


@dataclass(slots=True)
class _Minute:
    """What was told of one kind since the first of it; ``number`` is that of the jobs left out, while it is one."""

    began_at: float
    told: int = 0
    left_out: int = 0
    level: str = "info"
    names: dict[str, None] = field(default_factory=dict)
    number: int | None = None
    same_number: bool = True


class Telling:
    """The engine's notices on their way. ``recent`` are the newest, also while they cannot be written down.

    ``take_unwritten`` is for the writer, ``take_unpublished`` for the end of the tick: journal before views.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unwritten: list[Notice] = []
        self._unpublished: list[Notice] = []
        self._minutes: dict[NoticeKind, _Minute] = {}
        self._cancel: Callable[[], None] = lambda: None
        self._next = 1
        self._journal_ill = False
        self.recent: deque[Notice] = deque(maxlen=RECENT)

    def restore(self, text: str | None) -> None:
        """Numbers go on where the last engine stopped, so that none is given twice."""
        if text is not None and text.isdigit():
            self._next = max(self._next, int(text))

    def tell(self, notice: Notice) -> None:
        """Something a person should hear of, or the one too many that is only counted."""
        if notice.job is None:
            self._number(notice)
            return
        minute = self._minute(notice)
        if minute.told < TOLD_A_MINUTE:
            minute.told += 1
            self._number(notice)
            return
        _count(minute, self._engine.state.jobs[notice.job].spec.name, notice)

    def tell_journal(self, notice: Notice, ill: bool) -> None:
        """Once when it begins, once when it is over, however the reason changes in between."""
        if ill is not self._journal_ill:
            self._journal_ill = ill
            self.tell(notice)

    def close(self) -> None:
        """Nothing comes on top any more."""
        self._cancel()
        for kind in list(self._minutes):
            self._close_minute(kind)

    def take_unwritten(self) -> tuple[tuple[Notice, ...], tuple[tuple[str, str], ...]]:
        """New notices for the journal, with the number the next one will have."""
        if not self._unwritten:
            return (), ()
        taken, self._unwritten = tuple(self._unwritten), []
        return taken, ((META_NEXT_NOTICE, str(self._next)),)

    def take_unpublished(self) -> list[Notice]:
        taken, self._unpublished = self._unpublished, []
        return taken

    def _number(self, notice: Notice) -> None:
        numbered = replace(notice, id=self._next)
        self._next += 1
        self._unwritten.append(numbered)
        self._unpublished.append(numbered)
        self.recent.append(numbered)

    # --- the minute --------------------------------------------------------------------------------------------------

    def _minute(self, notice: Notice) -> _Minute:
        now = self._engine.clock.now()
        minute = self._minutes.get(notice.kind)
        if minute is None or not 0.0 <= now - minute.began_at < MINUTE_S:
            self._close_minute(notice.kind)
            minute = self._minutes[notice.kind] = _Minute(now)
        if minute.told == TOLD_A_MINUTE and minute.left_out == 0:
            # There will be something to sum up: see to it that this happens although nothing else may.
            self._wake_for([minute, *self._with_a_rest()])
        return minute

    def _with_a_rest(self) -> list[_Minute]:
        return [minute for minute in self._minutes.values() if minute.left_out]

    def _wake_for(self, minutes: list[_Minute]) -> None:
        """When the first of them is over."""
        self._cancel()
        if minutes:
            end = min(minute.began_at for minute in minutes) + MINUTE_S
            self._cancel = self._engine.clock.call_at(end, self._minutes_over)

    def _minutes_over(self) -> None:
        now = self._engine.clock.now()
        for kind, minute in list(self._minutes.items()):
            if not 0.0 <= now - minute.began_at < MINUTE_S:
                self._close_minute(kind)
        self._wake_for(self._with_a_rest())
        self._engine.tick()

    def _close_minute(self, kind: NoticeKind) -> None:
        minute = self._minutes.pop(kind, None)
        if minute is not None and minute.left_out:
            self._number(_summary(kind, minute, self._engine.clock.now()))


def _count(minute: _Minute, name: str, notice: Notice) -> None:
    assert notice.job is not None
    minute.left_out += 1
    if len(minute.names) <= 3:
        minute.names[name] = None
    if minute.left_out == 1:
        minute.level, minute.number = notice.level, notice.job.number
    elif minute.number != notice.job.number:
        minute.same_number = False
    if notice.level == "error":
        minute.level = "error"


def _summary(kind: NoticeKind, minute: _Minute, now: float) -> Notice:
    """``940 more jobs failed``, with the array they are of where they are of one."""
    one, many = _VERBS.get(kind, _OTHER_VERB)
    array = JobId(minute.number) if minute.same_number and minute.number is not None else None
    names = list(minute.names)
    if minute.left_out == 1:
        what, verb = "more job", one
    else:
        what, verb = "more jobs" if array is None else f"more of {names[0]}", many
    listed = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    text = (
        f"Since {format_moment(minute.began_at, now)}, beside those told one by one: {listed}. The list has them all."
    )
    offers = (run_again(array),) if array is not None and kind is NoticeKind.FAILED else ()
    return Notice(now, f"{minute.left_out} {what} {verb}", text, array, minute.level, kind, False, offers)

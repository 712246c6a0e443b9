"""Plan: a value that says who starts where, why everyone else waits, and when to look again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tidegate.core.actions import Action
from tidegate.core.job import JobId
from tidegate.core.reasons import WaitCode, WaitReason


class Waits(Mapping[JobId, tuple[WaitReason, ...]]):
    """Reasons made when they are looked up; valid until State changes again."""

    __slots__ = ("_ids", "_look_up")

    def __init__(self, look_up: Callable[[JobId], tuple[WaitReason, ...]], ids: Callable[[], Iterator[JobId]]) -> None:
        self._look_up = look_up
        self._ids = ids

    def __getitem__(self, id: JobId) -> tuple[WaitReason, ...]:
        return self._look_up(id)

    def __iter__(self) -> Iterator[JobId]:
        return self._ids()

    def __len__(self) -> int:
        return sum(1 for _ in self._ids())


@dataclass(frozen=True, slots=True)
class Plan:
    """``wake_at`` is Unix seconds of the next moment at which time alone changes the answer, or None.

    ``blocked`` names the jobs looked at that could not start, with the first cause, for the audit trail.
    ``remembered`` is what strategies want to know at the next plan, by the place of their section; ``failed`` are those
    that raised, with what.
    """

    actions: tuple[Action, ...]
    waits: Waits
    wake_at: float | None
    blocked: tuple[tuple[JobId, WaitCode], ...] = ()
    remembered: tuple[tuple[int, object], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

"""A world for stories about conflicts and hints: edits are understood, errands are asked for, findings looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from support.world import JobBuilder, World
from tidegate.core.conflicts import AdvicePolicy
from tidegate.core.job import JobId
from tidegate.core.machine import GpuReading
from tidegate.core.policy import Policy
from tidegate.engine import intake
from tidegate.engine.engine import Engine
from tidegate.engine.ports import CommandResult, Notice, NoticeKind, Submission
from tidegate.engine.views import ConflictView, HintView
from tidegate.simulator.cards import fake_card
from tidegate.submission.edit import edited
from tidegate.submission.request import GpuFact, MachineFacts

T = TypeVar("T")


class AdvisedWorld(World):
    """``resolve`` is the policy by which conflicts are settled; ``quantum_s`` how long a turn lasts."""

    def __init__(
        self, policy: Policy | None = None, *, resolve: str = "by_hand", quantum_s: float = 60.0, **machine: object
    ) -> None:
        self.advice = AdvicePolicy(resolve=resolve, quantum_s=quantum_s)
        super().__init__(policy, **machine)

    def _new_engine(self) -> Engine:
        engine = super()._new_engine()
        machine = self.machine
        gpus = tuple(GpuFact(card.index, card.name, card.memory_total_bytes) for card in machine.gpus)
        facts = MachineFacts(machine.cores, machine.memory_bytes, None, gpus)
        engine.edit = lambda spec, changes: edited(spec, changes, facts, self.clock.now())
        engine.advisor.set_policy(self.advice)
        return engine

    # --- asking ----------------------------------------------------------------------------------------------------

    def submit_same(self, job: JobBuilder, times: int, apart_s: float = 0.0) -> list[JobId]:
        """The very same command so often."""
        submission = self.submission(job)
        ids = [self.accept(submission)]
        for _ in range(times - 1):
            self.advance(apart_s)
            ids.append(self.accept(submission))
        return ids

    def accept(self, submission: Submission) -> JobId:
        ids: list[JobId] = []
        intake.accept(self.engine, [submission], self.engine.state.knows, lambda answer: ids.append(answer[0].id))
        self.clock.settle()
        return ids[0]

    def ask(self, errand: Coroutine[Any, Any, T]) -> T:
        async def carry_out() -> T:
            task = asyncio.ensure_future(errand)
            while not task.done():
                await asyncio.sleep(0)
                self.clock.settle()
            return await task

        return asyncio.run(carry_out())

    def resolve(self, id: int, way: str | None = None) -> CommandResult:
        return self.ask(self.engine.advisor.resolve(id, way))

    def apply(self, id: int) -> CommandResult:
        return self.ask(self.engine.advisor.apply(id))

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def conflicts(self) -> tuple[ConflictView, ...]:
        return self.engine.advisor.conflicts

    @property
    def hints(self) -> tuple[HintView, ...]:
        return self.engine.advisor.hints

    def the_conflict(self, resource: str) -> ConflictView:
        """The only open one, and it is about this."""
        assert [view.resource for view in self.conflicts] == [resource], self.conflicts
        return self.conflicts[0]

    def the_hint(self, code: str) -> HintView:
        assert [view.code for view in self.hints] == [code], self.hints
        return self.hints[0]

    def told(self, kind: NoticeKind = NoticeKind.CONFLICT) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind is kind]

    def last_ended(self) -> str | None:
        """Why the conflict that ended last is over."""
        return self.engine.advisor.closed_conflicts[-1].closed_because


def ways(view: ConflictView) -> list[str]:
    return [way.name for way in view.ways]


def cards(count: int = 1, memory_gib: int = 24) -> tuple[GpuReading, ...]:
    return tuple(fake_card(index, memory_gib << 30) for index in range(count))


def doing(job: JobBuilder, **behaviour: object) -> JobBuilder:
    """What else its process does: any field of Behaviour."""
    return job._do(**behaviour)

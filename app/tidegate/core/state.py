"""State: everything the core knows. The Store owns it; ``transitions.apply`` alone changes it; others read."""

from __future__ import annotations

import copy
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.core.fair_share import Accounts, UsageBook
from tidegate.core.job import (
    Finished,
    Held,
    Job,
    JobId,
    JobSpec,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    Starting,
    Stopping,
    not_before,
    twin,
)
from tidegate.core.line import GroupKey, Line, Section
from tidegate.core.machine import MachineState
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.prediction import Profile, profile_key

if TYPE_CHECKING:
    from tidegate.core.strategies.protocol import Strategy

MakeStrategy = Callable[[Mapping[str, object]], "Strategy"]
"""Makes a strategy from the options of all of them, by ``strategy.option``."""

FORKED_WAITING = 200
DEFAULT_QUEUE = "default"
FALLBACK_STRATEGY = "priority_based"
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Intake:
    """Whether jobs may start. ``until`` None with ``open`` False: until the user resumes. ``since``: of the pause."""

    open: bool = True
    until: float | None = None
    drain: bool = False
    gpu_only: bool = False
    why: str | None = None
    since: float | None = None

    def freezes(self, spec: JobSpec) -> bool:
        """True when the pause holds running jobs like this one too, not only new starts."""
        return not self.open and not self.drain and (spec.gpu is not None or not self.gpu_only)


@dataclass(slots=True)
class ArrayEnds:
    """How many elements of an array have not ended, have succeeded, and have ended otherwise."""

    open: int = 0
    succeeded: int = 0
    others: int = 0


class State:
    """Jobs by where they stand, the machine, and what earlier runs taught.

    ``active`` holds jobs with a process or an intent to have one, in order of start; ``line`` those that may start;
    ``parked`` those that wait for a moment or for another job; held and finished ones are only in ``jobs``.
    ``strategies`` makes a strategy of each known name; ``chosen`` is the one in use where policy says auto;
    ``switched_off`` are those that raised, with what; ``memories`` is what strategies asked to remember, by the place
    of their section.
    ``dependants`` are the parked and held jobs that wait for the end of others, by those others' number; ``keys`` the
    numbers of unfinished jobs by their dedupe key.
    """

    __slots__ = (
        "_sections",
        "active",
        "array_ends",
        "array_running",
        "arrays",
        "begin_times",
        "chosen",
        "dependants",
        "finished_order",
        "forced",
        "intake",
        "jobs",
        "journal_error",
        "keys",
        "limited_queues",
        "line",
        "machine",
        "memories",
        "parked",
        "policy",
        "profiles",
        "queued_count",
        "queues",
        "rank_first",
        "strategies",
        "strict_queues",
        "switched_off",
        "touched",
        "usage",
        "version",
    )

    def __init__(self, policy: Policy, strategies: Mapping[str, MakeStrategy] | None = None) -> None:
        # Strategies are written against State, so it can only know them by name until it is made.
        from tidegate.core.strategies.registry import BUILT_IN

        self.policy = policy
        self.strategies: Mapping[str, MakeStrategy] = BUILT_IN if strategies is None else strategies
        self.chosen = FALLBACK_STRATEGY
        self.switched_off: dict[str, str] = {}
        self.queues: dict[str, QueuePolicy] = {}
        self.strict_queues: set[str] = set()
        self.limited_queues: dict[str, QueuePolicy] = {}
        self._sections: dict[str, Section] = {}
        self.memories: dict[int, object] = {}
        self.usage = UsageBook(Accounts())
        self.jobs: dict[JobId, Job] = {}
        self.active: dict[JobId, Job] = {}
        self.line = Line()
        self.parked: dict[JobId, Job] = {}
        self.begin_times: list[tuple[float, JobId]] = []
        self.dependants: dict[int, set[JobId]] = {}
        self.arrays: dict[int, dict[JobId, None]] = {}
        self.array_ends: dict[int, ArrayEnds] = {}
        self.array_running: dict[int, int] = {}
        self.finished_order: dict[JobId, None] = {}
        self.forced: dict[JobId, None] = {}
        self.keys: dict[str, int] = {}
        self.profiles: dict[str, Profile] = {}
        self.machine = MachineState()
        self.intake = Intake()
        self.journal_error: str | None = None
        self.rank_first = 0
        self.queued_count = 0
        self.touched: dict[JobId, None] = {}
        self.version = 0
        self.form_line()

    # --- reading ---------------------------------------------------------------------------------------------------

    def job(self, id: JobId) -> Job:
        """The job; KeyError when it is not in memory."""
        return self.jobs[id]

    def elements(self, number: int) -> list[JobId]:
        """All ids under one number: the job itself, or the elements of an array; empty when not in memory."""
        if JobId(number) in self.jobs:
            return [JobId(number)]
        return list(self.arrays.get(number, ()))

    def knows(self, id: JobId) -> bool:
        """True when the job, or an element of this array, is in memory."""
        return id in self.jobs or (id.index is None and id.number in self.arrays)

    def waits_behind(self, job: Job) -> bool:
        """True for one that is to take the place of a job which has not ended: until then it holds nothing."""
        return isinstance(job.status, Starting) and job.status.behind in self.active

    def queue(self, name: str) -> QueuePolicy:
        """The queue of this name; jobs of one that was taken out of the settings go as ``default`` ones."""
        return self.queues.get(name) or self.queues[DEFAULT_QUEUE]

    def section_of(self, queue: str) -> Section:
        """Where the waiting jobs of this queue stand."""
        return self._sections.get(queue) or self._sections[DEFAULT_QUEUE]

    def placement_of(self, queue: str) -> str | None:
        """How the queue's strategy wants cards chosen; None where it leaves that to the policy, as most do."""
        return getattr(self.section_of(queue).strategy, "placement", None)

    def profile(self, job: Job) -> Profile | None:
        """What earlier runs of this job's command taught; None before the first."""
        if not self.profiles:
            return None
        if job.learning_key is None:
            job.learning_key = profile_key(job.spec)
        return self.profiles.get(job.learning_key)

    def counts(self) -> dict[str, int]:
        """How many jobs stand where; ``queued`` counts waiting ones, ``held`` apart."""
        result = {"queued": len(self.line) + len(self.parked), "starting": 0, "running": 0, "paused": 0, "stopping": 0}
        for job in self.active.values():
            result[job.status_name] += 1
        result["finished"] = len(self.finished_order)
        # Read beside the engine this may be a moment old in parts, and never less than none.
        result["held"] = max(0, len(self.jobs) - sum(result.values()))
        return result

    def fork(self) -> State:
        """A bounded copy to try things on: running jobs and the first 200 waiting (D3)."""
        from tidegate.core.strategies.order import in_order

        other = State(self.policy, self.strategies)
        other.chosen = self.chosen
        other.switched_off = dict(self.switched_off)
        other.machine = copy.copy(self.machine)
        other.machine.cards = dict(self.machine.cards)
        other.intake = self.intake
        other.profiles = self.profiles
        other.journal_error = self.journal_error
        other.rank_first = self.rank_first
        for id, job in self.active.items():
            other.jobs[id] = other.active[id] = twin(job)
        other.array_running = dict(self.array_running)
        if other.switched_off or other.chosen != FALLBACK_STRATEGY:
            other.form_line()
        other.memories = dict(self.memories)
        other.usage = self.usage.copy()
        now = self.machine.reading.at if self.machine.reading is not None else 0.0
        for id in list(islice(in_order(self, now), FORKED_WAITING)):
            job = twin(self.jobs[id])
            other.jobs[id] = job
            other.stand_in_line(job, self.line.group_of(id))
            other.queued_count += 1
        return other

    def bring(self, other: State, ids: Iterable[JobId]) -> None:
        """Copy jobs of another State that this fork of it lacks, for looking at only: they take no part."""
        for wanted in ids:
            for id in other.elements(wanted.number):
                if id not in self.jobs:
                    self.jobs[id] = twin(other.jobs[id])
                if id.index is not None:
                    self.arrays.setdefault(id.number, {})[id] = None
            ends = other.array_ends.get(wanted.number)
            if ends is not None:
                self.array_ends[wanted.number] = copy.copy(ends)

    def check(self) -> None:
        """Raise AssertionError when indices and jobs tell different stories (tests call this after every apply)."""
        queued = 0
        for id, job in self.jobs.items():
            assert job.id == id
            match job.status:
                case Queued():
                    queued += 1
                    assert (id in self.line) != (id in self.parked), f"queued job {id} must stand in exactly one place"
                    assert id not in self.active
                case Starting() | Running() | Paused() | Stopping():
                    assert id in self.active, f"{job.status_name} job {id} is missing among the active"
                    assert id not in self.line
                    assert id not in self.parked
                    assert job.attempts, f"{job.status_name} job {id} has no attempt"
                case Held() | Finished():
                    assert id not in self.active
                    assert id not in self.line
                    assert id not in self.parked
                    assert isinstance(job.status, Held) != (id in self.finished_order)
        assert queued == len(self.line) + len(self.parked) == self.queued_count
        assert all(isinstance(self.jobs[id].status, Queued) for id in self.forced), "only a queued job can be forced"
        assert all(id in self.parked for _, id in self.begin_times)
        assert self.begin_times == sorted(self.begin_times)
        awaiting = {id for ids in self.dependants.values() for id in ids}
        wanted = {id for id, job in self.jobs.items() if job.spec.after and (id in self.parked or _is_held(job))}
        assert awaiting == wanted, f"{awaiting ^ wanted} should be told of others' ends, or should not"
        for number in self.keys.values():
            assert any(self.jobs[id].outcome is None for id in self.elements(number)), f"key of ended job {number}"
        assert len(self.active) == sum(1 for id in self.active if id in self.jobs)
        running: dict[int, int] = {}
        for id in self.active:
            if id.index is not None:
                running[id.number] = running.get(id.number, 0) + 1
        for number, elements in self.arrays.items():
            still_open = sum(self.jobs[id].outcome is None for id in elements)
            assert self.array_ends[number].open == still_open, f"array {number} has {still_open} open elements"
        assert running == {number: count for number, count in self.array_running.items() if count}

    # --- the line, for transitions only ------------------------------------------------------------------------------

    def form_line(self) -> None:
        """Make the sections that policy asks for, and let everyone who stands in line stand anew in them."""
        standing = [(self.jobs[id], self.line.group_of(id)) for id in self.line]
        self.queues = {queue.name: queue for queue in self.policy.queues}
        self.queues.setdefault(DEFAULT_QUEUE, QueuePolicy(DEFAULT_QUEUE))
        self.strict_queues = {name for name, queue in self.queues.items() if not queue.backfill}
        self.limited_queues = {name: queue for name, queue in self.queues.items() if queue.is_limited}
        made = {name: self._make(name) for name in dict.fromkeys(map(self.strategy_of, self.queues.values()))}
        together: dict[tuple[int, str], list[str]] = {}
        for queue in self.queues.values():
            together.setdefault((queue.order, self.strategy_of(queue)), []).append(queue.name)
        sections = [
            Section(
                order,
                name,
                made.get(name) or self._make(name),
                frozenset(queues),
                any(self.queues[queue].preempts for queue in queues),
            )
            for (order, name), queues in sorted(together.items())
        ]
        self._sections = {queue: section for section in sections for queue in section.queues}
        self.line = Line(sections)
        self.memories = {}
        self._charge_accounts()
        for job, group in standing:
            self.stand_in_line(job, group)

    def _charge_accounts(self) -> None:
        """Where policy now says otherwise whom use is charged to, charge the runs in memory anew."""
        try:
            accounts = Accounts.from_options(dict(self.policy.strategy_options))
        except ValueError:
            accounts = Accounts()  # the strategies that are made from it say so, and are switched off
        if accounts == self.usage.accounts:
            return
        self.usage = UsageBook(accounts)
        for job in self.jobs.values():
            for attempt in job.attempts:
                self.usage.charge(job.spec, attempt)

    def strategy_of(self, queue: QueuePolicy) -> str:
        """The name of the strategy that orders this queue: one that was switched off never does."""
        name = queue.strategy or self.policy.strategy
        if name == AUTO:
            name = self.chosen
        return FALLBACK_STRATEGY if name in self.switched_off else name

    def _make(self, name: str) -> Strategy:
        """The strategy of this name; one that cannot be made is switched off, and the one that always can is made."""
        if name not in self.strategies:
            self.switched_off[name] = f"it is not installed here; known are {', '.join(self.strategies)}"
            return self._make(FALLBACK_STRATEGY)
        try:
            return self.strategies[name](dict(self.policy.strategy_options))
        except Exception as error:
            if name == FALLBACK_STRATEGY:
                raise
            self.switched_off[name] = what_it_raised(error)
            return self._make(FALLBACK_STRATEGY)

    def switch_off(self, strategy: str, why: str) -> None:
        """A strategy raised: the queues it ordered go on under ``priority_based``."""
        self.switched_off[strategy] = why
        self.form_line()

    def stand_in_line(self, job: Job, group: GroupKey) -> None:
        """Put a queued job in its place among those that could start."""
        section = self.section_of(job.spec.queue)
        strategy = section.strategy
        try:
            order = (*strategy.order(job), job.sequence)
            self.line.add(section, (job.spec.queue, strategy.lane(job)), job.id, order, group)
        except Exception as error:
            if section.name == FALLBACK_STRATEGY:
                raise
            self.switch_off(section.name, what_it_raised(error))
            self.stand_in_line(job, group)

    # --- small index helpers, for transitions only -------------------------------------------------------------------

    def park(self, job: Job) -> None:
        self.parked[job.id] = job
        moment = not_before(job)
        if moment is not None:
            insort(self.begin_times, (moment, job.id))
        self.await_others(job)

    def unpark(self, job: Job) -> None:
        if self.parked.pop(job.id, None) is None:
            return
        moment = not_before(job)
        if moment is not None:
            entry = (moment, job.id)
            place = bisect_left(self.begin_times, entry)
            if place < len(self.begin_times) and self.begin_times[place] == entry:
                del self.begin_times[place]
        self.await_no_more(job)

    def await_others(self, job: Job) -> None:
        """It waits for the ends of others: they tell it, and they stay in memory until then."""
        for dependency in job.spec.after:
            self.dependants.setdefault(dependency.job.number, set()).add(job.id)

    def await_no_more(self, job: Job) -> None:
        for dependency in job.spec.after:
            waiting = self.dependants.get(dependency.job.number)
            if waiting is not None:
                waiting.discard(job.id)
                if not waiting:
                    del self.dependants[dependency.job.number]

    def join_array(self, job: Job) -> None:
        """An element came into memory; how it stands is counted."""
        if job.id.index is not None:
            self.arrays.setdefault(job.id.number, {})[job.id] = None
            self.count_element(job, 1)

    def count_element(self, job: Job, change: int) -> None:
        """Count an element in (1) or out (-1) of where it stands now."""
        if job.id.index is None:
            return
        ends = self.array_ends.setdefault(job.id.number, ArrayEnds())
        if job.outcome is None:
            ends.open += change
        elif job.outcome is Outcome.SUCCEEDED:
            ends.succeeded += change
        else:
            ends.others += change

    def leave_array(self, id: JobId) -> None:
        """A finished element left memory; how it ended is known until the last of its array leaves."""
        elements = self.arrays.get(id.number)
        if elements is not None and elements.pop(id, self) is None and not elements:
            del self.arrays[id.number]
            del self.array_ends[id.number]

    def take_key(self, job: Job) -> None:
        """While it is unfinished, this is the job of its dedupe key."""
        if job.spec.dedupe_key is not None:
            self.keys.setdefault(job.spec.dedupe_key, job.id.number)

    def leave_key(self, job: Job) -> None:
        key, number = job.spec.dedupe_key, job.id.number
        if key is None or self.keys.get(key) != number:
            return
        if job.id.index is None or not self.array_ends[number].open:
            del self.keys[key]


def what_it_raised(error: Exception) -> str:
    """One line about what a strategy raised, for the person who wrote it."""
    return f"it raised {type(error).__name__}: {error}" if str(error) else f"it raised {type(error).__name__}"


def _is_held(job: Job) -> bool:
    return isinstance(job.status, Held)


def is_frozen_by_guard(job: Job) -> bool:
    """True for a job the guard stopped for memory, not the user."""
    return isinstance(job.status, Paused) and job.status.reason is PauseReason.MEMORY

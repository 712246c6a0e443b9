"""What each pool has of the machine during one plan, what is borrowed, and who gives back (for resource_pooling)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.core.admission import Ledger
from tidegate.core.estimates import holding
from tidegate.core.guard import importance_class
from tidegate.core.job import Job, JobId, OnPreempt, Paused, Running, Stopping, worked_core_s
from tidegate.core.placement import eligible, need_of
from tidegate.core.reasons import WaitCode
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.victims import Candidate, best_set

if TYPE_CHECKING:
    from tidegate.core.strategies.protocol import Turn
    from tidegate.core.strategies.resource_pooling import Pool, ResourcePooling

MEMORY, CORES, SLOTS, CARDS = "memory", "cores", "slots", "cards"
ROUNDING = 1e-6

Amounts = dict[str, float]


def may_be_ended(job: Job) -> bool:
    """Whether it gives back all it has, not only what a pause gives up."""
    return job.spec.on_preempt is not OnPreempt.PAUSE


class PoolUse:
    """``totals`` is what shares are of; a resource nobody counts (cores only, no cards) is left out of it."""

    def __init__(self, strategy: ResourcePooling, state: State, ledger: Ledger) -> None:
        self._strategy = strategy
        self._ledger = ledger
        self._state = state
        totals = {
            MEMORY: ledger.memory_line_bytes,
            CORES: ledger.cores,
            SLOTS: ledger.slots_max,
            CARDS: len(ledger.cards),
        }
        self.totals = {name: float(total) for name, total in totals.items() if total}
        self._use: dict[str, Amounts] = {name: dict.fromkeys(self.totals, 0.0) for name in strategy.pools}
        self._firm: dict[str, Amounts] = {name: dict.fromkeys(self.totals, 0.0) for name in strategy.pools}
        self._gone: set[JobId] = set()
        # What jobs that were told to end will give back, and what was promised of that in this plan.
        self._coming: Amounts = {}
        for job in state.active.values():
            if not state.waits_behind(job):
                self._count(job, self._held(job))
                if isinstance(job.status, Stopping):
                    self._note_coming(job)
        for id, figure in ledger.starts:
            self._count(state.jobs[id], self._wanted(state.jobs[id], figure))

    # --- asking ------------------------------------------------------------------------------------------------------

    def of(self, pool: str, name: str) -> float:
        return self._use[pool][name]

    def filled(self, pool: str) -> float:
        """What part of its own share a pool has, by the resource it has most of."""
        share = self._strategy.pools[pool].share
        return max(
            (use / (share * self.totals[name]) if share else use and 1e9) for name, use in self._use[pool].items()
        )

    def is_within(self, job: Job, figure: Estimate) -> bool:
        """Whether its pool with it would have no more than its own share."""
        pool = self._strategy.pool_of(job)
        use = self._use[pool.name]
        wanted = self._wanted(job, figure)
        return all(use[name] + amount <= self._line(pool.share, name) for name, amount in wanted.items())

    def exceeds(self, job: Job, figure: Estimate, idle: bool = False) -> str | None:
        """The resource of which its pool would have more than it may, or could not give back enough; None: it may.

        ``idle``: no pool waits for its own; then a job that alone wants more than its pool owns may run, or it never
        could.
        """
        pool = self._strategy.pool_of(job)
        use, firm = self._use[pool.name], self._firm[pool.name]
        wanted = self._wanted(job, figure)
        for name, amount in wanted.items():
            own = self._line(pool.share, name)
            if use[name] + amount > self._line(pool.most, name):
                return name
            if _is_firm(job, name) and firm[name] + amount > own and not (idle and amount > own):
                return name
        return None

    def asks_for(self, job: Job, figure: Estimate, name: str) -> float:
        """How much it would take of this resource."""
        return self._wanted(job, figure).get(name, 0.0)

    def _line(self, part: float, name: str) -> float:
        return part * self.totals[name] * (1 + ROUNDING) + ROUNDING

    # --- counting ----------------------------------------------------------------------------------------------------

    def add(self, job: Job, figure: Estimate) -> None:
        self._count(job, self._wanted(job, figure))

    def give_back(self, job: Job) -> None:
        """It is paused, or told to end and then gives back all when it has ended."""
        self._gone.add(job.id)
        if may_be_ended(job):
            self._note_coming(job)
        else:
            held = self._held(job)
            self._count(job, {name: -amount for name, amount in held.items() if name != MEMORY})

    def _count(self, job: Job, amounts: Amounts) -> None:
        pool = self._strategy.pool_of(job).name
        for name, amount in amounts.items():
            self._use[pool][name] += amount
            if _is_firm(job, name):
                self._firm[pool][name] += amount

    def _wanted(self, job: Job, figure: Estimate) -> Amounts:
        """What it takes when it starts; a paused one has its memory already."""
        amounts = {CORES: figure.cores, SLOTS: 1.0}
        if not isinstance(job.status, Paused):
            amounts[MEMORY] = float(figure.memory_bytes)
        need = need_of(job.spec, figure)
        if need is not None and job.spec.gpu is not None:
            amounts[CARDS] = need.share * job.spec.gpu.cards
        return {name: amount for name, amount in amounts.items() if name in self.totals}

    def _held(self, job: Job) -> Amounts:
        held = holding(job, self._ledger.policy, self._state.profile(job), self._ledger.now)
        amounts = {MEMORY: float(held.memory_bytes), CORES: held.cores, SLOTS: float(held.slots)}
        need = need_of(job.spec, job.estimate)
        if need is not None and held.slots:
            amounts[CARDS] = need.share * len(job.attempts[-1].devices)
        return {name: amount for name, amount in amounts.items() if name in self.totals}

    def _note_coming(self, job: Job) -> None:
        for name, amount in self._gives(job, ended=True).items():
            self._coming[name] = self._coming.get(name, 0.0) + amount

    # --- giving back -------------------------------------------------------------------------------------------------

    def borrowers_for(self, job: Job, figure: Estimate, lacks: list[WaitCode], turn: Turn) -> list[Job]:
        """The cheapest set of borrowers that give this job what it lacks; empty when there is none, or enough comes."""
        others = [pool for pool in self._strategy.pools.values() if pool is not self._strategy.pool_of(job)]
        candidates = [self._candidate(each) for pool in others for each in self._borrowed(pool)]
        short = self._shortage(job, figure, lacks, candidates)
        if short is None:
            return []
        left = {name: amount - self._coming.get(name, 0.0) for name, amount in short.items()}
        found = best_set(candidates, left)
        if found is None:
            return []
        chosen = [self._state.jobs[each.id] for each in found]
        if not any(may_be_ended(each) for each in chosen) and left == short:
            return chosen if turn.fits_after_pausing(job, chosen) else []
        # It starts when they have ended; till then nobody else is promised that.
        for name, amount in short.items():
            self._coming[name] = self._coming.get(name, 0.0) - amount
        return chosen

    def _borrowed(self, pool: Pool) -> list[Job]:
        """The running jobs of a pool that are beyond its share: the newest, of those that can give back."""
        own = dict.fromkeys(self.totals, 0.0)
        jobs = [
            each
            for each in self._state.active.values()
            if self._strategy.pool_of(each) is pool and each.id not in self._gone and not self._state.waits_behind(each)
        ]
        jobs.sort(key=lambda each: (each.spec.preemptible, each.attempts[-1].intended_at, each.sequence))
        found = []
        for each in jobs:
            held = self._held(each)
            fits = all(own[name] + amount <= self._line(pool.share, name) for name, amount in held.items() if amount)
            by_it = self._state.section_of(each.spec.queue).strategy.name == self._strategy.name
            if not fits and by_it and each.spec.preemptible and isinstance(each.status, Running):
                found.append(each)
            else:
                for name, amount in held.items():
                    own[name] += amount
        return found

    def _candidate(self, job: Job) -> Candidate:
        ended = may_be_ended(job)
        loss_core_s = worked_core_s(job, self._ledger.now) if ended else 0.0
        return Candidate(job.id, -importance_class(job), self._gives(job, ended), loss_core_s)

    def _gives(self, job: Job, ended: bool) -> Amounts:
        """Of each resource, cards apart; a job that is only paused keeps all its memory."""
        gives = {name: amount for name, amount in self._held(job).items() if name in (CORES, SLOTS)}
        need = need_of(job.spec, job.estimate)
        measured = dict(job.usage.gpu_memory_bytes) if job.usage is not None else {}
        for index in job.attempts[-1].devices:
            if need is None:
                break
            gives[f"gpu:{index}"] = need.share
            if ended:
                gives[f"gpu:{index} memory"] = float(max(need.memory_bytes or 0, measured.get(index, 0)))
        if ended:
            gives[MEMORY] = self._held(job).get(MEMORY, 0.0)
        return gives

    def _shortage(
        self, job: Job, figure: Estimate, lacks: list[WaitCode], candidates: list[Candidate]
    ) -> Amounts | None:
        """What is missing for it; None when that cannot be said in amounts."""
        ledger, short = self._ledger, {}
        if WaitCode.WORKERS in lacks:
            short[SLOTS] = float(ledger.slots + 1 - (ledger.slots_max or 0))
        if WaitCode.CPU in lacks:
            short[CORES] = ledger.reserved_cores + figure.cores - ledger.cores
        if WaitCode.MEMORY in lacks:
            short[MEMORY] = float(figure.memory_bytes - (ledger.headroom_bytes or 0))
        if WaitCode.GPU_BUSY in lacks or WaitCode.GPU_MEMORY in lacks:
            cards = self._short_of_cards(job, figure, candidates)
            return None if cards is None else short | cards
        return short

    def _short_of_cards(self, job: Job, figure: Estimate, candidates: list[Candidate]) -> Amounts | None:
        """On the cards where least is missing of those that can be had; a job that wants them for itself alone, or of
        unknown memory, gets none taken back."""
        need, request = need_of(job.spec, figure), job.spec.gpu
        if need is None or request is None or request.exclusive or need.memory_bytes is None:
            return None
        paused = isinstance(job.status, Paused)
        found = []
        for card in self._ledger.cards.values():
            index = card.reading.index
            if not eligible(job.spec, card.reading) or (paused and index not in job.attempts[-1].devices):
                continue
            short = {f"gpu:{index}": card.share + card.others_share + need.share - 1.0}
            if not paused:
                short[f"gpu:{index} memory"] = float(need.memory_bytes - card.free_bytes)
            given = {name: sum(each.gives.get(name, 0.0) for each in candidates) for name in short}
            if all(given[name] + self._coming.get(name, 0.0) + ROUNDING >= amount for name, amount in short.items()):
                found.append((short[f"gpu:{index}"], index, short))
        if len(found) < request.cards:
            return None
        return {name: amount for _, _, short in sorted(found)[: request.cards] for name, amount in short.items()}


def _is_firm(job: Job, name: str) -> bool:
    """Whether it cannot give this back: nothing if it may not be preempted, no memory if it may only be paused."""
    return not job.spec.preemptible or (name == MEMORY and not may_be_ended(job))

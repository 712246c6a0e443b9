"""resource_pooling: named pools own shares of the machine, lend what lies idle, and get it back when they need it.

Shares are of cores, worker slots, memory and cards alike. A job belongs to the pool that its label ``pool=NAME`` names,
else to the one called like its queue, else to the common one, which owns the rest. What a pool has beyond its share is
borrowed, and only a job that can give it back may borrow: one that may be paused borrows cores, slots and cards; memory
only one that may be ended for others' sake (requeue, kill), because a paused job keeps its memory. So a pool whose jobs
wait gets its share back, ``reclaim_s`` after it began to wait for it. One exception: a job that alone wants more than
its pool owns, and cannot give it back, runs while no pool waits for its own; it could never run otherwise.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.core import backfill
from tidegate.core.actions import Pause, Resume, Terminate
from tidegate.core.admission import Ledger, expected
from tidegate.core.job import Job, JobId, Outcome, Paused, PauseReason
from tidegate.core.line import OrderKey
from tidegate.core.machine import Mode
from tidegate.core.reasons import WaitCode, WaitReason
from tidegate.core.resources import Estimate
from tidegate.core.state import State
from tidegate.core.strategies.options import Options
from tidegate.core.strategies.pool_use import CARDS, CORES, MEMORY, ROUNDING, SLOTS, PoolUse, may_be_ended
from tidegate.core.strategies.priority_based import PriorityBased
from tidegate.core.strategies.protocol import Choice, Choosing, Turn, tell, waits_for_turn
from tidegate.core.texts import format_duration, format_size

COMMON = "common"
LABELS = {MEMORY: "memory", CORES: "cores", SLOTS: "jobs at once", CARDS: "cards"}
RECLAIM_S = 60.0
# Behind these may be something that was lent.
LENT = frozenset({WaitCode.WORKERS, WaitCode.CPU, WaitCode.MEMORY, WaitCode.GPU_BUSY, WaitCode.GPU_MEMORY})


@dataclass(frozen=True, slots=True)
class Pool:
    """``share`` and ``most`` are parts (0..1) of the machine: what it owns, and what it may have in all."""

    name: str
    share: float
    most: float


@dataclass(frozen=True, slots=True)
class ResourcePooling:
    """``pools`` by name, the common one among them; ``reclaim_s``: how long a pool waits before it takes back."""

    pools: Mapping[str, Pool]
    reclaim_s: float = RECLAIM_S
    within: PriorityBased = field(default_factory=PriorityBased)
    name: ClassVar[str] = "resource_pooling"
    rotates: ClassVar[bool] = True

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> ResourcePooling:
        reclaim_s = Options("resource_pooling", options).number("reclaim_s", RECLAIM_S)
        return cls(_pools(options), reclaim_s, PriorityBased.from_options(options))

    def pool_of(self, job: Job) -> Pool:
        for label in job.spec.labels:
            key, _, name = label.partition("=")
            if key == "pool" and name in self.pools:
                return self.pools[name]
        return self.pools.get(job.spec.queue) or self.pools[COMMON]

    def lane(self, job: Job) -> tuple[str, int, bool, bool]:
        # What a job can give back says what it may borrow.
        return (self.pool_of(job).name, job.spec.priority, job.spec.preemptible, may_be_ended(job))

    def order(self, job: Job) -> OrderKey:
        return self.within.order(job)

    def may_pass(self, turn: Turn, job: Job, figure: Estimate) -> bool:
        return backfill.may_pass(turn, job, figure)

    def choose(self, turn: Turn) -> Choosing:
        """Those within their pool's share first, of the emptiest pool before others; then those that borrow."""
        paused = [job for job in turn.active() if waits_for_turn(job) and not turn.state.intake.freezes(job.spec)]
        if not paused and not turn.section.lanes:
            turn.remember(())
            return
        lending = _Lending(self, turn)
        offers = turn.merged(
            lambda _lane, first: lending.standing(first), lambda _lane, job: lending.note_rehearsed(job)
        )
        if turn.rehearsal:
            yield from offers
            return
        paused.sort(key=lambda job: (lending.standing(job), job.sequence), reverse=True)
        offered = next(offers, None)
        while paused or offered is not None:
            queued = turn.state.jobs[offered] if isinstance(offered, JobId) else None
            if queued is None or (paused and lending.standing(paused[-1]) <= lending.standing(queued)):
                if (yield from lending.offer(paused.pop())):
                    paused.sort(key=lambda job: (lending.standing(job), job.sequence), reverse=True)
            else:
                offered = tell(offers, (yield from lending.offer(queued)))
        turn.remember(tuple(sorted(lending.lacking.items())))

    # --- telling -----------------------------------------------------------------------------------------------------

    def reason(self, state: State, job: Job, ledger: Ledger, codes: list[WaitCode]) -> WaitReason | None:
        paused = isinstance(job.status, Paused)
        code = WaitCode.PAUSED if paused else WaitCode.POOL
        use, pool = PoolUse(self, state, ledger), self.pool_of(job)
        figure = job.estimate if paused and job.estimate is not None else expected(state, job, ledger)
        lacking = _lacking_since(state, job)
        name = use.exceeds(job, figure, idle=not lacking)
        if name is not None:
            return WaitReason(code, _has_its_share(pool, use, name, use.asks_for(job, figure, name), paused))
        if paused:
            return WaitReason(
                code, f"paused: what the pool {pool.name} had borrowed was needed; goes on when it is idle"
            )
        if codes and set(codes) <= LENT and use.is_within(job, figure):
            since = lacking.get(pool.name)
            if since is not None:
                at = since + self.reclaim_s
                when = f"in about {format_duration(at - ledger.now)}" if at > ledger.now else "now"
                text = f"the pool {pool.name} has {pool.share:.0%} of its own to get back; it takes it back {when}"
                return WaitReason(code, text, until=at if at > ledger.now else None)
        return None


def _lacking_since(state: State, job: Job) -> dict[str, float]:
    section = state.section_of(job.spec.queue)
    number = next(number for number, each in enumerate(state.line.sections) if each is section)
    remembered: Any = state.memories.get(number)
    return dict(remembered or ())


def _has_its_share(pool: Pool, use: PoolUse, name: str, asked: float, paused: bool) -> str:
    have, whole = use.of(pool.name, name), use.totals[name]

    def amount(part: float) -> str:
        return format_size(part) if name == MEMORY else f"{part:.1f}".removesuffix(".0")

    if asked > (1 + ROUNDING) * pool.most * whole:
        return f"wants more {LABELS[name]} than the pool {pool.name} may ever have: {amount(pool.most * whole)}"
    if asked > (1 + ROUNDING) * pool.share * whole and have + asked <= pool.most * whole:
        owned = f"wants more {LABELS[name]} than the pool {pool.name} owns ({amount(pool.share * whole)})"
        return f"{owned} and could not give it back; starts when no pool waits for its own"
    text = f"the pool {pool.name} has its share of {LABELS[name]}: {amount(have)} of {amount(pool.most * whole)}"
    if pool.most > pool.share and have < pool.most * whole and name == MEMORY:
        text += "; more is lent only to jobs that may be ended for others (--on-preempt requeue)"
    return f"paused: {text}" if paused else text


class _Lending:
    """Who has what while one plan is made, and what pools take back in it.

    ``lacking``: pools whose jobs wait for what is theirs, with since when (Unix seconds).
    """

    def __init__(self, strategy: ResourcePooling, turn: Turn) -> None:
        self._strategy = strategy
        self._turn = turn
        self._use = PoolUse(strategy, turn.state, turn.ledger)
        self._before: dict[str, float] = dict(turn.memory or ())
        self._lacks_elsewhere = self._is_due_elsewhere()
        self.lacking: dict[str, float] = {}

    def _is_due_elsewhere(self) -> bool:
        """Whether queues in another order, that may come later in this plan, are taking back what is their pools'."""
        turn, due = self._turn, self._turn.now - self._strategy.reclaim_s
        for number, section in enumerate(turn.state.line.sections):
            if section is not turn.section and section.name == turn.section.name:
                remembered: Any = turn.state.memories.get(number)
                if any(since <= due for _, since in remembered or ()):
                    return True
        return False

    def _figure(self, job: Job) -> Estimate:
        if isinstance(job.status, Paused) and job.estimate is not None:
            return job.estimate
        return expected(self._turn.state, job, self._turn.ledger)

    def standing(self, job: Job) -> tuple[bool, float, tuple[int, int]]:
        within = self._use.is_within(job, self._figure(job))
        filled = self._use.filled(self._strategy.pool_of(job).name)
        return (not within, filled, self._strategy.within.standing(job, self._turn.now))

    def note_rehearsed(self, job: Job) -> None:
        if self._turn.rehearsal:
            self._use.add(job, self._figure(job))

    def offer(self, job: Job) -> Generator[Choice, bool, bool]:
        """Let it run as far as its pool goes; what is its pool's own is taken back where it was lent."""
        turn, figure, paused = self._turn, self._figure(job), isinstance(job.status, Paused)
        if self._use.exceeds(job, figure, idle=not self.lacking) is not None:
            return False
        way = Resume(job.id) if paused else job.id
        within = self._use.is_within(job, figure)
        if not within and self._lacks_elsewhere:
            # Whoever gave it back would start again at once, before the one that it was for.
            turn.look_again(turn.now + max(1.0, self._strategy.reclaim_s))
            return False
        lacks = turn.lacks(job) if paused or within else []
        if lacks and within and set(lacks) <= LENT:
            yield from self._take_back(job, figure, lacks)
            lacks = turn.lacks(job)
        # What its pool only borrows is not given while another waits for its own.
        if paused and (lacks or (not within and self.lacking)):
            return False
        if (yield way):
            self._use.add(job, figure)
            return True
        return False

    def _take_back(self, job: Job, figure: Estimate, lacks: list[WaitCode]) -> Generator[Choice, bool, None]:
        """After ``reclaim_s`` of waiting the cheapest set of borrowers gives back, each in its own way."""
        turn, pool = self._turn, self._strategy.pool_of(job)
        since = self.lacking.setdefault(pool.name, self._before.get(pool.name, turn.now))
        turn.remember(tuple(sorted(self.lacking.items())))
        due = since + self._strategy.reclaim_s
        if turn.now < due:
            turn.look_again(due)
            return
        # In HIGH mode fewer run than shares are of; what is given up there would be nobody's.
        if turn.ledger.mode is not Mode.NORMAL:
            return
        borrowers = self._use.borrowers_for(job, figure, lacks, turn)
        why = f"job {job.id} needs what is the pool {pool.name}'s own"
        for each in borrowers:
            if not may_be_ended(each):
                done = yield Pause(each.id, PauseReason.SCHEDULING, why)
            else:
                outcome = None if each.spec.may_rerun else Outcome.KILLED
                word = "requeued" if outcome is None else "ended"
                done = yield Terminate(each.id, outcome, f"{word}: {why}", turn.state.policy.kill_timeout_s)
            if done:
                self._use.give_back(each)


def _pools(options: Mapping[str, object]) -> dict[str, Pool]:
    own = Options("resource_pooling", options)
    text, shares = options.get("resource_pooling.pools", ""), own.percentages("pools")
    total = sum(shares.values())
    if total > 100 + 1e-6:
        raise ValueError(f"resource_pooling.pools = {text!r}: the shares come to {total:g} %, and there are only 100")
    if COMMON in shares:
        raise ValueError(
            f"resource_pooling.pools = {text!r}: the pool {COMMON} has what the others leave, 100 % in all"
        )
    shares[COMMON] = max(0.0, 100.0 - total)
    borrow = options.get("resource_pooling.borrow", True)
    if isinstance(borrow, str) and borrow.strip().lower() in ("true", "false"):
        borrow = borrow.strip().lower() == "true"
    limits: dict[str, float] = {}
    if not isinstance(borrow, bool):
        limits, borrow = own.percentages("borrow"), True
        strange = [name for name in limits if name not in shares]
        if strange:
            known = ", ".join(shares)
            raise ValueError(f"resource_pooling.borrow names the pool {strange[0]}, which is none of {known}")
    most = {name: share + limits.get(name, 100.0 if borrow else 0.0) for name, share in shares.items()}
    return {name: Pool(name, share / 100.0, min(100.0, most[name]) / 100.0) for name, share in shares.items()}

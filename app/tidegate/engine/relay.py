"""The relay: jobs that last a moment are handed to the helper ahead of time, each behind a run whose place it takes.

Otherwise a place stands empty from the end of one job until the next was planned and its intent written, which takes
longer than such a job. Only what admission would decide anyway is decided ahead: the first in line, one kind of job,
in places that jobs of the same kind leave, for a few hundredths of a second. What has not begun by then is called back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.core.actions import Start
from tidegate.core.admission import Ledger, expected, open_ledger
from tidegate.core.job import Job, JobId, JobSpec, Running, Starting
from tidegate.core.line import GroupKey
from tidegate.core.machine import Mode
from tidegate.core.places import group_of
from tidegate.core.plan import Plan
from tidegate.core.reasons import WaitCode
from tidegate.core.strategies.order import in_order

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

AHEAD_S = 0.03  # of work, at most, is handed over for each place
MOST_AHEAD = 16  # jobs for each place
MOST_IN_ALL = 64
RUNS_TO_BELIEVE = 4  # so many of a kind in a row were that short
PATIENCE_S = 0.1  # for what does not begin although it should have

FULL = frozenset({WaitCode.WORKERS, WaitCode.MEMORY, WaitCode.CPU})


class Relay:
    """Knows which kinds of job last but a moment; everything else is read from State."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._brisk: dict[GroupKey, tuple[int, float]] = {}
        self._cancel_look: Callable[[], None] | None = None

    # --- what is learned -----------------------------------------------------------------------------------------

    def note_end(self, job: Job) -> None:
        """A run has ended: was it a moment's work?"""
        attempt = job.attempts[-1]
        if attempt.started_at is None or attempt.ended_at is None:
            return
        ran_s = attempt.ended_at - attempt.started_at
        kind = group_of(self._engine.state, job)
        if ran_s > AHEAD_S:
            self._brisk.pop(kind, None)
            return
        runs, mean_s = self._brisk.get(kind, (0, ran_s))
        if len(self._brisk) > MOST_IN_ALL:
            self._brisk.clear()
        self._brisk[kind] = (runs + 1, 0.8 * mean_s + 0.2 * ran_s)

    # --- handing over --------------------------------------------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        state = self._engine.state
        return state.machine.mode is Mode.NORMAL and state.intake.open and state.journal_error is None

    def run(self, decided: Plan, now: float) -> None:
        """After a plan was carried out: hand the next jobs over, or call back what waits when that may be no more."""
        if not self._is_open:
            self.call_back(self._waiting())
        elif self._brisk and decided.blocked:
            id, code = decided.blocked[0]
            if code in FULL and id in self._engine.state.line:
                self._extend(id, now)

    def _extend(self, first: JobId, now: float) -> None:
        state = self._engine.state
        kind = state.line.group_of(first)
        runs, mean_s = self._brisk.get(kind, (0, 0.0))
        if runs < RUNS_TO_BELIEVE:
            return
        chains = self._chains(kind)
        depth = min(MOST_AHEAD, int(AHEAD_S / max(mean_s, 0.001)), MOST_IN_ALL // max(1, len(chains)))
        if not chains or depth < 1 or min(map(len, chains)) - 1 > depth // 2:
            return
        ledger = open_ledger(state, now, self._engine.sensors.available_memory_bytes())
        if ledger.gates or ledger.cpu_busy or (ledger.headroom_bytes or 0) < 0:
            return
        wanted = sum(depth + 1 - len(chain) for chain in chains if len(chain) <= depth)
        for id in list(islice(in_order(state, now, ledger), wanted)):
            # As soon as a job of another kind is next in line, the planner has to see.
            if state.line.group_of(id) != kind:
                break
            chain = min(chains, key=len)
            if len(chain) > depth or not self._hand_over(state.jobs[id], chain, ledger, now):
                break
        self._look_later(now)

    def _chains(self, kind: GroupKey) -> list[list[Job]]:
        """The places that jobs of this kind have now: who has it, then who takes it, in order."""
        state = self._engine.state
        after = {job.status.behind: job for job in self._waiting() if isinstance(job.status, Starting)}
        chains = []
        for job in state.active.values():
            if not isinstance(job.status, Running | Starting) or state.waits_behind(job):
                continue
            if not _may_be_relayed(job.spec) or group_of(state, job) != kind:
                continue
            chain = [job]
            while chain[-1].id in after:
                chain.append(after[chain[-1].id])
            chains.append(chain)
        return chains

    def _hand_over(self, job: Job, chain: list[Job], ledger: Ledger, now: float) -> bool:
        """False when this job has to be let in by the planner itself."""
        engine = self._engine
        figure, before = expected(engine.state, job, ledger), chain[-1].estimate
        if not _may_be_relayed(job.spec) or job.id in engine.state.forced or not figure.known or before is None:
            return False
        if figure.memory_bytes > before.memory_bytes or figure.cores > before.cores:
            return False
        waited_for = job.last_wait.sentence if job.last_wait is not None else None
        engine.hands.begin(job, Start(job.id, figure, waited_for=waited_for), now, chain[-1].id)
        chain.append(job)
        return True

    def places(self, jobs: Sequence[Job]) -> dict[JobId, str]:
        """The tokens of the runs whose places these take, for those that have to wait for one."""
        state = self._engine.state
        found = {}
        for job in jobs:
            if isinstance(job.status, Starting) and job.status.behind in state.active:
                found[job.id] = state.active[job.status.behind].attempts[-1].token
        return found

    # --- calling back --------------------------------------------------------------------------------------------

    def _waiting(self) -> list[Job]:
        state = self._engine.state
        return [job for job in state.active.values() if state.waits_behind(job)]

    def no_longer_wants(self, job: Job) -> bool:
        """True when its intent was written, but it is not to be handed over any more."""
        return not self._is_open and self._engine.state.waits_behind(job)

    def call_back(self, jobs: Sequence[Job]) -> None:
        """They go back in line, unless they begin before the helper hears of it."""
        if jobs:
            self._brisk.clear()
            self._engine.executor.revoke(jobs)

    def _look_later(self, now: float) -> None:
        if self._cancel_look is None:
            self._cancel_look = self._engine.clock.call_at(now + PATIENCE_S, self._look)

    def _look(self) -> None:
        """Whoever had a place to take long ago waits behind a job that is not as short as its kind."""
        self._cancel_look = None
        now, waiting = self._engine.clock.now(), self._waiting()
        if self._engine.closed or not waiting:
            return
        late = [job for job in waiting if isinstance(job.status, Starting) and job.status.since + PATIENCE_S <= now]
        self.call_back(late)
        self._look_later(now)


def _may_be_relayed(spec: JobSpec) -> bool:
    """Nothing but memory, cores and a worker slot decides when it may run, and it does not come back by itself."""
    return spec.gpu is None and not spec.locks and not spec.array_parallel and not spec.may_rerun

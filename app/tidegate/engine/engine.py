"""The engine: sample, judge the mode, guard, plan, execute, journal; and the same at once when a job ends (D3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from tidegate.core import events as e
from tidegate.core.actions import Start
from tidegate.core.admission import Ledger, expected, open_ledger
from tidegate.core.explain import explain
from tidegate.core.guard import pressed_cards, react
from tidegate.core.job import JobId, JobSpec, Outcome, Paused, Running, RunRef, Stopping, Usage, time_limit_at
from tidegate.core.machine import Mode
from tidegate.core.modes import judge
from tidegate.core.plan import Plan
from tidegate.core.planner import plan
from tidegate.core.state import State
from tidegate.engine import audit, notices
from tidegate.engine.advisor import Advisor
from tidegate.engine.alarms import Alarms
from tidegate.engine.hands import Hands
from tidegate.engine.picture import machine_sample
from tidegate.engine.ports import (
    Clock,
    ExecutorPort,
    JournalPort,
    Notice,
    Notifier,
    Processes,
    ProcessEvent,
    RunStarted,
    RunUsage,
    Sample,
    Sensors,
)
from tidegate.engine.relay import Relay
from tidegate.engine.restart import restore
from tidegate.engine.runs import Runs
from tidegate.engine.store import Store
from tidegate.engine.strategist import Strategist
from tidegate.engine.telling import Telling
from tidegate.engine.views import MachineSample
from tidegate.engine.writer import Writer

log = logging.getLogger(__name__)

INTERVAL_FACTOR = {Mode.NORMAL: 1.0, Mode.HIGH: 0.5, Mode.EMERGENCY: 0.1}


@dataclass(slots=True)
class Accepting:
    """Submissions that have their numbers but are not yet on disk: how many jobs, and the numbers of their keys."""

    jobs: int = 0
    keys: dict[str, int] = field(default_factory=dict)


class Engine:
    """Owns the Store and drives the world through the ports. Everything here runs on one thread.

    ``writer`` hands things to the journal, ``runs`` hears of processes, ``hands`` carry decisions out.
    ``published`` is called after every tick that moved something, with the notices of that tick and the timed
    sample if there was one.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        sensors: Sensors,
        processes: Processes,
        executor: ExecutorPort,
        journal: JournalPort,
        notifier: Notifier,
        new_token: Callable[[], str],
        sample_interval_s: float = 1.0,
        finished_in_memory: int = 2000,
        audited: bool = True,
    ) -> None:
        self.store = store
        self.clock = clock
        self.sensors = sensors
        self.processes = processes
        self.executor = executor
        self.journal = journal
        self.new_token = new_token
        self.finished_in_memory = finished_in_memory
        self.audited = audited  # False: nobody will ever read the rows (a simulation)
        self.next_number = 1
        self.next_sequence = 1
        self.accepting = Accepting()
        self.plan: Plan | None = None
        self.planner_failures = 0
        self.warnings: list[str] = []
        self.edit: Callable[[JobSpec, Mapping[str, str]], JobSpec | str] = lambda _spec, _changes: (
            "nothing can be changed"
        )
        self.published: Callable[[Sequence[Notice], MachineSample | None], None] = lambda _notices, _sample: None
        self.notify_after_s = notices.NOTIFY_AFTER_S
        self.writer = Writer(self, journal)
        self.runs = Runs(self)
        self.hands = Hands(self)
        self.relay = Relay(self)
        self.telling = Telling(self)
        self.alarms = Alarms(self)
        self.advisor = Advisor(self)
        self.strategist = Strategist(self)
        self.closed = False
        self._notifier = notifier
        self._interval_s = sample_interval_s
        self._sample: MachineSample | None = None
        self._cancel_wake: Callable[[], None] | None = None
        self._woken_at: float | None = None
        self._ticking = False
        self._again = False
        self._watched: dict[str, RunRef] = {}

    @property
    def state(self) -> State:
        return self.store.state

    # --- opening and closing -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read back what was, find the runs that live, begin to sample. Nothing runs twice (D10)."""
        await restore(self)
        self.sensors.start(self.handle_sample, self._interval_s)
        self.tick()

    async def close(self, stop_jobs: bool) -> None:
        """Leave at once: state is saved, running jobs go on under the helper (or end, with ``stop_jobs``)."""
        if self.closed:
            return
        self.closed = True
        if self._cancel_wake is not None:
            self._cancel_wake()
        self.sensors.stop()
        self.writer.call_off_starts()
        if stop_jobs:
            self._note_all_told_to_end()
        self.telling.close()
        self.strategist.close()
        self.writer.flush(self._sample)
        await self.processes.close(stop_jobs)
        # Ends that came while we were leaving are known too.
        self.writer.flush(None)
        self.journal.close()

    def _note_all_told_to_end(self) -> None:
        """The helper is about to end them: written down first, so that the next start calls their ends cancelled."""
        now = self.clock.now()
        kill_at = now + self.state.policy.kill_timeout_s
        for job in list(self.state.active.values()):
            if not isinstance(job.status, Stopping):
                why = "Tidegate was told to stop its jobs and leave"
                self.record(e.JobStopping(now, job.id, Outcome.CANCELLED, why, kill_at))

    # --- facts -------------------------------------------------------------------------------------------------------

    def record(self, event: e.Event) -> None:
        """Apply one fact and remember it for the audit trail and for whoever should hear of it."""
        self.store.apply(event)
        row = audit.record(self.state, event) if self.audited else None
        if row is not None:
            self.writer.note_tick(row)
        notice = notices.notice(self.state, event, self.notify_after_s)
        if notice is None:
            return
        if isinstance(event, e.JournalHealthChanged):
            self.telling.tell_journal(notice, ill=event.error is not None)
        else:
            self.telling.tell(notice)

    def note(self, kind: str, sentence: str, now: float, job: JobId | None = None) -> None:
        """One more row of the audit trail, of what is no event of State."""
        self.writer.note_tick(audit.row(self.state, now, kind, sentence, job))

    def note_reaped(self, cpu_s: float | None, token: str) -> None:
        """CPU time of a run that ended: it was ours, not other programs' (D6)."""
        if cpu_s is not None:
            self.sensors.note_reaped(cpu_s, token)

    def handle_sample(self, sample: Sample) -> None:
        """A timed reading: the only thing that advances averages, cool-downs and per-tick counts (D6)."""
        if self.closed:
            return
        reading = sample.reading
        jump = self.clock.rebase()
        if jump:
            self.record(e.ClockRebased(self.clock.now(), jump))
            self.alarms.rebase(jump)
            self.advisor.rebase(jump)
            self.strategist.rebase(jump)
            reading = replace(reading, at=reading.at + jump)  # it was taken by the clock as it was
        usage = []
        for used in sample.usage:
            id = self.runs.job_of(used.token)
            if id is not None:
                usage.append((id, _usage(used, reading.at)))
        if usage:
            self.store.apply(e.JobsMeasured(reading.at, tuple(usage)))
        self.store.apply(e.MachineSampled(reading))
        self._judge_mode(reading.at)
        self.alarms.look(reading.at)
        self.advisor.look(reading.at)
        self.strategist.look(reading.at)
        self._sample = machine_sample(self.state, reading.at)
        if self._sample is not None:
            self.store.samples.append(self._sample)
        self.tick()

    def _judge_mode(self, now: float) -> None:
        machine = self.state.machine
        mode, causes = judge(machine, self.state.policy, now, pressed_cards(self.state))
        if mode is machine.mode:
            return
        self.record(e.ModeChanged(now, mode, causes))
        self.sensors.set_interval(self._interval_s * INTERVAL_FACTOR[mode])

    def set_interval(self, interval_s: float) -> None:
        """Sample at this pace in NORMAL mode, and so much faster in the others."""
        self._interval_s = interval_s
        self.sensors.set_interval(interval_s * INTERVAL_FACTOR[self.state.machine.mode])

    def handle_process_events(self, batch: Sequence[ProcessEvent]) -> None:
        """What came of our requests, and ends of runs: a finished job frees its place at once."""
        self.runs.handle(batch)
        rotated = any(section.strategy.rotates for section in self.state.line.sections)
        if rotated or self._ticking or not all(isinstance(event, RunStarted) for event in batch):
            self.tick()
        elif not self.closed:
            # What a job takes was promised to it when it was let in: that it runs now gives nobody another place.
            limits = map(time_limit_at, self.state.active.values())
            self._wake_at(min((at for at in (self._woken_at, *limits) if at is not None), default=None))
            self._end_tick()

    # --- the tick ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Guard, plan, execute, journal, publish. Safe to call from within: it then runs once more."""
        if self.closed:
            return
        if self._ticking:
            self._again = True
            return
        self._ticking = True
        try:
            self._again = True
            while self._again:
                self._again = False
                self._tick_once()
        finally:
            self._ticking = False

    def _tick_once(self) -> None:
        now = self.clock.now()
        self._open_intake_when_due(now)
        if self.state.begin_times and self.state.begin_times[0][0] <= now:
            self.store.apply(e.MomentReached(now))
        # A bug in the planner must not disarm the guard, so each has a try of its own (D3).
        try:
            self.hands.carry_out(react(self.state, now), now)
        except Exception:
            log.exception("the guard failed; this tick goes on without it")
        try:
            decided = self._decide(now)
            # Once a sample is often enough: between them jobs come to the head of the line by the thousand.
            if self._sample is not None:
                self._note_blocked(decided, now)
            self.hands.carry_out(decided.actions, now)
            self.plan = decided
            self._wake_at(decided.wake_at)
            self.relay.run(decided, now)
        except Exception:
            self.planner_failures += 1
            log.exception("the planner failed; nothing new starts in this tick")
        self._end_tick()

    def _end_tick(self) -> None:
        self._watch_runs()
        self.writer.flush(self._sample)
        self._forget_old()
        self._publish()

    def _decide(self, now: float) -> Plan:
        """Plan, and write down what strategies want to remember and which of them raised."""
        decided = plan(self.state, now)
        for section, memory in decided.remembered:
            self.store.apply(e.StrategyRemembered(now, section, memory))
        for strategy, why in decided.failed:
            self.store.apply(e.StrategyFailed(now, strategy, why))
        self.strategist.tell_switched_off(now)
        return decided

    def _open_intake_when_due(self, now: float) -> None:
        intake = self.state.intake
        if not intake.open and intake.until is not None and intake.until <= now:
            self.record(e.IntakeChanged(now, open=True))

    def _wake_at(self, when: float | None) -> None:
        if self._cancel_wake is not None:
            self._cancel_wake()
            self._cancel_wake = None
        self._woken_at = when
        if when is not None:
            self._cancel_wake = self.clock.call_at(when, self.tick)

    def _note_blocked(self, decided: Plan, now: float) -> None:
        """Write down why a job could not start, when the cause is a new one."""
        ledger: Ledger | None = None
        for id, code in decided.blocked:
            job = self.state.jobs[id]
            if job.last_wait is not None and job.last_wait.code is code:
                continue
            if ledger is None:
                ledger = open_ledger(self.state, now)
                for action in decided.actions:
                    if isinstance(action, Start):
                        ledger.take(self.state.jobs[action.id], action.estimate, action.devices)
            reason = explain(code, self.state, job, expected(self.state, job, ledger), ledger)
            self.record(e.JobBlocked(now, id, reason))

    def _watch_runs(self) -> None:
        runs = {}
        for job in self.state.active.values():
            if isinstance(job.status, Running | Paused | Stopping):
                runs[job.attempts[-1].token] = job.status.run
        if runs != self._watched:
            self._watched = runs
            self.sensors.watch(runs)

    def _forget_old(self) -> None:
        """Old finished jobs leave memory (not the history), but for those that others still wait to hear of."""
        finished, dependants = self.state.finished_order, self.state.dependants
        too_many = len(finished) - self.finished_in_memory
        if too_many <= 0:
            return
        looked_at = islice(finished, too_many + len(dependants))
        for id in [id for id in looked_at if id.number not in dependants][:too_many]:
            self.store.apply(e.JobForgotten(self.clock.now(), id))
            self.store.gone.append(id)

    # --- telling -----------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        told = self.telling.take_unpublished()
        sample, self._sample = self._sample, None
        for notice in told:
            self._notifier.notify(notice)
        moved = self.store.unpublished or self.store.gone or self.advisor.unpublished
        if told or sample is not None or moved:
            self.published(told, sample)


def _usage(used: RunUsage, at: float) -> Usage:
    return Usage(
        at,
        used.memory_bytes,
        used.cores,
        used.processes,
        used.gpu_memory_bytes,
        used.gpu_utilisation_pct,
        used.threads,
        used.touches,
    )

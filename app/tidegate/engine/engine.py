"""The engine: sample, judge the mode, guard, plan, execute, journal; and the same at once when a job ends (D3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from tidegate.core import events as e
from tidegate.core.actions import Action, Kill, Pause, Resume, Start, Terminate
from tidegate.core.admission import Ledger, expected, open_ledger, still_fits
from tidegate.core.explain import explain
from tidegate.core.guard import pressed_cards, react
from tidegate.core.job import Finished, Job, JobId, JobSpec, Paused, Queued, Running, Starting, Stopping, Usage
from tidegate.core.machine import Mode
from tidegate.core.modes import judge
from tidegate.core.plan import Plan
from tidegate.core.planner import plan
from tidegate.core.state import State
from tidegate.core.transitions import IllegalMove, release_begun
from tidegate.engine import audit
from tidegate.engine.picture import machine_sample
from tidegate.engine.ports import (
    Batch,
    Clock,
    ExecutorPort,
    HelperLost,
    JobRecord,
    JournalPort,
    Notice,
    Notifier,
    Processes,
    ProcessEvent,
    RunActionFailed,
    RunExited,
    RunLost,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStartFailed,
    Sample,
    Sensors,
    TickRecord,
)
from tidegate.engine.restart import restore
from tidegate.engine.store import Store
from tidegate.engine.views import MachineSample

log = logging.getLogger(__name__)

INTERVAL_FACTOR = {Mode.NORMAL: 1.0, Mode.HIGH: 0.5, Mode.EMERGENCY: 0.1}
JOURNAL_PROBE_S = 2.0


class Engine:
    """Owns the Store and drives the world through the ports. Everything here runs on one thread.

    ``published`` is called after every tick that moved something, with the notices of that tick and the timed
    sample if there was one. ``finished`` callbacks are called once when their job has ended.
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
    ) -> None:
        self.store = store
        self.clock = clock
        self.executor = executor
        self.journal = journal
        self._sensors = sensors
        self._processes = processes
        self._notifier = notifier
        self._new_token = new_token
        self._interval_s = sample_interval_s
        self.finished_in_memory = finished_in_memory
        self.next_number = 1
        self.next_sequence = 1
        self.plan: Plan | None = None
        self.warnings: list[str] = []
        self.edit: Callable[[JobSpec, Mapping[str, str]], JobSpec | str] = lambda _spec, _changes: (
            "nothing can be changed"
        )
        self.published: Callable[[Sequence[Notice], MachineSample | None], None] = lambda _notices, _sample: None
        self._tokens: dict[str, JobId] = {}
        self._confirmations: dict[tuple[str, str], list[Callable[[str | None], None]]] = {}
        self._finished: dict[JobId, list[Callable[[Job], None]]] = {}
        self._ticks: list[TickRecord] = []
        self._notices: list[Notice] = []
        self._starting: list[JobId] = []
        self._ended_tokens: list[str] = []
        self._new_profiles: list[JobId] = []
        self._sample: MachineSample | None = None
        self._cancel_wake: Callable[[], None] | None = None
        self._ticking = False
        self._again = False
        self._probing = False
        self._closed = False
        self._watched: tuple[JobId, ...] = ()
        self.planner_failures = 0

    @property
    def state(self) -> State:
        return self.store.state

    # --- opening and closing -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read back what was, find the runs that live, begin to sample. Nothing runs twice (D10)."""
        await restore(self)
        self._sensors.start(self.handle_sample, self._interval_s)
        self.tick()

    def register(self, token: str, id: JobId) -> None:
        """A run by this token belongs to this job."""
        self._tokens[token] = id

    @property
    def processes(self) -> Processes:
        return self._processes

    async def close(self, stop_jobs: bool) -> None:
        """Leave at once: state is saved, running jobs go on under the helper (or end, with ``stop_jobs``)."""
        if self._closed:
            return
        self._closed = True
        if self._cancel_wake is not None:
            self._cancel_wake()
        self._sensors.stop()
        self._flush()
        await self._processes.close(stop_jobs)
        self.journal.close()

    # --- facts -------------------------------------------------------------------------------------------------------

    def record(self, event: e.Event) -> None:
        """Apply one fact and remember it for the audit trail and for whoever should hear of it."""
        self.store.apply(event)
        row = audit.record(self.state, event)
        if row is not None:
            self._ticks.append(row)
        notice = audit.notice(self.state, event)
        if notice is not None:
            self._notices.append(notice)

    def handle_sample(self, sample: Sample) -> None:
        """A timed reading: the only thing that advances averages, cool-downs and per-tick counts (D6)."""
        if self._closed:
            return
        jump = self.clock.rebase()
        if jump:
            self.record(e.ClockRebased(self.clock.now(), jump))
        usage = []
        for used in sample.usage:
            id = self._tokens.get(used.token)
            if id is not None:
                gpu = used.gpu_memory_bytes
                usage.append((id, Usage(sample.reading.at, used.memory_bytes, used.cores, used.processes, gpu)))
        if usage:
            self.store.apply(e.JobsMeasured(sample.reading.at, tuple(usage)))
        self.store.apply(e.MachineSampled(sample.reading))
        self._judge_mode(sample.reading.at)
        self._sample = machine_sample(self.state, sample.reading.at)
        if self._sample is not None:
            self.store.samples.append(self._sample)
        self.tick()

    def _judge_mode(self, now: float) -> None:
        machine = self.state.machine
        mode, causes = judge(machine, self.state.policy, now, pressed_cards(self.state))
        if mode is machine.mode:
            return
        self.record(e.ModeChanged(now, mode, causes))
        self._sensors.set_interval(self._interval_s * INTERVAL_FACTOR[mode])

    def handle_process_events(self, batch: Sequence[ProcessEvent]) -> None:
        """What came of our requests, and ends of runs: a finished job frees its place at once."""
        for event in batch:
            try:
                self._handle_process_event(event)
            except IllegalMove:
                log.exception("a run reported something that cannot be: %r", event)
        self.tick()

    def _handle_process_event(self, event: ProcessEvent) -> None:
        if isinstance(event, HelperLost):
            log.warning("the process helper was lost: %s", event.why)
            return
        id = self._tokens.get(event.token)
        job = self.state.jobs.get(id) if id is not None else None
        if id is None or job is None or not job.attempts or job.attempts[-1].token != event.token:
            if isinstance(event, RunExited | RunStartFailed | RunLost):
                self._ended_tokens.append(event.token)
            return
        match event:
            case RunStarted():
                self.record(e.JobStarted(event.at, id, event.run))
                self._end_if_told(self.state.jobs[id])
            case RunStartFailed():
                self.record(e.JobStartFailed(event.at, id, event.token, event.error))
                self._forget_run(event.token)
            case RunExited():
                self._record_exit(id, job, event)
            case RunLost():
                self.record(e.JobLost(event.at, id, event.why))
                self._forget_run(event.token)
            case RunPaused():
                self._confirm(event.token, "pause", None)
            case RunResumed():
                self._confirm(event.token, "resume", None)
            case RunActionFailed():
                self._record_failed_action(id, event)

    def _record_exit(self, id: JobId, job: Job, event: RunExited) -> None:
        if event.cpu_s is not None:
            self._sensors.note_reaped(event.cpu_s, event.token)
        at = max(event.at, job.attempts[-1].intended_at)
        self.record(
            e.JobExited(
                at,
                id,
                event.token,
                event.exit_code,
                event.signal,
                event.cpu_s,
                event.peak_memory_bytes,
                event.started_at,
                event.identity,
            )
        )
        if job.outcome is not None and job.outcome.value == "succeeded":
            self._new_profiles.append(id)
        self._forget_run(event.token)

    def _forget_run(self, token: str) -> None:
        self._tokens.pop(token, None)
        self._ended_tokens.append(token)
        for kind in ("pause", "resume"):
            self._confirm(token, kind, "the job has ended")

    def _end_if_told(self, job: Job) -> None:
        """It was told to end while it was being started: now there is a process to tell."""
        status = job.status
        if isinstance(status, Stopping):
            if status.kill_at is None:
                self.executor.kill(job)
            else:
                self.executor.terminate(job, max(0.0, status.kill_at - self.clock.now()))

    def _record_failed_action(self, id: JobId, event: RunActionFailed) -> None:
        log.warning("job %s: could not %s: %s", id, event.action, event.why)
        self.record(e.ActionRejected(event.at, id, event.action, event.why))
        job = self.state.jobs[id]
        if event.action == "pause" and isinstance(job.status, Paused):
            self.record(e.JobResumed(event.at, id))
        self._notices.append(Notice(event.at, f"Could not {event.action} {job.spec.name}", event.why, id, "error"))
        self._confirm(event.token, event.action, event.why)

    # --- waiting for things to be so ---------------------------------------------------------------------------------

    def when_confirmed(self, token: str, kind: str, callback: Callable[[str | None], None]) -> None:
        """Call back with None when the helper has done it, or with the reason why not."""
        self._confirmations.setdefault((token, kind), []).append(callback)

    def _confirm(self, token: str, kind: str, why: str | None) -> None:
        for callback in self._confirmations.pop((token, kind), ()):
            callback(why)

    def when_finished(self, id: JobId, callback: Callable[[Job], None]) -> None:
        """Call back once the job has ended (at once when it has)."""
        job = self.state.jobs.get(id)
        if job is not None and isinstance(job.status, Finished):
            callback(job)
        else:
            self._finished.setdefault(id, []).append(callback)

    # --- the tick ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Guard, plan, execute, journal, publish. Safe to call from within: it then runs once more."""
        if self._closed:
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
        release_begun(self.state, now)
        # A bug in the planner must not disarm the guard, so each has a try of its own (D3).
        try:
            self._carry_out(react(self.state, now), now)
        except Exception:
            log.exception("the guard failed; this tick goes on without it")
        try:
            decided = plan(self.state, now)
            self._note_blocked(decided, now)
            self._carry_out(decided.actions, now)
            self.plan = decided
            self._wake_at(decided.wake_at)
        except Exception:
            self.planner_failures += 1
            log.exception("the planner failed; nothing new starts in this tick")
        self._forget_old()
        self._watch_runs()
        self._flush()
        self._publish()

    def _open_intake_when_due(self, now: float) -> None:
        intake = self.state.intake
        if not intake.open and intake.until is not None and intake.until <= now:
            self.record(e.IntakeChanged(now, open=True))

    def _wake_at(self, when: float | None) -> None:
        if self._cancel_wake is not None:
            self._cancel_wake()
            self._cancel_wake = None
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

    # --- executing ---------------------------------------------------------------------------------------------------

    def _carry_out(self, actions: Sequence[Action], now: float) -> None:
        ledger: Ledger | None = None
        for action in actions:
            job = self.state.jobs.get(action.id)
            if job is None:
                continue
            match action:
                case Start():
                    if ledger is None:
                        ledger = open_ledger(self.state, now, self._sensors.available_memory_bytes())
                    self._carry_out_start(action, job, ledger, now)
                case Pause():
                    self.pause(job, action, now)
                case Resume():
                    self.resume(job, action.thaw, now)
                case Terminate() | Kill():
                    self.stop(job, action, now)

    def _carry_out_start(self, action: Start, job: Job, ledger: Ledger, now: float) -> None:
        """Start it if a fresh reading still agrees (D3: ``still_valid``)."""
        forced = job.id in self.state.forced
        if not isinstance(job.status, Queued) or not (forced or still_fits(action.estimate, ledger)):
            self.record(e.ActionRejected(now, job.id, "start", "there is less memory than a moment ago"))
            return
        token = self._new_token()
        self._tokens[token] = job.id
        ledger.take(job, action.estimate, action.devices)
        number = job.attempts[-1].number + 1 if job.attempts else 1
        self.record(
            e.JobStarting(
                now, job.id, number, token, action.estimate, action.devices, action.bypassed, action.waited_for
            )
        )
        self._starting.append(job.id)

    def pause(self, job: Job, action: Pause, now: float) -> None:
        """Stop a running job's processes; a job already paused only changes its reason."""
        if not isinstance(job.status, Running):
            return
        self.record(e.JobPaused(now, job.id, action.reason, action.resume_at))
        self._note_intervention(action.reason.value in ("memory", "gpu"), now)
        self.executor.pause(job)

    def resume(self, job: Job, thaw: bool, now: float) -> None:
        if not isinstance(job.status, Paused):
            return
        self.record(e.JobResumed(now, job.id, thaw))
        self.executor.resume(job)

    def stop(self, job: Job, action: Terminate | Kill, now: float) -> None:
        """End a job's processes, with or without grace; what the end is called was decided before."""
        if not isinstance(job.status, Starting | Running | Paused | Stopping):
            return
        was_starting = isinstance(job.status, Starting)
        kill_at = now + action.grace_s if isinstance(action, Terminate) else None
        self.record(e.JobStopping(now, job.id, action.outcome, action.why, kill_at))
        self._note_intervention(True, now)
        if was_starting:
            return
        if isinstance(action, Terminate):
            self.executor.terminate(job, action.grace_s)
        else:
            self.executor.kill(job)

    def _note_intervention(self, counts: bool, now: float) -> None:
        if counts:
            self.state.machine.last_intervention_at = now
            self.state.machine.last_intervention_sample = self.state.machine.timed_samples

    def _watch_runs(self) -> None:
        active = tuple(self.state.active)
        if active == self._watched:
            return
        self._watched = active
        runs = {}
        for job in self.state.active.values():
            if isinstance(job.status, Running | Paused | Stopping):
                runs[job.attempts[-1].token] = job.status.run
            elif isinstance(job.status, Starting):
                # Its process is not known yet: look again at the next tick.
                self._watched = ()
        self._sensors.watch(runs)

    # --- writing down ------------------------------------------------------------------------------------------------

    def _forget_old(self) -> None:
        """Old finished jobs leave memory (not the history), unless somebody waits for them."""
        finished = self.state.finished_order
        while len(finished) > self.finished_in_memory:
            id = next(iter(finished))
            if id.number in self.state.dependants:
                return
            self.store.apply(e.JobForgotten(self.clock.now(), id))
            self.store.gone.append(id)

    def _flush(self) -> None:
        """Hand everything that moved to the journal: first what may be written later, then the intents (durable)."""
        state = self.state
        ids = self.store.take_unsaved()
        starting = [id for id in self._starting if isinstance(state.jobs[id].status, Starting | Stopping)]
        self._starting.clear()
        apart = set(starting)
        changed, attempts = [], []
        for id in ids:
            job = state.jobs.get(id)
            if job is None or id in apart:
                continue
            changed.append(job_record(job))
            attempts += [(id, attempt) for attempt in job.attempts[-2:]]
            if isinstance(job.status, Finished) and id in self._finished:
                for callback in self._finished.pop(id):
                    callback(job)
        ended, self._ended_tokens = self._ended_tokens, []
        ticks, self._ticks = self._ticks, []
        profiles = [profile for id in self._new_profiles if (profile := state.profile(state.jobs[id])) is not None]
        self._new_profiles.clear()
        samples = (self._sample,) if self._sample is not None else ()
        if changed or ticks or samples or ended:
            batch = Batch(
                changed=tuple(changed),
                attempts=tuple(attempts),
                ticks=tuple(ticks),
                samples=samples,
                profiles=tuple(profiles),
            )
            self.journal.write(batch, (lambda error: self._written(error, ended)) if ended else None)
        if starting:
            self._write_intents([state.jobs[id] for id in starting])

    def _written(self, error: str | None, ended: list[str]) -> None:
        if error is None and ended and not self._closed:
            self._processes.acknowledge(ended)

    def _write_intents(self, jobs: list[Job]) -> None:
        batch = Batch(
            changed=tuple(job_record(job) for job in jobs),
            attempts=tuple((job.id, attempt) for job in jobs for attempt in job.attempts[-2:]),
            durable=True,
        )
        tokens = [(job.id, job.attempts[-1].token) for job in jobs]
        self.journal.write(batch, lambda error: self._intents_written(error, tokens))

    def _intents_written(self, error: str | None, tokens: list[tuple[JobId, str]]) -> None:
        if self._closed:
            return
        still = [(id, token) for id, token in tokens if self._tokens.get(token) == id]
        if error is not None:
            for id, token in still:
                self._tokens.pop(token, None)
                self.record(e.JobStartRevoked(self.clock.now(), id, token, error))
            self.journal_failed(error)
            self.tick()
            return
        self.executor.start([self.state.jobs[id] for id, _ in still])

    def journal_failed(self, error: str) -> None:
        """Running jobs go on; nothing is accepted and nothing starts until a probe can be written again (D10)."""
        if self.state.journal_error != error:
            self.record(e.JournalHealthChanged(self.clock.now(), error))
        if not self._probing:
            self._probing = True
            self.clock.call_at(self.clock.now() + JOURNAL_PROBE_S, self._probe_journal)

    def _probe_journal(self) -> None:
        if not self._closed:
            probe = Batch(meta=(("probed_at", repr(self.clock.now())),), durable=True)
            self.journal.write(probe, self._probed)

    def _probed(self, error: str | None) -> None:
        self._probing = False
        if self._closed:
            return
        if error is not None:
            self.journal_failed(error)
            return
        if self.state.journal_error is not None:
            self.record(e.JournalHealthChanged(self.clock.now(), None))
        self.tick()

    # --- telling -----------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        notices, self._notices = self._notices, []
        sample, self._sample = self._sample, None
        for notice in notices:
            self._notifier.notify(notice)
        if notices or sample is not None or self.store.unpublished or self.store.gone:
            self.published(notices, sample)


def job_record(job: Job) -> JobRecord:
    """The job's own row as it stands now."""
    return JobRecord(job.id, job.spec, job.submitted_at, job.sequence, job.rank, job.status, job.bypassed)

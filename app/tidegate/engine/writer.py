"""The writer: hands what moved to the journal, intents first and durably, and keeps an eye on its health."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tidegate.core import events as e
from tidegate.core.job import Finished, Job, JobId, Starting, Stopping
from tidegate.core.prediction import Profile
from tidegate.engine.ports import Batch, JobRecord, JournalPort, TickRecord
from tidegate.engine.views import MachineSample

if TYPE_CHECKING:
    from tidegate.engine.engine import Engine

JOURNAL_PROBE_S = 2.0


class Writer:
    """Collects during a tick and writes at its end: journal -> helper, in this order, so that nothing runs twice."""

    def __init__(self, engine: Engine, journal: JournalPort) -> None:
        self._engine = engine
        self._journal = journal
        self._ticks: list[TickRecord] = []
        self._starting: list[JobId] = []
        self._asked: dict[str, JobId] = {}
        self._ended_tokens: list[str] = []
        self._taught: dict[str, Profile] = {}
        self._probing = False

    # --- collecting --------------------------------------------------------------------------------------------------

    def note_tick(self, row: TickRecord) -> None:
        """One more row of the audit trail."""
        self._ticks.append(row)

    def note_intent(self, id: JobId) -> None:
        """This job is to be started once its intent is on disk."""
        self._starting.append(id)

    def note_ended(self, token: str) -> None:
        """The end of this run is known; the helper may forget it once that is on disk."""
        self._ended_tokens.append(token)

    def note_lesson(self, profile: Profile | None) -> None:
        """A job's end changed what is known of its kind."""
        if profile is not None:
            self._taught[profile.key] = profile

    # --- writing -----------------------------------------------------------------------------------------------------

    def flush(self, sample: MachineSample | None) -> None:
        """Hand everything that moved to the journal: first what may be written later, then the intents (durable)."""
        engine, state = self._engine, self._engine.state
        ids = engine.store.take_unsaved()
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
            if isinstance(job.status, Finished):
                engine.runs.tell_finished(job)
        ended, self._ended_tokens = self._ended_tokens, []
        ticks, self._ticks = self._ticks, []
        samples = (sample,) if sample is not None else ()
        # With the samples is often enough: a kind with a thousand ends a second is written once, not a thousand times.
        profiles: tuple[Profile, ...] = ()
        if samples or engine.closed:
            profiles = tuple(self._taught.values())
            self._taught.clear()
        notices, counter = engine.telling.take_unwritten()
        conflicts, hints, numbers = engine.advisor.take_unwritten()
        auto = engine.strategist.take_unwritten()
        if changed or ticks or samples or ended or profiles or notices or numbers or auto:
            batch = Batch(
                changed=tuple(changed),
                attempts=tuple(attempts),
                ticks=tuple(ticks),
                samples=samples,
                profiles=profiles,
                meta=(*counter, *numbers, *auto),
                notices=notices,
                conflicts=conflicts,
                hints=hints,
            )
            self._journal.write(batch, (lambda error: self._written(error, ended)) if ended else None)
        if starting:
            self._write_intents([state.jobs[id] for id in starting])

    def _written(self, error: str | None, ended: list[str]) -> None:
        if error is None and not self._engine.closed:
            self._engine.processes.acknowledge(ended)

    def _write_intents(self, jobs: list[Job]) -> None:
        batch = Batch(
            changed=tuple(job_record(job) for job in jobs),
            attempts=tuple((job.id, attempt) for job in jobs for attempt in job.attempts[-2:]),
            durable=True,
        )
        tokens = [(job.id, job.attempts[-1].token) for job in jobs]
        self._asked.update((token, id) for id, token in tokens)
        self._journal.write(batch, lambda error: self._intents_written(error, tokens))

    def _intents_written(self, error: str | None, tokens: list[tuple[JobId, str]]) -> None:
        engine = self._engine
        still = [token for _, token in tokens if self._asked.get(token) is not None]
        if engine.closed or not still:
            return
        if error is not None:
            self._call_off(still, error)
            self.journal_failed(error)
            engine.tick()
            return
        # One that was told to end meanwhile has no process yet, and need not get one.
        jobs = {token: engine.state.jobs[self._asked[token]] for token in still}
        told = {token for token, job in jobs.items() if isinstance(job.status, Stopping)}
        self._call_off(told, "it was told to end before it was started")
        closed = {token for token, job in jobs.items() if engine.relay.no_longer_wants(job)}
        self._call_off(closed, "nothing starts any more ahead of time")
        for token in still:
            self._asked.pop(token, None)
        starts = [job for token, job in jobs.items() if token not in told | closed]
        if starts:
            engine.executor.start(starts, engine.relay.places(starts))
        if told or closed:
            engine.tick()

    def _call_off(self, tokens: Iterable[str], why: str) -> None:
        for token in tokens:
            id = self._asked.pop(token)
            self._engine.runs.drop(token)
            self._engine.record(e.JobStartRevoked(self._engine.clock.now(), id, token, why))

    def call_off_starts(self) -> None:
        """We leave: what the helper was not yet asked to start goes back in line, so that it is not lost."""
        self._call_off(list(self._asked), "Tidegate was stopped before it was started")

    # --- health ------------------------------------------------------------------------------------------------------

    def journal_failed(self, error: str) -> None:
        """Running jobs go on; nothing is accepted and nothing starts until a probe can be written again (D10)."""
        engine = self._engine
        if engine.state.journal_error != error:
            engine.record(e.JournalHealthChanged(engine.clock.now(), error))
        if not self._probing:
            self._probing = True
            engine.clock.call_at(engine.clock.now() + JOURNAL_PROBE_S, self._probe)

    def _probe(self) -> None:
        if not self._engine.closed:
            probe = Batch(meta=(("probed_at", repr(self._engine.clock.now())),), durable=True)
            self._journal.write(probe, self._probed)

    def _probed(self, error: str | None) -> None:
        self._probing = False
        engine = self._engine
        if engine.closed:
            return
        if error is not None:
            self.journal_failed(error)
            return
        if engine.state.journal_error is not None:
            engine.record(e.JournalHealthChanged(engine.clock.now(), None))
        engine.tick()


def job_record(job: Job) -> JobRecord:
    """The job's own row as it stands now."""
    return JobRecord(job.id, job.spec, job.submitted_at, job.sequence, job.rank, job.status, job.bypassed)

"""The journal: takes the engine's changes, commits them in groups on a thread of its own, and answers when written."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tidegate.engine.ports import Batch, Restored
from tidegate.journal.database import Connect, connect, describe, is_environments_fault
from tidegate.journal.loading import load
from tidegate.journal.pending import Pending
from tidegate.journal.recorder import Recorder
from tidegate.journal.retention import Retention

logger = logging.getLogger(__name__)

Done = Callable[[str | None], None]
CallSoon = Callable[[Callable[[], None]], None]

LINGER_S = 0.02
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
SWEEP_EVERY_S = 300.0
CLOSE_WITHIN_S = 5.0


class Entry(NamedTuple):
    batch: Batch
    done: Done | None


class Journal:
    """The only writer of the database (engine.ports.JournalPort).

    ``call_soon`` hands a function to the engine's thread; all answers of one commit come by one such call.
    A batch waits at most ``linger_s`` for others to share its commit, a durable one not at all.

    When the disk cannot be written, a durable batch is refused: ``done`` gets the sentence, and nothing of it stays.
    Any other is kept: ``done`` gets the sentence now and None once it is written. Kept ones are merged (one row per
    job and attempt; the newest 10,000 ticks and one hour of samples) and tried again every 0.1 to 5 s. ``on_health``
    is told, on the engine's thread, the sentence when writing begins to fail and None when it works again.
    """

    def __init__(
        self,
        database: Path,
        call_soon: CallSoon,
        *,
        on_health: Done | None = None,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
        linger_s: float = LINGER_S,
        open_connection: Connect = connect,
    ) -> None:
        self._database = database
        self._call_soon = call_soon
        self._on_health = on_health
        self.retention = retention or Retention()
        self._clock = clock
        self._linger_s = linger_s
        self._open_connection = open_connection
        self._recorder = Recorder(database, open_connection)

        self._wake = threading.Condition()
        self._queue: list[Entry] = []
        self._urgent = False
        self._closing = False
        self._thread: threading.Thread | None = None

        # Touched by the writer thread alone.
        self._kept = Pending()
        self._kept_done: list[Done] = []
        self._error: str | None = None
        self._retry_s = FIRST_RETRY_S
        self._sweep_at = time.monotonic() + SWEEP_EVERY_S / 10

    # --- the engine's side ---------------------------------------------------------------------------------------

    def load(self, finished: int) -> Restored:
        """The state as it was left; raises DatabaseRefused with one sentence when it must not or cannot be used."""
        state = load(self._database, finished, self._clock(), self._open_connection)
        self._recorder.know(state.jobs)
        return state

    def write(self, batch: Batch, done: Done | None = None) -> None:
        """Queue a batch; returns at once."""
        with self._wake:
            if not self._closing:
                self._queue.append(Entry(batch, done))
                if batch.durable or len(self._queue) == 1:
                    self._urgent = self._urgent or batch.durable
                    self._wake.notify()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                    self._thread.start()
                return
        if done is not None:
            answer = done
            self._call_soon(lambda: answer("The journal is closed."))

    def close(self) -> None:
        """Write what is queued, then close; what cannot be written after one try is given up and logged."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_WITHIN_S)
            if self._thread.is_alive():
                logger.error("The disk did not answer in time; the last changes may be missing from %s", self._database)

    # --- the writer thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            group, closing = self._next_group()
            if group or self._error is not None:
                self._commit(group)
            if closing:
                break
            if time.monotonic() >= self._sweep_at:
                self._sweep()
        if self._kept:
            logger.error("Some changes could not be written before the end: %s", self._error)
        self._recorder.close()

    def _next_group(self) -> tuple[list[Entry], bool]:
        """All that is queued, as soon as it is worth a commit; empty when it is time for something else."""
        retry_at = None if self._error is None else time.monotonic() + self._retry_s
        with self._wake:
            while not (self._urgent or self._closing):
                now = time.monotonic()
                if self._queue and retry_at is None:
                    self._wake.wait_for(lambda: self._urgent or self._closing, self._linger_s)
                    break
                due = self._sweep_at if retry_at is None else min(retry_at, self._sweep_at)
                if now >= due:
                    break
                self._wake.wait(due - now)
            group, self._queue, self._urgent = self._queue, [], False
            return group, self._closing

    def _commit(self, group: list[Entry]) -> None:
        pending = self._kept.copy() if self._kept else Pending()
        for entry in group:
            pending.absorb(entry.batch)
        if not pending:
            # A batch of nothing asks whether all before it is safe; a retry of nothing, whether the disk is well again.
            pending.meta["written_at"] = repr(self._clock())
        try:
            self._recorder.commit(pending, durable=any(entry.batch.durable for entry in group))
        except Exception as error:  # every kind is answered below
            if is_environments_fault(error):
                self._keep(group, describe(error, self._database))
            else:
                logger.exception("A group of changes cannot be written as it is; trying them one by one")
                self._commit_one_by_one(group)
            return
        self._kept = Pending()
        self._deliver([*self._take_kept_done(), *(entry.done for entry in group if entry.done)], None)

    def _keep(self, group: list[Entry], sentence: str) -> None:
        """The disk is to blame: refuse what was durable, keep the rest for the next try."""
        self._recorder.close()
        for entry in group:
            if entry.batch.durable:
                self._recorder.doubt(entry.batch.added)
            else:
                self._kept.absorb(entry.batch)
        self._kept.bound()
        self._retry_s = FIRST_RETRY_S if self._error is None else min(2 * self._retry_s, LAST_RETRY_S)
        self._deliver([entry.done for entry in group if entry.done], sentence)
        self._kept_done += [entry.done for entry in group if entry.done and not entry.batch.durable]

    def _commit_one_by_one(self, group: list[Entry]) -> None:
        """A mistake of ours in one batch must not cost the others: each alone, what was kept row by row."""
        self._commit_pieces(self._kept)
        self._kept = Pending()
        self._deliver(self._take_kept_done(), None)
        for position, entry in enumerate(group):
            pending = Pending()
            pending.absorb(entry.batch)
            error = self._try_alone(pending, entry.batch.durable)
            if error is not None and is_environments_fault(error):
                self._keep(group[position:], describe(error, self._database))
                return
            if error is not None and not entry.batch.durable:
                self._commit_pieces(pending)
            sentence = None if error is None else describe(error, self._database)
            self._answer([entry.done] if entry.done else [], sentence)

    def _try_alone(self, pending: Pending, durable: bool) -> Exception | None:
        try:
            self._recorder.commit(pending, durable)
        except Exception as error:
            logger.exception("This batch cannot be written")
            return error
        return None

    def _commit_pieces(self, pending: Pending) -> None:
        for piece in pending.pieces():
            try:
                self._recorder.commit(piece, durable=False)
            except Exception:
                logger.exception("This change cannot be written and is left out: %r", piece)

    def _sweep(self) -> None:
        more = False
        try:
            more = self._recorder.sweep(self.retention, self._clock())
        except Exception as error:
            if not is_environments_fault(error):
                logger.exception("What is too old could not be removed")
        self._sweep_at = time.monotonic() + (0.0 if more else SWEEP_EVERY_S)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _take_kept_done(self) -> list[Done]:
        done, self._kept_done = self._kept_done, []
        return done

    def _deliver(self, done: list[Done], error: str | None) -> None:
        """Answers, and the news when the disk became unwritable or well again."""
        news = self._on_health if error != self._error else None
        if error != self._error:
            if error is None:
                logger.info("The database can be written again")
            else:
                logger.warning("%s", error)
        self._error = error
        self._answer([news, *done] if news is not None else done, error)

    def _answer(self, done: list[Done], error: str | None) -> None:
        if not done:
            return

        def answer_all() -> None:
            for each in done:
                try:
                    each(error)
                except Exception:
                    logger.exception("What waited for the journal failed")

        try:
            self._call_soon(answer_all)
        except RuntimeError:
            logger.debug("The engine's loop is closed; %d answers are not wanted any more", len(done))

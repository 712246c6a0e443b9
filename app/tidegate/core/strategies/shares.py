"""Shares: what each account has of the machine while one plan is made, for fair_sharing and hybrid."""

from __future__ import annotations

from tidegate.core.fair_share import Use, held_by
from tidegate.core.job import Job, Running, Starting, Stopping
from tidegate.core.strategies.protocol import Turn

# Whoever holds something is charged so much of a half-life ahead: enough that a burst of short jobs counts before any
# of them has ended, too little to tilt shares in the long run (a hundredth of what steady use comes to, at most).
AHEAD_PART = 0.01
HOLDING = (Running, Starting, Stopping)


class Shares:
    """Dominant shares of the machine in seconds, by account: used lately, plus what is held now for a little while
    ahead. What the plan starts is added with ``note``."""

    __slots__ = ("_ahead_s", "_book", "_machine", "_noted", "_shares", "_turn", "_use")

    def __init__(self, turn: Turn) -> None:
        state, self._turn, self._noted = turn.state, turn, 0
        self._book = state.usage
        self._ahead_s = AHEAD_PART * self._book.accounts.half_life_s
        self._use: dict[str, Use] = {}
        self._shares: dict[str, float] = {}
        reading, ledger = state.machine.reading, turn.ledger
        memory = reading.memory_total_bytes if reading is not None else 1
        self._machine = Use(max(1.0, ledger.cores), memory, max(1, len(ledger.cards)))
        # Nobody waits here, so nobody will ask.
        for job in state.active.values() if turn.section.lanes else ():
            if isinstance(job.status, HOLDING) and not state.waits_behind(job):
                attempt = job.attempts[-1]
                started = turn.now if attempt.started_at is None else attempt.started_at
                ran_s = max(0.0, turn.now - started - attempt.paused_s)
                self._charge(job, attempt.reserved_bytes, self._book.accounts.faded_s(ran_s) + self._ahead_s)
        self.note_starts()

    def note_starts(self) -> None:
        """Charge what this plan has started since it was last asked."""
        starts = self._turn.ledger.starts
        for id, figure in starts[self._noted :]:
            self._charge(self._turn.state.jobs[id], figure.memory_bytes, self._ahead_s)
        self._noted = len(starts)

    def note(self, job: Job) -> None:
        """The job starts; in a rehearsal nobody else writes that down."""
        if self._turn.rehearsal:
            self._charge(job, job.spec.memory_bytes, self._ahead_s)
        else:
            self.note_starts()

    def _charge(self, job: Job, memory_bytes: int | None, seconds: float) -> None:
        account = self._book.accounts.account_of(job.spec)
        cards = job.spec.gpu.cards if job.spec.gpu is not None else 0
        self._use[account] = self._of(account).plus(held_by(job.spec, memory_bytes, cards), seconds)
        self._shares.pop(account, None)

    def _of(self, account: str) -> Use:
        use = self._use.get(account)
        if use is None:
            use = self._use[account] = self._book.used(account, self._turn.now)
        return use

    def of(self, account: str) -> float:
        """Seconds of the whole machine."""
        share = self._shares.get(account)
        if share is None:
            share = self._shares[account] = self._of(account).dominant(self._machine)
        return share

    def per_weight(self, account: str) -> float:
        return self.of(account) / self._book.accounts.weight(account)

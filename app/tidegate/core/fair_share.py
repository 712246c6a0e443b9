"""Fair share: whom a job's use is charged to (Accounts), and what every account used lately (UsageBook), D8.

Use is a vector of core-, byte- and card-seconds. An account's share is its dominant one, the largest of the three as a
part of what the machine has: one core with all the memory is the whole machine (Ghodsi et al., "Dominant Resource
Fairness", NSDI 2011). What was used long ago fades by half every half-life, as in Maui and Slurm (Jackson, Snell &
Clement, "Core Algorithms of the Maui Scheduler", JSSPP 2001), so that nobody is punished or credited for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tidegate.core.job import Attempt, JobSpec
from tidegate.core.strategies.options import Options

BY_USER, BY_LABEL, BY_QUEUE = "user", "label", "queue"
HALF_LIFE_S = 86_400.0
# Accounts are made by whoever submits; of more than this the half that used least is forgotten.
MOST_ACCOUNTS = 4096


class Use(NamedTuple):
    """Cores, bytes of memory and cards held; or these times seconds."""

    cores: float = 0.0
    memory_bytes: float = 0.0
    cards: float = 0.0

    def plus(self, other: Use, times: float = 1.0) -> Use:
        return Use(
            self.cores + other.cores * times,
            self.memory_bytes + other.memory_bytes * times,
            self.cards + other.cards * times,
        )

    def dominant(self, machine: Use) -> float:
        """The largest of the three as a part of what the machine has."""
        return max(self.cores / machine.cores, self.memory_bytes / machine.memory_bytes, self.cards / machine.cards)


def held_by(spec: JobSpec, memory_bytes: int | None, cards: int) -> Use:
    """What a run of this job holds, with so many cards."""
    share = spec.gpu.share if spec.gpu is not None else 0.0
    return Use(1.0 if spec.cores is None else spec.cores, memory_bytes or 0, share * cards)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Whom a job's use is charged to. ``by`` user, queue or label; ``label``: the key whose value counts, else the
    whole first label. ``weights`` of accounts not named are 1. Jobs that say nothing share the account ''."""

    by: str = BY_USER
    label: str = ""
    half_life_s: float = HALF_LIFE_S
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> Accounts:
        own = Options("fair_sharing", options)
        return cls(
            own.choice("by", BY_USER, (BY_USER, BY_LABEL, BY_QUEUE)),
            own.text("label", ""),
            own.number("half_life_s", HALF_LIFE_S, least=1.0),
            own.weights("weights"),
        )

    def account_of(self, spec: JobSpec) -> str:
        if self.by == BY_QUEUE:
            return spec.queue
        if self.by == BY_USER:
            return spec.user or ""
        if not self.label:
            return spec.labels[0] if spec.labels else ""
        key = f"{self.label}="
        return next((label.removeprefix(key) for label in spec.labels if label.startswith(key)), "")

    def weight(self, account: str) -> float:
        return self.weights.get(account, 1.0)

    def faded_s(self, seconds: float) -> float:
        """What so many seconds of steady use that end now count: the integral of their fading."""
        mean_life_s = self.half_life_s / math.log(2.0)
        return mean_life_s * -math.expm1(-seconds / mean_life_s)


class UsageBook:
    """Decayed use by account, each as of its own moment: charging a run costs the same however many there were."""

    __slots__ = ("_used", "accounts")

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self._used: dict[str, tuple[Use, float]] = {}

    def charge(self, spec: JobSpec, attempt: Attempt) -> None:
        """A run has ended. Only the time in which it really ran counts; it may have ended long ago."""
        if attempt.started_at is None or attempt.ended_at is None:
            return
        ran_s = attempt.ended_at - attempt.started_at - attempt.paused_s
        if ran_s <= 0:
            return
        account, at = self.accounts.account_of(spec), attempt.ended_at
        use = held_by(spec, attempt.reserved_bytes, len(attempt.devices))
        before, as_of = self._used.get(account, (Use(), at))
        latest = max(at, as_of)
        now = Use().plus(before, self._left(latest - as_of))
        self._used[account] = (now.plus(use, self.accounts.faded_s(ran_s) * self._left(latest - at)), latest)
        if len(self._used) > MOST_ACCOUNTS:
            self._forget_least(latest)

    def used(self, account: str, now: float) -> Use:
        """Core-, byte- and card-seconds, faded up to now, of runs that have ended."""
        entry = self._used.get(account)
        return Use() if entry is None else Use().plus(entry[0], self._left(max(0.0, now - entry[1])))

    def copy(self) -> UsageBook:
        other = UsageBook(self.accounts)
        other._used = dict(self._used)
        return other

    def rebase(self, jump_s: float) -> None:
        """The clock jumped: nothing has faded meanwhile."""
        self._used = {account: (use, at + jump_s) for account, (use, at) in self._used.items()}

    def _left(self, seconds: float) -> float:
        return math.exp2(-seconds / self.accounts.half_life_s)

    def _forget_least(self, now: float) -> None:
        # Cores stand for the rest: what matters is that those who used much are remembered.
        by_use = sorted(self._used, key=lambda account: self.used(account, now).cores, reverse=True)
        self._used = {account: self._used[account] for account in by_use[: MOST_ACCOUNTS // 2]}

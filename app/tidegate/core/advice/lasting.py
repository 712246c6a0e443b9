"""Lasting: a finding is told only once it has held for a while, and is over only when it has been away for a while.

So that nothing flaps: what comes and goes with every reading is either told once, or never.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

# A condition that trembles may be away so long while it is waited for whether it lasts.
GAP_S = 10.0
# What is open ends when it has been away so long.
CALM_S = 30.0
# Longer without a look (the machine slept): nobody knows what was meanwhile.
BLIND_S = 150.0


class Found(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def after_s(self) -> float: ...


F = TypeVar("F", bound=Found)


@dataclass(slots=True)
class _Track:
    first_at: float
    last_at: float
    open: bool = False


class Lasting(Generic[F]):
    """Keeps the clocks of findings by their keys; ``now`` is data. Those in ``muted`` are never opened while they
    last."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._looked_at: float | None = None
        self.muted: set[str] = set()

    def observe(self, now: float, found: Iterable[F]) -> tuple[list[F], list[F], list[str]]:
        """What begins with this look, what goes on, and the keys of what is over."""
        self._bridge(now)
        begun, lasting = [], []
        for finding in found:
            track = self._tracks.get(finding.key)
            if track is None:
                track = self._tracks[finding.key] = _Track(now, now)
            track.last_at = now
            if track.open:
                lasting.append(finding)
            elif now - track.first_at >= finding.after_s and finding.key not in self.muted:
                track.open = True
                begun.append(finding)
        return begun, lasting, self._over(now)

    def _over(self, now: float) -> list[str]:
        over = []
        for key, track in list(self._tracks.items()):
            away_s = now - track.last_at
            if away_s >= CALM_S or (away_s > GAP_S and not track.open and key not in self.muted):
                del self._tracks[key]
                self.muted.discard(key)
                if track.open:
                    over.append(key)
        return over

    def _bridge(self, now: float) -> None:
        before, self._looked_at = self._looked_at, now
        if before is not None and not 0.0 <= now - before <= BLIND_S:
            for track in self._tracks.values():
                track.first_at = track.last_at = now

    def mute(self, key: str) -> None:
        """It is closed, and not opened again before it has been away."""
        track = self._tracks.get(key)
        if track is not None:
            track.open = False
            self.muted.add(key)

    def forget(self, key: str) -> None:
        """It is closed; if it is still there, it begins anew."""
        self._tracks.pop(key, None)
        self.muted.discard(key)

    def keep(self, key: str, now: float, *, muted: bool = False) -> None:
        """It was open (or muted) before a restart, and goes on if it is seen again soon."""
        self._tracks[key] = _Track(now, now, not muted)
        if muted:
            self.muted.add(key)

    def rebase(self, jump_s: float) -> None:
        """The clock jumped: what lies behind is as long ago as before."""
        if self._looked_at is not None:
            self._looked_at += jump_s
        for track in self._tracks.values():
            track.first_at += jump_s
            track.last_at += jump_s

"""Comparison: a home's strategies and what came of its jobs, read from its files while no engine runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from tidegate.core.policy import Policy
from tidegate.core.state import MakeStrategy
from tidegate.engine.evaluation import without_engine
from tidegate.engine.strategist import META_AUTO, auto_from
from tidegate.journal.history import History


def recorded_strategies(
    database: Path, policy: Policy, strategies: Mapping[str, MakeStrategy], now: float
) -> dict[str, object]:
    """As ``GET /api/v1/strategies`` answers; raises sqlite3.Error when the history cannot be read."""
    with closing(History(database)) as history:
        return asdict(without_engine(policy, strategies, auto_from(history.meta(META_AUTO)), history, now))

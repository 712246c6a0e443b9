"""Evaluation: the strategies as views see them, each measured on the jobs that it let start in this home (D8)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from tidegate.core.job import Finished, Job
from tidegate.core.measures import by_strategy
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.state import MakeStrategy, State
from tidegate.engine.ports import HistoryPort
from tidegate.engine.views import AutoView, StrategiesView, StrategyView

RECENT_S = 30 * 86_400.0
MOST_JOBS = 5_000


def strategies_view(state: State, auto: AutoView, jobs: Sequence[Job]) -> StrategiesView:
    """Every strategy that is known or in use, measured on ``jobs`` (of ``recent_jobs``)."""
    measures = by_strategy(jobs)
    orders: dict[str, list[str]] = {}
    for queue in list(state.queues.values()):
        orders.setdefault(state.strategy_of(queue), []).append(queue.name)
    switched_off = dict(state.switched_off)
    # One that was uninstalled may still be set, or have let jobs start.
    names = dict.fromkeys([*state.strategies, *switched_off, *measures])
    views = [
        StrategyView(
            name,
            describe(state.strategies, name),
            name in state.strategies,
            tuple(orders.get(name, ())),
            switched_off.get(name),
            measures.get(name),
        )
        for name in names
    ]
    return StrategiesView(
        setting=state.policy.strategy,
        in_use=state.strategy_of(QueuePolicy("")),
        auto=auto,
        strategies=tuple(views),
        jobs=sum(each.jobs for each in measures.values()),
        since=min((_ended_at(job) for job in jobs), default=None),
    )


def recent_jobs(history: HistoryPort, now: float) -> list[Job]:
    """Of the jobs that ended in the last 30 days the newest 5,000. Too long a read for the engine's thread."""
    return [job for job in history.finished(None, MOST_JOBS) if _ended_at(job) >= now - RECENT_S]


def _ended_at(job: Job) -> float:
    assert isinstance(job.status, Finished)
    return job.status.at


def without_engine(
    policy: Policy, strategies: Mapping[str, MakeStrategy], auto: AutoView, history: HistoryPort, now: float
) -> StrategiesView:
    """What an engine with these settings would begin with."""
    state = State(policy, strategies)
    if auto.strategy != state.chosen:
        state.chosen = auto.strategy
        state.form_line()
    return strategies_view(state, auto, recent_jobs(history, now))


def describe(strategies: Mapping[str, MakeStrategy], name: str) -> str:
    """What a strategy does, in a line: the ``description`` of its class, else how its module begins."""
    try:
        make = strategies[name]
    except KeyError:
        return "not installed here"
    except Exception as error:  # noqa: BLE001 (loading it runs others' code)
        return f"cannot be loaded: {type(error).__name__}: {error}"
    told = getattr(getattr(make, "__self__", make), "description", None) or _module_text(make)
    line = next(iter(str(told).strip().splitlines()), "")
    return line.removeprefix(f"{name}: ").rstrip(".")


def _module_text(make: Callable[..., object]) -> str:
    return getattr(sys.modules.get(make.__module__), "__doc__", None) or ""

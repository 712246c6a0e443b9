"""The verb ``strategy``: the table, choosing with and without an engine, and the comparison on recorded jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from cli.conftest import Said
from core.test_switching import MEASURED
from support.fake_desk import FakeDesk
from support.recorded import record
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.engine.ports import Change
from tidegate.engine.strategist import META_AUTO
from tidegate.engine.views import AutoView, StrategiesView, StrategyView
from tidegate.paths import Paths
from tidegate.settings import load

Run = Callable[..., Said]
QUEUES = ("realtime", "default")
VIEW = StrategiesView(
    "priority_based",
    "priority_based",
    AutoView("priority_based"),
    (
        StrategyView("priority_based", "priority first", True, QUEUES, None, MEASURED),
        StrategyView("hybrid", "a weighted sum", True, ("batch",)),
        StrategyView("fair_sharing", "who used least"),
        StrategyView("clumsy", "not to be copied", switched_off="it raised RuntimeError: never finished"),
        StrategyView("gone", "not installed here", False),
    ),
    100,
    1000.0,
)


def record_some(paths: Paths, count: int, **more: object) -> None:
    """A history in which every second a job of 20 s came to a machine that ran one at a time."""
    begun = 1_000_000.0
    runs = [(begun + number, begun + 20.0 * number - 20.0, begun + 20.0 * number) for number in range(1, count + 1)]
    record(paths.database, runs, strategy="hybrid", **more)  # type: ignore[arg-type]


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_says_what_each_does_and_where_it_is_in_use(tidegate: Run, desk: FakeDesk) -> None:
    desk.known_strategies = VIEW
    said = tidegate("strategy")
    head, *lines = said.out.splitlines()
    assert head.split("  ")[0] == "STRATEGY"
    assert [line.split("  ")[0] for line in lines] == ["priority_based", "hybrid", "fair_sharing", "clumsy", "gone"]
    assert "realtime, default  priority first" in lines[0]
    assert "  batch  " in lines[1]
    assert "  -  " in lines[2]
    assert "switched off" in lines[3]
    assert "clumsy is switched off: it raised RuntimeError: never finished; its queues go on" in said.err
    assert tidegate("strategy", "--json").json["strategies"][0]["measures"] == asdict(MEASURED)


def test_auto_says_what_it_goes_by_since_when_and_why(tidegate: Run, desk: FakeDesk) -> None:
    auto = AutoView("hybrid", 1000.0, "the last 100 jobs went better", 2000.0, "hybrid stays: none is better")
    desk.known_strategies = replace(VIEW, setting="auto", in_use="hybrid", auto=auto)
    said = tidegate("strategy")
    assert "auto goes by hybrid; since" in said.err
    assert ": the last 100 jobs went better." in said.err
    assert ": hybrid stays: none is better." in said.err


# --- choosing --------------------------------------------------------------------------------------------------------


def test_choosing_one_sets_it_and_says_what_changes(tidegate: Run, desk: FakeDesk) -> None:
    desk.known_strategies = VIEW
    changed = replace(
        VIEW,
        setting="fair_sharing",
        in_use="fair_sharing",
        strategies=(
            replace(VIEW.strategies[0], queues=()),
            VIEW.strategies[1],
            replace(VIEW.strategies[2], queues=QUEUES),
        ),
    )

    def take_over(change: Change) -> None:
        if change.setting is not None:
            desk.known_strategies = changed

    desk.subscribe(take_over)
    said = tidegate("strategy", "fair_sharing")
    assert (said.code, said.out) == (0, ""), said.err
    assert "waiting jobs go by fair_sharing from now on, not by priority_based; batch keeps hybrid." in said.err
    assert next(each for each in desk.settings() if each.name == "strategy").value == "fair_sharing"
    assert "is what is set already" in tidegate("strategy", "fair_sharing").err


@pytest.mark.parametrize("name", ["fair_shraing", "gone", "Hybrid", ""])
def test_an_unknown_one_is_refused_with_those_that_are_known(tidegate: Run, desk: FakeDesk, name: str) -> None:
    desk.known_strategies = VIEW
    said = tidegate("strategy", name)
    assert said.code == 2
    assert f"there is no strategy {name!r}; " in said.err
    assert "here are priority_based, hybrid, fair_sharing, clumsy and auto." in said.err
    assert ("did you mean fair_sharing?" in said.err) == (name == "fair_shraing")
    assert next(each for each in desk.settings() if each.name == "strategy").source == "default"


def test_one_that_is_switched_off_at_once_is_a_failure(tidegate: Run, desk: FakeDesk) -> None:
    off = replace(VIEW.strategies[2], switched_off="it raised RuntimeError: never finished")
    desk.known_strategies = replace(VIEW, setting="fair_sharing", strategies=(*VIEW.strategies[:2], off))
    said = tidegate("strategy", "fair_sharing")
    assert said.code == 1
    assert "fair_sharing is switched off: it raised RuntimeError: never finished; its queues go on under" in said.err


def test_without_an_engine_it_is_written_and_shown(tidegate: Run, paths: Paths) -> None:
    said = tidegate("strategy")
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == list(BUILT_IN)
    assert "priority_based" in said.out
    assert tidegate("strategy", "hybrid").code == 0
    assert load(paths).policy().strategy == "hybrid"
    rows = {line.split()[0]: line for line in tidegate("strategy").out.splitlines()}
    assert "all queues" in rows["hybrid"]
    assert tidegate("strategy", "nothing").code == 2
    assert load(paths).policy().strategy == "hybrid"


def test_without_an_engine_auto_is_what_the_last_one_had_come_to(tidegate: Run, paths: Paths) -> None:
    record_some(paths, 1, meta=((META_AUTO, '{"strategy": "hybrid", "chosen_at": 5.0, "why": "it was better"}'),))
    assert tidegate("strategy", "auto").code == 0
    said = tidegate("strategy")
    rows = {line.split()[0]: line for line in said.out.splitlines()}
    assert "all queues" in rows["hybrid"]
    assert "auto goes by hybrid; since" in said.err


def test_what_the_environment_sets_stays_in_force(tidegate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_QUEUE_STRATEGY", "fair_sharing")
    said = tidegate("strategy", "hybrid")
    assert said.code == 1
    assert "the strategy stays fair_sharing" in said.err


def test_words_that_make_no_sense_together(tidegate: Run) -> None:
    for words in (("hybrid", "--compare"), ("hybrid", "--json"), ("one", "two")):
        assert tidegate("strategy", *words).code == 2


# --- comparing -------------------------------------------------------------------------------------------------------


def test_the_comparison_has_recorded_and_replayed_figures_side_by_side(
    tidegate: Run, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_some(paths, 25)
    monkeypatch.setattr("tidegate.engine.evaluation.RECENT_S", 1e12)  # the recorded jobs are of 1970
    assert tidegate("config", "set", "max_workers", "1").code == 0
    found = tidegate("strategy", "--compare", "--json")
    assert found.code == 0, found.err
    assert (found.json["jobs_replayed"], found.json["span_s"], found.json["remark"]) == (25, 24.0, None)
    rows = {row["name"]: row for row in found.json["strategies"]}
    assert set(rows) == set(BUILT_IN)
    live, replayed = rows["hybrid"]["live"], rows["hybrid"]["replayed"]
    assert (live["jobs"], live["succeeded"]) == (replayed["jobs"], replayed["succeeded"]) == (25, 25)
    assert live["mean_wait_s"] == pytest.approx(12 * 19.0 - 1.0)
    assert replayed["mean_wait_s"] == pytest.approx(live["mean_wait_s"], rel=0.05), "it tells the same story"
    assert rows["priority_based"]["live"] is None
    assert all(row["replayed"]["jobs"] == 25 for row in rows.values())


def test_the_table_of_the_comparison_is_aligned_and_says_what_it_is_of(tidegate: Run, paths: Paths) -> None:
    record_some(paths, 3)
    said = tidegate("strategy", "--compare")
    assert said.code == 0, said.err
    heading, *lines = said.out.splitlines()
    assert heading.split() == [
        *("STRATEGY", "FIGURES", "JOBS", "OK", "WAIT", "P95", "WAIT", "SLOWDOWN", "PREEMPTED", "LOST"),
    ]
    assert len(lines) == len(BUILT_IN)
    assert len({len(line) for line in (heading, *lines)}) == 1
    assert any(line.startswith("priority_based *  replayed") for line in lines)
    assert "replaying 3 jobs of 2 s under every strategy" in said.err
    assert "replayed: 3 jobs of 2 s, the same under each; * is in use." in said.err
    assert "Only 3 jobs have run to an end here so far; of fewer than 20 the figures say little." in said.err


def test_without_history_it_says_so(tidegate: Run) -> None:
    said = tidegate("strategy", "--compare")
    assert (said.code, said.out) == (0, "")
    assert "No job has run to its end in this home yet" in said.err
    assert tidegate("strategy", "--compare", "--json").json["jobs_replayed"] == 0


def test_the_replay_is_only_read_from(tidegate: Run, paths: Paths) -> None:
    record_some(paths, 2)
    before = {path: path.read_bytes() for path in paths.data_dir.parent.rglob("*") if path.is_file()}
    assert tidegate("strategy", "--compare").code == 0
    after = {path: path.read_bytes() for path in paths.data_dir.parent.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} <= {"tidegate.db-shm", "tidegate.db-wal"}
    assert all(after[path] == content for path, content in before.items() if path.suffix in (".db", ".toml"))


def test_newest_belongs_to_the_history(tidegate: Run, paths: Paths) -> None:
    record_some(paths, 5)
    assert tidegate("simulate", "--history", "--newest", "2", "--json").json["jobs_used"] == 2
    said = tidegate("simulate", "some.csv", "--newest", "2")
    assert (said.code, "--newest belongs to --history" in said.err) == (2, True)

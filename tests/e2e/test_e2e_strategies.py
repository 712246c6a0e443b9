"""Strategies in the real program: an installed plug-in, one that raises, and auto that replays what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installing import installed
from support.live import Live, live_home
from support.until import until

__all__ = ["installed"]


@pytest.fixture
def one_at_a_time(installed: Path) -> Iterator[Live]:
    """An engine that sees the plug-in and runs one job at a time."""
    with live_home(max_workers="1") as live:
        live.env["PYTHONPATH"] += f":{installed}"
        live.start()
        live.expected_errors = ("The strategy clumsy was switched off",)
        yield live


def test_an_installed_plug_in_orders_real_jobs_and_one_that_raises_is_switched_off(one_at_a_time: Live) -> None:
    live = one_at_a_time
    rows = {line.split()[0]: line for line in live.cli("strategy").out.splitlines()}
    assert "whoever is expected to need least time goes first" in rows["shortest_first"]
    said = live.cli("strategy", "shortest_first")
    assert said.code == 0
    assert "waiting jobs go by shortest_first from now on, not by priority_based" in said.err
    first = live.submit("sleep", "0.5")
    until(lambda: live.status_of(first) == "running")
    ids = [live.submit("true", time=minutes) for minutes in ("50", "10", "40", "20")]
    jobs = live.finished(ids)
    started = {job["id"]: job["started_at"] for job in jobs}
    assert sorted(ids, key=started.__getitem__) == [ids[1], ids[3], ids[2], ids[0]]
    assert {job["attempt_list"][0]["strategy"] for job in jobs} == {"shortest_first"}
    measured = {each["name"]: each["measures"] for each in live.cli("strategy", "--json").json["strategies"]}
    assert measured["shortest_first"]["jobs"] == 5

    said = live.cli("strategy", "clumsy")
    assert said.code == 1
    assert "clumsy is switched off: it raised RuntimeError: I was never finished" in said.err
    assert "The strategy clumsy is switched off: it raised RuntimeError" in live.cli("status").err
    [job] = live.finished([live.submit("true")])
    assert (job["outcome"], job["attempt_list"][0]["strategy"]) == ("succeeded", "priority_based")
    assert live.cli("strategy", "longest_first").refuses(2, "no strategy 'longest_first'", "shortest_first")
    assert live.client.get("/status")["strategy"] == "clumsy", "nothing was changed"


def test_auto_replays_recorded_jobs_in_a_process_of_its_own(live: Live) -> None:
    live.start()
    live.finished(live.submit_all([("true",)] * 24))
    assert live.cli("strategy", "auto").code == 0
    auto = until(lambda: found if (found := live.client.get("/status")["auto"])["found"] is not None else None, 40.0)
    assert auto["strategy"] == "priority_based"
    assert "the last 24 jobs, replayed, have a slowdown of 1.00 under it" in auto["found"]
    until(lambda: any(auto["found"] in tick["sentence"] for tick in live.client.get("/journal", limit=1000)["ticks"]))
    assert "auto: priority_based" in live.cli("status").out
    live.restart()
    assert live.client.get("/status")["auto"] == auto

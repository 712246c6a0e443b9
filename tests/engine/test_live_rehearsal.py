"""The real rehearsal: recorded jobs replayed in a process that yields to others, broken off, and what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from support.recorded import record
from support.until import until
from tidegate.cli import replaying
from tidegate.core.strategies.registry import BUILT_IN
from tidegate.core.switching import Rehearsed, judge
from tidegate.paths import find_paths
from tidegate.wiring.rehearsal import LiveRehearsal

Answers = list[Sequence[Rehearsed] | str]
HOUR = 3600.0


@pytest.fixture
def recorded() -> None:
    """A machine that did one job at a time, in order: one long one, and thirty short ones behind it."""
    paths = find_paths()
    paths.create()
    runs = [(0.0, 0.0, HOUR)] + [(1.0, HOUR + 60.0 * number, HOUR + 60.0 * (number + 1)) for number in range(30)]
    record(paths.database, runs)


def test_what_would_have_been_better_is_found_and_the_reason_says_it(recorded: None) -> None:
    del recorded
    answers: Answers = []
    rehearsal = LiveRehearsal(lambda call: call(), {"max_workers": "1"})
    rehearsal.begin(answers.append)
    pid = until(lambda: rehearsal.pid)
    assert pid is not None
    until(lambda: answers or os.getpriority(os.PRIO_PROCESS, pid) == replaying.LEAST_PRIORITY)
    until(lambda: answers, 30.0)
    [found] = answers
    assert not isinstance(found, str), found
    assert {each.strategy for each in found} == set(BUILT_IN)
    assert {each.measures.jobs for each in found} == {31}
    chosen, why = judge("priority_based", found)
    assert chosen == "time_slicing"
    assert why.startswith("the last 31 jobs, replayed, have a slowdown of ")
    assert rehearsal.pid is None


def test_one_that_is_broken_off_ends_its_process(recorded: None) -> None:
    del recorded
    answers: Answers = []
    rehearsal = LiveRehearsal(lambda call: call(), {})
    rehearsal.begin(answers.append)
    pid = until(lambda: rehearsal.pid)
    rehearsal.stop()
    until(lambda: answers)
    assert isinstance(answers[0], str)
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)


def test_what_cannot_be_replayed_says_why() -> None:
    answers: Answers = []
    LiveRehearsal(lambda call: call(), {}).begin(answers.append)
    until(lambda: answers, 20.0)
    assert answers == ["No job has run to its end in this home yet, so there is no history to replay"]

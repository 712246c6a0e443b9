"""The sampler's beat on a clock of its own: steady, without bursts, and at once when the interval changes."""

from __future__ import annotations

import threading

import pytest

from tidegate.monitor.pace import Pace


class SteppedClock:
    """Stands still but for waiting, which ``Pace`` does on an event: that is replaced by a step of time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float) -> None:
        self.waits.append(timeout)
        self.now += timeout


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def pace(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> Pace:
    pace = Pace(1.0, clock)
    monkeypatch.setattr(pace._changed, "wait", clock.wait)
    return pace


def test_work_between_beats_does_not_make_it_drift(pace: Pace, clock: SteppedClock) -> None:
    beats = []
    for _ in range(5):
        assert pace.wait()
        beats.append(clock.now)
        clock.now += 0.3
    assert beats == pytest.approx([1000, 1001, 1002, 1003, 1004])


def test_beats_missed_in_a_stall_are_dropped_not_made_up(pace: Pace, clock: SteppedClock) -> None:
    pace.wait()
    clock.now += 50.5
    assert pace.wait()
    assert clock.now == 1050.5
    pace.wait()
    assert clock.now == 1051.5


def test_a_new_interval_counts_from_the_last_beat(pace: Pace, clock: SteppedClock) -> None:
    pace.wait()
    clock.now += 0.2
    pace.set_interval(0.1)
    assert pace.wait()
    assert clock.now == pytest.approx(1000.2)


def test_a_waiting_thread_leaves_at_once_when_stopped() -> None:
    pace = Pace(3600.0)
    assert pace.wait()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(pace.wait()))
    thread.start()
    pace.stop()
    thread.join(5)
    assert answers == [False]


def test_a_waiting_thread_follows_a_shorter_interval_at_once() -> None:
    pace = Pace(3600.0)
    assert pace.wait()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(pace.wait()))
    thread.start()
    pace.set_interval(0.01)
    thread.join(5)
    assert answers == [True]

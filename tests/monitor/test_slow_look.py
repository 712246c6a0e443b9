"""Looks beside the samples: rare, cheap, and harmless when they hang or fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from support.until import until
from tidegate.monitor.faults import Faults
from tidegate.monitor.slow_look import COST_RATIO, HANGS_AFTER_S, SlowLook


class Watch:
    """A clock for the pauses between looks, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Looked:
    def __init__(self, work: Callable[[str], None] = lambda _: None) -> None:
        self.subjects: list[str] = []
        self.ended = 0
        self.threads: set[str] = set()
        self._work = work

    def __call__(self, subject: str) -> Iterator[None]:
        self.subjects.append(subject)
        self.threads.add(threading.current_thread().name)
        try:
            self._work(subject)
            yield
        finally:
            self.ended += 1


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_look_comes_at_once_and_then_rarely_in_its_own_thread(watch: Watch) -> None:
    looked = Looked()
    slow = SlowLook("aside", looked, 5.0, Faults(), watch)
    slow.offer("a")
    until(lambda: looked.ended == 1)
    slow.offer("b")
    watch.now += 5.0

    def taken() -> bool:
        slow.offer("c")
        return looked.ended == 2

    until(taken)
    assert looked.subjects == ["a", "c"]
    assert looked.threads == {"aside"}
    slow.stop()
    watch.now += 50.0
    slow.offer("d")
    assert looked.subjects == ["a", "c"]


def test_a_dear_look_waits_the_longer_for_its_next(watch: Watch) -> None:
    def work(_: str) -> None:
        until_s = time.thread_time() + 0.1
        while time.thread_time() < until_s:
            pass

    looked = Looked(work)
    slow = SlowLook("aside", looked, 5.0, Faults(), watch)
    slow.offer("a")
    until(lambda: looked.ended == 1 and not slow._busy)
    watch.now += 0.09 * COST_RATIO
    slow.offer("too early")
    assert not slow._busy
    slow.stop()
    assert looked.subjects == ["a"]


def test_a_look_that_hangs_is_known_as_such_and_holds_nobody_up(watch: Watch) -> None:
    free = threading.Event()
    looked = Looked(lambda _: free.wait(10) and None)
    slow = SlowLook("aside", looked, 5.0, Faults(), watch)
    slow.offer("a")
    until(lambda: looked.subjects)
    assert not slow.hangs
    watch.now += HANGS_AFTER_S + 1
    begun = time.monotonic()
    slow.offer("b")
    assert slow.hangs
    slow.stop(timeout_s=0.01)
    assert time.monotonic() - begun < 1
    free.set()
    until(lambda: looked.ended == 1)
    assert looked.subjects == ["a"]


def test_a_look_that_fails_is_said_and_the_next_one_comes(watch: Watch, caplog) -> None:
    def work(subject: str) -> None:
        if subject == "bad":
            raise OSError("no such file server")

    looked = Looked(work)
    slow = SlowLook("what jobs touch", looked, 5.0, Faults(), watch)
    slow.offer("bad")
    until(lambda: looked.ended == 1)
    watch.now += 10.0

    def taken() -> bool:
        slow.offer("good")
        return looked.ended == 2

    until(taken)
    slow.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "The reading of what jobs touch is unknown: no such file server"
    ]


def test_a_long_look_is_left_in_its_middle_when_it_is_time_to_go() -> None:
    ended = threading.Event()

    def endless(_: str) -> Iterator[None]:
        try:
            while True:
                yield
        finally:
            ended.set()

    slow = SlowLook("aside", endless, 5.0, Faults())
    slow.offer("a")
    slow.stop(timeout_s=5)
    assert ended.wait(5)

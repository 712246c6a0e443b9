"""The change stream on the window's thread: batched, collapsed, and dropped while nobody looks."""

from __future__ import annotations

import threading

from support.fake_desk import FakeDesk
from tidegate.gui.feed import Feed
from tidegate.gui.throttle import Throttle


class Heard:
    def __init__(self, feed: Feed) -> None:
        self.batches: list[tuple[list[str], list[str]]] = []
        self.statuses: list[str] = []
        feed.jobs_changed.connect(lambda jobs, gone: self.batches.append(([job.id for job in jobs], gone)))
        feed.status_changed.connect(lambda status: self.statuses.append(status.mode))


def a_feed(desk: FakeDesk, watch: bool = True) -> tuple[Feed, Heard]:
    feed = Feed(desk)
    feed.watch_jobs(watch)
    feed.start()
    return feed, Heard(feed)


def test_nothing_is_done_inside_the_engines_own_call(qtbot, desk):
    feed, heard = a_feed(desk)
    desk.add("1")
    assert heard.batches == []
    qtbot.waitUntil(lambda: heard.batches == [(["1"], [])])
    feed.stop()


def test_a_thousand_changes_arrive_in_a_few_batches_and_each_job_once(qtbot, desk):
    feed, heard = a_feed(desk)
    for n in range(1000):
        desk.add(str(n % 50 + 1), priority=n % 10)
    desk.add("99")
    qtbot.waitUntil(lambda: bool(heard.batches) and "99" in heard.batches[-1][0])
    assert len(heard.batches) <= 2
    assert len(heard.batches[-1][0]) == len(set(heard.batches[-1][0]))
    feed.stop()


def test_changes_made_on_another_thread_arrive_too(qtbot, desk):
    feed, heard = a_feed(desk)
    thread = threading.Thread(target=lambda: [desk.add(str(n)) for n in range(1, 20)])
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: {id for batch, _ in heard.batches for id in batch} == {str(n) for n in range(1, 20)})
    feed.stop()


def test_a_job_that_left_is_not_shown_again(qtbot, desk):
    feed, heard = a_feed(desk)
    desk.add("1")
    desk.forget("1")
    qtbot.waitUntil(lambda: heard.batches == [([], ["1"])])
    feed.stop()


def test_unseen_jobs_cost_nothing_but_the_status_is_told(qtbot, desk):
    feed, heard = a_feed(desk, watch=False)
    desk.add("1")
    desk.set_status(mode="HIGH")
    desk.set_status(mode="EMERGENCY")
    qtbot.waitUntil(lambda: heard.statuses[-1:] == ["EMERGENCY"])
    assert heard.batches == []
    feed.stop()
    assert desk.listeners == 0


def test_throttle_runs_the_first_at_once_and_the_last_later(qtbot):
    runs: list[int] = []
    throttle = Throttle(30, lambda: runs.append(len(runs)))
    for _ in range(10):
        throttle.call()
    assert runs == [0]
    qtbot.waitUntil(lambda: runs == [0, 1])
    throttle.stop()

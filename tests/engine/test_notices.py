"""What a person is told, when, and in which words; and that a flood of it is bounded and survives a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.test_desk_threads import a_desk
from support.world import JobBuilder, World, a_job, size
from tidegate.core import events as e
from tidegate.core.alerts import AlertPolicy, Limit
from tidegate.core.job import JobId, Outcome, PauseReason
from tidegate.core.machine import GpuReading
from tidegate.engine.exits import exit_sentence
from tidegate.engine.notices import as_sentence
from tidegate.engine.ports import Change, Command, HelperLost, Notice, NoticeKind, RunActionFailed, Verb
from tidegate.engine.telling import MINUTE_S, TOLD_A_MINUTE


def told(world: World, kind: NoticeKind | None = None) -> list[Notice]:
    return [notice for notice in world.notices if kind is None or notice.kind is kind]


def offers(notice: Notice) -> list[tuple[str, Verb, tuple[JobId, ...] | None]]:
    return [(offer.label, offer.command.verb, offer.command.ids) for offer in notice.offers]


def words(notice: Notice) -> tuple[str, str]:
    return notice.title, notice.text


# --- how jobs ended --------------------------------------------------------------------------------------------------


def test_a_failed_job_is_told_at_once_with_its_code_its_time_and_a_way_to_run_it_again() -> None:
    world = World()
    [id_] = world.submit(a_job("train.py").needing("1G").lasting(120).failing(1))
    world.advance(125)
    [notice] = told(world)
    assert words(notice) == ("train.py failed", "Exit code 1 after 2 min.")
    assert (notice.kind, notice.level, notice.urgent, notice.job) == (NoticeKind.FAILED, "error", True, id_)
    assert offers(notice) == [("Run again", Verb.RETRY, (id_,))]
    world.command(notice.offers[0].command)
    assert world.status(id_) == "running"


def test_only_the_last_of_its_failures_is_told_and_says_which_run_it_was() -> None:
    world = World()
    world.submit(a_job("flaky").needing("1G").lasting(5).failing(3).having(retries=2))
    world.advance(30)
    [notice] = told(world)
    assert notice.text == "Exit code 3 after 5 s, in run 3."


def test_a_job_that_cannot_start_is_told_with_the_reason() -> None:
    world = World()
    [id_] = world.submit(a_job("ghost").unable_to_start("there is no program ghost"))
    world.advance(1)
    [notice] = told(world)
    assert words(notice) == ("ghost could not start", "There is no program ghost.")
    assert (notice.kind, offers(notice)) == (NoticeKind.FAILED, [("Run again", Verb.RETRY, (id_,))])


def test_a_job_that_runs_out_of_time_or_memory_is_told_so() -> None:
    world = World()
    world.submit(
        a_job("long").needing("1G").lasting(500).having(time_limit_s=60.0),
        a_job("fat").needing("1G").growing("100M").lasting(500).having(memory_limit_bytes=size("2G")),
    )
    world.advance(70)
    fat, long = told(world)
    assert fat.title == "fat ran out of memory"
    assert "over its limit of 2 GB, and was ended after" in fat.text
    assert words(long) == ("long ran out of time", "It ran for 1 min, its time limit, and was ended.")
    assert {fat.kind, long.kind} == {NoticeKind.FAILED}


def test_a_lost_job_is_told_also_of_those_that_want_no_word() -> None:
    world = World()
    [id_] = world.submit(a_job("gone").needing("1G").lasting(500).having(notify=False))
    world.advance(2)
    world.engine.record(e.JobLost(world.clock.now(), id_, "its run left no trace"))
    world.advance(1)
    [notice] = told(world)
    assert words(notice) == (
        "gone was lost",
        "Its run left no trace. Look at its log before you run it again.",
    )


def test_a_long_success_is_told_in_its_time_and_a_short_one_never() -> None:
    world = World()
    [long, _short] = world.submit(a_job("long").needing("1G").lasting(60), a_job("short").needing("1G").lasting(59))
    world.advance(62)
    [notice] = told(world)
    assert words(notice) == ("long finished", "It ran for 1 min.")
    assert (notice.kind, notice.level, notice.urgent, notice.job) == (NoticeKind.ENDED, "success", False, long)
    world.engine.notify_after_s = 10.0
    world.submit(a_job("middle").needing("1G").lasting(11))
    world.advance(12)
    assert told(world)[-1].title == "middle finished"


def test_who_wants_no_word_of_a_job_gets_none_of_how_it_ended() -> None:
    world = World()
    world.submit(
        a_job().needing("1G").lasting(100).having(notify=False),
        a_job().needing("1G").lasting(1).failing().having(notify=False),
        a_job().unable_to_start("no such program").having(notify=False),
    )
    world.advance(105)
    assert told(world) == []


def test_what_its_user_did_is_no_news_to_them() -> None:
    world = World()
    [one, two] = world.submit(*(a_job().needing("1G").lasting(500) for _ in range(2)))
    world.advance(1)
    world.command(Command(Verb.PAUSE, (one,)))
    world.command(Command(Verb.RESUME, (one,)))
    world.command(Command(Verb.CANCEL, (one,)))
    world.command(Command(Verb.KILL, (two,)))
    world.command(Command(Verb.PAUSE, None))
    world.advance(20)
    assert told(world) == []


@pytest.mark.parametrize(
    ("code", "signal", "said"),
    [
        (2, None, "Exit code 2 after 5 s."),
        (127, None, "Exit code 127 after 5 s: a command in it was not found."),
        (139, None, "Exit code 139 after 5 s: it crashed using memory that is not its own."),
        (None, 15, "Ended by SIGTERM after 5 s: it was told to end from outside."),
        (None, 9, "Ended by SIGKILL after 5 s: it was killed from outside; the system does so when memory runs out."),
        (None, 99, "Ended by signal 99 after 5 s."),
        (255, None, "Exit code 255 after 5 s."),
        (None, None, "It ended after 5 s; how is not known."),
    ],
)
def test_codes_and_signals_in_words(code: int | None, signal: int | None, said: str) -> None:
    assert exit_sentence(code, signal, "after 5 s") == said


def test_a_sentence_has_a_capital_and_a_stop_but_paths_stay() -> None:
    assert as_sentence("the disk is full") == "The disk is full."
    assert as_sentence("/data/x cannot be read.") == "/data/x cannot be read."
    assert as_sentence("train.py is gone") == "train.py is gone."
    assert as_sentence("") == ""


# --- what was done to them -------------------------------------------------------------------------------------------


def test_a_job_paused_for_memory_is_told_when_it_resumes_and_that_it_did() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [_important, minor] = world.submit(
        a_job("important").needing("4G").with_priority(1).lasting(200),
        a_job("minor").needing("4G").with_priority(8).lasting(200),
    )
    world.advance(3)
    world.machine.others_bytes = size("7.2G")
    world.advance(1.2)
    [paused] = told(world)
    assert words(paused) == ("Paused minor for memory", "It resumes when 2.9 GB are free.")
    assert (paused.kind, paused.level, paused.urgent) == (NoticeKind.INTERVENED, "warning", True)
    assert offers(paused) == [("Resume", Verb.RESUME, (minor,))]
    world.machine.others_bytes = size("1G")
    world.advance(20)
    [thawed] = told(world)[1:]
    assert thawed.title == "minor goes on"
    assert thawed.text.startswith("There is memory for it again. It stood still for ")
    assert (thawed.kind, thawed.level, thawed.urgent, thawed.offers) == (NoticeKind.INTERVENED, "info", False, ())


def test_a_job_stopped_for_later_and_one_that_is_ended_are_told_apart() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    [minor] = world.submit(a_job("minor").needing("4G").with_priority(8).lasting(500))
    world.advance(1)
    world.submit(a_job("again").needing("2G").with_priority(9).lasting(500).having(retries=1))
    world.advance(2)
    world.machine.others_bytes = size("11.3G")
    world.advance(20)
    by_title = {notice.title: notice for notice in told(world, NoticeKind.INTERVENED)}
    again = by_title["Stopped again; it runs again later"]
    assert again.text == "Only 0 B of memory left in the whole machine. It is back in its queue."
    assert (again.level, again.offers) == ("warning", ())
    ended = by_title["Ended minor to save the machine"]
    assert "ended to save the machine" not in ended.text
    assert (ended.level, ended.urgent, offers(ended)) == ("error", True, [("Run again", Verb.RETRY, (minor,))])


def test_a_victim_that_lingers_is_told_of_once() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    world.submit(a_job("minor").needing("4G").lasting(500).ignoring_term())
    world.advance(3)
    now, [id_] = world.clock.now(), list(world.engine.state.active)
    for at in (now, now + 12.0):
        world.engine.record(e.JobStopping(at, id_, Outcome.KILLED, "ended to save the machine: 1 GB left", None, True))
    world.engine.tick()
    [notice] = told(world)
    assert words(notice) == (
        "Ended minor to save the machine",
        "1 GB left. What it had done since its last save may be gone.",
    )


def test_a_job_paused_for_another_can_wait_to_be_told() -> None:
    world = World()
    [id_] = world.submit(a_job("big").needing("1G").lasting(500))
    world.advance(1)
    world.engine.record(e.JobPaused(world.clock.now(), id_, PauseReason.SCHEDULING))
    world.engine.record(e.JobPaused(world.clock.now(), id_, PauseReason.GPU))
    world.engine.tick()
    other, card = told(world)[:2]
    assert words(other) == ("Paused big for another job", "It goes on by itself when its turn comes again.")
    assert (other.level, other.urgent) == ("info", False)
    assert words(card) == ("Paused big for GPU memory", "It resumes when its card has room again.")


# --- the engine ------------------------------------------------------------------------------------------------------


def test_a_journal_that_cannot_be_written_is_told_once_and_that_it_can_again() -> None:
    world = World()
    world.submit(a_job().needing("1G").lasting(500))
    world.journal.fail("The disk is full.")
    world.engine.writer.journal_failed("The disk is full.")
    world.engine.writer.journal_failed("The disk reports an error.")
    world.advance(10)
    [ill] = told(world)
    assert ill.title == "The journal cannot be written"
    assert ill.text == "The disk is full. Running jobs go on; nothing new is accepted or started."
    assert (ill.kind, ill.level, ill.urgent, ill.job) == (NoticeKind.ENGINE, "error", True, None)
    assert world.journal.notices() == [], "it cannot be kept yet"
    world.journal.heal()
    world.advance(10)
    [_ill, well] = told(world)
    assert (well.title, well.urgent) == ("The journal can be written again", False)
    assert [notice.id for notice in world.journal.notices()] == [2, 1]


@pytest.mark.usefixtures("caplog")  # both are logged too
def test_a_stuck_job_and_a_lost_helper_are_told() -> None:
    world = World()
    [id_] = world.submit(a_job("zombie").needing("1G").lasting(500))
    world.advance(1)
    token, now = world.job(id_).attempts[-1].token, world.clock.now()
    world.engine.handle_process_events([RunActionFailed(token, now, "kill", "still there 30 s after it was killed")])
    world.engine.handle_process_events([RunActionFailed(token, now, "resume", "it belongs to another user")])
    world.engine.handle_process_events([HelperLost(now, "it was ended")])
    stuck, refused, helper = told(world)
    assert words(stuck) == (
        "zombie does not end",
        "Still there 30 s after it was killed. It is watched on and tried again.",
    )
    assert words(refused) == ("Could not resume zombie", "It belongs to another user.")
    assert {stuck.kind, refused.kind, helper.kind} == {NoticeKind.ENGINE}
    assert helper.text.startswith("It was ended. Running jobs go on;")


# --- alerts ----------------------------------------------------------------------------------------------------------


def card(temperature: float | None, used: str = "1G") -> GpuReading:
    return GpuReading(0, "GPU-0", "NVIDIA A", size("24G"), size(used), 50.0, temperature)


def test_a_hot_card_is_an_alert_in_status_and_inbox_until_it_is_over() -> None:
    world = World(gpus=(card(95.0),))
    world.advance(70)
    [notice] = told(world)
    assert notice.title == "GPU 0 is far too hot"
    assert (notice.kind, notice.level, notice.urgent) == (NoticeKind.ALERT, "error", True)
    [view] = world.engine.alarms.views
    assert (view.name, view.card, view.severity) == ("GPUCriticalTemperature", 0, "critical")
    assert view.sentence == "GPU 0 is far too hot: 95 °C, over the line of 90 °C."
    world.machine.gpus = (card(40.0),)
    world.advance(35)
    assert world.engine.alarms.views == ()
    [_raised, over] = told(world)
    assert (over.title, over.level, over.urgent) == ("GPU 0 is no longer far too hot", "info", False)


def test_a_lost_card_alerts_nobody() -> None:
    lost = GpuReading(0, "GPU-0", "NVIDIA A", size("24G"), size("24G"), 100.0, 99.0, lost=True)
    world = World(gpus=(lost,))
    world.advance(700)
    assert told(world) == []


def test_a_card_that_is_lost_takes_its_alert_along() -> None:
    world = World(gpus=(card(95.0),))
    world.advance(70)
    assert len(world.engine.alarms.views) == 1
    world.machine.gpus = (replace(card(95.0), lost=True),)
    world.advance(2)
    assert world.engine.alarms.views == ()
    assert [notice.title for notice in told(world)] == ["GPU 0 is far too hot"]


def test_a_card_that_our_job_leaves_idle_names_the_job() -> None:
    world = World(gpus=(GpuReading(0, "GPU-0", "NVIDIA A", size("24G"), size("1G"), 2.0, 40.0),))
    [id_] = world.submit(a_job("train.py").needing("1G").on_gpu(1, "4G").lasting(3000))
    world.advance(1810)
    [notice] = told(world)
    assert (notice.title, notice.level, notice.job) == ("GPU 0 is hardly used", "info", id_)


def test_a_card_that_our_own_job_keeps_busy_stands_in_the_list_and_tells_nobody() -> None:
    """That is what it was given the card for; a busy card of others is told."""
    idle = GpuReading(0, "GPU-0", "NVIDIA A", size("24G"), size("4G"), 0.0, 60.0)
    world = World(gpus=(idle, replace(idle, index=1, uuid="GPU-1")))
    world.submit(a_job("train.py").needing("1G").on_gpu(1, "4G").lasting(3000))
    world.advance(10)
    [job] = world.engine.state.active.values()
    [ours] = job.attempts[-1].devices
    world.machine.gpus = tuple(replace(card, utilisation_pct=97.0) for card in world.machine.gpus)
    world.advance(310)
    severities = {view.card: view.severity for view in world.engine.alarms.views}
    assert severities == {ours: "info", 1 - ours: "warning"}
    assert [notice.title for notice in told(world)] == [f"GPU {1 - ours} is busy all the time"]
    world.machine.gpus = tuple(replace(card, utilisation_pct=30.0) for card in world.machine.gpus)
    world.advance(35)
    assert [notice.title for notice in told(world)][1:] == [f"GPU {1 - ours} has time again"]


def test_a_long_queue_is_an_alert_but_not_while_its_user_paused_it() -> None:
    world = World(cores=1)
    world.submit(*(a_job(f"j{n}").needing("1G").lasting(5000) for n in range(102)))
    world.command(Command(Verb.PAUSE, None))
    world.advance(400)
    assert told(world) == []
    world.command(Command(Verb.RESUME, None))
    world.advance(305)
    [notice] = told(world)
    assert words(notice)[0] == "Many jobs wait for a place"
    assert notice.text.startswith("101 jobs, over the line of 100 jobs for 5 min.")


def test_slow_starts_are_an_alert_and_waiting_for_anothers_place_is_not_slow() -> None:
    world = World(cores=1)
    world.submit(*(a_job().needing("1G").lasting(20) for _ in range(40)))
    world.advance(700)
    assert told(world) == []
    for _ in range(50):
        world.engine.alarms._latencies.note(world.clock.now() + 300.0, 14.0)
    world.advance(310)
    assert [notice.title for notice in told(world)] == ["Jobs start slowly"]


def test_other_lines_hold_at_once_and_a_bug_in_the_rules_costs_only_the_look(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(gpus=(card(75.0),))
    world.engine.alarms.set_policy(AlertPolicy(limits={"GPUHighTemperature": Limit(70.0, 5.0)}))
    monkeypatch.setattr(world.engine.alarms, "_facts", lambda _now: 1 / 0)
    world.advance(10)
    assert "the alert rules failed" in caplog.text
    caplog.clear()
    monkeypatch.undo()
    world.advance(10)
    assert [notice.title for notice in told(world)] == ["GPU 0 is hot"]


# --- numbers, floods and restarts ------------------------------------------------------------------------------------


def test_numbers_are_in_the_history_before_anybody_hears_of_them() -> None:
    world = World()
    heard: list[tuple[int | None, list[int | None]]] = []
    world.engine.published = lambda notices, _sample: heard.extend(
        (notice.id, [kept.id for kept in world.journal.notices()]) for notice in notices
    )
    world.submit(*(a_job().needing("1G").lasting(1).failing() for _ in range(2)))
    world.advance(3)
    assert [id_ for id_, _ in heard] == [1, 2]
    assert all(id_ in kept for id_, kept in heard)


def failing_array(count: int) -> JobBuilder:
    return a_job("rows").needing("1M").lasting(0.5).failing().having(array=tuple(range(count)), array_size=count)


def test_a_failing_array_is_twenty_notices_and_one_that_counts_the_rest() -> None:
    world = World(cores=64)
    [array] = world.submit(failing_array(300))
    world.advance(MINUTE_S + 10)
    notices = told(world)
    assert len(notices) == TOLD_A_MINUTE + 1
    last = notices[-1]
    assert words(last)[0] == "280 more of rows failed"
    assert "beside those told one by one: rows." in last.text
    assert (last.job, last.kind, last.level, last.urgent) == (array, NoticeKind.FAILED, "error", False)
    assert offers(last) == [("Run again", Verb.RETRY, (JobId(array.number),))]
    assert [notice.id for notice in world.journal.notices(None, 100)] == list(range(TOLD_A_MINUTE + 1, 0, -1))


def test_a_flood_of_one_kind_hides_no_other_and_different_jobs_are_listed_by_name() -> None:
    world = World(cores=64)
    world.submit(*(a_job(f"j{n}").needing("1M").lasting(1 + n / 100).failing() for n in range(30)))
    world.advance(5)
    [id_] = world.submit(a_job("gone").needing("1M").lasting(500))
    world.advance(1)
    world.engine.record(e.JobPaused(world.clock.now(), id_, PauseReason.MEMORY))
    world.engine.writer.journal_failed("The disk is full.")
    world.engine.tick()
    titles = [notice.title for notice in told(world)]
    assert sum(title.endswith(" failed") for title in titles) == TOLD_A_MINUTE
    assert {"Paused gone for memory", "The journal cannot be written"} <= set(titles)
    world.advance(MINUTE_S)
    [summary] = [notice for notice in told(world) if " more " in notice.title]
    assert summary.title == "10 more jobs failed"
    assert "j20, j21, j22 and others" in summary.text
    assert (summary.job, summary.offers) == (None, ())


def test_a_later_flood_of_another_kind_does_not_put_off_the_sum_of_the_first() -> None:
    world = World(cores=64)
    world.engine.notify_after_s = 0.0
    world.submit(failing_array(30))
    world.advance(30)
    world.submit(a_job("good").needing("1M").lasting(0.1).having(array=tuple(range(30)), array_size=30))
    world.advance(MINUTE_S - 28)
    assert [notice.title for notice in told(world) if " more " in notice.title] == ["10 more of rows failed"]
    world.advance(30)
    assert told(world)[-1].title == "10 more of good finished"


def test_after_the_minute_each_is_told_again() -> None:
    world = World(cores=64)
    for _ in range(3):
        world.submit(failing_array(TOLD_A_MINUTE))
        world.advance(MINUTE_S + 5)
    assert len(told(world)) == 3 * TOLD_A_MINUTE


def test_what_was_only_counted_is_told_when_the_engine_leaves() -> None:
    world = World(cores=64)
    world.submit(failing_array(50))
    world.advance(10)
    asyncio.run(world.engine.close(stop_jobs=False))
    assert world.journal.notices(None, 1)[0].title == "30 more of rows failed"


def test_after_a_restart_numbers_go_on() -> None:
    world = World()
    world.submit(a_job("one").needing("1G").lasting(1).failing())
    world.advance(3)
    world.restart()
    world.submit(a_job("two").needing("1G").lasting(1).failing())
    world.advance(3)
    assert [(notice.id, notice.title) for notice in world.journal.notices()] == [(2, "two failed"), (1, "one failed")]


def test_what_failed_while_the_engine_was_away_is_told_when_it_comes_back() -> None:
    world = World()
    world.submit(a_job("alone").needing("1G").lasting(5).failing(9))
    world.advance(1)
    world.engine.closed = True
    world.machine.stop_sampling()
    world.machine.disconnect()
    world.advance(10)
    world.restart()
    [notice] = world.journal.notices()
    assert words(notice) == ("alone failed", "Exit code 9 after 5 s.")


def test_the_desk_has_the_newest_although_they_are_not_on_disk_yet() -> None:
    world = World()
    loop = asyncio.new_event_loop()
    desk = a_desk(world, loop)  # its history is always empty
    heard: list[Change] = []
    desk.subscribe(heard.append)
    world.submit(*(a_job(f"j{n}").needing("1G").lasting(1).failing() for n in range(3)))
    world.advance(3)
    loop.close()
    assert [change.notice.id for change in heard if change.notice is not None] == [1, 2, 3]
    assert [notice.id for notice in desk.notices(None, 10)] == [3, 2, 1]
    assert [notice.id for notice in desk.notices(3, 1)] == [2]

"""The verb ``queue``: named queues with their limits, and cards with who has them and who waits for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.fake_desk import FakeDesk
from tidegate.core.policy import Policy, QueuePolicy
from tidegate.engine.views import (
    CardQueueView,
    CardUserView,
    CardView,
    CardWaiterView,
    QueueStatusView,
    QueueView,
)
from tidegate.settings import load

GIB = 1024**3


def test_the_queues_are_a_table_with_their_limits(tidegate, desk: FakeDesk) -> None:
    batch = QueueView("batch", 20, "fair_sharing", 1, 2, 3, 4, 6 * GIB, 1, 2, 16 * GIB, 1, backfill=False)
    desk.queues = QueueStatusView("queue", (QueueView("realtime", 0, "priority_based", 0, 0, 0, 0, 0, 0), batch))
    said = tidegate("queue")
    head, first, second = said.out.splitlines()
    assert head.split() == ["QUEUE", "RUNNING", "PAUSED", "WAITING", "HELD", "MEMORY", "CARDS", "LIMITS", "STRATEGY"]
    assert first.split() == ["realtime", "0", "0", "0", "0", "0", "B", "0", "-", "priority_based"]
    assert second.split()[:8] == ["batch", "1", "2", "3", "4", "6", "GB", "1"]
    assert "2 at once, 16 GB, 1 card, strict order" in second
    assert tidegate("queue", "--json").json["queues"][1]["max_cards"] == 1


def test_the_cards_are_queues_with_who_has_them_and_who_waits_and_why(tidegate, desk: FakeDesk) -> None:
    view = CardQueueView(
        card=CardView(0, "GPU-0", "NVIDIA A", "normal", 24 * GIB, 12 * GIB, 70.0, 61.0, None, 0.5, 10 * GIB),
        free_memory_bytes=9 * GIB,
        free_utilisation_pct=20.0,
        others_memory_bytes=2 * GIB,
        others_utilisation_pct=30.0,
        users=(
            CardUserView("3", "train.py", "running", 8 * GIB, 40.0, 10 * GIB, 50.0),
            CardUserView("4", "old.py", "paused", None, None, None, None),
        ),
        waiting=(CardWaiterView("7", "big.py", 5, "1", "gpu_busy", "needs a GPU · GPU 0 is used by train.py (job 3)"),),
        waiting_count=9,
    )
    idle = replace(view, card=replace(view.card, index=1), users=(), waiting=(), waiting_count=0)
    idle = replace(idle, others_memory_bytes=0, others_utilisation_pct=0.0)
    desk.cards = QueueStatusView("card", cards=(view, idle))
    lines = tidegate("queue", "--by", "card").out.splitlines()
    assert " ".join(lines[0].split()) == "CARD STATE FREE BUSY HAS IT WAITS FOR IT"
    assert "0 NVIDIA A  normal  9 GB of 24 GB  70 %  3 train.py: 8 GB of 10 GB, 40 %" in lines[1]
    assert lines[1].endswith("7 big.py: needs a GPU · GPU 0 is used by train.py (job 3)")
    assert lines[2].split("  ")[-1] == "and 8 more"
    assert "4 old.py: memory not known, paused" in lines[2]
    assert lines[3].strip() == "other programs: 2 GB, 30 %"
    assert lines[4].split()[-2:] == ["-", "-"]
    answer = tidegate("queue", "--by", "card", "--json").json
    assert (answer["by"], answer["cards"][0]["waiting"][0]["id"]) == ("card", "7")
    lost = replace(idle, card=replace(idle.card, mode="unreadable"), free_memory_bytes=None, free_utilisation_pct=None)
    desk.cards = QueueStatusView("card", cards=(lost,))
    assert "unreadable     -  " in tidegate("queue", "--by", "card").out, "what nobody knows is not 0 bytes"


def test_without_cards_it_says_so_and_another_way_to_look_is_refused(tidegate, desk: FakeDesk) -> None:
    said = tidegate("queue", "--by", "card")
    assert (said.code, said.out) == (0, "")
    assert "no graphics card that can be read" in said.err
    assert tidegate("queue", "--by", "card", "--json").json["cards"] == []
    refused = tidegate("queue", "--by", "colour")
    assert refused.code == 2
    assert "--by colour is not known; it can be queue or card." in refused.err


# --- queues of one's own ----------------------------------------------------------------------------------------------


def test_a_queue_is_added_with_all_that_is_said_of_it_and_removed_without_a_running_engine(tidegate, paths) -> None:
    words = "add render --order 5 --max-running 2 --memory 16G --cards 1 --strategy fair_sharing --no-backfill"
    said = tidegate("queue", *words.split(), "--preempts", "batch,default")
    assert (said.code, said.out) == (0, "added the queue render\n")
    [render] = [queue for queue in load(paths).policy().queues if queue.name == "render"]
    assert render == QueuePolicy(
        "render", 5, "fair_sharing", 2, 16 * GIB, 1, backfill=False, preempts=("batch", "default")
    )
    again = tidegate("queue", "add", "render")
    assert again.code == 1
    assert "There is a queue render already; 'tidegate config set queues.render.KEY VALUE' changes it." in again.err
    assert tidegate("queue", "remove", "render").out == "removed the queue render\n"
    assert load(paths).policy().queues == Policy().queues
    assert tidegate("queue", "add", "render", "--json").json == {"queue": "render"}
    assert QueuePolicy("render") in load(paths).policy().queues, "nothing of what it was before is left"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("add",), 2, "the usage is: tidegate queue add NAME [--order N]"),
        (("ad", "render"), 2, "queue ad is not known; did you mean add?"),
        (("add", "My Queue"), 2, "'My Queue' is no name of a queue; it has a name of small letters"),
        (("add", "nächte"), 2, "'nächte' is no name of a queue"),
        (("add", "x" * 32), 2, "31 characters at most"),
        (("add", "render", "--order", "-1"), 2, "queues.render.order: '-1' is not accepted; write"),
        (("add", "render", "--max-running", "0"), 2, "queues.render.max_running: '0' is not accepted; write"),
        (("add", "render", "--max-running", "9" * 40), 2, "is not accepted; write"),
        (("add", "render", "--memory", "8"), 2, "queues.render.memory: '8' is not accepted; write"),
        (("add", "render", "--strategy", "fastest"), 2, "queues.render.strategy: 'fastest' is not accepted; write one"),
        (("add", "render", "--order", "5", "--preempts", "nobody"), 1, 'there is no queue "nobody"'),
        (("add", "render", "--preempts", "render"), 1, "a queue cannot interrupt itself"),
        (("add", "batch"), 1, "There is a queue batch already"),
        (("add", "render", "--by", "card"), 2, "the usage is: tidegate queue add"),
        (("remove", "batch"), 1, "The queue batch is built in and stays; its limits can be changed."),
        (("remove", "rendr"), 127, "There is no queue 'rendr'; there are realtime, default and batch."),
        (("remove", "batch", "--order", "3"), 2, "the usage is: tidegate queue remove NAME [--yes]"),
        (("--order", "3"), 2, "--order belongs to tidegate queue add NAME."),
        (("--yes",), 2, "--yes belongs to tidegate queue remove NAME."),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(tidegate, paths, words, code, sentence) -> None:
    said = tidegate("queue", *words)
    assert said.code == code
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1
    assert not paths.config_file.exists()


def test_a_setting_of_a_queue_that_is_not_there_makes_it_and_says_so(tidegate) -> None:
    said = tidegate("config", "set", "queues.rendr.cards", "2")
    assert said.code == 0
    assert "this made a new queue, rendr; 'tidegate queue remove rendr' takes it away." in said.err
    assert tidegate("config", "set", "queues.rendr.memory", "2G").err == ""
    assert "did you mean queues.rendr.memory?" in tidegate("config", "set", "queues.rendr.memry", "2G").err


def test_a_queue_that_another_may_interrupt_stays_until_that_is_changed(tidegate, paths) -> None:
    tidegate("queue", "add", "slow")
    tidegate("config", "set", "queues.realtime.preempts", "batch, slow")
    said = tidegate("queue", "remove", "slow")
    assert said.code == 1
    assert "The queue realtime may interrupt jobs of slow; take slow out of queues.realtime.preempts first." in said.err
    tidegate("config", "set", "queues.realtime.preempts", "batch")
    assert tidegate("queue", "remove", "slow").code == 0


def test_in_a_running_engine_it_is_one_change_and_jobs_that_stand_there_need_yes(tidegate, desk: FakeDesk) -> None:
    tidegate("queue", "add", "render", "--order", "5", "--max-running", "2")
    settings = {view.name: view.value for view in desk.settings()}
    assert (settings["queues.render.order"], settings["queues.render.max_running"]) == (5, 2)
    refused = tidegate("queue", "add", "other", "--order", "5", "--preempts", "nobody")
    assert refused.code != 0
    assert "queues.other.order" not in {view.name for view in desk.settings()}
    desk.queues = QueueStatusView("queue", (QueueView("render", 5, "priority_based", 1, 0, 2, 0, 0, 0),))
    asked = tidegate("queue", "remove", "render")
    assert asked.code == 2
    assert "3 jobs of the queue render would go on in default; queue remove needs --yes" in asked.err
    assert "queues.render.order" in {view.name for view in desk.settings()}
    done = tidegate("queue", "remove", "render", "--yes")
    assert (done.code, done.out) == (0, "removed the queue render; 3 jobs went to default\n")
    assert "queues.render.order" not in {view.name for view in desk.settings()}


def test_names_are_completed(tidegate, desk: FakeDesk) -> None:
    desk.queues = QueueStatusView("queue", (QueueView("render", 5, "priority_based", 0, 0, 0, 0, 0, 0),))
    assert tidegate("_ids", "queue").out == "render\n"
    script = tidegate("completions", "bash").out
    assert 'words="add remove"' in script

"""Queues in the settings: the built-in ones, users' own, and what contradicts itself (issue 4, part 3)."""

from __future__ import annotations

import pytest

from tidegate.core.policy import Policy, QueuePolicy
from tidegate.core.resources import GIB
from tidegate.paths import Paths
from tidegate.settings import SettingsError, check_file, find_setting, load, remove_values, write_value, write_values


def queue_of(policy: Policy, name: str) -> QueuePolicy:
    return next(queue for queue in policy.queues if queue.name == name)


def test_the_built_in_queues_are_what_the_core_says(paths: Paths) -> None:
    assert load(paths, {}).policy().queues == Policy().queues


def test_a_built_in_queue_is_changed_and_set_back(paths: Paths) -> None:
    write_value(paths, "queues.batch.max_running", "2", {})
    settings = write_value(paths, "queues.batch.memory", "16G", {})
    changed = queue_of(settings.policy(), "batch")
    assert (changed.max_running, changed.memory_bytes, changed.order) == (2, 16 * GIB, 20)
    back = remove_values(paths, ["queues.batch.max_running", "queues.batch.memory"], {})
    assert back.policy().queues == Policy().queues


def test_a_queue_of_ones_own_is_there_as_soon_as_something_is_said_of_it(paths: Paths) -> None:
    settings = write_value(paths, "queues.render.order", "5", {})
    assert queue_of(settings.policy(), "render") == QueuePolicy("render", order=5)
    assert "[queues.render]\norder = 5\n" in paths.config_file.read_text()
    names = [setting.name for setting in settings.settings]
    assert "queues.render.cards" in names
    assert load(paths, {}).get("queues.render.cards") is None
    remove_values(paths, ["queues.render.order"], {})
    assert load(paths, {}).policy().queues == Policy().queues


def test_a_file_written_by_hand(paths: Paths) -> None:
    paths.config_file.write_text(
        "[queues.night-shift]\norder = 30\nbackfill = false\nstrategy = 'priority_based'\npreempts = 'batch, default'\n"
    )
    assert queue_of(load(paths, {}).policy(), "night-shift") == QueuePolicy(
        "night-shift", order=30, backfill=False, strategy="priority_based", preempts=("batch", "default")
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[queues.batch]\norder = -1\n", "[queues.batch] order: -1 is not accepted"),
        ("[queues.batch]\nspeed = 1\n", "[queues.batch] speed: there is no such setting"),
        ("[queues.'my queue']\norder = 1\n", "a queue has a name of small letters"),
        (
            "[queues.batch]\npreempts = 'nobody'\n",
            'queues.batch.preempts: there is no queue "nobody"; there are realtime',
        ),
        ("[queues.batch]\npreempts = 'batch'\n", "a queue cannot interrupt itself"),
        ("[queues.batch]\nstrategy = 'fastest'\n", "is not accepted; write one of priority_based, fair_sharing"),
        ("queues = 3\n", "there is no such setting"),
        ("[queues]\nbatch = 3\n", "there is no such setting"),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_sentence(paths: Paths, text: str, said: str) -> None:
    paths.config_file.write_text(text)
    [sentence] = check_file(paths.config_file)
    assert said in sentence


def test_a_refused_change_changes_nothing(paths: Paths) -> None:
    write_value(paths, "queues.render.order", "5", {})
    before = paths.config_file.read_text()
    with pytest.raises(SettingsError, match="no queue"):
        write_value(paths, "queues.render.preempts", "nobody", {})
    assert paths.config_file.read_text() == before


def test_several_values_are_one_change_or_none(paths: Paths) -> None:
    write_values(paths, {"queues.render.preempts": "night", "queues.night.order": "30", "max_workers": "3"}, {})
    assert queue_of(load(paths, {}).policy(), "render").preempts == ("night",)
    before = paths.config_file.read_text()
    for texts in ({"max_workers": "4", "queues.render.cards": "0"}, {"max_workers": "4", "queues.day.preempts": "no"}):
        with pytest.raises(SettingsError):
            write_values(paths, texts, {})
    assert paths.config_file.read_text() == before


@pytest.mark.parametrize(
    "name", ["queues.Batch.order", "queues..order", "queues.batch", "queues.batch.x", "queues.a b.order"]
)
def test_names_that_are_none(name: str) -> None:
    assert find_setting(name) is None

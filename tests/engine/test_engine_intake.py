"""Intake in odd moments: dedupe keys, the bound on waiting jobs, previews that know of dependencies, notices."""

from __future__ import annotations

import pytest

from support.world import JobBuilder, World, a_job, size
from tidegate.core.job import AfterCondition, Dependency, JobId
from tidegate.core.policy import Policy
from tidegate.engine import intake
from tidegate.engine.ports import Command, EngineUnwilling, Submitted, Verb


def ask(world: World, *jobs: JobBuilder) -> list[list[Submitted] | EngineUnwilling]:
    """Submit without letting the disk answer yet."""
    answers: list[list[Submitted] | EngineUnwilling] = []
    submissions = [world.submission(job) for job in jobs]
    intake.check_intake(world.engine, submissions)
    intake.accept(world.engine, submissions, world.engine.state.knows, answers.append)
    return answers


def test_a_second_submit_with_the_key_of_an_unfinished_job_answers_with_that_job() -> None:
    world = World()
    [first] = world.submit(a_job().needing("1G").lasting(5).having(dedupe_key="nightly"))
    answers = world.try_submit(a_job().having(dedupe_key="nightly"))
    assert isinstance(answers, list)
    assert answers[0].id == first
    assert "nightly" in answers[0].warnings[0]
    assert len(world.engine.state.jobs) == 1
    world.advance(6)
    [again] = world.submit(a_job().needing("1G").having(dedupe_key="nightly"))
    assert again != first


def test_equal_keys_within_one_request_and_before_the_disk_answered_make_one_job() -> None:
    world = World()
    together = ask(world, a_job().having(dedupe_key="k"), a_job().having(dedupe_key="k"), a_job())
    later = ask(world, a_job().having(dedupe_key="k"))
    world.clock.settle()
    assert isinstance(together[0], list)
    assert [str(answer.id) for answer in together[0]] == ["1", "1", "2"]
    assert isinstance(later[0], list)
    assert str(later[0][0].id) == "1"


def test_a_key_whose_job_could_not_be_written_is_free_again_and_nobody_is_told_its_id() -> None:
    world = World()
    world.journal.fail("the disk is full")
    first = ask(world, a_job().having(dedupe_key="k"))
    second = ask(world, a_job().having(dedupe_key="k"))
    world.clock.settle()
    assert isinstance(first[0], EngineUnwilling)
    assert isinstance(second[0], EngineUnwilling)
    world.journal.heal()
    world.advance(5)
    [job] = world.submit(a_job().needing("1G").having(dedupe_key="k"))
    assert job in world.engine.state.jobs


def test_the_key_of_an_array_holds_until_its_last_element_has_ended_and_over_a_restart() -> None:
    world = World(cores=1)
    [array] = world.submit(a_job().needing("1G").lasting(5).having(array=(1, 2), array_size=2, dedupe_key="k"))
    world.advance(6)
    world.restart()
    assert world.submit(a_job().having(dedupe_key="k")) == [array]
    world.advance(6)
    assert world.submit(a_job().having(dedupe_key="k")) != [array]


def test_a_retried_job_takes_its_key_again() -> None:
    world = World()
    [job] = world.submit(a_job().needing("1G").lasting(1).failing().having(dedupe_key="k"))
    world.advance(2)
    world.command(Command(Verb.RETRY, (job,)))
    assert world.submit(a_job().having(dedupe_key="k")) == [job]


def test_what_was_accepted_but_not_yet_written_counts_for_the_bound_on_waiting_jobs() -> None:
    world = World(Policy(max_queued=3))
    ask(world, a_job(), a_job())
    with pytest.raises(EngineUnwilling, match="max_queued = 3"):
        ask(world, a_job(), a_job())
    world.clock.settle()
    ask(world, a_job())


def test_a_preview_knows_of_unmet_and_broken_dependencies() -> None:
    world = World(cores=2)
    [running] = world.submit(a_job("long").needing("1G").lasting(500))
    [failed] = world.submit(a_job().unable_to_start("no such program").with_priority(0))
    [array] = world.submit(a_job("rows").needing("1G").having(array=(1, 2), array_size=2, held=True))
    world.advance(1)

    def would(*after: Dependency) -> tuple[bool, str]:
        _, starts, sentence, _ = intake.preview(
            world.engine, world.submission(a_job().needing("1G").having(after=after))
        )
        return starts, sentence

    assert would() == (True, "starts at once")
    assert would(Dependency(running)) == (False, "after long (job 1)")
    assert would(Dependency(array)) == (False, f"after rows (job {array})")
    starts, sentence = would(Dependency(failed, AfterCondition.OK))
    assert not starts
    assert "succeed" in sentence
    assert would(Dependency(failed, AfterCondition.FAILED)) == (True, "starts at once")
    assert set(world.engine.state.jobs) == {running, failed, JobId(array.number, 1), JobId(array.number, 2)}


def test_a_job_that_the_guard_ends_or_requeues_is_told_to_the_user() -> None:
    world = World(memory_bytes=size("16G"), others_bytes=size("1G"))
    world.submit(a_job("minor").needing("4G").with_priority(8).lasting(500))
    world.advance(1)
    world.submit(a_job("again").needing("2G").with_priority(9).lasting(500).having(retries=1))
    world.advance(2)
    world.machine.others_bytes = size("11.3G")
    world.advance(20)
    titles = [notice.title for notice in world.notices]
    assert any(title.startswith("Stopped again") for title in titles), titles
    assert any(title.startswith("Ended minor") for title in titles), titles


def test_the_bound_holds_although_a_large_request_is_taken_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SLICE", 2)
    world = World(Policy(max_queued=10))
    large = ask(world, *(a_job().having(dedupe_key="k", held=True) for _ in range(4)), *(a_job() for _ in range(6)))
    with pytest.raises(EngineUnwilling, match="10 jobs wait already and 1 more"):
        ask(world, a_job())
    world.clock.settle()
    assert isinstance(large[0], list)
    assert len(world.engine.state.jobs) == 7
    assert (world.engine.accepting.jobs, world.engine.accepting.keys) == (0, {})


def test_what_was_refused_or_could_not_be_written_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SLICE", 2)
    world = World(Policy(max_queued=10))
    refused = ask(world, *(a_job().having(queue="none") for _ in range(8)))
    world.clock.settle()
    assert isinstance(refused[0], list)
    world.journal.fail("the disk is full")
    unwritten = ask(world, *(a_job() for _ in range(8)))
    world.clock.settle()
    assert isinstance(unwritten[0], EngineUnwilling)
    assert (world.engine.accepting.jobs, world.engine.accepting.keys) == (0, {})


def test_while_a_request_is_put_in_line_none_of_its_jobs_is_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SLICE", 2)
    world = World(Policy(max_queued=10))
    ask(world, *(a_job().having(held=True) for _ in range(8)))
    state, seen = world.engine.state, set()
    while world.engine.accepting.jobs or not state.jobs:
        seen.add(world.engine.accepting.jobs + len(state.jobs))
        assert world.clock.step()
    assert seen == {8}

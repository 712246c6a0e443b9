"""Whatever a job can hold comes back from its row as it was, and old or foreign rows are understood."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import MISSING, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fake_desk import a_conflict_view, a_hint_view
from tidegate.core.job import (
    AfterCondition,
    Attempt,
    Dependency,
    Finished,
    Held,
    JobId,
    JobKind,
    JobSpec,
    OnPreempt,
    Outcome,
    Paused,
    PauseReason,
    Queued,
    Running,
    RunRef,
    Starting,
    Status,
    Stopping,
)
from tidegate.core.resources import GpuRequest
from tidegate.engine.ports import ApplyHint, Command, NoticeOffer, ResolveConflict, Verb
from tidegate.engine.views import MachineSample
from tidegate.journal.codec import (
    STORED_DEFAULTS,
    UnreadableRow,
    decode_conflict,
    decode_hint,
    decode_offers,
    decode_sample,
    decode_spec,
    decode_status,
    encode_conflict,
    encode_hint,
    encode_offers,
    encode_sample,
    encode_spec,
    encode_status,
    restored,
    storable,
)
from tidegate.journal.database import migrate
from tidegate.journal.tables import ATTEMPT_COLUMNS, WRITE_ATTEMPTS, attempt_from_row, attempt_row, write_rows

# Any bytes, as Python reads them from a file name or a command line.
texts = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
moments = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
sizes = st.integers(min_value=0, max_value=2**62)
ids = st.builds(JobId, st.integers(1, 10**15), st.none() | st.integers(0, 10**15))
tuples = st.lists(texts, max_size=3).map(tuple)
runs = st.builds(RunRef, texts, st.none() | texts)
specs = st.builds(
    JobSpec,
    command=tuples,
    cwd=texts,
    name=texts,
    environment=st.none() | texts,
    extra_environment=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    kind=st.sampled_from(JobKind),
    script=st.none() | texts,
    queue=texts,
    priority=st.integers(0, 9),
    cores=st.none() | moments,
    memory_bytes=st.none() | sizes,
    memory_limit_bytes=st.none() | sizes,
    gpu=st.none() | st.builds(GpuRequest, moments, st.none() | sizes, st.none() | texts, st.none() | texts),
    device=texts,
    time_limit_s=st.none() | moments,
    begin_at=st.none() | moments,
    deadline_at=st.none() | moments,
    after=st.lists(st.builds(Dependency, ids, st.sampled_from(AfterCondition)), max_size=3).map(tuple),
    array_size=st.none() | sizes,
    array_parallel=st.none() | sizes,
    retries=sizes,
    labels=tuples,
    locks=tuples,
    dedupe_key=st.none() | texts,
    preemptible=st.booleans(),
    on_preempt=st.sampled_from(OnPreempt),
    checkpoint_signal=st.none() | st.integers(1, 64),
    checkpoint_grace_s=moments,
    notify=st.booleans(),
    slurm_names=st.booleans(),
    stdout_path=st.none() | texts,
    stderr_path=st.none() | texts,
)
outcomes = st.none() | st.sampled_from(Outcome)
codes = st.none() | st.integers(-(2**40), 2**40)
statuses = st.one_of(
    st.builds(Queued, moments),
    st.builds(Held, moments, texts),
    st.builds(Starting, moments, st.integers(1, 99), texts, st.none() | ids),
    st.builds(Running, moments, runs),
    st.builds(Paused, moments, runs, st.sampled_from(PauseReason), st.booleans(), st.none() | moments),
    st.builds(Stopping, moments, runs, outcomes, texts, st.none() | moments),
    st.builds(Finished, moments, st.sampled_from(Outcome), codes, codes, st.none() | texts),
)
attempts = st.builds(
    Attempt,
    number=st.integers(1, 999),
    token=st.uuids().map(str),
    intended_at=moments,
    started_at=st.none() | moments,
    identity=st.none() | st.just("boot:7:1.25"),
    ended_at=st.none() | moments,
    exit_code=codes,
    signal=codes,
    outcome=outcomes,
    why=st.none() | texts,
    cpu_s=st.none() | moments,
    peak_memory_bytes=st.none() | sizes,
    paused_s=moments,
    reserved_bytes=st.none() | sizes,
    devices=st.lists(st.integers(0, 64), max_size=4).map(tuple),
    waited_for=st.none() | texts,
)


@given(specs)
def test_a_spec_survives(spec: JobSpec) -> None:
    text = encode_spec(spec)
    assert text.isascii()
    assert decode_spec(text) == spec


@given(statuses)
def test_a_status_survives(status: Status) -> None:
    assert decode_status(*encode_status(status)) == status


@settings(max_examples=50)
@given(st.lists(attempts, max_size=12, unique_by=(lambda one: one.number, lambda one: one.token)), ids)
def test_attempts_survive_a_real_table(kept: list[Attempt], id: JobId) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection)
        write_rows(connection, WRITE_ATTEMPTS, [attempt_row(id, one) for one in kept])
        rows = connection.execute(f"SELECT {ATTEMPT_COLUMNS} FROM attempts ORDER BY attempt").fetchall()
    finally:
        connection.close()
    assert [attempt_from_row(row) for row in rows] == sorted(kept, key=lambda one: one.number)


@given(texts)
def test_any_bytes_survive_as_a_column(text: str) -> None:
    stored = storable(text)
    assert restored(stored) == text
    if isinstance(stored, str):
        stored.encode()


def test_every_field_has_a_strategy_here() -> None:
    """A new field has to be thought of: in the strategies above and, with a default, in the stored format."""
    given_fields = {"command", "cwd", "name", *STORED_DEFAULTS[JobSpec]}
    assert {field.name for field in fields(JobSpec)} == given_fields
    for field in fields(JobSpec):
        if field.default is not MISSING and field.name in STORED_DEFAULTS[JobSpec]:
            assert field.default == STORED_DEFAULTS[JobSpec][field.name], f"{field.name}: the stored meaning is fixed"


def test_a_small_row_for_a_plain_job() -> None:
    text = encode_spec(JobSpec(("true",), "/tmp", "true"))
    assert json.loads(text) == {"command": ["true"], "cwd": "/tmp", "name": "true"}


def test_what_a_later_version_added_is_ignored() -> None:
    row = {"command": ["a"], "cwd": "/", "name": "a", "shinyness": 7, "gpu": {"count": 1, "interconnect": "x"}}
    assert decode_spec(json.dumps(row)) == JobSpec(("a",), "/", "a", gpu=GpuRequest(1))
    assert decode_status("queued", '{"since": 1.0, "mood": "good"}') == Queued(1.0)


@pytest.mark.parametrize(
    ("name", "state"),
    [("dreaming", '{"since":1}'), ("queued", "{}"), ("queued", "no json"), ("running", '{"since":1,"run":[]}')],
)
def test_what_cannot_be_understood_is_one_error(name: str, state: str) -> None:
    with pytest.raises(UnreadableRow):
        decode_status(name, state)


@pytest.mark.parametrize(
    "row", ['{"cwd":"/","name":"a"}', "[]", '{"command":["a"],"cwd":"/","name":"a","kind":"opera"}']
)
def test_a_spec_without_its_core_is_unreadable(row: str) -> None:
    with pytest.raises(UnreadableRow):
        decode_spec(row)


def test_a_sample_survives() -> None:
    values: dict[str, Any] = {field.name: None for field in fields(MachineSample)}
    values |= {"at": 1.5, "mode": "HIGH", "reserved_bytes": 0, "running": 0, "queued": 3}
    values |= {"jobs": (("7", None, 0.5),), "cards": ((1, None, 5, 60.0, None),), "card_jobs": ((1, "7", 4),)}
    sample = MachineSample(**values)
    assert decode_sample(encode_sample(sample)) == sample


def test_whatever_a_button_asks_for_is_stored_with_its_notice() -> None:
    offers = (
        NoticeOffer("Again", Command(Verb.EDIT, (JobId(7, 3),), 60.0, force=True, changes={"memory": "2G"})),
        NoticeOffer("Pause \udcff", ResolveConflict(12, "pause_later")),
        NoticeOffer("As proposed", ResolveConflict(13)),
        NoticeOffer("Ask for 2 GB", ApplyHint(4)),
    )
    assert decode_offers(encode_offers(offers)) == offers
    for broken in ('[{"label":"x"}]', '[{"label":"x","conflict":1}]', '[{"hint":1}]', "[3]"):
        with pytest.raises(UnreadableRow, match=r"^offers: "):
            decode_offers(broken)


def test_conflicts_and_hints_come_back_as_they_were() -> None:
    for conflict in (a_conflict_view(numbers={"over_bytes": 2.5e9}), a_conflict_view(2, ways=(), closed_at=3.0)):
        assert decode_conflict(encode_conflict(conflict)) == conflict
    for hint in (a_hint_view(), a_hint_view(2, action=None, closed_at=3.0, closed_because="You dismissed it.")):
        assert decode_hint(encode_hint(hint)) == hint

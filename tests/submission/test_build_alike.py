"""Bulk submits: an entry like the one before it is understood exactly as if it had come alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.submission.build import build, build_alike
from tidegate.submission.request import MachineFacts, Refused, SubmitRequest

FACTS = MachineFacts(cores=4, memory_total_bytes=8 << 30, memory_line_bytes=7 << 30)
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/"}

lines = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def alone(request: SubmitRequest) -> object:
    return build(request, FACTS, python=None, now=1.0, environments_dir=None)[0]


@given(st.lists(lines, min_size=2, max_size=6), st.sampled_from([{"mem": "8M"}, {"name": "same"}, {"hold": "yes"}]))
def test_a_line_after_a_line_reads_as_if_alone(texts: list[str], options: dict[str, str]) -> None:
    requests = [SubmitRequest(line=text, cwd="/", environment=ENVIRONMENT, options=options) for text in texts]
    model, before = alone(requests[0]), requests[0]
    for request in requests[1:]:
        found = build_alike(model, before, request)  # type: ignore[arg-type]
        assert found == alone(request)
        model, before = found, request


def test_what_differs_is_looked_at_for_itself(tmp_path: Path) -> None:
    options: dict[str, str] = {}
    first = SubmitRequest(line="true", cwd="/", environment=ENVIRONMENT, options=options)
    model = alone(first)
    for other in (
        SubmitRequest(line="true", cwd=str(tmp_path), environment=ENVIRONMENT, options=options),
        SubmitRequest(line="true", cwd="/", environment={"PATH": ""}, options=options),
        SubmitRequest(line="true", cwd="/", environment=ENVIRONMENT, options={"mem": "1G"}),
        SubmitRequest(command=("true",), cwd="/", environment=ENVIRONMENT, options=options),
        SubmitRequest(line=" ", cwd="/", environment=ENVIRONMENT, options=options),
        SubmitRequest(line="a\0b", cwd="/", environment=ENVIRONMENT, options=options),
    ):
        assert build_alike(model, first, other) is None  # type: ignore[arg-type]


def test_a_line_too_long_for_the_system_is_refused_all_the_same() -> None:
    options: dict[str, str] = {}
    first = SubmitRequest(line="true", cwd="/", environment=ENVIRONMENT, options=options)
    long = SubmitRequest(line="x" * 200_000, cwd="/", environment=ENVIRONMENT, options=options)
    with pytest.raises(Refused, match="bytes"):
        build_alike(alone(first), first, long)  # type: ignore[arg-type]

"""D11: how a job's end becomes an exit code."""

from __future__ import annotations

import pytest

from tidegate.cli.exit_codes import code_of, code_of_all, ending


def a_job(outcome: str, exit_code: int | None = None, signal: int | None = None) -> dict[str, object]:
    return {"outcome": outcome, "exit_code": exit_code, "signal": signal, "why": None}


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (a_job("succeeded", 0), 0),
        (a_job("failed", 3), 3),
        (a_job("failed", 127), 127),
        (a_job("failed", None, 11), 139),
        (a_job("failed"), 1),
        (a_job("out_of_memory", None, 9), 137),
        (a_job("out_of_memory", 1), 1),
        (a_job("cancelled", None, 15), 125),
        (a_job("cancelled"), 125),
        (a_job("killed", None, 9), 125),
        (a_job("timed_out", None, 15), 125),
        (a_job("timed_out", 0), 125),
        (a_job("lost"), 125),
        (a_job("skipped"), 126),
    ],
)
def test_each_outcome_has_its_code(job: dict[str, object], code: int) -> None:
    assert code_of(job) == code


def test_of_several_jobs_the_first_that_is_not_zero_counts() -> None:
    assert code_of_all([a_job("succeeded", 0), a_job("failed", 7), a_job("failed", 9)]) == 7
    assert code_of_all([a_job("succeeded", 0)]) == 0
    assert code_of_all([]) == 0


def test_an_end_is_said_in_words() -> None:
    assert ending(a_job("failed", 3)) == "failed with exit code 3"
    assert ending(a_job("failed", None, 11)) == "died of signal 11"
    assert (
        ending(a_job("out_of_memory", 1) | {"why": "the machine ran short"}) == "out of memory: the machine ran short"
    )
